"""Measurements as a picture: size against speed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from mulanzip.bench.outcome import Measurement
from mulanzip.bench.summary import summarize

#: By the first part of a codec's name.
COLOURS = {
    "png": "#7f7f7f",
    "webp": "#2ca02c",
    "jls": "#9467bd",
    "jp2": "#8c564b",
    "jxl": "#1f77b4",
    "mulanzip": "#d62728",
}
#: Offsets of a label from its point, in points, with horizontal and vertical alignment; the preferred one first.
_LABEL_OFFSETS = (
    ((7, 0), "left", "center"),
    ((0, 7), "center", "bottom"),
    ((0, -7), "center", "top"),
    ((-7, 0), "right", "center"),
    ((6, 8), "left", "bottom"),
    ((6, -8), "left", "top"),
    ((-6, 8), "right", "bottom"),
    ((-6, -8), "right", "top"),
    ((6, 20), "left", "bottom"),
    ((6, -20), "left", "top"),
    ((-6, 20), "right", "bottom"),
    ((-6, -20), "right", "top"),
)


def _label(axes: Any, points: Sequence[tuple[str, float, float]]) -> None:
    """Write names beside their points, so that they overlap as few points, names and edges as possible."""
    from matplotlib.transforms import Bbox

    renderer = axes.figure.canvas.get_renderer()
    dots = axes.transData.transform([point[1:] for point in points])
    taken = [Bbox.from_bounds(x - 6, y - 6, 12, 12) for x, y in dots]
    frame = axes.get_window_extent(renderer)
    for name, x, y in points:
        candidates: list[tuple[int, int, Any, Bbox]] = []
        for offset, across, along in _LABEL_OFFSETS:
            text = axes.annotate(
                name, (x, y), offset, textcoords="offset points", ha=across, va=along, fontsize=9, color="#333333"
            )
            box = text.get_window_extent(renderer)
            inside = frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1
            candidates.append((box.count_overlaps(taken) + (not inside), len(candidates), text, box))
        candidates.sort(key=lambda candidate: candidate[:2])
        taken.append(candidates[0][3])
        for _, _, text, _ in candidates[1:]:
            text.remove()


def plot(rows: Sequence[Measurement], path: str | os.PathLike[str]) -> None:
    """Write a PNG: mean bits per subpixel against the speed of encoding and of decoding.

    Args:
        rows: measurements of the same images by each codec (:func:`mulanzip.bench.summary.shared`).
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    summaries = summarize(rows)
    figure = Figure(figsize=(11, 4.8), dpi=150, layout="constrained")
    canvas: Any = FigureCanvasAgg(figure)
    panels = figure.subplots(1, 2, sharey=True)
    labels = []
    for axes, action in zip(panels, ("encode", "decode"), strict=True):
        points = [(s.codec, getattr(s, f"{action}_speed"), s.bpsp) for s in summaries]
        for family, colour in COLOURS.items():
            of_family = [point[1:] for point in points if point[0].split("-")[0] == family]
            if of_family:
                axes.plot(*zip(*of_family, strict=True), "o", color=colour, markersize=7)
        speeds = [speed for _, speed, _ in points]
        # Half a decade on each side leaves room for labels.
        axes.set_xscale("log")
        axes.set_xlim(min(speeds) / 3, max(speeds) * 3)
        wide = max(speeds) / min(speeds) > 100
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.margins(y=0.15)
        axes.grid(color="#e5e5e5")
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_xlabel(f"{action} speed (megapixels per second)")
        labels.append((axes, points))
    panels[0].set_ylabel("bits per subpixel (less is better)")
    files = max(s.files for s in summaries)
    figure.suptitle(f"Lossless size against speed, mean of {files} image{'s' if files > 1 else ''}")
    canvas.draw()  # Label positions are in pixels, so the layout must be final.
    for axes, points in labels:
        _label(axes, points)
    figure.set_layout_engine("none")
    canvas.print_png(os.fspath(path))
