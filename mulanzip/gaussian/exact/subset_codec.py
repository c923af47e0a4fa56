"""Subsets of k out of m bits, all equally likely, as binary decisions: see :mod:`mulanzip.gaussian.subsets`."""

from __future__ import annotations

import numpy as np

from mulanzip.entropy.ans import SymbolCoder
from mulanzip.gaussian.exact.codecs import MessageCodec, from_program
from mulanzip.native.library import P_BITS


def uniform(count: int, bits: int, active: int) -> MessageCodec[np.ndarray]:
    """The codec of bool ``(count, bits)`` with ``active`` ones in every row; ``bits`` may be 0."""

    def program(coder: SymbolCoder, values: np.ndarray | None) -> np.ndarray:
        found = np.zeros((count, bits), dtype=bool)
        left = np.full(count, active, dtype=np.int64)
        for index in range(bits):
            remaining = bits - index
            found[:, index] = left == remaining
            undecided = np.flatnonzero((left > 0) & (left < remaining))
            truth = None if values is None else values[undecided, index]
            p_one = (left[undecided] << P_BITS) // remaining
            found[undecided, index] = coder.bernoulli(p_one, truth).astype(bool)
            left -= found[:, index]
        return found

    return from_program(program)
