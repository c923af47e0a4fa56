"""An image file -> a ``.mzp`` file."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import numpy as np

from mulanzip import keep
from mulanzip.errors import MulanzipError
from mulanzip.format import container
from mulanzip.jobs import atomic
from mulanzip.jobs.endpoints import Endpoint, Source, is_existing_file, output_of, path_of
from mulanzip.jobs.files import FileOptions, FileResult
from mulanzip.jobs.names import compressed_name
from mulanzip.limits import Limits
from mulanzip.options import EncodeOptions, Execution, Keeping
from mulanzip.progress import Progress

#: Share of the progress that encoding takes where the result is verified.
_ENCODING = 0.7


def compress_file(  # noqa: PLR0913
    source: Endpoint,
    output: Endpoint | None = None,
    *,
    model: str = EncodeOptions.model,
    effort: int = EncodeOptions.effort,
    context: str | np.ndarray | None = EncodeOptions.context,
    schedule: str = EncodeOptions.schedule,
    mu: float = EncodeOptions.mu,
    stored: bool = EncodeOptions.stored,
    device: str = Execution.device,
    threads: int | None = Execution.threads,
    overwrite: bool = FileOptions.overwrite,
    make_folder: bool = FileOptions.make_folder,
    skip_done: bool = FileOptions.skip_done,
    dry_run: bool = FileOptions.dry_run,
    verify: bool = FileOptions.verify,
    strip: Collection[str] = Keeping.strip,
    pixels: bool = Keeping.pixels,
    only_modelled: bool = Keeping.only_modelled,
    everything: bool = Keeping.everything,
    require: str = Keeping.require,
    limits: Limits = Execution.limits,
    progress: Progress | None = Execution.progress,
) -> FileResult:
    """Compress an image file.

    Args:
        source: an image file of any kind: a path, or a file open for reading.  The models code RGB, gray and bands of
            up to 16 bits per sample in PNG files, and where samples lie uncompressed in files; JPEG becomes JPEG XL;
            files of other kinds are kept as they are, compressed by a general-purpose library.
        output: a path; or a folder, for a file of the default name: that of the source with ``.mzp`` appended; or a
            file open for writing, which gets all bytes in one write at the end.
        overwrite: replace an existing output.
        make_folder: make the output's folder where it is missing.
        skip_done: do nothing if the output exists, is complete, and holds the pixels and metadata of the source.
            This reads both files and decodes the source.
        dry_run: check everything that can be checked without the work, and write nothing.
        verify: restore the source from the result and compare it before the output gets its name: its bytes, if its
            grade is ``file``, else its pixels and metadata.
        strip: metadata to leave out, from :data:`mulanzip.imageio.metadata.STRIPPABLE`; pixels are kept then.
        pixels: keep pixels and metadata, not the file.
        only_modelled: refuse kinds of images that no model codes, instead of keeping their files as they are.
        everything: keep files that are no images, or damaged ones, as they are; otherwise they are refused.
        require: ``file``, ``content`` or ``samples``: refuse sources of which less would come back.
        model, effort, context, schedule, mu, stored, device, threads: as for :func:`mulanzip.encode`.
        limits: maximum size of the image, and of the memory for it.
        progress: called with the share that is done, 0 to 1.

    Raises:
        MulanzipError: a subclass for each cause; nothing is written then.
        OSError: from the file system; nothing is written then.
        ValueError: for unknown options.
    """
    return compress(
        source,
        output,
        FileOptions(
            overwrite,
            make_folder,
            skip_done,
            dry_run,
            verify=verify,
            keeping=Keeping(pixels, only_modelled, everything, require, strip),
        ),
        Execution(device, threads, limits, progress),
        encoding=EncodeOptions(model, effort, context, schedule, mu, stored),
    )


def compress(
    given: Endpoint, output: Endpoint | None, files: FileOptions, execution: Execution, *, encoding: EncodeOptions
) -> FileResult:
    """Compress an image file: see :func:`compress_file`."""
    source = Source(given, execution.limits)
    output = output_of(source, output, compressed_name)
    result = FileResult(source.path, path_of(output), source.size())
    execution.limits.require(source.size())
    if files.skip_done and is_existing_file(output) and _holds(output, source.read(), files, execution):
        return replace(result, output_size=output.stat().st_size, status="skipped")
    atomic.check(output, files, source.file)
    if files.dry_run:
        return replace(result, status="planned")
    data = source.read()
    coding = execution.part(0, _ENCODING) if files.verify else execution
    kept = keep.keep(data, files.keeping, encoding, coding, source.file)
    if files.verify:
        keep.verify(kept, data, encoding.model, execution.part(_ENCODING, 1))
    compressed = kept.file.pack()
    notes = kept.notes + atomic.write(compressed, output, like=source.file, make_folder=files.make_folder)
    return replace(result, output_size=len(compressed), notes=notes, lost=kept.lost, grade=kept.grade)


def _holds(compressed: Path, source: bytes, files: FileOptions, execution: Execution) -> bool:
    """Whether a ``.mzp`` file is complete and was made from this source."""
    try:
        file = container.unpack(compressed.read_bytes())
    except MulanzipError:
        return False
    return keep.holds(file, source, files.keeping, execution)
