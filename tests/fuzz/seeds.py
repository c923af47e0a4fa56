"""Tiny valid files of all kinds, to be mutated."""

from __future__ import annotations

import gzip
import io
from functools import cache
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin
from support.image_files import nifti
from support.models import ONE_THREAD
from support.pictures import brightened, smooth

from mulanzip import picture_encoder, registry
from mulanzip.archive.writer import ArchiveWriter
from mulanzip.density.config import Config
from mulanzip.density.model import context_entries
from mulanzip.image.metadata import ICC, XMP
from mulanzip.image.picture import Picture
from mulanzip.jobs.compress import compress_file
from mulanzip.options import EncodeOptions


def _context() -> np.ndarray:
    context = np.zeros(context_entries(Config.from_dict(registry.find(registry.DEFAULT_MODEL).config)), dtype=np.int8)
    context[::40] = 3
    return context


def _encoded(array: np.ndarray, **options: Any) -> bytes:
    given = EncodeOptions(**{"effort": 1, "stored": False, **options})
    return picture_encoder.encode_picture(Picture.from_array(array), given, ONE_THREAD).pack()


def _compressed(image: bytes) -> bytes:
    output = io.BytesIO()
    compress_file(io.BytesIO(image), output, effort=1, threads=1)
    return output.getvalue()


def _saved(image: Image.Image, file_format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def _npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def _metadata() -> dict[str, Any]:
    """Options of Pillow that write metadata of all kinds into a PNG file."""
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "tiny")
    info.add_itxt("Title", "winzig", "de", "Titel", zip=True)
    info.add(b"gAMA", (45455).to_bytes(4, "big"))
    exif = Image.Exif()
    exif[274] = 6
    exif[315] = "nobody"
    return {"pnginfo": info, "icc_profile": b"no real profile" * 3, "exif": exif, "dpi": (72, 72)}


@cache
def images() -> dict[str, bytes]:
    """Image files by name."""
    colour, gray = Image.fromarray(smooth(9, 11)), Image.fromarray(smooth(9, 11, 1))
    alpha, palette = Image.fromarray(smooth(9, 11, 4)), colour.quantize(9)
    bilevel = gray.point(lambda v: 255 * (v > 90)).convert("1")
    found = {
        "png": _saved(colour, "PNG"),
        "png with metadata": _saved(colour, "PNG", **_metadata()),
        "png gray": _saved(gray, "PNG", compress_level=1),
        "png gray and alpha": _saved(alpha.convert("LA"), "PNG"),
        "png rgba": _saved(alpha, "PNG"),
        "png palette": _saved(palette, "PNG", transparency=b"\0\x80", bits=4),
        "png bilevel": _saved(bilevel, "PNG"),
        "png deep": _saved(Image.fromarray(smooth(9, 11, 1).astype(np.uint16) * 257), "PNG"),
        "tiff": _saved(colour, "TIFF", icc_profile=b"no real profile", dpi=(72, 72), description="tiny"),
        "tiff lzw": _saved(colour, "TIFF", compression="tiff_lzw"),
        "tiff deflated": _saved(alpha, "TIFF", compression="tiff_adobe_deflate"),
        "tiff packbits": _saved(palette, "TIFF", compression="packbits"),
        "tiff fax": _saved(bilevel, "TIFF", compression="group4"),
        "tiff jpeg": _saved(colour, "TIFF", compression="jpeg"),
        "tiff deep": _saved(Image.fromarray(smooth(9, 11, 1).astype(np.uint16) * 257), "TIFF"),
        "bmp": _saved(colour, "BMP"),
        "bmp palette": _saved(palette, "BMP"),
        "bmp bilevel": _saved(bilevel, "BMP"),
        "ppm": _saved(colour, "PPM"),
        "pgm": _saved(gray, "PPM"),
        "pbm": _saved(bilevel, "PPM"),
        "pgm deep": b"P5 3 2 65535\n" + bytes(range(12)),
        "pgm text": b"P2\n# tiny\n3 2 255\n1 2 3 4 5 255\n",
        "pam": b"P7\nWIDTH 3\nHEIGHT 2\nDEPTH 2\nMAXVAL 255\nTUPLTYPE GRAYSCALE_ALPHA\nENDHDR\n" + bytes(range(12)),
        "npy": _npy(smooth(5, 6, 1).astype(np.uint16) * 99),
        "gif": _saved(palette, "GIF", comment=b"tiny", transparency=2),
        "jpeg": _saved(colour, "JPEG", comment=b"tiny", exif=_metadata()["exif"]),
        "webp": _saved(alpha, "WEBP", lossless=True, exact=True, icc_profile=b"no real profile"),
        "tga": _saved(colour, "TGA", compression="tga_rle"),
        "pcx": _saved(colour, "PCX"),
    }
    return found


