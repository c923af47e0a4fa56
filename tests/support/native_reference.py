"""The likelihood of subpixels, the correction that learns while it codes, and rANS, in plain Python integers.

It takes the steps of the specification one after the other, and knows nothing of the library in C.  ``x >> n`` rounds
down, ``//`` too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np

SLOT_BITS = 24
SLOTS = 1 << SLOT_BITS
#: Steps of the logistic table on each side of its middle.
HALF = 12288
PHASE_A, PHASE_H, PHASE_V, PHASE_D = range(4)
BORDER = 2


def clip(x: int, low: int, high: int) -> int:
    return low if x < low else high if x > high else x


# Tables


def powers(ratio: int, count: int) -> Iterator[int]:
    """``2**64 exp(-i / n)``, where the ratio is ``floor(2**64 exp(-1 / n))``."""
    x = 2**64 - 1
    for _ in range(count):
        yield x
        x = x * ratio >> 64


#: floor(2**64 exp(-1 / n)).
DECAY = {16: 0xF07D5FDE38151E72, 128: 0xFE01FEAB551127CB, 256: 0xFF007FD55FFDDE38, 1024: 0xFFC007FF555FFF77}


def exponentials(largest: int, n: int, count: int) -> list[int]:
    """``largest exp(-i / n)``, rounded; ``largest`` is given times 2**20."""
    return [((largest * x >> 64) + 2**19) >> 20 for x in powers(DECAY[n], count)]


class Tables:
    """All tables of the format."""

    def __init__(self) -> None:
        below = [
            ((x >> 32 << 17) + (x >> 32) + 2**32) // (2 * ((x >> 32) + 2**32)) for x in powers(DECAY[1024], HALF + 1)
        ]
        self.logistic = [*below[::-1], *(65536 - x for x in below[1:])]
        self.inverse_scale = [max(x, 1) for x in exponentials(866356737158, 256, 3072)]
        self.weight = exponentials(4096 << 20, 128, 4096)
        self.sigma = exponentials(3737328809649, 256, 2048)[::-1]
        self.inverse_sigma = exponentials(234497268814, 256, 2048)
        self.variance = exponentials(158274442827096, 16, 256)[::-1]
        # The largest j for which (1024 + i) exp(-j / 256) is at least 1024, in 53 bits.
        decays = [x >> 11 for x in powers(DECAY[256], 200)]
        self.logarithm = [next(j for j in range(199) if decays[j + 1] * (1024 + i) < 2**63) for i in range(1024)]
        self.logarithm_of_two = [(i * 195103586505167 + 2**39) >> 40 for i in range(64)]
        self.reciprocal = [(2**32 + d) // (2 * d) for d in (32768 + 32 * i + 16 for i in range(1024))]
        self.bits = [self._bits(1024 + i) for i in range(1024)] + [1 << 16]

    @staticmethod
    def _bits(x: int) -> int:
        """``2**16 log2(x / 1024)``, rounded down: squaring doubles a logarithm, so its bits come one by one."""
        m, bits = x << 20, 0
        for _ in range(16):
            m = m * m >> 30
            bits = 2 * bits + (m >> 31)
            m >>= m >> 31
        return bits

    def ln(self, x: int) -> int:
        """256 ln(x), for x >= 1."""
        n = x.bit_length()
        return self.logarithm_of_two[n - 1] + self.logarithm[(x << 11 >> n) - 1024]

    def code_length(self, width: int) -> int:
        """Of a symbol that has ``width`` slots, in 2**-16 bit."""
        n = width.bit_length()
        index, part = divmod(width << 25 - n, 1 << 14)
        low, high = self.bits[index - 1024], self.bits[index - 1023]
        return (SLOT_BITS + 1 - n << 16) - low - ((high - low) * part >> 14)


TABLES = Tables()


# rANS

#: Where the slots of symbol ``i`` begin; those of the last one end at ``starts(count)``, which is SLOTS.
Starts = Callable[[int], int]


class Coder(Protocol):
    def code(self, starts: Starts, count: int, symbol: int) -> int:
        """Code one of ``count`` symbols.  A decoder does not look at the symbol; all return it."""
        ...


class Encoder:
    """Collects symbols as first slot and number of slots."""

    def __init__(self) -> None:
        self.symbols: list[tuple[int, int]] = []

    def code(self, starts: Starts, count: int, symbol: int) -> int:
        low = starts(symbol)
        self.symbols.append((low, starts(symbol + 1) - low))
        return symbol

    def words(self) -> list[int]:
        """A stack of 32-bit words."""
        return push(self.symbols)


def push(symbols: list[tuple[int, int]]) -> list[int]:
    """Push symbols, the last one first, onto an empty stack of words."""
    words, state = [], 0
    for low, width in reversed(symbols):
        if state >= width << 64 - SLOT_BITS:
            words.append(state & 2**32 - 1)
            state >>= 32
        state = state // width * SLOTS + low + state % width
    while state:
        words.append(state & 2**32 - 1)
        state >>= 32
    return words


class Decoder:
    """Pops symbols off a stack of words."""

    def __init__(self, words: list[int]):
        self.words = list(words)
        self.state = 0
        while self.state < 2**32 and self.words:
            self.state = self.state << 32 | self.words.pop()

    def code(self, starts: Starts, count: int, symbol: int = 0) -> int:
        slot = self.state % SLOTS
        symbol, end = 0, count
        while end - symbol > 1:
            middle = (symbol + end) // 2
            symbol, end = (middle, end) if starts(middle) <= slot else (symbol, middle)
        low = starts(symbol)
        self.state = self.state // SLOTS * (starts(end) - low) + slot - low
        if self.state < 2**32 and self.words:
            self.state = self.state << 32 | self.words.pop()
        return symbol

    def is_empty(self) -> bool:
        return self.state == 0 and not self.words


class Counter:
    """Adds up code lengths."""

    def __init__(self) -> None:
        self.lengths: list[int] = []

    def code(self, starts: Starts, count: int, symbol: int) -> int:
        self.lengths.append(TABLES.code_length(starts(symbol + 1) - starts(symbol)))
        return symbol


def code_uniform(coder: Coder, count: int, value: int) -> int:
    """One of ``count`` values that are equally likely."""
    return coder.code(lambda v: -(-v * SLOTS // count), count, value)


# Samples


@dataclass
class Scale:
    """Values 0..count - 1; positions are in 2**-(5 + down) level."""

    count: int = 256
    log2_steps: int = 0
    edges: list[int] | None = None
    forbidden: np.ndarray | None = None
    log2_penalty: int = 0

    @property
    def up(self) -> int:
        """log2 of levels per step."""
        return max(-self.log2_steps, 0)

    @property
    def down(self) -> int:
        """log2 of steps per level."""
        return max(self.log2_steps, 0)

    @property
    def is_plain(self) -> bool:
        return self.count == 256 and self.log2_steps == 0

    def edge(self, value: int) -> int:
        """Lower edge of a value."""
        return value << 5 + self.up if self.edges is None else self.edges[value]

    def centre(self, value: int) -> int:
        """Position of a value, which need not be one of the scale's."""
        if self.edges is None or value <= 0 or value >= self.count - 1:
            return value << 5 + self.up
        return (self.edges[value] + self.edges[value + 1] >> 1) - 16

    def is_rare(self, green: int, red: int, blue: int) -> int:
        assert self.forbidden is not None
        index = (green & 255) << 16 | (red & 255) << 8 | blue
        return int(self.forbidden[index >> 3]) >> (index & 7) & 1


