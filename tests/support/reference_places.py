"""The section "Table of places" of docs/format.md, written from its text alone: slow, and without mulanzip."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np


class _Layout(NamedTuple):
    height: int
    width: int
    planes: int
    block_height: int
    block_width: int
    row_step: int
    packing: tuple[str, list[int], list[int]]


def _numbers(data: bytes) -> Iterator[int]:
    value = shift = 0
    for byte in data:
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            yield value
            value = shift = 0


def _signed(number: int) -> int:
    return -(number + 1) // 2 if number % 2 else number // 2


def _packing(numbers: Iterator[int]) -> tuple[str, list[int], list[int]]:
    name = ("words", "bits", "fields")[next(numbers)]
    head = [next(numbers) for _ in range({"words": 5, "bits": 3, "fields": 3}[name])]
    channels = next(numbers)
    each = [next(numbers) for _ in range(channels * {"words": 1, "bits": 0, "fields": 2}[name])]
    return name, head, each or [0] * channels


def _groups(table: bytes) -> Iterator[tuple[_Layout, list[int]]]:
    """Layout and offsets of each image."""
    numbers = _numbers(table)
    last = 0
    for _ in range(next(numbers)):
        sides = [next(numbers) for _ in range(5)]
        layout = _Layout(*sides, _signed(next(numbers)), _packing(numbers))
        images = next(numbers)
        blocks = layout.planes * -(-layout.height // layout.block_height) * -(-layout.width // layout.block_width)
        offsets: list[int] = []
        while len(offsets) < images * blocks:
            length, step = next(numbers), _signed(next(numbers))
            for _ in range(length):
                last += step
                offsets.append(last)
        for i in range(images):
            yield layout, offsets[i * blocks : (i + 1) * blocks]


def _bits(layout: _Layout, row: int, column: int, channel: int) -> tuple[list[tuple[int, int]], int]:
    """Byte and bit of a sample, lowest bit first, the row beginning at ``row``; and flip."""
    name, head, each = layout.packing
    if name == "bits":
        bits, order, flip = head
        first = (column * len(each) + channel) * bits
        ends = range(first + bits - 1, first - 1, -1)
        return [(row + i // 8, 7 - i % 8 if order else i % 8) for i in ends], flip
    if name == "words":
        size, order, _, flip, step = head
        start, low, count = row + column * step + each[channel], 0, 8 * size
    else:
        size, order, flip = head
        start, low, count = row + column * size, each[2 * channel], each[2 * channel + 1]
    return [(start + (size - 1 - i // 8 if order else i // 8), i % 8) for i in range(low, low + count)], flip


def restore(table: bytes, skeleton: bytes, images: list[np.ndarray]) -> bytes:
    """The file."""
    bits: dict[tuple[int, int], int] = {}
    for image, (layout, offsets) in zip(images, _groups(table), strict=True):
        name, _, each = layout.packing
        channels = len(each) // 2 if name == "fields" else len(each)
        assert image.shape == (layout.height, layout.width, layout.planes * channels)
        down, across = -(-layout.height // layout.block_height), -(-layout.width // layout.block_width)
        for y, x, c in np.ndindex(image.shape):
            plane, block = c // channels, (y // layout.block_height) * across + x // layout.block_width
            offset = offsets[plane * down * across + block]
            if offset == -1:
                continue
            row = offset + (y % layout.block_height) * layout.row_step
            places, flip = _bits(layout, row, x % layout.block_width, c % channels)
            value = int(image[y, x, c]) ^ flip
            for i, place in enumerate(places):
                assert place not in bits
                bits[place] = value >> i & 1
    counts: dict[int, int] = {}
    for byte, _ in bits:
        counts[byte] = counts.get(byte, 0) + 1
    whole = {byte for byte, count in counts.items() if count == 8}
    file, rest = bytearray(len(skeleton) + len(whole)), iter(skeleton)
    for position in range(len(file)):
        file[position] = 0 if position in whole else next(rest)
    for (byte, bit), value in bits.items():
        file[byte] |= value << bit
    return bytes(file)
