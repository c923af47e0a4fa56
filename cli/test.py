"""``mulanzip test``"""

from __future__ import annotations

from functools import partial

import click

from mulanzip.cli import batch, options
from mulanzip.cli.options import Sources
from mulanzip.cli.report import Reporter
from mulanzip.options import Execution


@click.command()
@options.sources
@options.decoding_model
@options.executing
@options.jobs
@options.reporting
def test(sources: Sources, model: str | None, execution: Execution, jobs: int | None, reporter: Reporter) -> None:
    """Check .mzp files and archives.

    Files are decoded fully, and all their hashes are compared.  Nothing is written.
    """
    from mulanzip.jobs.batch import Job, Task, is_compressed
    from mulanzip.jobs.check import check

    found = batch.select(reporter, is_compressed, sources)
    task = Task(partial(check, model=model), execution=execution)
    batch.run(reporter, task, [Job(file.path) for file in found], jobs, lambda outcome: f"{outcome.source}: ok")
