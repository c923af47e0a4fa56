"""How wide the values of a colour are.

Where a picture had 8 bits and its brightness or contrast were changed after that, some values stand for more of the
scene than others: the histogram is a comb.  Such an image says where on the even scale of levels its values begin.
What the denoiser says of levels then holds for them, and costs the decoder nothing.
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

#: Values; the edges between them can be moved.
VALUES = 256
_MOVED = VALUES - 1
#: An edge is moved by so much at most, in ``2**-MEAN_BITS`` levels.
MAX_OFFSET = 127
#: Steps of edges are ``2**log2_unit`` of these, with units up to this one.
MAX_LOG2_UNIT = MEAN_BITS
#: Where values begin in other images.
PLAIN_EDGES = np.arange(VALUES + 1, dtype=np.int32) << MEAN_BITS
#: Bytes of the payload before coded decisions, and bits of the probabilities in it.
_HEAD = 3
_SHARE_BITS = 8


@dataclass(frozen=True, eq=False)
class ValueEdges:
    """Where the values of colours begin.

    Attributes:
        edge_offsets: int64 ``(colours, 255)``, how far the edges between values are moved, in edge_offsets.
        log2_unit: log2 of a step in ``2**-MEAN_BITS`` levels.
        edges: int32 ``(colours, 257)``, in ``2**-MEAN_BITS`` levels; rising; the ends do not move.
    """

    edge_offsets: np.ndarray
    log2_unit: int
    edges: np.ndarray

    @classmethod
    def moved(cls, edge_offsets: np.ndarray, log2_unit: int) -> ValueEdges:
        """Those with edges that are moved by ``edge_offsets << log2_unit``.

        Raises:
            ValueError: if that is more than :data:`MAX_OFFSET`, or edges cross.
        """
        edges = np.tile(PLAIN_EDGES, (len(edge_offsets), 1))
        if np.abs(edge_offsets).max() << log2_unit <= MAX_OFFSET:
            edges[:, 1:-1] += (edge_offsets << log2_unit).astype(np.int32)
            if (np.diff(edges) >= 0).all():
                return cls(edge_offsets, log2_unit, edges)
        raise ValueError("edges between values cross, or are too far from where they belong")

    @cached_property
    def level_centres(self) -> np.ndarray:
        """Where values are in the middle: int32 ``(colours, 256)``, in ``2**-MEAN_BITS`` levels; both ends as ever."""
        found = (self.edges[:, :-1] + self.edges[:, 1:] >> 1) - (1 << MEAN_BITS - 1)
        found[:, [0, -1]] = PLAIN_EDGES[[0, VALUES - 1]]
        return found

    def encode(self) -> bytes:
        """Payload of the chunk that holds the tones."""
        from mulanzip.entropy.ans import SymbolEncoder  # Describing a file need not load the coder.

        widths = np.diff(self.edge_offsets, axis=1, prepend=0).reshape(-1)
        sizes = np.abs(widths[widths != 0])
        shares = [_share(len(sizes), len(widths)), _share(int((sizes - 1).sum()), int(sizes.sum()))]
        encoder = SymbolEncoder()
        _code(encoder, shares, len(widths), widths)
        return bytes([self.log2_unit, *shares]) + encoder.finish()


def decode(payload: bytes, colours: int) -> ValueEdges:
    """The inverse of :meth:`ValueEdges.encode`.

    Raises:
        CorruptFileError: if these are no tones of so many colours.
    """
    from mulanzip.entropy.ans import SymbolDecoder

    if len(payload) < _HEAD or payload[0] > MAX_LOG2_UNIT:
        raise CorruptFileError("the tones are damaged")
    decoder = SymbolDecoder(payload[_HEAD:])
    widths = _code(decoder, list(payload[1:_HEAD]), colours * _MOVED, None)
    decoder.finish()
    try:
        return ValueEdges.moved(widths.reshape(colours, _MOVED).cumsum(1), payload[0])
    except ValueError:
        raise CorruptFileError("the tones are damaged") from None


def _share(part: int, whole: int) -> int:
    return min((part << _SHARE_BITS) // max(1, whole), (1 << _SHARE_BITS) - 1)


def _code(coder: SymbolCoder, shares: list[int], count: int, widths: np.ndarray | None) -> np.ndarray:
    """Differences from the usual width: is there one, is it less, and does it go on, again and again?"""
    from mulanzip.entropy.ans import P_BITS

    odd, more = ((2 * share + 1) << P_BITS - _SHARE_BITS - 1 for share in shares)

    def ask(places: np.ndarray, probability: int, truth: np.ndarray | None) -> np.ndarray:
        known = None if truth is None else truth[places].astype(int)
        return places[coder.bernoulli(np.full(len(places), probability), known) != 0]

    sizes = None if widths is None else np.abs(widths)
    found = np.zeros(count, dtype=np.int64)
    places = ask(np.arange(count), odd, None if sizes is None else sizes > 0)
    less = ask(places, 1 << P_BITS - 1, None if widths is None else widths < 0)
    for size in range(1, 2 * MAX_OFFSET + 1):
        found[places] = size
        places = ask(places, more, None if sizes is None else sizes > size)
    found[less] *= -1
    return found
