"""``mulanzip models``"""

from __future__ import annotations

import click


@click.command()
def models() -> None:
    """List the models that are here, with the ids that files carry."""
    from mulanzip.registry import DEFAULT_MODEL, shipped

    for model in shipped():
        mark = " (default)" if model.name == DEFAULT_MODEL else ""
        shape = ", ".join(f"{key} {value}" for key, value in model.config.items())
        click.echo(f"{model.name}{mark}\n  id    {model.model_id.hex()}\n  shape {shape}\n  file  {model.path}")
