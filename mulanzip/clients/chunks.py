"""Chunks of arrays, of any number of axes and any type of numbers <-> bytes.

A chunk that a picture can hold is a ``.mzp`` file.  All others, and those that are smaller that way, have a form of
their own (``docs/format.md``): pictures of the high bits of their numbers and the rest, or their bytes compressed by
Zstandard, which is decoded ten times as fast as LZMA and known to users of arrays.
"""

from __future__ import annotations

import math
import re
import zlib
from typing import Any

import imagecodecs
import numpy as np

from mulanzip import api
from mulanzip.clients import arrays
from mulanzip.clients.arrays import Ranked, Split
from mulanzip.errors import CorruptFileError, UnsupportedImageError
from mulanzip.format import container
from mulanzip.limits import NO_LIMITS
from mulanzip.options import EncodeOptions
from mulanzip.picture_encoder import encode_picture
from mulanzip.varint import Reader, Writer

#: Signature of chunks that are no ``.mzp`` files.
SIGNATURE = b"\x8aMLC"
_CRC_SIZE, _BASE_SIZE = 4, 8
_PLAIN, _BY_BYTE, _NUMBERS, _WHOLE, _RANKED = range(5)
_TYPE = re.compile(r"[<>|]([iu][1248]|f[248]|b1|c8|c16)")
_MAX_RANK = 64
#: Levels of Zstandard: of estimates, and of what is kept.
_QUICK_LEVEL, _LEVEL = 3, 19
#: Bytes are compressed with care where an estimate of their size is less than this multiple of the other form's.
_MARGIN = 1.25


def check_type(dtype: np.dtype[Any]) -> None:
    """Check that chunks of a type can be coded.

    Raises:
        UnsupportedImageError: if not.
    """
    if not _TYPE.fullmatch(dtype.str):
        raise UnsupportedImageError(f"chunks of type {dtype} are not supported; use numbers of up to 64 bits, or bool")


def encode(chunk: np.ndarray, options: EncodeOptions = EncodeOptions()) -> bytes:
    """Compress a chunk.

    Args:
        chunk: bool, integers, floats or complex numbers, of any shape.

    Raises:
        UnsupportedImageError: for other types.
        LimitError, ModelError: as :func:`mulanzip.encode`.
    """
    check_type(chunk.dtype)
    found = _by_model(chunk, options)
    orders = _byte_orders(chunk)
    sizes = [len(_zstd(data, _QUICK_LEVEL)) for data in orders]
    if found is not None and min(sizes) >= _MARGIN * len(found):
        return found
    method = sizes.index(min(sizes))
    writer = _head(chunk, (_PLAIN, _BY_BYTE)[method])
    writer.raw(_zstd(orders[method], _LEVEL))
    packed = _with_crc(writer)
    return packed if found is None or len(packed) < len(found) else found


def decode(data: bytes, model: str | None = None) -> np.ndarray:
    """Restore a chunk, in its type; a ``.mzp`` file may give another shape with the same samples in the same order.

    Raises:
        CorruptFileError: if the bytes are damaged.
        LimitError, ModelError: as :func:`mulanzip.decode`.
    """
    if data.startswith(container.SIGNATURE):
        return _decoded(data, model)
    start = len(SIGNATURE) + _CRC_SIZE
    if not data.startswith(SIGNATURE) or data[len(SIGNATURE) : start] != _crc(data[start:]):
        raise CorruptFileError("these bytes are no chunk of mulanzip, or a damaged one")
    try:
        return _read(Reader(data[start:]), model)
    except ValueError:
        raise CorruptFileError("a chunk is damaged") from None


def _decoded(data: bytes, model: str | None) -> np.ndarray:
    image = api.decode(data, model=model)
    return image.astype(image.dtype.newbyteorder("<"), copy=False)


