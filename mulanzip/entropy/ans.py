"""Entropy coding of symbols on the ANS stack of :mod:`mulanzip.native`.

Encoder and decoder have the same methods (:class:`SymbolCoder`), so one code encodes and decodes.  Subpixels of images
have a loop of their own; this coder has what files say beside them, and the symbols of bits-back chains.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from mulanzip.errors import CorruptFileError
from mulanzip.native import library
from mulanzip.native.symbols import bit_symbols, category_symbols, uniform_symbols

#: Probabilities of bits are multiples of ``2**-P_BITS``, cumulative ones of categories of ``2**-CDF_BITS``.
P_BITS, CDF_BITS = library.P_BITS, library.CDF_BITS
_P_ONE = 1 << P_BITS
_CDF_ONE = 1 << CDF_BITS
#: Number of the values of a byte.
_BYTES = 256


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


def _clamped_cdf(cdf: np.ndarray) -> np.ndarray:
    """Cumulative probabilities below 1: int32."""
    return np.minimum(cdf, _CDF_ONE - 1).astype(np.int32, order="C")


def to_bytes(words: np.ndarray) -> bytes:
    """The words of a stack, uint32 ``(w,)``: little-endian, without zero bytes at the end."""
    return words.astype("<u4").tobytes().rstrip(b"\0")


def from_bytes(data: bytes) -> np.ndarray:
    """The inverse of :func:`to_bytes`.

    Raises:
        CorruptFileError: if the bytes end with zeros.
    """
    if data.endswith(b"\0"):
        raise CorruptFileError("coded data ends with padding")
    return np.frombuffer(data + bytes(-len(data) % 4), dtype="<u4").astype(np.uint32)


class SymbolEncoder:
    """Collects symbols, and codes them from last to first, because ANS is a stack."""

    def __init__(self) -> None:
        self._symbols = [np.empty((0, 2), dtype=np.uint32)]

    def bernoulli(self, p_one: np.ndarray, bits: np.ndarray | None) -> np.ndarray:
        assert bits is not None
        self._symbols.append(bit_symbols(bits, _clamped_p(p_one)))
        return bits

    def categorical(self, cdf: np.ndarray, symbols: np.ndarray | None) -> np.ndarray:
        assert symbols is not None
        self._symbols.append(category_symbols(symbols, _clamped_cdf(cdf)))
        return symbols

    def uniform(self, values: np.ndarray | None, count: int) -> np.ndarray:
        assert values is not None
        self._symbols.append(uniform_symbols(values, _BYTES))
        return values

    def extend(self, other: SymbolEncoder) -> None:
        """Append the symbols of another encoder."""
        self._symbols += other._symbols

    def finish(self) -> bytes:
        """The coded bytes, see :func:`to_bytes`."""
        return to_bytes(self.push_onto(None))

    def push_onto(self, words: np.ndarray | None) -> np.ndarray:
        """Push the symbols onto the words of a stack; None for an empty one."""
        return library.push(np.concatenate(self._symbols), words)


class SymbolReader:
    """Pops symbols off a stack, uint32 ``(w,)``."""

    def __init__(self, words: np.ndarray):
        self._decoder = library.Decoder(words)

    def bernoulli(self, p_one: np.ndarray, bits: np.ndarray | None) -> np.ndarray:
        return self._decoder.decode_bits(_clamped_p(p_one))

    def categorical(self, cdf: np.ndarray, symbols: np.ndarray | None) -> np.ndarray:
        return self._decoder.decode_categories(_clamped_cdf(cdf))

    def uniform(self, values: np.ndarray | None, count: int) -> np.ndarray:
        return self._decoder.decode_uniform(_BYTES, count)

    def words(self) -> np.ndarray:
        """What is left of the stack."""
        return self._decoder.words()


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
        if not self._decoder.is_empty():
            raise CorruptFileError("coded data goes on after the last pixel")
