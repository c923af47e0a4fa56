"""A ``.mzp`` file or an archive is decoded, all its hashes are compared, and nothing is written."""

from __future__ import annotations

from mulanzip import picture_decoder
from mulanzip.format import container
from mulanzip.format.container import ARCHIVE_SIGNATURE, HEADER_SIZE, Header
from mulanzip.jobs.endpoints import Endpoint, Source
from mulanzip.jobs.files import STREAM, FileOptions, FileResult
from mulanzip.options import Execution


def check(
    given: Endpoint,
    output: None,
    files: FileOptions,
    execution: Execution,
    *,
    model: str | None = None,
) -> FileResult:
    """Check a file.

    Args:
        given: a ``.mzp`` file or an archive: a path, or a file open for reading.
        output, files: not used; every work of :class:`mulanzip.jobs.batch.Task` has them.
        model: as for :func:`mulanzip.decode`.

    Raises:
        MulanzipError, OSError: as :func:`mulanzip.decompress_file`.
    """
    source = Source(given, execution.limits)
    result = FileResult(source.path, STREAM, source.size())
    head = source.head(HEADER_SIZE)
    if head.startswith(ARCHIVE_SIGNATURE):
        from mulanzip.archive.reader import Archive

        with source.open() as file:
            archive = Archive(
                file, model=model, device=execution.device, threads=execution.threads, limits=execution.limits
            )
            archive.check(execution.progress)
    else:
        data = source.read_compressed(Header.unpack(head))
        picture_decoder.check_container(container.unpack(data), model=model, execution=execution)
    return result
