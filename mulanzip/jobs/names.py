"""Names of results: ``photo.png`` -> ``photo.png.mzp`` -> ``photo.png``."""

from __future__ import annotations

from pathlib import Path

from mulanzip.errors import MulanzipError
from mulanzip.format.container import HEADER_SIZE, Header
from mulanzip.imageio.writer import can_write, default_suffix

SUFFIX = ".mzp"


def compressed_name(source: Path) -> Path:
    """``photo.png`` -> ``photo.png.mzp``.  Folders like ``.`` have no name, and get one here all the same."""
    return source.parent / f"{source.name}{SUFFIX}"


def kept_name(source: Path) -> Path:
    """The name of the file that a ``.mzp`` file keeps: ``photo.jpg.mzp`` -> ``photo.jpg``."""
    output = source.with_name(source.name.removesuffix(SUFFIX) or source.name)
    return source.with_name(f"{source.name}.restored") if output == source else output


def restored_name(source: Path, head: bytes, suffix: str | None = None, mark: str = "", is_slice: bool = False) -> Path:
    """``photo.png.mzp`` -> ``photo.png``; of pixels ``photo.jpg.mzp`` -> ``photo.jpg.png``.

    Args:
        head: the first bytes of the file: its header says which formats can hold the image.
        suffix: of the format to restore to; appended unless the name has it.
        mark: inserted before the suffix where the result is not the original: ``.preview`` -> ``photo.preview.png``.
        is_slice: whether the result is one slice or band.

    Raises:
        CorruptFileError: if the header is damaged.
    """
    output = source.with_name(source.name.removesuffix(SUFFIX) or source.name)
    header = Header.unpack(head)
    if header.coding.is_file and suffix is None and not mark:
        return kept_name(source)
    kind = header.kind.of_slice if is_slice else header.kind
    fits = output.suffix.lower() == suffix if suffix else can_write(output.suffix, kind)
    if output == source or not fits:
        output = output.with_name(output.name + (suffix or default_suffix(kind)))
    return output.with_name(f"{output.stem}{mark}{output.suffix}")


def planned_name(source: Path, suffix: str | None = None, mark: str = "", is_slice: bool = False) -> Path | None:
    """:func:`restored_name` of a file on the disk; None if the file cannot be read."""
    try:
        with open(source, "rb") as file:
            return restored_name(source, file.read(HEADER_SIZE), suffix, mark, is_slice)
    except (MulanzipError, OSError):
        return None
