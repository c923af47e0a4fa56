"""Measuring one image with one codec in this process."""

from __future__ import annotations

import time
from pathlib import Path

from mulanzip.bench.codecs import Codec
from mulanzip.bench.images import read_image
from mulanzip.bench.outcome import Measurement
from mulanzip.bench.peak_memory import peak_mib, reset_peak
from mulanzip.timings import Timings


def measure(codec: Codec, path: Path) -> Measurement:
    """Encode and decode an image.

    Raises:
        UnsupportedImageError, UnreadableImageError: as :func:`mulanzip.bench.images.read_image`.
    """
    image = read_image(path)
    reset_peak()
    with codec.parts() as encode_parts:
        start = time.perf_counter()
        data = codec.encode(image)
        encode_s = time.perf_counter() - start
    with codec.parts() as decode_parts:
        start = time.perf_counter()
        decoded = codec.decode(data)
        decode_s = time.perf_counter() - start
    peak = peak_mib()
    return Measurement(
        file=str(path),
        codec=codec.name,
        size=len(data),
        shape=image.shape,
        encode_s=encode_s,
        decode_s=decode_s,
        peak_mib=peak,
        restored=codec.restores(image, decoded),
        encode_parts=_seconds(encode_parts),
        decode_parts=_seconds(decode_parts),
    )


def _seconds(parts: Timings | None) -> dict[str, float] | None:
    if parts is None:
        return None
    return {"network_s": parts.network, "coder_s": parts.coder}
