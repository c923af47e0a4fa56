"""``mulanzip models``"""

from __future__ import annotations

import click


@click.command()
def models() -> None:
    """List the models that are here: those of erasure noise compress, those of Gaussian noise are for 'sample'."""
    from mulanzip.registry import DEFAULT_MODEL, shipped

    for model in shipped():
        mark = " (default)" if model.name == DEFAULT_MODEL else ""
        shape = ", ".join(f"{key} {value}" for key, value in model.config.items())
        lines = f"noise {model.kind}", f"id    {model.model_id.hex()}", f"shape {shape}", f"file  {model.path}"
        click.echo("\n  ".join((model.name + mark, *lines)))