def _by_model(chunk: np.ndarray, options: EncodeOptions) -> bytes | None:
    """The chunk as pictures; None where there can be none."""
    if chunk.dtype.kind == "c" or arrays.frames_of(chunk.shape) is None:
        return None
    if arrays.is_of_samples(chunk):
        pictures = arrays.pictures_of(chunk)
        if len(pictures) == 1:
            return encode_picture(pictures[0], options).pack()
    parts = arrays.split(chunk)
    if isinstance(parts, Ranked):
        writer, numbers, rest = _head(chunk, _RANKED), parts.ranks, parts.steps
        writer.number(len(rest) // chunk.dtype.itemsize)
    else:
        writer, numbers, rest = _head(chunk, _WHOLE if parts.is_whole else _NUMBERS), parts.high, parts.low
        writer.raw(parts.base.to_bytes(_BASE_SIZE, "little") + bytes([parts.shift, parts.low_bits]))
    files = [encode_picture(picture, options).pack() for picture in arrays.pictures_of(numbers)]
    writer.number(len(files))
    for file in files:
        writer.block(file)
    writer.raw(_zstd(rest, _LEVEL) if rest else b"")
    return _with_crc(writer) if files else None


def _byte_orders(chunk: np.ndarray) -> list[bytes]:
    data, size = chunk.tobytes(), chunk.dtype.itemsize
    return [data, arrays.by_byte(data, size)] if size > 1 else [data]


def _head(chunk: np.ndarray, method: int) -> Writer:
    writer = Writer()
    writer.block(chunk.dtype.str.encode("ascii"))
    writer.number(chunk.ndim)
    for side in chunk.shape:
        writer.number(side)
    writer.raw(bytes([method]))
    return writer


def _crc(data: bytes) -> bytes:
    return zlib.crc32(data).to_bytes(_CRC_SIZE, "little")


def _with_crc(writer: Writer) -> bytes:
    return SIGNATURE + _crc(bytes(writer.data)) + bytes(writer.data)


def _read(reader: Reader, model: str | None) -> np.ndarray:
    name = reader.block().decode("ascii")
    rank = reader.number()
    if not _TYPE.fullmatch(name) or rank > _MAX_RANK:
        raise ValueError
    dtype, shape = np.dtype(name), tuple(reader.number() for _ in range(rank))
    method = reader.byte()
    if method in (_PLAIN, _BY_BYTE):
        data = _unpacked(reader, math.prod(shape) * dtype.itemsize)
        data = arrays.from_bytes_of_items(data, dtype.itemsize) if method == _BY_BYTE else data
        return np.frombuffer(data, dtype).reshape(shape)
    if method not in (_NUMBERS, _WHOLE, _RANKED) or dtype.kind not in ("f" if method == _WHOLE else "iuf"):
        raise ValueError
    if method == _RANKED:
        listed = reader.number()
        ranks = _pictures(reader, shape, model)
        return arrays.join(Ranked(ranks, _unpacked(reader, listed * dtype.itemsize)), dtype)
    base, shift, low_bits = int.from_bytes(reader.raw(_BASE_SIZE), "little"), reader.byte(), reader.byte()
    high = _pictures(reader, shape, model)
    low = _unpacked(reader, -(-low_bits // 8) * high.size)
    return arrays.join(Split(method == _WHOLE, base, shift, low_bits, high, low), dtype)


def _pictures(reader: Reader, shape: tuple[int, ...], model: str | None) -> np.ndarray:
    """The samples of pictures, in the shape of the chunk."""
    parts = [_decoded(reader.block(), model).reshape(-1) for _ in range(reader.count())]
    if not parts or any(part.dtype.kind != "u" for part in parts):
        raise ValueError
    return arrays.shaped(np.concatenate(parts), shape)


def _zstd(data: bytes, level: int) -> bytes:
    return bytes(imagecodecs.zstd_encode(data, level=level))


def _unpacked(reader: Reader, size: int) -> bytes:
    """The rest, which was compressed, and has ``size`` bytes."""
    packed = reader.rest()
    NO_LIMITS.require(size)
    try:
        data = bytes(imagecodecs.zstd_decode(packed, out=size)) if size else b""
    except imagecodecs.ZstdError:
        raise ValueError from None
    if len(data) != size:
        raise ValueError
    return data
