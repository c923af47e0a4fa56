"""How functions of the compiled library are called: their types, the memory of arrays, and their errors.

``mulanzip_native.h`` is the interface.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Mapping, Sequence
from ctypes import POINTER, addressof, c_char, c_int, c_int32, c_int64, c_size_t, c_uint64, c_void_p
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

_PATH = Path(__file__).with_name("libmulanzip.dll" if sys.platform == "win32" else "libmulanzip.so")
_ERROR_SPACE = 2
#: The beginning of any memory.
_MEMORY = c_char * 0


class ScaleStruct(ctypes.Structure):
    _fields_ = (
        ("count", c_int32),
        ("log2_steps", c_int32),
        ("edges", c_void_p),
        ("forbidden", c_void_p),
        ("log2_penalty", c_int32),
    )


class TileStruct(ctypes.Structure):
    _fields_ = (
        ("images", c_int32),
        ("colours", c_int32),
        ("height", c_int32),
        ("width", c_int32),
        ("values", c_void_p),
        ("residuals", c_void_p),
        ("earlier", c_int32),
        ("earlier_values", c_void_p),
        ("earlier_residuals", c_void_p),
    )


class UnitStruct(ctypes.Structure):
    _fields_ = (
        ("phase", c_int32),
        ("colour", c_int32),
        ("height", c_int32),
        ("width", c_int32),
        ("components", c_int32),
        ("shapes", c_void_p),
        ("means", c_void_p),
        ("base", c_void_p),
        ("offsets", c_void_p),
        ("learned", c_void_p),
    )


class DecoderStruct(ctypes.Structure):
    _fields_ = (("state", c_uint64), ("words", c_void_p), ("left", c_int64))


_UNIT_ARGUMENTS = (c_void_p, POINTER(ScaleStruct), POINTER(TileStruct), POINTER(UnitStruct))
_FUNCTIONS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "mz_fill_tables": (None, (c_void_p,)),
    "mz_tables_size": (c_size_t, ()),
    "mz_decoder_start": (c_int, (POINTER(DecoderStruct), c_void_p, c_int64)),
    "mz_decoder_is_empty": (c_int, (POINTER(DecoderStruct),)),
    "mz_push": (c_int, (c_void_p, c_int64, c_void_p, c_int64, POINTER(c_int64))),
    "mz_decode_unit": (c_int, (*_UNIT_ARGUMENTS, POINTER(DecoderStruct))),
    "mz_encode_unit": (c_int, (*_UNIT_ARGUMENTS, c_void_p, c_int64, POINTER(c_int64))),
    "mz_measure_unit": (c_int, (*_UNIT_ARGUMENTS, c_void_p, POINTER(c_uint64))),
    "mz_count_unit": (c_int, (*_UNIT_ARGUMENTS, c_void_p, c_void_p)),
    "mz_measure": (c_int, (c_void_p, c_void_p, c_int64, POINTER(c_uint64))),
    "mz_fill_other_colours": (None, (c_void_p,)),
    "mz_decode_uniform": (c_int, (POINTER(DecoderStruct), c_int32, c_int64, c_void_p)),
    "mz_decode_bits": (c_int, (POINTER(DecoderStruct), c_void_p, c_int64, c_void_p)),
    "mz_decode_categories": (c_int, (POINTER(DecoderStruct), c_void_p, c_int32, c_int64, c_void_p)),
}


def load(prototypes: Mapping[str, tuple[Any, Sequence[Any]]]) -> ctypes.CDLL:
    """The library, with the result and the argument types of some of its functions.

    Raises:
        ImportError: if it was not built, or does not run here.
    """
    try:
        library = ctypes.CDLL(str(_PATH))
    except OSError as error:
        message = (
            f"mulanzip's native library is missing or broken ({error}): install mulanzip again, or run 'make native'"
        )
        raise ImportError(message) from error
    for name, (result, arguments) in prototypes.items():
        function = getattr(library, name, None)
        if function is None:
            raise ImportError("mulanzip's native library is of another version: run 'make native', or install it again")
        function.restype = result
        function.argtypes = arguments
    return library


@cache
def functions() -> ctypes.CDLL:
    """The functions that code samples and symbols."""
    return load(_FUNCTIONS)


def check(code: int) -> None:
    """Raise what a returned code stands for."""
    if code == _ERROR_SPACE:
        raise MemoryError("the output does not fit the memory that was meant for it")
    if code:
        raise ValueError("the native library was given a scale, a size or a value that is out of range")


def pointer(array: np.ndarray, dtype: type[np.generic], shape: tuple[int, ...]) -> int:
    """The address of an array that must be as the library wants it."""
    if array.dtype != dtype or array.shape != shape or not array.flags.c_contiguous:
        raise ValueError(f"contiguous {np.dtype(dtype)} {shape} is wanted, not {array.dtype} {array.shape}")
    # Writable arrays offer their memory to ctypes, which takes a quarter of the time.
    return addressof(_MEMORY.from_buffer(array.data)) if array.flags.writeable else array.ctypes.data
