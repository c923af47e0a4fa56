"""The ``mulanzip`` command.  Only what a command needs is imported, and only when it runs."""

from __future__ import annotations

import signal
import sys
import warnings

import click

import mulanzip
from mulanzip.cli import streams
from mulanzip.cli.bench import bench
from mulanzip.cli.compress import compress
from mulanzip.cli.decompress import decompress
from mulanzip.cli.info import info
from mulanzip.cli.inspect import inspect
from mulanzip.cli.models import models
from mulanzip.cli.pack import pack
from mulanzip.cli.sample import sample
from mulanzip.cli.test import test
from mulanzip.cli.train import train
from mulanzip.cli.unpack import unpack
from mulanzip.errors import MulanzipError

INTERRUPTED = 130


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(mulanzip.__version__, "-V", "--version")
def main() -> None:
    """Compress images without loss, with a learned model.

    Every pixel comes back exactly, on every machine, and so does the metadata.  Most PNG files come back byte for
    byte.

    \b
    Exit codes:
      0    success
      1    some files failed, metadata was lost, or output could not be written
      2    wrong usage
      3    nothing to do
      4    corrupt file
      5    model missing or damaged
      6    image too large
      130  interrupted
    If files failed for different reasons, the exit code is 1.
    """


for command in (compress, decompress, pack, unpack, info, inspect, test, models, bench, train, sample):
    main.add_command(command)


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
