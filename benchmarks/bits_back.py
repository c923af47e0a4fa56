"""Bits-back on a Gaussian field: the real codec beside the bound, by bins per sigma, masks, seeds and order.

    python -m benchmarks.bits_back

prints the tables of docs/bits-back.md.  Images are 8x8 pixels, the model is the best one; lengths are bits per pixel.
"""

from __future__ import annotations

import hashlib
import time
from pathlib import Path as FilePath
from typing import Any

import click
import numpy as np
import torch
from torch import Tensor

from benchmarks.fields.gaussian_field import GaussianField
from benchmarks.fields.integer_process import LatentBins, export_linear, export_process
from benchmarks.fields.linear_model import LinearModel
from mulanzip.entropy.message import Message
from mulanzip.gaussian import variational
from mulanzip.gaussian.exact.codecs import Link, MessageCodec, bit_swap, masked
from mulanzip.gaussian.exact.process import Process
from mulanzip.gaussian.forward import VALUES_PER_UNIT, alpha, sigma, to_unit, to_values
from mulanzip.gaussian.noise_schedule import LinearSchedule

SIDE = 8
N = SIDE * SIDE
#: About 25 levels of contrast; and what rounding to levels adds.
SMOOTH = GaussianField.exponential(SIDE, 0.04, 3.0, 0.0005)
FIELD = GaussianField(SMOOTH.covariance + torch.eye(N, dtype=torch.float64) / 12 / VALUES_PER_UNIT**2)
PATH = LinearSchedule().path((SIDE, SIDE))
STEPS = (4, 8, 16, 32)
BINS = (0.5, 0.7, 1.0, 1.4, 2.0, 4.0)
#: Bytes to borrow from, per pixel; more than any of this needs.
_SEED = 4


def gammas(steps: int) -> Tensor:
    t = torch.arange(steps + 1, dtype=torch.float64) / steps
    return PATH(t)[0].expand(-1, 1, SIDE, SIDE).reshape(steps + 1, N)


def bound(x: np.ndarray, steps: int, draws: int) -> float:
    """The variational bound on these images, in floating point."""
    values = torch.from_numpy(x).view(-1, 1, SIDE, SIDE)
    u, generator = to_unit(values).double(), torch.Generator().manual_seed(1)
    total = variational.prior(u).mean()
    for _ in range(draws):
        noise = torch.randn(u.shape, generator=generator, dtype=torch.float64)
        total += variational.reconstruction(values, noise).mean() / draws
        total += variational.diffusion(FIELD.denoise, PATH, u, steps, generator).mean() / draws
    return float(total) / N


def left_out(grid: LatentBins) -> float:
    """Bits that ``z_0`` does not say for being rounded to bins: this model pays for all that it says."""
    noise = (sigma(grid.gamma[0]) / alpha(grid.gamma[0])) ** 2
    rounded = noise + (grid.width[0] / alpha(grid.gamma[0])) ** 2 / 12
    return float(FIELD.ideal_bits(1 / noise) - FIELD.ideal_bits(1 / rounded)) / N


def measure(codec: MessageCodec[Any], x: np.ndarray, message: Message) -> tuple[float, float]:
    """Net length and borrowed bits per pixel; fails if anything is not restored."""
    before, start = message.copy(), message.bits
    codec.push(message, x)
    net, borrowed = message.bits - start, start - message.min_bits
    if not np.array_equal(codec.pop(message), x) or message != before:
        raise click.ClickException("images or message are not restored")
    return net / x.size, borrowed / x.size


def with_masks(process: Process, model: LinearModel, count: int, key: bytes) -> MessageCodec[Any]:
    """A mask before every latent is drawn."""

    def behind(link: Link, step: int) -> Link:
        return Link(lambda z: masked(link.posterior(z), key + bytes([step]), count * N), link.likelihood)

    return bit_swap([behind(link, step) for step, link in enumerate(process.links(model))], process.prior(count))


def all_first(process: Process, model: LinearModel, count: int) -> MessageCodec[Any]:
    """All latents are drawn before any is coded, as if they were one."""
    links, prior = process.links(model), process.prior(count)

    def push(message: Message, x: Any) -> None:
        values = [x]
        for link in links:
            values.append(link.posterior(values[-1]).pop(message))
        for link, below, above in zip(links, values, values[1:], strict=False):
            link.likelihood(above).push(message, below)
        prior.push(message, values[-1])

    def pop(message: Message) -> Any:
        values = [prior.pop(message)]
        for link in reversed(links):
            values.append(link.likelihood(values[-1]).pop(message))
        for link, below, above in zip(reversed(links), values[1:], values, strict=False):
            link.posterior(below).push(message, above)
        return values[-1]

    return MessageCodec(push, pop)


