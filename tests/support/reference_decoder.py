"""A decoder written from ``docs/format.md`` alone: slow and plain, one subpixel at a time.

The chapters "Coder", "Tables" and "Subpixels" are :mod:`support.native_reference`, written from the same text.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import numpy as np
from safetensors import safe_open

from support import native_reference
from support.native_reference import BORDER, SLOTS, Decoder, EarlierSlice, Memory, code_uniform, code_unit

A, H, V, D = range(4)
PHASES = ((0, 0), (0, 1), (1, 0), (1, 1))
SCHEDULES = [[[H, V], [D]], [[H, V, D]]]


class Stack(Decoder):
    """Section "Coder"."""

    def __init__(self, data: bytes):
        if data.endswith(b"\0"):
            raise ValueError("zero bytes at the end")
        data += bytes(-len(data) % 4)
        super().__init__(list(struct.unpack(f"<{len(data) // 4}I", data)))

    def bit(self, probability: int) -> int:
        return self.code((0, zero_mass(probability), SLOTS).__getitem__, 2)

    def uniform(self, count: int) -> int:
        return code_uniform(self, count, 0)

    def finish(self) -> None:
        if not self.is_empty():
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
            context += self.tensors["prior.presets"][(payload[0] >> 1) - 1]
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
    rarity: int = 0

    @property
    def count(self) -> int:
        return len(self.values)

    @property
    def up(self) -> int:
        return max(0, -self.shift)

    @property
    def down(self) -> int:
        return max(0, self.shift)

    def scale(self, colour: int) -> native_reference.Scale:
        return native_reference.Scale(
            self.count,
            self.shift,
            self.value_edges[colour] if self.value_edges else None,
            other_colours() if self.rarity else None,
            self.rarity,
        )

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


@cache
def other_colours() -> np.ndarray:
    """Section "JPEG gamut": a bit for each colour, green, red, blue from the highest on: set where it is not JPEG's."""
    others = np.ones((256, 256, 256), dtype=np.uint8)
    y, cb = np.arange(256)[:, None], np.arange(-128, 128)
    for cr in range(-128, 128):
        red = y + (91881 * cr + 32768 >> 16)
        green = y + (-22554 * cb - 46802 * cr + 32768 >> 16)
        blue = y + (116130 * cb + 32768 >> 16)
        others[green.clip(0, 255), red.clip(0, 255), blue.clip(0, 255)] = 0
    return np.packbits(others.reshape(-1), bitorder="little")


@dataclass
class Slice:
    """Section "Earlier slices": a group that others look at."""

    samples: Samples
    pixels: np.ndarray
    residuals: np.ndarray
    earlier: list[Slice] = field(default_factory=list)
    #: By level, tile and phase.
    learned: dict[tuple[int, tuple[int, int, int, int], int], Memory] = field(default_factory=dict)

    def planes(self, own: Samples, index: int, tile: tuple[int, int, int, int]) -> EarlierSlice:
        """What a slice with the samples ``own`` sees of this one."""
        top, bottom, left, right = tile
        shape = (4, bottom - top + 2 * BORDER, right - left + 2 * BORDER)
        found = EarlierSlice(np.full(shape, -1, dtype=np.int64), np.zeros(shape, dtype=np.int64))
        is_alike = own.shift == self.samples.shift and np.array_equal(own.values, self.samples.values)
        step = 1 << index
        pixels, residuals = self.pixels[::step, ::step, 0], self.residuals[::step, ::step, 0]
        for phase, (row, column) in enumerate(PHASES):
            for i in range(BORDER, shape[1] - BORDER):
                for j in range(BORDER, shape[2] - BORDER):
                    y, x = 2 * (top + i - BORDER) + row, 2 * (left + j - BORDER) + column
                    if y < pixels.shape[0] and x < pixels.shape[1]:
                        found.residuals[phase, i, j] = residuals[y, x]
                        found.values[phase, i, j] = pixels[y, x] if is_alike else -1
        return found


