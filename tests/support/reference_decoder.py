"""A decoder written from ``docs/format.md`` alone: slow and plain, one decision at a time."""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from safetensors import safe_open

A, H, V, D = range(4)
PHASES = ((0, 0), (0, 1), (1, 0), (1, 1))
ALL, EVEN, ODD = range(3)
SCHEDULES = [
    [[(H, ALL), (V, ALL)], [(D, ALL)]],
    [[(H, ALL), (V, ALL), (D, ALL)]],
    [[(H, ALL)], [(V, ALL)], [(D, ALL)]],
    [[(H, EVEN)], [(H, ODD)], [(V, ALL)], [(D, ALL)]],
    [[(H, EVEN)], [(H, ODD)], [(V, EVEN)], [(V, ODD)], [(D, EVEN)], [(D, ODD)]],
]


class Stack:
    """Section "Coder"."""

    def __init__(self, data: bytes):
        if data.endswith(b"\0"):
            raise ValueError("zero bytes at the end")
        data += bytes(-len(data) % 4)
        self.words = list(struct.unpack(f"<{len(data) // 4}I", data))
        self.state = 0
        self._refill()

    def _refill(self) -> None:
        while self.state < 1 << 32 and self.words:
            self.state = self.state << 32 | self.words.pop()

    def _take(self, low: int, size: int) -> None:
        self.state = (self.state >> 24) * size + (self.state & 0xFFFFFF) - low
        if self.state < 1 << 32 and self.words:
            self.state = self.state << 32 | self.words.pop()

    def bit(self, probability: int) -> int:
        zero = zero_mass(probability)
        bit = int(self.state & 0xFFFFFF >= zero)
        self._take(zero if bit else 0, (1 << 24) - zero if bit else zero)
        return bit

    def choice(self, shares: list[int]) -> int:
        """A choice among one more than there are shares."""
        count = len(shares) + 1
        lows = [(min(share, (1 << 20) - 1) * ((1 << 24) - count) >> 20) + i for i, share in enumerate([0, *shares])]
        choice = sum(self.state & 0xFFFFFF >= low for low in lows) - 1
        self._take(lows[choice], [*lows, 1 << 24][choice + 1] - lows[choice])
        return choice

    def flat(self) -> int:
        value = self.state >> 16 & 255
        self._take(value << 16, 1 << 16)
        return value

    def finish(self) -> None:
        if self.state or self.words:
            raise ValueError("not empty")


def zero_mass(probability: int) -> int:
    """Slots of a zero, out of 2^24, when a one has ``probability`` out of 2^16."""
    rest = (1 << 16) - min(max(probability, 1), (1 << 16) - 1)
    return rest * ((1 << 24) - 2) // (1 << 16) + 1


