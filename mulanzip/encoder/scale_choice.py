"""The scale of deep samples, and whether a list of the values in use pays: by exact code lengths of a few crops."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mulanzip.codec.planes import Canvas
from mulanzip.codec.segment import measure_segments
from mulanzip.codec.value_map import ValueMap, pack, spanned, used_values
from mulanzip.density.runtime import Runtime
from mulanzip.density.sample_scale import LOG2_STEPS
from mulanzip.density.sample_statistics import SampleStatistics
from mulanzip.image.crops import sample_crops
from mulanzip.lattice.geometry import Grid, Segment, tiles
from mulanzip.lattice.tile_schedules import TileSchedules

#: Ends of the range of the side of crops in pixels, and their maximum number across and down.
_LEAST_SIDE, _MOST_SIDE = 24, 96
_CROPS = 2
#: Side of crops of large images on which the last few scales are compared.
_JUDGED_SIDE = 512
#: About the share of an image that crops are, so that trying takes no more time than coding.
_SHARE = 1 / 5
#: Median difference of a pixel from the mean of its neighbours that suits the denoiser, in levels.
_USUAL_DIFFERENCE = 2
#: Number of scales that are tried on each side of the suggested one.
_REACH = 2
#: In images of fewer pixels, one crop and a reach of one have to do: trying would take longer than coding.
_SMALL_PIXELS = 1 << 14
#: A list of the values in use is tried where they are less than this share of the values between the ends.
_SPARSE = 0.9


def choose_value_map(
    pixels: np.ndarray, runtime: Runtime, schedules: TileSchedules, *, is_judged: bool = False
) -> ValueMap:
    """The value map that makes some channels smallest.

    Args:
        pixels: uint16 or int16 ``(H, W, C)`` in coding order of colours, C 1 or 3.
        is_judged: whether the scales beside the chosen one are tried on the whole image; of large ones, on crops.
    """
    used = used_values(pixels)
    every = spanned(used)
    if len(every) == 1:
        return ValueMap(every)
    is_small = pixels[..., 0].size < _SMALL_PIXELS
    count, reach = (1, 1) if is_small else (_CROPS, _REACH)
    side = math.isqrt(round(_SHARE * pixels[..., 0].size)) // count
    crops = _crops(pixels, min(max(side, _LEAST_SIDE), _MOST_SIDE), count)
    suggested = suggested_log2_steps(crops)
    size = pixels.size / sum(crop.size for crop in crops)

    def best(values: np.ndarray, candidates: range) -> tuple[float, ValueMap]:
        """The best of these scales, and of those beyond an end as long as the end is the best."""
        listed = 8 * len(pack([ValueMap(values)], pixels.dtype == np.int16))
        costs: dict[int, float] = {}
        tried = [log2_steps for log2_steps in candidates if log2_steps in LOG2_STEPS]
        while tried:
            for log2_steps in tried:
                costs[log2_steps] = size * _bits(ValueMap(values, log2_steps), crops, runtime, schedules) + listed
            least = min(costs, key=lambda log2_steps: costs[log2_steps])
            tried = [
                log2_steps
                for log2_steps in (least - 1, least + 1)
                if log2_steps in LOG2_STEPS and log2_steps not in costs
            ]
        return costs[least], ValueMap(values, least)

    found = best(every, range(suggested - reach, suggested + reach + 1))
    if len(used) < _SPARSE * len(every):
        # Without the gaps, the same differences are fewer indices.
        closer = found[1].log2_steps - round(math.log2(len(every) / len(used)))
        closer = min(max(closer, LOG2_STEPS[0]), LOG2_STEPS[-1])
        found = min(found, best(used, range(closer, found[1].log2_steps + 1)), key=lambda pair: pair[0])
    chosen = found[1]
    if is_judged:
        near = [at for at in range(chosen.log2_steps - 1, chosen.log2_steps + 2) if at in LOG2_STEPS]
        maps = [replace(chosen, log2_steps=at) for at in near]
        sample = sample_crops(pixels, _JUDGED_SIDE, (_CROPS, _CROPS))
        chosen = min(maps, key=lambda value_map: _bits(value_map, [sample], runtime, schedules))
    return chosen


def have_like_scales(slices: Sequence[np.ndarray]) -> bool:
    """Whether one scale suits slices, ``(H, W, 1)`` each: their differences are of nearly the same usual size."""
    suggested = [suggested_log2_steps(_crops(pixels, _MOST_SIDE, _CROPS)) for pixels in slices]
    return max(suggested) - min(suggested) <= 1


def _crops(pixels: np.ndarray, crop: int, most: int) -> list[np.ndarray]:
    """Crops of a side, at most ``most`` down and across, spread evenly; or the image where it is small."""

    def starts(side: int) -> list[int]:
        count = min(most, -(-side // crop))
        return [(side - min(side, crop)) * (2 * i + 1) // (2 * count) // 2 * 2 for i in range(count)]

    height, width = pixels.shape[:2]
    return [pixels[y : y + crop, x : x + crop] for y in starts(height) for x in starts(width)]


def suggested_log2_steps(crops: list[np.ndarray]) -> int:
    """The scale that gives samples differences of the usual size from their neighbours.

    Args:
        crops: integers ``(h, w, C)`` each.
    """
    differences = []
    for crop in crops:
        a = crop[..., 0].astype(np.int64)
        around = a[:-2, :-2] + a[2:, 2:] + a[2:, :-2] + a[:-2, 2:]
        difference = abs(4 * a[1:-1, 1:-1] - around).reshape(-1)
        differences.append(difference[difference > 0])
    joined = np.concatenate(differences)
    median = float(np.median(joined)) / 4 if len(joined) else 0.0
    return min(max(round(math.log2(max(median, 0.25) / _USUAL_DIFFERENCE)), LOG2_STEPS[0]), LOG2_STEPS[-1])


def _bits(value_map: ValueMap, crops: list[np.ndarray], runtime: Runtime, schedules: TileSchedules) -> float:
    """Code length of the finest level of crops."""
    runtime = runtime.at(SampleStatistics(value_map.sample_scale))
    bits = 0.0
    for crop in crops:
        parts = [Segment((tile,)) for tile in tiles(Grid(0, *crop.shape[:2]))]
        bits += sum(measure_segments(Canvas.of(value_map.to_indices(crop)), runtime, schedules, parts))
    return bits
