"""The integer network of the compiled library as functions over numpy arrays.

Feature maps are uint8 ``(images, height, width, channels)``.  Calls release Python's lock.  Arrays that a call writes
to must not be used by others meanwhile.  ``network.h`` is the interface.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Sequence
from ctypes import POINTER, byref, c_int, c_int32, c_int64, c_void_p
from functools import cache
from typing import Any

import numpy as np

from mulanzip.native.binding import check, load, pointer

#: Kernels and their numbers in the library, the fastest first.  All give the same numbers.
KERNELS = {"amx": 4, "avx512": 3, "avx2": 2, "neon": 5, "sse2": 1, "portable": 0}
#: Planes that the stem of a pass takes, by colours.
_INPUT_PLANES = {3: 31, 1: 22}
_OFFSET_PLANES = 4
_ALIGNMENT = 64


class _Shape(ctypes.Structure):
    _fields_ = (("kernel", c_int32), ("side", c_int32), ("outputs", c_int32), ("channels", c_int32 * 2))


class _Cells(ctypes.Structure):
    _fields_ = (
        ("images", c_int32),
        ("height", c_int32),
        ("width", c_int32),
        ("colours", c_int32),
        ("count", c_int32),
        ("log2_steps", c_int32),
        ("samples", c_void_p),
        ("known", c_void_p),
    )


_MAP = (c_void_p, c_int32, c_int32, c_int32)
_WORKSPACE = (c_void_p, c_int64)
_FUNCTIONS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "mz_has_kernel": (c_int, (c_int32,)),
    "mz_packed_size": (c_int64, (POINTER(_Shape),)),
    "mz_pack_layer": (c_int, (POINTER(_Shape), c_void_p, c_void_p, c_void_p, c_int64)),
    "mz_layer_workspace": (c_int64, (c_void_p, c_int32)),
    "mz_run_layer": (c_int, (c_void_p, c_void_p, *_MAP, c_void_p, c_void_p, c_void_p, *_WORKSPACE)),
    "mz_pass_workspace": (c_int64, (c_void_p, c_int32, c_int32)),
    "mz_run_pass": (c_int, (c_void_p, c_void_p, c_int32, *_MAP, c_int32, c_int32, c_void_p, c_void_p, *_WORKSPACE)),
    "mz_head_workspace": (c_int64, (c_void_p, c_void_p)),
    "mz_run_head": (c_int, (*[c_void_p] * 6, c_int64, c_int32, c_void_p, c_void_p, *_WORKSPACE)),
    "mz_offset_planes": (c_int, (c_void_p, c_int32, c_int64, c_void_p)),
    "mz_input_planes": (c_int, (POINTER(_Cells), c_void_p)),
    "mz_base_prediction": (c_int, (POINTER(_Cells), *[c_int32] * 5, c_void_p)),
}


@cache
def _library() -> ctypes.CDLL:
    return load(_FUNCTIONS)


def kernels() -> list[str]:
    """The kernels that this machine runs, the fastest first."""
    return [name for name, number in KERNELS.items() if _library().mz_has_kernel(number)]


def _aligned(size: int) -> np.ndarray:
    """uint8 ``(size,)`` at a multiple of 64 bytes."""
    memory = np.empty(size + _ALIGNMENT, dtype=np.uint8)
    return memory[-memory.ctypes.data % _ALIGNMENT :][:size]


class _Workspace(threading.local):
    """Memory that each thread keeps for its calls: fresh pages would cost as much as a small layer."""

    def __init__(self) -> None:
        self._memory = _aligned(0)

    def of(self, size: int) -> tuple[int, int]:
        """Address and size of at least ``size`` bytes.

        Raises:
            ValueError: for a negative size, by which the library refuses its arguments.
        """
        if size < 0:
            raise ValueError("the layers do not fit together, or a map is too large")
        if size > len(self._memory):
            self._memory = _aligned(size)
        return self._memory.ctypes.data, len(self._memory)


_workspace = _Workspace()


class PackedLayer:
    """Weights and shifts of a convolution as a kernel wants them; biases are given at each use.

    Args:
        kernel: one of :func:`kernels`.
        weight: int8 ``(outputs, inputs, k, k)``, -64..64; k is 1, or 3 with zeros around maps.
        shift: int8 ``(outputs,)``, -16..16.
        split: inputs of the first of two parts, for heads; None for a single part.

    Raises:
        ValueError: if sums can leave the range in which they are exact, or a number is out of range.
    """

    def __init__(self, kernel: str, weight: np.ndarray, shift: np.ndarray, split: int | None = None):
        self.outputs, inputs, side, _ = weight.shape
        self.parts = (inputs if split is None else split, 0 if split is None else inputs - split)
        self.is_map = side == 3
        shape = _Shape(KERNELS[kernel], side, self.outputs, self.parts)
        size = _library().mz_packed_size(byref(shape))
        if size < 0:
            raise ValueError(f"no layer has weights of shape {weight.shape}")
        self._memory = _aligned(size)
        self.address = self._memory.ctypes.data
        weights = pointer(weight, np.int8, (self.outputs, inputs, side, side))
        check(
            _library().mz_pack_layer(
                byref(shape), weights, pointer(shift, np.int8, (self.outputs,)), self.address, size
            )
        )


def _like(array: np.ndarray | None, shape: tuple[int, ...]) -> int | None:
    return None if array is None else pointer(array, np.uint8, shape)


def run_layer(
    layer: PackedLayer, biases: np.ndarray, inputs: np.ndarray, residual: np.ndarray | None, *, saturate: bool
) -> np.ndarray:
    """One layer: ``round_half_even((sum(weight * input) + bias) * 2**-shift + residual)``.

    Args:
        biases: int32 ``(outputs,)``.
        inputs: uint8 ``(B, h, w, channels)``.
        residual: uint8 ``(B, h, w, outputs)``, or None.
        saturate: clamp to 0..255.

    Returns:
        ``(B, h, w, outputs)``, uint8 if saturated, else int32.
    """
    images, height, width = inputs.shape[:3]
    shape = (images, height, width, layer.outputs)
    found = np.empty(shape, dtype=np.uint8 if saturate else np.int32)
    check(
        _library().mz_run_layer(
            layer.address, pointer(biases, np.int32, (layer.outputs,)),
            pointer(inputs, np.uint8, (*inputs.shape[:3], layer.parts[0])), images, height, width,
            _like(residual, shape),
            found.ctypes.data if saturate else None, None if saturate else found.ctypes.data,
            *_workspace.of(_library().mz_layer_workspace(layer.address, width)),
        )
    )  # fmt: skip
    return found


class PackedPass:
    """The layers of a pass: a stem, then pairs whose second layer adds its result to the input of the pair."""

    def __init__(self, layers: Sequence[PackedLayer]):
        self.layers = tuple(layers)
        self.inputs, self.outputs = layers[0].parts[0], layers[0].outputs
        self._addresses = (c_void_p * len(layers))(*(layer.address for layer in layers))

    def run(
        self,
        biases: np.ndarray,
        planes: np.ndarray,
        start: np.ndarray | None,
        features: np.ndarray,
        rows: tuple[int, int],
    ) -> None:
        """Compute some rows of features, so that threads can share a map.

        Args:
            biases: int32 ``(layers, outputs)``.
            planes: uint8 ``(B, h, w, inputs)``.
            start: uint8 ``(B, h, w, outputs)``, what the stem adds; None for nothing.
            features: uint8 ``(B, h, w, outputs)``, which is written to.
            rows: the first, and the one after the last.
        """
        images, height, width, _ = planes.shape
        shape, count = (images, height, width, self.outputs), len(self.layers)
        check(
            _library().mz_run_pass(
                self._addresses, pointer(biases, np.int32, (count, self.outputs)), count,
                pointer(planes, np.uint8, (images, height, width, self.inputs)), images, height, width, *rows,
                _like(start, shape), pointer(features, np.uint8, shape),
                *_workspace.of(_library().mz_pass_workspace(self._addresses, count, width)),
            )
        )  # fmt: skip


class PackedHead:
    """The layers of a head for one colour.

    Args:
        hidden: its parts are features and offset planes; None for the first colour.
        out: its parts are features and the outputs of ``hidden``.
        saturations: the first outputs of ``out`` are clamped to 0..255.
    """

    def __init__(self, hidden: PackedLayer | None, out: PackedLayer, saturations: int):
        self.hidden, self.out, self.saturations = hidden, out, saturations

    def run(
        self, hidden_biases: np.ndarray | None, out_biases: np.ndarray, features: np.ndarray, planes: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Parameters of a colour.

        Args:
            hidden_biases, out_biases: int32 ``(outputs,)`` of the layer.
            features: uint8 ``(n, channels)``.
            planes: uint8 ``(n, 4 * colours)``, see :func:`offset_planes`; None for the first colour.

        Returns:
            uint8 ``(saturations, n)``, and int32 ``(the other outputs, n)``.
        """
        hidden, out, n = self.hidden, self.out, len(features)
        saturated = np.empty((self.saturations, n), dtype=np.uint8)
        integers = np.empty((out.outputs - self.saturations, n), dtype=np.int32)
        layer = biases = inputs = None
        if hidden is not None:
            assert hidden_biases is not None
            assert planes is not None
            layer, biases = hidden.address, pointer(hidden_biases, np.int32, (hidden.outputs,))
            inputs = pointer(planes, np.uint8, (n, hidden.parts[1]))
        check(
            _library().mz_run_head(
                layer, biases, out.address, pointer(out_biases, np.int32, (out.outputs,)),
                pointer(features, np.uint8, (n, out.parts[0])), inputs, n, self.saturations,
                saturated.ctypes.data, integers.ctypes.data,
                *_workspace.of(_library().mz_head_workspace(layer, out.address)),
            )
        )  # fmt: skip
        return saturated, integers


