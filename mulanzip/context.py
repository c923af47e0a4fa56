"""The context ``c``: what the denoiser is told about one image, and the prior that codes it.

MULAN conditions noise and denoiser on a latent ``c`` inferred from the image.  Here ``c`` is a vector of small
integers, one per output channel of every layer of the integer network: steps that are added to the channel's bias.
It costs the decoder nothing but its bytes, and zero is the network as it was trained.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mulanzip.coder import PROBABILITY_BITS, BitCoder, BitDecoder, BitEncoder
from mulanzip.errors import CorruptFileError

#: Entries are in ``-LIMIT..LIMIT``.
LIMIT = 127
_PLANES = 8
_TOTAL = 1 << PROBABILITY_BITS
#: Mean sizes of entries that the rows of a prior stand for.
_SIZES = tuple(0.05 * 1.5**i for i in range(16))


@dataclass(frozen=True)
class Prior:
    """How likely the values of each entry are.  Part of the model file, and of its hash.

    Attributes:
        row: uint8 ``(n,)``, which row of ``mass`` an entry uses.
        mass: int32 ``(rows, 2 * LIMIT + 1)``, at least 1 each, probabilities in ``2**-16``.
    """

    row: np.ndarray
    mass: np.ndarray

    @classmethod
    def build(cls, sizes: np.ndarray) -> Prior:
        """A prior for entries of the given mean sizes, float ``(n,)``; floats are allowed here and only here.

        Rows are two-sided geometric distributions with a little mass everywhere.
        """
        distance = np.abs(np.arange(-LIMIT, LIMIT + 1))
        rows = []
        for size in _SIZES:
            # E|v| = 2 q / (1 - q^2) for P(v) = q^|v| (1 - q) / (1 + q).
            q = (np.sqrt(1 + size * size) - 1) / size
            shape = 0.98 * q**distance * (1 - q) / (1 + q) + 0.02 * 0.9**distance * 0.1 / 1.9
            mass = np.maximum(1, np.rint(shape / shape.sum() * _TOTAL)).astype(np.int32)
            mass[LIMIT] += _TOTAL - mass.sum()
            rows.append(mass)
        nearest = np.abs(np.log(np.maximum(sizes, _SIZES[0]))[:, None] - np.log(_SIZES)).argmin(1)
        return cls(nearest.astype(np.uint8), np.stack(rows))

    @property
    def entries(self) -> int:
        return len(self.row)

    def validate(self, entries: int) -> None:
        """Check what coding relies on.

        Raises:
            ValueError: naming what is wrong.
        """
        if self.row.shape != (entries,) or self.row.dtype != np.uint8:
            raise ValueError("the context's prior does not fit the network")
        if self.mass.ndim != 2 or self.mass.shape[1] != 2 * LIMIT + 1 or self.mass.dtype != np.int32:
            raise ValueError("the context's prior has the wrong size or type")
        if not 1 <= len(self.mass) <= 256 or self.row.max(initial=0) >= len(self.mass):
            raise ValueError("the context's prior refers to a row that it does not have")
        if self.mass.min() < 1 or (self.mass.sum(1, dtype=np.int64) != _TOTAL).any():
            raise ValueError("the context's prior is no distribution")

    def bits(self) -> np.ndarray:
        """Code length of every value of every entry: float64 ``(n, 2 * LIMIT + 1)``."""
        return -np.log2(self.mass / _TOTAL)[self.row]


def _code(coder: BitCoder, prior: Prior, symbols: np.ndarray | None) -> np.ndarray:
    """Bisect all entries side by side: symbols 0..2 LIMIT, int64 ``(n,)``."""
    below = np.zeros((len(prior.mass), (1 << _PLANES) + 1), dtype=np.int64)
    below[:, 1 : 2 * LIMIT + 2] = prior.mass.cumsum(1)
    below[:, 2 * LIMIT + 2 :] = _TOTAL
    low = np.zeros(prior.entries, dtype=np.int64)
    for plane in range(_PLANES - 1, -1, -1):
        middle, high = low + (1 << plane), low + (2 << plane)
        top, bottom = below[prior.row, high], below[prior.row, low]
        probability = (top - below[prior.row, middle] << PROBABILITY_BITS) // np.maximum(top - bottom, 1)
        bits = coder.code(probability, None if symbols is None else symbols >> plane & 1)
        low += bits.astype(np.int64) << plane
    return low


def encode(context: np.ndarray, prior: Prior) -> bytes:
    """Code a context: int8 ``(n,)``, ``-LIMIT..LIMIT``.

    Raises:
        ValueError: for other arrays.
    """
    if context.shape != prior.row.shape or context.dtype != np.int8 or context.min(initial=0) < -LIMIT:
        raise ValueError(f"a context for this model is int8 ({prior.entries},) within -{LIMIT}..{LIMIT}")
    encoder = BitEncoder()
    _code(encoder, prior, context.astype(np.int64) + LIMIT)
    return encoder.finish()


def decode(data: bytes, prior: Prior) -> np.ndarray:
    """The inverse of :func:`encode`.

    Raises:
        CorruptFileError: if the bytes are no context under this prior, or that of all zeros, which is never sent.
    """
    decoder = BitDecoder(data)
    symbols = _code(decoder, prior, None)
    decoder.finish()
    if symbols.max(initial=0) > 2 * LIMIT or (symbols == LIMIT).all():
        raise CorruptFileError("the context is damaged")
    return (symbols - LIMIT).astype(np.int8)