@dataclass
class Model:
    """Section "Model"."""

    config: dict[str, int]
    tensors: dict[str, np.ndarray]
    biases: dict[str, np.ndarray] = field(default_factory=dict)
    rarity: int = 0
    colours: set[tuple[int, int, int]] = field(default_factory=set)

    @classmethod
    def load(cls, path: Path) -> Model:
        with safe_open(path, framework="numpy") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            model = cls(json.loads(file.metadata()["config"]), tensors)
        model.biases = {name: tensors[f"{name}.bias"].astype(np.int64) for name in model.layers()}
        return model

    def layers(self) -> list[str]:
        names = []
        for i in range(2):
            names += [f"pass.{i}.stem", *(f"pass.{i}.body.{j}" for j in range(2 * self.config["blocks"]))]
        for head in ("H", "V", "D", "D0"):
            for colour in range(self.config.get("colours", 3)):
                parts = ("hidden", "shapes", "means") if colour else ("shapes", "means")
                names += [f"head.{head}.{colour}.{part}" for part in parts]
        return names

    def adapt(self, payload: bytes) -> None:
        """Section "Context"."""
        rows, mass = self.tensors["prior.row"], self.tensors["prior.mass"].astype(int)
        context = np.zeros(len(rows), dtype=np.int64)
        if payload[0] >> 1:
            context += self.tensors["prior.looks"][(payload[0] >> 1) - 1]
        if payload[0] & 1:
            below = [[0, *np.cumsum(mass[row]).tolist(), 1 << 16] for row in rows]
            stack = Stack(payload[1:])
            symbols = [0] * len(rows)
            for plane in range(7, -1, -1):
                for i, edges in enumerate(below):
                    half = 1 << plane
                    low, middle, high = (edges[symbols[i] + step] for step in (0, half, 2 * half))
                    symbols[i] += stack.bit((high - middle << 16) // max(high - low, 1)) << plane
            stack.finish()
            context += np.array(symbols) - 127
        start = 0
        for name in self.layers():
            shift = self.tensors[f"{name}.shift"].astype(np.int64)
            steps = context[start : start + len(shift)]
            step = np.maximum(0, shift + (1 if name.endswith("means") else -1))
            self.biases[name] = self.biases[name] + (steps << step)
            start += len(shift)

    def layer(self, name: str, x: np.ndarray, level: int, residual: np.ndarray | int = 0) -> np.ndarray:
        """The sums of a layer before clamping; channels come first."""
        weight, shift = self.tensors[f"{name}.weight"].astype(np.float64), self.tensors[f"{name}.shift"]
        bias = self.biases[name][min(level, self.config["level_classes"] - 1)]
        size = weight.shape[2]
        pad = size // 2
        padded = np.pad(x.astype(np.float64), ((0, 0), (pad, pad), (pad, pad)))
        total = np.zeros((weight.shape[0], *x.shape[1:]))
        for i in range(size):
            for j in range(size):
                part = padded[:, i : i + x.shape[1], j : j + x.shape[2]]
                total += np.tensordot(weight[:, :, i, j], part, 1)
        total += bias[:, None, None]
        # All of this is exact; rint rounds halves to the even integer.
        return np.rint(total * 2.0 ** -shift[:, None, None].astype(np.float64) + residual).astype(np.int64)

    def activation(self, name: str, x: np.ndarray, level: int, residual: np.ndarray | int = 0) -> np.ndarray:
        return self.layer(name, x, level, residual).clip(0, 255)

    def features(self, index: int, planes: np.ndarray, level: int, first: np.ndarray | int) -> np.ndarray:
        x = self.activation(f"pass.{index}.stem", planes, level, first)
        for i in range(0, 2 * self.config["blocks"], 2):
            inner = self.activation(f"pass.{index}.body.{i}", x, level)
            x = self.activation(f"pass.{index}.body.{i + 1}", inner, level, x)
        return x


@dataclass
class Samples:
    """Section "Deep samples": the samples that the indices of a group of channels stand for."""

    values: np.ndarray
    shift: int = 0
    value_edges: list[list[int]] = field(default_factory=list)

    @property
    def count(self) -> int:
        return len(self.values)

    @property
    def up(self) -> int:
        return max(0, -self.shift)

    @property
    def down(self) -> int:
        return max(0, self.shift)

    @property
    def bits(self) -> int:
        """The number of bits of the largest index."""
        return (self.count - 1).bit_length()

    @property
    def is_plain(self) -> bool:
        return (self.count, self.shift) == (256, 0)

    @property
    def dtype(self) -> str:
        return "<u1" if self.count <= 256 else "<u2"


PLAIN = Samples(np.arange(256))


def read_samples(payload: bytes, groups: int, signed: bool) -> list[Samples]:
    """The payload of ``VALS``."""
    content = zlib.decompress(payload)
    found = []
    for _ in range(groups):
        shift, least, largest, every = struct.unpack_from("<BHHB", content)
        content = content[6:]
        values = np.arange(least, largest + 1)
        if not every:
            size = -(-len(values) // 8)
            bits = np.unpackbits(np.frombuffer(content[:size], dtype=np.uint8)).astype(bool)
            assert bits[0]
            assert bits[len(values) - 1]
            assert not bits[: len(values)].all()
            assert not bits[len(values) :].any()
            values, content = values[bits[: len(values)]], content[size:]
        assert shift <= 12
        found.append(Samples(values - (signed << 15), shift - 4))
    assert not content
    return found


def moved(x: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Each cell's neighbour, ``rows`` below and ``columns`` to the right; 0 outside."""
    h, w = x.shape[-2:]
    padded = np.pad(x, [(0, 0)] * (x.ndim - 2) + [(1, 1), (1, 1)])
    return padded[..., 1 + rows : 1 + rows + h, 1 + columns : 1 + columns + w]


def input_planes(cells: np.ndarray, known: np.ndarray, samples: Samples) -> np.ndarray:
    """Section "Denoiser": cells (phase, colour, h, w), known (phase, h, w)."""
    cells = cells << samples.up
    around = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    total = sum(moved(cells[A], i, j) for i, j in around)
    count = sum(moved(np.ones(known.shape[1:], dtype=np.int64), i, j) for i, j in around)
    mean = total * (-(-65536 // count)) >> 16
    difference = ((cells - mean) * known[:, None]).reshape(-1, *known.shape[1:])
    sides = [side.clip(0) >> samples.down for side in (difference, -difference)]
    planes = [np.minimum(255, side) for side in sides]
    brightness = mean * 64 // (samples.count << samples.up)
    if len(difference) == 4:
        planes += [np.minimum(255, side >> 4) for side in sides]
        brightness = np.concatenate((brightness, np.minimum(255, mean >> samples.down + 2)))
    return np.concatenate((*planes, brightness, 32 * known))


NEAR = {
    H: ((A, 0, 0), (A, 0, 1), (D, 0, 0), (D, -1, 0)),
    V: ((A, 0, 0), (A, 1, 0), (D, 0, 0), (D, 0, -1)),
    D: ((H, 0, 0), (H, 1, 0), (V, 0, 0), (V, 0, 1)),
}
DIAGONAL = ((A, 0, 0), (A, 0, 1), (A, 1, 0), (A, 1, 1))


def base_prediction(cells: np.ndarray, known: np.ndarray, phase: int, shift: int) -> np.ndarray:
    def gather(neighbours: tuple[tuple[int, int, int], ...]) -> tuple[np.ndarray, np.ndarray]:
        total = sum(moved(cells[p] * known[p], i, j) for p, i, j in neighbours)
        return np.asarray(total), np.asarray(sum(moved(known[p].astype(np.int64), i, j) for p, i, j in neighbours))

    total, count = gather(NEAR[phase])
    if phase == D:
        other, others = gather(DIAGONAL)
        total, count = np.where(count > 0, total, other), np.where(count > 0, count, others)
    return total * np.array([0, 32768, 16384, 10923, 8192])[count] >> 10 + shift


def flat_places(cells: np.ndarray, known: np.ndarray, phase: int) -> np.ndarray:
    """The value that all surroundings have, or -1 where they differ: (colour, h, w)."""
    seen = [(A, i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)] + [near for near in NEAR[phase] if near[0] != A]
    low = np.full(cells.shape[1:], 1 << 20)
    high = np.full(cells.shape[1:], -1)
    for near, rows, columns in seen:
        there = moved(known[near].astype(np.int64), rows, columns) > 0
        value = moved(cells[near], rows, columns)
        low, high = np.where(there, np.minimum(low, value), low), np.where(there, np.maximum(high, value), high)
    return np.where(low == high, low, -1)


class Mixture:
    """Section "Likelihood", of one subpixel."""

    def __init__(
        self,
        tensors: dict[str, np.ndarray],
        logits: list[int],
        scales: list[int],
        means: list[int],
        samples: Samples = PLAIN,
        edges: list[int] | None = None,
    ):
        self.logistic, self.samples = tensors["tables.logistic"], samples
        self.edges = edges
        self.weights = [int(tensors["tables.weight"][max(logits) - logit]) for logit in logits]
        self.inverse = [int(tensors["tables.inverse_scale"][scale]) for scale in scales]
        top = 32 * (samples.count - 1) << samples.up >> samples.down
        self.means = [min(max(mean, -2048), top + 2048) << samples.down for mean in means]
        weighted = sum(w * m for w, m in zip(self.weights, self.means, strict=True))
        self.centre = weighted // sum(self.weights) >> 5 + samples.up
        self.floor = 256 if samples.is_plain else (1 << 28) // samples.count
        mass = 65536 * sum(self.weights)
        self.total = (mass if samples.is_plain else mass << 12) + samples.count * self.floor

    def cdf(self, edge: int) -> int:
        samples = self.samples
        if edge <= 0 or edge >= samples.count:
            return self.total if edge > 0 else 0
        found = self.floor * edge
        for weight, inverse, mean in zip(self.weights, self.inverse, self.means, strict=True):
            start = self.edges[edge] if self.edges else 32 * edge
            place = (12288 << 8 + samples.down) + ((start - 16 << samples.up) - mean) * inverse
            if samples.is_plain:
                found += weight * int(self.logistic[min(max(place >> 8, 0), 24576)])
                continue
            bits = 14 + samples.down
            place = min(max(place, 0), (384 << bits) - 1)
            low, high = (int(self.logistic[64 * ((place >> bits) + step)]) for step in (0, 1))
            found += weight * ((low << 12) + (high - low) * (place >> bits - 12 & 4095))
        return found


def ratio(part: int, whole: int) -> int:
    return (part << 20) // max(whole, 1)


def jpeg_colours() -> set[tuple[int, int, int]]:
    """Section "JPEG gamut": which colours JPEG decoders make, by green, red and blue."""
    found = set()
    for cr in range(-128, 128):
        for cb in range(-128, 128):
            red = 91881 * cr + 32768 >> 16
            green = -22554 * cb - 46802 * cr + 32768 >> 16
            blue = 116130 * cb + 32768 >> 16
            found |= {(clamped(y + green), clamped(y + red), clamped(y + blue)) for y in range(256)}
    return found


def clamped(value: int) -> int:
    return min(max(value, 0), 255)


def common_masses(mixture: Mixture, low: int, size: int, before: tuple[int, int], model: Model) -> list[int]:
    """Section "JPEG gamut": masses of the common colours below the edges of a window."""
    found = [0]
    for value in range(low, low + size):
        mass = mixture.cdf(value + 1) - mixture.cdf(value)
        found.append(found[-1] + (mass if (*before, value) in model.colours else mass >> model.rarity))
    return found


def decode_values(
    stack: Stack, mixtures: list[Mixture], samples: Samples, model: Model, before: list[tuple[int, int]]
) -> list[int]:
    """Section "Subpixels": all cells of a chunk, one colour; before: the colours before where there is a gamut."""
    planes = min(max(4 + samples.shift, 2), samples.bits)
    size = 1 << planes
    lows = [min(max(m.centre - size // 2, 0), (1 << samples.bits) - size) for m in mixtures]
    windows = [(m.cdf(low), m.cdf(low + size)) for m, low in zip(mixtures, lows, strict=True)]
    inside: list[int | None] = [
        ratio(top - bottom, m.total) for m, (bottom, top) in zip(mixtures, windows, strict=True)
    ]
    values, bounds = list(lows), list(windows)
    masses = [common_masses(m, low, size, b, model) for m, low, b in zip(mixtures, lows, before, strict=False)]
    if masses:
        bounds = [(0, mass[-1]) for mass in masses]
    outside = set()
    while planes:
        width = min(2, planes)
        planes -= width
        for i, mixture in enumerate(mixtures):
            edges = [values[i] + (part << planes) for part in range(1, 1 << width)]
            cdf = [masses[i][edge - lows[i]] if masses else mixture.cdf(edge) for edge in edges]
            if choose(stack, i, cdf, bounds, values, planes, inside[i], i in outside):
                outside.add(i)
        inside = [None] * len(mixtures)
    for i in outside:
        bottom, top = windows[i]
        values[i], bounds[i] = 0, (0, mixtures[i].total - (top - bottom))
    planes = samples.bits
    while planes and outside:
        width = min(2, planes)
        planes -= width
        for i in sorted(outside):
            low, (window_bottom, window_top) = lows[i], windows[i]
            cdf = []
            for part in range(1, 1 << width):
                edge = values[i] + (part << planes)
                mass = window_bottom if low < edge < low + size else mixtures[i].cdf(edge)
                cdf.append(mass - (window_top - window_bottom if edge >= low + size else 0))
            choose(stack, i, cdf, bounds, values, planes, None, False)
    return values


def choose(
    stack: Stack,
    i: int,
    cdf: list[int],
    bounds: list[tuple[int, int]],
    values: list[int],
    planes: int,
    inside: int | None,
    idle: bool,
) -> bool:
    """Make one more decision in cell ``i``; True when its value proves to be outside of the window."""
    bottom, top = bounds[i]
    shares = [1 << 20 if idle else ratio(mass - bottom, top - bottom) for mass in cdf]
    if inside is not None:
        shares = [share * inside >> 20 for share in shares] + [inside]
    part = stack.choice(shares)
    outside = inside is not None and part == len(shares)
    part = min(part, len(cdf))
    ends = [bottom, *cdf, top]
    values[i] += part << planes
    bounds[i] = ends[part], ends[part + 1]
    return outside


def decode_tile(
    stack: Stack,
    model: Model,
    level: np.ndarray,
    index: int,
    tile: tuple[int, int, int, int],
    schedule: int,
    samples: Samples,
) -> None:
    """Section "A tile": fill in ``level`` (h, w, colours), whose phase A is there."""
    height, width, colours = level.shape
    rows, columns = (height + 1) // 2, (width + 1) // 2
    top, bottom, left, right = tile
    y, x = max(0, top - 8), max(0, left - 8)
    h, w = min(rows, bottom + 8) - y, min(columns, right + 8) - x
    cells = np.zeros((4, model.config.get("colours", 3), h, w), dtype=np.int64)
    known = np.zeros((4, h, w), dtype=bool)
    cells[A] = level[2 * y : 2 * (y + h) : 2, 2 * x : 2 * (x + w) : 2].transpose(2, 0, 1)
    known[A] = True
    first: np.ndarray | None = None
    for step in SCHEDULES[schedule]:
        planes = input_planes(cells, known, samples)
        phases = {phase for phase, _ in step}
        in_pass_0 = H in phases or V in phases
        if first is None or in_pass_0:
            first = model.features(0, planes, index, 0)
        features = first if in_pass_0 else model.features(1, planes, index, first)
        before, known_before = cells.copy(), known.copy()
        for phase, part in step:
            head = "AHVD"[phase] + ("0" if in_pass_0 and phase == D else "")
            base = base_prediction(before, known_before, phase, samples.shift)
            flat = None if samples.is_plain else flat_places(before, known_before, phase)
            places = [
                (i, j)
                for i in range(top, bottom)
                for j in range(left, right)
                if 2 * i + PHASES[phase][0] < height
                and 2 * j + PHASES[phase][1] < width
                and (part == ALL or (i - top + j - left) % 2 == part - 1)
            ]
            for start in range(0, len(places), 32768):
                chunk = places[start : start + 32768]
                at = np.array([(i - y, j - x) for i, j in chunk]).T
                code_chunk(
                    stack,
                    model,
                    head,
                    features[:, at[0], at[1]],
                    base[:, at[0], at[1]],
                    None if flat is None else flat[:, at[0], at[1]],
                    cells,
                    (phase, at),
                    index,
                    colours,
                    samples,
                )
            for i, j in places:
                known[phase, i - y, j - x] = True
                level[2 * i + PHASES[phase][0], 2 * j + PHASES[phase][1]] = cells[phase, :colours, i - y, j - x]


def code_chunk(
    stack: Stack,
    model: Model,
    head: str,
    features: np.ndarray,
    base: np.ndarray,
    flat: np.ndarray | None,
    cells: np.ndarray,
    place: tuple[int, np.ndarray],
    level: int,
    colours: int,
    samples: Samples,
) -> None:
    phase, (rows, columns) = place
    offsets: list[np.ndarray] = []
    for colour in range(colours):
        values = np.full(len(rows), -1) if flat is None else decode_flat(stack, flat[colour])
        rest = np.flatnonzero(values < 0)
        if len(rest):
            before = [offset[rest] for offset in offsets]
            known = cells[phase, :2, rows, columns].tolist() if model.rarity and colour == 2 else []
            values[rest] = decode_colour(
                stack,
                model,
                f"head.{head}.{colour}",
                features[:, rest],
                base[colour, rest],
                before,
                level,
                samples,
                [(green, red) for green, red in known],
            )
        if samples.value_edges:
            edges = samples.value_edges[colour]
            middles = [0, *((edges[v] + edges[v + 1] >> 1) - 16 for v in range(1, 255)), 255 << 5]
            offsets.append(np.array([middles[value] for value in values]) - base[colour])
        else:
            offsets.append((values << 5 + samples.up >> samples.down) - base[colour])
        cells[phase, colour, rows, columns] = values
        if colours == 1:
            cells[phase, :, rows, columns] = values[:, None]


def decode_flat(stack: Stack, flat: np.ndarray) -> np.ndarray:
    """Values of places that are like their constant surroundings; -1 for those that are still to be decoded."""
    found = np.full(len(flat), -1)
    places = np.flatnonzero(flat >= 0)
    rarity = stack.flat() if len(places) else 0
    if rarity:
        probability = ((16 - rarity % 8) << 12) >> rarity // 8
        for place in places:
            if not stack.bit(probability):
                found[place] = flat[place]
    return found


def decode_colour(
    stack: Stack,
    model: Model,
    name: str,
    features: np.ndarray,
    base: np.ndarray,
    offsets: list[np.ndarray],
    level: int,
    samples: Samples,
    known: list[tuple[int, int]],
) -> list[int]:
    inputs = features[:, None, :]
    if offsets:
        told = []
        for offset in offsets:
            signs = (offset.clip(0), (-offset).clip(0))
            told += [np.minimum(255, s >> 2) for s in signs] + [np.minimum(255, s >> 5) for s in signs]
        hidden = model.activation(f"{name}.hidden", np.concatenate((inputs, np.stack(told)[:, None])), level)
        inputs = np.concatenate((inputs, hidden))
    shapes = model.activation(f"{name}.shapes", inputs, level)[:, 0]
    means = model.layer(f"{name}.means", inputs, level)[:, 0]
    count = model.config["mixtures"]
    shift = np.full(len(base), 128)
    for coupling, offset in zip(means[count:], offsets, strict=True):
        shift += coupling.clip(-1024, 1024) * offset
    means = means[:count] + base + (shift >> 8)
    edges = samples.value_edges[len(offsets)] if samples.value_edges else None
    mixtures = [
        Mixture(
            model.tensors, shapes[:count, i].tolist(), shapes[count:, i].tolist(), means[:, i].tolist(), samples, edges
        )
        for i in range(len(base))
    ]
    return decode_values(stack, mixtures, samples, model, known)


def decode_value_edges(payload: bytes, colours: int) -> list[list[int]]:
    """Section "Value edges": where the values of each colour begin."""
    unit, odd, more = payload[:3]
    assert unit <= 5
    stack, widths = Stack(payload[3:]), [0] * (255 * colours)
    going = [i for i in range(len(widths)) if stack.bit((2 * odd + 1) * 128)]
    less = [i for i in going if stack.bit(1 << 15)]
    for size in range(1, 255):
        for i in going:
            widths[i] = size
        going = [i for i in going if stack.bit((2 * more + 1) * 128)]
    stack.finish()
    for i in less:
        widths[i] *= -1
    found = []
    for colour in range(colours):
        steps = np.cumsum(widths[255 * colour : 255 * colour + 255])
        assert np.abs(steps).max() << unit <= 127
        edges = [0, *(32 * np.arange(1, 256) + (steps << unit)).tolist(), 8192]
        assert sorted(edges) == edges
        found.append(edges)
    return found


def decode_schedules(payload: bytes, tiles: int) -> list[int]:
    """Section "Schedules"."""
    stack, found = Stack(payload[4:]), [4] * tiles
    for number, share in enumerate(payload[:4]):
        for i in range(tiles):
            if found[i] == 4 and stack.bit((2 * share + 1) * 128):
                found[i] = number
    stack.finish()
    return found


def cuts(height: int, width: int) -> list[tuple[int, int, int, int]]:
    """Tiles of an image of ``height`` times ``width`` cells: top, bottom, left, right."""
    down, across = -(-height // 256), -(-width // 256)
    if down * across == 1 and height * width > 16384:
        down, across = (2, 1) if height > width else (1, 2)

    def evenly(cells: int, parts: int) -> list[tuple[int, int]]:
        return [(cells * i // parts, cells * (i + 1) // parts) for i in range(parts)]

    return [(*rows, *columns) for rows in evenly(height, down) for columns in evenly(width, across)]


def decode_group(
    payloads: list[bytes],
    model: Model,
    shape: tuple[int, int, int],
    samples: Samples,
    schedules: list[int],
    tiles: list[tuple[int, tuple[int, int, int, int]]],
) -> np.ndarray:
    """Indices of a group (h, w, colours), colours in coding order."""
    pixels = np.zeros(shape, dtype=samples.dtype)

    def view(index: int) -> np.ndarray:
        return pixels[:: 1 << index, :: 1 << index]

    def check(payload: bytes, stack: Stack, part: np.ndarray) -> None:
        stack.finish()
        assert hashlib.blake2b(part.tobytes(), digest_size=8).digest() == payload[:8]

    base = Stack(payloads[0][8:])
    coarsest = view(len(level_sizes(*shape[:2])) - 1)
    flat = np.array([base.flat() for _ in range(coarsest.size)])
    if samples.count > 256:
        flat = flat << 8 | np.array([base.flat() for _ in range(coarsest.size)])
    coarsest[...] = flat.reshape(coarsest.shape)
    single = [number for number, (index, _) in enumerate(tiles) if sum(other == index for other, _ in tiles) == 1]
    for number in single:
        decode_tile(base, model, view(tiles[number][0]), *tiles[number], schedules[number], samples)
    check(payloads[0], base, view(tiles[single[-1]][0]) if single else coarsest)
    others = [number for number in range(len(tiles)) if number not in single]
    for payload, number in zip(payloads[1:], others, strict=True):
        index, tile = tiles[number]
        stack = Stack(payload[8:])
        decode_tile(stack, model, view(index), index, tile, schedules[number], samples)
        top, bottom, left, right = (2 * side for side in tile)
        check(payload, stack, view(index)[top:bottom, left:right])
    assert pixels.max() < samples.count
    return pixels


def level_sizes(height: int, width: int) -> list[tuple[int, int]]:
    """Section "Geometry"."""
    sizes = [(height, width)]
    while sizes[-1][0] * sizes[-1][1] > 16:
        sizes.append(((sizes[-1][0] + 1) // 2, (sizes[-1][1] + 1) // 2))
    return sizes


def decode(data: bytes, path: Path) -> np.ndarray:
    """Pixels (h, w, channels) of a file coded by the model at ``path``."""
    head = struct.unpack("<8sBBBBIIBBBB8s16sI", data[:52])
    signature, version, mode, depth, coding, width, height, levels, tile, schedule, bands, _, promised, checksum = head
    assert (signature, version, coding, tile) == (b"\x8aMLZ\r\n\x1a\n", 0, 0, 8)
    assert checksum == zlib.crc32(data[:48])
    signed, depth = depth >= 128, depth % 128
    colours = [[1, 0, 2]] if mode in (2, 3) else []
    channels = {0: 1, 1: 2, 2: 3, 3: 4, 6: bands}[mode]
    groups = colours + [[i] for i in range(3 * len(colours), channels)]
    chunks, position = [], 52
    while position < len(data):
        kind, length = struct.unpack_from("<4sI", data, position)
        end = position + 8 + length
        assert struct.unpack_from("<I", data, end)[0] == zlib.crc32(data[position:end])
        chunks.append((kind, data[position + 8 : end]))
        position = end + 4
    assert chunks[-1] == (b"MEND", b"")

    model = Model.load(path)
    for kind, payload in chunks:
        if kind == b"CTXT":
            model.adapt(payload)
        if kind == b"GAMT":
            (model.rarity,) = payload
            assert 1 <= model.rarity <= 31
            assert mode in (2, 3)
            assert depth == 8
            model.colours = jpeg_colours()
    sizes = level_sizes(height, width)
    assert len(sizes) == levels
    tiles = [
        (index, tile)
        for index in range(levels - 2, -1, -1)
        for tile in cuts((sizes[index][0] + 1) // 2, (sizes[index][1] + 1) // 2)
    ]
    codes = [PLAIN] * len(groups)
    for kind, payload in chunks:
        if kind == b"VALS":
            codes = read_samples(payload, len(groups), signed)
    for kind, payload in chunks:
        if kind == b"TONE":
            assert depth == 8
            codes[0] = Samples(PLAIN.values, value_edges=decode_value_edges(payload, len(groups[0])))
    coded = sum(samples.count > 1 for samples in codes)
    schedules = [schedule] * len(tiles) * coded
    for kind, payload in chunks:
        if kind == b"SCHD":
            schedules = decode_schedules(payload, len(tiles) * coded)
    payloads = [payload for kind, payload in chunks if kind == b"SEGM"]
    each = len(payloads) // max(1, coded)
    result = np.zeros((height, width, channels), dtype="<u1" if depth == 8 else "<i2" if signed else "<u2")
    for members, samples in zip(groups, codes, strict=True):
        if samples.count == 1:
            result[..., members] = samples.values[0]
            continue
        indices = decode_group(
            payloads[:each], model, (height, width, len(members)), samples, schedules[: len(tiles)], tiles
        )
        result[..., members] = samples.values[indices]
        payloads, schedules = payloads[each:], schedules[len(tiles) :]
    assert not payloads
    state = hashlib.blake2b(struct.pack("<BII", mode, width, height), digest_size=16)
    if depth > 8 or bands:
        state.update(bytes([bands, result.itemsize, signed]))
    state.update(result.tobytes())
    assert state.digest() == promised
    return result
