"""Files: compress and decompress.  Outputs appear whole or not at all."""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, TypeGuard

import numpy as np

from mulanzip import api, registry
from mulanzip.errors import LimitError, MulanzipError, VerificationError
from mulanzip.format import container
from mulanzip.format.container import ARCHIVE_SIGNATURE, HEADER_SIZE, Header
from mulanzip.image.kinds import Mode
from mulanzip.image.picture import Picture
from mulanzip.imageio import metadata, preview
from mulanzip.imageio.png_original import original as png_original
from mulanzip.imageio.reader import read_picture
from mulanzip.imageio.writer import can_write, default_suffix, require_writable, write_picture
from mulanzip.jobs import atomic
from mulanzip.limits import NO_LIMITS, Limits
from mulanzip.options import EncodeOptions, Execution
from mulanzip.progress import Progress

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
        status: ``done``; ``salvaged``: what can be trusted of a damaged file; ``sound``: there was nothing to
            salvage; ``skipped``: the output was there, and whole; or ``planned`` in a dry run.
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


def restored_name(source: Path, data: bytes, suffix: str | None = None, mark: str = "") -> Path:
    """``photo.png.mzp`` -> ``photo.png``, ``photo.jpg.mzp`` -> ``photo.jpg.png``.

    Args:
        data: the file's content, whose header tells which formats can hold the image.
        suffix: of the format to restore to: appended, unless the name has it.
        mark: goes before the suffix, for what is not the original: ``.preview`` -> ``photo.preview.png``.

    Raises:
        CorruptFileError: if the header is damaged.
    """
    output = source.with_name(source.name.removesuffix(SUFFIX) or source.name)
    kind = Header.unpack(data).kind
    fits = output.suffix.lower() == suffix if suffix else can_write(output.suffix, kind)
    if output == source or not fits:
        output = output.with_name(output.name + (suffix or default_suffix(kind)))
    return output.with_name(f"{output.stem}{mark}{output.suffix}")