def bins_table(x: np.ndarray, draws: int, seeds: int) -> None:
    click.echo("| T | bins per sigma | bound | net | | left out | borrowed | us per pixel and step |")
    click.echo("|---|---|---|---|---|---|---|---|")
    for steps in STEPS:
        theory = bound(x, steps, draws)
        for bins in BINS:
            grid = LatentBins.from_gamma(gammas(steps), bins)
            codec = export_process(grid).codec(export_linear(grid, FIELD), len(x))
            start = time.perf_counter()
            found = [measure(codec, x, Message.pseudo_random(bytes([k]), _SEED * x.size)) for k in range(seeds)]
            spent = (time.perf_counter() - start) / (2 * seeds * steps * x.size)
            net, borrowed = np.mean(found, 0)
            click.echo(
                f"| {steps} | {bins} | {theory:.3f} | {net:.3f} | {net / theory - 1:+.2%} | {left_out(grid):.3f} |"
                f" {borrowed:.2f} | {1e6 * spent:.2f} |"
            )


def kinds(x: np.ndarray) -> dict[str, np.ndarray]:
    """Images that the model is right and wrong about."""
    random = np.random.default_rng(0)
    return {
        "the field": x,
        "one image of it again and again": np.repeat(x[:1], len(x), 0),
        "all of value 100": np.full_like(x, 100),
        "all of value 0": np.full_like(x, 0),
        "pixels 0 and 255 in turn": np.tile(np.array([0, 255], dtype=np.uint8), (len(x), N // 2)),
        "white noise": random.integers(0, 256, x.shape, dtype=np.uint8),
    }


def masks_table(x: np.ndarray, seeds: int) -> None:
    click.echo("| images, T = 8, 1 bin per sigma | net | +- | behind masks | +- |")
    click.echo("|---|---|---|---|---|")
    grid = LatentBins.from_gamma(gammas(8), 1.0)
    process, model = export_process(grid), export_linear(grid, FIELD)
    for name, images in kinds(x).items():
        cells = []
        for mask in (False, True):
            found = []
            for k in range(seeds):
                codec = with_masks(process, model, len(x), bytes([k])) if mask else process.codec(model, len(x))
                found.append(measure(codec, images, Message.pseudo_random(bytes([k]), _SEED * x.size))[0])
            cells.append(f"{np.mean(found):.3f} | {np.std(found):.3f}")
        click.echo(f"| {name} | {' | '.join(cells)} |")


def seeds_table(x: np.ndarray) -> None:
    click.echo("| borrowed from, T = 8, 1 bin per sigma | net |")
    click.echo("|---|---|")
    size = _SEED * x.size
    text = FilePath(__file__).read_bytes()
    contents = {
        "random bytes": hashlib.shake_256(b"").digest(size),
        "zeros": bytes(size),
        "bytes of 255": b"\xff" * size,
        "this program's text": text * (size // len(text) + 1),
        "nothing": b"",
    }
    grid = LatentBins.from_gamma(gammas(8), 1.0)
    codec = export_process(grid).codec(export_linear(grid, FIELD), len(x))
    for name, content in contents.items():
        click.echo(f"| {name} | {measure(codec, x, Message.holding(content))[0]:.3f} |")


def order_table(x: np.ndarray) -> None:
    click.echo("| T, 1 bin per sigma | borrowed in Bit-Swap order | all latents first |")
    click.echo("|---|---|---|")
    for steps in STEPS:
        grid = LatentBins.from_gamma(gammas(steps), 1.0)
        process, model = export_process(grid), export_linear(grid, FIELD)
        codecs = process.codec(model, len(x)), all_first(process, model, len(x))
        found = [measure(codec, x, Message.pseudo_random(b"", 3 * steps * x.size))[1] for codec in codecs]
        click.echo(f"| {steps} | {found[0]:.2f} | {found[1]:.2f} |")


@click.command()
@click.option("--count", default=600, show_default=True, help="Images.")
@click.option("--draws", default=32, show_default=True, help="Of noise, for the bound.")
@click.option("--seeds", default=4, show_default=True, help="Messages to average over.")
def main(count: int, draws: int, seeds: int) -> None:
    """Print all tables."""
    torch.set_num_threads(1)
    x = to_values(FIELD.sample(count, torch.Generator().manual_seed(0))).numpy()
    some = x[:200]
    order_table(some)
    click.echo()
    seeds_table(some)
    click.echo()
    masks_table(some, seeds)
    click.echo()
    bins_table(x, draws, seeds)


if __name__ == "__main__":
    main()
