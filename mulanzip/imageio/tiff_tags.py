"""TIFF directories: an EXIF block is one, and the tags of a TIFF file are one.

Values are copied as bytes and never interpreted.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Container
from dataclasses import dataclass
from typing import Any, BinaryIO

XMP = 700
_EXIF_IFD, _GPS_IFD, _INTEROPERABILITY_IFD = 34665, 34853, 40965
#: Tags whose value is the position of another directory, and the tags of this kind in that directory.
_NESTED: dict[int, Any] = {_EXIF_IFD: {_INTEROPERABILITY_IFD: {}}, _GPS_IFD: {}}
_POINTERS = (_EXIF_IFD, _GPS_IFD, _INTEROPERABILITY_IFD)

_TEXTS = {269, 270, 271, 272, 285, 305, 306, 315, 316, 33432, 40091, 40092, 40093, 40094, 40095}
_ORIENTATION, _WHITE_POINT, _PRIMARIES = 274, 318, 319
IPTC, PHOTOSHOP = 33723, 34377
_PLACE_ON_EARTH = {33550, 33922, 34264, 34735, 34736, 34737, 42112, 42113}
#: Tags that stay true of the image when it is compressed in another way.
DESCRIPTIVE = frozenset(
    (*_TEXTS, *_PLACE_ON_EARTH, _ORIENTATION, _WHITE_POINT, _PRIMARIES, IPTC, PHOTOSHOP, _EXIF_IFD, _GPS_IFD)
)
_LAYOUT = {254, 255, *range(256, 267), 273, *range(277, 282), 284, 286, 287, *range(288, 294), 297, 330}
_COMPRESSION = {317, *range(320, 326), 332, 334, *range(336, 348), *range(512, 522), *range(529, 533), 559}
_KEPT_ELSEWHERE = {282, 283, 296, XMP, 34675}
#: Tags about the layout of the file, and those kept elsewhere: resolution, XMP, ICC.
STRUCTURAL = frozenset(_LAYOUT | _COMPRESSION | _KEPT_ELSEWHERE)

#: Bytes of one element by type, and of the numbers in it: a fraction is two numbers.
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 129: 1}
#: Types of BigTIFF, of 8 bytes: only the layout of the image is read from them, as EXIF blocks cannot hold them.
_LONG_TYPES = {16: 8, 17: 8, 18: 8}
_ALL_SIZES = {**_SIZES, **_LONG_TYPES}
_UNITS = {**_ALL_SIZES, 5: 4, 10: 4}
_BYTE, _LONG, _UNDEFINED = 1, 4, 7
_BIG_TIFF = 43
#: Maximum number of bytes of all directories and values of a file.
_MAX_BYTES = 1 << 26


@dataclass(frozen=True)
class Entry:
    """Type and value of a tag.  The value is bytes, in the byte order of the directory, or another directory."""

    kind: int
    value: bytes | Directory


@dataclass(frozen=True)
class Directory:
    """Entries by tag.

    Attributes:
        order: byte order, ``<`` or ``>`` as in :mod:`struct`.
        has_next: whether the file has another directory after this one.
        unknown: tags of types that are not read: they are not among the entries.
    """

    order: str
    entries: dict[int, Entry]
    has_next: bool = False
    unknown: frozenset[int] = frozenset()

    def numbers(self, tag: int) -> tuple[int, ...]:
        """The integers of a tag; none if the tag is missing, or is a directory."""
        entry = self.entries.get(tag)
        if entry is None or isinstance(entry.value, Directory):
            return ()
        unit = _ALL_SIZES[entry.kind]
        return tuple(_number(entry.value[i : i + unit], self.order) for i in range(0, len(entry.value), unit))


def _number(data: bytes, order: str) -> int:
    return int.from_bytes(data, "little" if order == "<" else "big")


class _Reader:
    def __init__(self, file: BinaryIO):
        self._end = file.seek(0, io.SEEK_END)
        file.seek(0)
        head = file.read(16)
        self._file = file
        self.order = {b"II": "<", b"MM": ">"}.get(head[:2], "")
        if not self.order or len(head) < 8:
            raise ValueError("no TIFF structure")
        self._is_big = self._number(head[2:4]) == _BIG_TIFF
        self.first = self._number(head[8:16] if self._is_big else head[4:8])
        self._left = _MAX_BYTES

    def _number(self, data: bytes) -> int:
        return _number(data, self.order)

    def _read(self, offset: int, size: int) -> bytes:
        self._left -= size
        if self._left < 0 or offset + size > self._end:
            raise ValueError("a TIFF directory is too large, or truncated")
        self._file.seek(offset)
        return self._file.read(size)

    def directory(self, offset: int, wanted: Container[int] | None, nested: dict[int, Any]) -> Directory:
        """The directory at ``offset``, with the wanted tags (None: all) of known types."""
        form = struct.Struct(self.order + ("HHQ8s" if self._is_big else "HHI4s"))
        start = offset + (8 if self._is_big else 2)
        size = form.size * self._number(self._read(offset, start - offset))
        rows = self._read(start, size)
        self._file.seek(start + size)
        has_next = any(self._file.read(start - offset if self._is_big else 4))
        entries: dict[int, Entry] = {}
        unknown = set()
        for tag, kind, count, field in form.iter_unpack(rows):
            if tag in nested:
                place = self._number(field[:4] if kind in _SIZES else field)
                below = self.directory(place, None, nested[tag])
                entries[tag] = Entry(_LONG, below)
            elif kind not in _SIZES and not (kind in _LONG_TYPES and tag in STRUCTURAL):
                unknown.add(tag)
            elif tag not in _POINTERS and (wanted is None or tag in wanted):
                size = count * _ALL_SIZES[kind]
                value = field[:size] if size <= len(field) else self._read(self._number(field), size)
                entries[tag] = Entry(kind, value)
        return Directory(self.order, entries, has_next, frozenset(unknown))


def read(file: BinaryIO, wanted: Container[int] | None = None) -> Directory:
    """The first directory of a TIFF file or EXIF block, with the EXIF and GPS directories in it.

    Args:
        file: the TIFF file or EXIF block.
        wanted: the tags to read, by default all.

    Raises:
        ValueError: if the file has no directory, or a damaged one.
    """
    reader = _Reader(file)
    return reader.directory(reader.first, wanted, _NESTED)


def _swapped(entry: Entry) -> bytes:
    assert isinstance(entry.value, bytes)
    unit = _UNITS[entry.kind]
    return b"".join(entry.value[i : i + unit][::-1] for i in range(0, len(entry.value), unit))


def in_order(directory: Directory, order: str) -> Directory:
    """The same directory in another byte order."""
    if directory.order == order:
        return directory
    entries = {}
    for tag, entry in directory.entries.items():
        value = in_order(entry.value, order) if isinstance(entry.value, Directory) else _swapped(entry)
        entries[tag] = Entry(entry.kind, value)
    return Directory(order, entries)


def _pack(directory: Directory, offset: int) -> bytes:
    """The bytes of a directory at ``offset``: its entries, then the values that they point to."""
    order, rows, data = directory.order, b"", b""
    start = offset + 2 + 12 * len(directory.entries) + 4
    for tag, entry in sorted(directory.entries.items()):
        place = start + len(data)
        if isinstance(entry.value, Directory):
            count, field, below = 1, struct.pack(order + "I", place), _pack(entry.value, place)
        else:
            count = len(entry.value) // _ALL_SIZES[entry.kind]
            below = entry.value if len(entry.value) > 4 else b""
            field = struct.pack(order + "I", place) if below else entry.value.ljust(4, b"\0")
        rows += struct.pack(order + "HHI4s", tag, entry.kind, count, field)
        data += below + bytes(len(below) % 2)
    return struct.pack(order + "H", len(directory.entries)) + rows + bytes(4) + data


def to_block(directory: Directory) -> bytes:
    """An EXIF block that consists of the directory."""
    head = b"II*\0" if directory.order == "<" else b"MM\0*"
    return head + struct.pack(directory.order + "I", 8) + _pack(directory, 8)


def extended(block: bytes, values: dict[int, bytes]) -> bytes:
    """Add tags to an EXIF block.  Values do not move, as some contain positions in the block.

    Args:
        block: the EXIF block, may be empty.
        values: bytes by tag.

    Raises:
        ValueError: if the block is damaged.
    """
    entries = {tag: Entry(_UNDEFINED, value) for tag, value in values.items()}
    if not block:
        return to_block(Directory("<", entries))
    order = read(io.BytesIO(block)).order
    if _number(block[2:4], order) == _BIG_TIFF:
        raise ValueError("the EXIF block is a BigTIFF")
    (first,) = struct.unpack_from(order + "I", block, 4)
    (count,) = struct.unpack_from(order + "H", block, first)
    end = first + 2 + 12 * count
    rows = {_number(row[:2], order): row for row in _rows(block[first + 2 : end])}
    following = block[end : end + 4].ljust(4, b"\0")
    block += bytes(len(block) % 2)
    total = len(rows.keys() | entries.keys())
    # Offsets are those after the longer table, which all entries go to.
    packed = _pack(Directory(order, entries), len(block) + 12 * (total - len(entries)))
    size = 2 + 12 * len(entries)
    rows |= {_number(row[:2], order): row for row in _rows(packed[2:size])}
    place, number = struct.pack(order + "I", len(block)), struct.pack(order + "H", total)
    table = b"".join(rows[tag] for tag in sorted(rows))
    return b"".join((block[:4], place, block[8:], number, table, following, packed[size + 4 :]))


def _rows(table: bytes) -> list[bytes]:
    """The entries of a directory, 12 bytes each."""
    return [table[i : i + 12] for i in range(0, len(table), 12)]


def added(tiff: bytes, exif: bytes | None, xmp: bytes | None) -> bytes:
    """Add the descriptive tags of an EXIF block, and an XMP packet, to a TIFF file.

    Raises:
        ValueError: if the EXIF block is damaged.
    """
    own = read(io.BytesIO(tiff))
    entries = dict(own.entries)
    if exif:
        entries.update(in_order(read(io.BytesIO(exif), DESCRIPTIVE), own.order).entries)
    if xmp:
        entries[XMP] = Entry(_BYTE, xmp)
    tiff += bytes(len(tiff) % 2)
    place = struct.pack(own.order + "I", len(tiff))
    return b"".join((tiff[:4], place, tiff[8:], _pack(Directory(own.order, entries), len(tiff))))
