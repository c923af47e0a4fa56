"""Opens and writes image files through Pillow's plugins, without Pillow's limits: mulanzip has limits of its own.

Pillow's limits are global variables, which other threads and libraries use as well.  They are never changed here.
:func:`open_image` calls the plugins itself, and so leaves out the check of size in ``PIL.Image.open``.  Plugins that
check on their own are replaced by subclasses: the same code, which finds other values under the global names.

Warnings of Pillow reach the caller, as the filters of warnings are global, too.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, BinaryIO

from PIL import Image, UnidentifiedImageError

if TYPE_CHECKING:
    from PIL import ImageFile

#: Maximum number of bytes of one inflated text or ICC profile in a PNG file.
_MAX_TEXT = 1 << 26
#: Bytes from the start of a file that plugins recognize their format by.
_START = 16
#: The plugins of formats, and those of their classes that check limits.
_PLUGINS: dict[str, tuple[str, tuple[str, ...]]] = {
    "BMP": ("BmpImagePlugin", ()),
    "DIB": ("BmpImagePlugin", ()),
    "GIF": ("GifImagePlugin", ("GifImageFile",)),
    "JPEG": ("JpegImagePlugin", ()),
    "PCX": ("PcxImagePlugin", ()),
    "PNG": ("PngImagePlugin", ("PngStream", "PngImageFile")),
    "PPM": ("PpmImagePlugin", ()),
    "TGA": ("TgaImagePlugin", ()),
    "TIFF": ("TiffImagePlugin", ("TiffImageFile",)),
    "WEBP": ("WebPImagePlugin", ("WebPImageFile",)),
}
#: What plugins raise for files of other formats, and for some damaged ones.
_NOT_THIS_FORMAT = (SyntaxError, IndexError, TypeError, struct.error)


class _ImageModule:
    """``PIL.Image`` without a limit of pixels."""

    @staticmethod
    def _decompression_bomb_check(*_: object, **__: object) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        return getattr(Image, name)


def open_image(file: BinaryIO, formats: Sequence[str]) -> ImageFile.ImageFile:
    """Open an image file as ``PIL.Image.open`` does, without its limits.  Pixels are read by ``load``.

    Args:
        file: must stay open until the pixels are loaded; the image, as a context manager, does not close it.
        formats: Pillow's names of the formats to try, in this order, of those in ``_PLUGINS``.

    Raises:
        UnidentifiedImageError: if the file has none of the formats.
        Exception: any error of Pillow, for damaged files.
    """
    file.seek(0)
    start = file.read(_START)
    for name in formats:
        factory, accepts = _opener(name)
        with suppress(*_NOT_THIS_FORMAT):
            accepted = accepts is None or accepts(start)
            if accepted and not isinstance(accepted, str):  # A text says why this Pillow cannot read the format.
                file.seek(0)
                return factory(file, "")
    raise UnidentifiedImageError("cannot identify image file")


def saved(image: Image.Image, name: str, **options: Any) -> bytes:
    """The file of an image, as its ``save`` writes it, but without the time that importing all plugins takes.

    Args:
        name: Pillow's name of the format.

    Raises:
        Exception: any error of Pillow, for what the format cannot hold.
    """
    import_module(f"PIL.{_PLUGINS[name][0]}")
    buffer = io.BytesIO()
    image.save(buffer, name, **options)
    return buffer.getvalue()


@cache
def _opener(name: str) -> tuple[Callable[..., ImageFile.ImageFile], Callable[[bytes], bool | str] | None]:
    """What opens files of a format, without limits, and what recognizes them by their first bytes.

    Plugins are imported here, as they are needed: each takes time.
    """
    module, classes = _PLUGINS[name]
    plugin = import_module(f"PIL.{module}")
    factory, accepts = Image.OPEN[name]
    if classes:
        changed = {"MAX_TEXT_CHUNK": _MAX_TEXT} if name == "PNG" else {}
        factory = _variant(plugin, classes, **changed)[classes[-1]]
    return factory, accepts


def _variant(plugin: ModuleType, classes: Sequence[str], **changed: Any) -> dict[str, Any]:
    """The global names of a plugin, of which its functions and these classes see ``Image`` and others changed.

    Args:
        plugin: is not changed itself.
        classes: the names of those of its classes that are replaced by subclasses.
        changed: other values by global name.
    """
    names = {**vars(plugin), "Image": _ImageModule(), **changed}
    for name, value in vars(plugin).items():
        if isinstance(value, FunctionType) and value.__module__ == plugin.__name__:
            names[name] = _rebound(value, names)
    for name in classes:
        original = getattr(plugin, name)
        methods = {key: _rebound(f, names) for key, f in vars(original).items() if isinstance(f, FunctionType)}
        names[name] = type(name, (original,), methods)
    return names


def _rebound(function: FunctionType, names: dict[str, Any]) -> FunctionType:
    """The same function with other global names."""
    found = FunctionType(function.__code__, names, function.__name__, function.__defaults__, function.__closure__)
    found.__kwdefaults__ = function.__kwdefaults__
    return found
