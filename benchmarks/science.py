"""Scientific images by kind: ours beside PNG, JPEG-LS, JPEG 2000 and JPEG XL.

    python -m benchmarks.science FOLDER --state FILE [-m MODEL] [-e EFFORT]... [-o TABLE]

FOLDER has PNG files of 8 or 16 bits whose names are KIND_SOURCE_NUMBER.png.  Every image is coded and decoded by every
codec on one thread, each codec in a process of its own, and compared.  What is done stands in FILE: a run that was
stopped goes on where it was.  The table has, for each kind and all images, bits per sample of all its samples together;
the bits of ours as a ratio to those of the smallest JPEG XL file of each image (efforts 3, 6, 7 and 9), with an
interval of 95 % by resampling sources, and the ratio of the worst image; and the processor time of coding and decoding
as a multiple of that of JPEG XL at effort 7, with the peak memory of the process.
"""

from __future__ import annotations

import json
import multiprocessing
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import click
import imagecodecs
import numpy as np
from PIL import Image

import mulanzip
from mulanzip.bench.peak_memory import peak_mib, reset_peak
from mulanzip.options import EncodeOptions

_XL_EFFORTS = (3, 6, 7, 9)
_REFERENCE = "jxl-e7"
_RESAMPLES = 2000
T = TypeVar("T")
_Pair = tuple[Callable[[np.ndarray], bytes], Callable[[bytes], np.ndarray]]


@dataclass(frozen=True)
class Outcome:
    """One image by one codec.  Times are seconds of processor time; the peak is MiB of the whole process."""

    image: str
    codec: str
    samples: int
    size: int
    encode: float
    decode: float
    peak: float


def other_codecs() -> dict[str, _Pair]:
    """Lossless codecs by name: array -> bytes, and bytes -> array."""

    def jpeg_xl(effort: int) -> _Pair:
        return (
            lambda a: bytes(imagecodecs.jpegxl_encode(a, lossless=True, effort=effort, numthreads=1)),
            lambda data: imagecodecs.jpegxl_decode(data, numthreads=1),
        )

    return {
        "png": (lambda a: bytes(imagecodecs.png_encode(a, level=9)), imagecodecs.png_decode),
        "jpeg-ls": (lambda a: bytes(imagecodecs.jpegls_encode(a)), imagecodecs.jpegls_decode),
        "jpeg-2000": (
            lambda a: bytes(imagecodecs.jpeg2k_encode(a, level=0, reversible=True, numthreads=1)),
            lambda data: imagecodecs.jpeg2k_decode(data, numthreads=1),
        ),
        **{f"jxl-e{effort}": jpeg_xl(effort) for effort in _XL_EFFORTS},
    }


def our_codec(model: str, effort: int) -> _Pair:
    return (
        lambda a: mulanzip.encode(a, model=model, effort=effort, threads=1),
        lambda data: mulanzip.decode(data, model=None if model == "auto" else model, threads=1),
    )


