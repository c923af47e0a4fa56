"""Values come back from a search in their CDF, and cost what the CDF says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mulanzip.entropy.ans import SymbolDecoder, SymbolEncoder
from mulanzip.gaussian.exact.cdf_search import CdfSearch


def random_cdfs(rng: np.random.Generator, bits: int, count: int) -> np.ndarray:
    """Masses below values 0..2**bits, many of which have none: int64 ``(2**bits + 1, count)``."""
    masses = rng.integers(0, 1 << 30, (1 << bits, count)) * (rng.random((1 << bits, count)) < rng.random())
    return np.pad(masses.cumsum(0), ((1, 0), (0, 0)))


def search(coder: SymbolEncoder | SymbolDecoder, cdfs: np.ndarray, low: np.ndarray) -> CdfSearch:
    return CdfSearch(coder, low, cdfs[0], cdfs[-1])


@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(1, 30))
def test_any_values_come_back_from_any_cdf(seed: int, bits: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    cdfs, low = random_cdfs(rng, bits, count), rng.integers(-100, 100, count).astype(np.int32)
    offsets = rng.integers(0, 1 << bits, count)

    def masses(values: np.ndarray) -> np.ndarray:
        return np.take_along_axis(cdfs, values - low, 0)

    encoder = SymbolEncoder()
    np.testing.assert_array_equal(search(encoder, cdfs, low).run(bits, masses, offsets), low + offsets)
    decoder = SymbolDecoder(encoder.finish())
    np.testing.assert_array_equal(search(decoder, cdfs, low).run(bits, masses, None), low + offsets)
    decoder.finish()


def test_values_cost_what_their_masses_say() -> None:
    rng = np.random.default_rng(0)
    cdfs = np.repeat(random_cdfs(rng, 6, 1), 4000, 1)
    probabilities = np.diff(cdfs[:, 0]) / cdfs[-1, 0]
    values = rng.choice(64, 4000, p=probabilities)
    encoder = SymbolEncoder()
    low = np.zeros(4000, dtype=np.int32)
    search(encoder, cdfs, low).run(6, lambda edges: np.take_along_axis(cdfs, edges, 0), values)
    assert 8 * len(encoder.finish()) == pytest.approx(-np.log2(probabilities[values]).sum(), rel=0.001, abs=40)
