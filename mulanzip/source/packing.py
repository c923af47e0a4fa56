"""How samples lie in the rows of a block: whole words, a string of bits, or fields of words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

#: What a byte of the file is: nobody's, all samples', or shared by samples and the skeleton.
FREE, WHOLE, SHARED = 0, 1, 2
#: Maximum number of samples of a group of rows that is converted at a time; a row may have more.
_SAMPLES = 1 << 20


@dataclass(frozen=True)
class Place:
    """A block of pixels in a file.

    Attributes:
        start: position of the first byte of the first row.
        rows, columns: of the block.
        row_step: bytes from a row to the one below it; negative where rows are stored bottom-up.
    """

    start: int
    rows: int
    columns: int
    row_step: int

    def row_groups(self, width: int) -> Iterator[tuple[slice, Place]]:
        """Groups of consecutive rows, of about a million samples where a row has ``width``."""
        rows = max(1, _SAMPLES // max(1, width))
        for top in range(0, self.rows, rows):
            count = min(rows, self.rows - top)
            yield slice(top, top + count), Place(self.start + top * self.row_step, count, self.columns, self.row_step)


@dataclass(frozen=True)
class Piece:
    """Bytes of a block.

    Attributes:
        view: two-dimensional view of memory, of unsigned words of 1, 2 or 4 bytes.
        marks: a word whose bytes say what the bytes of each word of the view are: ``FREE``, ``WHOLE``, ``SHARED``.
        others: the bits of each word that are no samples.
    """

    view: np.ndarray
    marks: int
    others: int


def _view(memory: np.ndarray, dtype: np.dtype[Any], place: Place, start: int, step: int) -> np.ndarray:
    """Words of ``memory``: a row for each row of the block, with ``step`` bytes from a word to the next.

    Raises:
        ValueError: if a word lies outside, or two of them overlap.
    """
    rows, columns, size = place.rows, place.columns, dtype.itemsize
    down, across = (rows - 1) * place.row_step, (columns - 1) * step
    if start + min(0, down) + min(0, across) < 0 or start + max(0, down) + max(0, across) + size > len(memory):
        raise ValueError("samples outside the file")
    far, near = max(abs(place.row_step), abs(step)), min(abs(place.row_step), abs(step))
    inner = columns if near == abs(step) else rows
    is_apart = near >= size and far >= near * (inner - 1) + size
    if (columns > 1 and rows > 1 and not is_apart) or (columns > 1 and abs(step) < size):
        raise ValueError("samples overlap")
    if rows > 1 and abs(place.row_step) < size:
        raise ValueError("samples overlap")
    # Steps of axes of length 1 mean nothing, and may be too large for numpy.
    steps = (place.row_step if rows > 1 else size, step if columns > 1 else size)
    return np.ndarray((rows, columns), dtype, memory.data, start, steps)


@dataclass(frozen=True)
class Words:
    """Samples are whole words.

    Attributes:
        size: bytes per word, 1 or 2.
        order: byte order, ``<`` or ``>``.
        signed: whether samples of two bytes are int16.
        flip: bits in which the word differs from the sample.
        pixel_step: bytes from a pixel to the next one in its row.
        places: bytes from the first byte of a pixel to that of each channel.
    """

    size: int
    order: str = "<"
    signed: bool = False
    flip: int = 0
    pixel_step: int = 1
    places: tuple[int, ...] = (0,)

    @property
    def channels(self) -> int:
        """Samples per pixel."""
        return len(self.places)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the samples in memory."""
        return np.dtype(np.uint8 if self.size == 1 else np.int16 if self.signed else np.uint16)

    def whole_bytes(self, place: Place) -> int:
        """Number of bytes of the block that are nothing but samples."""
        return place.rows * place.columns * len(self.places) * self.size

    def pieces(self, memory: np.ndarray, place: Place) -> list[Piece]:
        """The bytes of a block.

        Raises:
            ValueError: if they lie outside ``memory``, or overlap.
        """
        marks = WHOLE | WHOLE << 8 if self.size == 2 else WHOLE
        return [Piece(view, marks, 0) for view in self._views(memory, place)]

    def _views(self, memory: np.ndarray, place: Place) -> Iterator[np.ndarray]:
        dtype = np.dtype(f"{self.order}u{self.size}")
        for channel in self.places:
            yield _view(memory, dtype, place, place.start + channel, self.pixel_step)

    def read(self, memory: np.ndarray, place: Place, samples: np.ndarray) -> None:
        """Read a block into ``samples``, ``(rows, columns, channels)``."""
        for channel, view in enumerate(self._views(memory, place)):
            samples[..., channel] = (view ^ self._flip).astype(view.dtype.newbyteorder("=")).view(samples.dtype)

    def write(self, memory: np.ndarray, place: Place, samples: np.ndarray) -> None:
        """The inverse of :meth:`read`."""
        unsigned = samples.view(np.uint8 if self.size == 1 else np.uint16)
        for channel, view in enumerate(self._views(memory, place)):
            view[...] = unsigned[..., channel] ^ self._flip

    @property
    def _flip(self) -> Any:
        return (np.uint8 if self.size == 1 else np.uint16)(self.flip)