@cache
def compressed() -> dict[str, bytes]:
    """``.mzp`` files by name."""
    return {
        "rgb": _encoded(smooth(8, 9)),
        "rgb one": _encoded(smooth(5, 4), schedule="one"),
        "rgb mixed": _encoded(smooth(7, 12), schedule="adaptive", mu=1.0),
        "deep": _encoded(smooth(7, 9, 1).astype(np.uint16) * 200),
        "deep sparse": _encoded(smooth(6, 5, 1).astype(np.uint16) // 40 * 1000),
        "deep colours": _encoded(smooth(5, 5).astype(np.uint16) * 9),
        "deep signed": _encoded(smooth(6, 7, 1).astype(np.int16) * 99 - 9000),
        "bands": _encoded(smooth(6, 5, 5)),
        "rgba": _encoded(smooth(6, 7, 4)),
        "stored deep": _encoded(smooth(1, 40, 1).repeat(40, 0).astype(np.uint16) * 257, stored=True),
        "stored bands": _encoded(smooth(1, 30, 5).repeat(30, 0), stored=True),
        "rgb context": _encoded(smooth(6, 6), context=_context()),
        "rgb gamut": _encoded(np.asarray(Image.open(io.BytesIO(_saved(Image.fromarray(smooth(64, 64)), "JPEG"))))),
        "gray tones": _encoded(brightened(smooth(128, 128, 1)), schedule="one"),
        "rgb pixel": _encoded(smooth(1, 1)),
        "rgb row": _encoded(smooth(1, 23)),
        "rgb flat": _encoded(smooth(3, 5)),
        "gray": _encoded(smooth(9, 7, 1)),
        "gray column": _encoded(smooth(33, 1, 1)),
        "gray one": _encoded(smooth(6, 9, 1), schedule="one"),
        "gray tiles": _encoded(smooth(3, 514, 1)),
        "stored rgb": _encoded(smooth(1, 40).repeat(40, 0), stored=True),
        "stored gray": _encoded(smooth(1, 40, 1).repeat(40, 0), stored=True),
        "stored rgba": _encoded(smooth(1, 40, 4).repeat(40, 0), stored=True),
        "stored gray and alpha": _encoded(smooth(1, 40, 2).repeat(40, 0), stored=True),
        "stored bilevel": _encoded(smooth(16, 15, 1) > 90),
        "kept bmp": _compressed(_saved(Image.fromarray(smooth(32, 33, 1)), "BMP")),
        "kept streams": _compressed(_saved(Image.fromarray(smooth(32, 33, 1)), "TIFF", compression="tiff_lzw")),
        "kept runs": _compressed(_saved(Image.fromarray(smooth(32, 33, 1)), "TGA", compression="tga_rle")),
        "kept gzip": _compressed(gzip.compress(nifti(smooth(32, 33, 1).astype(np.int16)[None]), mtime=0)),
        "kept text": _compressed(b"P2 33 32 255\n" + b" ".join(b"%d" % v for v in smooth(32, 33, 1).ravel())),
        **{f"from {name}": _compressed(data) for name, data in images().items()},
    }


def _packed(pictures: dict[str, Picture], sources: dict[str, bytes] | None = None, **options: Any) -> bytes:
    file = io.BytesIO()
    with ArchiveWriter(file, effort=1, threads=1, **options) as writer:
        for number, (name, picture) in enumerate(pictures.items()):
            source = (sources or {}).get(name, b"")
            writer.add(picture, name, source=source, modified=10**18 + number, permissions=0o640 if number else None)
    return file.getvalue()


@cache
def archives() -> dict[str, bytes]:
    """Archives by name."""
    kinds = {ICC: b"no real profile", XMP: b"<x/>"}
    colour = {f"colour/{i}.png": Picture.from_array(smooth(5, 6, 3, i)) for i in range(3)}
    gray = {f"gray/{i}.png": Picture.from_array(smooth(4, 7, 1, i)) for i in range(2)}
    described = {f"{i}.png": Picture(p.mode, p.pixels, b"", kinds) for i, p in enumerate(colour.values())}
    own = {"deep.png": Picture.from_array(smooth(3, 4, 1).astype(np.uint16) * 99)}
    own |= {"icon.png": Picture.from_array(smooth(5, 5, 4)), "two.png": Picture.from_array(smooth(6, 6, 1) > 90)}
    png = images()["png bilevel"]
    return {
        "colour": _packed(colour),
        "colour and gray": _packed({**colour, **gray}, schedule="one"),
        "metadata": _packed({**described, **gray}),
        "files": _packed(own),
        "all": _packed({**own, **described, "b.png": own["two.png"]}, {"b.png": png}),
    }
