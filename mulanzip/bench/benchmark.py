"""Lossless codecs side by side on the same images: size, speed, memory, and whether the pixels come back.

Every codec runs in a process of its own, one image at a time, so that none inherits another's memory.
Times are of one run, wall clock, from pixels in memory to bytes in memory and back; loading a model or a
library is not counted.  Peak memory is the largest resident set of that process while it encoded and
decoded the image: interpreter, libraries, model and the image itself are all in it, memory of a GPU is not.
Where the system cannot reset its peak (anything but Linux) it is the peak since the process began.
"""

from __future__ import annotations

import importlib.metadata
import json
import multiprocessing
import platform
import re
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

import mulanzip
from mulanzip import timings
from mulanzip.bench.codecs import Codec, MissingExtraError, has_jpegxl
from mulanzip.errors import MulanzipError, UnreadableImageError, UnsupportedImageError
from mulanzip.image.kinds import Mode
from mulanzip.imageio.reader import read_picture
from mulanzip.jobs import batch
from mulanzip.limits import available_cores

_MIB = 1 << 20


def expand(paths: Iterable[Path]) -> list[Path]:
    """Files as they are, folders as the image files under them, each once."""
    return [file.path for file in batch.find(paths, batch.is_image, recursive=True, report=lambda *_: None)]


def read_image(path: Path) -> np.ndarray:
    """Pixels of a file: uint8 ``(H, W, 3)`` or ``(H, W)``.

    Raises:
        UnsupportedImageError: if it is an image, but neither RGB nor gray of 8 bits.
        UnreadableImageError: if it cannot be read.
    """
    try:
        picture, _ = read_picture(path)
    except OSError as error:
        raise UnreadableImageError(error.strerror or str(error)) from None
    if picture.mode not in (Mode.RGB, Mode.GRAY):
        raise UnsupportedImageError(f"only RGB and gray images are measured, this is {picture.mode.name}")
    return np.ascontiguousarray(picture.to_array())


@dataclass(frozen=True)
class Row:
    """One image through one codec.  Times in seconds, size in bytes."""

    file: str
    codec: str
    size: int
    shape: tuple[int, ...]
    encode_s: float
    decode_s: float
    peak_mib: float
    restored: bool
    encode_parts: dict[str, float] | None = None
    decode_parts: dict[str, float] | None = None

    @property
    def bpsp(self) -> float:
        """Bits per subpixel."""
        return 8 * self.size / int(np.prod(self.shape))

    @property
    def megapixels(self) -> float:
        return self.shape[0] * self.shape[1] / 1e6

    @property
    def problem(self) -> str | None:
        """What the user must be told."""
        return None if self.restored else f"{self.codec} DOES NOT RESTORE {self.file}"

    def as_json(self) -> dict[str, Any]:
        row: dict[str, Any] = {
            "file": self.file,
            "codec": self.codec,
            "bytes": self.size,
            "bpsp": self.bpsp,
            "encode_s": self.encode_s,
            "decode_s": self.decode_s,
            "peak_mib": self.peak_mib,
            "restored": self.restored,
        }
        if self.encode_parts is not None:
            row |= {"encode_parts": self.encode_parts, "decode_parts": self.decode_parts}
        return row


@dataclass(frozen=True)
class Failure:
    """An image that a codec could not do; without a file, the codec cannot do any."""

    codec: str
    file: str | None
    reason: str

    @property
    def problem(self) -> str:
        """What the user must be told."""
        return f"{self.codec}: {self.file}: {self.reason}" if self.file else f"{self.codec}: {self.reason}"


def _reset_peak() -> None:
    """Make the peak start again from the memory in use, where the system can."""
    if sys.platform == "linux":
        try:
            Path("/proc/self/clear_refs").write_text("5")
        except OSError:
            return


