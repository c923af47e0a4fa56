"""A codec for numcodecs, and so for arrays of the format zarr 2: ``mulanzip`` in its registry.

>>> from mulanzip.clients.numcodecs import Mulanzip
>>> zarr.create_array(store, data=images, chunks=(1, 512, 512, 3), compressors=Mulanzip(), zarr_format=2)
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numcodecs.abc import Codec
from numcodecs.compat import ensure_bytes, ensure_contiguous_ndarray, ensure_ndarray

from mulanzip import api
from mulanzip.clients import arrays
from mulanzip.errors import UnsupportedImageError
from mulanzip.options import EncodeOptions


class Mulanzip(Codec):
    """Chunks are images: see :func:`mulanzip.clients.arrays.as_image`.

    Attributes:
        model, effort: as for :func:`mulanzip.encode`; a model that is not shipped is needed for decoding, too.
    """

    codec_id = "mulanzip"

    def __init__(self, model: str = EncodeOptions.model, effort: int = EncodeOptions.effort):
        self.model = model
        self.effort = effort

    def encode(self, buf: Any) -> bytes:
        """Compress a chunk: uint8, uint16, int16 or bool.  It is little-endian: decoding gives bytes of unknown order.

        Raises:
            UnsupportedImageError: if it is no image.
        """
        chunk = ensure_ndarray(buf)
        if chunk.dtype != chunk.dtype.newbyteorder("<"):
            raise UnsupportedImageError(f"chunks of type {chunk.dtype.str} are not supported; use little-endian ones")
        if chunk.flags.f_contiguous and not chunk.flags.c_contiguous:
            chunk = chunk.T  # A buffer is what is in memory, in that order.
        return api.encode(arrays.as_image(chunk), model=self.model, effort=self.effort)

    def decode(self, buf: Any, out: Any = None) -> Any:
        """Restore a chunk: an array of the image's shape, or ``out`` filled with it.

        Raises:
            CorruptFileError: if it is damaged, or ``out`` has another size.
            ValueError: if ``out`` is no contiguous memory that can be written to.
        """
        image = api.decode(ensure_bytes(buf), model=self.model)
        image = np.ascontiguousarray(image, image.dtype.newbyteorder("<"))
        if out is None:
            return image
        target = ensure_contiguous_ndarray(out).view(np.uint8)
        target[...] = arrays.shaped(image.view(np.uint8), target.shape)
        return out
