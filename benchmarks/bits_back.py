"""Bits-back on a Gaussian field: the codec compared with the bound, by bins per sigma, masks, initial bits and order.

    python -m benchmarks.bits_back

prints the tables of docs/bits-back.md.  Images have 8x8 pixels, the model is the best one of the field, and lengths are
in bits per pixel.
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
#: A contrast of about 25 values, and the variance that rounding to values adds.
SMOOTH = GaussianField.exponential(SIDE, 0.04, 3.0, 0.0005)
FIELD = GaussianField(SMOOTH.covariance + torch.eye(N, dtype=torch.float64) / 12 / VALUES_PER_UNIT**2)
PATH = LinearSchedule().path((SIDE, SIDE))
STEPS = (4, 8, 16, 32)
BINS = (0.5, 0.7, 1.0, 1.4, 2.0, 4.0)
#: Initial bytes per pixel, more than any of the codecs needs.
_INITIAL_BYTES = 4


def gammas(steps: int) -> Tensor:
    """``gamma`` at every step, float64 ``(steps + 1, N)``."""
    t = torch.arange(steps + 1, dtype=torch.float64) / steps
    return PATH(t)[0].expand(-1, 1, SIDE, SIDE).reshape(steps + 1, N)


def bound(x: np.ndarray, steps: int, draws: int) -> float:
    """The variational bound on these images in floating point, in bits per pixel."""
    values = torch.from_numpy(x).view(-1, 1, SIDE, SIDE)
    u, generator = to_unit(values).double(), torch.Generator().manual_seed(1)
    total = variational.prior(u).mean()
    for _ in range(draws):
        noise = torch.randn(u.shape, generator=generator, dtype=torch.float64)
        total += variational.reconstruction(values, noise).mean() / draws
        total += variational.diffusion(FIELD.denoise, PATH, u, steps, generator).mean() / draws
    return float(total) / N


def saved_by_rounding(bins: LatentBins) -> float:
    """Bits per pixel of ``z_0`` that rounding to bins removes.  This model pays for every bit of ``z_0``."""
    noise = (sigma(bins.gamma[0]) / alpha(bins.gamma[0])) ** 2
    rounded = noise + (bins.width[0] / alpha(bins.gamma[0])) ** 2 / 12
    return float(FIELD.ideal_bits(1 / noise) - FIELD.ideal_bits(1 / rounded)) / N


def measure(codec: MessageCodec[Any], x: np.ndarray, message: Message) -> tuple[float, float]:
    """Net length and initial bits used, per pixel.

    Raises:
        ClickException: if images or message are not restored.
    """
    before, start = message.copy(), message.bits
    codec.push(message, x)
    net, initial_bits_used = message.bits - start, start - message.min_bits
    if not np.array_equal(codec.pop(message), x) or message != before:
        raise click.ClickException("images or message are not restored")
    return net / x.size, initial_bits_used / x.size


def with_masks(process: Process, model: LinearModel, count: int, key: bytes) -> MessageCodec[Any]:
    """The codec with a mask before every latent is drawn."""

    def mask_link(link: Link, step: int) -> Link:
        return Link(lambda z: masked(link.posterior(z), key + bytes([step]), count * N), link.likelihood)

    return bit_swap([mask_link(link, step) for step, link in enumerate(process.links(model))], process.prior(count))


def all_first(process: Process, model: LinearModel, count: int) -> MessageCodec[Any]:
    """The codec that draws all latents before it codes any, as if they were one latent."""
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


def bins_table(x: np.ndarray, draws: int, messages: int) -> None:
    """Lengths by number of steps and bins per sigma."""
    click.echo("| T | bins per sigma | bound | net | | saved by rounding | initial bits used | us per pixel and step |")
    click.echo("|---|---|---|---|---|---|---|---|")
    for steps in STEPS:
        theory = bound(x, steps, draws)
        for per_sigma in BINS:
            bins = LatentBins.from_gamma(gammas(steps), per_sigma)
            codec = export_process(bins).codec(export_linear(bins, FIELD), len(x))
            start = time.perf_counter()
            found = [
                measure(codec, x, Message.pseudo_random(bytes([k]), _INITIAL_BYTES * x.size)) for k in range(messages)
            ]
            spent = (time.perf_counter() - start) / (2 * messages * steps * x.size)
            net, initial_bits_used = np.mean(found, 0)
            click.echo(
                f"| {steps} | {per_sigma} | {theory:.3f} | {net:.3f} | {net / theory - 1:+.2%} |"
                f" {saved_by_rounding(bins):.3f} | {initial_bits_used:.2f} | {1e6 * spent:.2f} |"
            )


def kinds(x: np.ndarray) -> dict[str, np.ndarray]:
    """Images that fit the model well or badly."""
    random = np.random.default_rng(0)
    return {
        "the field": x,
        "one image of it, repeated": np.repeat(x[:1], len(x), 0),
        "all of value 100": np.full_like(x, 100),
        "all of value 0": np.full_like(x, 0),
        "pixels 0 and 255 alternating": np.tile(np.array([0, 255], dtype=np.uint8), (len(x), N // 2)),
        "white noise": random.integers(0, 256, x.shape, dtype=np.uint8),
    }


def masks_table(x: np.ndarray, messages: int) -> None:
    """Net lengths without and with masks."""
    click.echo("| images, T = 8, 1 bin per sigma | net | +- | net with masks | +- |")
    click.echo("|---|---|---|---|---|")
    bins = LatentBins.from_gamma(gammas(8), 1.0)
    process, model = export_process(bins), export_linear(bins, FIELD)
    for name, images in kinds(x).items():
        cells = []
        for mask in (False, True):
            found = []
            for k in range(messages):
                codec = with_masks(process, model, len(x), bytes([k])) if mask else process.codec(model, len(x))
                found.append(measure(codec, images, Message.pseudo_random(bytes([k]), _INITIAL_BYTES * x.size))[0])
            cells.append(f"{np.mean(found):.3f} | {np.std(found):.3f}")
        click.echo(f"| {name} | {' | '.join(cells)} |")


def initial_bits_table(x: np.ndarray) -> None:
    """Net lengths by the content of the initial bits."""
    click.echo("| initial bits, T = 8, 1 bin per sigma | net |")
    click.echo("|---|---|")
    size = _INITIAL_BYTES * x.size
    text = FilePath(__file__).read_bytes()
    contents = {
        "random bytes": hashlib.shake_256(b"").digest(size),
        "zeros": bytes(size),
        "bytes of 255": b"\xff" * size,
        "this program's text": text * (size // len(text) + 1),
        "nothing": b"",
    }
    bins = LatentBins.from_gamma(gammas(8), 1.0)
    codec = export_process(bins).codec(export_linear(bins, FIELD), len(x))
    for name, content in contents.items():
        click.echo(f"| {name} | {measure(codec, x, Message.holding(content))[0]:.3f} |")


def order_table(x: np.ndarray) -> None:
    """Initial bits used by the order of pushes and pops."""
    click.echo("| T, 1 bin per sigma | initial bits used by Bit-Swap | with all latents drawn first |")
    click.echo("|---|---|---|")
    for steps in STEPS:
        bins = LatentBins.from_gamma(gammas(steps), 1.0)
        process, model = export_process(bins), export_linear(bins, FIELD)
        codecs = process.codec(model, len(x)), all_first(process, model, len(x))
        found = [measure(codec, x, Message.pseudo_random(b"", 3 * steps * x.size))[1] for codec in codecs]
        click.echo(f"| {steps} | {found[0]:.2f} | {found[1]:.2f} |")


@click.command()
@click.option("--count", default=600, show_default=True, help="Number of images.")
@click.option("--draws", default=32, show_default=True, help="Draws of noise for the bound.")
@click.option("--messages", default=4, show_default=True, help="Messages to average over.")
def main(count: int, draws: int, messages: int) -> None:
    """Print all tables."""
    torch.set_num_threads(1)
    x = to_values(FIELD.sample(count, torch.Generator().manual_seed(0))).numpy()
    some = x[:200]
    order_table(some)
    click.echo()
    initial_bits_table(some)
    click.echo()
    masks_table(some, messages)
    click.echo()
    bins_table(x, draws, messages)


if __name__ == "__main__":
    main()
