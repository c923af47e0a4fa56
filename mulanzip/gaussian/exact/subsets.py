"""Subsets of k out of m bits, all equally likely, as decisions: see :mod:`mulanzip.gaussian.subsets`."""

from __future__ import annotations

import numpy as np

from mulanzip.entropy.ans import P_BITS, SymbolCoder
from mulanzip.gaussian.exact.codecs import Codec, walked


def uniform(count: int, bits: int, active: int) -> Codec[np.ndarray]:
    """Of bool ``(count, bits)`` with ``active`` ones in every row; ``bits`` may be 0."""

    def walk(coder: SymbolCoder, values: np.ndarray | None) -> np.ndarray:
        found = np.zeros((count, bits), dtype=bool)
        left = np.full(count, active, dtype=np.int64)
        for place in range(bits):
            remaining = bits - place
            found[:, place] = left == remaining
            open_ = np.flatnonzero((left > 0) & (left < remaining))
            truth = None if values is None else values[open_, place]
            chance = (left[open_] << P_BITS) // remaining
            found[open_, place] = coder.bernoulli(chance, truth).astype(bool)
            left -= found[:, place]
        return found

    return walked(walk)
