"""Small binary records: numbers of as few bytes as they need, and blocks of bytes."""

from __future__ import annotations

#: Things that a number may announce at most.
MAX_COUNT = 1 << 20


class Writer:
    """Numbers of 7 bits a byte, low ones first, the last byte below 128; and bytes after their number."""

    def __init__(self) -> None:
        self.data = bytearray()

    def raw(self, data: bytes) -> None:
        self.data += data

    def number(self, value: int) -> None:
        while value > 127:
            self.data.append(128 | value & 127)
            value >>= 7
        self.data.append(value)

    def block(self, data: bytes) -> None:
        self.number(len(data))
        self.raw(data)


class Reader:
    """The inverse; raises ValueError or IndexError where there is not what there should be."""

    def __init__(self, data: bytes):
        self._data = data
        self._position = 0

    def raw(self, count: int) -> bytes:
        start, self._position = self._position, self._position + count
        if self._position > len(self._data):
            raise ValueError
        return self._data[start : self._position]

    def byte(self) -> int:
        return self.raw(1)[0]

    def number(self) -> int:
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
        """A number of things that follow, each of a byte at least."""
        value = self.number()
        if value > min(len(self._data) - self._position, MAX_COUNT):
            raise ValueError
        return value

    def block(self) -> bytes:
        return self.raw(self.number())

    def rest(self) -> bytes:
        return self.raw(len(self._data) - self._position)
