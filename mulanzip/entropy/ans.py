"""Entropy coding of decisions and choices: constriction's ANS coder behind a few methods.

Encoder, decoder and counter share :class:`BitCoder`, so that one walk over an image serves all three.
"""

from __future__ import annotations

from typing import Protocol

import constriction
import numpy as np

from mulanzip.errors import CorruptFileError

#: Probabilities of decisions are multiples of ``2**-PROBABILITY_BITS``; float32 holds them exactly.
PROBABILITY_BITS = 16
_ONE = 1 << PROBABILITY_BITS
#: Shares of choices are multiples of ``2**-SHARE_BITS``.
SHARE_BITS = 20
_WHOLE = 1 << SHARE_BITS
_BERNOULLI = constriction.stream.model.Bernoulli(perfect=False)
_CATEGORICAL = constriction.stream.model.Categorical(perfect=False)
_FLAT = constriction.stream.model.Uniform(256)
#: The coder's own precision: each choice has one of so many at least.
_MOST = 1 << 24


class BitCoder(Protocol):
    """Takes decisions (encoder, counter) or gives them (decoder)."""

    def code(self, probability: np.ndarray, bits: np.ndarray | None) -> np.ndarray:
        """Code an array of decisions.

        Args:
            probability: int64 ``(n,)``, probability of a one in units of ``2**-PROBABILITY_BITS``;
                0 and ``2**PROBABILITY_BITS`` count as the nearest value inside.
            bits: ``(n,)`` of 0 and 1 when encoding, ignored when decoding.

        Returns:
            the decisions, ``(n,)`` of 0 and 1.
        """
        ...

    def choose(self, shares: np.ndarray, choices: np.ndarray | None) -> np.ndarray:
        """Code an array of choices among ``k``.

        Args:
            shares: int64 ``(k - 1, n)``, probability of a choice below 1, ..., below ``k - 1``, in units of
                ``2**-SHARE_BITS``; rising.  The last choice has ``2**-SHARE_BITS`` at least.
            choices: ``(n,)`` of 0 to ``k - 1`` when encoding, ignored when decoding.

        Returns:
            the choices, ``(n,)``.
        """
        ...

    def flat(self, values: np.ndarray | None, count: int) -> np.ndarray:
        """Code ``count`` values of 0..255 that are equally likely."""
        ...


def _inside(probability: np.ndarray) -> np.ndarray:
    """Probabilities strictly between 0 and 1: uint16."""
    return np.clip(probability, 1, _ONE - 1).astype(np.uint16)


def _exact(probability: np.ndarray) -> np.ndarray:
    """The same as float32, without rounding."""
    return probability.astype(np.float32) * np.float32(1 / _ONE)


def _rising(shares: np.ndarray) -> np.ndarray:
    """Shares of choices below 1: int32."""
    return np.minimum(shares, _WHOLE - 1).astype(np.int32)


def _weights(shares: np.ndarray) -> np.ndarray:
    """What each choice has, in units of ``2**-SHARE_BITS``, as float64 ``(n, k)``; from int32 ``(k - 1, n)``.

    The coder multiplies sums of them, which have 21 bits, by a number of 24 bits: it rounds nothing.
    """
    count = len(shares)
    found = np.empty((shares.shape[1], count + 1), dtype=np.float64)
    found[:, 0] = shares[0]
    for i in range(1, count):
        found[:, i] = shares[i] - shares[i - 1]
    found[:, count] = _WHOLE - shares[-1]
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


class BitEncoder:
    """Collects decisions, and codes them last to first, as a stack wants it."""

    def __init__(self) -> None:
        self._parts: list[tuple[np.ndarray, np.ndarray | None]] = []

    def code(self, probability: np.ndarray, bits: np.ndarray | None) -> np.ndarray:
        assert bits is not None
        self._parts.append((bits.astype(np.uint8), _inside(probability)))
        return bits

    def choose(self, shares: np.ndarray, choices: np.ndarray | None) -> np.ndarray:
        assert choices is not None
        self._parts.append((choices.astype(np.uint8), _rising(shares)))
        return choices

    def flat(self, values: np.ndarray | None, count: int) -> np.ndarray:
        assert values is not None
        self._parts.append((values.astype(np.uint8), None))
        return values

    def extend(self, other: BitEncoder) -> None:
        """Append the decisions of another encoder."""
        self._parts += other._parts

    def finish(self) -> bytes:
        """The coded bytes, see :func:`to_bytes`."""
        coder = constriction.stream.stack.AnsCoder()
        self.pour(coder)
        return to_bytes(coder)

    def pour(self, coder: constriction.stream.stack.AnsCoder) -> None:
        """Put the decisions on top of what ``coder`` holds."""
        while self._parts:
            symbols, probability = self._parts.pop()
            if probability is None:
                coder.encode_reverse(symbols.astype(np.int32), _FLAT)
            elif probability.ndim == 1:
                coder.encode_reverse(symbols.astype(np.int32), _BERNOULLI, _exact(probability))
            else:
                coder.encode_reverse(symbols.astype(np.int32), _CATEGORICAL, _weights(probability))


class BitReader:
    """Takes decisions off the top of what a coder holds."""

    def __init__(self, coder: constriction.stream.stack.AnsCoder):
        self._coder = coder

    def code(self, probability: np.ndarray, bits: np.ndarray | None) -> np.ndarray:
        decisions: np.ndarray = self._coder.decode(_BERNOULLI, _exact(_inside(probability)))
        return decisions

    def choose(self, shares: np.ndarray, choices: np.ndarray | None) -> np.ndarray:
        decoded: np.ndarray = self._coder.decode(_CATEGORICAL, _weights(_rising(shares)))
        return decoded

    def flat(self, values: np.ndarray | None, count: int) -> np.ndarray:
        decoded: np.ndarray = self._coder.decode(_FLAT, count)
        return decoded


class BitDecoder(BitReader):
    """Gives the decisions of :class:`BitEncoder` back.

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

    def __init__(self, inner: BitCoder | None = None) -> None:
        self.bits = 0.0
        self._inner = inner

    def code(self, probability: np.ndarray, bits: np.ndarray | None) -> np.ndarray:
        if self._inner is not None:
            bits = self._inner.code(probability, bits)
        assert bits is not None
        p = _inside(probability) / _ONE
        self.bits -= float(np.log2(np.where(bits.astype(bool), p, 1 - p)).sum())
        return bits

    def choose(self, shares: np.ndarray, choices: np.ndarray | None) -> np.ndarray:
        if self._inner is not None:
            choices = self._inner.choose(shares, choices)
        assert choices is not None
        lows = _rising(shares).astype(np.int64) * (_MOST - len(shares) - 1) >> SHARE_BITS
        lows += np.arange(1, len(shares) + 1)[:, None]
        ends = np.pad(lows, ((1, 1), (0, 0)), constant_values=((0, _MOST), (0, 0)))
        place = choices.astype(np.int64) * len(choices) + np.arange(len(choices))
        self.bits -= float(np.log2((ends[1:].take(place) - ends.take(place)) / _MOST).sum())
        return choices

    def flat(self, values: np.ndarray | None, count: int) -> np.ndarray:
        if self._inner is not None:
            values = self._inner.flat(values, count)
        assert values is not None
        self.bits += 8.0 * count
        return values
