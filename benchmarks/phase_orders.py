"""Code length by the order in which phases are revealed: one small network per order.

    python -m benchmarks.phase_orders TRAIN DEV --steps 1500

Each order has a network of its own: one pass and its heads per step, trained for the masks of this order alone, with
the same number of steps and cells.  Bits are those of the centres of DEV, in float arithmetic, without tiles.
"""

from __future__ import annotations

import math
import time
from pathlib import Path

import click
import numpy as np
import torch
from torch import Tensor, nn

from mulanzip.density.config import COLOURS, MEAN_BITS, UNIT, Config
from mulanzip.density.inputs import base_prediction, input_planes
from mulanzip.floatnet.loss import code_length
from mulanzip.floatnet.network import Head, Pass
from mulanzip.floatnet.objective import cells_of
from mulanzip.floatnet.precision import has_fast_bfloat16
from mulanzip.lattice.geometry import PHASE_NAMES, A, D, H, V, level_grids
from mulanzip.training.data import Patches, load_images
from mulanzip.training.muon import Muon

ORDERS: dict[str, tuple[tuple[int, ...], ...]] = {
    "DHV": ((D, H, V),),
    "D, HV": ((D,), (H, V)),
    "HV, D": ((H, V), (D,)),
    "H, DV": ((H,), (D, V)),
    "DH, V": ((D, H), (V,)),
    "D, H, V": ((D,), (H,), (V,)),
    "H, V, D": ((H,), (V,), (D,)),
}
_CONFIG = Config(channels=44, blocks=2)
_CELLS = 8192


class OrderedDenoiser(nn.Module):
    """One pass per step and one head per phase; a later pass gets the features of the pass before it."""

    def __init__(self, order: tuple[tuple[int, ...], ...]):
        super().__init__()
        self.order = order
        self.passes = nn.ModuleList(Pass(_CONFIG) for _ in order)
        self.heads = nn.ModuleDict({PHASE_NAMES[phase]: Head(_CONFIG) for phases in order for phase in phases})

    def bits(self, cells: Tensor, level: int) -> Tensor:
        """Code length of the phases H, V and D of int32 cells ``(B, 4, 3, h, w)``."""
        level_class = _CONFIG.level_class(level)
        known = torch.zeros((len(cells), 4, *cells.shape[3:]), dtype=torch.bool)
        known[:, A] = True
        features: Tensor | None = None
        total = torch.zeros((), dtype=torch.float64)
        for step, phases in zip(self.passes, self.order, strict=True):
            planes = (input_planes(cells, known).float() / UNIT).contiguous(memory_format=torch.channels_last)
            with torch.autocast("cpu", torch.bfloat16, enabled=has_fast_bfloat16()):
                features = step(planes, level_class, features)
            assert features is not None
            rows = features.float().permute(1, 0, 2, 3).flatten(1).contiguous()
            for phase in phases:
                base = base_prediction(cells, known, phase).transpose(0, 1).flatten(1)
                values = cells[:, phase].transpose(0, 1).flatten(1)
                head, offsets = self.heads[PHASE_NAMES[phase]], (values << MEAN_BITS) - base
                outputs = [head(rows, offsets, colour, level_class) for colour in range(COLOURS)]
                total = total + code_length(outputs, base / 2**MEAN_BITS, values, torch.ones(values.shape[1]))
            known[:, list(phases)] = True
        return total


def _train(model: OrderedDenoiser, images: list[np.ndarray], steps: int, seed: int) -> float:
    """Train a network.  Returns seconds per step."""
    patches, rng = Patches(images, _CELLS), np.random.default_rng(seed)
    matrices = [p for n, p in model.passes.named_parameters() if ".body." in n and p.ndim == 2 and "weight" in n]
    others = [p for p in model.parameters() if all(p is not m for m in matrices)]
    kind = torch.bfloat16 if has_fast_bfloat16() else torch.float32
    optimisers = [
        Muon(matrices, lr=0.007, weight_decay=0.1, dtype=kind),
        torch.optim.Adam(others, lr=0.002, betas=(0.9, 0.99)),
    ]
    peaks = [o.param_groups[0]["lr"] for o in optimisers]
    start = time.perf_counter()
    for step in range(steps):
        for optimiser, peak in zip(optimisers, peaks, strict=True):
            rate = min(1.0, (step + 1) / 100) * 0.5 * (1 + math.cos(math.pi * step / steps))
            optimiser.param_groups[0]["lr"] = peak * rate
        level, _, batch = patches.draw(rng)
        (model.bits(cells_of(torch.from_numpy(batch)), level) / (0.75 * batch.size)).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimiser in optimisers:
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
    return (time.perf_counter() - start) / steps


@torch.no_grad()
def _levels(model: OrderedDenoiser, images: list[np.ndarray]) -> np.ndarray:
    """Bits of every level, divided by all subpixels; levels from 6 on are added up."""
    bits = np.zeros(7)
    for image in images:
        for grid in level_grids(*image.shape[:2])[:-1]:
            pixels = image[:: 1 << grid.level, :: 1 << grid.level][: grid.height // 2 * 2, : grid.width // 2 * 2]
            if pixels.size:
                cells = cells_of(torch.from_numpy(pixels.transpose(2, 0, 1).copy())[None])
                bits[min(grid.level, 6)] += float(model.bits(cells, grid.level))
    return bits / sum(i.size for i in images)


@click.command()
@click.argument("train", type=click.Path(exists=True, path_type=Path))
@click.argument("dev", type=click.Path(exists=True, path_type=Path))
@click.option("--steps", default=1500, show_default=True)
@click.option("--seeds", default=1, show_default=True, help="Runs of each order.")
def main(train: Path, dev: Path, steps: int, seeds: int) -> None:
    """Train one network per order on TRAIN, and print its bits on the centres of DEV."""
    images = load_images([train])
    crops = [i[i.shape[0] // 2 - 64 :, i.shape[1] // 2 - 64 :][:128, :128] for i in load_images([dev])]
    print(f"{steps} steps each; bits per subpixel in all, then by level")
    for name, order in ORDERS.items():
        for seed in range(seeds):
            torch.manual_seed(seed)
            model = OrderedDenoiser(order)
            seconds = _train(model, images, steps, seed)
            bits = _levels(model, crops)
            levels = " ".join(f"{b:.4f}" for b in bits[:5])
            print(f"{name:<10} seed {seed}  {bits.sum():.4f}   {levels}   {1000 * seconds:.0f} ms per step", flush=True)


if __name__ == "__main__":
    main()
