"""Functions in the manner of the package imagecodecs: ``mzp_encode``, ``mzp_decode``, ``mzp_check``, ``mzp_version``.

>>> from mulanzip.clients.imagecodecs import mzp_decode, mzp_encode
>>> image = mzp_decode(mzp_encode(image))
"""

from __future__ import annotations

import numpy as np

import mulanzip
from mulanzip import api
from mulanzip.format import container
from mulanzip.options import EncodeOptions, Execution

_Bytes = bytes | bytearray | memoryview

__all__ = ["mzp_check", "mzp_decode", "mzp_encode", "mzp_version"]


def mzp_encode(
    data: np.ndarray,
    /,
    *,
    effort: int = EncodeOptions.effort,
    model: str = EncodeOptions.model,
    numthreads: int | None = Execution.threads,
) -> bytes:
    """Compress an image; arguments and errors as for :func:`mulanzip.encode`, ``numthreads`` is ``threads``."""
    return api.encode(data, effort=effort, model=model, threads=numthreads)


def mzp_decode(
    data: _Bytes,
    /,
    *,
    scale: int = 1,
    model: str | None = None,
    numthreads: int | None = Execution.threads,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Restore an image; arguments and errors as for :func:`mulanzip.decode`, ``numthreads`` is ``threads``.

    Args:
        out: the array to write to, of the image's shape and type; it is returned then.
    """
    image = api.decode(bytes(data), scale=scale, model=model, threads=numthreads)
    if out is None:
        return image
    if out.shape != image.shape or out.dtype != image.dtype:
        raise ValueError(f"out is {out.dtype} of shape {out.shape}; the image is {image.dtype} of shape {image.shape}")
    out[...] = image
    return out


def mzp_check(data: _Bytes, /) -> bool:
    """Whether these are the bytes of a ``.mzp`` file, by their signature alone."""
    return bytes(memoryview(data)[: len(container.SIGNATURE)]) == container.SIGNATURE


def mzp_version() -> str:
    """``mulanzip 0.1.0``."""
    return f"mulanzip {mulanzip.__version__}"
