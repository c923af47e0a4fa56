"""Streams that are cut into items of DICOM, of equal lengths but for the last one.

Before each item stand 8 bytes, a tag and its length.  The content of a stream has those of the first item
behind the samples.
"""

from __future__ import annotations

from collections.abc import Callable

ITEM, ITEM_HEAD = b"\xfe\xff\x00\xe0", 8


def content_of(stream: bytes, size: int, read: Callable[[bytes], bytes | None]) -> bytes | None:
    """The content of a stream, cut or whole; None if it is damaged, or not for ``read``.

    Args:
        size: bytes of samples.
        read: gives the content of a whole stream.
    """
    if not stream.startswith(ITEM):
        return read(stream)
    joined = _joined(stream)
    content = None if joined is None else read(joined)
    return content and content[:size] + stream[:ITEM_HEAD] + content[size:]


def make(content: bytes, size: int, write: Callable[[bytes, bytes], bytes]) -> bytes:
    """The stream of a content, of which the first ``size`` bytes are samples.

    Args:
        write: makes a whole stream of samples and the rest.

    Raises:
        ValueError: if ``write`` does.
    """
    rest = content[size:]
    length = int.from_bytes(rest[len(ITEM) : ITEM_HEAD], "little") if rest.startswith(ITEM) else 0
    made = write(content[:size], rest[ITEM_HEAD:] if length else rest)
    return _cut(made, length) if length else made


def _joined(stream: bytes) -> bytes | None:
    """A stream without the heads of its items; None if these are unusual."""
    length = int.from_bytes(stream[len(ITEM) : ITEM_HEAD], "little")
    if not length:
        return None
    step = ITEM_HEAD + length
    joined = b"".join(stream[at + ITEM_HEAD : at + step] for at in range(0, len(stream), step))
    return joined if _cut(joined, length) == stream else None


def _cut(stream: bytes, length: int) -> bytes:
    """A stream in items."""
    items = (stream[at : at + length] for at in range(0, len(stream), length))
    return b"".join(ITEM + len(item).to_bytes(4, "little") + item for item in items)
