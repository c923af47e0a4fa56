"""The exact code length of an image under a model, without coding it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mulanzip import gamut, registry
from mulanzip.codec import walk_segment
from mulanzip.coder import BitCounter
from mulanzip.errors import UnsupportedImageError
from mulanzip.exact.runtime import open_runtime
from mulanzip.grain import EIGHT_BIT
from mulanzip.lattice import segments
from mulanzip.noise import SCHEDULES
from mulanzip.plan import Plan
from mulanzip.planes import to_coding_order


def code_length(
    array: np.ndarray,
    *,
    model: str = registry.DEFAULT_MODEL,
    context: np.ndarray | None = None,
    schedule: str = "default",
    device: str = "auto",
    threads: int | None = None,
) -> float:
    """``-log2`` of the probability that the model gives to an image, in bits.

    This is what the coder is asked to spend; the file is larger by its header and checksums, and by
    some thousandths of a percent.

    Args:
        array: uint8 ``(H, W, 3)`` or ``(H, W)``.
        context: that the model is adapted with, as :func:`mulanzip.context_of` gives it; its own bits not counted.
        model, schedule, device, threads: as for :func:`mulanzip.encode`.

    Raises:
        UnsupportedImageError: for other arrays.
        ModelError: if the model cannot be used.
        ValueError: for an unknown schedule or device.
    """
    if array.dtype != np.uint8 or not array.size or array.ndim < 2 or array.shape[2:] not in ((), (3,)):
        raise UnsupportedImageError("the model gives probabilities to uint8 arrays of shape (H, W, 3) or (H, W)")
    if schedule not in SCHEDULES:
        raise ValueError(f"unknown schedule {schedule!r}; use one of {', '.join(SCHEDULES)}")
    runtime = open_runtime(registry.find(model).path, device, threads).adapted(context)
    pixels = to_coding_order(array) if array.ndim == 3 else array[..., None]
    runtime = runtime.at(replace(EIGHT_BIT, gamut=gamut.find(pixels)))
    counter = BitCounter()
    with runtime.intra_threads(runtime.threads):
        for segment in segments(*pixels.shape[:2]):
            walk_segment(segment, pixels, runtime, Plan.uniform(schedule), counter, decoding=False)
    return counter.bits
