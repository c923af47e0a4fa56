"""The chunk of a file's compressed streams: what makes them again of their content."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from mulanzip.errors import CorruptFileError
from mulanzip.limits import Limits
from mulanzip.streams import table
from mulanzip.streams.expanded import Streams
from mulanzip.whole import general

_HASH_BYTES = 16


@dataclass(frozen=True)
class StreamsChunk:
    """What makes the source of the expanded file, in which each stream is replaced by its content.

    Attributes:
        check: BLAKE2b-128 of the expanded file and the packed table.
        packed: the table in bytes.
        table: where the streams are, and what makes them.
    """

    check: bytes
    packed: bytes
    table: Streams

    @classmethod
    def of(cls, expanded: bytes, streams: Streams) -> StreamsChunk:
        """The chunk for an expanded file."""
        packed = table.pack(streams)
        return cls(_hash(expanded, packed), packed, streams)

    def fits(self, expanded: bytes) -> bool:
        """Whether file and table are those that the chunk was made of."""
        return _hash(expanded, self.packed) == self.check

    def pack(self) -> bytes:
        """The payload of the chunk."""
        return self.check + general.pack(self.packed)

    @classmethod
    def unpack(cls, payload: bytes, limits: Limits) -> StreamsChunk:
        """The inverse of :meth:`pack`.

        Raises:
            CorruptFileError: if the payload is damaged.
            LimitError: if it is larger than the limits allow; nothing has been decompressed then.
        """
        if len(payload) < _HASH_BYTES:
            raise CorruptFileError("the table of the streams is cut")
        packed = general.unpack(payload[_HASH_BYTES:], limits)
        return cls(payload[:_HASH_BYTES], packed, table.unpack(packed))


def _hash(expanded: bytes, packed: bytes) -> bytes:
    found = hashlib.blake2b(expanded, digest_size=_HASH_BYTES)
    found.update(packed)
    return found.digest()
