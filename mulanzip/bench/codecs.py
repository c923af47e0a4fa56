"""The codecs that a benchmark compares, by name."""

from __future__ import annotations

import io
import re
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import imagecodecs
import numpy as np
from PIL import Image

import mulanzip
from mulanzip import registry, timings

DEFAULT_CODECS = ("png", "webp", "jxl-e7", "jxl-e9", "mulanzip-photo-e1")
CODEC_FORMS = "png, webp, jxl-eN (N from 1 to 10), mulanzip-MODEL-eN"


class Codec(ABC):
    """A lossless codec of uint8 arrays ``(H, W, 3)`` or ``(H, W)``.  It is pickled and sent to a process of its own."""

    name: str

    @abstractmethod
    def encode(self, image: np.ndarray) -> bytes:
        """Compress an image."""

    @abstractmethod
    def decode(self, data: bytes) -> np.ndarray:
        """The inverse of :meth:`encode`."""

    def require(self) -> None:
        """Check that the codec can run here.

        Raises:
            MulanzipError: if it cannot.
        """
        return

    def restores(self, image: np.ndarray, decoded: np.ndarray) -> bool:
        """Whether ``decoded`` is ``image``."""
        return np.array_equal(image, decoded)

    def parts(self) -> AbstractContextManager[timings.Timings | None]:
        """Measure the time of the codec's parts inside the block; None for codecs that do not report parts."""
        return nullcontext()


def _pillow_decode(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image)


class Png(Codec):
    """PNG by Pillow, with its strongest settings."""

    name = "png"

    def encode(self, image: np.ndarray) -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "PNG", optimize=True)
        return buffer.getvalue()

    def decode(self, data: bytes) -> np.ndarray:
        return _pillow_decode(data)


class WebP(Codec):
    """Lossless WebP by Pillow, with its strongest settings."""

    name = "webp"

    def encode(self, image: np.ndarray) -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "WEBP", lossless=True, exact=True, method=6, quality=100)
        return buffer.getvalue()

    def decode(self, data: bytes) -> np.ndarray:
        return _pillow_decode(data)

    def restores(self, image: np.ndarray, decoded: np.ndarray) -> bool:
        """Compare; WebP has no gray images, so gray comes back as three equal colours."""
        if image.ndim == 2:
            image = np.repeat(image[..., None], 3, axis=2)
        return super().restores(image, decoded)


@dataclass(frozen=True)
class JpegXl(Codec):
    """Lossless JPEG XL by libjxl."""

    effort: int
    threads: int

    @property
    def name(self) -> str:  # type: ignore[override]
        return f"jxl-e{self.effort}"

    def encode(self, image: np.ndarray) -> bytes:
        return bytes(imagecodecs.jpegxl_encode(image, lossless=True, effort=self.effort, numthreads=self.threads))

    def decode(self, data: bytes) -> np.ndarray:
        return np.asarray(imagecodecs.jpegxl_decode(data, numthreads=self.threads))


@dataclass(frozen=True)
class Mulanzip(Codec):
    """The model codec of this package."""

    model: str
    effort: int
    threads: int
    device: str

    @property
    def name(self) -> str:  # type: ignore[override]
        return f"mulanzip-{self.model}-e{self.effort}"

    def require(self) -> None:
        registry.suited(self.model, 3)

    def encode(self, image: np.ndarray) -> bytes:
        return mulanzip.encode(image, model=self.model, effort=self.effort, threads=self.threads, device=self.device)

    def decode(self, data: bytes) -> np.ndarray:
        return mulanzip.decode(data, model=self.model, threads=self.threads, device=self.device)

    def parts(self) -> AbstractContextManager[timings.Timings | None]:
        return timings.measure()


def parse_codec(name: str, threads: int, device: str) -> Codec:
    """The codec called ``name``; see :data:`CODEC_FORMS`.

    Raises:
        ValueError: if there is none.
    """
    if name == "png":
        return Png()
    if name == "webp":
        return WebP()
    if match := re.fullmatch(r"jxl-e([1-9]|10)", name):
        return JpegXl(int(match[1]), threads)
    if match := re.fullmatch(r"mulanzip-(.+)-e(\d+)", name):
        return Mulanzip(match[1], int(match[2]), threads, device)
    raise ValueError(f"there is no codec {name!r}; valid are {CODEC_FORMS}")
