"""The commands by name."""

from __future__ import annotations

from functools import cache

import click

from mulanzip.cli.main import main


@cache
def commands() -> dict[str, click.Command]:
    """All commands; the command line itself imports only the one that it runs."""
    context = click.Context(main)
    found = {name: main.get_command(context, name) for name in main.list_commands(context)}
    return {name: command for name, command in found.items() if command is not None}
