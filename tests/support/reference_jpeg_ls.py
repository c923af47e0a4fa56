"""JPEG-LS without loss by the book (ISO/IEC 14495-1, Annex A), a bit after the other: slow, and free of our code."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

J = [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 9, 10, 11, 12, 13, 14, 15]


def default_thresholds(largest: int) -> tuple[int, int, int]:
    """T1, T2, T3 of C.2.4.1.1."""

    def clamped(i: int, j: int) -> int:
        return j if i > largest or i < j else i

    if largest >= 128:
        factor = (min(largest, 4095) + 128) // 256
        first = clamped(factor * (3 - 2) + 2, 1)
        second = clamped(factor * (7 - 3) + 3, first)
        return first, second, clamped(factor * (21 - 4) + 4, second)
    factor = 256 // (largest + 1)
    first = clamped(max(2, 3 // factor), 1)
    second = clamped(max(3, 7 // factor), first)
    return first, second, clamped(max(4, 21 // factor), second)


@dataclass
class Scan:
    """Coded data of components ``(h, w, c)``, interleaved by row, or by pixel."""

    samples: np.ndarray
    by_pixel: bool
    largest: int
    thresholds: Sequence[int]
    reset: int
    bits: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        height, _, components = self.samples.shape
        self.span = self.largest + 1
        self.qbpp = (self.span - 1).bit_length()
        bpp = max(2, self.qbpp)
        self.limit = 2 * (bpp + max(8, bpp))
        start = max(2, (self.span + 32) // 64)
        self.a, self.b, self.c, self.n = [start] * 367, [0] * 367, [0] * 367, [1] * 367
        self.negative = [0, 0]
        groups = [range(components)] if self.by_pixel else [range(i, i + 1) for i in range(components)]
        self.indices = [0] * len(groups)
        for y in range(height):
            for g, group in enumerate(groups):
                self._line(y, g, list(group))

    def _near(self, y: int, x: int, k: int) -> tuple[int, int, int, int]:
        """Ra, Rb, Rc, Rd."""
        s, width = self.samples, self.samples.shape[1]

        def at(y: int, x: int) -> int:
            if x == -1:
                return at(y - 1, 0)
            return 0 if y < 0 else int(s[y, min(x, width - 1), k])

        return at(y, x - 1), at(y - 1, x), at(y - 1, x - 1), at(y - 1, x + 1)

    def _quantised(self, d: int) -> int:
        t1, t2, t3 = self.thresholds
        size = (abs(d) >= 1) + (abs(d) >= t1) + (abs(d) >= t2) + (abs(d) >= t3) if d else 0
        return size if d > 0 else -size

    def _line(self, y: int, g: int, group: list[int]) -> None:
        x, width = 0, self.samples.shape[1]
        while x < width:
            near = [self._near(y, x, k) for k in group]
            context = [tuple(map(self._quantised, (d - b, b - c, c - a))) for a, b, c, d in near]
            if any(any(q) for q in context):
                for k, n, q in zip(group, near, context, strict=True):
                    self._regular(int(self.samples[y, x, k]), n, q)
                x += 1
                continue
            run = 0
            while x < width and all(int(self.samples[y, x, k]) == n[0] for k, n in zip(group, near, strict=True)):
                run += 1
                x += 1
            while run >= 1 << J[self.indices[g]]:
                self.bits.append(1)
                run -= 1 << J[self.indices[g]]
                self.indices[g] = min(31, self.indices[g] + 1)
            if x == width:
                self.bits += [1] * (run > 0)
                return
            self.bits.append(0)
            self._append(run, J[self.indices[g]])
            for k in group:
                a, b, _, _ = self._near(y, x, k)
                self._interruption(int(self.samples[y, x, k]), a, b, int(len(group) == 1 and a == b), g)
            self.indices[g] = max(0, self.indices[g] - 1)
            x += 1

    def _append(self, value: int, count: int) -> None:
        self.bits += [value >> i & 1 for i in range(count - 1, -1, -1)]

    def _golomb(self, value: int, k: int, limit: int) -> None:
        if value >> k < limit - self.qbpp - 1:
            self.bits += [0] * (value >> k) + [1]
            self._append(value, k)
        else:
            self.bits += [0] * (limit - self.qbpp - 1) + [1]
            self._append(value - 1, self.qbpp)

    def _modulo(self, error: int) -> int:
        error %= self.span
        return error - self.span if error >= (self.span + 1) // 2 else error

    def _regular(self, value: int, near: tuple[int, int, int, int], q: tuple[int, ...]) -> None:
        a, b, c, _ = near
        sign = -1 if next(part for part in (*q, 1) if part) < 0 else 1
        i = sign * (81 * q[0] + 9 * q[1] + q[2])
        guess = min(a, b) if c >= max(a, b) else max(a, b) if c <= min(a, b) else a + b - c
        guess = min(self.largest, max(0, guess + sign * self.c[i]))
        error = self._modulo(sign * (value - guess))
        k = 0
        while self.n[i] << k < self.a[i]:
            k += 1
        if k == 0 and 2 * self.b[i] <= -self.n[i]:
            mapped = 2 * error + 1 if error >= 0 else -2 * (error + 1)
        else:
            mapped = 2 * error if error >= 0 else -2 * error - 1
        self._golomb(mapped, k, self.limit)
        self.b[i] += error
        self.a[i] += abs(error)
        if self.n[i] == self.reset:
            self.a[i], self.b[i], self.n[i] = self.a[i] >> 1, self.b[i] >> 1, self.n[i] >> 1
        self.n[i] += 1
        if self.b[i] <= -self.n[i]:
            self.b[i] = max(self.b[i] + self.n[i], 1 - self.n[i])
            self.c[i] = max(-128, self.c[i] - 1)
        elif self.b[i] > 0:
            self.b[i] = min(self.b[i] - self.n[i], 0)
            self.c[i] = min(127, self.c[i] + 1)

    def _interruption(self, value: int, a: int, b: int, kind: int, g: int) -> None:
        error = value - a if kind else value - b
        error = self._modulo(-error if not kind and a > b else error)
        i = 365 + kind
        temp = self.a[i] + (self.n[i] >> 1 if kind else 0)
        k = 0
        while self.n[i] << k < temp:
            k += 1
        low = 2 * self.negative[kind] < self.n[i]
        turned = (k == 0 and error > 0 and low) or (error < 0 and not low) or (error < 0 and k != 0)
        mapped = 2 * abs(error) - kind - turned
        self._golomb(mapped, k, self.limit - J[self.indices[g]] - 1)
        self.negative[kind] += error < 0
        self.a[i] += (mapped + 1 - kind) >> 1
        if self.n[i] == self.reset:
            self.a[i], self.n[i], self.negative[kind] = self.a[i] >> 1, self.n[i] >> 1, self.negative[kind] >> 1
        self.n[i] += 1

    def data(self, is_whole: bool = True) -> bytes:
        """The bytes: a zero bit follows each byte of ones.  The last one is filled up with zeros, or left out."""
        out, byte, size, count = bytearray(), 0, 8, 0
        for bit in self.bits:
            byte, count = byte << 1 | bit, count + 1
            if count == size:
                out.append(byte)
                size, byte, count = 7 if byte == 255 else 8, 0, 0
        if is_whole and (count or size == 7):
            out.append(byte << size - count)
        return bytes(out)


def jpeg_ls(samples: np.ndarray, precision: int, by_pixel: bool = False, given: Sequence[int] = ()) -> bytes:
    """A JPEG-LS file of ``(h, w, c)``; perhaps with MAXVAL, T1, T2, T3 and RESET in it, 0 for the standard's own."""
    height, width, components = samples.shape
    ids = range(1, components + 1)
    largest = given[0] if given and given[0] else (1 << precision) - 1
    own = default_thresholds(largest)
    thresholds = [one or other for one, other in zip(given[1:4], own, strict=True)] if given else own
    scan = Scan(samples, by_pixel, largest, thresholds, given[4] if given and given[4] else 64)
    frame = struct.pack(">BHHB", precision, height, width, components) + b"".join(bytes([i, 0x11, 0]) for i in ids)
    order = 0 if components == 1 else 1 + by_pixel
    head = bytes([components]) + b"".join(bytes([i, 0]) for i in ids) + bytes([0, order, 0])
    presets = [(0xF8, struct.pack(">B5H", 1, *given))] if given else []
    segments = [(0xFE, b"words"), (0xF7, frame), *presets, (0xDA, head)]
    marks = b"".join(bytes([0xFF, kind]) + struct.pack(">H", 2 + len(body)) + body for kind, body in segments)
    return b"\xff\xd8" + marks + scan.data() + b"\xff\xd9"
