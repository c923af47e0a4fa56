"""Values, bits and categories -> symbols for the rANS stack of :mod:`mulanzip.native.library`.

A symbol is its first slot and its number of slots, of ``2**SLOT_BITS`` in all.
"""

from __future__ import annotations

import numpy as np

from mulanzip.native.library import CDF_BITS, P_BITS, SLOT_BITS


def uniform_symbols(values: np.ndarray, count: int) -> np.ndarray:
    """Symbols of values that are equally likely: uint32 ``(n, 2)``.

    Args:
        values: ``(n,)``, 0..``count`` - 1.
        count: 1..65536.
    """
    edges = -(-(values.astype(np.int64)[:, None] + (0, 1) << SLOT_BITS) // count)
    return np.stack((edges[:, 0], edges[:, 1] - edges[:, 0]), axis=1).astype(np.uint32)


def bit_symbols(bits: np.ndarray, p_one: np.ndarray) -> np.ndarray:
    """Symbols of bits: uint32 ``(n, 2)``.

    Args:
        bits: ``(n,)``, 0 or 1.
        p_one: as for :meth:`mulanzip.native.library.Decoder.decode_bits`.
    """
    slots = 1 << SLOT_BITS
    zero = (((1 << P_BITS) - p_one.astype(np.int64)) * (slots - 2) >> P_BITS) + 1
    is_one = bits != 0
    return np.stack((np.where(is_one, zero, 0), np.where(is_one, slots - zero, zero)), axis=1).astype(np.uint32)


def category_symbols(symbols: np.ndarray, cdf: np.ndarray) -> np.ndarray:
    """Symbols of categories: uint32 ``(n, 2)``.

    Args:
        symbols: ``(n,)``, 0 to ``k - 1``.
        cdf: as for :meth:`mulanzip.native.library.Decoder.decode_categories`.
    """
    count = len(cdf) + 1
    below = np.pad(cdf.astype(np.int64), ((1, 1), (0, 0)), constant_values=((0, 1 << CDF_BITS), (0, 0)))
    edges = (below * ((1 << SLOT_BITS) - count) >> CDF_BITS) + np.arange(count + 1)[:, None]
    low, high = (np.take_along_axis(edges, symbols.astype(np.intp)[None] + i, 0)[0] for i in (0, 1))
    return np.stack((low, high - low), axis=1).astype(np.uint32)