def _peak_mib() -> float:
    """Largest resident set since the last reset, in MiB."""
    if sys.platform == "win32":
        try:
            import psutil
        except ImportError:
            raise MissingExtraError("measuring memory", "psutil") from None
        return float(psutil.Process().memory_info().peak_wset / _MIB)
    import resource

    if sys.platform == "linux":
        found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
        if found:
            return int(found[1]) / 1024
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest / _MIB if sys.platform == "darwin" else largest / 1024


def _seconds(parts: timings.Timings | None) -> dict[str, float] | None:
    if parts is None:
        return None
    return {"network_s": parts.network, "tables_s": parts.tables, "coder_s": parts.coder}


def measure(codec: Codec, path: Path) -> Row:
    """Encode and decode one image in this process."""
    image = read_image(path)
    _reset_peak()
    with codec.parts() as encode_parts:
        start = time.perf_counter()
        data = codec.encode(image)
        encode_s = time.perf_counter() - start
    with codec.parts() as decode_parts:
        start = time.perf_counter()
        decoded = codec.decode(data)
        decode_s = time.perf_counter() - start
    peak_mib = _peak_mib()
    return Row(
        file=str(path),
        codec=codec.name,
        size=len(data),
        shape=image.shape,
        encode_s=encode_s,
        decode_s=decode_s,
        peak_mib=peak_mib,
        restored=codec.restores(image, decoded),
        encode_parts=_seconds(encode_parts),
        decode_parts=_seconds(decode_parts),
    )


def _warm_up(codec: Codec) -> None:
    """Code a small image with something of everything in it."""
    y, x = np.mgrid[:64, :64]
    codec.decode(codec.encode(np.stack((2 * x, x + y, x * y % 61), axis=2).astype(np.uint8)))


def _attempt(codec: Codec, path: Path | None) -> Row | Failure | None:
    """Measure an image, or warm up if there is none."""
    try:
        if path:
            return measure(codec, path)
        _warm_up(codec)
        return None
    except Exception as error:
        reason = str(error) if isinstance(error, MulanzipError) else f"{type(error).__name__}: {error}"
        return Failure(codec.name, str(path) if path else None, reason)


def _work(codec: Codec, paths: Sequence[Path], sender: Connection) -> None:
    """What the codec's process does."""
    # An interrupt reaches both processes; the one that is asked for results deals with it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    unable = _attempt(codec, None)
    if unable:
        sender.send(unable)
        return
    for path in paths:
        sender.send(_attempt(codec, path))


