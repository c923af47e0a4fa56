"""The cost of each stage between the float network and the file.

    python -m benchmarks.losses FILES...

For every image it prints the code length under the float network in bits per subpixel.  Then, in percent of that, it
prints what the integer network adds, what the integer CDF adds, what entropy coding adds, their sum, and what a file at
effort 1 adds to that (headers and checksums, minus the savings of presets, gamuts and value edges).
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
from mulanzip.codec.segment import HASH_BYTES, encode_segments
from mulanzip.codec.subpixels import MixtureCoder
from mulanzip.codec.tile import PhaseCoder, Predictor, code_tile, level_view
from mulanzip.density.config import COLOURS, MEAN_BITS, Config
from mulanzip.density.mixture import COUPLING_UNIT, LOG_SCALE_UNIT, LOGIT_UNIT, MEAN_UNIT, SHAPE_ZERO
from mulanzip.density.native_backend import NativeBackend, kernels_to_use
from mulanzip.density.passes import PassPredictor
from mulanzip.density.prediction import Prediction
from mulanzip.density.runtime import Runtime, open_runtime
from mulanzip.entropy.ans import BitCounter
from mulanzip.floatnet.loss import code_length
from mulanzip.floatnet.network import Denoiser
from mulanzip.image.channels import to_coding_order
from mulanzip.imageio.reader import read_picture
from mulanzip.lattice.geometry import level_grids, segments
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


class FloatLikelihood:
    """Sums up the float code length of the phases that it is given."""

    def __init__(self, mixtures: int, integers: bool):
        """Begin at zero bits.

        Args:
            integers: whether predictions come from the integer network.
        """
        self.bits = 0.0
        self._mixtures = mixtures
        self._integers = integers

    def code_phase(self, prediction: Prediction, truth: np.ndarray | None) -> np.ndarray:
        assert truth is not None
        offsets = (truth.T.astype(np.int32) << MEAN_BITS) - prediction.base
        colours = []
        for colour in range(COLOURS):
            shapes, means = prediction.head(prediction.features, offsets[:colour], colour)
            parts = _float_units(shapes, means, self._mixtures) if self._integers else [shapes, means]
            colours.append(torch.from_numpy(np.concatenate(parts).astype(np.float32)))
        base = torch.from_numpy(prediction.base) / 2**MEAN_BITS
        self.bits += float(code_length(colours, base, torch.from_numpy(truth.T), torch.ones(len(truth))))
        return truth


def _float_units(shapes: np.ndarray, means: np.ndarray, mixtures: int) -> list[np.ndarray]:
    """Convert integer outputs to the units of the float network."""
    shape_units = np.repeat([LOGIT_UNIT, LOG_SCALE_UNIT], mixtures)[:, None]
    mean_units = np.array([MEAN_UNIT] * mixtures + [COUPLING_UNIT] * (len(means) - mixtures))[:, None]
    return [(shapes.astype(np.float32) - SHAPE_ZERO) / shape_units, means / mean_units]


def _code(planes: np.ndarray, predictor: Predictor, coder: PhaseCoder) -> None:
    """Run all tiles through a coder, under the default schedule."""
    for segment in segments(*planes.shape[:2]):
        for tile in segment.tiles:
            code_tile(tile, planes, predictor, SCHEDULES["default"], coder, decoding=False)


def stages(array: np.ndarray, runtime: Runtime, floats: FloatPredictor, model: str) -> list[float]:
    """Bits of an RGB image after each stage: float, integer network, integer CDF, coded, file."""
    planes = to_coding_order(array)
    coarsest = 8.0 * level_view(planes, level_grids(*planes.shape[:2])[-1]).size
    config = runtime.network.config
    plain = FloatLikelihood(config.mixtures, integers=False)
    _code(planes, floats, plain)
    rounded = FloatLikelihood(config.mixtures, integers=True)
    _code(planes, runtime.network, rounded)
    counter = BitCounter()
    _code(planes, runtime.network, MixtureCoder(runtime.likelihood, counter))
    parts = encode_segments(planes, runtime, TileSchedules.uniform("default"))
    coded = sum(8.0 * (len(part) - HASH_BYTES) for part in parts)
    file = 8.0 * len(mulanzip.encode(array, model=model, effort=1, stored=False))
    return [plain.bits + coarsest, rounded.bits + coarsest, counter.bits + coarsest, coded, file]


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
