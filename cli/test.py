"""``mulanzip test``"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from mulanzip.cli import batch, options
from mulanzip.cli.report import Reporter


@click.command()
@options.sources
@options.model("A model file to try, for files made with a model that is not shipped.")
@options.checking
def test(
    files: tuple[Path, ...],
    recursive: bool,
    files_from: Path | None,
    null: bool,
    jobs: int | None,
    quiet: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Check .mzp files: decode them fully, compare all hashes, write nothing."""
    from mulanzip.jobs.batch import Job, Task, is_compressed
    from mulanzip.jobs.check import check

    reporter = Reporter(quiet, as_json)
    found = batch.select(reporter, is_compressed, files, recursive, files_from, null)
    task = Task(partial(check, model=given.pop("model")), execution=batch.execution(given))
    batch.run(reporter, task, [Job(file.path) for file in found], jobs, lambda outcome: f"{outcome.source}: ok")
