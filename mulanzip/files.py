"""Files: compress and decompress.  Outputs appear whole or not at all."""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeGuard

import numpy as np

from mulanzip import api, container, output_file, registry
from mulanzip.container import HEADER_SIZE, Header, Mode
from mulanzip.errors import LimitError, MulanzipError, VerificationError
from mulanzip.imageio import metadata
from mulanzip.imageio.reader import read_picture
from mulanzip.imageio.writer import can_write, require_writable, write_picture
from mulanzip.memory import NO_LIMITS, Limits

if TYPE_CHECKING:
    from mulanzip.codec import Progress
    from mulanzip.picture import Picture

SUFFIX = ".mzp"
#: What stands for the path of an open file.
STREAM = Path("-")


@dataclass(frozen=True)
class FileResult:
    """What became of one file.

    Attributes:
        source, output: paths, :data:`STREAM` for open files; sizes in bytes, 0 for what was not written.
        notes: what the user should know, a sentence each.
        lost: names of metadata that could not be kept.
        status: ``done``; ``skipped``: the output was there, and whole; or ``planned`` in a dry run.
    """

    source: Path
    output: Path
    source_size: int
    output_size: int = 0
    notes: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    status: str = "done"


def compressed_name(source: Path) -> Path:
    """``photo.png`` -> ``photo.png.mzp``."""
    return source.with_name(source.name + SUFFIX)


def restored_name(source: Path, data: bytes, suffix: str | None = None) -> Path:
    """``photo.png.mzp`` -> ``photo.png``, ``photo.jpg.mzp`` -> ``photo.jpg.png``.

    Args:
        data: the file's content, whose header tells which formats can hold the image.
        suffix: of the format to restore to: appended, unless the name has it.

    Raises:
        CorruptFileError: if the header is damaged.
    """
    output = source.with_name(source.name.removesuffix(SUFFIX) or source.name)
    fits = output.suffix.lower() == suffix if suffix else can_write(output.suffix, Header.unpack(data).mode)
    if output != source and fits:
        return output
    return output.with_name(output.name + (suffix or ".png"))


def compress_file(
    source: str | os.PathLike[str] | BinaryIO,
    output: str | os.PathLike[str] | BinaryIO | None = None,
    *,
    model: str = registry.DEFAULT_MODEL,
    effort: int = api.DEFAULT_EFFORT,
    schedule: str = "default",
    device: str = "auto",
    threads: int | None = None,
    overwrite: bool = False,
    make_folder: bool = False,
    skip_done: bool = False,
    dry_run: bool = False,
    verify: bool = True,
    strip: Collection[str] = (),
    limits: Limits = NO_LIMITS,
    progress: Progress | None = None,
) -> FileResult:
    """Compress an image file.

    Args:
        source: PNG, WebP, TIFF, BMP, PNM, GIF, TGA, PCX or JPEG of 8 bits per sample: a path, or a file open
            for reading.
        output: a file, or a folder for a file of the default name: the source's with ``.mzp`` appended; or a
            file open for writing, which gets everything at once, at the end.
        overwrite: replace an existing output.
        make_folder: make the output's folder where it is missing.
        skip_done: do nothing if the output is there, whole, and holds the pixels and metadata of the source.
            This reads both, and decodes the source.
        dry_run: check everything that can be checked without the work, and do nothing.
        verify: decode and compare before the output gets its name.
        strip: metadata to leave out: some of :data:`mulanzip.imageio.metadata.STRIPPABLE`.
        model, effort, schedule, device, threads: as for :func:`mulanzip.encode`.
        limits: what the image may take.
        progress: told the share that is done.

    Raises:
        MulanzipError: a subclass per cause; nothing is written then.
        OSError: from the file system; nothing is written then.
    """
    source = _source(source, limits)
    output = _target(source, output, compressed_name)
    result = FileResult(_path(source), _path(output), _file_size(source))

    def read() -> tuple[Picture, list[str]]:
        with _rewound(source) as file:
            picture, notes = read_picture(file, limits)
        lost = () if set(strip) == set(metadata.STRIPPABLE) else picture.lost
        return replace(picture, metadata=metadata.stripped(picture.metadata, strip), lost=lost), notes

    if skip_done and _is_file(output) and _holds(output, read()[0]):
        return replace(result, output_size=output.stat().st_size, status="skipped")
    output_file.check(source, output, overwrite, make_folder, skip_done)
    if dry_run:
        return replace(result, status="planned")
    picture, notes = read()
    data = api.encode_picture(
        picture,
        model=model,
        effort=effort,
        schedule=schedule,
        device=device,
        threads=threads,
        limits=limits,
        progress=_part(progress, 0, 0.5 if verify else 1),
    )
    if verify:
        api.verify(
            picture,
            data,
            model=model,
            device=device,
            threads=threads,
            limits=limits,
            progress=_part(progress, 0.5, 1),
        )
    output_file.write(data, output, source, notes, make_folder)
    return replace(result, output_size=len(data), notes=notes, lost=list(picture.lost))