def run(codec: Codec, paths: Sequence[Path]) -> Iterator[Row | Failure]:
    """Measure a codec in a process of its own; one result per image, as they come.

    Ends early with a :class:`Failure` if the codec does not work at all or its process dies.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(codec, paths, sender), daemon=True)
    process.start()
    sender.close()
    done = 0
    try:
        while done < len(paths):
            outcome = receiver.recv()
            yield outcome
            if outcome.file is None:
                return
            done += 1
    except EOFError:
        process.join()
        reason = f"the process died (exit code {process.exitcode}), the images from here on were not measured"
        yield Failure(codec.name, str(paths[done]), reason)
    finally:
        receiver.close()
        process.terminate()
        process.join()
        process.close()


@dataclass(frozen=True)
class Summary:
    """All images of one codec.  Speeds in megapixels per second."""

    codec: str
    files: int
    size: int
    bpsp: float
    ratio: float
    encode_speed: float
    decode_speed: float
    peak_mib: float
    restored: int


def _by_codec(rows: Iterable[Row]) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.codec, []).append(row)
    return groups


def _baseline(groups: dict[str, list[Row]]) -> str:
    """The codec that the others are compared with."""
    return "png" if "png" in groups else next(iter(groups))


def _ratio(rows: list[Row], baseline: list[Row]) -> float:
    """Size relative to the baseline, on the images that both could do."""
    sizes = {row.file: row.size for row in baseline}
    shared = [row for row in rows if row.file in sizes]
    return sum(row.size for row in shared) / sum(sizes[row.file] for row in shared) if shared else float("nan")


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def summarize(rows: Sequence[Row]) -> list[Summary]:
    """One summary per codec, in order of appearance."""
    groups = _by_codec(rows)
    return [
        Summary(
            codec=codec,
            files=len(group),
            size=sum(row.size for row in group),
            bpsp=_mean([row.bpsp for row in group]),
            ratio=_ratio(group, groups[_baseline(groups)]),
            encode_speed=sum(row.megapixels for row in group) / sum(row.encode_s for row in group),
            decode_speed=sum(row.megapixels for row in group) / sum(row.decode_s for row in group),
            peak_mib=max(row.peak_mib for row in group),
            restored=sum(row.restored for row in group),
        )
        for codec, group in groups.items()
    ]


def _table(header: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    """Text in columns: the first to the left, the others to the right."""
    lines = [header, *body]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    aligned = [
        [
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        for line in lines
    ]
    return "\n".join("  ".join(line).rstrip() for line in aligned)


def summary_table(rows: Sequence[Row]) -> str:
    """A line per codec."""
    header = ["codec", "files", "bytes", "bpsp", f"/ {_baseline(_by_codec(rows))}"]
    header += ["encode MP/s", "decode MP/s", "peak MiB", "restored"]
    return _table(
        header,
        [
            [
                s.codec,
                str(s.files),
                str(s.size),
                f"{s.bpsp:.4f}",
                f"{s.ratio:.3f}",
                f"{s.encode_speed:.3g}",
                f"{s.decode_speed:.3g}",
                f"{s.peak_mib:.0f}",
                f"{s.restored}/{s.files}" + ("" if s.restored == s.files else " NOT LOSSLESS"),
            ]
            for s in summarize(rows)
        ],
    )


def file_table(rows: Sequence[Row]) -> str:
    """Bits per subpixel: a line per file, a column per codec."""
    cells = {(row.file, row.codec): f"{row.bpsp:.4f}" for row in rows}
    codecs = list(_by_codec(rows))
    files = dict.fromkeys(row.file for row in rows)
    return _table(["bpsp", *codecs], [[file, *(cells.get((file, codec), "-") for codec in codecs)] for file in files])


def parts_table(rows: Sequence[Row]) -> str:
    """Where the time goes, for the codecs that can tell; empty if none can.

    Mean seconds per image.  The parts are summed over threads, so that together they may exceed the wall
    time; "other" is what they leave of it.
    """
    lines = []
    for codec, group in _by_codec(rows).items():
        for action in ("encode", "decode"):
            measured = [p for row in group if (p := getattr(row, f"{action}_parts")) is not None]
            if not measured:
                continue
            wall = _mean([getattr(row, f"{action}_s") for row in group])
            parts = [_mean([p[part] for p in measured]) for part in ("network_s", "tables_s", "coder_s")]
            columns = [*parts, max(0.0, wall - sum(parts)), wall]
            lines.append([f"{codec} {action}", *(f"{seconds:.3f}" for seconds in columns)])
    header = ["seconds per image", "network", "tables", "coder", "other", "wall"]
    return _table(header, lines) if lines else ""


def _processor() -> str:
    if sys.platform == "linux":
        found = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
        if found:
            return found[1]
    return platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def machine() -> dict[str, Any]:
    """What the numbers depend on besides the codecs."""
    versions: dict[str, str | None] = {"mulanzip": mulanzip.__version__}
    versions |= {package: _version(package) for package in ("torch", "pillow", "imagecodecs")}
    if has_jpegxl():
        import imagecodecs

        versions["libjxl"] = imagecodecs.jpegxl_version().removeprefix("libjxl ")
    return {
        "cpu": _processor(),
        "cores": available_cores(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "versions": versions,
    }


def to_json(rows: Sequence[Row], threads: int, device: str) -> str:
    """Everything measured, and on what."""
    content = {
        "rows": [row.as_json() for row in rows],
        "machine": {**machine(), "threads": threads, "device": device},
    }
    return json.dumps(content, indent=1) + "\n"