def offset_planes(offsets: np.ndarray) -> np.ndarray:
    """Planes that tell the values of some colours to the colours after them.

    Args:
        offsets: int32 ``(colours, n)``, value minus base prediction in 1/32 level.

    Returns:
        uint8 ``(n, 4 * colours)``: for each colour the positive and the negative part of the offset, in eighths of a
        level, then in levels.
    """
    colours, n = offsets.shape
    planes = np.empty((n, _OFFSET_PLANES * colours), dtype=np.uint8)
    check(_library().mz_offset_planes(pointer(offsets, np.int32, offsets.shape), colours, n, planes.ctypes.data))
    return planes


class Cells:
    """Cells of a lattice level.

    Args:
        samples: ``(B, h, w, 4, C)``, C 3 or 1, 0..``count`` - 1; phases A, H, V, D.  Unknown ones are not read.
        known: bool ``(h, w, 4)``, the same for all images.
        count: 1..65536, number of values of samples.
        log2_steps: -4..8, ``2**log2_steps`` of their steps are a level.
    """

    def __init__(self, samples: np.ndarray, known: np.ndarray, count: int, log2_steps: int):
        self.shape = images, height, width = samples.shape[:3]
        self._colours = colours = samples.shape[4]
        self._arrays = np.ascontiguousarray(samples, np.int32), np.ascontiguousarray(known)
        self._struct = _Cells(
            images, height, width, colours, count, log2_steps,
            pointer(self._arrays[0], np.int32, (images, height, width, 4, colours)),
            pointer(self._arrays[1], np.bool_, (height, width, 4)),
        )  # fmt: skip

    def input_planes(self) -> np.ndarray:
        """Inputs of a stem: uint8 ``(B, h, w, 31)``, or ``(B, h, w, 22)`` for one colour."""
        planes = np.empty((*self.shape, _INPUT_PLANES[self._colours]), dtype=np.uint8)
        check(_library().mz_input_planes(byref(self._struct), planes.ctypes.data))
        return planes

    def base_prediction(self, phase: int, rows: tuple[int, int], columns: tuple[int, int]) -> np.ndarray:
        """Mean of the nearest known pixels of a phase 1..3 in 1/32 level: int32 ``(C, n)``.

        Args:
            rows, columns: of the cells to predict: the first, and the one after the last.
        """
        n = self.shape[0] * max(0, rows[1] - rows[0]) * max(0, columns[1] - columns[0])
        base = np.empty((self._colours, n), dtype=np.int32)
        check(_library().mz_base_prediction(byref(self._struct), phase, *rows, *columns, base.ctypes.data))
        return base