def decompress_file(
    source: str | os.PathLike[str] | BinaryIO,
    output: str | os.PathLike[str] | BinaryIO | None = None,
    *,
    model: str | None = None,
    suffix: str | None = None,
    device: str = "auto",
    threads: int | None = None,
    overwrite: bool = False,
    make_folder: bool = False,
    skip_done: bool = False,
    dry_run: bool = False,
    verify: bool = False,
    limits: Limits = NO_LIMITS,
    progress: Progress | None = None,
) -> FileResult:
    """Restore an image file from a ``.mzp`` file.

    Args:
        output: a file, whose suffix chooses the format, which must be lossless; or a folder for a file of
            the default name: the source's without ``.mzp``, with ``.png`` appended where that is no
            lossless format; or a file open for writing.
        suffix: ``.tif``, say: format of a file of the default name, or of an open one (PNG by default).
        skip_done: do nothing if the output is there, and has the pixels that the source's header promises.
            This reads the output, and does not run the model.
        verify: read the restored file back, and compare its pixels before it gets its name; those of the
            source are checked always.
        model, device, threads: as for :func:`mulanzip.decode`; others as for :func:`compress_file`.

    Raises:
        MulanzipError: a subclass per cause; nothing is written then.
        OSError: from the file system; nothing is written then.
    """
    source = _source(source, limits)
    size = _file_size(source)
    with _rewound(source) as file:
        head = file.read(HEADER_SIZE)
    output = _target(source, output, lambda path: restored_name(path, head, suffix))
    name = output if isinstance(output, Path) else Path(f"output{suffix or '.png'}")
    header = Header.unpack(head)
    require_writable(name, header.mode)
    result = FileResult(_path(source), _path(output), size)

    def decoded(progress: Progress | None = None) -> Picture:
        return _decoded(source, header, model, device, threads, limits, progress)

    if skip_done and _is_file(output) and _is_restored(output, header, decoded):
        return replace(result, output_size=output.stat().st_size, status="skipped")
    output_file.check(source, output, overwrite, make_folder, skip_done)
    if dry_run:
        return replace(result, status="planned")
    picture = decoded(progress)
    restored, lost = write_picture(picture, name)
    if verify and not _keeps(read_picture(io.BytesIO(restored), limits)[0], picture):
        raise VerificationError(f"verification failed: {name.suffix} files do not give the same pixels back; use .png")
    notes: list[str] = []
    output_file.write(restored, output, source, notes, make_folder)
    return replace(result, output_size=len(restored), notes=notes, lost=lost)


def check_file(
    source: str | os.PathLike[str] | BinaryIO,
    *,
    model: str | None = None,
    device: str = "auto",
    threads: int | None = None,
    limits: Limits = NO_LIMITS,
    progress: Progress | None = None,
) -> int:
    """Decode a ``.mzp`` file fully, compare all hashes, write nothing.

    Returns:
        its size in bytes.

    Raises:
        MulanzipError, OSError: as :func:`decompress_file`, whose arguments these are.
    """
    source = _source(source, limits)
    size = _file_size(source)
    with _rewound(source) as file:
        header = Header.unpack(file.read(HEADER_SIZE))
    _decoded(source, header, model, device, threads, limits, progress)
    return size


