"""Compact binary records: integers of variable length (LEB128), and blocks of bytes."""

from __future__ import annotations

#: Maximum length of a sequence in a record.
MAX_COUNT = 1 << 20


class Writer:
    """Writes a record.

    Attributes:
        data: what was written so far.
    """

    def __init__(self) -> None:
        self.data = bytearray()

    def raw(self, data: bytes) -> None:
        """Append bytes without their length."""
        self.data += data

    def number(self, value: int) -> None:
        """Append an integer, 0 or more: 7 bits per byte, low bits first; the last byte is below 128."""
        while value > 127:
            self.data.append(128 | value & 127)
            value >>= 7
        self.data.append(value)

    def block(self, data: bytes) -> None:
        """Append the length of some bytes, then the bytes."""
        self.number(len(data))
        self.raw(data)


class Reader:
    """Reads what :class:`Writer` wrote.  All methods raise ValueError where the data end too early or are invalid."""

    def __init__(self, data: bytes):
        self._data = data
        self._position = 0

    def raw(self, count: int) -> bytes:
        """The next ``count`` bytes."""
        start, self._position = self._position, self._position + count
        if self._position > len(self._data):
            raise ValueError
        return self._data[start : self._position]

    def byte(self) -> int:
        """The next byte."""
        return self.raw(1)[0]

    def next_byte(self) -> int:
        """The next byte, which is not taken."""
        byte = self.byte()
        self._position -= 1
        return byte

    def number(self) -> int:
        """An integer of at most 63 bits."""
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
            if shift > 56:
                raise ValueError

    def count(self) -> int:
        """The length of a sequence whose items take at least one byte each."""
        value = self.number()
        if value > min(len(self._data) - self._position, MAX_COUNT):
            raise ValueError
        return value

    def block(self) -> bytes:
        """Bytes after their length."""
        return self.raw(self.number())

    def rest(self) -> bytes:
        """All bytes that are left."""
        return self.raw(len(self._data) - self._position)
