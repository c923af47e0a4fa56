"""The ``mulanzip`` command.  Only what a command needs is imported, and only when it runs."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from importlib import import_module

import click

import mulanzip
from mulanzip.cli import streams
from mulanzip.errors import MulanzipError

INTERRUPTED = 130
#: Each is a function of the module of its name.
_COMMANDS = (
    "bench",
    "compress",
    "decompress",
    "info",
    "inspect",
    "models",
    "pack",
    "sample",
    "test",
    "train",
    "unpack",
)


class _Commands(click.Group):
    """The commands; says what to type where a file is named instead of one."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"mulanzip.cli.{cmd_name}"), cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            if not os.path.exists(args[0]):
                raise
            raise click.UsageError(f"{args[0]} is no command; write: mulanzip {_command_for(args[0])}", ctx) from None


def _command_for(name: str) -> str:
    """What a user may want to do with a file or a folder."""
    from pathlib import Path

    from mulanzip.format.container import ARCHIVE_SIGNATURE, SIGNATURE

    path = Path(name)
    if path.is_dir():
        return f"compress -r {name}"
    with open(path, "rb") as file:
        start = file.read(len(SIGNATURE))
    if start == ARCHIVE_SIGNATURE:
        return f"unpack {name} -d FOLDER"
    return f"{'decompress' if start == SIGNATURE else 'compress'} {name}"


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(mulanzip.__version__, "-V", "--version")
def main() -> None:
    """Compress images without loss, with a learned model.

    What goes in comes back, on every machine, or the command says what does not.

    \b
    Exit codes:
      0    success
      1    some files failed, something was lost, or output could not be written
      2    wrong usage
      3    no file found
      4    corrupt file
      5    model missing or damaged
      6    image too large
      7    file of a newer version of mulanzip
      130  interrupted
    If files failed for different reasons, the exit code is 1.
    """


def run() -> None:
    """Entry point: every error becomes one line and an exit code."""
    streams.prepare()
    # Asked to end, as after Ctrl-C: nothing stays half-written, a training run is saved.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # They warn of damaged metadata, which mulanzip either does not use or reports itself.
    warnings.filterwarnings("ignore", module=r"(PIL|pydicom)\.")
    try:
        main(standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("interrupted", err=True)
        sys.exit(INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except MulanzipError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:  # The reader of standard output has seen enough.
        sys.exit(1)
    except OSError as error:
        name = f"{error.filename}: " if error.filename is not None else ""
        click.echo(f"error: {name}{error.strerror or error}", err=True)
        sys.exit(1)
