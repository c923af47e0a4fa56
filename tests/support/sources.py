"""Files in which samples lie uncompressed, made by hypothesis: any geometry, and random bytes in all other places."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import deflate as libdeflate
import imagecodecs
import numpy as np
from hypothesis import strategies as st

from support.reference_jpeg_ls import jpeg_ls

#: Bytes of one TIFF value by type, and the letter of struct.
_TIFF_TYPES = {1: (1, "B"), 2: (1, "B"), 3: (2, "H"), 4: (4, "I"), 7: (1, "B"), 16: (8, "Q")}


@dataclass(frozen=True)
class SourceFile:
    """A file.

    Attributes:
        data: its bytes.
        images: ``(H, W, channels)``, in the order in which they should be found.
    """

    data: bytes
    images: list[np.ndarray]


def samples(random: Random, shape: tuple[int, ...], bits: int, signed: bool = False) -> np.ndarray:
    """Random samples."""
    values = np.frombuffer(random.randbytes(2 * int(np.prod(shape))), np.uint16).reshape(shape) >> (16 - bits)
    return values.astype(np.uint8) if bits <= 8 else values.view(np.int16) if signed else values


def junk(random: Random, most: int = 9) -> bytes:
    """A few random bytes."""
    return random.randbytes(random.randrange(most + 1))


def of_32_bits(
    random: Random, shape: tuple[int, ...], order: str, is_float: bool, signed: bool
) -> tuple[bytes, np.ndarray]:
    """Random bytes of samples, and the halves of them that are images."""
    words = np.frombuffer(random.randbytes(4 * int(np.prod(shape))), f"{order}u4").reshape(shape)
    halves = (words >> 16 if is_float else words & 0xFFFF).astype(np.uint16)
    return words.tobytes(), halves.view(np.int16) if signed and not is_float else halves


def packed(rows: np.ndarray, bits: int, reverse: bool = False) -> bytes:
    """Rows of samples as strings of bits, each filled up to whole bytes."""
    lines = []
    for row in rows.reshape(len(rows), -1).tolist():
        text = "".join(f"{value:0{bits}b}" for value in row)
        text += "0" * (-len(text) % 8)
        lines.append(bytes(int(text[i : i + 8][:: -1 if reverse else 1], 2) for i in range(0, len(text), 8)))
    return b"".join(lines)


def bmp(random: Random, most: int = 9) -> SourceFile:
    height, width = random.randint(1, most), random.randint(1, 2 * most)
    bits = random.choice((1, 4, 8, 16, 24, 32))
    channels = {16: 3, 24: 3, 32: random.choice((3, 4))}.get(bits, 1)
    image = samples(random, (height, width, channels), {16: 5}.get(bits, min(bits, 8)))
    if bits == 32 and channels == 4:
        image[0, 0, 3], image[-1, -1, 3] = 1, 2  # It would be taken for a constant otherwise.
        channels = 4 if height * width > 1 else 3
        image = image[..., :channels]
    if bits < 16:
        rows = packed(image, bits)
    elif bits == 16:
        words = image.astype(np.uint16)
        rows = (words[..., 0] << 10 | words[..., 1] << 5 | words[..., 2]).astype("<u2").tobytes()
    else:
        order = [2, 1, 0, 3][:channels]
        rows = b""
        for row in image[..., order]:
            rows += row.tobytes() if 8 * channels == bits else b"".join(p.tobytes() + b"\x55" for p in row)
    size = len(rows) // height
    lines = [rows[i * size : (i + 1) * size] + random.randbytes(-size % 4) for i in range(height)]
    is_upward = random.random() < 0.7
    lines = lines[::-1] if is_upward else lines
    palette = random.randbytes(4 << bits) if bits <= 8 else b""
    before = palette + junk(random)
    offset = 14 + 40 + len(before)
    header = struct.pack("<IiiHHIIiiII", 40, width, height if is_upward else -height, 1, bits, 0, 0, 0, 0, 0, 0)
    head = b"BM" + random.randbytes(8) + struct.pack("<I", offset)
    return SourceFile(head + header + before + b"".join(lines) + junk(random), [image])


def pnm(random: Random, most: int = 9) -> SourceFile:
    data, images = b"", []
    for _ in range(random.randint(1, 4)):
        height, width, kind = random.randint(1, most), random.randint(1, 2 * most), random.choice("4567")
        channels = {"4": 1, "5": 1, "6": 3, "7": random.randint(1, 6)}[kind]
        bits = 1 if kind == "4" else random.choice((1, 5, 8, 10, 16))
        image = samples(random, (height, width, channels), bits)
        comment = random.choice(("", "# any words\n"))
        if kind == "4":
            data += f"P4\n{comment}{width} {height}\n".encode() + packed(1 - image, 1)
        else:
            maximum = (1 << bits) - 1
            data += (
                f"P7\n{comment}WIDTH {width}\nHEIGHT {height}\nDEPTH {channels}\nMAXVAL {maximum}\nENDHDR\n"
                if kind == "7"
                else f"P{kind}\n{comment}{width}\n{height} {maximum}\n"
            ).encode()
            data += image.astype(">u2").tobytes() if bits > 8 else image.tobytes()
        images.append(image)
    return SourceFile(data + random.choice((b"", b"\n", b"PX", random.randbytes(7))), images)


def tga(random: Random, most: int = 9) -> SourceFile:
    height, width, kind = random.randint(1, most), random.randint(1, 2 * most), random.choice((1, 2, 3))
    bits = {1: 8, 2: random.choice((16, 24, 32)), 3: 8}[kind]
    channels = {8: 1, 16: 3, 24: 3, 32: 4}[bits]
    image = samples(random, (height, width, channels), 5 if bits == 16 else 8)
    if bits == 16:
        words = image.astype(np.uint16)
        highest = samples(random, (height, width), 1).astype(np.uint16) << 15
        stored = (highest | words[..., 0] << 10 | words[..., 1] << 5 | words[..., 2]).astype("<u2")
    else:
        stored = image[..., [2, 1, 0, 3][:channels]] if channels > 1 else image
    is_downward = random.random() < 0.5
    rows = (stored if is_downward else stored[::-1]).tobytes()
    text, palette = junk(random), random.randbytes(3 * 256) if kind == 1 else b""
    map_ = (0, 256, 24) if kind == 1 else (0, 0, 0)
    sizes = (3, 4, width, height, bits, 0x20 * is_downward | random.randrange(16))
    head = struct.pack("<BBBHHBHHHHBB", len(text), kind == 1, kind, *map_, *sizes)
    return SourceFile(head + text + palette + rows + junk(random), [image])


def tga_runs(random: Random, most: int = 9) -> SourceFile:
    """Pixels in packets, of which some are runs."""
    height, width, kind = random.randint(1, most), random.randint(1, 2 * most), random.choice((10, 11))
    channels = random.choice((3, 4)) if kind == 10 else 1
    image = samples(random, (height * width, channels), 8)
    packets, i = b"", 0
    while i < len(image):
        count = min(random.choice((1, 2, 5, 128)), len(image) - i)
        if random.random() < 0.5:
            image[i : i + count] = image[i]
            packets += bytes([0x80 | count - 1]) + _blue_first(image[i : i + 1], channels)
        else:
            packets += bytes([count - 1]) + _blue_first(image[i : i + count], channels)
        i += count
    is_downward = random.random() < 0.5
    text = junk(random)
    head = struct.pack(
        "<BBBHHBHHHHBB", len(text), 0, kind, 0, 0, 0, 3, 4, width, height, 8 * channels, 0x20 * is_downward
    )
    rows = image.reshape(height, width, channels)
    return SourceFile(head + text + packets + junk(random), [rows if is_downward else rows[::-1]])


def _blue_first(pixels: np.ndarray, channels: int) -> bytes:
    return pixels[:, [2, 1, 0, 3][:channels]].tobytes() if channels > 1 else pixels.tobytes()


def pnm_text(random: Random, most: int = 9) -> SourceFile:
    """Numbers with any spaces between them."""
    height, width, kind = random.randint(1, most), random.randint(1, 2 * most), random.choice("123")
    channels, bits = 3 if kind == "3" else 1, 1 if kind == "1" else random.choice((1, 5, 8, 10, 16))
    image = samples(random, (height, width, channels), bits)
    numbers = (1 - image if kind == "1" else image).ravel().tolist()
    spaces = ("", " ", "\n", " \t") if kind == "1" else (" ", "\n", "\r\n", " \t ")
    head = f"P{kind}\n# any words\n{width} {height}\n" + ("" if kind == "1" else f"{(1 << bits) - 1}\n")
    text = "".join(str(number) + random.choice(spaces) for number in numbers[:-1]) + str(numbers[-1])
    return SourceFile((head + text).encode() + random.choice((b"", b"\n", b"\n# end")), [image])


def npy(random: Random, most: int = 9) -> SourceFile:
    bits, signed = random.choice((8, 16)), random.random() < 0.3
    rank, order = random.choice((2, 2, 3, 3, 4)), random.choice("CF")
    shape = tuple(random.randint(5, most) for _ in range(rank))
    if rank > 2 and random.random() < 0.5:
        shape = (*shape[:-1], random.randint(1, 4))
    values = samples(random, shape, bits, signed)
    kind = f"{random.choice('<>')}{'i' if signed else 'u'}{bits // 8}"
    stored = np.array(values.view(np.int8) if signed and bits == 8 else values, kind, order=order)
    file = io.BytesIO()
    np.save(file, stored)
    seen = values ^ np.uint8(128) if signed and bits == 8 else values
    if rank == 2:
        images = [seen[..., None]]
    elif shape[-1] <= 4:
        stack = seen.reshape(-1, *shape[-3:]) if order == "C" or rank == 3 else seen.transpose(2, 0, 1, 3)
        images = list(stack)
    elif order == "C":
        images = list(seen.reshape(-1, *shape[-2:], 1))
    else:
        images = [seen[(slice(None), slice(None), *index)][..., None] for index in np.ndindex(shape[2:])]
    return SourceFile(file.getvalue() + junk(random), images)


def fits(random: Random, most: int = 9) -> SourceFile:
    data, images = b"", []
    for part in range(random.randint(1, 3)):
        bits = random.choice((8, 16, 16, 32, -32))
        shape = [random.randint(5, most) for _ in range(random.choice((2, 2, 3)))]
        is_shifted = bits > 8 and random.random() < 0.5
        cards = [
            "SIMPLE  =                    T / any words" if part == 0 else "XTENSION= 'IMAGE   '",
            f"BITPIX  = {bits:20}",
            f"NAXIS   = {len(shape):20}",
            *(f"NAXIS{i + 1}  = {side:20}" for i, side in enumerate(shape[::-1])),
            f"COMMENT {random.randrange(10**9)}",
            *([f"{'BZERO':8}= {f'{1 << bits - 1}.0':>20}", f"{'BSCALE':8}= {'1':>20}"] if is_shifted else []),
            "END",
        ]
        header = "".join(card.ljust(80) for card in cards).encode()
        data += header + b" " * (-len(header) % 2880)
        if abs(bits) == 32:
            stored, values = of_32_bits(random, tuple(shape), ">", bits < 0, not is_shifted)
        else:
            values = samples(random, tuple(shape), bits, signed=not is_shifted)
            words = values.view(np.uint16) ^ np.uint16(0x8000 * is_shifted) if bits == 16 else values
            stored = words.astype(f">u{bits // 8}").tobytes()
        data += stored + random.randbytes(-len(stored) % 2880)
        images += list(values.reshape(-1, *shape[-2:], 1))
    return SourceFile(data + junk(random), images)


def nifti(random: Random, most: int = 9) -> SourceFile:
    """Both versions and byte orders; slices of a place are in the order of time."""
    order, is_second = random.choice("<>"), random.random() < 0.5
    kind, bits, signed, channels = random.choice(
        [
            (2, 8, False, 1),
            (4, 16, True, 1),
            (256, 8, True, 1),
            (512, 16, False, 1),
            (128, 8, False, 3),
            (2304, 8, False, 4),
        ]
    )
    shape = [random.randint(2, most) for _ in range(random.choice((2, 3, 3, 4, 5)))]  # Width first.
    values = samples(random, (*shape[::-1], channels), bits, signed and bits == 16)
    sides = [len(shape), *shape, *[1] * (7 - len(shape))]
    start = 540 + 4 if is_second else 348 + 4
    gap = junk(random)
    header = bytearray(random.randbytes(start))
    if is_second:
        struct.pack_into(f"{order}i8sh", header, 0, 540, b"n+2\0\r\n\x1a\n", kind)
        struct.pack_into(f"{order}8q", header, 16, *sides)
        struct.pack_into(f"{order}q", header, 168, start + len(gap))
    else:
        struct.pack_into(f"{order}i", header, 0, 348)
        struct.pack_into(f"{order}8h", header, 40, *sides)
        struct.pack_into(f"{order}h", header, 70, kind)
        struct.pack_into(f"{order}f", header, 108, start + len(gap))
        header[344:348] = b"n+1\0"
    stored = values.view(np.uint16).astype(f"{order}u2") if bits == 16 else values
    seen = values ^ np.uint8(128) if signed and bits == 8 else values
    frames = seen.reshape(-1, *(shape[::-1][-4:-2] or [1]), *values.shape[-3:]) if len(shape) > 3 else None
    if frames is not None:
        images = [frames[v, t, z] for v in range(len(frames)) for z in range(shape[2]) for t in range(shape[3])]
    else:
        images = list(seen.reshape(-1, *values.shape[-3:]))
    return SourceFile(bytes(header) + gap + stored.tobytes() + junk(random), images)


def mgh(random: Random, most: int = 9) -> SourceFile:
    """Slices of a place are in the order of time."""
    kind, bits, signed = random.choice([(0, 8, False), (4, 16, True), (10, 16, False), (1, 32, True), (3, 32, False)])
    shape = [random.randint(1, 3), random.randint(1, 3), *(random.randint(5, most) for _ in range(2))]
    header = struct.pack(">6i", 1, *shape[::-1], kind) + random.randbytes(260)
    if bits == 32:
        stored, values = of_32_bits(random, (*shape, 1), ">", kind == 3, signed)
    else:
        values = samples(random, (*shape, 1), bits, signed)
        stored = (values.view(np.uint16).astype(">u2") if bits == 16 else values).tobytes()
    images = list(values.transpose(1, 0, 2, 3, 4).reshape(-1, *shape[2:], 1))
    return SourceFile(header + stored + junk(random), images)


def tiff(random: Random, most: int = 9) -> SourceFile:
    """Pages and SubIFDs of any layout, in any order in the file."""
    order, is_big = random.choice("<>"), random.random() < 0.3
    file = bytearray((b"II" if order == "<" else b"MM") + struct.pack(order + "H", 43 if is_big else 42))
    file += struct.pack(order + "HHQ", 8, 0, 0) if is_big else bytes(4)
    images: list[np.ndarray] = []
    link = 8 if is_big else 4
    pointer = "Q" if is_big else "I"
    for _ in range(random.randint(1, 3)):
        below = []
        page = _tiff_image(random, file, order, images, most)
        for _ in range(random.choice((0, 0, 1, 2))):
            tags = _tiff_image(random, file, order, images, most)
            below.append(_tiff_directory(file, order, is_big, tags)[0])
        if below:
            page[330] = (16 if is_big else 4, below)
        place, following = _tiff_directory(file, order, is_big, page)
        file[link : link + struct.calcsize(pointer)] = struct.pack(order + pointer, place)
        link = following
        file += junk(random)
    return SourceFile(bytes(file), images)


def _packed_stream(random: Random, rows: bytes, row_bytes: int, method: int) -> bytes:
    """Rows compressed by a library that writers of TIFF files use."""
    if method == 5:
        return bytes(imagecodecs.lzw_encode(rows))
    if method == 32773:
        step = random.choice((row_bytes, len(rows)))
        return b"".join(bytes(imagecodecs.packbits_encode(rows[i : i + step])) for i in range(0, len(rows), step))
    level = random.choice((1, 6, 9))
    return zlib.compress(rows, level) if random.random() < 0.5 else bytes(libdeflate.zlib_compress(rows, level))


def _differences(block: np.ndarray) -> np.ndarray:
    """Each sample less the one on its left."""
    return np.diff(block, axis=1, prepend=np.zeros_like(block[:, :1]))


def _tiff_image(
    random: Random, file: bytearray, order: str, images: list[np.ndarray], most: int
) -> dict[int, tuple[int, list[int]]]:
    """Append the blocks of an image to a file, and the image to the list; returns its tags."""
    bits = random.choice((1, 2, 4, 6, 8, 8, 10, 12, 14, 16, 16))
    channels, is_planar, is_reversed = random.choice((1, 1, 3, 4, 5)), random.random() < 0.3, random.random() < 0.1
    is_reversed &= bits != 16
    method = 1 if is_reversed else random.choice((1, 1, 1, 1, 5, 8, 32946, 32773))
    is_predicted = method in (5, 8, 32946) and bits in (8, 16) and random.random() < 0.5
    height, width = random.randint(1, 2 * most), random.randint(1, 2 * most)
    image = samples(random, (height, width, channels), bits)
    block_height = random.choice((1, 2, 3, height, 1 << 20))
    is_tiled = random.random() < 0.4
    block_width = width
    if is_tiled:
        block_height, block_width = random.choice((3, 5, 16)), random.choice((3, 5, 16))
    planes = [image[..., i : i + 1] for i in range(channels)] if is_planar else [image]
    blocks = []
    for plane in planes:
        for top in range(0, height, block_height):
            for left in range(0, width, block_width):
                block = plane[top : top + block_height, left : left + block_width]
                rows, columns = block.shape[:2]
                if is_tiled:
                    larger = samples(random, (block_height, block_width, block.shape[2]), bits)
                    larger[:rows, :columns] = block
                    block = larger
                blocks.append((block, plane[top : top + rows, left : left + columns]))
    offsets, sizes = [0] * len(blocks), [0] * len(blocks)
    turn = list(range(len(blocks)))
    if random.random() < 0.5:
        random.shuffle(turn)
    for i in turn:
        block, inside = blocks[i]
        stored = _differences(block) if is_predicted else block
        if len(blocks) > 1 and random.random() < 0.1 and any(offsets):
            inside[...] = 0  # A block that is not there.
            continue
        file += junk(random, 3) if random.random() < 0.5 else b""
        data = packed(stored, bits, is_reversed) if bits not in (8, 16) or is_reversed else stored.tobytes()
        if bits == 16:
            data = stored.astype(order + "u2").tobytes()
        if method != 1:
            data = _packed_stream(random, data, len(data) // len(block), method)
        offsets[i], sizes[i] = len(file), len(data)
        file += data
    images.append(image)
    tags = {256: (4, [width]), 257: (3, [height]), 258: (3, [bits] * channels), 259: (3, [method])}
    tags |= {262: (3, [2 if channels > 2 else 1]), 277: (3, [channels]), 284: (3, [2 if is_planar else 1])}
    tags[266] = (3, [2 if is_reversed else 1])
    tags[317] = (3, [2 if is_predicted else 1])
    tags[50000 + random.randrange(99)] = (1, list(random.randbytes(random.randint(1, 9))))
    if is_tiled:
        return tags | {322: (3, [block_width]), 323: (3, [block_height]), 324: (4, offsets), 325: (4, sizes)}
    return tags | {273: (4, offsets), 278: (4, [block_height]), 279: (4, sizes)}


def _tiff_directory(
    file: bytearray, order: str, is_big: bool, tags: dict[int, tuple[int, list[int]]]
) -> tuple[int, int]:
    """Append a directory to a file; returns its position, and that of the link to the next one."""
    rows = []
    for tag, (kind, values) in sorted(tags.items()):
        data = struct.pack(f"{order}{len(values)}{_TIFF_TYPES[kind][1]}", *values)
        if len(data) > (8 if is_big else 4):
            place = len(file)
            file += data
            data = struct.pack(order + ("Q" if is_big else "I"), place)
        rows.append(struct.pack(order + ("HHQ8s" if is_big else "HHI4s"), tag, kind, len(values), data))
    place = len(file)
    file += struct.pack(order + ("Q" if is_big else "H"), len(rows)) + b"".join(rows)
    link = len(file)
    file += bytes(8 if is_big else 4)
    return place, link


def dicom(random: Random, most: int = 9) -> SourceFile:
    syntax, is_explicit, order = random.choice(
        (("1.2.840.10008.1.2", False, "<"), ("1.2.840.10008.1.2.1", True, "<"), ("1.2.840.10008.1.2.2", True, ">"))
    )
    height, width = random.randint(1, most), random.randint(1, most)
    frames, channels = random.choice((1, 1, 2, 5)), random.choice((1, 1, 3))
    allocated = random.choice((8, 16, 16))
    stored = allocated if allocated == 8 or random.random() < 0.5 else random.randint(9, 15)
    signed, is_planar = random.random() < 0.3, channels == 3 and random.random() < 0.5
    values = samples(random, (frames, height, width, channels), allocated if channels == 3 else stored)
    words = values
    if channels == 1 and 8 < stored < allocated:
        words = values | samples(random, values.shape, 16 - stored) << np.uint16(stored)
        words[0, 0, 0, 0] |= 1 << stored  # Something above the stored bits, ...
        words[0, 0, 0, 0] &= ~(2 << stored) & 0xFFFF if stored < 15 else 0xFFFF  # ... and no extension of the sign.
    seen = values
    if signed:
        is_field = channels == 1 and 8 < stored < allocated
        is_flipped = allocated == 8 or is_field
        seen = values ^ values.dtype.type(1 << stored - 1) if is_flipped else words.view(np.int16)
    data = words.transpose(0, 3, 1, 2) if is_planar else words
    pixels = data.astype(f"{order}u{allocated // 8}").tobytes()
    pixels += bytes(len(pixels) % 2)

    def element(
        group: int, number: int, kind: str, value: bytes, explicit: bool = is_explicit, by: str = order
    ) -> bytes:
        if kind not in ("US", "OW", "OB", "SQ", "UN"):
            value += b" " * (len(value) % 2)
        tag = struct.pack(by + "HH", group, number)
        if not explicit:
            return tag + struct.pack(by + "I", len(value)) + value
        if kind in ("OW", "OB", "SQ", "UN"):
            return tag + kind.encode() + struct.pack(by + "HI", 0, len(value)) + value
        return tag + kind.encode() + struct.pack(by + "H", len(value)) + value

    def number(tag: int, value: int) -> bytes:
        return element(0x28, tag, "US", struct.pack(order + "H", value))

    def sequence() -> bytes:
        """A sequence of unknown length, with a small image in it."""
        inner = number(0x10, 1) + number(0x11, 2) + element(0x7FE0, 0x10, "OW", b"icon")
        item = struct.pack(order + "HHI", 0xFFFE, 0xE000, 0xFFFFFFFF) + inner
        item += struct.pack(order + "HHI", 0xFFFE, 0xE00D, 0)
        head = struct.pack(order + "HH", 0x88, 0x200) + (b"SQ\0\0" if is_explicit else b"") + b"\xff" * 4
        return head + item + struct.pack(order + "HHI", 0xFFFE, 0xE0DD, 0)

    body = element(0x8, 0x16, "UI", b"1.2.3") + element(0x9, 0x1001, "UN", 2 * junk(random))
    body += number(2, channels) + element(0x28, 4, "CS", b"RGB" if channels == 3 else b"MONOCHROME2")
    body += number(6, is_planar) if channels == 3 else b""
    body += element(0x28, 8, "IS", str(frames).encode()) if frames > 1 else b""
    body += number(0x10, height) + number(0x11, width) + number(0x100, allocated) + number(0x101, stored)
    body += number(0x102, stored - 1) + number(0x103, signed)
    body += sequence() if random.random() < 0.5 else b""
    body += element(0x7FE0, 0x10, "OW" if allocated == 16 else "OB", pixels) + junk(random)
    if random.random() < 0.2 and order == "<":
        return SourceFile(body, list(seen))
    meta = element(2, 0x10, "UI", syntax.encode() + bytes(len(syntax) % 2), True, "<")
    return SourceFile(random.randbytes(128) + b"DICM" + meta + body, list(seen))


def dicom_jpeg(random: Random, most: int = 9, images: np.ndarray | None = None) -> SourceFile:
    """Frames of lossless JPEG, of 8 bits if they are given; a single one may be cut into items."""
    bits, signed = random.choice((8, 10, 12, 16)) if images is None else 8, random.random() < 0.3
    images = _frames(random, most, bits) if images is None else images
    syntax = b"1.2.840.10008.1.2.4.70"
    return _dicom_jpeg(random, images, bits, signed, syntax, lambda image: lossless_jpeg(image, bits))


def dicom_jpeg_ls(random: Random, most: int = 9, images: np.ndarray | None = None) -> SourceFile:
    """Frames of JPEG-LS, of 8 bits if they are given; a single one may be cut into items."""
    bits, signed = random.choice((8, 10, 12, 16)) if images is None else 8, random.random() < 0.3
    images = _frames(random, most, bits, random.choice((1, 1, 3))) if images is None else images
    by_pixel = random.random() < 0.5
    given = (0, 0, 0, 0, random.choice((0, 9, 64))) if random.random() < 0.5 and not by_pixel else ()
    syntax = b"1.2.840.10008.1.2.4.%d" % random.choice((80, 81))
    return _dicom_jpeg(random, images, bits, signed, syntax, lambda image: jpeg_ls(image, bits, by_pixel, given))


def _dicom_jpeg(
    random: Random, images: np.ndarray, bits: int, signed: bool, syntax: bytes, make: Callable[[np.ndarray], bytes]
) -> SourceFile:
    """Frames of a kind of JPEG."""
    streams = list(map(make, images))
    if len(images) == 1 and random.random() < 0.5:
        step = 2 * random.randint(40, 60)  # The markers lie in the first item.
        streams = [streams[0][i : i + step] for i in range(0, len(streams[0]), step)]
    seen = images
    if signed:
        seen = images.view(np.int16) if bits == 16 else images ^ images.dtype.type(1 << bits - 1)
    data = _encapsulated(images, bits, signed, syntax, streams)
    return SourceFile(random.randbytes(128) + data + junk(random), list(seen))


def lossless_jpeg(pixels: np.ndarray, precision: int) -> bytes:
    """A lossless JPEG of ``(H, W, channels)``: each class of differences has a code of five bits."""
    height, width, channels = pixels.shape
    table = bytes([0, 0, 0, 0, 0, 17, *[0] * 11]) + bytes(range(17))
    ids = range(1, channels + 1)
    frame = struct.pack(">BHHB", precision, height, width, channels) + b"".join(bytes([i, 0x11, 0]) for i in ids)
    scan = bytes([channels]) + b"".join(bytes([i, 0]) for i in ids) + b"\1\0\0"
    segments = ((0xC4, table), (0xC3, frame), (0xFE, b"any words"), (0xDA, scan))
    marks = b"".join(bytes([0xFF, kind]) + struct.pack(">H", 2 + len(body)) + body for kind, body in segments)
    bits = ""
    values = pixels.astype(int)
    for i, j, k in np.ndindex(pixels.shape):
        guess = values[i, j - 1, k] if j else values[i - 1, 0, k] if i else 1 << precision - 1
        difference = (int(values[i, j, k]) - int(guess) + 32767) % 65536 - 32767
        size = abs(difference).bit_length()
        bits += f"{size:05b}"
        if 0 < size < 16:
            bits += f"{difference if difference > 0 else difference + (1 << size) - 1:0{size}b}"
    bits += "1" * (-len(bits) % 8)
    coded = bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))
    return b"\xff\xd8" + marks + coded.replace(b"\xff", b"\xff\0") + b"\xff\xd9"


def dicom_rle(random: Random, most: int = 9, images: np.ndarray | None = None) -> SourceFile:
    """Frames of RLE, of 8 bits if they are given, with packets of any length."""
    bits, signed = random.choice((8, 16)) if images is None else 8, random.random() < 0.3
    images = _frames(random, most, bits, random.choice((1, 3))) if images is None else images
    streams = []
    for image in images:
        segments = []
        for channel in range(image.shape[2]):
            planes = image[..., channel].astype(f">u{bits // 8}").reshape(-1, 1).view(np.uint8)
            segments += [_packets(random, plane.tobytes()) for plane in planes.T]
        positions = np.cumsum([64, *map(len, segments)])[:-1].tolist()
        header = struct.pack("<16I", len(segments), *positions, *[0] * (15 - len(positions)))
        streams.append(header + b"".join(segments))
    seen = images
    if signed:
        seen = images.view(np.int16) if bits == 16 else images ^ np.uint8(128)
    data = _encapsulated(images, bits, signed, b"1.2.840.10008.1.2.5", streams)
    return SourceFile(random.randbytes(128) + data + junk(random), list(seen))


def _frames(random: Random, most: int, bits: int, channels: int = 1) -> np.ndarray:
    shape = (random.choice((1, 1, 2, 5)), random.randint(1, most), random.randint(1, most), channels)
    return samples(random, shape, bits)


def _packets(random: Random, plane: bytes) -> bytes:
    """PackBits with whole and broken runs, packets of nothing, and something behind the last one."""
    made, at = b"", 0
    while at < len(plane):
        length = min(random.choice((1, 2, 3, 9)), len(plane) - at)
        part = plane[at : at + length]
        if len(set(part)) == 1 and length > 1:
            made += bytes([257 - length]) + part[:1]
        else:
            made += bytes([length - 1]) + part
        made += b"\x80" * (random.random() < 0.1)
        at += length
    return made + bytes(len(made) % 2)


def _encapsulated(images: np.ndarray, bits: int, signed: bool, syntax: bytes, streams: list[bytes]) -> bytes:
    """A DICOM file without its preamble."""

    def element(group: int, number: int, kind: str, value: bytes) -> bytes:
        value += (b"\0" if kind == "UI" else b" ") * (len(value) % 2)
        return struct.pack("<HH2sH", group, number, kind.encode(), len(value)) + value

    def item(value: bytes) -> bytes:
        value += bytes(len(value) % 2)
        return struct.pack("<HHI", 0xFFFE, 0xE000, len(value)) + value

    def short(tag: int, value: int) -> bytes:
        return element(0x28, tag, "US", struct.pack("<H", value))

    frames, height, width, channels = images.shape
    kind = b"RGB" if channels == 3 else b"MONOCHROME2"
    body = element(0x8, 0x16, "UI", b"1.2.3") + short(2, channels) + element(0x28, 4, "CS", kind)
    body += element(0x28, 8, "IS", str(frames).encode()) if frames > 1 else b""
    body += short(0x10, height) + short(0x11, width) + short(0x100, 8 if bits == 8 else 16) + short(0x101, bits)
    body += short(0x102, bits - 1) + short(0x103, signed)
    items = b"".join(map(item, (b"", *streams))) + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    pixels = struct.pack("<HH2sHI", 0x7FE0, 0x10, b"OB", 0, 0xFFFFFFFF) + items
    return b"DICM" + element(2, 0x10, "UI", syntax) + body + pixels


def gif(random: Random, most: int = 9) -> SourceFile:
    """Frames with palettes of their own or none, of any writer, among extensions of any kind."""
    images, body, bits = [], b"", random.randrange(8)
    for _ in range(random.choice((1, 1, 3))):
        height, width = random.randint(1, 3 * most), random.randint(1, 3 * most)
        own_bits = random.choice((None, random.randrange(8)))
        depth = 1 + (bits if own_bits is None else own_bits)
        image = samples(random, (height, width, 1), random.randint(1, depth))
        if random.random() < 0.5:
            image[height // 2 :] = image[0, 0, 0]  # Long phrases.
        is_interlaced = width > 1 and random.random() < 0.3  # A single column counts as not interlaced.
        flags = 0x40 * is_interlaced | (0 if own_bits is None else 0x80 | own_bits)
        body += b"".join(_gif_extension(random) for _ in range(random.randrange(3)))
        body += struct.pack("<BHHHHB", 0x2C, random.randrange(9), random.randrange(9), width, height, flags)
        body += b"" if own_bits is None else random.randbytes(3 << own_bits + 1)
        rows = [image[i::step] for i, step in ((0, 8), (4, 8), (2, 4), (1, 2))] if is_interlaced else [image]
        body += lzw_of_gif(random, b"".join(part.tobytes() for part in rows), max(2, depth))
        images.append(image)
    head = struct.pack("<HHBBB", 99, 99, 0x80 | bits, 0, 0) + random.randbytes(3 << bits + 1)
    return SourceFile(random.choice((b"GIF87a", b"GIF89a")) + head + body + b";" + junk(random), images)


def _gif_extension(random: Random) -> bytes:
    block = random.randbytes(random.randint(1, 255))
    return bytes([0x21, random.choice((0xF9, 0xFE, 0xFF, 7)), len(block)]) + block + b"\0"


def lzw_of_gif(random: Random, indices: bytes, least: int) -> bytes:
    """Codes of a writer who may choose short phrases, clear the table at any time, and end in any way."""
    clear, haste, clears = 1 << least, random.choice((0, 0, 0.2)), random.choice((0, 0.01))
    known, free, width, at, text = dict[bytes, int](), clear + 2, least + 1, 0, ""
    is_first = True

    def put(code: int) -> None:
        nonlocal text
        text += f"{code:0{width}b}"[::-1]

    if random.random() < 0.9:
        put(clear)
    while at < len(indices):
        end = at + 1
        while end < len(indices) and indices[at : end + 1] in known and random.random() >= haste:
            end += 1
        put(known.get(indices[at:end], indices[at]))
        if not is_first and width < 12 and free == 1 << width:  # A reader has one phrase less.
            width += 1
        if free < 4096 and end < len(indices):
            known.setdefault(indices[at : end + 1], free)
            free += 1
        is_first, at = False, end
        if random.random() < clears:
            put(clear)
            known, free, width, is_first = {}, clear + 2, least + 1, True
    rest = random.choice((b"", random.randbytes(random.randint(1, 9))))
    if not rest or random.random() < 0.8:
        put(clear + 1)
    text += "0" * (-len(text) % 8)
    data = bytes(int(text[i : i + 8][::-1], 2) for i in range(0, len(text), 8)) + rest
    step = random.choice((255, 254, random.randint(1, 255)))
    blocks = (data[i : i + step] for i in range(0, len(data), step))
    return bytes([least]) + b"".join(bytes([len(block)]) + block for block in blocks) + b"\0"


def gzip(random: Random, most: int = 9) -> SourceFile:
    """Members with optional fields, each a file of some format; some have streams that no library makes in one go."""
    maker, data, images = random.choice((bmp, pnm, tga, npy, fits, nifti, mgh, dicom)), b"", []
    for _ in range(random.choice((1, 1, 2))):
        file = maker(random, most)
        images += file.images
        flags = random.randrange(32)
        data += b"\x1f\x8b\x08" + bytes([flags]) + random.randbytes(6)
        if flags & 4:
            extra = junk(random)
            data += len(extra).to_bytes(2, "little") + extra
        for flag in (8, 16):
            data += junk(random).replace(b"\0", b"") + b"\0" if flags & flag else b""
        data += random.randbytes(2) if flags & 2 else b""
        if random.random() < 0.2:
            data += bytes(libdeflate.deflate_compress(file.data, random.randint(1, 12)))
        else:
            coder = zlib.compressobj(random.randint(1, 9), wbits=-15, memLevel=random.choice((8, 8, 9)))
            data += coder.compress(file.data[:99])
            data += coder.flush(zlib.Z_SYNC_FLUSH) if random.random() < 0.2 else b""
            data += coder.compress(file.data[99:]) + coder.flush()
        data += zlib.crc32(file.data).to_bytes(4, "little") + len(file.data).to_bytes(4, "little")
    return SourceFile(data + junk(random), images)


#: Makers of files by format, from a source of random numbers; and perhaps about the maximum side of images.
MAKERS: dict[str, Callable[..., SourceFile]] = {
    "bmp": bmp,
    "pnm": pnm,
    "tga": tga,
    "tga_runs": tga_runs,
    "pnm_text": pnm_text,
    "npy": npy,
    "fits": fits,
    "nifti": nifti,
    "mgh": mgh,
    "tiff": tiff,
    "dicom": dicom,
    "dicom_jpeg": dicom_jpeg,
    "dicom_jpeg_ls": dicom_jpeg_ls,
    "dicom_rle": dicom_rle,
    "gif": gif,
    "gzip": gzip,
}


@st.composite
def source_files(draw: st.DrawFn, name: str) -> SourceFile:
    """Files of a format."""
    return MAKERS[name](Random(draw(st.integers(0, 1 << 32))))
