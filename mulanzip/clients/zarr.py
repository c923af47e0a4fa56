"""A codec for arrays of the format zarr 3: ``mulanzip`` in zarr's registry, from array to bytes.

>>> from mulanzip.clients.zarr import MulanzipCodec
>>> zarr.create_array(store, data=images, chunks=(1, 512, 512, 3), serializer=MulanzipCodec(), compressors=None)
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from zarr.abc.codec import ArrayBytesCodec

from mulanzip.clients import arrays, chunks
from mulanzip.errors import CorruptFileError
from mulanzip.options import EncodeOptions

NAME = "mulanzip"


@dataclass(frozen=True)
class MulanzipCodec(ArrayBytesCodec):
    """Chunks are images and stacks of them: see :mod:`mulanzip.clients.arrays`.

    Attributes:
        model, effort: as for :func:`mulanzip.encode`; a model that is not shipped is needed for decoding, too.
    """

    model: str = EncodeOptions.model
    effort: int = EncodeOptions.effort

    is_fixed_size = False

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> MulanzipCodec:
        """The codec that an array's metadata describe."""
        return cls(**data.get("configuration", {}))

    def to_dict(self) -> dict[str, Any]:
        """What an array's metadata say of the codec."""
        return {"name": NAME, "configuration": {"model": self.model, "effort": self.effort}}

    def validate(self, *, shape: tuple[int, ...], dtype: Any, chunk_grid: Any) -> None:
        """Check when an array is made that its chunks can be coded.

        Raises:
            UnsupportedImageError: if not.
        """
        chunks.check_type(dtype.to_native_dtype())

    async def _encode_single(self, chunk_data: Any, chunk_spec: Any) -> Any:
        options = EncodeOptions(self.model, self.effort)
        chunk = chunk_data.as_numpy_array()
        chunk = chunk.astype(chunk.dtype.newbyteorder("<"), copy=False)  # Types of zarr 3 are without byte order.
        data = await asyncio.to_thread(chunks.encode, chunk, options)
        return chunk_spec.prototype.buffer.from_bytes(data)

    async def _decode_single(self, chunk_data: Any, chunk_spec: Any) -> Any:
        chunk = await asyncio.to_thread(chunks.decode, chunk_data.to_bytes(), self.model)
        wanted = chunk_spec.dtype.to_native_dtype()
        if chunk.dtype != wanted.newbyteorder("<"):
            raise CorruptFileError(f"a chunk of {chunk.dtype} is in an array of {wanted}")
        chunk = arrays.shaped(chunk, chunk_spec.shape).astype(wanted, copy=False)
        return chunk_spec.prototype.nd_buffer.from_ndarray_like(chunk)

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: Any) -> int:
        """Unknown before encoding: raises NotImplementedError, as zarr wants it."""
        raise NotImplementedError
