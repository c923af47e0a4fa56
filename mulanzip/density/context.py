"""The context ``c``: what the denoiser is told about one image, and the prior that codes it.

MULAN conditions noise and denoiser on a latent ``c`` inferred from the image.  Here ``c`` is a vector of small
integers, one per output channel of every layer of the integer network: steps that are added to the channel's bias.
It costs the decoder nothing but its bytes, and zero is the network without a context.

Its prior has few *looks*, contexts for kinds of pictures that were learned with the network, and deviations from them.
A look by itself costs one byte.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mulanzip.entropy.ans import P_BITS, SymbolCoder, SymbolDecoder, SymbolEncoder
from mulanzip.errors import CorruptFileError

#: Entries are in ``-LIMIT..LIMIT``.
LIMIT = 127
_PLANES = 8
_TOTAL = 1 << P_BITS
#: Mean sizes of entries that the rows of a prior stand for.
_SIZES = tuple(0.05 * 1.5**i for i in range(16))


@dataclass(frozen=True)
class Prior:
    """How likely the values of each entry are.  Part of the model file, and of its hash.

    Attributes:
        row: uint8 ``(n,)``, which row of ``mass`` the deviation of an entry uses.
        mass: int32 ``(rows, 2 * LIMIT + 1)``, at least 1 each, probabilities in ``2**-16``.
        presets: int8 ``(presets, n)``, ``-LIMIT..LIMIT``.
    """

    row: np.ndarray
    mass: np.ndarray
    presets: np.ndarray

    @classmethod
    def build(cls, sizes: np.ndarray, presets: np.ndarray | None = None) -> Prior:
        """A prior for deviations of the given mean sizes, float ``(n,)``; floats are allowed here and only here.

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
        return cls(
            nearest.astype(np.uint8), np.stack(rows), np.zeros((0, len(sizes)), np.int8) if presets is None else presets
        )

    @property
    def entries(self) -> int:
        return len(self.row)

    def validate(self, entries: int, presets: int) -> None:
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
        if (
            self.presets.shape != (presets, entries)
            or self.presets.dtype != np.int8
            or self.presets.min(initial=0) < -LIMIT
        ):
            raise ValueError("the looks of the context's prior have the wrong size, type or range")

    def bits(self) -> np.ndarray:
        """Code length of every deviation of every entry: float64 ``(n, 2 * LIMIT + 1)``."""
        return -np.log2(self.mass / _TOTAL)[self.row]

    def code_length(self, context: np.ndarray) -> float:
        """Bits of a context, int8 ``(n,)``."""
        bits = self.bits()
        choices = [
            bits[np.arange(self.entries), rest + LIMIT].sum() if rest.any() else 0
            for _, rest in self.representations(context)
        ]
        return 8 + float(min(choices))

    def representations(self, context: np.ndarray) -> list[tuple[int, np.ndarray]]:
        """How a context can be said: number of a look from 1 on, or 0 for none, and deviations, int64 ``(n,)``."""
        found = []
        for number in range(len(self.presets) + 1):
            rest = context.astype(np.int64) - self.preset(number)
            if np.abs(rest).max(initial=0) <= LIMIT:
                found.append((number, rest))
        return found

    def preset(self, number: int) -> np.ndarray:
        """int8 ``(n,)``: look ``number`` from 1 on; zeros for 0."""
        return self.presets[number - 1] if number else np.zeros(self.entries, dtype=np.int8)


def _code(coder: SymbolCoder, prior: Prior, symbols: np.ndarray | None) -> np.ndarray:
    """Bisect all entries side by side: symbols 0..2 LIMIT, int64 ``(n,)``."""
    below = np.zeros((len(prior.mass), (1 << _PLANES) + 1), dtype=np.int64)
    below[:, 1 : 2 * LIMIT + 2] = prior.mass.cumsum(1)
    below[:, 2 * LIMIT + 2 :] = _TOTAL
    low = np.zeros(prior.entries, dtype=np.int64)
    for plane in range(_PLANES - 1, -1, -1):
        middle, high = low + (1 << plane), low + (2 << plane)
        top, bottom = below[prior.row, high], below[prior.row, low]
        probability = (top - below[prior.row, middle] << P_BITS) // np.maximum(top - bottom, 1)
        bits = coder.bernoulli(probability, None if symbols is None else symbols >> plane & 1)
        low += bits.astype(np.int64) << plane
    return low


def encode(context: np.ndarray, prior: Prior) -> bytes:
    """Code a context: int8 ``(n,)``, ``-LIMIT..LIMIT``.

    Raises:
        ValueError: for other arrays.
    """
    if context.shape != prior.row.shape or context.dtype != np.int8 or context.min(initial=0) < -LIMIT:
        raise ValueError(f"a context for this model is int8 ({prior.entries},) within -{LIMIT}..{LIMIT}")
    return min((_coded(number, rest, prior) for number, rest in prior.representations(context)), key=len)


def _coded(number: int, rest: np.ndarray, prior: Prior) -> bytes:
    if not rest.any():
        return bytes([2 * number])
    encoder = SymbolEncoder()
    _code(encoder, prior, rest + LIMIT)
    return bytes([2 * number + 1]) + encoder.finish()


def decode(data: bytes, prior: Prior) -> np.ndarray:
    """The inverse of :func:`encode`.

    Raises:
        CorruptFileError: if the bytes are no context under this prior, or that of all zeros, which is never sent.
    """
    if not data or data[0] >> 1 > len(prior.presets):
        raise CorruptFileError("the context is damaged")
    context = prior.preset(data[0] >> 1).astype(np.int64)
    if data[0] & 1:
        decoder = SymbolDecoder(data[1:])
        symbols = _code(decoder, prior, None)
        decoder.finish()
        if symbols.max(initial=0) > 2 * LIMIT or (symbols == LIMIT).all():
            raise CorruptFileError("the context is damaged")
        context += symbols - LIMIT
    elif len(data) > 1:
        raise CorruptFileError("the context is damaged")
    if not context.any() or np.abs(context).max() > LIMIT:
        raise CorruptFileError("the context is damaged")
    return context.astype(np.int8)