@dataclass(frozen=True)
class Packed:
    """Rows are strings of bits; samples follow each other without gaps, their high bits first.

    Attributes:
        bits: per sample, 1 to 16.
        order: ``>`` where the first sample lies in the high bits of a byte, ``<`` where the bits of bytes are reversed.
        flip: bits in which the word differs from the sample.
        channels: samples per pixel.
    """

    bits: int
    order: str = ">"
    flip: int = 0
    channels: int = 1

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the samples in memory."""
        return np.dtype(np.uint8 if self.bits <= 8 else np.uint16)

    def whole_bytes(self, place: Place) -> int:
        """Number of bytes of the block that are nothing but samples."""
        return place.rows * (place.columns * self.channels * self.bits // 8)

    def pieces(self, memory: np.ndarray, place: Place) -> list[Piece]:
        """The bytes of a block.

        Raises:
            ValueError: if they lie outside ``memory``, or overlap.
        """
        whole, left = divmod(place.columns * self.channels * self.bits, 8)
        pieces, u1 = [], np.dtype(np.uint8)
        if whole and left:  # Rows must not overlap in the byte that both pieces leave to the other.
            _view(memory, u1, Place(place.start, place.rows, whole + 1, place.row_step), place.start, 1)
        if whole:
            bytes_ = Place(place.start, place.rows, whole, place.row_step)
            pieces.append(Piece(_view(memory, u1, bytes_, place.start, 1), WHOLE, 0))
        if left:
            last = Place(place.start, place.rows, 1, place.row_step)
            others = 0xFF >> left if self.order == ">" else 0xFF << left & 0xFF
            pieces.append(Piece(_view(memory, u1, last, place.start + whole, 1), SHARED, others))
        return pieces

    def read(self, memory: np.ndarray, place: Place, samples: np.ndarray) -> None:
        """Read a block into ``samples``, ``(rows, columns, channels)``."""
        count = place.columns * self.channels
        size = -(-count * self.bits // 8)
        for rows, part in place.row_groups(count):
            view = _view(memory, np.dtype(np.uint8), Place(0, part.rows, size, part.row_step), part.start, 1)
            bits = np.unpackbits(view, axis=1, count=count * self.bits, bitorder=self._bit_order)
            values = np.zeros((part.rows, count), self.dtype)
            for bit in range(self.bits):
                values |= bits[:, bit :: self.bits].astype(self.dtype) << self.dtype.type(self.bits - 1 - bit)
            samples[rows] = (values ^ self.dtype.type(self.flip)).reshape(part.rows, place.columns, self.channels)

    def write(self, memory: np.ndarray, place: Place, samples: np.ndarray) -> None:
        """The inverse of :meth:`read`; bits of samples must be 0 in ``memory``."""
        count = place.columns * self.channels
        for rows, part in place.row_groups(count):
            values = samples[rows].reshape(part.rows, count) ^ self.dtype.type(self.flip)
            bits = np.empty((part.rows, count * self.bits), np.uint8)
            for bit in range(self.bits):
                bits[:, bit :: self.bits] = values >> self.dtype.type(self.bits - 1 - bit) & self.dtype.type(1)
            packed = np.packbits(bits, axis=1, bitorder=self._bit_order)
            bytes_ = Place(0, part.rows, packed.shape[1], part.row_step)
            _view(memory, np.dtype(np.uint8), bytes_, part.start, 1)[...] |= packed

    @property
    def _bit_order(self) -> Any:
        return "big" if self.order == ">" else "little"


@dataclass(frozen=True)
class Fields:
    """A pixel is a word, and its samples are fields of bits in the word.

    Attributes:
        size: bytes per word, 1, 2 or 4.
        order: byte order, ``<`` or ``>``.
        flip: bits in which each field differs from its sample.
        fields: position of the lowest bit, and number of bits up to 16, of each channel.
    """

    size: int
    order: str
    flip: int
    fields: tuple[tuple[int, int], ...]

    @property
    def channels(self) -> int:
        """Samples per pixel."""
        return len(self.fields)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the samples in memory."""
        return np.dtype(np.uint8 if max(bits for _, bits in self.fields) <= 8 else np.uint16)

    @property
    def _samples(self) -> int:
        """The bits of a word that are samples."""
        return sum((1 << bits) - 1 << low for low, bits in self.fields)

    @property
    def _marks(self) -> list[int]:
        """What the bytes of a word are, from the lowest to the highest."""
        covered = self._samples.to_bytes(self.size, "little")
        return [WHOLE if byte == 0xFF else SHARED if byte else FREE for byte in covered]

    def whole_bytes(self, place: Place) -> int:
        """Number of bytes of the block that are nothing but samples."""
        return place.rows * place.columns * self._marks.count(WHOLE)

    def _words(self, memory: np.ndarray, place: Place) -> np.ndarray:
        return _view(memory, np.dtype(f"{self.order}u{self.size}"), place, place.start, self.size)

    def pieces(self, memory: np.ndarray, place: Place) -> list[Piece]:
        """The bytes of a block.

        Raises:
            ValueError: if they lie outside ``memory``, or overlap.
        """
        others = (1 << 8 * self.size) - 1 ^ self._samples
        return [Piece(self._words(memory, place), int.from_bytes(bytes(self._marks), "little"), others)]

    def read(self, memory: np.ndarray, place: Place, samples: np.ndarray) -> None:
        """Read a block into ``samples``, ``(rows, columns, channels)``."""
        kind = np.dtype(f"u{self.size}").type
        for rows, part in place.row_groups(place.columns):
            words = self._words(memory, part)
            for channel, (low, bits) in enumerate(self.fields):
                values = words >> kind(low) & kind((1 << bits) - 1)
                samples[rows, :, channel] = values.astype(self.dtype) ^ self.dtype.type(self.flip)

    def write(self, memory: np.ndarray, place: Place, samples: np.ndarray) -> None:
        """The inverse of :meth:`read`; bits of samples must be 0 in ``memory``."""
        kind = np.dtype(f"u{self.size}").type
        for rows, part in place.row_groups(place.columns):
            words = self._words(memory, part)
            for channel, (low, bits) in enumerate(self.fields):
                values = samples[rows, :, channel] ^ self.dtype.type(self.flip)
                words |= (values.astype(kind) & kind((1 << bits) - 1)) << kind(low)


Packing: TypeAlias = Words | Packed | Fields
