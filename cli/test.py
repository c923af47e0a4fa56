"""``mulanzip test``"""

from __future__ import annotations

from pathlib import Path

import click

from mulanzip.cli import options
from mulanzip.cli.report import Reporter, each


@click.command()
@options.sources
@options.model("A model file to try, for files made with a model that is not shipped.")
@options.device
@options.threads
@options.quiet
def test(files: tuple[Path, ...], model: str | None, device: str, threads: int | None, quiet: bool) -> None:
    """Check .mzp files: decode them fully, compare all hashes, write nothing."""
    from mulanzip.api import decode_picture

    reporter = Reporter(quiet)

    def work(source: Path) -> None:
        with reporter.progress(source) as progress:
            decode_picture(source.read_bytes(), model=model, device=device, threads=threads, progress=progress)
        reporter.say(f"{source}: ok")

    each(files, reporter, work)
