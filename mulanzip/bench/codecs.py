"""The codecs that a benchmark compares, by name."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import tempfile
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import imagecodecs
import numpy as np
from PIL import Image

import mulanzip
from mulanzip import registry, timings
from mulanzip.bench.extras import MissingExtraError
from mulanzip.errors import MulanzipError, UnsupportedImageError

DEFAULT_CODECS = ("png", "webp", "jxl-e7", "jxl-e9", "mulanzip-photo-e1")
CODEC_FORMS = "png, webp, jls, jp2, jxl-eN (N from 1 to 10), jxl-eN-g3, mulanzip-MODEL-eN"


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
        """Raises UnsupportedImageError for more than 8 bits per sample, of which Pillow would drop some."""
        if image.dtype != np.uint8:
            raise UnsupportedImageError("WebP files have 8 bits per sample")
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
class GroupedJpegXl(JpegXl):
    """Lossless JPEG XL in groups of 1024 x 1024 pixels, by the program ``cjxl``, which may be of another version.

    Such groups, the largest, mostly save a little; imagecodecs cannot ask for them.  Encoding times include the start
    of the program, and its files.
    """

    @property
    def name(self) -> str:  # type: ignore[override]
        return f"jxl-e{self.effort}-g3"

    def require(self) -> None:
        if shutil.which("cjxl") is None:
            raise MissingExtraError(f"{self.name} needs the program cjxl; Debian has it in libjxl-tools")

    def encode(self, image: np.ndarray) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            source, target = Path(folder, "image.pnm"), Path(folder, "image.jxl")
            Image.fromarray(image).save(source)
            options = ["-d", "0", "-e", str(self.effort), "-g", "3", f"--num_threads={self.threads}"]
            run = subprocess.run(["cjxl", source, target, *options], capture_output=True, text=True, check=False)
            if run.returncode:
                raise MulanzipError(f"cjxl failed: {' '.join(run.stderr.split())}")
            return target.read_bytes()


class JpegLs(Codec):
    """JPEG-LS by CharLS."""

    name = "jls"

    def encode(self, image: np.ndarray) -> bytes:
        return bytes(imagecodecs.jpegls_encode(image))

    def decode(self, data: bytes) -> np.ndarray:
        return np.asarray(imagecodecs.jpegls_decode(data))


@dataclass(frozen=True)
class Jpeg2000(Codec):
    """Reversible JPEG 2000 by OpenJPEG."""

    threads: int
    name = "jp2"

    def encode(self, image: np.ndarray) -> bytes:
        return bytes(imagecodecs.jpeg2k_encode(image, level=0, reversible=True, numthreads=self.threads))

    def decode(self, data: bytes) -> np.ndarray:
        return np.asarray(imagecodecs.jpeg2k_decode(data, numthreads=self.threads))


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
    if name == "jls":
        return JpegLs()
    if name == "jp2":
        return Jpeg2000(threads)
    if match := re.fullmatch(r"jxl-e([1-9]|10)(-g3)?", name):
        return (GroupedJpegXl if match[2] else JpegXl)(int(match[1]), threads)
    if match := re.fullmatch(r"mulanzip-(.+)-e(\d+)", name):
        return Mulanzip(match[1], int(match[2]), threads, device)
    raise ValueError(f"there is no codec {name!r}; valid are {CODEC_FORMS}")
