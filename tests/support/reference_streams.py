"""The section "Streams" of docs/format.md, written from its text alone: slow, and without mulanzip."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Iterator

import deflate
import imagecodecs
import numpy as np
import tifffile
from PIL import Image
from zlib_ng import zlib_ng

from support.reference_jpeg_ls import Scan, default_thresholds


class _Numbers:
    def __init__(self, data: bytes):
        self.bytes = iter(data)

    def number(self) -> int:
        value = shift = 0
        for byte in self.bytes:
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
        raise EOFError

    def raw(self, count: int) -> bytes:
        return bytes(next(self.bytes) for _ in range(count))


def restore(table: bytes, expanded: bytes) -> bytes:
    """The source of an expanded file; its streams are not written anew."""
    numbers = _Numbers(table)
    assert numbers.number() == len(expanded)
    file, end, facts, shifts = b"", 0, [], [(0, 0)]
    for _ in range(numbers.number()):
        method, row, size = numbers.number(), numbers.number(), numbers.number()
        predictor = (size, numbers.number(), numbers.number()) if size else None
        unit = numbers.number() if 2 < method < 9 or method == 10 else 1
        library = numbers.raw(7 if method in (0, 9) else 1)
        for _ in range(numbers.number()):
            start = end + numbers.number()
            length, place = numbers.number(), numbers.number()
            tail = numbers.raw(numbers.number())
            file += expanded[end:start]
            end = start + length
            content = expanded[start:end] if predictor is None else _differences(expanded[start:end], row, *predictor)
            facts.append((place, len(file)))
            file += _made(method, library, content, row, unit)[: place - len(tail)] + tail
            shifts.append((end, len(file) - end))
    made = bytearray(file + expanded[end:])
    for position, flags, stream in _fields(numbers):
        size = 2 << (flags >> 2)
        at = position + next(shift for behind, shift in reversed(shifts) if behind <= position)
        made[at : at + size] = facts[stream][flags & 1].to_bytes(size, "little" if flags & 2 else "big")
    return bytes(made)


def _fields(numbers: _Numbers) -> Iterator[tuple[int, int, int]]:
    for _ in range(numbers.number()):
        start, flags, first, count = (numbers.number() for _ in range(4))
        for i in range(count):
            yield start + i * (2 << (flags >> 2)), flags, first + i


def _differences(content: bytes, row: int, size: int, order: int, channels: int) -> bytes:
    kind = f"{'<>'[order]}u{size}"
    samples = np.frombuffer(content, kind).astype(np.int64).reshape(len(content) // row, -1, channels)
    left = np.zeros_like(samples)
    left[:, 1:] = samples[:, :-1]
    return ((samples - left) % 256**size).astype(kind).tobytes()


def _runs(samples: bytes, headers: bytes, unit: int) -> bytes:
    made, at = b"", 0
    for header in headers:
        count = header + 1 if header < 128 else 1
        made += bytes([header]) + samples[at : at + count * unit]
        at += unit * (count if header < 128 else header - 127)
    return made


def _text(samples: bytes, between: bytes, unit: int) -> bytes:
    numbers = [int.from_bytes(samples[i : i + unit], "big") for i in range(0, len(samples), unit)]
    pairs = zip(numbers, between.split(b"\0"), strict=True)  # No text stands behind the last number.
    return b"".join(str(number).encode() + text for number, text in pairs)


def _jpeg(samples: bytes, rest: bytes, unit: int) -> bytes:
    """A lossless JPEG of one component, sample by sample."""
    at, codes, frame = 2, {}, b""
    while True:
        marker, length = rest[at + 1], int.from_bytes(rest[at + 2 : at + 4], "big")
        body = rest[at + 4 : at + 2 + length]
        at += 2 + length
        if marker == 0xC3:
            frame = body
        elif marker == 0xC4:
            code, symbols = 0, iter(body[17:])
            for bits, count in enumerate(body[1:17], 1):
                for _ in range(count):
                    codes[next(symbols)] = f"{code:0{bits}b}"
                    code += 1
                code *= 2
        elif marker == 0xDA:
            break
    precision, width = frame[0], int.from_bytes(frame[3:5], "big")
    values = [int.from_bytes(samples[i : i + unit], "little") for i in range(0, len(samples), unit)]
    text = ""
    for i, value in enumerate(values):
        predicted = values[i - 1] if i % width else values[i - width] if i else 1 << precision - 1
        difference = (value - predicted + 32767) % 65536 - 32767
        size = abs(difference).bit_length()
        text += codes[size]
        if 0 < size < 16:
            text += f"{difference if difference > 0 else difference + (1 << size) - 1:0{size}b}"
    made = bytes(int(text[i : i + 8], 2) for i in range(0, len(text) // 8 * 8, 8))
    return rest[:at] + made.replace(b"\xff", b"\xff\0") + rest[at:]


def _jpeg_ls(samples: bytes, rest: bytes, unit: int) -> bytes:
    at, frame, given, marker = 2, b"", [0] * 5, 0
    while marker != 0xDA:
        marker, length = rest[at + 1], int.from_bytes(rest[at + 2 : at + 4], "big")
        body = rest[at + 4 : at + 2 + length]
        at += 2 + length
        if marker == 0xF7:
            frame = body
        elif marker == 0xF8:
            given = [int.from_bytes(body[i : i + 2], "big") for i in range(1, 11, 2)]
    height, width = int.from_bytes(frame[1:3], "big"), int.from_bytes(frame[3:5], "big")
    values = [int.from_bytes(samples[i : i + unit], "little") for i in range(0, len(samples), unit)]
    largest = given[0] or (1 << frame[0]) - 1
    thresholds = [one or own for one, own in zip(given[1:4], default_thresholds(largest), strict=True)]
    image = np.array(values).reshape(height, width, frame[5])
    return rest[:at] + Scan(image, body[-2] == 2, largest, thresholds, given[4] or 64).data(False) + rest[at:]


def _in_items(samples: bytes, rest: bytes, unit: int, make: Callable[[bytes, bytes, int], bytes]) -> bytes:
    """Kinds of JPEG, perhaps cut into items of DICOM."""
    if not rest.startswith(b"\xfe\xff\0\xe0"):
        return make(samples, rest, unit)
    length = int.from_bytes(rest[4:8], "little")
    whole = make(samples, rest[8:], unit)
    parts = [whole[i : i + length] for i in range(0, len(whole), length)]
    return b"".join(rest[:4] + len(part).to_bytes(4, "little") + part for part in parts)


def _planes(samples: bytes, rest: bytes, unit: int) -> bytes:
    """RLE of DICOM."""
    starts = [int.from_bytes(rest[i : i + 4], "little") for i in range(0, 64, 4)]
    count, made, at = starts[0], rest[:64], 64
    for number in range(count):
        byte = number // unit * unit + unit - 1 - number % unit  # The high byte of a sample comes first.
        plane, done = samples[byte::count], 0
        while done < len(plane):
            header = rest[at]
            made += rest[at : at + 1]
            made += plane[done : done + header + 1] if header < 128 else plane[done : done + 1] * (header != 128)
            done += header + 1 if header < 128 else (257 - header) * (header != 128)
            at += 1
        behind = starts[number + 2] - len(made) if number + 1 < count else len(rest) - at
        made += rest[at : at + behind]
        at += behind
    return made


def _gif(samples: bytes, rest: bytes, unit: int) -> bytes:
    """LZW of GIF, phrase by phrase, as text of zeros and ones."""
    numbers = _Numbers(rest)
    least, step = numbers.raw(1)[0], numbers.number()
    clears, cuts = [[numbers.number() for _ in range(numbers.number())] for _ in range(2)]
    ending = bytes(numbers.bytes)
    if unit > 1:
        rows = [samples[i : i + unit] for i in range(0, len(samples), unit)]
        samples = b"".join(b"".join(rows[first::down]) for first, down in ((0, 8), (4, 8), (2, 4), (1, 2)))
    single = {bytes([i]): i for i in range(1 << least)}
    known, free, count, at, text = dict(single), (1 << least) + 2, 0, 0, ""
    ends = [sum(cuts[: i + 1]) for i in range(len(cuts))]

    def written(code: int) -> str:
        bits = max(least + 1, min(12, ((1 << least) + 1 + max(1, count)).bit_length()))
        return f"{code:0{bits}b}"[::-1]

    while True:
        while clears and clears[0] == count:
            text += written(1 << least)
            known, free, count, clears = dict(single), (1 << least) + 2, 0, clears[1:]
        if at == len(samples):
            break
        limit = min((end for end in ends if end > at), default=len(samples))
        end = at + 1
        while end < limit and samples[at : end + 1] in known:
            end += 1
        text += written(known[samples[at:end]])
        count += 1
        if free < 4096 and end < len(samples):
            known.setdefault(samples[at : end + 1], free)
            free += 1
        at = end
    if ending:
        text += "".join(f"{byte:08b}"[::-1] for byte in ending)
        text = text[: len(text) // 8 * 8]
    else:
        text += written((1 << least) + 1)
        text += "0" * (-len(text) % 8)
    data = bytes(int(text[i : i + 8][::-1], 2) for i in range(0, len(text), 8))
    return (
        rest[:1]
        + b"".join(bytes([len(data[i : i + step])]) + data[i : i + step] for i in range(0, len(data), step))
        + b"\0"
    )


def _deflated(settings: bytes, content: bytes) -> bytes:
    """A zlib stream."""
    number, level, window, memory, strategy = settings[:5]
    if number == 2:
        made = bytes(deflate.zlib_compress(content, level))
    elif number == 3:
        made = bytes(2) + _blocks(content, level, memory, strategy) + zlib.adler32(content).to_bytes(4, "big")
    else:
        coder = (zlib, zlib_ng)[number].compressobj(level, zlib.DEFLATED, window, memory, strategy)
        made = coder.compress(content) + coder.flush()
    return settings[5:] + made[2:]


def _blocks(content: bytes, level: int, memory: int, strategy: int) -> bytes:
    """Blocks as pigz makes them: each ends in a whole byte, but not yet where zlib ends it."""
    made, size = b"", 1 << 17
    for at in range(0, len(content), size):
        coder = zlib.compressobj(level, zlib.DEFLATED, -15, memory, strategy, content[max(0, at - (1 << 15)) : at])
        made += coder.compress(content[at : at + size])
        if at + size >= len(content):
            return made + coder.flush()
        made += coder.flush(zlib.Z_BLOCK)
        # With an empty block of fixed codes, 0100000000, the rest of the bits is known by the place of its last 1.
        bits = "".join(f"{byte:08b}"[::-1] for byte in coder.copy().flush(zlib.Z_PARTIAL_FLUSH)).rstrip("0")[:-2]
        if len(bits) % 2:
            made += coder.flush(zlib.Z_SYNC_FLUSH)
        else:
            while len(bits) % 8:
                bits += "0100000000"
            made += bytes(int(bits[i : i + 8][::-1], 2) for i in range(0, len(bits), 8))
    raise AssertionError


def _made(method: int, library: bytes, content: bytes, row: int, unit: int) -> bytes:
    if method == 0:
        return _deflated(library, content)
    if method == 9:
        made = _deflated(library, content)[2:-4]
        return made + zlib.crc32(content).to_bytes(4, "little") + (len(content) % 2**32).to_bytes(4, "little")
    if method == 3:
        return _runs(content[:row], content[row:], unit)
    if method == 8:
        return _gif(content[:row], content[row:], unit)
    if method == 7:
        return _planes(content[:row], content[row:], unit)
    if method in (6, 10):
        return _in_items(content[:row], content[row:], unit, _jpeg if method == 6 else _jpeg_ls)
    if method > 3:
        return _text(content[:row], content[row:], unit)
    if library[0] == 0:
        buffer = io.BytesIO()
        image = Image.frombytes("L", (row, len(content) // row), content)
        image.save(buffer, "TIFF", compression=("tiff_lzw", "packbits")[method - 1], tiffinfo={278: image.height})
        with tifffile.TiffFile(io.BytesIO(buffer.getvalue())) as tiff:
            page = tiff.pages.first
            return buffer.getvalue()[page.dataoffsets[0] :][: page.databytecounts[0]]
    if method == 1:
        return bytes(imagecodecs.lzw_encode(content))
    step = len(content) if library[0] == 1 else row
    return b"".join(bytes(imagecodecs.packbits_encode(content[i : i + step])) for i in range(0, len(content), step))
