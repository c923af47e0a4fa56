"""Hostile and random predictions of a denoiser, and the CDF at all edges."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import strategies as st
from torch import Tensor

from mulanzip.density.config import COLOURS, MEAN_BITS
from mulanzip.density.mixture import (
    Mixture,
    Tables,
)
from mulanzip.density.model import EXACT_LIMIT
from mulanzip.density.prediction import Prediction
from support.pictures import worst_values

TABLES = Tables.build()


#: Numbers of components that :func:`mulanzip.density.model.prove` admits.
MOST_MIXTURES = 7


#: Linear terms between three colours.
COUPLINGS = 3


seeds = st.integers(0, 2**32 - 1)


mixtures = st.integers(1, MOST_MIXTURES)


def predicting(shapes: np.ndarray, means: np.ndarray, base: np.ndarray) -> Prediction:
    """A prediction that does not depend on the values of colours.

    Args:
        shapes: uint8 ``(2 * COLOURS * k, n)``, logits of all colours, then scales of all.
        means: int32 ``(COLOURS * k + COUPLINGS, n)``, means of all colours, then couplings.
    """
    k = len(shapes) // (2 * COLOURS)
    columns = torch.arange(base.shape[1])[:, None]

    def head(features: Tensor, offsets: np.ndarray, colour: int) -> tuple[np.ndarray, np.ndarray]:
        assert offsets.shape == (colour, len(features))
        n = features[:, 0].numpy()
        rows, wide = slice(colour * k, (colour + 1) * k), slice((COLOURS + colour) * k, (COLOURS + colour + 1) * k)
        first = COLOURS * k + (0, 0, 1)[colour]
        own = np.concatenate((means[rows], means[first : first + colour]))
        return np.concatenate((shapes[rows], shapes[wide]))[:, n], own[:, n]

    return Prediction(columns, base, head)


def hostile(seed: int, k: int, count: int) -> Prediction:
    """Extreme predictions, within the range of an integer network."""
    rng = np.random.default_rng(seed)
    shapes = worst_values(rng, 0, 255, (2 * COLOURS * k, count)).astype(np.uint8)
    reach = int(rng.choice([1 << MEAN_BITS, 255 << MEAN_BITS, EXACT_LIMIT - 1]))
    means = worst_values(rng, -reach, reach, (COLOURS * k + COUPLINGS, count)).astype(np.int32)
    base = worst_values(rng, 0, 255 << MEAN_BITS, (COLOURS, count)).astype(np.int32)
    return predicting(shapes, means, base)


def mixture_of(*rows: np.ndarray, tables: Tables = TABLES) -> Mixture:
    return Mixture.build(tables, *rows)[0]


def whole_cdf(mixture: Mixture) -> np.ndarray:
    """The CDF at all edges 0..256: int64 ``(257, N)``."""
    count = len(mixture.total)
    inner = [mixture.cdf(np.full(count, edge, dtype=np.int32)) for edge in range(1, 256)]
    return np.array([np.zeros(count), *inner, mixture.total], dtype=np.int64)


def mixture_rows(prediction: Prediction, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits, scales and means of the first colour."""
    shapes, means = prediction.head(prediction.features, prediction.base[:0], 0)
    return shapes[:k], shapes[k:], means + prediction.base[0]
