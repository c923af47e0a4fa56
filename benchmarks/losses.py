"""The cost of each stage between the float network and the file.

    python -m benchmarks.losses FILES...

For every image it prints the code length under the float network in bits per subpixel.  Then, in percent of that, it
prints what the integer network adds, what the correction that learns and the integer CDF add, what entropy coding adds,
their sum, and what a file at effort 1 adds to that (headers and checksums, minus the savings of presets, gamuts and
value edges).
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import click
import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

import mulanzip
from mulanzip import registry
from mulanzip.codec.coders import TileMeter
from mulanzip.codec.planes import Canvas, TilePlanes
from mulanzip.codec.segment import HASH_BYTES, encode_segments, measure_segments
from mulanzip.codec.tile import Predictor, code_tile
from mulanzip.density.config import COLOURS, MEAN_BITS, Config
from mulanzip.density.native_backend import NativeBackend, kernels_to_use
from mulanzip.density.parameters import COUPLING_UNIT, LOG_SCALE_UNIT, LOGIT_UNIT, MEAN_UNIT, SHAPE_ZERO
from mulanzip.density.passes import PassPredictor
from mulanzip.density.prediction import Prediction
from mulanzip.density.runtime import Runtime, open_runtime
from mulanzip.density.sample_statistics import PLAIN_STATISTICS
from mulanzip.floatnet.loss import code_length
from mulanzip.floatnet.network import Denoiser
from mulanzip.image.channels import to_coding_order
from mulanzip.imageio.reader import read_picture
from mulanzip.lattice.geometry import level_grids, level_view, segments
from mulanzip.lattice.schedules import SCHEDULES
from mulanzip.lattice.tile_schedules import TileSchedules


class FloatPredictor(PassPredictor):
    """The float denoiser in the role of the integer network; its outputs stay in float units."""

    def __init__(self, path: Path, config: Config):
        self.config = config
        self.denoiser = Denoiser(config)
        self.denoiser.load_state_dict(load_file(path))
        self._inputs = NativeBackend(kernels_to_use()[0])

    def input_planes(self, cells: np.ndarray, known: np.ndarray) -> np.ndarray:
        return self._inputs.input_planes(cells, known, self.sample_scale)

    def base_prediction(
        self, cells: np.ndarray, known: np.ndarray, phase: int, window: tuple[slice, slice]
    ) -> np.ndarray:
        return self._inputs.base_prediction(cells, known, phase, window, self.sample_scale)

    @torch.inference_mode()
    def features(self, planes: np.ndarray, index: int, level_class: int, earlier: Tensor | None) -> Tensor:
        start = None if earlier is None else earlier.permute(0, 3, 1, 2)
        planar = torch.from_numpy(planes).permute(0, 3, 1, 2)
        return self.denoiser.features(planar, index, level_class, start).permute(0, 2, 3, 1)

    @torch.inference_mode()
    def head(
        self, features: Tensor, offsets: np.ndarray, colour: int, *, name: str, level_class: int
    ) -> tuple[np.ndarray, np.ndarray]:
        outputs = self.denoiser.parameters_of(name, features.T, torch.from_numpy(offsets), colour, level_class)
        shapes, means = np.split(outputs.numpy(), [self.config.shape_outputs])
        return shapes, means


class FloatMeter(TileMeter):
    """Sums up the float code length of the network's own mixtures."""

    def __init__(self, mixtures: int, integers: bool):
        """Begin at zero bits.

        Args:
            integers: whether predictions come from the integer network.
        """
        super().__init__(PLAIN_STATISTICS)
        self.float_bits = 0.0
        self._mixtures = mixtures
        self._integers = integers

    def code_phase(self, planes: TilePlanes, phase: int, prediction: Prediction) -> np.ndarray:
        values = planes.values(phase)[0].reshape(COLOURS, -1)
        offsets = (values << MEAN_BITS) - prediction.base
        colours = []
        for colour in range(COLOURS):
            shapes, means = prediction.head(prediction.features, offsets[:colour], colour)
            parts = _float_units(shapes, means, self._mixtures) if self._integers else [shapes, means]
            colours.append(torch.from_numpy(np.concatenate(parts).astype(np.float32)))
        base = torch.from_numpy(prediction.base) / 2**MEAN_BITS
        truth = torch.from_numpy(values)
        self.float_bits += float(code_length(colours, base, truth, torch.ones(truth.shape[1])))
        return values.T


def _float_units(shapes: np.ndarray, means: np.ndarray, mixtures: int) -> list[np.ndarray]:
    """Convert integer outputs to the units of the float network."""
    shape_units = np.repeat([LOGIT_UNIT, LOG_SCALE_UNIT], mixtures)[:, None]
    mean_units = np.array([MEAN_UNIT] * mixtures + [COUPLING_UNIT] * (len(means) - mixtures))[:, None]
    return [(shapes.astype(np.float32) - SHAPE_ZERO) / shape_units, means / mean_units]


def _measure(planes: np.ndarray, predictor: Predictor, meter: FloatMeter) -> float:
    """Bits of all tiles, under the default schedule."""
    canvas = Canvas.of(planes)
    for segment in segments(*planes.shape[:2]):
        for tile in segment.tiles:
            code_tile(tile, canvas, predictor, SCHEDULES["default"], meter)
    return meter.float_bits


def stages(array: np.ndarray, runtime: Runtime, floats: FloatPredictor, model: str) -> list[float]:
    """Bits of an RGB image after each stage: float, integer network, integer CDF, coded, file."""
    planes = to_coding_order(array)
    coarsest = 8.0 * level_view(planes, level_grids(*planes.shape[:2])[-1]).size
    config, schedules = runtime.network.config, TileSchedules.uniform("default")
    plain = _measure(planes, floats, FloatMeter(config.mixtures, integers=False)) + coarsest
    rounded = _measure(planes, runtime.network, FloatMeter(config.mixtures, integers=True)) + coarsest
    corrected = sum(measure_segments(Canvas.of(planes), runtime, schedules, segments(*planes.shape[:2])))
    coded = sum(8.0 * (len(part) - HASH_BYTES) for part in encode_segments(planes, runtime, schedules))
    file = 8.0 * len(mulanzip.encode(array, model=model, effort=1, stored=False))
    return [plain, rounded, corrected, coded, file]


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("-m", "--model", default=registry.DEFAULT_MODEL, show_default=True)
def main(files: tuple[Path, ...], model: str) -> None:
    """Compare the float network's code length with the file, stage by stage."""
    found = registry.find(model)
    runtime = open_runtime(found.path)
    floats = FloatPredictor(found.path.with_name("float.safetensors"), runtime.network.config)
    click.echo(f"{'file':<16}{'float bpsp':>11}{'network %':>11}{'CDF %':>9}{'coding %':>10}{'all %':>9}{'file %':>9}")
    rows = []
    for file in files:
        array = read_picture(file)[0].to_array()
        bits = stages(array, runtime, floats, model)
        added = [100 * (b - a) / bits[0] for a, b in pairwise(bits)]
        row = [bits[0] / array.size, *added[:3], sum(added[:3]), added[3]]
        rows.append(row)
        click.echo(_line(file.name, row))
    click.echo(_line("mean", list(np.mean(rows, 0))))


def _line(name: str, row: list[float]) -> str:
    return f"{name:<16}{row[0]:>11.4f}{row[1]:>11.3f}{row[2]:>9.3f}{row[3]:>10.4f}{row[4]:>9.3f}{row[5]:>9.3f}"


if __name__ == "__main__":
    main()
