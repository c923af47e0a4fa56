"""Entropy coding of symbols with the ANS coder of constriction.

Encoder and decoder have the same methods (:class:`SymbolCoder`), so one code encodes and decodes.  Subpixels of images
go to :mod:`mulanzip.native` instead; this coder has what files say beside them, and the symbols of bits-back chains.
"""

from __future__ import annotations

from typing import Protocol

import constriction
import numpy as np

from mulanzip.errors import CorruptFileError

#: Probabilities of bits are multiples of ``2**-P_BITS``; float32 holds them exactly.
P_BITS = 16
_P_ONE = 1 << P_BITS
#: Cumulative probabilities of categories are multiples of ``2**-CDF_BITS``.
CDF_BITS = 20
_CDF_ONE = 1 << CDF_BITS
_BERNOULLI = constriction.stream.model.Bernoulli(perfect=False)
_CATEGORICAL = constriction.stream.model.Categorical(perfect=False)
_UNIFORM = constriction.stream.model.Uniform(256)


class SymbolCoder(Protocol):
    """Takes symbols (encoder) or returns them (decoder)."""

    def bernoulli(self, p_one: np.ndarray, bits: np.ndarray | None) -> np.ndarray:
        """Code ``n`` bits.

        Args:
            p_one: int64 ``(n,)``, probability of a one in units of ``2**-P_BITS``, clamped to 1..``2**P_BITS - 1``.
            bits: ``(n,)``, 0 or 1, when encoding; ignored when decoding.

        Returns:
            the bits, ``(n,)``.
        """
        ...

    def categorical(self, cdf: np.ndarray, symbols: np.ndarray | None) -> np.ndarray:
        """Code ``n`` symbols of ``k`` categories.

        Args:
            cdf: int64 ``(k - 1, n)``, probability of a symbol below 1, ..., below ``k - 1``, in units of
                ``2**-CDF_BITS``; rising, clamped to ``2**CDF_BITS - 1``.
            symbols: ``(n,)``, 0 to ``k - 1``, when encoding; ignored when decoding.

        Returns:
            the symbols, ``(n,)``.
        """
        ...

    def uniform(self, values: np.ndarray | None, count: int) -> np.ndarray:
        """Code ``count`` bytes that are equally likely.

        Args:
            values: ``(count,)``, 0..255, when encoding; ignored when decoding.

        Returns:
            the bytes, ``(count,)``.
        """
        ...


def _clamped_p(p_one: np.ndarray) -> np.ndarray:
    """Probabilities strictly between 0 and 1: uint16."""
    return np.clip(p_one, 1, _P_ONE - 1).astype(np.uint16)


def _float_p(p_one: np.ndarray) -> np.ndarray:
    """Clamped probabilities as float32, without rounding."""
    return p_one.astype(np.float32) * np.float32(1 / _P_ONE)


def _clamped_cdf(cdf: np.ndarray) -> np.ndarray:
    """Cumulative probabilities below 1: int32."""
    return np.minimum(cdf, _CDF_ONE - 1).astype(np.int32)


def _weights(cdf: np.ndarray) -> np.ndarray:
    """Probabilities of the categories in units of ``2**-CDF_BITS``: int32 ``(k - 1, n)`` -> float64 ``(n, k)``.

    The coder multiplies sums of them, which have 21 bits, by a number of 24 bits: doubles hold the products exactly.
    """
    count = len(cdf)
    found = np.empty((cdf.shape[1], count + 1), dtype=np.float64)
    found[:, 0] = cdf[0]
    for i in range(1, count):
        found[:, i] = cdf[i] - cdf[i - 1]
    found[:, count] = _CDF_ONE - cdf[-1]
    return found


def to_bytes(coder: constriction.stream.stack.AnsCoder) -> bytes:
    """The content of a coder: little-endian words of 32 bits, without zero bytes at the end."""
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
    """Collects symbols, and codes them from last to first, because ANS is a stack."""

    def __init__(self) -> None:
        #: Symbols, and probabilities of ones, a CDF, or None for uniform bytes.
        self._batches: list[tuple[np.ndarray, np.ndarray | None]] = []

    def bernoulli(self, p_one: np.ndarray, bits: np.ndarray | None) -> np.ndarray:
        assert bits is not None
        self._batches.append((bits.astype(np.uint8), _clamped_p(p_one)))
        return bits

    def categorical(self, cdf: np.ndarray, symbols: np.ndarray | None) -> np.ndarray:
        assert symbols is not None
        self._batches.append((symbols.astype(np.uint8), _clamped_cdf(cdf)))
        return symbols

    def uniform(self, values: np.ndarray | None, count: int) -> np.ndarray:
        assert values is not None
        self._batches.append((values.astype(np.uint8), None))
        return values

    def extend(self, other: SymbolEncoder) -> None:
        """Append the symbols of another encoder."""
        self._batches += other._batches

    def finish(self) -> bytes:
        """The coded bytes, see :func:`to_bytes`."""
        coder = constriction.stream.stack.AnsCoder()
        self.push_onto(coder)
        return to_bytes(coder)

    def push_onto(self, coder: constriction.stream.stack.AnsCoder) -> None:
        """Push the symbols onto the stack that ``coder`` is."""
        while self._batches:
            symbols, model = self._batches.pop()
            if model is None:
                coder.encode_reverse(symbols.astype(np.int32), _UNIFORM)
            elif model.ndim == 1:
                coder.encode_reverse(symbols.astype(np.int32), _BERNOULLI, _float_p(model))
            else:
                coder.encode_reverse(symbols.astype(np.int32), _CATEGORICAL, _weights(model))


class SymbolReader:
    """Pops symbols off the stack that a coder is."""

    def __init__(self, coder: constriction.stream.stack.AnsCoder):
        self._coder = coder

    def bernoulli(self, p_one: np.ndarray, bits: np.ndarray | None) -> np.ndarray:
        decoded: np.ndarray = self._coder.decode(_BERNOULLI, _float_p(_clamped_p(p_one)))
        return decoded

    def categorical(self, cdf: np.ndarray, symbols: np.ndarray | None) -> np.ndarray:
        decoded: np.ndarray = self._coder.decode(_CATEGORICAL, _weights(_clamped_cdf(cdf)))
        return decoded

    def uniform(self, values: np.ndarray | None, count: int) -> np.ndarray:
        decoded: np.ndarray = self._coder.decode(_UNIFORM, count)
        return decoded


class SymbolDecoder(SymbolReader):
    """Returns the symbols of :class:`SymbolEncoder`.

    Raises:
        CorruptFileError: if the bytes cannot come from an encoder.
    """

    def __init__(self, data: bytes):
        super().__init__(from_bytes(data))

    def finish(self) -> None:
        """Check that no symbols are left.

        Raises:
            CorruptFileError: if symbols are left.
        """
        if not self._coder.is_empty():
            raise CorruptFileError("coded data goes on after the last pixel")
