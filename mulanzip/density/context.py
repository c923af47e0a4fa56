"""The context ``c`` of an image, which adapts the denoiser to it, and the prior that codes the context.

MULAN conditions noise and denoiser on a latent ``c`` inferred from the image.  Here ``c`` is a vector of small
integers, one per output channel of every layer of the integer network: steps that are added to the channel's bias.
It costs the decoder nothing beyond reading it.  The context of zeros leaves the network unchanged.

A context is coded as a *preset*, one of a few contexts that were trained with the network, plus deviations from it.
A preset without deviations costs one byte.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mulanzip.entropy.ans import SymbolCoder, SymbolDecoder, SymbolEncoder
from mulanzip.errors import CorruptFileError
from mulanzip.native.library import P_BITS

#: Entries are in ``-LIMIT..LIMIT``.
LIMIT = 127
#: Bits of a deviation plus ``LIMIT``.
_SYMBOL_BITS = 8
_TOTAL = 1 << P_BITS
#: Mean absolute deviations, one per row of a prior.
_SIZES = tuple(0.05 * 1.5**i for i in range(16))


@dataclass(frozen=True)
class Prior:
    """Distribution of the entries of a context.  Part of the model file, and of its hash.

    Attributes:
        row: uint8 ``(n,)``, the row of ``mass`` for the deviation of each entry.
        mass: int32 ``(rows, 2 * LIMIT + 1)``, probabilities in units of ``2**-16``, at least 1 each.
        presets: int8 ``(presets, n)``, ``-LIMIT..LIMIT``.
    """

    row: np.ndarray
    mass: np.ndarray
    presets: np.ndarray

    @classmethod
    def build(cls, sizes: np.ndarray, presets: np.ndarray | None = None) -> Prior:
        """A prior for deviations of the given mean absolute sizes, float ``(n,)``.  Floats are allowed here alone.

        Rows are two-sided geometric distributions with a small weight of a wider one.
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
        """Check the shapes, types and sums that coding relies on.

        Raises:
            ValueError: naming the problem.
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
            raise ValueError("the presets of the context's prior have the wrong size, type or range")

    def bits(self) -> np.ndarray:
        """Code length in bits of every deviation of every entry: float64 ``(n, 2 * LIMIT + 1)``."""
        return -np.log2(self.mass / _TOTAL)[self.row]

    def code_length(self, context: np.ndarray) -> float:
        """Code length in bits of a context, int8 ``(n,)``."""
        bits = self.bits()
        lengths = [
            bits[np.arange(self.entries), deviations + LIMIT].sum() if deviations.any() else 0
            for _, deviations in self.representations(context)
        ]
        return 8 + float(min(lengths))

    def representations(self, context: np.ndarray) -> list[tuple[int, np.ndarray]]:
        """Ways to code a context: the number of a preset (0: no preset), and deviations from it, int64 ``(n,)``."""
        found = []
        for number in range(len(self.presets) + 1):
            deviations = context.astype(np.int64) - self.preset(number)
            if np.abs(deviations).max(initial=0) <= LIMIT:
                found.append((number, deviations))
        return found

    def preset(self, number: int) -> np.ndarray:
        """Preset ``number``, counted from 1; zeros for 0.  int8 ``(n,)``."""
        return self.presets[number - 1] if number else np.zeros(self.entries, dtype=np.int8)


def _code(coder: SymbolCoder, prior: Prior, symbols: np.ndarray | None) -> np.ndarray:
    """Code all entries bit by bit, from the highest bit on: symbols 0..2 LIMIT, int64 ``(n,)``."""
    below = np.zeros((len(prior.mass), (1 << _SYMBOL_BITS) + 1), dtype=np.int64)
    below[:, 1 : 2 * LIMIT + 2] = prior.mass.cumsum(1)
    below[:, 2 * LIMIT + 2 :] = _TOTAL
    low = np.zeros(prior.entries, dtype=np.int64)
    for place in range(_SYMBOL_BITS - 1, -1, -1):
        middle, high = low + (1 << place), low + (2 << place)
        top, bottom = below[prior.row, high], below[prior.row, low]
        p_one = (top - below[prior.row, middle] << P_BITS) // np.maximum(top - bottom, 1)
        bits = coder.bernoulli(p_one, None if symbols is None else symbols >> place & 1)
        low += bits.astype(np.int64) << place
    return low


def encode(context: np.ndarray, prior: Prior) -> bytes:
    """Code a context: int8 ``(n,)``, ``-LIMIT..LIMIT``.

    Raises:
        ValueError: for other arrays.
    """
    if context.shape != prior.row.shape or context.dtype != np.int8 or context.min(initial=0) < -LIMIT:
        raise ValueError(f"a context for this model is int8 ({prior.entries},) within -{LIMIT}..{LIMIT}")
    representations = prior.representations(context)
    for number, deviations in representations:
        if not deviations.any():
            return bytes([2 * number])
    return min((_coded(*representation, prior) for representation in representations), key=len)


def _coded(number: int, deviations: np.ndarray, prior: Prior) -> bytes:
    encoder = SymbolEncoder()
    _code(encoder, prior, deviations + LIMIT)
    return bytes([2 * number + 1]) + encoder.finish()


def decode(data: bytes, prior: Prior) -> np.ndarray:
    """The inverse of :func:`encode`.

    Raises:
        CorruptFileError: if the bytes are not a context of this prior.  The context of zeros is never coded.
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
