"""NumPy's ``.npy`` files: images, and stacks of them, in C and Fortran order."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from mulanzip.image.kinds import MAX_BANDS, Mode
from mulanzip.source.found import Found, at, halves_of, mode_of
from mulanzip.source.holes import Layout
from mulanzip.source.packing import Words

_SIGNATURE = b"\x93NUMPY"
#: Maximum number of bytes of a header, and of axes of an array.
_MAX_HEADER, _MAX_RANK = 1 << 12, 8
_KINDS = {"u1": (1, False), "i1": (1, True), "u2": (2, False), "i2": (2, True), "b1": (1, False)}
_KINDS |= {"u4": (4, False), "i4": (4, True), "f4": (4, False)}
_COLOURS = 4


def is_mine(data: bytes) -> bool:
    """Whether a file with these bytes may be of this format."""
    return data.startswith(_SIGNATURE) and data[6:7] in (b"\1", b"\2", b"\3")


def find(data: bytes) -> Iterator[Found]:
    """The images of a file; may end with ValueError."""
    shape, descr, is_fortran, start = _header(data)
    size, signed = _KINDS.get(descr[1:], (0, False))
    if not size or len(shape) < 2 or 0 in shape:
        return
    order = ">" if descr[0] == ">" else "<"
    steps = _steps(shape, size, is_fortran)
    channels = shape[-1] if _has_channels(shape, is_fortran) else 0
    axes = list(range(len(shape) - 1 if channels else len(shape)))
    stack, (rows, columns) = (axes[2:], axes[:2]) if is_fortran else (axes[:-2], axes[-2:])
    if math.prod(shape[axis] for axis in stack) > len(data):
        raise ValueError("the file is too short")
    places = tuple(range(0, channels * steps[-1], steps[-1])) if channels else (0,)
    packing = Words(size, order, signed and size == 2, 128 * (signed and size == 1), steps[columns], places)
    is_half = size == 4
    if is_half:
        half = halves_of(order, descr[1] == "f", signed)
        moved = tuple(half.places[0] + place for place in places)
        packing = replace(half, pixel_step=steps[columns], places=moved)
    layout = Layout.of_rows(shape[rows], shape[columns], steps[rows], packing)
    mode = Mode.BILEVEL if descr[1:] == "b1" and not channels else mode_of(packing.channels, packing.signed)
    for index in np.ndindex(*(shape[axis] for axis in stack)):
        offset = start + sum(i * steps[axis] for i, axis in zip(index, stack, strict=True))
        yield Found(at(layout, offset), mode, is_half=is_half)


def _header(data: bytes) -> tuple[tuple[int, ...], str, bool, int]:
    """Shape, type, whether in Fortran order, and position of the first sample."""
    width = 2 if data[6] == 1 else 4
    start = 8 + width
    size = int.from_bytes(data[8:start], "little")
    if size > _MAX_HEADER:
        raise ValueError("a long header")
    try:
        header = ast.literal_eval(data[start : start + size].decode("latin-1").strip())
        shape, descr, is_fortran = header["shape"], header["descr"], header["fortran_order"]
    except (SyntaxError, ValueError, TypeError, KeyError, MemoryError, RecursionError):
        raise ValueError("a damaged header") from None
    is_right = isinstance(shape, tuple) and isinstance(descr, str) and isinstance(is_fortran, bool)
    if not is_right or len(shape) > _MAX_RANK or len(descr) < 2:
        raise ValueError("a damaged header")
    if not all(type(side) is int and 0 <= side < 1 << 40 for side in shape):
        raise ValueError("an impossible shape")
    return shape, descr, is_fortran, start + size


def _steps(shape: tuple[int, ...], size: int, is_fortran: bool) -> list[int]:
    """Bytes from an element to the next one along each axis."""
    sides = shape if is_fortran else shape[::-1]
    steps = [size]
    for side in sides[:-1]:
        steps.append(steps[-1] * side)
    return steps if is_fortran else steps[::-1]


def _has_channels(shape: tuple[int, ...], is_fortran: bool) -> bool:
    """Whether the last axis is that of the channels: four at most, or few beside two long axes."""
    if len(shape) < 3:
        return False
    if shape[-1] <= _COLOURS:
        return True
    return len(shape) == 3 and not is_fortran and shape[-1] <= min(MAX_BANDS, shape[0] // 2)