def decode_tile(
    stack: Stack,
    model: Model,
    level: np.ndarray,
    residuals: np.ndarray,
    index: int,
    tile: tuple[int, int, int, int],
    schedule: int,
    own: Slice,
) -> None:
    """Section "A tile": fill in ``level`` and ``residuals`` (h, w, colours), whose phase A is there."""
    height, width, colours = level.shape
    rows, columns = (height + 1) // 2, (width + 1) // 2
    top, bottom, left, right = tile
    y, x = max(0, top - 8), max(0, left - 8)
    h, w = min(rows, bottom + 8) - y, min(columns, right + 8) - x
    cells = np.zeros((4, model.config.get("colours", 3), h, w), dtype=np.int64)
    known = np.zeros((4, h, w), dtype=bool)
    cells[A] = level[2 * y : 2 * (y + h) : 2, 2 * x : 2 * (x + w) : 2].transpose(2, 0, 1)
    known[A] = True
    values = np.full((1, colours, 4, bottom - top + 2 * BORDER, right - left + 2 * BORDER), -1, dtype=np.int64)
    kept = np.zeros_like(values)
    for i in range(max(0, top - BORDER), min(rows, bottom + BORDER)):
        for j in range(max(0, left - BORDER), min(columns, right + BORDER)):
            values[0, :, A, i - top + BORDER, j - left + BORDER] = level[2 * i, 2 * j]
            kept[0, :, A, i - top + BORDER, j - left + BORDER] = residuals[2 * i, 2 * j]
    samples, first = own.samples, None
    earlier = [other.planes(samples, index, tile) for other in own.earlier]
    for phases in SCHEDULES[schedule]:
        planes = input_planes(cells, known, samples)
        in_pass_0 = H in phases or V in phases
        if first is None or in_pass_0:
            first = model.features(0, planes, index, 0)
        features = first if in_pass_0 else model.features(1, planes, index, first)
        base = {phase: base_prediction(cells, known, phase, samples.shift) for phase in phases}
        for phase in phases:
            row, column = PHASES[phase]
            size = min(bottom, (height - row + 1) // 2) - top, min(right, (width - column + 1) // 2) - left
            if 0 in size:
                continue
            there = (slice(None), slice(top - y, top - y + size[0]), slice(left - x, left - x + size[1]))
            inside = (0, slice(None), phase, slice(BORDER, BORDER + size[0]), slice(BORDER, BORDER + size[1]))
            key = (index, tile, phase)
            begin = own.earlier[0].learned[key] if own.earlier else Memory()
            own.learned[key] = decode_phase(
                stack,
                (model, "AHVD"[phase] + ("0" if in_pass_0 and phase == D else ""), index),
                features[there].reshape(len(features), -1),
                base[phase][there].reshape(len(base[phase]), -1),
                (values, kept),
                (phase, size),
                samples,
                native_reference.Stack(begin, earlier),
            )
            cells[(phase, *there)] = values[inside]
            known[(phase, *there[1:])] = True
            pixels = (slice(2 * top + row, 2 * (top + size[0]), 2), slice(2 * left + column, 2 * (left + size[1]), 2))
            level[pixels] = values[inside].transpose(1, 2, 0)
            residuals[pixels] = kept[inside].transpose(1, 2, 0)


def decode_phase(
    stack: Stack,
    network: tuple[Model, str, int],
    features: np.ndarray,
    base: np.ndarray,
    planes: tuple[np.ndarray, np.ndarray],
    place: tuple[int, tuple[int, int]],
    samples: Samples,
    slices: native_reference.Stack,
) -> Memory:
    """All units of a phase: one for each colour.  Returns what the last one has learned."""
    (phase, size), (values, _), memory = place, planes, Memory()
    offsets: list[np.ndarray] = []
    for colour in range(values.shape[1]):
        shapes, means = run_head(network, colour, features, offsets)
        earlier = np.reshape(offsets, (colour, base.shape[1]))
        unit = native_reference.Unit(phase, colour, *size, shapes, means, base[colour], earlier)
        scale = samples.scale(colour)
        memory = code_unit(scale, planes, unit, stack, stack=slices)
        own = values[0, colour, phase, BORDER : BORDER + size[0], BORDER : BORDER + size[1]].reshape(-1)
        offsets.append(np.array([scale.centre(int(v)) >> samples.down for v in own]) - base[colour])
    return memory


def run_head(
    network: tuple[Model, str, int], colour: int, features: np.ndarray, offsets: list[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Section "Denoiser", "Heads": shapes (2 K, n), means and couplings (K + colour, n)."""
    model, head, level = network
    name, inputs = f"head.{head}.{colour}", features[:, None, :]
    if offsets:
        told = []
        for offset in offsets:
            signs = (offset.clip(0), (-offset).clip(0))
            told += [np.minimum(255, s >> 2) for s in signs] + [np.minimum(255, s >> 5) for s in signs]
        hidden = model.activation(f"{name}.hidden", np.concatenate((inputs, np.stack(told)[:, None])), level)
        inputs = np.concatenate((inputs, hidden))
    return (
        model.activation(f"{name}.shapes", inputs, level)[:, 0],
        model.layer(f"{name}.means", inputs, level)[:, 0],
    )


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
    stack = Stack(payload[1:])
    found = [1 - stack.bit((2 * payload[0] + 1) * 128) for _ in range(tiles)]
    stack.finish()
    assert len(set(found)) == 2
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
    earlier: list[Slice] | None = None,
) -> Slice:
    """A group: indices (h, w, colours), colours in coding order, and what later ones may see."""
    pixels, residuals = np.zeros(shape, dtype=samples.dtype), np.zeros(shape, dtype=np.int64)
    found = Slice(samples, pixels, residuals, earlier or [])

    def view(index: int) -> np.ndarray:
        return pixels[:: 1 << index, :: 1 << index]

    def decode(stack: Stack, number: int) -> None:
        index, tile = tiles[number]
        own = residuals[:: 1 << index, :: 1 << index]
        decode_tile(stack, model, view(index), own, index, tile, schedules[number], found)

    def check(payload: bytes, stack: Stack, part: np.ndarray) -> None:
        stack.finish()
        assert hashlib.blake2b(part.tobytes(), digest_size=8).digest() == payload[:8]

    base = Stack(payloads[0][8:])
    coarsest = view(len(level_sizes(*shape[:2])) - 1)
    coarsest[...] = np.array([base.uniform(samples.count) for _ in range(coarsest.size)]).reshape(coarsest.shape)
    single = [number for number, (index, _) in enumerate(tiles) if sum(other == index for other, _ in tiles) == 1]
    for number in single:
        decode(base, number)
    check(payloads[0], base, view(tiles[single[-1]][0]) if single else coarsest)
    others = [number for number in range(len(tiles)) if number not in single]
    for payload, number in zip(payloads[1:], others, strict=True):
        index, tile = tiles[number]
        stack = Stack(payload[8:])
        decode(stack, number)
        top, bottom, left, right = (2 * side for side in tile)
        check(payload, stack, view(index)[top:bottom, left:right])
    assert pixels.max() < samples.count
    return found


def level_sizes(height: int, width: int) -> list[tuple[int, int]]:
    """Section "Geometry"."""
    sizes = [(height, width)]
    while sizes[-1][0] * sizes[-1][1] > 16:
        sizes.append(((sizes[-1][0] + 1) // 2, (sizes[-1][1] + 1) // 2))
    return sizes


def decode(data: bytes, path: Path) -> np.ndarray:
    """Pixels (h, w, channels) of a file coded by the model at ``path``; of a stack (slices, h, w)."""
    head = struct.unpack("<8sBBBBIIBBBB8s16sI", data[:52])
    signature, version, mode, depth, coding, width, height, levels, tile, schedule, bands, _, promised, checksum = head
    assert (signature, version, coding % 64, tile) == (b"\x8aMLZ\r\n\x1a\n", 0, 0, 8)
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
            codes[0] = replace(codes[0], value_edges=decode_value_edges(payload, len(groups[0])))
        if kind == b"GAMT":
            (rarity,) = payload
            assert 1 <= rarity <= 31
            assert mode in (2, 3)
            assert depth == 8
            codes[0] = replace(codes[0], rarity=rarity)
    coded = sum(samples.count > 1 for samples in codes)
    schedules = [schedule] * len(tiles) * coded
    for kind, payload in chunks:
        if kind == b"SCHD":
            schedules = decode_schedules(payload, len(tiles) * coded)
    payloads = [payload for kind, payload in chunks if kind == b"SEGM"]
    each = len(payloads) // max(1, coded)
    result = np.zeros((height, width, channels), dtype="<u1" if depth == 8 else "<i2" if signed else "<u2")
    references = [[0, 0]] * len(groups)
    for kind, payload in chunks:
        if kind == b"NEAR":
            assert mode == 6
            references = np.frombuffer(zlib.decompress(payload), np.uint8).reshape(len(groups), 2).tolist()
    slices: dict[int, Slice] = {}
    for number, (members, samples, distances) in enumerate(zip(groups, codes, references, strict=True)):
        earlier = [slices[number - distance] for distance in distances if distance]
        if samples.count == 1:
            result[..., members] = samples.values[0]
            continue
        shape = (height, width, len(members))
        slices[number] = decode_group(payloads[:each], model, shape, samples, schedules[: len(tiles)], tiles, earlier)
        result[..., members] = samples.values[slices[number].pixels]
        payloads, schedules = payloads[each:], schedules[len(tiles) :]
    assert not payloads
    state = hashlib.blake2b(struct.pack("<BII", mode, width, height), digest_size=16)
    if depth > 8 or bands:
        state.update(bytes([bands, result.itemsize, signed]))
    state.update(result.tobytes())
    assert state.digest() == promised
    return np.moveaxis(result, 2, 0) if (b"STAK", b"") in chunks else result
