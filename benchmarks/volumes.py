"""Stacks of slices: ours with and without neighbouring slices beside JPEG XL slice by slice.

    python -m benchmarks.volumes FOLDER --state FILE [-e EFFORT]... [-o TABLE]

FOLDER has TIFF files of gray slices, or of bands where "bands" is in the name.  Everything is coded and decoded on one
thread, and compared.  What is done stands in FILE: a run that was stopped goes on where it was.  The table has bits per
sample; then the size of ours as a ratio to that of JPEG XL at effort 7, slice by slice, and to that of ours slice by
slice; nanoseconds of processor time per sample, and the peak memory of a process for each codec.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import click
import numpy as np
import tifffile

import mulanzip
from benchmarks.science import Outcome, other_codecs, our_codec, outcomes_in, timed

_EFFORTS = (1,)
_OTHERS = ("jpeg-ls", "jxl-e7", "jxl-e9")
_REFERENCE = "jxl-e7"
_Encode = Callable[[np.ndarray], list[bytes]]
_Decode = Callable[[Sequence[bytes]], np.ndarray]


def by_slice(pair: tuple[Callable[[np.ndarray], bytes], Callable[[bytes], np.ndarray]]) -> tuple[_Encode, _Decode]:
    """Each slice alone."""
    encode, decode = pair
    return (
        lambda volume: [encode(np.ascontiguousarray(one)) for one in volume],
        lambda files: np.stack([decode(data) for data in files]),
    )


def as_stack(effort: int, bands: bool) -> tuple[_Encode, _Decode]:
    """All slices, or bands, in one file."""

    def encode(volume: np.ndarray) -> list[bytes]:
        array = np.ascontiguousarray(np.moveaxis(volume, 0, 2)) if bands else volume
        return [mulanzip.encode(array, effort=effort, stack=not bands, threads=1)]

    def decode(files: Sequence[bytes]) -> np.ndarray:
        array = mulanzip.decode(files[0], threads=1)
        return np.moveaxis(array, 2, 0) if bands else array

    return encode, decode


def codecs_for(efforts: Sequence[int]) -> list[str]:
    """Names of all codecs; ours last."""
    return [*_OTHERS, *(f"{form}-e{effort}" for effort in efforts for form in ("slices", "stack"))]


def codec_of(name: str, bands: bool) -> tuple[_Encode, _Decode]:
    """A codec by its name; ``bands`` says what the slices are."""
    if name in _OTHERS:
        return by_slice(other_codecs()[name])
    form, effort = name.rsplit("-e", 1)
    return by_slice(our_codec("auto", int(effort))) if form == "slices" else as_stack(int(effort), bands)


def measure(path: Path, codec: str) -> Outcome:
    """Code and decode a volume.

    Raises:
        AssertionError: if it does not come back.
    """
    volume = tifffile.imread(path)
    files, encode, decode, peak = timed(path.name, codec, codec_of(codec, "bands" in path.stem), volume)
    return Outcome(path.name, codec, volume.size, sum(map(len, files)), encode, decode, peak)


def table(outcomes: Sequence[Outcome], efforts: Sequence[int]) -> str:
    """The table, as text."""
    found: dict[str, dict[str, Outcome]] = defaultdict(dict)
    for outcome in outcomes:
        found[outcome.image][outcome.codec] = outcome
    codecs = codecs_for(efforts)
    lines = [f"{'volume':26}" + "".join(f"{codec:>11}" for codec in codecs)]
    for effort in efforts:
        lines[0] += f"{f'stack-e{effort} / jxl':>17}{'/ slices':>10}"
    volumes = [name for name, own in sorted(found.items()) if set(codecs) <= set(own)]
    for names in (*([name] for name in volumes), volumes):
        sizes = {codec: sum(found[name][codec].size for name in names) for codec in codecs}
        samples = sum(found[name][codecs[0]].samples for name in names)
        line = f"{names[0].removesuffix('.tif') if len(names) == 1 else 'all':26}"
        line += "".join(f"{8 * sizes[codec] / samples:11.3f}" for codec in codecs)
        for effort in efforts:
            own = sizes[f"stack-e{effort}"]
            line += f"{own / sizes[_REFERENCE]:17.3f}{own / sizes[f'slices-e{effort}']:10.3f}"
        lines.append(line)
    lines += ["", "processor time, ns per sample, one thread: coding, decoding; peak MiB"]
    for codec in codecs:
        samples = sum(found[name][codec].samples for name in volumes)
        coding = 1e9 * sum(found[name][codec].encode for name in volumes) / samples
        decoding = 1e9 * sum(found[name][codec].decode for name in volumes) / samples
        peak = max(found[name][codec].peak for name in volumes)
        lines.append(f"{codec:26}{coding:11.0f}{decoding:11.0f}{peak:11.0f}")
    return "\n".join(lines) + "\n"


@click.command(help=__doc__)
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--state", required=True, type=click.Path(dir_okay=False, path_type=Path))
@click.option("-e", "--effort", "efforts", default=_EFFORTS, multiple=True, show_default=True)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path))
def main(folder: Path, state: Path, efforts: tuple[int, ...], output: Path | None) -> None:
    outcomes = outcomes_in(state, sorted(folder.glob("*.tif")), codecs_for(efforts), measure)
    text = table(outcomes, efforts)
    click.echo(text, nl=False)
    if output is not None:
        output.write_text(text)


if __name__ == "__main__":
    main()
