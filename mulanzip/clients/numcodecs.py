"""A codec for numcodecs, and so for arrays of the format zarr 2: ``mulanzip`` in its registry.

>>> from mulanzip.clients.numcodecs import Mulanzip
>>> zarr.create_array(store, data=images, chunks=(1, 512, 512, 3), compressors=Mulanzip(), zarr_format=2)
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numcodecs.abc import Codec
from numcodecs.compat import ensure_bytes, ensure_contiguous_ndarray, ensure_ndarray

from mulanzip.clients import arrays, chunks
from mulanzip.options import EncodeOptions


class Mulanzip(Codec):
    """Chunks are images and stacks of them: see :mod:`mulanzip.clients.arrays`.

    Attributes:
        model, effort: as for :func:`mulanzip.encode`; a model that is not shipped is needed for decoding, too.
    """

    codec_id = "mulanzip"

    def __init__(self, model: str = EncodeOptions.model, effort: int = EncodeOptions.effort):
        self.model = model
        self.effort = effort

    def encode(self, buf: Any) -> bytes:
        """Compress a chunk: bool, integers, floats or complex numbers, of any shape and byte order.

        Raises:
            UnsupportedImageError: for other types.
        """
        chunk = ensure_ndarray(buf)
        if chunk.flags.f_contiguous and not chunk.flags.c_contiguous:
            chunk = chunk.T  # A buffer is what is in memory, in that order.
        return chunks.encode(chunk, EncodeOptions(self.model, self.effort))

    def decode(self, buf: Any, out: Any = None) -> Any:
        """Restore a chunk: an array of its samples in their order, or ``out`` filled with them.

        The array has the chunk's type, and its shape but for axes of length 1 at the front, and frames that are below
        each other.

        Raises:
            CorruptFileError: if it is damaged, or ``out`` has another size.
            ValueError: if ``out`` is no contiguous memory that can be written to.
        """
        chunk = chunks.decode(ensure_bytes(buf), self.model)
        if out is None:
            return chunk
        target = ensure_contiguous_ndarray(out).view(np.uint8)
        target[...] = arrays.shaped(np.ascontiguousarray(chunk).reshape(-1).view(np.uint8), target.shape)
        return out
