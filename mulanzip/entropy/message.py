"""An ANS message: a stack of decisions that can be popped under other probabilities than they were pushed under.

Pop and push are inverses in both orders, for every message and all probabilities, so bits that were borrowed by a pop
come back when the same values are pushed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TypeVar

import numpy as np

from mulanzip.entropy.ans import SymbolCoder, SymbolEncoder, SymbolReader, from_bytes, to_bytes
from mulanzip.errors import CorruptFileError

V = TypeVar("V")
#: Decisions in the order in which a decoder takes them: ``walk(coder, value)`` codes the value and returns it; None is
#: given where the value is to be found.
SymbolProgram = Callable[[SymbolCoder, "V | None"], V]

#: Ends what :meth:`Message.holding` puts below a message; not zero, for a message cannot end with zero bytes.
_END = b"\1"


class Message:
    """A stack of decisions.

    Attributes:
        lowest: the least :attr:`bits` after a pop so far; what lies below was never needed.
    """

    def __init__(self, data: bytes = b""):
        """The message that :meth:`to_bytes` gave.

        Raises:
            CorruptFileError: if the bytes end with zeros.
        """
        self._coder = from_bytes(data)
        self.lowest = self.bits

    @classmethod
    def holding(cls, content: bytes) -> Message:
        """A message to borrow from, of content that must be stored anyway; any bytes."""
        return cls(content + _END)

    @classmethod
    def seeded(cls, key: bytes, size: int) -> Message:
        """A message to borrow from, of ``size`` bytes that look random and are the same for the same key."""
        return cls.holding(hashlib.shake_256(key).digest(size))

    def content(self) -> bytes:
        """What :meth:`holding` was given, once all else is popped.

        Raises:
            CorruptFileError: if something else is left.
        """
        data = self.to_bytes()
        if not data.endswith(_END):
            raise CorruptFileError("coded data does not end where its images do")
        return data[: -len(_END)]

    def push(self, walk: SymbolProgram[V], value: V) -> None:
        """Put a value on top."""
        encoder = SymbolEncoder()
        walk(encoder, value)
        encoder.push_onto(self._coder)

    def pop(self, walk: SymbolProgram[V]) -> V:
        """Take a value off the top.  From an empty message come zeros, which leave it empty."""
        value = walk(SymbolReader(self._coder), None)
        self.lowest = min(self.lowest, self.bits)
        return value

    def mask(self, key: bytes, size: int) -> None:
        """Add (exclusive or) a pseudo-random sequence to the ``size`` bytes on top.  Twice, and nothing has changed.

        What is popped under a distribution that it was not pushed under looks random after this.
        """
        sequence = np.frombuffer(hashlib.shake_256(key).digest(size), dtype=np.uint8)
        top = self.pop(lambda coder, values: coder.uniform(values, size))
        self.push(lambda coder, values: coder.uniform(values, size), top.astype(np.uint8) ^ sequence)

    @property
    def bits(self) -> int:
        """Length, to within a bit."""
        return int(self._coder.num_valid_bits())

    def to_bytes(self) -> bytes:
        """The message in whole bytes, the last of which is not zero."""
        return to_bytes(self._coder)

    def copy(self) -> Message:
        return Message(self.to_bytes())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Message) and self.to_bytes() == other.to_bytes()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Message of {self.bits} bits"
