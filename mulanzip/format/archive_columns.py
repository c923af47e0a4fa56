"""Columns of the directory of an archive: names and optional numbers, each coded relative to the one before.

``docs/format.md`` specifies the byte layout.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from mulanzip.varint import Reader, Writer


def pack_names(writer: Writer, names: Sequence[bytes]) -> None:
    """Lengths of prefixes that are shared with the name before, lengths of the rests, then the rests.

    Columns of equal things compress better than rows.
    """
    shared = [_shared(before, name) for before, name in pairwise([b"", *names])]
    rests = [name[start:] for name, start in zip(names, shared, strict=True)]
    for number in (*shared, *map(len, rests)):
        writer.number(number)
    writer.raw(b"".join(rests))


def _shared(one: bytes, other: bytes) -> int:
    """Length of the common prefix."""
    pairs = zip(one, other, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def read_names(reader: Reader, total: int, most: int) -> list[bytes]:
    """The inverse of :func:`pack_names`.

    Raises:
        ValueError: if all names together have more than ``most`` bytes.
    """
    shared = [reader.number() for _ in range(total)]
    lengths = [reader.number() for _ in range(total)]
    names, before, held = [], b"", 0
    for start, length in zip(shared, lengths, strict=True):
        before = before[:start] + reader.raw(length)
        held += len(before)
        if held > most:
            raise ValueError
        names.append(before)
    return names


def pack_optional(writer: Writer, values: Sequence[int | None]) -> None:
    """Numbers or None: 0 for None, else 1 plus the difference from the number before in zigzag form."""
    before = 0
    for value in values:
        if value is None:
            writer.number(0)
            continue
        difference = value - before
        writer.number(1 + (2 * difference if difference >= 0 else -2 * difference - 1))
        before = value


def read_optional(reader: Reader, total: int) -> list[int | None]:
    """The inverse of :func:`pack_optional`."""
    found: list[int | None] = []
    before = 0
    for _ in range(total):
        number = reader.number()
        if number:
            before += (number - 1) // 2 if number % 2 else -(number // 2)
        found.append(before if number else None)
    return found
