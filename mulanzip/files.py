"""Files: compress, decompress, test.  Outputs appear whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mulanzip import api, registry
from mulanzip.container import Header
from mulanzip.errors import MulanzipError
from mulanzip.imageio.reader import read_picture
from mulanzip.imageio.writer import can_write, write_picture

if TYPE_CHECKING:
    from mulanzip.codec import Progress

SUFFIX = ".mzp"


class OutputExistsError(MulanzipError):
    """The output is there already, or is the input itself."""


@dataclass(frozen=True)
class FileResult:
    """What became of one file.

    Attributes:
        source, output: paths; sizes in bytes.
        notes: what the user should know, a sentence each.
    """

    source: Path
    output: Path
    source_size: int
    output_size: int
    notes: list[str] = field(default_factory=list)


def compressed_name(source: Path) -> Path:
    """``photo.png`` -> ``photo.png.mzp``."""
    return source.with_name(source.name + SUFFIX)


def restored_name(source: Path, data: bytes) -> Path:
    """``photo.png.mzp`` -> ``photo.png``, ``photo.jpg.mzp`` -> ``photo.jpg.png``.

    Args:
        data: the file's content, whose header tells which formats can hold the image.

    Raises:
        CorruptFileError: if the header is damaged.
    """
    output = source.with_name(source.name.removesuffix(SUFFIX))
    if output != source and can_write(output.suffix, Header.unpack(data).mode):
        return output
    return output.with_name(output.name + ".png")


def compress_file(
    source: str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    *,
    model: str = registry.DEFAULT_MODEL,
    effort: int = api.DEFAULT_EFFORT,
    schedule: str = "default",
    device: str = "auto",
    threads: int | None = None,
    overwrite: bool = False,
    verify: bool = True,
    progress: Progress | None = None,
) -> FileResult:
    """Compress an image file.

    Args:
        source: PNG, WebP, TIFF, BMP, PNM, GIF, TGA, PCX or JPEG of 8 bits per sample.
        output: by default the source's name with ``.mzp`` appended.
        overwrite: replace an existing output.
        verify: decode and compare before the output gets its name.
        model, effort, schedule, device, threads: as for :func:`mulanzip.encode`.
        progress: told the share that is done.

    Raises:
        MulanzipError: a subclass per cause; nothing is written then.
        OSError: from the file system; nothing is written then.
    """
    source = Path(source)
    output = Path(output) if output is not None else compressed_name(source)
    _check_output(source, output, overwrite)
    picture, file_format = read_picture(source)
    notes = []
    if file_format in ("JPEG", "MPO"):
        notes.append("decoded JPEG pixels are kept, and the result is larger than the JPEG; keep the JPEG itself")
    elif file_format == "WEBP" and _is_lossy_webp(source):
        notes.append("decoded pixels of a lossy WebP are kept, and the result is larger than it")
    data = api.encode_picture(
        picture, model=model, effort=effort, schedule=schedule, device=device, threads=threads, progress=progress
    )
    if verify:
        api.verify(picture, data, model=model, device=device, threads=threads)
    with _atomic(output, source, notes) as temporary:
        temporary.write_bytes(data)
    return FileResult(source, output, source.stat().st_size, len(data), notes)


def decompress_file(
    source: str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    *,
    model: str | None = None,
    device: str = "auto",
    threads: int | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> FileResult:
    """Restore an image file from a ``.mzp`` file.

    Args:
        output: its suffix chooses the format, which must be lossless.  By default the source's name
            without ``.mzp``, with ``.png`` appended where that is no lossless format.
        model, device, threads: as for :func:`mulanzip.decode`; others as for :func:`compress_file`.

    Raises:
        MulanzipError: a subclass per cause; nothing is written then.
        OSError: from the file system; nothing is written then.
    """
    source = Path(source)
    if output is not None:
        _check_output(source, Path(output), overwrite)
    data = source.read_bytes()
    if output is None:
        output = restored_name(source, data)
        _check_output(source, output, overwrite)
    output = Path(output)
    picture = api.decode_picture(data, model=model, device=device, threads=threads, progress=progress)
    restored, lost = write_picture(picture, output)
    notes = [f"{output.suffix} files cannot hold {', '.join(lost)}: left out"] if lost else []
    with _atomic(output, source, notes) as temporary:
        temporary.write_bytes(restored)
    return FileResult(source, output, len(data), len(restored), notes)


def _is_lossy_webp(path: Path) -> bool:
    with open(path, "rb") as file:
        return b"VP8 " in file.read(4096)


def _check_output(source: Path, output: Path, overwrite: bool) -> None:
    if output.exists():
        if source.exists() and output.samefile(source):
            raise OutputExistsError(f"output {output} is the input itself")
        if output.is_dir():
            raise OutputExistsError(f"output {output} is a directory")
        if not overwrite:
            raise OutputExistsError(f"{output} exists already (use -f to overwrite it)")


@contextmanager
def _atomic(output: Path, source: Path, notes: list[str]) -> Iterator[Path]:
    """A temporary file that takes the name ``output`` at the end, with the source's dates and mode."""
    handle, name = tempfile.mkstemp(prefix=f".{output.name[:100]}.", suffix=".tmp", dir=output.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        try:
            shutil.copystat(source, temporary)
        except OSError as error:
            notes.append(f"could not keep dates and permissions: {error.strerror}")
        os.replace(temporary, output)
    finally:
        temporary.unlink(missing_ok=True)
