"""The chunk of a file's compressed streams: what makes them again of their content."""

from __future__ import annotations

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
        expanded_hash: BLAKE2b-128 of the expanded file.
        table: where the streams are, and what makes them.
    """

    expanded_hash: bytes
    table: Streams

    def pack(self) -> bytes:
        """The payload of the chunk."""
        return self.expanded_hash + general.pack(table.pack(self.table))

    @classmethod
    def unpack(cls, payload: bytes, limits: Limits) -> StreamsChunk:
        """The inverse of :meth:`pack`.

        Raises:
            CorruptFileError: if the payload is damaged.
            LimitError: if it is larger than the limits allow; nothing has been decompressed then.
        """
        if len(payload) < _HASH_BYTES:
            raise CorruptFileError("the table of the streams is cut")
        return cls(payload[:_HASH_BYTES], table.unpack(general.unpack(payload[_HASH_BYTES:], limits)))
