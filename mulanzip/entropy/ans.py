"""Entropy coding of decisions and choices: constriction's ANS coder behind a few methods.

Encoder, decoder and counter share :class:`SymbolCoder`, so that one walk over an image serves all three.
"""

from __future__ import annotations

from typing import Protocol

import constriction
import numpy as np

from mulanzip.errors import CorruptFileError

#: Probabilities of decisions are multiples of ``2**-P_BITS``; float32 holds them exactly.
P_BITS = 16
_ONE = 1 << P_BITS
#: Shares of choices are multiples of ``2**-CDF_BITS``.
CDF_BITS = 20
_WHOLE = 1 << CDF_BITS
_BERNOULLI = constriction.stream.model.Bernoulli(perfect=False)
_CATEGORICAL = constriction.stream.model.Categorical(perfect=False)
_UNIFORM = constriction.stream.model.Uniform(256)
#: The coder's own precision: each choice has one of so many at least.
_ANS_SLOTS = 1 << 24


class SymbolCoder(Protocol):
    """Takes decisions (encoder, counter) or gives them (decoder)."""

    def bernoulli(self, probability: np.ndarray, bits: np.ndarray | None) -> np.ndarray:
        """Code an array of decisions.

        Args:
            probability: int64 ``(n,)``, probability of a one in units of ``2**-P_BITS``;
                0 and ``2**P_BITS`` count as the nearest value inside.
            bits: ``(n,)`` of 0 and 1 when encoding, ignored when decoding.

        Returns:
            the decisions, ``(n,)`` of 0 and 1.
        """
        ...

    def categorical(self, cdf: np.ndarray, choices: np.ndarray | None) -> np.ndarray:
        """Code an array of choices among ``k``.

        Args:
            cdf: int64 ``(k - 1, n)``, probability of a choice below 1, ..., below ``k - 1``, in units of
                ``2**-CDF_BITS``; rising.  The last choice has ``2**-CDF_BITS`` at least.
            choices: ``(n,)`` of 0 to ``k - 1`` when encoding, ignored when decoding.

        Returns:
            the choices, ``(n,)``.
        """
        ...

    def uniform(self, values: np.ndarray | None, count: int) -> np.ndarray:
        """Code ``count`` values of 0..255 that are equally likely."""
        ...


def _inside(probability: np.ndarray) -> np.ndarray:
    """Probabilities strictly between 0 and 1: uint16."""
    return np.clip(probability, 1, _ONE - 1).astype(np.uint16)


def _exact(probability: np.ndarray) -> np.ndarray:
    """The same as float32, without rounding."""
    return probability.astype(np.float32) * np.float32(1 / _ONE)


def _rising(cdf: np.ndarray) -> np.ndarray:
    """Shares of choices below 1: int32."""
    return np.minimum(cdf, _WHOLE - 1).astype(np.int32)


def _weights(cdf: np.ndarray) -> np.ndarray:
    """What each choice has, in units of ``2**-CDF_BITS``, as float64 ``(n, k)``; from int32 ``(k - 1, n)``.

    The coder multiplies sums of them, which have 21 bits, by a number of 24 bits: it rounds nothing.
    """
    count = len(cdf)
    found = np.empty((cdf.shape[1], count + 1), dtype=np.float64)
    found[:, 0] = cdf[0]
    for i in range(1, count):
        found[:, i] = cdf[i] - cdf[i - 1]
    found[:, count] = _WHOLE - cdf[-1]
    return found


def to_bytes(coder: constriction.stream.stack.AnsCoder) -> bytes:
    """What a coder holds: little-endian words of 32 bits, without the zero bytes at the end."""
    return coder.get_compressed().astype("<u4").tobytes().rstrip(b"\0")


def from_bytes(data: bytes) -> constriction.stream.stack.AnsCoder:
    """The inverse of :func:`to_bytes`.

    Raises:
        CorruptFileError: if the bytes end with zeros.
    """
    if data.endswith(b"\0"):
        raise CorruptFileError("coded data ends with padding")
    words = np.frombuffer(data + bytes(-len(data) % 4), dtype="<u4").astype(np.uint32)
    return constriction.stream.stack.AnsCoder(words)


