"""Opens image files through Pillow's plugins, without Pillow's limits: mulanzip has limits of its own.

Pillow's limits are global variables, which other threads and libraries use as well.  They are never changed here.
:func:`open_image` calls the plugins itself, and so leaves out the check of size in ``PIL.Image.open``.  Plugins that
check on their own are replaced by subclasses: the same code, which finds other values under the global names.

Warnings of Pillow reach the caller, as the filters of warnings are global, too.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from types import FunctionType, ModuleType
from typing import Any, BinaryIO

from PIL import (
    GifImagePlugin,
    Image,
    ImageFile,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

#: Maximum number of bytes of one inflated text or ICC profile in a PNG file.
_MAX_TEXT = 1 << 26
#: Bytes from the start of a file that plugins recognize their format by.
_START = 16
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
        formats: Pillow's names of the formats to try, in this order.

    Raises:
        UnidentifiedImageError: if the file has none of the formats.
        Exception: any error of Pillow, for damaged files.
    """
    Image.init()
    file.seek(0)
    start = file.read(_START)
    for name in formats:
        factory, accepts = Image.OPEN[name]
        with suppress(*_NOT_THIS_FORMAT):
            accepted = accepts is None or accepts(start)
            if accepted and not isinstance(accepted, str):  # A text says why this Pillow cannot read the format.
                file.seek(0)
                return _without_limits().get(name, factory)(file, "")
    raise UnidentifiedImageError("cannot identify image file")


@cache
def _without_limits() -> dict[str, Callable[..., ImageFile.ImageFile]]:
    """Plugins by format, in place of Pillow's that check limits."""
    return {
        "GIF": _variant(GifImagePlugin, ["GifImageFile"])["GifImageFile"],
        "PNG": _variant(PngImagePlugin, ["PngStream", "PngImageFile"], MAX_TEXT_CHUNK=_MAX_TEXT)["PngImageFile"],
        "TIFF": _variant(TiffImagePlugin, ["TiffImageFile"])["TiffImageFile"],
        "WEBP": _variant(WebPImagePlugin, ["WebPImageFile"])["WebPImageFile"],
    }


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
