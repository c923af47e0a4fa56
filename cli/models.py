"""``mulanzip models``"""

from __future__ import annotations

import click

#: What shipped models are for.
USES = {
    "gray": "compressing gray images of 8 to 16 bits: medical, microscopic, of the earth and the sky, and photographs",
    "gray-max": "compressing gray images into smaller files; decoding takes about twice as long",
    "photo": "compressing images of all kinds into the smallest files",
    "photo-fast": "compressing images faster; the files are about 3 % larger",
    "tiles32": "drawing images (mulanzip sample), and packing small ones in chains (mulanzip pack --process gaussian)",
}


@click.command()
def models() -> None:
    """List the models and what they are for."""
    from mulanzip.registry import DEFAULT_MODEL, GRAY_MODEL, shipped

    defaults = {DEFAULT_MODEL: " (default for colours)", GRAY_MODEL: " (default for gray)"}

    for model in shipped():
        shape = ", ".join(f"{key} {value}" for key, value in model.config.items())
        lines = [
            model.name + defaults.get(model.name, ""),
            f"for   {USES[model.name]}",
            f"noise {model.kind}",
            f"id    {model.model_id.hex()}",
            f"shape {shape}",
            f"file  {model.path}",
        ]
        click.echo("\n  ".join(lines))
