"""Value edges: where on the scale of gray levels the values of a colour begin and end.

If the brightness or contrast of an 8-bit image was changed, some values cover a wider range of the original brightness
than others: the histogram is a comb.  The file of such an image holds the edges between its values, and the mixtures of
the denoiser are integrated between these edges.  This costs the decoder no time.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from mulanzip.density.config import MEAN_BITS
from mulanzip.errors import CorruptFileError

if TYPE_CHECKING:
    from mulanzip.entropy.ans import SymbolCoder

#: Number of values of a colour.
VALUES = 256
#: Number of edges between them; the two ends are fixed.
_INNER_EDGES = VALUES - 1
#: Maximum offset of an edge, in ``2**-MEAN_BITS`` gray levels.
MAX_OFFSET = 127
#: Maximum log2 of the unit of offsets: one gray level.
MAX_LOG2_UNIT = MEAN_BITS
#: The edges of other images.
PLAIN_EDGES = np.arange(VALUES + 1, dtype=np.int32) << MEAN_BITS
#: Bytes of the payload before coded symbols, and bits of the two probabilities in them.
_HEAD = 3
_STORED_P_BITS = 8


@dataclass(frozen=True, eq=False)
class ValueEdges:
    """The edges between the values of each colour.

    Attributes:
        edge_offsets: int64 ``(colours, 255)``, offsets of the edges from their even positions, in units.
        log2_unit: log2 of the unit, in ``2**-MEAN_BITS`` gray levels.
        edges: int32 ``(colours, 257)``, positions in ``2**-MEAN_BITS`` gray levels; rising; the ends are fixed.
    """

    edge_offsets: np.ndarray
    log2_unit: int
    edges: np.ndarray

    @classmethod
    def moved(cls, edge_offsets: np.ndarray, log2_unit: int) -> ValueEdges:
        """The even edges, moved by ``edge_offsets << log2_unit``.

        Raises:
            ValueError: if an offset exceeds :data:`MAX_OFFSET`, or edges cross.
        """
        edges = np.tile(PLAIN_EDGES, (len(edge_offsets), 1))
        if np.abs(edge_offsets).max() << log2_unit <= MAX_OFFSET:
            edges[:, 1:-1] += (edge_offsets << log2_unit).astype(np.int32)
            if (np.diff(edges) >= 0).all():
                return cls(edge_offsets, log2_unit, edges)
        raise ValueError("value edges cross, or are too far from their even positions")

    @cached_property
    def level_centres(self) -> np.ndarray:
        """Positions of values: the middle of their edges, in ``2**-MEAN_BITS`` gray levels: int32 ``(colours, 256)``.

        The least and the largest value keep their even positions.
        """
        found = (self.edges[:, :-1] + self.edges[:, 1:] >> 1) - (1 << MEAN_BITS - 1)
        found[:, [0, -1]] = PLAIN_EDGES[[0, VALUES - 1]]
        return found

    def encode(self) -> bytes:
        """Payload of the chunk with the value edges."""
        from mulanzip.entropy.ans import SymbolEncoder  # Describing a file need not load the coder.

        widths = np.diff(self.edge_offsets, axis=1, prepend=0).reshape(-1)
        sizes = np.abs(widths[widths != 0])
        stored_p = [_stored_p(len(sizes), len(widths)), _stored_p(int((sizes - 1).sum()), int(sizes.sum()))]
        encoder = SymbolEncoder()
        _code(encoder, stored_p, len(widths), widths)
        return bytes([self.log2_unit, *stored_p]) + encoder.finish()


def decode(payload: bytes, colours: int) -> ValueEdges:
    """The inverse of :meth:`ValueEdges.encode`.

    Raises:
        CorruptFileError: if the payload does not hold value edges of this number of colours.
    """
    from mulanzip.entropy.ans import SymbolDecoder

    if len(payload) < _HEAD or payload[0] > MAX_LOG2_UNIT:
        raise CorruptFileError("the value edges are damaged")
    decoder = SymbolDecoder(payload[_HEAD:])
    widths = _code(decoder, list(payload[1:_HEAD]), colours * _INNER_EDGES, None)
    decoder.finish()
    try:
        return ValueEdges.moved(widths.reshape(colours, _INNER_EDGES).cumsum(1), payload[0])
    except ValueError:
        raise CorruptFileError("the value edges are damaged") from None


def _stored_p(part: int, whole: int) -> int:
    """``part / whole`` in units of ``2**-_STORED_P_BITS``: a byte."""
    return min((part << _STORED_P_BITS) // max(1, whole), (1 << _STORED_P_BITS) - 1)


def _code(coder: SymbolCoder, stored_p: list[int], count: int, widths: np.ndarray | None) -> np.ndarray:
    """Code differences of widths from the even width: whether there is one, its sign, its size in unary.

    Args:
        stored_p: probability of a difference, and of a larger size than the present one.
        widths: int64 ``(count,)`` when encoding.

    Returns:
        int64 ``(count,)``.
    """
    from mulanzip.native.library import P_BITS

    p_any, p_larger = ((2 * p + 1) << P_BITS - _STORED_P_BITS - 1 for p in stored_p)

    def select(indices: np.ndarray, p_one: int, truth: np.ndarray | None) -> np.ndarray:
        """Code a bit for each index; those whose bit is one."""
        bits = None if truth is None else truth[indices].astype(int)
        return indices[coder.bernoulli(np.full(len(indices), p_one), bits) != 0]

    sizes = None if widths is None else np.abs(widths)
    found = np.zeros(count, dtype=np.int64)
    indices = select(np.arange(count), p_any, None if sizes is None else sizes > 0)
    negative = select(indices, 1 << P_BITS - 1, None if widths is None else widths < 0)
    for size in range(1, 2 * MAX_OFFSET + 1):
        if not len(indices):
            break
        found[indices] = size
        indices = select(indices, p_larger, None if sizes is None else sizes > size)
    found[negative] *= -1
    return found
