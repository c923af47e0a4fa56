"""Files: compress and decompress.  Outputs appear whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
from dataclasses import dataclass, field
from pathlib import Path

from mulanzip import api, registry
from mulanzip.container import Header
from mulanzip.effort import DEFAULT_EFFORT, fit_share, fit_steps
from mulanzip.errors import MulanzipError
from mulanzip.imageio import png_original
from mulanzip.imageio.reader import read_picture
from mulanzip.imageio.writer import can_write, require_writable, write_picture
from mulanzip.progress import Progress, part_of

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
    output = source.with_name(source.name.removesuffix(SUFFIX) or source.name)
    if output != source and can_write(output.suffix, Header.unpack(data).mode):
        return output
    return output.with_name(output.name + ".png")


def compress_file(
    source: str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    *,
    model: str = registry.DEFAULT_MODEL,
    effort: int = DEFAULT_EFFORT,
    context: str | None = None,
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
        output: a file, or a folder for a file of the default name: the source's with ``.mzp`` appended.
        overwrite: replace an existing output.
        verify: decode and compare before the output gets its name.
        model, effort, context, schedule, device, threads: as for :func:`mulanzip.encode`.
        progress: told the share that is done.

    Raises:
        MulanzipError: a subclass per cause; nothing is written then.
        OSError: from the file system; nothing is written then.
    """
    source = Path(source)
    source_size = _file_size(source)
    output = _target(output, compressed_name(source))
    _check_output(source, output, overwrite)
    picture, notes = read_picture(source)
    height, width = picture.pixels.shape[:2]
    encoding = 1 / (2 - fit_share(fit_steps(effort, context), height * width)) if verify else 1.0
    data = api.encode_picture(
        picture,
        model=model,
        effort=effort,
        context=context,
        schedule=schedule,
        device=device,
        threads=threads,
        progress=part_of(progress, 0, encoding),
    )
    if verify:
        api.verify(picture, data, model=model, device=device, threads=threads, progress=part_of(progress, encoding, 1))
    data = png_original.keep(data, source.read_bytes(), picture)
    _write(data, output, source, notes)
    return FileResult(source, output, source_size, len(data), notes)


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
    """Restore an image file from a ``.mzp`` file; a PNG file byte for byte where that was found possible.

    Args:
        output: a file, whose suffix chooses the format, which must be lossless; or a folder for a file of
            the default name: the source's without ``.mzp``, with ``.png`` appended where that is no
            lossless format.
        model, device, threads: as for :func:`mulanzip.decode`; others as for :func:`compress_file`.

    Raises:
        MulanzipError: a subclass per cause; nothing is written then.
        OSError: from the file system; nothing is written then.
    """
    source = Path(source)
    _file_size(source)
    data = source.read_bytes()
    output = _target(output, restored_name(source, data))
    require_writable(output, Header.unpack(data).mode)
    _check_output(source, output, overwrite)
    picture = api.decode_picture(data, model=model, device=device, threads=threads, progress=progress)
    original, notes = png_original.restore(data, picture) if output.suffix.lower() == ".png" else (None, [])
    restored, lost = (original, []) if original else write_picture(picture, output)
    if lost:
        notes.append(f"{output.suffix} files do not hold {', '.join(lost)}: left out")
    _write(restored, output, source, notes)
    return FileResult(source, output, len(data), len(restored), notes)


def _file_size(source: Path) -> int:
    """Size in bytes; raises OSError for folders, pipes and devices."""
    facts = source.stat()
    if stat.S_ISDIR(facts.st_mode):
        raise IsADirectoryError(errno.EISDIR, "is a folder; name the files in it", str(source))
    if not stat.S_ISREG(facts.st_mode):
        raise OSError(errno.EINVAL, "not a regular file", str(source))
    return facts.st_size


def _target(output: str | os.PathLike[str] | None, default: Path) -> Path:
    if output is None:
        return default
    output = Path(output)
    return output / default.name if output.is_dir() else output


def _check_output(source: Path, output: Path, overwrite: bool) -> None:
    """Find out before the work whether the output can be written after it."""
    if output.exists():
        if output.samefile(source):
            raise OutputExistsError(f"output {output} is the input itself")
        if not output.is_file():
            raise OutputExistsError(f"output {output} is no regular file")
        if not overwrite:
            raise OutputExistsError(f"{output} exists already (use -f to overwrite it)")
    folder = Path(os.path.realpath(output)).parent
    if not folder.is_dir():
        raise FileNotFoundError(errno.ENOENT, "there is no such folder", str(folder))
    if not os.access(folder, os.W_OK):
        raise PermissionError(errno.EACCES, "cannot write to this folder", str(folder))


def _write(data: bytes, output: Path, source: Path, notes: list[str]) -> None:
    """Write a file that gets its name when it is complete, with the source's dates and permissions."""
    target = Path(os.path.realpath(output))  # Links stay links.
    temporary = target.with_name(f".mulanzip-{secrets.token_hex(8)}.tmp")
    try:
        with open(temporary, "xb") as file:
            file.write(data)
        try:
            shutil.copystat(source, temporary)
        except OSError as error:
            notes.append(f"dates and permissions could not be kept: {error.strerror}")
        os.replace(temporary, target)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(output)) from error
    finally:
        temporary.unlink(missing_ok=True)
