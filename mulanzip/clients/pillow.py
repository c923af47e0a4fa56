"""``.mzp`` files for Pillow: after :func:`register_pillow`, ``Image.open`` and ``Image.save`` know them.

Metadata are in ``info`` as with PNG files: ``icc_profile``, ``exif``, ``xmp``, ``dpi``, ``transparency``, texts.
``save`` takes them from its arguments, else from ``info``.
"""

from __future__ import annotations

import io
from dataclasses import fields
from typing import IO, Any, TypeVar

import numpy as np
from PIL import Image, ImageFile, PngImagePlugin

from mulanzip import picture_decoder, picture_encoder
from mulanzip.errors import MulanzipError, UnsupportedImageError
from mulanzip.format import container
from mulanzip.format.container import SIGNATURE
from mulanzip.image.kinds import CHANNELS, Kind, Mode
from mulanzip.image.metadata import EXIF, ICC, KINDS, PNG_CHUNKS, RESOLUTION, TRANSPARENCY, XMP
from mulanzip.image.picture import Picture, check_size
from mulanzip.imageio import metadata, png
from mulanzip.imageio.pillow_files import open_image
from mulanzip.imageio.pillow_image import DEEP_GRAY, MODES, from_pillow, pillow_mode, to_pillow
from mulanzip.limits import Limits
from mulanzip.options import EncodeOptions, Execution

FORMAT = "MZP"
MIME_TYPE = "image/x-mulanzip"
#: The default: decoding takes some minutes at most.  Without a limit, a small file could ask for any number of pixels.
LIMITS = Limits(pixels=1 << 26)

_Options = TypeVar("_Options", EncodeOptions, Execution)

_XMP_TEXT = "XML:com.adobe.xmp"
#: Strings in ``info`` that are no texts of the image.
_NOT_TEXT = ("compression", "xmp", _XMP_TEXT)
_EXIF_PREFIX = b"Exif\0\0"


class MzpReadError(MulanzipError, OSError):
    """A file cannot be opened or decoded; its cause is the error that :func:`mulanzip.decode` raises."""


class MzpModeError(UnsupportedImageError, ValueError):
    """``save`` cannot keep this image exactly."""


def register_pillow(*, model: str | None = None, limits: Limits = LIMITS) -> None:
    """Teach Pillow to open and save ``.mzp`` files.

    ``Image.open`` reads size, mode and metadata; decoding waits for the first use of pixels.
    ``Image.save`` takes the options of :func:`mulanzip.encode`, such as ``effort`` and ``model``.

    Args:
        model: a model to try if a file was made with one that is not shipped.
        limits: larger images are not decoded.  Pillow's own limit, ``Image.MAX_IMAGE_PIXELS``, holds as well.
    """
    MzpImageFile.model, MzpImageFile.limits = model, limits
    Image.register_open(FORMAT, MzpImageFile, _accept)
    Image.register_save(FORMAT, _save)
    Image.register_extension(FORMAT, ".mzp")
    Image.register_mime(FORMAT, MIME_TYPE)


def _accept(prefix: bytes) -> bool:
    return prefix.startswith(SIGNATURE)


class MzpImageFile(ImageFile.ImageFile):
    """An opened ``.mzp`` file.

    Attributes:
        text: texts by keyword, as of PNG files.
    """

    format = FORMAT
    format_description = "mulanzip image"
    model: str | None = None
    limits: Limits = LIMITS
    #: The file, until its pixels are decoded.  Copies never have one.
    fp: IO[bytes] | None = None

    def _open(self) -> None:
        assert self.fp is not None
        try:
            kind, (width, height), found = _read_front(self.fp, self.limits)
            mode = pillow_mode(kind)
            info, text = _to_info(kind.mode, found)
        except MulanzipError as error:
            raise MzpReadError(str(error)) from error
        self._mode, self._size = mode, (width, height)
        self.info, self.text = info, text

    def __getstate__(self) -> list[Any]:
        return [*super().__getstate__(), self.text]

    def __setstate__(self, state: list[Any]) -> None:
        *state, self.text = state
        super().__setstate__(state)

    def load(self) -> Any:
        """Decode, unless that is done already.

        Raises:
            MzpReadError: if the file is damaged, too large, or needs a model that is not here.
        """
        if self.fp is not None and self._im is None:
            image = to_pillow(self._decode(self.fp))
            self.im, self.palette, self.readonly = image.im, image.palette, 0
            if self._exclusive_fp:
                self.fp.close()
            self.fp = None
        return Image.Image.load(self)

    def _decode(self, file: IO[bytes]) -> Picture:
        try:
            self.limits.check_pixels(self.height, self.width)
        except MulanzipError as error:
            raise MzpReadError(
                f"an image of {self.width}x{self.height} pixels is larger than register_pillow(limits=...) allows"
            ) from error
        file.seek(0)
        try:
            return picture_decoder.decode_picture(
                file.read(), model=self.model, execution=Execution(limits=self.limits)
            )
        except MulanzipError as error:
            raise MzpReadError(str(error)) from error

    def verify(self) -> None:
        """Check the structure and all checksums, without decoding.

        Raises:
            MzpReadError: if the file is damaged.
        """
        if self.fp is None:
            raise RuntimeError("verify must be called directly after open")
        self.fp.seek(0)
        try:
            container.unpack(self.fp.read())
        except MulanzipError as error:
            raise MzpReadError(str(error)) from error
        super().verify()


