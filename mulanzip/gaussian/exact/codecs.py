"""Codecs: pairs of push and pop over messages, and combinators of them.

Every codec obeys one law: ``pop`` after ``push`` returns the value and restores the message,

    codec.push(message, x); assert codec.pop(message) == x; assert message == before

and ``push`` after ``pop`` restores the message.  Combinators preserve it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from mulanzip.entropy.message import Message, SymbolProgram

V = TypeVar("V")
W = TypeVar("W")
X = TypeVar("X")
Z = TypeVar("Z")


@dataclass(frozen=True)
class MessageCodec(Generic[V]):
    """Codes values of one kind on a message.

    Attributes:
        push: puts a value on top of a message.
        pop: takes it off.
    """

    push: Callable[[Message, V], None]
    pop: Callable[[Message], V]


def from_program(program: SymbolProgram[V]) -> MessageCodec[V]:
    """The codec of the values that a program codes."""
    return MessageCodec(lambda message, value: message.push(program, value), lambda message: message.pop(program))


def serial(codecs: Sequence[MessageCodec[Any]]) -> MessageCodec[list[Any]]:
    """Several values, each with its own codec; the first one ends on top."""

    def push(message: Message, values: list[Any]) -> None:
        for codec, value in zip(reversed(codecs), reversed(values), strict=True):
            codec.push(message, value)

    return MessageCodec(push, lambda message: [codec.pop(message) for codec in codecs])


def conditional(first: MessageCodec[V], second: Callable[[V], MessageCodec[W]]) -> MessageCodec[tuple[V, W]]:
    """Two values; the codec of the second depends on the first."""

    def push(message: Message, values: tuple[V, W]) -> None:
        second(values[0]).push(message, values[1])
        first.push(message, values[0])

    def pop(message: Message) -> tuple[V, W]:
        value = first.pop(message)
        return value, second(value).pop(message)

    return MessageCodec(push, pop)


def masked(codec: MessageCodec[V], key: bytes, size: int) -> MessageCodec[V]:
    """The same codec with a mask over the top ``size`` bytes, for values that are popped from other values' bits."""

    def push(message: Message, value: V) -> None:
        codec.push(message, value)
        message.mask(key, size)

    def pop(message: Message) -> V:
        message.mask(key, size)
        return codec.pop(message)

    return MessageCodec(push, pop)


def bits_back(
    prior: MessageCodec[Z], posterior: Callable[[X], MessageCodec[Z]], likelihood: Callable[[Z], MessageCodec[X]]
) -> MessageCodec[X]:
    """Code ``x`` with a latent that is drawn by popping bits of the message (Townsend et al., ICLR 2019).

    The length is ``-log p(x | z) p(z) + log q(z | x)``.  Its mean is the variational bound, provided that the message
    holds the bits that the latent takes.
    """

    def push(message: Message, x: X) -> None:
        z = posterior(x).pop(message)
        likelihood(z).push(message, x)
        prior.push(message, z)

    def pop(message: Message) -> X:
        z = prior.pop(message)
        x = likelihood(z).pop(message)
        posterior(x).push(message, z)
        return x

    return MessageCodec(push, pop)


@dataclass(frozen=True)
class Link:
    """One latent of a chain, above another latent or above the data.

    Attributes:
        posterior: the codec of ``q(z_t | z_s)``, given ``z_s``.
        likelihood: the codec of ``p(z_s | z_t)``, given ``z_t``.
    """

    posterior: Callable[[Any], MessageCodec[Any]]
    likelihood: Callable[[Any], MessageCodec[Any]]


def bit_swap(links: Sequence[Link], prior: MessageCodec[Any]) -> MessageCodec[Any]:
    """Nested bits-back, where each latent is the data of the next: Bit-Swap (Kingma et al., ICML 2019).

    A latent is pushed as soon as the one above it is drawn.  So the initial bits needed are those of one latent, not
    of all.

    Args:
        links: from the data up.
        prior: the codec of the last latent.
    """

    def push(message: Message, value: Any) -> None:
        for link in links:
            above = link.posterior(value).pop(message)
            link.likelihood(above).push(message, value)
            value = above
        prior.push(message, value)

    def pop(message: Message) -> Any:
        value = prior.pop(message)
        for link in reversed(links):
            below = link.likelihood(value).pop(message)
            link.posterior(below).push(message, value)
            value = below
        return value

    return MessageCodec(push, pop)
