"""How much of every file of a folder comes back, or why it is refused.

    python -m benchmarks.coverage FOLDER [--effort N]

It compresses each file in a temporary folder, restores it under its default name and reads both.  It prints one line
per file: kind of pixels; bytes of the source, of its pixels without metadata as PNG, lossless WebP (8 bits) and JPEG XL
(effort 7), and of the ``.mzp`` file; its form; its grade, or CHANGED if less came back than that; and the metadata.
Then it prints the refused files with reasons, those that exceed the smallest of source and other formats most, and
sums.  The exit code is 1 if less of a file came back than its grade says, or an unexpected exception was raised.
"""

from __future__ import annotations

import argparse
import io
import re
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mulanzip.bench.codecs import JpegXl, WebP
from mulanzip.errors import MulanzipError
from mulanzip.image.kinds import Mode
from mulanzip.image.metadata import EXIF, ICC, PNG_CHUNKS, RESOLUTION, TRANSPARENCY, XMP
from mulanzip.image.picture import Picture
from mulanzip.imageio import metadata, tiff_tags
from mulanzip.imageio.png import encode_samples
from mulanzip.imageio.reader import read_picture
from mulanzip.inspect.info import info
from mulanzip.jobs.compress import compress_file
from mulanzip.jobs.restore import decompress_file
from mulanzip.options import Grade

_NAMES = {
    ICC: "icc",
    EXIF: "exif",
    XMP: "xmp",
    PNG_CHUNKS: "png",
    RESOLUTION: "dpi",
    TRANSPARENCY: "trns",
}
_FORMS = ("PNG", "WebP", "JPEG XL")
#: Largest difference in resolution; some formats round it to whole pixels per metre, others to fractions.
_DPI_TOLERANCE = 0.02
#: Files that exceed the smallest of the other formats by more bytes are counted; the worst ones are listed.
_ALLOWED = 200
_NAMED = 10


@dataclass(frozen=True)
class Kept:
    """A file that was compressed and restored.

    Attributes:
        kind: of the pixels; empty if they cannot be read.
        size: "width x height".
        names: of the metadata.
        lost: names of what was not kept.
        sizes: bytes of the source, PNG, WebP, JPEG XL, and the ``.mzp`` file; 0 if a format cannot hold the pixels.
        beyond: bytes of the ``.mzp`` file, minus those of the smallest of the others.
        form: of the ``.mzp`` file.
        grade: as the ``.mzp`` file says.
        same: as much came back as the grade says.
    """

    kind: str
    size: str
    names: str
    lost: str
    sizes: tuple[int, int, int, int, int]
    beyond: int
    form: str
    grade: Grade
    same: bool


def compress_and_restore(path: Path, effort: int, folder: Path) -> Kept:
    """Compress a file and restore it, both in ``folder``.

    Raises:
        MulanzipError: if it is refused.
    """
    source = folder / path.name
    source.write_bytes(path.read_bytes())
    packed = compress_file(source, effort=effort)
    picture = _readable(source)
    back = decompress_file(packed.output, folder, overwrite=True, verify=True).output
    facts = info(packed.output)
    sizes = (path.stat().st_size, *(_classic_sizes(picture) if picture else (0, 0, 0)), packed.output_size)
    same = back.read_bytes() == path.read_bytes()
    if facts.grade is not Grade.FILE and picture is not None:
        again = read_picture(back)[0]
        same = again.pixel_hash() == picture.pixel_hash() and _same_metadata(picture, again)
    return Kept(
        str(picture.kind) if picture else "",
        f"{picture.pixels.shape[1]}x{picture.pixels.shape[0]}" if picture else "",
        " ".join(name for kind, name in _NAMES.items() if picture and kind in picture.metadata),
        ", ".join(packed.lost),
        sizes,
        packed.output_size - min(size for size in sizes[:-1] if size),
        facts.coding.name.lower(),
        facts.grade,
        same,
    )


def _readable(path: Path) -> Picture | None:
    """The picture of a file; None if its pixels cannot be read."""
    try:
        return read_picture(path)[0]
    except MulanzipError:
        return None


def _classic_sizes(picture: Picture) -> tuple[int, int, int]:
    """Bytes as PNG, WebP (0 for images that it cannot hold) and JPEG XL; bands are stacked vertically."""
    pixels = picture.pixels
    if picture.is_signed:
        pixels = (pixels.astype(np.int32) + (1 << 15)).astype(np.uint16)
    if picture.mode is Mode.BANDS:
        pixels = pixels.transpose(2, 0, 1).reshape(-1, pixels.shape[1], 1)
    if picture.mode in (Mode.PALETTE, Mode.BILEVEL):
        pixels = np.asarray(picture.to_array(), dtype=np.uint8) * (255 if picture.mode is Mode.BILEVEL else 1)
    flat = np.ascontiguousarray(pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels)
    has_webp = flat.dtype == np.uint8 and max(flat.shape[:2]) < 1 << 14
    return (
        len(encode_samples(flat)),
        len(WebP().encode(flat)) if has_webp else 0,
        len(JpegXl(7, 1).encode(flat)),
    )


