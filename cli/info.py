"""``mulanzip info``"""

from __future__ import annotations

from pathlib import Path

import click

from mulanzip.cli import options
from mulanzip.cli.report import Reporter, each, size


@click.command()
@options.sources
@options.model("A model file to try, for files made with a model that is not shipped (with -v).")
@options.verbose
def info(files: tuple[Path, ...], model: str | None, verbose: bool) -> None:
    """Describe .mzp files without decoding them; -v decodes, and shows where the bits are."""
    from mulanzip.inspection import info as describe

    reporter = Reporter(quiet=False)

    def work(source: Path) -> None:
        facts = describe(source)
        kind = facts.mode.name.lower().replace("_", "+")
        click.echo(f"{source}")
        click.echo(f"  image     {facts.width}x{facts.height} {kind}, {facts.depth} bits per sample")
        click.echo(f"  size      {size(facts.size)} bytes, {facts.bpsp:.3f} bits per subpixel")
        if facts.model_id:
            where = facts.model or "not here"
            click.echo(f"  model     {where} ({facts.model_id}), schedule {facts.schedule}, {facts.segments} segments")
        else:
            click.echo("  model     none: stored as WebP or PNG")
        original = (
            "file restored byte for byte"
            if facts.restores_file
            else "pixels and metadata restored, not the file's bytes"
        )
        click.echo(f"  original  {original}")
        for part, count in facts.parts.items():
            click.echo(f"  {part:<13} {size(count):>12} bytes")
        if verbose and facts.model_id:
            from mulanzip.bits_ledger import ledger

            click.echo("  " + ledger(source.read_bytes(), model=model).table().replace("\n", "\n  "))

    each(files, reporter, work)
