"""The measurements of a codec, summed up over images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mulanzip.bench.outcome import Measurement

#: The codec whose speed others are compared with.
YARDSTICK = "jxl-e7"


@dataclass(frozen=True)
class Summary:
    """All images of one codec.

    Attributes:
        files: number of images.
        size: sum over images, in bytes.
        bpsp: bits per subpixel, mean over images.
        ratio: size relative to the baseline, over the images that both codecs coded.
        encode_speed, decode_speed: megapixels per second.
        peak_mib: largest peak memory.
        restored: number of images that came back.
    """

    codec: str
    files: int
    size: int
    bpsp: float
    ratio: float
    encode_speed: float
    decode_speed: float
    peak_mib: float
    restored: int


def summarize(rows: Sequence[Measurement]) -> list[Summary]:
    """One summary per codec, in order of appearance."""
    groups = by_codec(rows)
    return [
        Summary(
            codec=codec,
            files=len(group),
            size=sum(row.size for row in group),
            bpsp=mean([row.bpsp for row in group]),
            ratio=_ratio(group, groups[baseline(rows)]),
            encode_speed=sum(row.megapixels for row in group) / sum(row.encode_s for row in group),
            decode_speed=sum(row.megapixels for row in group) / sum(row.decode_s for row in group),
            peak_mib=max(row.peak_mib for row in group),
            restored=sum(row.restored for row in group),
        )
        for codec, group in groups.items()
    ]


def shared(rows: Sequence[Measurement]) -> list[Measurement]:
    """The measurements of images that every codec restored: means over others cannot be compared."""
    restored = [{row.file for row in group if row.restored} for group in by_codec(rows).values()]
    return [row for row in rows if all(row.file in files for files in restored)]


def by_codec(rows: Iterable[Measurement]) -> dict[str, list[Measurement]]:
    """Measurements of every codec, in order of appearance."""
    groups: dict[str, list[Measurement]] = {}
    for row in rows:
        groups.setdefault(row.codec, []).append(row)
    return groups


def baseline(rows: Sequence[Measurement]) -> str:
    """The codec with which the others are compared: PNG, or the first one."""
    codecs = [row.codec for row in rows]
    return "png" if "png" in codecs else codecs[0]


def mean(values: Sequence[float]) -> float:
    """The arithmetic mean."""
    return sum(values) / len(values)


def _ratio(rows: list[Measurement], others: list[Measurement]) -> float:
    """Size relative to that of ``others`` on their common images; NaN if there are none."""
    sizes = {row.file: row.size for row in others}
    shared = [row for row in rows if row.file in sizes]
    return sum(row.size for row in shared) / sum(sizes[row.file] for row in shared) if shared else float("nan")
