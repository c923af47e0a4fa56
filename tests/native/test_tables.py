"""The tables of the library: what the rule in integers says, which is what their formulas say."""

from __future__ import annotations

from decimal import Decimal, localcontext
from itertools import chain

import numpy as np
from support import native_reference as reference

from mulanzip.native import library


def test_the_library_fills_what_the_rule_says() -> None:
    t = reference.TABLES
    tables = [t.logistic, t.inverse_scale, t.weight, t.sigma, t.inverse_sigma, [0], t.variance]
    tables += [t.logarithm, t.logarithm_of_two, t.reciprocal, t.bits]  # A zero aligns what follows it.
    expected = (np.array(table, dtype=np.int64 if table is t.variance else np.int32) for table in tables)
    # What comes after them is no part of the format: it makes the library faster.
    assert library.tables().tobytes().startswith(b"".join(table.tobytes() for table in expected))


def test_the_ratios_are_exponentials() -> None:
    with localcontext() as context:
        context.prec = 60
        for n, ratio in reference.DECAY.items():
            assert ratio == int(2**64 * (Decimal(-1) / n).exp())


def test_entries_are_rounded_values_of_the_formulas() -> None:
    t = reference.TABLES
    e = np.e
    i = np.arange(4096, dtype=np.float64)
    formulas = [
        (t.logistic, 2**16 / (1 + np.exp(-np.arange(-reference.HALF, reference.HALF + 1) / 1024))),
        (t.inverse_scale, np.maximum(2**11 * e ** (6 - i[:3072] / 256), 1)),
        (t.weight, 2**12 * np.exp(-i / 128)),
        (t.sigma, 2**16 * np.exp(i[:2048] / 256 - 4)),
        (t.inverse_sigma, 2**12 * np.exp(4 - i[:2048] / 256)),
        (t.variance, np.pi**2 / 3 * 2**14 * np.exp((i[:256] - 128) / 16)),
        (t.logarithm_of_two, 256 * i[:64] * np.log(2)),
        (t.reciprocal, 2**31 / (2**15 + 32 * i[:1024] + 16)),
    ]
    for table, formula in formulas:
        assert np.abs(np.array(table) - formula).max() <= 0.5001
    rounded_down = [(t.logarithm, 256 * np.log1p(i[:1024] / 1024)), (t.bits, 2**16 * np.log2(1 + i[:1025] / 1024))]
    for table, formula in rounded_down:
        difference = formula - np.array(table)
        assert difference.min() > -1e-6
        assert difference.max() < 1.01


def test_tables_rise_or_fall() -> None:
    t = reference.TABLES
    for rising in (t.logistic, t.sigma, t.variance, t.logarithm, t.bits):
        assert rising == sorted(rising)
    for falling in (t.inverse_scale, t.weight, t.inverse_sigma, t.reciprocal):
        assert falling[::-1] == sorted(falling)
    assert all(0 <= x < 2**31 for x in chain(t.logistic, t.inverse_scale, t.sigma, t.reciprocal))
