"""An image file -> a ``.mzp`` file."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import numpy as np

from mulanzip import api
from mulanzip.errors import MulanzipError
from mulanzip.format import container
from mulanzip.image.picture import Picture
from mulanzip.imageio import metadata
from mulanzip.imageio.png_original import original as png_original
from mulanzip.imageio.reader import read_picture
from mulanzip.jobs import atomic
from mulanzip.jobs.endpoints import Endpoint, Source, is_existing_file, output_of, path_of
from mulanzip.jobs.files import FileOptions, FileResult
from mulanzip.jobs.names import compressed_name
from mulanzip.limits import Limits
from mulanzip.options import EncodeOptions, Execution
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
    strip: Collection[str] = FileOptions.strip,
    limits: Limits = Execution.limits,
    progress: Progress | None = Execution.progress,
) -> FileResult:
    """Compress an image file.

    Args:
        source: PNG, WebP, TIFF, BMP, PNM, PAM, GIF, TGA, PCX, JPEG, ``.npy`` or DICOM of up to 16 bits per sample:
            a path, or a file open for reading.
        output: a path; or a folder, for a file of the default name: that of the source with ``.mzp`` appended; or a
            file open for writing, which gets all bytes in one write at the end.
        overwrite: replace an existing output.
        make_folder: make the output's folder where it is missing.
        skip_done: do nothing if the output exists, is complete, and holds the pixels and metadata of the source.
            This reads both files and decodes the source.
        dry_run: check everything that can be checked without the work, and write nothing.
        verify: decode the result and compare it with the image before the output gets its name.
        strip: metadata to leave out, from :data:`mulanzip.imageio.metadata.STRIPPABLE`.
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
        FileOptions(overwrite, make_folder, skip_done, dry_run, verify=verify, strip=strip),
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
    if files.skip_done and is_existing_file(output) and _holds(output, _read(source, files, execution)[0]):
        return replace(result, output_size=output.stat().st_size, status="skipped")
    atomic.check(output, files, source.file)
    if files.dry_run:
        return replace(result, status="planned")
    picture, notes = _read(source, files, execution)
    file = api.encode_picture(picture, encoding, execution.part(0, _ENCODING) if files.verify else execution)
    lost = list(picture.lost)
    if not files.strip:
        whole = png_original.keep(file, source.read(), picture)
        if whole is not file:
            file, lost = whole, []
    data = file.pack()
    if files.verify:
        api.verify(picture, data, encoding.model, execution.part(_ENCODING, 1))
    notes += atomic.write(data, output, like=source.file, make_folder=files.make_folder)
    return replace(result, output_size=len(data), notes=notes, lost=lost)


def _read(source: Source, files: FileOptions, execution: Execution) -> tuple[Picture, list[str]]:
    """The picture with the metadata that are to be kept, and notes."""
    with source.open() as file:
        picture, notes = read_picture(file, execution.limits)
    lost = () if set(files.strip) == set(metadata.STRIPPABLE) else picture.lost
    return replace(picture, metadata=metadata.stripped(picture.metadata, files.strip), lost=lost), notes


def _holds(compressed: Path, picture: Picture) -> bool:
    """Whether a ``.mzp`` file is complete and was made from this picture."""
    try:
        file = container.unpack(compressed.read_bytes())
        return file.header.pixel_hash == picture.pixel_hash() and api.metadata_of(file) == picture.metadata
    except MulanzipError:
        return False
