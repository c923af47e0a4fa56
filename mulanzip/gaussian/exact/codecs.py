"""Codecs: pairs of push and pop over messages, and what can be made of them.

The law of every codec: ``pop`` after ``push`` gives the value and the message as it was before,

    codec.push(message, x); assert codec.pop(message) == x; assert message == before

and ``push`` after ``pop`` restores the message.  Combinators keep it.
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
class Codec(Generic[V]):
    """How values of one kind go onto a message and come off it.

    Attributes:
        push: puts a value on top of a message.
        pop: takes it off.
    """

    push: Callable[[Message, V], None]
    pop: Callable[[Message], V]


def walked(walk: SymbolProgram[V]) -> Codec[V]:
    """Of the decisions that a walk takes."""
    return Codec(lambda message, value: message.push(walk, value), lambda message: message.pop(walk))


def serial(codecs: Sequence[Codec[Any]]) -> Codec[list[Any]]:
    """One value after the other; the first one ends on top."""

    def push(message: Message, values: list[Any]) -> None:
        for codec, value in zip(reversed(codecs), reversed(values), strict=True):
            codec.push(message, value)

    return Codec(push, lambda message: [codec.pop(message) for codec in codecs])


def conditional(first: Codec[V], second: Callable[[V], Codec[W]]) -> Codec[tuple[V, W]]:
    """Two values, the codec of the second of which depends on the first."""

    def push(message: Message, values: tuple[V, W]) -> None:
        second(values[0]).push(message, values[1])
        first.push(message, values[0])

    def pop(message: Message) -> tuple[V, W]:
        value = first.pop(message)
        return value, second(value).pop(message)

    return Codec(push, pop)


def masked(codec: Codec[V], key: bytes, size: int) -> Codec[V]:
    """The same behind a mask of ``size`` bytes, for codecs that are popped under what others have pushed."""

    def push(message: Message, value: V) -> None:
        codec.push(message, value)
        message.mask(key, size)

    def pop(message: Message) -> V:
        message.mask(key, size)
        return codec.pop(message)

    return Codec(push, pop)


def bits_back(prior: Codec[Z], posterior: Callable[[X], Codec[Z]], likelihood: Callable[[Z], Codec[X]]) -> Codec[X]:
    """Code ``x`` by a latent that is drawn with bits of the message (Townsend et al., ICLR 2019).

    The length is ``-log p(x | z) p(z) + log q(z | x)``, in the mean the variational bound, once the message has as many
    bits as the latent takes.
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

    return Codec(push, pop)


@dataclass(frozen=True)
class Link:
    """One latent above another, or above the data.

    Attributes:
        posterior: the codec of ``q(z_t | z_s)``, given ``z_s``.
        likelihood: the codec of ``p(z_s | z_t)``, given ``z_t``.
    """

    posterior: Callable[[Any], Codec[Any]]
    likelihood: Callable[[Any], Codec[Any]]


def chain(links: Sequence[Link], prior: Codec[Any]) -> Codec[Any]:
    """Bits-back within bits-back, each latent the data of the next: Bit-Swap (Kingma et al., ICML 2019).

    A latent is pushed as soon as the one above it is drawn, so that no more bits are needed at first than one latent
    takes.

    Args:
        links: from the data up.
        prior: of the last latent.
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

    return Codec(push, pop)
