"""Tar archives, not compressed: where their members lie."""

from __future__ import annotations

from collections.abc import Iterator

_BLOCK = 512
_MAGIC = b"ustar"
_FILES = (b"0", b"\0")


def is_mine(data: bytes) -> bool:
    """Whether a file with these bytes may be of this format."""
    return data[257 : 257 + len(_MAGIC)] == _MAGIC


def members(data: bytes) -> Iterator[tuple[int, int]]:
    """Start and end of the content of each member that is a file; up to where the archive is damaged."""
    position = 0
    while is_mine(data[position : position + _BLOCK]):
        try:
            size = int(data[position + 124 : position + 136].strip(b"\0 ") or b"0", 8)
        except ValueError:  # Sizes beyond 8 GB have another form.
            return
        kind, start = data[position + 156 : position + 157], position + _BLOCK
        if size < 0 or start + size > len(data):
            return
        if kind in _FILES:
            yield start, start + size
        position = start + -(-size // _BLOCK) * _BLOCK
