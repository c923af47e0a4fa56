"""Measurements as text."""

from __future__ import annotations

from collections.abc import Sequence

from tabulate import tabulate

from mulanzip.bench.outcome import Measurement
from mulanzip.bench.summary import YARDSTICK, baseline, by_codec, mean, summarize


def summary_table(rows: Sequence[Measurement]) -> str:
    """One line per codec.

    Where :data:`mulanzip.bench.summary.YARDSTICK` is among the codecs, speeds are given as multiples of its own, too:
    these depend less on the machine, and on what else it does.
    """
    summaries = summarize(rows)
    yardstick = next((s for s in summaries if s.codec == YARDSTICK), None)
    header = ["codec", "files", "bytes", "bpsp", f"/ {baseline(rows)}"]
    header += ["encode MP/s", "decode MP/s"]
    header += [f"/ {YARDSTICK}", f"/ {YARDSTICK}"] if yardstick else []
    header += ["peak MiB", "restored"]
    lines = [
        [
            s.codec,
            str(s.files),
            str(s.size),
            f"{s.bpsp:.4f}",
            f"{s.ratio:.3f}",
            f"{s.encode_speed:.3g}",
            f"{s.decode_speed:.3g}",
            *(
                [f"{s.encode_speed / yardstick.encode_speed:.3g}", f"{s.decode_speed / yardstick.decode_speed:.3g}"]
                if yardstick
                else []
            ),
            f"{s.peak_mib:.0f}",
            f"{s.restored}/{s.files}" + ("" if s.restored == s.files else " NOT LOSSLESS"),
        ]
        for s in summaries
    ]
    return _table(header, lines)


def file_table(rows: Sequence[Measurement]) -> str:
    """Bits per subpixel: one line per file, one column per codec."""
    cells = {(row.file, row.codec): f"{row.bpsp:.4f}" for row in rows}
    codecs = list(by_codec(rows))
    files = dict.fromkeys(row.file for row in rows)
    return _table(["bpsp", *codecs], [[file, *(cells.get((file, codec), "-") for codec in codecs)] for file in files])


def parts_table(rows: Sequence[Measurement]) -> str:
    """Mean seconds per image in each part of the codecs that report parts; empty if none does.

    Parts are summed over threads, so that their sum may exceed the wall time.  "other" is the wall time minus all
    parts, at least 0.
    """
    lines = []
    for codec, group in by_codec(rows).items():
        for action in ("encode", "decode"):
            measured = [p for row in group if (p := getattr(row, f"{action}_parts")) is not None]
            if not measured:
                continue
            wall = mean([getattr(row, f"{action}_s") for row in group])
            parts = [mean([p[part] for p in measured]) for part in ("network_s", "coder_s")]
            columns = [*parts, max(0.0, wall - sum(parts)), wall]
            lines.append([f"{codec} {action}", *(f"{seconds:.3f}" for seconds in columns)])
    header = ["seconds per image", "network", "coder", "other", "wall"]
    return _table(header, lines) if lines else ""


def _table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Columns of text: the first aligned to the left, the others to the right."""
    alignment = ["left", *["right"] * (len(header) - 1)]
    return tabulate(lines, header, tablefmt="plain", disable_numparse=True, colalign=alignment)
