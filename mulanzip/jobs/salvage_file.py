"""A damaged ``.mzp`` file -> an image file of its intact parts."""

from __future__ import annotations

from dataclasses import replace

from mulanzip.errors import NotDamagedError
from mulanzip.format.container import Container
from mulanzip.image.picture import Picture
from mulanzip.inspect.damaged_regions import describe
from mulanzip.inspect.salvage import Salvaged, salvage
from mulanzip.jobs.endpoints import Endpoint, path_of
from mulanzip.jobs.files import STREAM, FileOptions, FileResult
from mulanzip.jobs.restore import restore
from mulanzip.limits import Limits
from mulanzip.options import Execution
from mulanzip.progress import Progress

#: Part of the default names of results.
MARK = ".salvaged"


def salvage_file(  # noqa: PLR0913
    source: Endpoint,
    output: Endpoint | None = None,
    *,
    model: str | None = None,
    suffix: str | None = FileOptions.suffix,
    device: str = Execution.device,
    threads: int | None = Execution.threads,
    overwrite: bool = FileOptions.overwrite,
    make_folder: bool = FileOptions.make_folder,
    dry_run: bool = FileOptions.dry_run,
    limits: Limits = Execution.limits,
    progress: Progress | None = Execution.progress,
) -> FileResult:
    """Write the parts of a damaged file that can be trusted; the default name is ``photo.salvaged.png``.

    The result's notes say what is lost.  Its status is ``sound`` if the file is not damaged: nothing is written then.

    Args:
        all as for :func:`mulanzip.decompress_file`.

    Raises:
        CorruptFileError: if nothing can be salvaged.
        MulanzipError, OSError: as for :func:`mulanzip.decompress_file`; nothing is written then.
    """
    return decompress_damaged(
        source,
        output,
        FileOptions(overwrite, make_folder, dry_run=dry_run, suffix=suffix),
        Execution(device, threads, limits, progress),
        model=model,
    )


def decompress_damaged(
    given: Endpoint,
    output: Endpoint | None,
    files: FileOptions,
    execution: Execution,
    *,
    model: str | None = None,
) -> FileResult:
    """Restore what can be trusted of a damaged file: see :func:`salvage_file`."""
    found: list[Salvaged] = []

    def decode(data: bytes, execution: Execution) -> tuple[Picture, Container | None]:
        found.append(salvage(data, model=model, execution=execution))
        return found[0].picture, None

    try:
        result = restore(given, output, decode, files, execution, mark=MARK)
    except NotDamagedError as error:
        return FileResult(path_of(given), STREAM, 0, notes=[str(error)], status="sound")
    if not found:
        return result
    return replace(result, status="salvaged", notes=[*_describe(found[0]), *result.notes])


def _describe(salvaged: Salvaged) -> list[str]:
    notes = describe(salvaged.regions)
    notes += [f"{name} is lost" for name in salvaged.damaged_metadata]
    exact = int(salvaged.trusted.sum())
    # Rounded down: 100 % means all of them.
    return [*notes, f"{1000 * exact // salvaged.trusted.size / 10:.1f} % of the pixels are exact"]