def _decoded(
    source: Path | io.BytesIO,
    header: Header,
    model: str | None,
    device: str,
    threads: int | None,
    limits: Limits,
    progress: Progress | None,
) -> Picture:
    """The picture of a file whose header has been read: limits are checked before the rest is."""
    limits.check_pixels(header.height, header.width)
    limits.require(_file_size(source))
    with _rewound(source) as file:
        data = file.read()
    return api.decode_picture(data, model=model, device=device, threads=threads, limits=limits, progress=progress)


def _holds(compressed: Path, picture: Picture) -> bool:
    """Whether a ``.mzp`` file is whole, and made of this picture."""
    try:
        file = container.unpack(compressed.read_bytes())
        return file.header.pixel_hash == picture.pixel_hash() and api.metadata_of(file) == picture.metadata
    except MulanzipError:
        return False


def _is_restored(output: Path, header: Header, decoded: Callable[[], Picture]) -> bool:
    """Whether an image file has the pixels that the header promises; only palettes are decoded for that."""
    try:
        restored = read_picture(output)[0]
        if header.mode is Mode.PALETTE:
            return _keeps(restored, decoded())
        return restored.pixel_hash() == header.pixel_hash
    except MulanzipError:
        return False


def _keeps(restored: Picture, picture: Picture) -> bool:
    """Whether a restored file shows the picture: TIFF has longer palettes, WebP drops alpha that is opaque."""
    channels = restored.pixels.shape[2]
    return (
        restored.mode in (picture.mode, Mode.RGB)
        and restored.palette.startswith(picture.palette)
        and np.array_equal(restored.pixels, picture.pixels[..., :channels])
        and bool((picture.pixels[..., channels:] == 255).all())
    )


def _part(progress: Progress | None, start: float, end: float) -> Progress | None:
    """Progress of a part of the work, as a share of the whole."""
    if progress is None:
        return None
    return lambda share: progress(start + share * (end - start))


def _source(source: str | os.PathLike[str] | BinaryIO, limits: Limits) -> Path | io.BytesIO:
    """A path, or all that an open file has."""
    if isinstance(source, str | os.PathLike):
        return Path(source)
    most = -1 if limits.memory is None else limits.memory + 1
    data = source.read(most)
    if len(data) == most:
        raise LimitError(f"the input has more bytes than the limit of memory, {most - 1:,} (--max-memory)")
    return io.BytesIO(data)


def _rewound(source: Path | io.BytesIO) -> BinaryIO:
    """Open for reading from its start."""
    return open(source, "rb") if isinstance(source, Path) else io.BytesIO(source.getvalue())


def _path(file: Path | BinaryIO) -> Path:
    return file if isinstance(file, Path) else STREAM


def _file_size(source: Path | io.BytesIO) -> int:
    """Size in bytes; raises OSError for folders, pipes and devices."""
    if not isinstance(source, Path):
        return source.getbuffer().nbytes
    facts = source.stat()
    if stat.S_ISDIR(facts.st_mode):
        raise IsADirectoryError(errno.EISDIR, "is a folder; name the files in it, or use -r", str(source))
    if not stat.S_ISREG(facts.st_mode):
        raise OSError(errno.EINVAL, "not a regular file", str(source))
    return facts.st_size


def _target(
    source: Path | io.BytesIO, output: str | os.PathLike[str] | BinaryIO | None, default: Callable[[Path], Path]
) -> Path | BinaryIO:
    if not isinstance(output, str | os.PathLike | None):
        return output
    if output is not None and not Path(output).is_dir():
        return Path(output)
    if not isinstance(source, Path):
        raise MulanzipError("standard input has no name; name the output file with -o")
    name = default(source)
    return name if output is None else Path(output) / name.name


def _is_file(output: Path | BinaryIO) -> TypeGuard[Path]:
    return isinstance(output, Path) and output.is_file()
