"""A codec for arrays of the format zarr 3: ``mulanzip`` in zarr's registry, from array to bytes.

>>> from mulanzip.clients.zarr import MulanzipCodec
>>> zarr.create_array(store, data=images, chunks=(1, 512, 512, 3), serializer=MulanzipCodec(), compressors=None)
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import numpy as np
from zarr.abc.codec import ArrayBytesCodec

from mulanzip import api
from mulanzip.clients import arrays
from mulanzip.image.picture import Picture
from mulanzip.options import EncodeOptions

NAME = "mulanzip"


@dataclass(frozen=True)
class MulanzipCodec(ArrayBytesCodec):
    """Chunks are images: see :func:`mulanzip.clients.arrays.as_image`.

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
        """Check when an array is made that its chunks will be images.

        Raises:
            UnsupportedImageError: if not.
        """
        chunk = np.broadcast_to(np.zeros((), dtype.to_native_dtype()), getattr(chunk_grid, "chunk_shape", shape))
        Picture.from_array(arrays.as_image(chunk))

    async def _encode_single(self, chunk_data: Any, chunk_spec: Any) -> Any:
        image = arrays.as_image(chunk_data.as_numpy_array())
        data = await asyncio.to_thread(api.encode, image, model=self.model, effort=self.effort)
        return chunk_spec.prototype.buffer.from_bytes(data)

    async def _decode_single(self, chunk_data: Any, chunk_spec: Any) -> Any:
        image = await asyncio.to_thread(api.decode, chunk_data.to_bytes(), model=self.model)
        return chunk_spec.prototype.nd_buffer.from_ndarray_like(arrays.shaped(image, chunk_spec.shape))

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: Any) -> int:
        """Unknown before encoding: raises NotImplementedError, as zarr wants it."""
        raise NotImplementedError
