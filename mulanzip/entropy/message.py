"""An ANS message used as a stack: values can be popped under other probabilities than they were pushed under.

Pop and push are inverses in both orders, for every message and all probabilities.  So bits that a pop takes come back
when the same value is pushed again; bits-back coding rests on this.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TypeVar

import numpy as np

from mulanzip.entropy.ans import SymbolCoder, SymbolEncoder, SymbolReader, from_bytes, to_bytes
from mulanzip.errors import CorruptFileError

V = TypeVar("V")
#: The decisions that make up a value, in decoding order: ``program(coder, value)`` codes the value and returns it.
#: When decoding, ``value`` is None.
SymbolProgram = Callable[[SymbolCoder, "V | None"], V]

_WORD_BITS = 32
#: :meth:`Message.holding` appends this to its content.  It is not zero, because a message cannot end with zero bytes.
_END = b"\1"


class Message:
    """A stack of decisions.

    Attributes:
        min_bits: the smallest :attr:`bits` after any pop so far.  No value has needed the bits below it.
    """

    def __init__(self, data: bytes = b""):
        """Restore a message from its :meth:`to_bytes`.

        Raises:
            CorruptFileError: if the bytes end with zeros.
        """
        self._words = from_bytes(data)
        self.min_bits = self.bits

    @classmethod
    def holding(cls, content: bytes) -> Message:
        """A message whose initial bits are ``content``, any bytes that must be stored anyway."""
        return cls(content + _END)

    @classmethod
    def pseudo_random(cls, key: bytes, size: int) -> Message:
        """A message whose initial bits are ``size`` pseudo-random bytes, which depend on ``key`` alone."""
        return cls.holding(hashlib.shake_256(key).digest(size))

    def content(self) -> bytes:
        """The content that was given to :meth:`holding`, after everything else has been popped.

        Raises:
            CorruptFileError: if something else is left.
        """
        data = self.to_bytes()
        if not data.endswith(_END):
            raise CorruptFileError("coded data does not end where its images do")
        return data[: -len(_END)]

    def push(self, program: SymbolProgram[V], value: V) -> None:
        """Put a value on top."""
        encoder = SymbolEncoder()
        program(encoder, value)
        self._words = encoder.push_onto(self._words)

    def pop(self, program: SymbolProgram[V]) -> V:
        """Take a value off the top.  An empty message yields zeros and stays empty."""
        reader = SymbolReader(self._words)
        value = program(reader, None)
        self._words = reader.words()
        self.min_bits = min(self.min_bits, self.bits)
        return value

    def mask(self, key: bytes, size: int) -> None:
        """XOR the top ``size`` bytes with a pseudo-random sequence.  A second call with the same key undoes it.

        A value that is popped under a distribution that it was not pushed under looks random after this.
        """
        sequence = np.frombuffer(hashlib.shake_256(key).digest(size), dtype=np.uint8)
        top = self.pop(lambda coder, values: coder.uniform(values, size))
        self.push(lambda coder, values: coder.uniform(values, size), top.astype(np.uint8) ^ sequence)

    @property
    def bits(self) -> int:
        """Length in bits, to within one bit: the highest one, which any message but the empty one has, not counted."""
        if not len(self._words):
            return 0
        return _WORD_BITS * (len(self._words) - 1) + int(self._words[-1]).bit_length() - 1

    def to_bytes(self) -> bytes:
        """The message in whole bytes.  The last byte is not zero."""
        return to_bytes(self._words)

    def copy(self) -> Message:
        return Message(self.to_bytes())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Message) and self.to_bytes() == other.to_bytes()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Message of {self.bits} bits"