# Mixtures of logistics


@dataclass
class Mixture:
    """A mixture of logistics, as a cumulative mass of values."""

    scale: Scale
    #: Each component's weight, inverse scale and offset.
    components: list[tuple[int, int, int]]

    @cached_property
    def weights(self) -> int:
        return sum(w for w, _, _ in self.components)

    @property
    def total(self) -> int:
        return (self.weights << 16) + 65536

    def places(self, value: int) -> list[int]:
        """Where the lower edge of a value is in the table, in 2**-(8 + down) steps."""
        edge, most = self.scale.edge(value), (2 * HALF << 8 + self.scale.down) - (not self.scale.is_plain)
        return [clip(edge * inverse + offset, 0, most) for _, inverse, offset in self.components]

    def component(self, place: int) -> int:
        """Cumulative mass of a component, one is 2**22."""
        if self.scale.is_plain:
            return TABLES.logistic[place >> 8] << 6
        index, rest = divmod(place, 1 << 14 + self.scale.down)
        part = rest >> 2 + self.scale.down
        low, high = TABLES.logistic[64 * index], TABLES.logistic[64 * index + 64]
        return (low << 12) + (high - low) * part >> 6

    def mass_below(self, value: int) -> int:
        if value == 0:
            return 0
        if value == self.scale.count:
            return self.total
        masses = (
            w * self.component(place) for (w, _, _), place in zip(self.components, self.places(value), strict=True)
        )
        return (sum(masses) >> 6) + (value * (2**28 // self.scale.count) >> 12)


WINDOW = 16


class Histograms:
    """How often values near the means of their distributions are seen, and are expected in 2**-16."""

    def __init__(self, count: int):
        self.seen, self.expected = [0] * count, [0] * count

    def add(self, mixture: Mixture, centre: int, value: int) -> None:
        low = clip(centre - WINDOW // 2, 0, mixture.scale.count - WINDOW)
        for v in range(low, low + WINDOW):
            self.expected[v] += (mixture.mass_below(v + 1) - mixture.mass_below(v) << 16) // mixture.total
            self.seen[v] += v == value


class Window:
    """Masses of a mixture around a centre, fewer where a blue value makes a rare colour."""

    def __init__(self, mixture: Mixture, centre: int, green: int, red: int):
        scale = mixture.scale
        self.mixture, self.low = mixture, clip(centre - WINDOW // 2, 0, scale.count - WINDOW)
        self.before = mixture.mass_below(self.low)
        self.inside = [0]
        for blue in range(self.low, self.low + WINDOW):
            mass = mixture.mass_below(blue + 1) - mixture.mass_below(blue)
            self.inside.append(self.inside[-1] + (mass >> scale.log2_penalty * scale.is_rare(green, red, blue)))
        self.removed = mixture.mass_below(self.low + WINDOW) - self.before - self.inside[-1]

    @property
    def total(self) -> int:
        return self.mixture.total - self.removed

    def mass_below(self, value: int) -> int:
        if value <= self.low:
            return self.mixture.mass_below(value)
        if value <= self.low + WINDOW:
            return self.before + self.inside[value - self.low]
        return self.mixture.mass_below(value) - self.removed


# The network's mixture, its outlook, and what is learned


@dataclass
class Prediction:
    """What the network says of a subpixel."""

    logits: list[int]
    scales: list[int]
    means: list[int]


class Outlook:
    """Mean and standard deviation of a prediction, and classes by it."""

    def __init__(self, prediction: Prediction):
        most = max(prediction.logits)
        weights = [TABLES.weight[8 * (most - x)] for x in prediction.logits]
        #: In 2**-5 level.
        self.mean = sum(w * m for w, m in zip(weights, prediction.means, strict=True)) // sum(weights)
        spread = 0
        for w, m, s in zip(weights, prediction.means, prediction.scales, strict=True):
            spread += w * (TABLES.variance[s] + clip(m - self.mean, -(2**20), 2**20) ** 2)
        #: Index of the standard deviation.
        self.sigma = clip((TABLES.ln(spread) - TABLES.ln(sum(weights)) >> 1) - 396, 0, 2047)
        self.scale_class = clip((self.sigma + 40) // 177, 0, 7)
        self.shift_class = clip((self.sigma - 314) // 177, 0, 3)


@dataclass
class Learner:
    """What a unit has learned.  Zero at its start."""

    components: int
    features: int
    shared: list[int] = field(init=False)
    own: list[list[int]] = field(init=False)
    log_scale: list[int] = field(init=False)
    seen: list[int] = field(init=False)
    scales: list[list[int]] = field(init=False)
    logits: list[list[int]] = field(init=False)

    def __post_init__(self) -> None:
        self.shared = [0] * self.features
        self.own = [[0] * self.features for _ in range(4)]
        self.log_scale, self.seen = [0] * 8, [0] * 8
        self.scales = [[0] * self.components for _ in range(9)]
        self.logits = [[0] * self.components for _ in range(9)]

    def shift(self, outlook: Outlook, features: list[int]) -> int:
        """Of the mean, in 2**-13 level."""
        own = self.own[outlook.shift_class]
        p = sum((self.shared[j] + own[j]) * x for j, x in enumerate(features)) >> 10
        return clip(p, -3072, 3072) * TABLES.sigma[outlook.sigma] >> 10

    def corrected(self, scale: Scale, net: Prediction, outlook: Outlook, shift: int, energy: int) -> Mixture:
        own = 1 + outlook.scale_class
        logits = [8 * x + (self.logits[0][k] + self.logits[own][k] >> 9) for k, x in enumerate(net.logits)]
        components = []
        for k, logit in enumerate(logits):
            weight = TABLES.weight[min(max(logits) - logit, 4095)]
            log_scale = 8 * net.scales[k] - (self.log_scale[energy] + self.scales[0][k] + self.scales[own][k] >> 8)
            inverse = TABLES.inverse_scale[clip(log_scale + 512, 0, 3071)]
            mean = (net.means[k] << scale.down) + (16 << scale.up)
            offset = (HALF << 8 + scale.down) - mean * inverse - ((shift << scale.down) * inverse >> 8)
            components.append((weight, inverse, offset))
        return Mixture(scale, components)

    def learn(self, mixture: Mixture, outlook: Outlook, energy: int, features: list[int], value: int) -> None:
        scale, one = mixture.scale, 1 << 22
        middle = HALF << 8 + scale.down
        count = len(mixture.components)
        # Cumulative masses at both edges, and edges in logistic units.
        c0, a0, c1, a1 = [0] * count, [0] * count, [one] * count, [0] * count
        if value > 0:
            places = mixture.places(value)
            c0, a0 = [mixture.component(x) for x in places], [x - middle >> 2 + scale.down for x in places]
        if value + 1 < scale.count:
            places = mixture.places(value + 1)
            c1, a1 = [mixture.component(x) for x in places], [x - middle >> 2 + scale.down for x in places]
        spread, share, slope = [], [], 0
        for k, (weight, inverse, _) in enumerate(mixture.components):
            f0, f1 = c0[k] * (one - c0[k]) >> 22, c1[k] * (one - c1[k]) >> 22
            spread.append(weight * (f1 * a1[k] - f0 * a0[k] >> 16))
            share.append(weight * (c1[k] - c0[k]))
            slope += weight * (f0 - f1) * min(inverse * TABLES.sigma[outlook.sigma] >> 18, 65536) >> 8
        mass = sum(share) + (2**28 // scale.count >> 6)

        n = mass.bit_length()
        reciprocal = TABLES.reciprocal[((mass << 16 >> n) - 32768) >> 5]
        gradients = [x * reciprocal >> n - 1 for x in spread]
        for k, (weight, _, _) in enumerate(mixture.components):
            g = clip(gradients[k], -196608, 65536) + 128 >> 8
            h = (share[k] * reciprocal >> n - 1) - (weight * (2**44 // mixture.weights) >> 28) + 16 >> 5
            for row in (0, 1 + outlook.scale_class):
                self.scales[row][k] = clip(self.scales[row][k] + g, -98304, 98304)
                self.logits[row][k] = clip(self.logits[row][k] + h, -131072, 131072)
        self.seen[energy] += 1
        rate = (3, 3, 3, 4, 5, 6, 7, 8, 9)[min(self.seen[energy].bit_length(), 8)]
        step = clip(sum(gradients), -196608, 65536) + (1 << rate - 1) >> rate
        self.log_scale[energy] = clip(self.log_scale[energy] + step, -98304, 98304)
        gradient, own = clip(slope * reciprocal >> n + 7, -1024, 1024), self.own[outlook.shift_class]
        for j, x in enumerate(features):
            self.shared[j] = clip(self.shared[j] + (3 * gradient * x + 128 >> 8), -(2**18), 2**18)
            own[j] = clip(own[j] + (gradient * x + 64 >> 7), -(2**18), 2**18)


# Units

#: Cells of the same phase, as rows and columns from here.
SAME = ((0, -1), (-1, 0), (-1, 1), (-1, -1), (0, -2), (-2, 0))
#: Cells of other phases: phase, row, column.
AROUND = {
    PHASE_H: ((PHASE_A, 0, 0), (PHASE_A, 0, 1)),
    PHASE_V: (
        (PHASE_A, 0, 0),
        (PHASE_A, 1, 0),
        (PHASE_H, 0, 0),
        (PHASE_H, 0, -1),
        (PHASE_H, 1, 0),
        (PHASE_H, 1, -1),
    ),
    PHASE_D: ((PHASE_H, 0, 0), (PHASE_H, 1, 0), (PHASE_V, 0, 0), (PHASE_V, 0, 1)),
}
BIAS = 8


@dataclass
class Unit:
    """One phase and colour of a tile, for which arrays have a column for each of ``images * height * width``."""

    phase: int
    colour: int
    height: int
    width: int
    shapes: np.ndarray
    means: np.ndarray
    base: np.ndarray
    offsets: np.ndarray

    def prediction(self, i: int) -> Prediction:
        components = len(self.shapes) // 2
        shapes, means, offsets = (array[:, i].tolist() for array in (self.shapes, self.means, self.offsets))
        base = int(self.base[i])
        coupled = 128
        for coupling, offset in zip(means[components:], offsets, strict=True):
            coupled += clip(coupling, -1024, 1024) * offset
        return Prediction(
            shapes[:components],
            shapes[components:],
            [clip(m + base + (coupled >> 8), -(2**27), 2**27) for m in means[:components]],
        )


class Surroundings:
    """What is known around a subpixel.

    ``values`` and ``residuals`` are ``(images, colours, 4, height + 4, width + 4)``.
    """

    def __init__(self, planes: tuple[np.ndarray, np.ndarray], unit: Unit, at: tuple[int, int, int]):
        self.values, self.residual_planes = planes
        self.unit = unit
        self.image, self.y, self.x = at[0], at[1] + BORDER, at[2] + BORDER
        same = [(unit.phase, *at) for at in SAME]
        around = AROUND[unit.phase]
        self.pixels = [self.value(*place) for place in (*around, *same[:4])]
        self.earlier = [int(self.values[self.image, c, unit.phase, self.y, self.x]) for c in range(unit.colour)]
        coarser = [(PHASE_A, *at) for at in ((0, 0), (0, 1), (1, 0))]
        finer = [*same, *(place for place in around if place[0] != PHASE_A)]
        #: Of the residuals, but for those of other colours.
        self.places = [*finer, *coarser]
        self.residuals = [self.residual(unit.colour, *place) for place in finer]
        self.residuals += [self.residual(c, unit.phase, 0, 0) for c in reversed(range(unit.colour))]
        self.residuals += [self.residual(unit.colour, *place) for place in coarser]

    def value(self, phase: int, y: int, x: int) -> int:
        return int(self.values[self.image, self.unit.colour, phase, self.y + y, self.x + x])

    def residual(self, colour: int, phase: int, y: int, x: int) -> int:
        return int(self.residual_planes[self.image, colour, phase, self.y + y, self.x + x])

    def constant(self, count: int) -> int | None:
        """The value that all known pixels around have; None where they differ."""
        here = self.value(PHASE_A, 0, 0)
        coarse = [self.value(PHASE_A, y, x) for y in (-1, 0, 1) for x in (-1, 0, 1)]
        known = {value for value in (*coarse, *self.pixels) if value >= 0}
        return here if known == {here} and here < count else None

    def features(self, scale: Scale, outlook: Outlook) -> list[int]:
        inverse, mean = TABLES.inverse_sigma[outlook.sigma], outlook.mean << scale.down
        pixels = [
            clip((scale.centre(value) - mean) * inverse >> 17 + scale.down, -16, 16) if value >= 0 else 0
            for value in self.pixels
        ]
        return [*self.residuals, *pixels, BIAS]

    def energy(self) -> int:
        """Class of the mean square of residuals."""
        mean_square = sum(r * r for r in self.residuals) * (65536 // len(self.residuals)) >> 16
        return clip(mean_square.bit_length() - 4, 0, 7)

    def keep(self, value: int, residual: int) -> None:
        place = self.image, self.unit.colour, self.unit.phase, self.y, self.x
        self.values[place], self.residual_planes[place] = value, residual


@dataclass
class EarlierSlice:
    """Planes of an earlier slice of a stack: ``(4, height + 4, width + 4)``; values are -1 where they are not known."""

    values: np.ndarray
    residuals: np.ndarray

    def features(self, around: Surroundings, scale: Scale, outlook: Outlook, number: int) -> list[int]:
        """What a pixel's shift is predicted from: of the first slice more than of the second."""
        row, column = divmod(around.unit.phase, 2)
        y, x = 2 * around.y + row, 2 * around.x + column

        def at(plane: np.ndarray, dy: int, dx: int) -> int:
            return int(plane[(y + dy) % 2 * 2 + (x + dx) % 2, (y + dy) // 2, (x + dx) // 2])

        here = at(self.residuals, 0, 0)
        reach = range(-1, 2) if number == 0 else range(1)
        residuals = [at(self.residuals, dy, dx) for dy in reach for dx in reach]
        before = [int(self.residuals[phase, around.y + dy, around.x + dx]) for phase, dy, dx in around.places]
        square = sum(r * r for r in before)
        product = sum(r * own for r, own in zip(before, around.residuals, strict=True))
        slope = 256 * product // square if square else 0
        near = ((0, 0), (0, -1), (-1, 0), (0, 1), (1, 0)) if number == 0 else ((0, 0),)
        inverse, mean = TABLES.inverse_sigma[outlook.sigma], outlook.mean << scale.down
        values = [at(self.values, *place) for place in near]
        pixels = [clip((scale.centre(v) - mean) * inverse >> 17 + scale.down, -16, 16) if v >= 0 else 0 for v in values]
        return [*residuals, clip(slope * here >> 8, -96, 96), *pixels]


class Constancy:
    """How often values differ from constant surroundings."""

    def __init__(self) -> None:
        self.counts = [0, 0]

    def code(self, coder: Coder, differs: bool) -> bool:
        same, other = self.counts
        width = clip(((2 * other + 1) << SLOT_BITS) // (2 * (same + other) + 2), 1, SLOTS - 1)
        symbol = coder.code((0, SLOTS - width, SLOTS).__getitem__, 2, int(differs))
        self.counts[symbol] += 1
        return bool(symbol)


@dataclass
class Memory:
    """What a unit has learned."""

    learner: Learner | None = None
    constancy: Constancy = field(default_factory=Constancy)


@dataclass
class Stack:
    """What a unit of a stack's slice begins with, and the earlier slices that it looks at."""

    memory: Memory = field(default_factory=Memory)
    slices: list[EarlierSlice] = field(default_factory=list)


#: Features of the first and the second earlier slice.
EARLIER_FEATURES = (15, 3)


def code_unit(
    scale: Scale,
    planes: tuple[np.ndarray, np.ndarray],
    unit: Unit,
    coder: Coder,
    histograms: Histograms | None = None,
    stack: Stack | None = None,
) -> Memory:
    """Code a unit: an encoder reads the planes of values, a decoder writes them; both write those of residuals.

    Histograms count what is not constant.
    """
    values, _ = planes
    stack = stack or Stack()
    learner = deepcopy(stack.memory.learner)
    constancy = deepcopy(stack.memory.constancy)
    i = -1
    for image in range(len(values)):
        for y in range(unit.height):
            for x in range(unit.width):
                i += 1
                around = Surroundings(planes, unit, (image, y, x))
                present = around.value(unit.phase, 0, 0)
                constant = around.constant(scale.count)
                if constant is not None and not constancy.code(coder, present != constant):
                    around.keep(constant, 0)
                    continue
                net = unit.prediction(i)
                outlook = Outlook(net)
                features = around.features(scale, outlook)
                for number, count in enumerate(EARLIER_FEATURES):
                    is_there = number < len(stack.slices)
                    features += (
                        stack.slices[number].features(around, scale, outlook, number) if is_there else [0] * count
                    )
                learner = learner or Learner(len(net.means), len(features))
                shift, energy = learner.shift(outlook, features), around.energy()
                mixture = learner.corrected(scale, net, outlook, shift, energy)
                centre = (outlook.mean << scale.down) + ((shift << scale.down) >> 8) >> 5 + scale.up
                centre = clip(centre, 0, scale.count - 1)
                if histograms is not None:
                    histograms.add(mixture, centre, present)
                cumulative: Mixture | Window = mixture
                if unit.colour == 2 and scale.forbidden is not None:
                    cumulative = Window(mixture, centre, *around.earlier)
                value = code_value(cumulative, coder, scale.count, present)
                off = scale.centre(value) - (outlook.mean << scale.down)
                inverse = TABLES.inverse_sigma[outlook.sigma]
                around.keep(value, clip(off * inverse + (1 << 15 + scale.down) >> 16 + scale.down, -96, 96))
                learner.learn(mixture, outlook, energy, features, value)
    return Memory(learner, constancy)


def code_value(cumulative: Mixture | Window, coder: Coder, count: int, present: int) -> int:
    free, total = SLOTS - count, cumulative.total
    return coder.code(lambda v: v + cumulative.mass_below(v) * free // total, count, present)
