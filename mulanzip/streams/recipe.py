"""What makes a stream of its content: a method, the library and settings that its writer used, and a predictor."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TypeAlias

import deflate as libdeflate
import imagecodecs

from mulanzip.inflate import Outcome, inflate
from mulanzip.streams import byte_planes, deflate, gif_lzw, gzip_member, jpeg_ls, lossless_jpeg, runs, text
from mulanzip.streams.predictor import Predictor

#: Level of libdeflate for streams that are written anew: they should fit into the old places.
_ANEW_LEVEL = 12
_STRIP_OFFSETS, _ROWS_PER_STRIP, _STRIP_SIZES = 273, 278, 279


class Method(IntEnum):
    """How a stream is compressed."""

    DEFLATE = 0
    LZW = 1
    PACKBITS = 2
    #: Run-length packets of TGA.
    RUNS = 3
    #: Decimal numbers in text.
    NUMBERS = 4
    #: Decimal digits in text, each a sample.
    DIGITS = 5
    LOSSLESS_JPEG = 6
    #: RLE of DICOM.
    BYTE_PLANES = 7
    GIF_LZW = 8
    #: Deflate without zlib's header, and what gzip files have behind it.
    GZIP = 9
    JPEG_LS = 10


class Library(IntEnum):
    """Writers of LZW and PackBits; they end runs and empty tables at different places.

    The contents of open methods leave no choice: these have one library, the first.
    """

    #: libtiff, row by row.
    LIBTIFF = 0
    #: imagecodecs' own, which tifffile writes with, all rows at once.
    IMAGECODECS = 1
    #: The same, row by row.
    IMAGECODECS_ROWS = 2


Settings: TypeAlias = deflate.Settings | Library
_ONLY = (Library.LIBTIFF,)
_LIBRARIES = {
    Method.LZW: (Library.LIBTIFF, Library.IMAGECODECS),
    Method.PACKBITS: tuple(Library),
    Method.RUNS: _ONLY,
    Method.NUMBERS: _ONLY,
    Method.DIGITS: _ONLY,
    Method.LOSSLESS_JPEG: _ONLY,
    Method.BYTE_PLANES: _ONLY,
    Method.GIF_LZW: _ONLY,
    Method.JPEG_LS: _ONLY,
}
#: Bytes of memory for a byte of content; the first where it is handled as arrays of integers.
_OF_INTEGERS, _OF_OTHERS = 40, 3
_INTEGERS = (Method.NUMBERS, Method.DIGITS, Method.LOSSLESS_JPEG, Method.GIF_LZW, Method.JPEG_LS)
#: Methods whose contents leave no choice, and the largest unit of each.
OPEN_METHODS = {
    Method.RUNS: 4,
    Method.NUMBERS: 2,
    Method.DIGITS: 2,
    Method.LOSSLESS_JPEG: 2,
    Method.BYTE_PLANES: 2,
    Method.GIF_LZW: 0xFFFF,
    Method.JPEG_LS: 2,
}
_MAKERS = {
    Method.RUNS: runs.make,
    Method.NUMBERS: text.make,
    Method.DIGITS: text.make,
    Method.LOSSLESS_JPEG: lossless_jpeg.make,
    Method.BYTE_PLANES: byte_planes.make,
    Method.GIF_LZW: gif_lzw.make,
    Method.JPEG_LS: jpeg_ls.make,
}
#: Methods whose settings are those of a deflate library.
DEFLATED_METHODS = (Method.DEFLATE, Method.GZIP)
#: Methods whose streams lie where no number in the file says so.
UNPLACED_METHODS = (*OPEN_METHODS, Method.GZIP)
#: Methods other than text.
_READERS = {
    Method.RUNS: runs.content_of,
    Method.LOSSLESS_JPEG: lossless_jpeg.content_of,
    Method.BYTE_PLANES: byte_planes.content_of,
    Method.GIF_LZW: gif_lzw.content_of,
    Method.JPEG_LS: jpeg_ls.content_of,
}


@dataclass(frozen=True)
class Recipe:
    """What makes a stream.

    Attributes:
        method: of compression.
        row_bytes: bytes of a row of the content; of open methods, of all samples, with which the content begins.
        unit: of open methods, bytes of a pixel of runs, of a row of interlaced images of GIF, or of a sample of
            others; else 1.
        predictor: what rows go through before they are compressed.
        settings: the library and its settings; None: any stream of the content does.
    """

    method: Method
    row_bytes: int
    predictor: Predictor | None = None
    settings: Settings | None = None
    unit: int = 1

    def __post_init__(self) -> None:
        """Raises ValueError if the parts do not fit together."""
        is_right = self.settings is None or (
            isinstance(self.settings, deflate.Settings)
            if self.method in DEFLATED_METHODS
            else self.settings in _LIBRARIES[self.method]
        )
        if self.method in OPEN_METHODS:
            is_right &= self.predictor is None and self.unit <= OPEN_METHODS[self.method]
        else:
            is_right &= self.unit == 1
        if not is_right or self.row_bytes < 1 or self.unit < 1:
            raise ValueError("an impossible recipe")

    def make(self, content: bytes) -> bytes:
        """The stream, but perhaps for its last bytes, of 1 byte of content or more.

        Raises:
            ValueError: if the content cannot be one of this recipe.
        """
        if self.method in OPEN_METHODS:
            return _MAKERS[self.method](content, self.row_bytes, self.unit)
        if self.predictor is not None:
            if not self.predictor.fits(content):
                raise ValueError("the content has no whole rows")
            content = self.predictor.differences(content)
        made = self._compressed(content)
        return deflate.without_frame(made) + gzip_member.trailer(content) if self.method is Method.GZIP else made

    def _compressed(self, data: bytes) -> bytes:
        if isinstance(self.settings, deflate.Settings):
            return b"".join(self.settings.pieces(data, max(1, len(data))))
        if self.method in DEFLATED_METHODS:
            return bytes(libdeflate.zlib_compress(data, _ANEW_LEVEL))
        if self.settings is Library.LIBTIFF:
            return _by_libtiff(data, self.method, self.row_bytes)
        step = max(1, self.row_bytes if self.settings is Library.IMAGECODECS_ROWS else len(data))
        encode = imagecodecs.lzw_encode if self.method is Method.LZW else imagecodecs.packbits_encode
        return b"".join(bytes(encode(data[at : at + step])) for at in range(0, len(data), step))

    def content_of(self, stream: bytes, limit: int) -> bytes | None:
        """The content of a stream of this method and predictor; None if it is damaged, or exceeds ``limit`` bytes."""
        if self.method in OPEN_METHODS:
            return self._open_content(stream)
        if self.method is Method.DEFLATE:
            found = inflate(stream, limit)
            content = found.content if found.outcome in (Outcome.CLEAN, Outcome.DATA_BEHIND) else None
        else:
            content = _decoded(stream, self.method, limit)
        if content is None or self.predictor is None:
            return content
        return self.predictor.samples(content) if self.predictor.fits(content) else None

    def _open_content(self, stream: bytes) -> bytes | None:
        if self.method in _READERS:
            return _READERS[self.method](stream, self.row_bytes, self.unit)
        content = text.content_of(stream, self.unit, is_digits=self.method is Method.DIGITS)
        # As many numbers as there should be: one separator less.
        is_whole = content is not None and content.count(0, self.row_bytes) == self.row_bytes // self.unit - 1
        return content if is_whole else None


def memory_factor(recipe: Recipe) -> int:
    """Bytes of memory that are taken for a byte of content."""
    return _OF_INTEGERS if recipe.method in _INTEGERS else _OF_OTHERS


def candidates(recipe: Recipe) -> Iterator[Recipe]:
    """Recipes that differ from one without settings in the library alone."""
    for library in _LIBRARIES.get(recipe.method, ()):
        yield replace(recipe, settings=library)


def find_deflate(recipe: Recipe, stream: bytes, content: bytes) -> Recipe | None:
    """The recipe with the settings that a stream was deflated with; None if they are not found within a budget."""
    if recipe.method is Method.GZIP:
        settings = deflate.find_raw(stream[: -gzip_member.TRAILER_BYTES], content)
        return None if settings is None else replace(recipe, settings=settings)
    data = content if recipe.predictor is None else recipe.predictor.differences(content)
    found = deflate.find(stream, data, max(1, len(data)))
    return None if found is None else replace(recipe, settings=found[0])


def _decoded(stream: bytes, method: Method, limit: int) -> bytes | None:
    decode = imagecodecs.lzw_decode if method is Method.LZW else imagecodecs.packbits_decode
    try:
        content = bytes(decode(stream, out=limit + 1))
    except MemoryError:
        raise
    except Exception:  # imagecodecs raises errors of several types.
        return None
    return content if len(content) <= limit else None


def _by_libtiff(data: bytes, method: Method, row_bytes: int) -> bytes:
    """The only strip of a TIFF file with these rows, 1 byte or more.

    Raises:
        ValueError: if Pillow is without libtiff here.
    """
    from PIL import Image, features  # Only now: it takes time.

    if not features.check("libtiff"):
        raise ValueError("libtiff is missing")
    size = (row_bytes, len(data) // row_bytes) if len(data) % row_bytes == 0 else (len(data), 1)
    buffer = io.BytesIO()
    name = "tiff_lzw" if method is Method.LZW else "packbits"
    Image.frombytes("L", size, data).save(buffer, "TIFF", compression=name, tiffinfo={_ROWS_PER_STRIP: size[1]})
    file = buffer.getvalue()
    order = "<" if file.startswith(b"II") else ">"
    (place,) = struct.unpack_from(order + "I", file, 4)
    (count,) = struct.unpack_from(order + "H", file, place)
    tags = {}
    for at in range(place + 2, place + 2 + 12 * count, 12):
        tag, kind = struct.unpack_from(order + "HH", file, at)
        tags[tag] = struct.unpack_from(order + ("H" if kind == 3 else "I"), file, at + 8)[0]
    return file[tags[_STRIP_OFFSETS] : tags[_STRIP_OFFSETS] + tags[_STRIP_SIZES]]