class SymbolEncoder:
    """Collects decisions, and codes them last to first, as a stack wants it."""

    def __init__(self) -> None:
        self._parts: list[tuple[np.ndarray, np.ndarray | None]] = []

    def bernoulli(self, probability: np.ndarray, bits: np.ndarray | None) -> np.ndarray:
        assert bits is not None
        self._parts.append((bits.astype(np.uint8), _inside(probability)))
        return bits

    def categorical(self, cdf: np.ndarray, choices: np.ndarray | None) -> np.ndarray:
        assert choices is not None
        self._parts.append((choices.astype(np.uint8), _rising(cdf)))
        return choices

    def uniform(self, values: np.ndarray | None, count: int) -> np.ndarray:
        assert values is not None
        self._parts.append((values.astype(np.uint8), None))
        return values

    def extend(self, other: SymbolEncoder) -> None:
        """Append the decisions of another encoder."""
        self._parts += other._parts

    def finish(self) -> bytes:
        """The coded bytes, see :func:`to_bytes`."""
        coder = constriction.stream.stack.AnsCoder()
        self.push_onto(coder)
        return to_bytes(coder)

    def push_onto(self, coder: constriction.stream.stack.AnsCoder) -> None:
        """Put the decisions on top of what ``coder`` holds."""
        while self._parts:
            symbols, probability = self._parts.pop()
            if probability is None:
                coder.encode_reverse(symbols.astype(np.int32), _UNIFORM)
            elif probability.ndim == 1:
                coder.encode_reverse(symbols.astype(np.int32), _BERNOULLI, _exact(probability))
            else:
                coder.encode_reverse(symbols.astype(np.int32), _CATEGORICAL, _weights(probability))


class SymbolReader:
    """Takes decisions off the top of what a coder holds."""

    def __init__(self, coder: constriction.stream.stack.AnsCoder):
        self._coder = coder

    def bernoulli(self, probability: np.ndarray, bits: np.ndarray | None) -> np.ndarray:
        decisions: np.ndarray = self._coder.decode(_BERNOULLI, _exact(_inside(probability)))
        return decisions

    def categorical(self, cdf: np.ndarray, choices: np.ndarray | None) -> np.ndarray:
        decoded: np.ndarray = self._coder.decode(_CATEGORICAL, _weights(_rising(cdf)))
        return decoded

    def uniform(self, values: np.ndarray | None, count: int) -> np.ndarray:
        decoded: np.ndarray = self._coder.decode(_UNIFORM, count)
        return decoded


class SymbolDecoder(SymbolReader):
    """Gives the decisions of :class:`SymbolEncoder` back.

    Raises:
        CorruptFileError: if the bytes cannot be its output.
    """

    def __init__(self, data: bytes):
        super().__init__(from_bytes(data))

    def finish(self) -> None:
        """Check that nothing is left.

        Raises:
            CorruptFileError: if something is.
        """
        if not self._coder.is_empty():
            raise CorruptFileError("coded data goes on after the last pixel")


class BitCounter:
    """Counts the code length of decisions, in bits; wrapped around a decoder, of those it gives."""

    def __init__(self, inner: SymbolCoder | None = None) -> None:
        self.bits = 0.0
        self._inner = inner

    def bernoulli(self, probability: np.ndarray, bits: np.ndarray | None) -> np.ndarray:
        if self._inner is not None:
            bits = self._inner.bernoulli(probability, bits)
        assert bits is not None
        p = _inside(probability) / _ONE
        self.bits -= float(np.log2(np.where(bits.astype(bool), p, 1 - p)).sum())
        return bits

    def categorical(self, cdf: np.ndarray, choices: np.ndarray | None) -> np.ndarray:
        if self._inner is not None:
            choices = self._inner.categorical(cdf, choices)
        assert choices is not None
        lows = _rising(cdf).astype(np.int64) * (_ANS_SLOTS - len(cdf) - 1) >> CDF_BITS
        lows += np.arange(1, len(cdf) + 1)[:, None]
        ends = np.pad(lows, ((1, 1), (0, 0)), constant_values=((0, _ANS_SLOTS), (0, 0)))
        place = choices.astype(np.int64) * len(choices) + np.arange(len(choices))
        self.bits -= float(np.log2((ends[1:].take(place) - ends.take(place)) / _ANS_SLOTS).sum())
        return choices

    def uniform(self, values: np.ndarray | None, count: int) -> np.ndarray:
        if self._inner is not None:
            values = self._inner.uniform(values, count)
        assert values is not None
        self.bits += 8.0 * count
        return values
