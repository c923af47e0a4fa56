"""``mulanzip models``"""

from __future__ import annotations

import click

#: What shipped models are for.
USES = {
    "photo": "compressing images of all kinds into the smallest files",
    "photo-fast": "compressing images faster; the files are about 3 % larger",
    "tiles32": "drawing images (mulanzip sample), and packing small ones in chains (mulanzip pack --process gaussian)",
}


@click.command()
def models() -> None:
    """List the models and what they are for."""
    from mulanzip.registry import DEFAULT_MODEL, shipped

    for model in shipped():
        mark = " (default)" if model.name == DEFAULT_MODEL else ""
        shape = ", ".join(f"{key} {value}" for key, value in model.config.items())
        lines = [
            model.name + mark,
            f"for   {USES[model.name]}",
            f"noise {model.kind}",
            f"id    {model.model_id.hex()}",
            f"shape {shape}",
            f"file  {model.path}",
        ]
        click.echo("\n  ".join(lines))
