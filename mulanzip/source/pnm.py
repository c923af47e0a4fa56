"""PBM, PGM, PPM and PAM files: any number of images of raw samples, one behind the other, or one as text."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mulanzip.image.kinds import MAX_BANDS, Mode
from mulanzip.source.found import Found, at, mode_of, open_block, words_of
from mulanzip.source.holes import Layout
from mulanzip.source.packing import Packed, Words
from mulanzip.streams import text
from mulanzip.streams.recipe import Method, Recipe

_GAP = rb"(?:\s|#[^\n]*\n)+"
_NUMBER = _GAP + rb"(\d{1,10})"
_BITS = re.compile(rb"P4" + _NUMBER + _NUMBER + rb"\s")
_SAMPLES = re.compile(rb"P([56])" + _NUMBER * 3 + rb"\s")
_LINE = re.compile(rb"(?:#[^\n]*|\s*?|(\w+)[ \t]+([^\n]*?)[ \t\r]*)\n")
_DIGITS = re.compile(rb"P1" + _NUMBER * 2 + _GAP + rb"(?=\d)")
_NUMBERS = re.compile(rb"P([23])" + _NUMBER * 3 + _GAP + rb"(?=\d)")
#: Maximum number of bytes of a header.
_MAX_HEADER = 1 << 14
_MODES = {
    b"GRAYSCALE": (Mode.GRAY, 1),
    b"GRAYSCALE_ALPHA": (Mode.GRAY_ALPHA, 2),
    b"RGB": (Mode.RGB, 3),
    b"RGB_ALPHA": (Mode.RGBA, 4),
}


def is_mine(data: bytes) -> bool:
    """Whether a file with these bytes may be of this format."""
    return data[:2] in (b"P1", b"P2", b"P3", b"P4", b"P5", b"P6", b"P7") and data[2:3].isspace()


def find(data: bytes) -> Iterator[Found]:
    """The images of a file; may end with ValueError."""
    position = 0
    if data[1:2] in b"123":
        yield _text(data)
        return
    while is_mine(data[position : position + 3]):
        start = data[position : position + _MAX_HEADER]
        layout, mode, bits, size = _bitmap(start) or _plain(start) or _pam(start)
        position += size
        yield Found(at(layout, position), mode, bits=bits)
        position += layout.height * layout.row_step


def _text(data: bytes) -> Found:
    """An image as text.  What follows its last sample is not ours."""
    head = data[:_MAX_HEADER]
    if (match := _DIGITS.match(head)) is not None:
        width, height = int(match[1]), int(match[2])
        method, layout = Method.DIGITS, Layout.of_rows(height, width, width, Words(1, flip=1))
        mode, bits = Mode.BILEVEL, 9
    elif (match := _NUMBERS.match(head)) is not None:
        width, height, maximum = (int(match[i]) for i in (2, 3, 4))
        method = Method.NUMBERS
        layout, mode, bits = _layout(height, width, 1 if match[1] == b"2" else 3, maximum)
    else:
        raise ValueError("a damaged header")
    size, unit = layout.height * layout.row_step, layout.dtype.itemsize
    end = text.stream_end(data, match.end(), size // unit, is_digits=method is Method.DIGITS)
    blocks = open_block(Recipe(method, max(1, size), unit=unit), match.end(), end)
    return Found(at(layout, match.end()), mode, bits=bits, blocks=blocks)


def _bitmap(start: bytes) -> tuple[Layout, Mode, int, int] | None:
    if (match := _BITS.match(start)) is None:
        return None
    width, height = int(match[1]), int(match[2])
    return Layout.of_rows(height, width, -(-width // 8), Packed(1, flip=1)), Mode.BILEVEL, 16, match.end()


def _plain(start: bytes) -> tuple[Layout, Mode, int, int] | None:
    if (match := _SAMPLES.match(start)) is None:
        return None
    channels = 1 if match[1] == b"5" else 3
    width, height, maximum = (int(match[i]) for i in (2, 3, 4))
    return *_layout(height, width, channels, maximum), match.end()


def _pam(start: bytes) -> tuple[Layout, Mode, int, int]:
    position, fields = len(b"P7\n"), {}
    while not start.startswith(b"ENDHDR\n", position):
        line = _LINE.match(start, position)
        if line is None:
            raise ValueError("a damaged header")
        position = line.end()
        if line[1]:
            fields[line[1]] = line[2]
    try:
        sides = tuple(int(fields[key]) for key in (b"HEIGHT", b"WIDTH", b"DEPTH", b"MAXVAL"))
    except KeyError:
        raise ValueError("an incomplete header") from None
    layout, mode, bits = _layout(*sides)
    known, channels = _MODES.get(fields.get(b"TUPLTYPE", b""), (Mode.BANDS, 0))
    mode = known if channels == sides[2] else mode
    return layout, mode, bits, position + len(b"ENDHDR\n")


def _layout(height: int, width: int, channels: int, maximum: int) -> tuple[Layout, Mode, int]:
    if not (0 < maximum < 1 << 16 and 0 < channels <= MAX_BANDS):
        raise ValueError("an impossible header")
    size = 1 if maximum < 256 else 2
    layout = Layout.of_rows(height, width, width * channels * size, words_of(size, ">", False, channels))
    return layout, mode_of(channels), max(9, maximum.bit_length())