def compress_file(
    source: str | os.PathLike[str] | BinaryIO,
    output: str | os.PathLike[str] | BinaryIO | None = None,
    *,
    model: str = registry.DEFAULT_MODEL,
    effort: int = EncodeOptions.effort,
    context: str | None = None,
    schedule: str = "default",
    mu: float = EncodeOptions.mu,
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
        source: PNG, WebP, TIFF, BMP, PNM, PAM, GIF, TGA, PCX, JPEG, ``.npy`` or DICOM of up to 16 bits per sample:
            a path, or a file open for reading.
        output: a file, or a folder for a file of the default name: the source's with ``.mzp`` appended; or a
            file open for writing, which gets everything at once, at the end.
        overwrite: replace an existing output.
        make_folder: make the output's folder where it is missing.
        skip_done: do nothing if the output is there, whole, and holds the pixels and metadata of the source.
            This reads both, and decodes the source.
        dry_run: check everything that can be checked without the work, and do nothing.
        verify: decode and compare before the output gets its name.
        strip: metadata to leave out: some of :data:`mulanzip.imageio.metadata.STRIPPABLE`.
        model, effort, context, schedule, mu, device, threads: as for :func:`mulanzip.encode`.
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
    atomic.check(source, output, overwrite, make_folder, skip_done)
    if dry_run:
        return replace(result, status="planned")
    picture, notes = read()
    execution = Execution(device, threads, limits, progress)
    options = EncodeOptions(model, effort, context, schedule, mu)
    coded = api.encode_picture(picture, options, execution.part(0, 0.7 if verify else 1))
    lost = list(picture.lost)
    if not strip:
        with _rewound(source) as file:
            whole = png_original.keep(coded, file.read(), picture)
        if whole is not coded:
            coded, lost = whole, []
    data = coded.pack()
    if verify:
        api.verify(picture, data, model, execution.part(0.7, 1))
    atomic.write(data, output, source, notes, make_folder)
    return replace(result, output_size=len(data), notes=notes, lost=lost)


def decompress_file(
    source: str | os.PathLike[str] | BinaryIO,
    output: str | os.PathLike[str] | BinaryIO | None = None,
    *,
    scale: int = 1,
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
    """Restore an image file from a ``.mzp`` file; a PNG file byte for byte where that was found possible.

    Args:
        output: a file, whose suffix chooses the format, which must be lossless; or a folder for a file of
            the default name: the source's without ``.mzp``, with ``.png`` appended where that is no
            lossless format (``.tif`` for bands and signed samples); or a file open for writing.  A preview is
            called ``photo.preview.png`` by default.
        scale, model, device, threads: as for :func:`mulanzip.decode`; others as for :func:`compress_file`.
        suffix: ``.tif``, say: format of a file of the default name, or of an open one.
        skip_done: do nothing if the output is there, and has the pixels that the source's header promises.
            This reads the output, and does not run the model, but for previews and palettes.
        verify: read the restored file back, and compare its pixels before it gets its name; those of the
            source are checked always.

    Raises:
        MulanzipError: a subclass per cause; nothing is written then.
        OSError: from the file system; nothing is written then.
        ValueError: for unknown options.
    """

    def decode(data: bytes, progress: Progress | None) -> Picture:
        return api.decode_picture(
            data, scale=scale, model=model, execution=Execution(device, threads, limits, progress)
        )

    return restore_file(
        source,
        output,
        decode,
        mark="" if scale == 1 else preview.MARK,
        suffix=suffix,
        overwrite=overwrite,
        make_folder=make_folder,
        skip_done=skip_done,
        dry_run=dry_run,
        verify=verify,
        limits=limits,
        progress=progress,
    )


def restore_file(
    source: str | os.PathLike[str] | BinaryIO,
    output: str | os.PathLike[str] | BinaryIO | None,
    decode: Callable[[bytes, Progress | None], Picture],
    *,
    mark: str,
    suffix: str | None,
    overwrite: bool,
    make_folder: bool,
    dry_run: bool,
    limits: Limits,
    progress: Progress | None,
    skip_done: bool = False,
    verify: bool = False,
) -> FileResult:
    """Write what ``decode`` makes of a ``.mzp`` file; all else as for :func:`decompress_file`.

    Args:
        mark: goes into the default name of what is not the original.  Metadata that its format cannot hold
            are a note then, and not lost: the original has them.
    """
    source = _source(source, limits)
    size = _file_size(source)
    with _rewound(source) as file:
        head = file.read(HEADER_SIZE)
    output = _target(source, output, lambda path: restored_name(path, head, suffix, mark))
    header = Header.unpack(head)
    name = output if isinstance(output, Path) else Path(f"output{suffix or default_suffix(header.kind)}")
    require_writable(name, header.kind)
    result = FileResult(_path(source), _path(output), size)

    def decoded(progress: Progress | None = None) -> Picture:
        return decode(_content(source, header, limits), progress)

    if skip_done and _is_file(output):
        # The header has the hash of whole images; TIFF changes palettes.
        expected = decoded() if mark or header.mode is Mode.PALETTE else header.pixel_hash
        if _shows(output, expected):
            return replace(result, output_size=output.stat().st_size, status="skipped")
    atomic.check(source, output, overwrite, make_folder, skip_done)
    if dry_run:
        return replace(result, status="planned")
    data = _content(source, header, limits)
    picture = decode(data, progress)
    is_original = not mark and name.suffix.lower() == ".png"
    original, notes = png_original.restore(container.unpack(data), picture) if is_original else (None, [])
    restored, lost = (original, []) if original else write_picture(picture, name)
    if verify and not _keeps(read_picture(io.BytesIO(restored), limits)[0], picture):
        raise VerificationError(f"verification failed: {name.suffix} files do not give the same pixels back; use .png")
    if mark and lost:
        notes.append(f"{name.suffix} files do not hold {', '.join(lost)}: left out")
        lost = []
    atomic.write(restored, output, source, notes, make_folder)
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
    """Decode a ``.mzp`` file or an archive fully, compare all hashes, write nothing.

    Returns:
        its size in bytes.

    Raises:
        MulanzipError, OSError: as :func:`decompress_file`, whose arguments these are.
    """
    source = _source(source, limits)
    size = _file_size(source)
    options: dict[str, Any] = {"model": model, "device": device, "threads": threads, "limits": limits}
    with _rewound(source) as file:
        head = file.read(HEADER_SIZE)
        if head.startswith(ARCHIVE_SIGNATURE):
            from mulanzip.archive.reader import Archive

            Archive(file, **options).check(progress)
            return size
    data = _content(source, Header.unpack(head), limits)
    api.decode_picture(data, model=model, execution=Execution(device, threads, limits, progress))
    return size


def _content(source: Path | io.BytesIO, header: Header, limits: Limits) -> bytes:
    """All of a file whose header has been read: limits are checked before the rest is."""
    limits.check_pixels(header.height, header.width)
    limits.require(_file_size(source))
    with _rewound(source) as file:
        return file.read()


def _holds(compressed: Path, picture: Picture) -> bool:
    """Whether a ``.mzp`` file is whole, and made of this picture."""
    try:
        file = container.unpack(compressed.read_bytes())
        return file.header.pixel_hash == picture.pixel_hash() and api.metadata_of(file) == picture.metadata
    except MulanzipError:
        return False


def _shows(output: Path, expected: Picture | bytes) -> bool:
    """Whether an image file has the pixels of a picture, or those of this hash."""
    try:
        restored = read_picture(output)[0]
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