def read(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        pixels = np.asarray(picture)
    return pixels if pixels.dtype == np.uint8 else pixels.astype(np.uint16)


def codec_of(name: str) -> _Pair:
    """A codec by its name in the table; ours is ``MODEL-eEFFORT``."""
    others = other_codecs()
    if name in others:
        return others[name]
    model, effort = name.rsplit("-e", 1)
    return our_codec(model, int(effort))


def measure(path: Path, codec: str) -> Outcome:
    """Code and decode an image.

    Raises:
        AssertionError: if it does not come back.
    """
    array = read(path)
    data, encode, decode, peak = timed(path.name, codec, codec_of(codec), array)
    return Outcome(path.name, codec, array.size, len(data), encode, decode, peak)


def outcomes_in(
    state: Path, paths: Sequence[Path], codecs: Sequence[str], measure: Callable[[Path, str], Outcome]
) -> list[Outcome]:
    """All images by all codecs, one process for each codec; what is not in the state file yet is measured."""
    outcomes = [Outcome(**json.loads(line)) for line in state.read_text().splitlines()] if state.exists() else []
    done = {(outcome.image, outcome.codec) for outcome in outcomes}
    for codec in codecs:
        left = [path for path in paths if (path.name, codec) not in done]
        for outcome in _apart(codec, left, measure):
            outcomes.append(outcome)
            with open(state, "a") as file:
                file.write(json.dumps(asdict(outcome)) + "\n")
    return outcomes


def _apart(codec: str, paths: Sequence[Path], measure: Callable[[Path, str], Outcome]) -> Iterator[Outcome]:
    if not paths:
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as process:
        for path in paths:
            yield process.submit(measure, path, codec).result()


def timed(
    name: str, codec: str, pair: tuple[Callable[[np.ndarray], T], Callable[[T], np.ndarray]], array: np.ndarray
) -> tuple[T, float, float, float]:
    """What a codec makes of an array, seconds of processor time to encode and to decode it, and MiB at the peak.

    Raises:
        AssertionError: if it does not come back.
    """
    encode, decode = pair
    reset_peak()
    start = time.process_time()
    data = encode(array)
    middle = time.process_time()
    restored = decode(data)
    end = time.process_time()
    peak = peak_mib()
    if not np.array_equal(restored, array):
        raise AssertionError(f"{name}: {codec} does not restore it")
    return data, middle - start, end - middle, peak


def source_of(image: str) -> str:
    """KIND_SOURCE of a file name: images of one source are not independent."""
    return image.rsplit("_", 1)[0]


def interval(images: list[str], ours: dict[str, int], best: dict[str, int]) -> tuple[float, float]:
    """Interval of 95 % of the ratio of total sizes, by resampling sources."""
    by_source = defaultdict(list)
    for image in images:
        by_source[source_of(image)].append((ours[image], best[image]))
    totals = np.array([np.sum(pairs, 0) for pairs in by_source.values()])
    drawn = np.random.default_rng(0).integers(len(totals), size=(_RESAMPLES, len(totals)))
    sums = totals[drawn].sum(1)
    low, high = np.percentile(sums[:, 0] / sums[:, 1], (2.5, 97.5))
    return float(low), float(high)


def table(outcomes: list[Outcome], codecs: list[str], own: list[str]) -> str:
    """The table, as text."""
    size: dict[str, dict[str, int]] = defaultdict(dict)
    samples = {}
    for o in outcomes:
        size[o.codec][o.image] = o.size
        samples[o.image] = o.samples
    images = sorted(image for image in samples if all(image in size[codec] for codec in codecs))
    best = {image: min(size[f"jxl-e{effort}"][image] for effort in _XL_EFFORTS) for image in images}
    lines = [f"{'kind':8}{'images':>7}" + "".join(f"{codec:>11}" for codec in codecs) + f"{'best jxl':>11}"]
    lines[0] += "".join(f"{name + ' / best jxl':>30}{'worst':>7}" for name in own)
    kinds = sorted({image.split("_")[0] for image in images})
    for kind in (*kinds, "all"):
        part = [image for image in images if kind in ("all", image.split("_")[0])]
        count = sum(samples[image] for image in part)
        line = f"{kind:8}{len(part):7}"
        for sizes in (*(size[codec] for codec in codecs), best):
            line += f"{8 * sum(sizes[image] for image in part) / count:11.3f}"
        for name in own:
            ratio = sum(size[name][image] for image in part) / sum(best[image] for image in part)
            low, high = interval(part, size[name], best)
            worst = max(size[name][image] / best[image] for image in part)
            line += f"{f'{ratio:.3f} ({low:.3f} to {high:.3f})':>30}{worst:7.3f}"
        lines.append(line)
    lines.append("")
    lines.append(f"processor time, one thread, as a multiple of that of {_REFERENCE}: coding, decoding; peak MiB")
    times = {codec: [o for o in outcomes if o.codec == codec and o.image in images] for codec in codecs}
    unit = [sum(o.encode for o in times[_REFERENCE]), sum(o.decode for o in times[_REFERENCE])]
    for codec in codecs:
        coding, decoding = sum(o.encode for o in times[codec]), sum(o.decode for o in times[codec])
        peak = max(o.peak for o in times[codec])
        lines.append(f"{codec:20}{coding / unit[0]:8.2f}{decoding / unit[1]:8.2f}{peak:8.0f}")
    seconds = [sum(samples[image] for image in images) / 1e6 / total for total in unit]
    lines.append(f"{_REFERENCE}: {seconds[0]:.2f} and {seconds[1]:.2f} megasamples a second")
    return "\n".join(lines) + "\n"


@click.command(help=__doc__)
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--state", required=True, type=click.Path(dir_okay=False, path_type=Path))
@click.option("-m", "--model", "models", default=(EncodeOptions.model,), multiple=True, show_default=True)
@click.option("-e", "--effort", "efforts", default=(1, EncodeOptions.effort), multiple=True, show_default=True)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path))
def main(folder: Path, state: Path, models: tuple[str, ...], efforts: tuple[int, ...], output: Path | None) -> None:
    own = [f"{model}-e{effort}" for model in models for effort in efforts]
    codecs = [*other_codecs(), *own]
    text = table(outcomes_in(state, sorted(folder.glob("*.png")), codecs, measure), codecs, own)
    click.echo(text, nl=False)
    if output is not None:
        output.write_text(text)


if __name__ == "__main__":
    main()
