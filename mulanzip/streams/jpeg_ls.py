"""JPEG-LS without loss (ISO/IEC 14495-1), in one scan of all components.

A content is the samples, then all bytes of the stream outside of its coded data: markers before, and what is behind.
The coded data end with their last whole byte, as writers fill up the next one in different ways.  They follow from the
samples and what the markers say, so that this leaves no choice to a library.
"""

from __future__ import annotations

from dataclasses import dataclass

import imagecodecs
import numpy as np

from mulanzip.native import jpeg_ls
from mulanzip.native.jpeg_ls import Parameters
from mulanzip.streams import dicom_items

_SIGNATURE = b"\xff\xd8\xff"
_FRAME, _PARAMETERS, _SCAN, _RESTARTS = 0xF7, 0xF8, 0xDA, 0xDD
#: A segment that names a transform of colours begins with this.
_OTHER_COLOURS = b"mrfx"
_OF_ROWS, _OF_PIXELS = 1, 2
#: The standard's own thresholds of gradients at 8 bits, and the count at which it halves statistics.
_THRESHOLDS, _RESET = (3, 7, 21), 64


@dataclass(frozen=True)
class Header:
    """What the markers before the coded data say.

    Attributes:
        end: bytes of the markers.
        precision: bits per sample, 2 to 16.
        height, width, components: of the image.
        parameters: of the coded data.
    """

    end: int
    precision: int
    height: int
    width: int
    components: int
    parameters: Parameters

    @property
    def size(self) -> int:
        """Number of samples."""
        return self.height * self.width * self.components


def read_header(data: bytes, start: int = 0) -> Header:
    """The header of the stream that begins at ``start``.

    Raises:
        ValueError: if it is damaged, or of a kind that is not for us.
    """
    position, frame = start + 2, b""
    given: tuple[int, ...] = (0, 0, 0, 0, 0)
    if data[start : start + 3] != _SIGNATURE:
        raise ValueError("no JPEG")
    while position + 4 <= len(data):
        marker, length = data[position + 1], int.from_bytes(data[position + 2 : position + 4], "big")
        body = data[position + 4 : position + 2 + length]
        if data[position] != 0xFF or length < 2 or len(body) != length - 2:
            break
        position += 2 + length
        if marker == _SCAN:
            return _header(position - start, frame, body, given)
        if marker == _FRAME:
            frame = body
        elif marker == _PARAMETERS:
            if len(body) != 11 or body[0] != 1:
                raise ValueError("tables of values")
            given = tuple(int.from_bytes(body[i : i + 2], "big") for i in range(1, 11, 2))
        elif 0xC0 <= marker <= 0xCF or (marker == _RESTARTS and any(body)) or body.startswith(_OTHER_COLOURS):
            raise ValueError("another kind of JPEG")
    raise ValueError("a damaged header")


def _header(end: int, frame: bytes, scan: bytes, given: tuple[int, ...]) -> Header:
    if len(frame) < 6 or len(frame) != 6 + 3 * frame[5] or not 1 <= frame[5] <= 4:
        raise ValueError("a damaged frame")
    precision, components = frame[0], frame[5]
    height, width = int.from_bytes(frame[1:3], "big"), int.from_bytes(frame[3:5], "big")
    if not (2 <= precision <= 16 and height and width):
        raise ValueError("a damaged frame")
    is_whole = len(scan) == 4 + 2 * components and scan[0] == components and scan[1:-3:2] == frame[6::3]
    if not is_whole or any(size != 0x11 for size in frame[7::3]) or any(scan[2:-3:2]):
        raise ValueError("components apart, or of several sizes, or tables of values")
    loss, order, transform = scan[-3:]
    if loss or transform or order not in ((_OF_ROWS, _OF_PIXELS) if components > 1 else (0,)):
        raise ValueError("another kind of scan")
    largest = given[0] or (1 << precision) - 1
    if largest >= 1 << precision:
        raise ValueError("a damaged header")
    parameters = Parameters(order == _OF_PIXELS, largest, _thresholds(largest, given[1:4]), given[4] or _RESET)
    return Header(end, precision, height, width, components, parameters)


def _thresholds(largest: int, given: tuple[int, ...]) -> tuple[int, int, int]:
    """The thresholds of gradients; where 0 is given, the standard's own (C.2.4.1.1)."""
    if largest >= 128:
        factor = (min(largest, 4095) + 128) // 256
        usual = [factor * (at - least) + least for at, least in zip(_THRESHOLDS, (2, 3, 4), strict=True)]
    else:
        factor = 256 // (largest + 1)
        usual = [max(least, at // factor) for at, least in zip(_THRESHOLDS, (2, 3, 4), strict=True)]
    found = [1]
    for own, other in zip(given, usual, strict=True):
        found.append(own or (other if found[-1] <= other <= largest else found[-1]))
    return found[1], found[2], found[3]


def content_of(stream: bytes, size: int, unit: int) -> bytes | None:
    """The content of a stream; None if it is damaged, not for us, or has not ``size`` bytes of samples.

    Args:
        unit: bytes of a sample in the content, 1 or 2, low byte first.
    """
    return dicom_items.content_of(stream, size, lambda whole: _content_of(whole, size, unit))


def _content_of(stream: bytes, size: int, unit: int) -> bytes | None:
    try:
        header = read_header(stream)
        if header.size * unit != size or header.precision > 8 * unit:
            return None
        samples = np.asarray(_decoded(stream))
        if samples.size != header.size:
            return None
        data = samples.astype(f"<u{unit}").tobytes()
        made = _make(data, stream[: header.end], unit)
    except ValueError:
        return None
    return data + stream[: header.end] + stream[len(made) :] if stream.startswith(made) else None


def _decoded(stream: bytes) -> np.ndarray:
    """The samples, ``(H, W)`` or ``(H, W, components)``.

    Raises:
        ValueError: if the stream is damaged.
    """
    try:
        return imagecodecs.jpegls_decode(stream)
    except MemoryError:
        raise
    except Exception:  # imagecodecs raises errors of several types.
        raise ValueError("damaged coded data") from None


def make(content: bytes, size: int, unit: int) -> bytes:
    """The stream of a content, of which the first ``size`` bytes are samples.

    Raises:
        ValueError: if the rest does not fit them.
    """
    return dicom_items.make(content, size, lambda data, rest: _make(data, rest, unit))


def _make(data: bytes, rest: bytes, unit: int) -> bytes:
    """The stream of samples and rest."""
    header = read_header(rest)
    if header.size * unit != len(data):
        raise ValueError("another number of samples than the header of the JPEG says")
    samples = np.frombuffer(data, f"<u{unit}").astype(np.uint16)
    samples = samples.reshape(header.height, header.width, header.components)
    return rest[: header.end] + jpeg_ls.encode(samples, header.parameters) + rest[header.end :]
