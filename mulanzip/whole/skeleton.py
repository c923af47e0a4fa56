"""The chunk of a file's skeleton: where the samples of its images lie, and all other bytes.

:mod:`mulanzip.source` finds the samples and knows what the table says; here it is bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

from mulanzip.errors import CorruptFileError
from mulanzip.limits import Limits
from mulanzip.varint import Reader, Writer
from mulanzip.whole import general

#: Flag: the first image is what a reader of the file sees, pixel by pixel.
_SHOWN = 1
#: Flag: samples of some images are halves of those in the file.
_HALVES = 2


@dataclass(frozen=True)
class Skeleton:
    """A file without the samples of the images that are coded apart.

    Attributes:
        size: bytes of the file.
        table: where the samples lie, and how they fill the file.
        rest: all other bytes.
        is_shown: whether the first image is what a reader of the file sees, pixel by pixel.
        has_halves: whether samples of some images are halves of those in the file.
    """

    size: int
    table: bytes
    rest: bytes
    is_shown: bool = False
    has_halves: bool = False

    def pack(self) -> bytes:
        """The payload of the chunk."""
        writer = Writer()
        writer.raw(bytes([_SHOWN * self.is_shown | _HALVES * self.has_halves]))
        writer.number(self.size)
        writer.number(len(self.table))
        writer.raw(general.pack(self.table + self.rest))
        return bytes(writer.data)

    @classmethod
    def unpack(cls, payload: bytes, limits: Limits) -> Skeleton:
        """The inverse of :meth:`pack`.

        Raises:
            CorruptFileError: if the payload is damaged.
            LimitError: if the file is larger than the limits allow; nothing has been decompressed then.
        """
        reader = Reader(payload)
        try:
            flags, size, length = reader.byte(), reader.number(), reader.number()
        except ValueError:
            raise CorruptFileError("the skeleton of the file is cut") from None
        packed = reader.rest()
        limits.require(size)
        if flags > _SHOWN | _HALVES or length > general.size_of(packed) or general.size_of(packed) - length > size:
            raise CorruptFileError("the skeleton of the file is damaged")
        content = general.unpack(packed, limits)
        return cls(size, content[:length], content[length:], bool(flags & _SHOWN), bool(flags & _HALVES))
