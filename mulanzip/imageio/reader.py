"""Image files -> pictures.  Whatever Pillow would change without a word is refused here."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from mulanzip.container import Mode
from mulanzip.errors import LimitError, UnreadableImageError, UnsupportedImageError
from mulanzip.imageio import metadata
from mulanzip.picture import Picture

#: Formats whose 8-bit images Pillow reads at full precision.
FORMATS = ("PNG", "WEBP", "TIFF", "BMP", "DIB", "PPM", "GIF", "TGA", "PCX", "JPEG", "MPO")
_MODES = {
    "1": Mode.BILEVEL,
    "L": Mode.GRAY,
    "LA": Mode.GRAY_ALPHA,
    "P": Mode.PALETTE,
    "RGB": Mode.RGB,
    "RGBA": Mode.RGBA,
}
_REASONS = {
    "CMYK": "CMYK colour",
    "YCbCr": "YCbCr colour",
    "LAB": "Lab colour",
    "HSV": "HSV colour",
    "F": "floating-point samples",
    "I": "samples of more than 8 bits",
    "PA": "a palette with a separate alpha channel",
    "RGBX": "a fourth channel without a meaning",
    "RGBa": "premultiplied alpha",
    "La": "premultiplied alpha",
}


def read_picture(path: str | os.PathLike[str]) -> tuple[Picture, str]:
    """Read an image file.

    Returns:
        the picture, and the name of its format (one of :data:`FORMATS`).

    Raises:
        UnreadableImageError: if it is no image, or a damaged one.
        UnsupportedImageError: if it cannot be kept exactly.
        LimitError: if it is too large for the memory there is.
        OSError: if the file cannot be opened.
    """
    with open(path, "rb") as file:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                with Image.open(file, formats=FORMATS) as image:
                    _refuse_inexact(image, Path(path))
                    file_format = str(image.format)
                    image.load()
                    return _to_picture(image), file_format
        except UnidentifiedImageError:
            known = ", ".join(f for f in FORMATS if f not in ("DIB", "MPO"))
            raise UnreadableImageError(f"not an image that mulanzip reads ({known})") from None
        except Image.DecompressionBombError as error:
            raise LimitError(f"the image is too large: {error}") from None
        except MemoryError:
            raise LimitError("not enough memory to read the image") from None
        except (OSError, SyntaxError, ValueError, TypeError, IndexError, KeyError, EOFError, OverflowError) as error:
            raise UnreadableImageError(f"the image is damaged: {error}") from None


def _refuse_inexact(image: Image.Image, path: Path) -> None:
    """Raise UnsupportedImageError where reading through Pillow would lose something."""
    frames = getattr(image, "n_frames", 1)
    if frames > 1:
        what = "several pictures" if image.format in ("TIFF", "MPO") else "animated images"
        raise UnsupportedImageError(f"{what} in one file are not supported yet (this one has {frames})")
    depth = _bits_per_sample(image, path)
    if depth > 8:
        raise UnsupportedImageError(f"{depth}-bit samples are not supported yet (8 bits at most)")
    if image.mode not in _MODES:
        reason = _REASONS.get(image.mode.split(";")[0], f"Pillow mode {image.mode}")
        raise UnsupportedImageError(f"{reason} is not supported yet")


def _bits_per_sample(image: Image.Image, path: Path) -> int:
    """Bits per sample in the file, which may be more than Pillow would give us."""
    if image.format == "PNG":
        with open(path, "rb") as file:
            return file.read(25)[24]
    if image.format == "TIFF":
        bits = image.tag_v2.get(258, (1,))  # type: ignore[attr-defined]
        return max(bits) if isinstance(bits, tuple) else int(bits)
    if image.format == "PPM":
        return _pnm_bits(path)
    return 16 if image.mode.startswith("I") else 8


def _pnm_bits(path: Path) -> int:
    """Bits of a PNM file; 9 stands for any maximum that Pillow would rescale."""
    with open(path, "rb") as file:
        head = file.read(4096)
    if head[:2] in (b"P1", b"P4"):
        return 1
    if head[:2] not in (b"P2", b"P3", b"P5", b"P6"):
        return 8
    tokens: list[bytes] = []
    for line in head[2:].split(b"\n"):
        tokens += line.split(b"#")[0].split()
        if len(tokens) >= 3:
            break
    maximum = int(tokens[2])
    if maximum < 255:
        raise UnsupportedImageError(f"PNM files with a maximum of {maximum} are not supported yet (255 is)")
    return 8 if maximum == 255 else maximum.bit_length()


def _to_picture(image: Image.Image) -> Picture:
    mode = _MODES[image.mode]
    pixels = np.asarray(image, dtype=np.uint8)
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    palette = b""
    if mode is Mode.PALETTE:
        palette = bytes(image.getpalette("RGB") or b"")[: 3 * 256]
    return Picture(mode, pixels, palette, metadata.collect(image))
