"""The model that suits an image, by exact code lengths: the same choice on every machine."""

from __future__ import annotations

from collections.abc import Sequence

from mulanzip.codec.planes import Canvas
from mulanzip.codec.segment import measure_segments
from mulanzip.codec.value_map import PLAIN
from mulanzip.density.runtime import Runtime
from mulanzip.density.sample_statistics import SampleStatistics
from mulanzip.encoder.scale_choice import choose_value_map
from mulanzip.image.picture import Picture
from mulanzip.lattice.geometry import Grid, Segment, tiles
from mulanzip.lattice.tile_schedules import TileSchedules

#: Models are compared on about this number of pixels at most, spread over the image.
_PIXELS = 1 << 20
#: Another model must save 1 in this number of bits: the first one is the fastest.
_SAVED = 200


def choose_model(picture: Picture, runtimes: Sequence[Runtime]) -> int:
    """Index of the model for an image whose channels are coded one by one; the first channel decides.

    Args:
        runtimes: of models as they were trained, the preferred one first.
    """
    schedules, channel = TileSchedules.uniform("default"), picture.pixels[..., :1]
    value_map = choose_value_map(channel, runtimes[0], schedules) if picture.is_deep else PLAIN
    if value_map.is_constant:
        return 0
    indices, statistics = value_map.to_indices(channel), SampleStatistics(value_map.sample_scale)
    every = 1 + channel.size // _PIXELS
    parts = [Segment((tile,)) for tile in list(tiles(Grid(0, *indices.shape[:2])))[::every]]
    costs = [
        sum(measure_segments(Canvas.of(indices), runtime.at(statistics), schedules, parts)) for runtime in runtimes
    ]
    least = costs.index(min(costs))
    return least if costs[least] * _SAVED < costs[0] * (_SAVED - 1) else 0
