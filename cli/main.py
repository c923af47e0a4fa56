"""The ``mulanzip`` command."""

from __future__ import annotations

import click
from mulanzip.cli.train import train

import mulanzip


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(mulanzip.__version__, "-V", "--version")
def main() -> None:
    """Lossless image compression with a learned density model."""


main.add_command(train)


def run() -> None:
    """Entry point."""
    main()
