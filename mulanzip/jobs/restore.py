"""A ``.mzp`` file -> the file that it keeps, or an image file of its pixels."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, TypeAlias

import numpy as np

from mulanzip import picture_decoder
from mulanzip.errors import MulanzipError, VerificationError
from mulanzip.format import container
from mulanzip.format.container import HEADER_SIZE, Container, Header
from mulanzip.image.kinds import Mode
from mulanzip.image.picture import Picture
from mulanzip.imageio import preview
from mulanzip.imageio.png_original import original as png_original
from mulanzip.imageio.suffixes import SUFFIXES_BY_FORMAT, has_format
from mulanzip.imageio.writer import default_suffix, require_writable, write_picture
from mulanzip.jobs import atomic
from mulanzip.jobs.endpoints import Endpoint, Source, is_existing_file, output_of, path_of
from mulanzip.jobs.files import FileOptions, FileResult
from mulanzip.jobs.names import SUFFIX, kept_name, restored_name
from mulanzip.limits import NO_LIMITS, Limits
from mulanzip.options import Execution, Grade
from mulanzip.progress import Progress

_OTHER_STREAMS = (
    "compressed streams of the file could not be made again here: same samples, same other bytes, other streams"
)
_REGION_MARK = ".region"
#: Rows and columns.
Region: TypeAlias = tuple[slice, slice]
#: Bytes of a ``.mzp`` file -> the picture; and the unpacked file, if the picture is exactly the one it was made from.
Decode: TypeAlias = Callable[[bytes, Execution], tuple[Picture, Container | None]]


def decompress_file(  # noqa: PLR0913
    source: Endpoint,
    output: Endpoint | None = None,
    *,
    scale: int = 1,
    index: int | None = None,
    region: Region | None = None,
    model: str | None = None,
    suffix: str | None = FileOptions.suffix,
    device: str = Execution.device,
    threads: int | None = Execution.threads,
    overwrite: bool = FileOptions.overwrite,
    make_folder: bool = FileOptions.make_folder,
    skip_done: bool = FileOptions.skip_done,
    dry_run: bool = FileOptions.dry_run,
    verify: bool = FileOptions.read_back,
    limits: Limits = Execution.limits,
    progress: Progress | None = Execution.progress,
) -> FileResult:
    """Restore a file from a ``.mzp`` file: the file that it was made from, or as much of it as was kept.

    Args:
        output: a path, or a folder, for a file of the default name: that of the source without ``.mzp``; or a file
            open for writing.  A suffix of another format than that of the kept file asks for its pixels in that
            format, which must be lossless.  Where only an image was kept, ``.png`` (``.tif`` for bands and signed
            samples) is appended to default names whose suffix is of no lossless format.  The default name of a preview
            is ``photo.preview.png``, that of a region ``photo.region.png``, and that of slice 3 ``photo.3.png``.
        scale, index, region, model, device, threads: as for :func:`mulanzip.decode`.
        suffix: ``.tif``, say: write the pixels in this format, in a file of the default name, or in an open file.
        skip_done: do nothing if the output exists and has the pixels that the source's header promises.  This reads
            the output; it runs the model only for previews and palette images.
        verify: read the restored file and compare its pixels before it gets its name.  The pixels that are decoded
            are always compared with the hash in the source.
        overwrite, make_folder, dry_run, limits, progress: as for :func:`mulanzip.compress_file`.

    Raises:
        MulanzipError: a subclass for each cause; nothing is written then.
        OSError: from the file system; nothing is written then.
        ValueError: for unknown options.
    """
    return decompress(
        source,
        output,
        FileOptions(overwrite, make_folder, skip_done, dry_run, read_back=verify, suffix=suffix),
        Execution(device, threads, limits, progress),
        scale=scale,
        index=index,
        region=region,
        model=model,
    )


def decompress(  # noqa: PLR0913
    given: Endpoint,
    output: Endpoint | None,
    files: FileOptions,
    execution: Execution,
    *,
    scale: int = 1,
    index: int | None = None,
    region: Region | None = None,
    model: str | None = None,
) -> FileResult:
    """Restore an image file: see :func:`decompress_file`."""

    mark = mark_of(scale, index, region)
    if not mark and files.suffix is None:
        source = Source(given, execution.limits)
        given = given if source.file is not None else source.open()  # A stream is read once.
        source.size()  # Says what folders and pipes are.
        is_kept = Header.unpack(source.head(HEADER_SIZE)).coding.is_file
        if is_kept and not _asks_for_pixels(source, output, execution):
            return restore_kept(given, output, files, execution, model=model)

    def decode(data: bytes, execution: Execution) -> tuple[Picture, Container | None]:
        file = container.unpack(data)
        if index is not None or region is not None:
            part = picture_decoder.decode_part(file, index, region, scale=scale, model=model, execution=execution)
            return part, None
        picture = picture_decoder.decode_container(file, scale=scale, model=model, execution=execution)
        return picture, None if mark else file

    return restore(given, output, decode, files, execution, mark=mark, is_slice=index is not None)


def mark_of(scale: int, index: int | None, region: Region | None) -> str:
    """The mark in the default name of a part of an image; empty for the whole image."""
    number = "" if index is None else f".{index}"
    return number + (_REGION_MARK if region else "") + (preview.MARK if scale != 1 else "")


def _asks_for_pixels(source: Source, output: Endpoint | None, execution: Execution) -> bool:
    """Whether the name of the output asks for another format than that of the kept file."""
    if not isinstance(output, str | os.PathLike) or Path(output).is_dir():
        return False
    suffix = Path(output).suffix.lower()
    if suffix not in SUFFIXES_BY_FORMAT or (
        source.file is not None and suffix == Path(source.file.name.removesuffix(SUFFIX)).suffix.lower()
    ):
        return False
    from mulanzip import kept_file

    file = container.unpack(source.read_compressed(Header.unpack(source.head(HEADER_SIZE))))
    return not has_format(kept_file.first_bytes(file, execution.limits), suffix)


def restore_kept(
    given: Endpoint,
    output: Endpoint | None,
    files: FileOptions,
    execution: Execution,
    *,
    model: str | None = None,
) -> FileResult:
    """Write the file that a ``.mzp`` file keeps: see :func:`decompress_file`."""
    from mulanzip import kept_file
    from mulanzip.whole.pieces import file_hash

    source = Source(given, execution.limits)
    header = Header.unpack(source.head(HEADER_SIZE))
    output = output_of(source, output, kept_name)
    result = FileResult(source.path, path_of(output), source.size())

    def restored() -> tuple[bytes, bool]:
        """The file, and whether it is the one that its grade promises."""
        file = container.unpack(source.read_compressed(header))
        data = picture_decoder.restore_file(file, model=model, execution=execution)
        return data, header.grade is not Grade.FILE or kept_file.is_source(file, data)

    if files.skip_done and is_existing_file(output):
        # With the grade ``content``, the header has the hash of the source, and another file comes back.
        there, is_content = output.read_bytes(), header.grade is Grade.CONTENT
        if (restored()[0] == there) if is_content else file_hash(there) == header.pixel_hash:
            return replace(result, output_size=len(there), status="skipped")
    atomic.check(output, files, source.file)
    if files.dry_run:
        return replace(result, status="planned")
    data, is_as_promised = restored()
    notes = atomic.write(data, output, like=source.file, make_folder=files.make_folder)
    if not is_as_promised:
        notes.append(_OTHER_STREAMS)
    return replace(result, output_size=len(data), notes=notes)


def restore(
    given: Endpoint,
    output: Endpoint | None,
    decode: Decode,
    files: FileOptions,
    execution: Execution,
    *,
    mark: str = "",
    is_slice: bool = False,
) -> FileResult:
    """Write the image file that ``decode`` makes of a ``.mzp`` file.

    Args:
        mark: part of the default name of a picture that is not the original.  Metadata that its format cannot hold
            are not counted as lost then, since the original keeps them: a note names them.
        is_slice: whether the picture is one slice or band.
    """
    source = Source(given, execution.limits)
    size = source.size()
    head = source.head(HEADER_SIZE)
    output = output_of(source, output, lambda path: restored_name(path, head, files.suffix, mark, is_slice))
    header = Header.unpack(head)
    kind = header.kind.of_slice if is_slice else header.kind
    name = Path(f"output{files.suffix or default_suffix(kind)}")
    if isinstance(output, Path) and (files.suffix is None or output.suffix.lower() in SUFFIXES_BY_FORMAT):
        name = output
    if not header.coding.is_file:  # The pixels of a file are known when it is restored.
        require_writable(name, kind)
    result = FileResult(source.path, path_of(output), size)
    if files.skip_done and is_existing_file(output):
        # The header has the hash of whole images; TIFF changes palettes.
        is_decoded = mark or header.mode is Mode.PALETTE
        expected = decode(source.read_compressed(header), execution.silent())[0] if is_decoded else header.pixel_hash
        if _shows(output, expected):
            return replace(result, output_size=output.stat().st_size, status="skipped")
    atomic.check(output, files, source.file)
    if files.dry_run:
        return replace(result, status="planned")
    picture, file = decode(source.read_compressed(header), execution)
    require_writable(name, picture.kind)
    original, notes = None, list[str]()
    if file is not None and name.suffix.lower() == ".png":
        original, notes = png_original.restore(file, picture)
    restored, lost = (original, []) if original else write_picture(picture, name)
    if files.read_back and not _keeps(_read(io.BytesIO(restored), execution.limits), picture):
        raise VerificationError(f"verification failed: {name.suffix} files do not give the same pixels back; use .png")
    if mark and lost:
        notes.append(f"{name.suffix} files do not hold {', '.join(lost)}: left out")
        lost = []
    if header.coding.is_file and not mark:
        lost += [what for what in picture.lost if what not in lost]
    notes += atomic.write(restored, output, like=source.file, make_folder=files.make_folder)
    return replace(result, output_size=len(restored), notes=notes, lost=lost)


def _read(source: Path | BinaryIO, limits: Limits = NO_LIMITS) -> Picture:
    from mulanzip.imageio.reader import read_picture  # Only now: readers of many formats take time.

    return read_picture(source, limits)[0]


def _shows(output: Path, expected: Picture | bytes) -> bool:
    """Whether an image file has the pixels of a picture, or pixels of this hash."""
    try:
        restored = _read(output)
    except MulanzipError:
        return False
    return restored.pixel_hash() == expected if isinstance(expected, bytes) else _keeps(restored, expected)


def _keeps(restored: Picture, picture: Picture) -> bool:
    """Whether a restored file shows the picture: TIFF has longer palettes, WebP drops alpha that is opaque."""
    channels = restored.pixels.shape[2]
    return (
        restored.mode in (picture.mode, Mode.RGB)
        and restored.palette.startswith(picture.palette)
        and np.array_equal(restored.pixels, picture.pixels[..., :channels])
        and bool((picture.pixels[..., channels:] == 255).all())
    )