def _same_metadata(picture: Picture, restored: Picture) -> bool:
    """Whether all metadata are equal, apart from the rounding of the resolution."""
    before, after = dict(picture.metadata), dict(restored.metadata)
    dpi = [metadata.resolution(m.pop(RESOLUTION)) for m in (before, after) if RESOLUTION in m]
    tags = [_tags(m.pop(EXIF, b"")) for m in (before, after)]
    same_dpi = len(dpi) != 1 and bool((np.ptp(dpi or [(0, 0)], axis=0) < _DPI_TOLERANCE).all())
    return before == after and tags[0] == tags[1] and same_dpi


def _tags(exif: bytes) -> bytes | tiff_tags.Directory:
    """The EXIF directory, independent of its byte order; the bytes themselves if they are not a directory."""
    try:
        return tiff_tags.in_order(tiff_tags.read(io.BytesIO(exif)), "<")
    except ValueError:
        return exif


def report(top: Path, effort: int, say: Callable[[str], None]) -> int:
    """Compress and restore all files below a folder.

    Args:
        say: called with every line of the report.

    Returns:
        the exit code.
    """
    kept: dict[Path, Kept] = {}
    refused: dict[Path, str] = {}
    escaped: dict[Path, str] = {}
    names = sorted(path.relative_to(top) for path in top.rglob("*") if path.is_file())
    width = max((len(str(name)) for name in names), default=0)
    columns = " ".join(f"{name:>8}" for name in ("source", *_FORMS, "mzp"))
    say(f"{'file':{width}} {'pixels':16} {'size':>11} {columns} {'form':8} {'grade':8} metadata")
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            try:
                kept[name] = compress_and_restore(top / name, effort, Path(folder))
                say(f"{name!s:{width}} {_row(kept[name])}")
            except MulanzipError as error:
                refused[name] = str(error)
            except Exception:
                escaped[name] = traceback.format_exc()
    say("")
    for path, reason in (*refused.items(), *escaped.items()):
        say(f"{path}: {reason}")
    say("")
    _sum_up(kept, refused, escaped, say)
    return int(bool(escaped) or not all(row.same for row in kept.values()))


def _row(row: Kept) -> str:
    numbers = " ".join(f"{size or '-':>8}" for size in row.sizes)
    back = row.grade.name.lower() if row.same else "CHANGED"
    line = f"{row.kind:16} {row.size:>11} {numbers} {row.form:8} {back:8} {row.names}"
    return f"{line} (lost: {row.lost})" if row.lost else line.rstrip()


def _sum_up(
    kept: dict[Path, Kept], refused: dict[Path, str], escaped: dict[Path, str], say: Callable[[str], None]
) -> None:
    rows = kept.values()
    say(f"{len(kept) + len(refused) + len(escaped)} files: {len(kept)} compressed, {len(refused)} refused")
    say(f"{sum(row.same for row in rows)} of {len(kept)} came back as their grades say")
    for suffix, count in Counter(path.suffix.lower() for path in kept).most_common():
        grades = Counter(row.grade.name.lower() for path, row in kept.items() if path.suffix.lower() == suffix)
        say(f"{count:4} {suffix or 'without suffix'}: {', '.join(f'{n} {grade}' for grade, n in grades.most_common())}")
    for form, count in Counter(row.form for row in rows).most_common():
        say(f"{count:4} {form}")
    say(f"{sum(bool(row.lost) for row in rows)} lost something, and said so")
    say(f"{len(escaped)} tracebacks")
    beyond = sorted(kept.items(), key=lambda item: -item[1].beyond)
    many = sum(row.beyond > _ALLOWED for row in rows)
    say(f"{many} take more than {_ALLOWED} bytes beyond the smallest of source, {', '.join(_FORMS)}; the worst:")
    for path, row in beyond[:_NAMED]:
        say(f"{row.beyond:6} {path} ({row.kind}, {row.form})")
    folders = sorted({path.parent for path in kept})
    for folder in folders:
        rows_here = [row.sizes for path, row in kept.items() if path.parent == folder]
        source, png_size, _, jxl, mzp = (sum(sizes[i] for sizes in rows_here) for i in range(5))
        say(
            f"{folder}: {len(rows_here)} files, source {source:,}, PNG {png_size:,}, JPEG XL {jxl:,}, mzp {mzp:,} bytes"
        )
    say("refused because:")
    for reason, count in Counter(re.sub(r"\d+x\d+|\d+", "N", text) for text in refused.values()).most_common():
        say(f"{count:4} {reason}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.coverage")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--effort", type=int, default=1)
    given = parser.parse_args()
    sys.exit(report(given.folder, given.effort, lambda line: print(line, flush=True)))


if __name__ == "__main__":
    main()