def _read_front(file: IO[bytes], limits: Limits) -> tuple[Kind, tuple[int, int], dict[bytes, bytes]]:
    """The kind of an image, its width and height, and its metadata; of a kept file, those of what it shows."""
    header, chunks = container.read_front(file)
    if header.coding.is_file:
        file.seek(0)
        shown = picture_decoder.front_of(container.unpack(file.read()), limits)
        return shown.kind, (shown.pixels.shape[1], shown.pixels.shape[0]), shown.metadata
    found = {chunk.kind: picture_decoder.metadata_content(chunk, limits) for chunk in chunks if chunk.kind in KINDS}
    metadata.check(found, header.mode)
    return header.kind, (header.width, header.height), found


# Metadata are converted by way of a PNG file of one pixel, so that ``info`` is the same as for PNG files.


def _to_info(mode: Mode, found: dict[bytes, bytes]) -> tuple[dict[str | tuple[int, int], Any], dict[str, str]]:
    """Pillow's ``info`` and ``text`` of metadata."""
    palette = bytes(768) if mode is Mode.PALETTE else b""
    pixel = Picture(mode, np.zeros((1, 1, CHANNELS[mode]), dtype=np.uint8), palette)
    data = png.encode(pixel, metadata.png_chunks(found))
    try:
        with open_image(io.BytesIO(data), ("PNG",)) as image:
            image.load()
            info, text = dict(image.info), dict(image.text)
    except (OSError, ValueError, SyntaxError) as error:
        raise MzpReadError(f"the metadata are damaged: {error}") from None
    if XMP in found:  # PNG has it as a text as well.
        info["xmp"] = found[XMP]
        info.pop(_XMP_TEXT, None)
        text.pop(_XMP_TEXT, None)
    if RESOLUTION in found:  # PNG has it in whole pixels per metre.
        info["dpi"] = metadata.resolution(found[RESOLUTION])
    return info, text


def _from_info(image: Image.Image, options: dict[str, Any]) -> dict[bytes, bytes]:
    """Metadata of an image about to be saved.

    Raises:
        MzpModeError: for values that cannot be metadata.
    """
    given: dict[Any, Any] = {**image.info, **options}
    texts = PngImagePlugin.PngInfo()
    pixel = image.crop((0, 0, 1, 1))
    pixel.info = {key: given[key] for key in ("transparency",) if key in given}
    buffer = io.BytesIO()
    try:
        for key, value in image.info.items():
            if isinstance(key, str) and isinstance(value, str) and key not in _NOT_TEXT:
                texts.add_text(key, value)
        pixel.save(buffer, "PNG", pnginfo=options.get("pnginfo") or texts)
        exif = given.get("exif") or b""
        exif = exif.tobytes() if isinstance(exif, Image.Exif) else bytes(exif)
        xmp = given.get("xmp") or b""
        icc = bytes(given.get("icc_profile") or b"")
    except (OSError, ValueError, TypeError) as error:
        raise MzpModeError(f"the metadata cannot be saved: {error}") from None
    chunks, transparency, _ = png.read_chunks(buffer)
    found = {
        ICC: icc,
        EXIF: exif.removeprefix(_EXIF_PREFIX),
        XMP: xmp.encode() if isinstance(xmp, str) else bytes(xmp),
        PNG_CHUNKS: png.pack_chunks(chunks),
        RESOLUTION: metadata.pack_resolution(given.get("dpi")),
        TRANSPARENCY: transparency,
    }
    return {kind: payload for kind, payload in found.items() if payload}


def _save(image: Image.Image, file: IO[bytes], filename: str | bytes) -> None:
    """Pillow's hook.

    Raises:
        MzpModeError: if the image cannot be kept exactly.
        MulanzipError, ValueError: as for :func:`mulanzip.encode`.
    """
    options: dict[str, Any] = image.encoderinfo
    if image.mode not in (*MODES, DEEP_GRAY):
        known = ", ".join((*MODES, DEEP_GRAY))
        raise MzpModeError(f"cannot keep images of mode {image.mode} exactly; convert to one of {known}")
    try:
        check_size(image.height, image.width)
        picture = from_pillow(image, _from_info(image, options))
    except UnsupportedImageError as error:
        raise MzpModeError(str(error)) from None
    file.write(
        picture_encoder.encode_picture(picture, _among(options, EncodeOptions), _among(options, Execution)).pack()
    )


def _among(given: dict[str, Any], kind: type[_Options]) -> _Options:
    """The options of one kind among the arguments of ``save``."""
    return kind(**{field.name: given[field.name] for field in fields(kind) if field.name in given})
