"""Break valid files: by raw damage, and by damage whose checksums, lengths and hashes are right."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

from mulanzip.errors import MulanzipError
from mulanzip.format import archive
from mulanzip.format.archive import ArchiveChunk, Directory, Member
from mulanzip.format.container import (
    ARCHIVE_SIGNATURE,
    CHUNK_OVERHEAD,
    CRITICAL_KINDS,
    HEADER_SIZE,
    SIGNATURE,
    STORED,
    VALUES,
    Chunk,
    Header,
    unpack,
)
from mulanzip.image.kinds import Mode
from mulanzip.image.metadata import KINDS
from mulanzip.image.picture import Picture
from mulanzip.imageio import png
from mulanzip.imageio import stored as stored_form
from mulanzip.imageio.png_original import original

_NUMBERS = (0, 1, 2, 15, 16, 127, 128, 255, 256, 1 << 15, 1 << 16, 1 << 24, (1 << 31) - 1, 1 << 31, (1 << 32) - 1)


def damaged(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """One to four raw changes: of bits, bytes or numbers; cuts, insertions, repetitions, parts of other files."""
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        size = len(data)
        place = random.randint(0, size)
        end = min(size, place + random.choice((1, 2, 4, 8, 30)))
        match random.randrange(9):
            case 0 | 1 if place < size:
                data = data[:place] + bytes([data[place] ^ 1 << random.randrange(8)]) + data[place + 1 :]
            case 2:
                data = data[:place] + bytes([random.choice(_NUMBERS) & 255]) + data[place + 1 :]
            case 3:
                form = random.choice((">I", "<I", ">H", "<H"))
                number = random.choice(_NUMBERS) & (0xFFFF if form[1] == "H" else 0xFFFFFFFF)
                data = data[:place] + struct.pack(form, number) + data[place + struct.calcsize(form) :]
            case 4:
                data = data[:place]
            case 5:
                data = data[:place] + random.randbytes(end - place) + data[place:]
            case 6:
                data = data[:place] + data[end:]
            case 7:
                data = data[:end] + data[place:end] * random.choice((1, 2, 50)) + data[end:]
            case _:
                other = random.choice(others)
                start = random.randint(0, len(other))
                data = data[:place] + other[start : start + random.choice((4, 30, 1000))] + data[end:]
    return data


def damaged_image(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """An image file with raw damage; half of the PNG files have right checksums."""
    data = damaged(random, data, others)
    return _png_repaired(data) if random.random() < 0.5 else data


def _png_repaired(data: bytes) -> bytes:
    """A PNG file with right checksums as far as its lengths lead."""
    if not data.startswith(png.SIGNATURE):
        return data
    parts, position = [png.SIGNATURE], len(png.SIGNATURE)
    while position + png.OVERHEAD <= len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        end = position + png.OVERHEAD + length
        if end > len(data):
            break
        parts.append(png.join(data[position + 4 : position + 8], data[position + 8 : end - 4]))
        position = end
    return b"".join((*parts, data[position:]))


def repaired(data: bytes) -> bytes:
    """A ``.mzp`` file or archive with right checksums as far as its lengths lead."""
    result = bytearray(data)
    end = archive.HEADER_SIZE if data.startswith(ARCHIVE_SIGNATURE) else HEADER_SIZE
    start = 0
    while end <= len(result):
        result[end - 4 : end] = struct.pack("<I", zlib.crc32(result[start : end - 4]))
        start = end
        if start + CHUNK_OVERHEAD > len(result):
            break
        end = start + CHUNK_OVERHEAD + struct.unpack_from("<I", result, start + 4)[0]
    return bytes(result)


def rebuilt(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """A ``.mzp`` file with changed parts, packed again with right lengths and checksums, and mostly right hashes."""
    file = unpack(data)
    header, chunks = bytearray(file.header.pack()), list(file.chunks)
    for _ in range(random.choice((1, 1, 2, 3))):
        index = random.randrange(len(chunks)) if chunks else 0
        match random.randrange(8):
            case 0:
                place = random.randrange(8, HEADER_SIZE - 4)
                header[place] = random.choice((header[place] ^ 1 << random.randrange(8), random.choice(_NUMBERS) & 255))
            case 1:
                place = random.choice((12, 16))
                header[place : place + 4] = struct.pack("<I", random.choice((*_NUMBERS, random.randrange(600))))
            case 2 if chunks:
                chunks.pop(index)
            case 3 if chunks:
                chunks.insert(random.randint(0, len(chunks)), chunks[index])
            case 4:
                stranger = random.choice(unpack(random.choice(others)).chunks)
                chunks[index : index + random.randrange(2)] = [stranger]
            case 5 if chunks:
                kind = random.choice((*KINDS, original.KIND, *CRITICAL_KINDS, b"xxxx"))
                chunks[index] = replace(chunks[index], kind=kind)
            case _ if chunks:
                chunks[index] = _payload_changed(random, chunks[index], others)
    if random.random() < 0.5:
        header = bytearray(_true_hash(bytes(header), chunks))
    header[-4:] = struct.pack("<I", zlib.crc32(header[:-4]))
    return b"".join((header, *(chunk.pack() for chunk in chunks), Chunk(b"MEND", b"").pack()))


def _payload_changed(random: Random, chunk: Chunk, others: Sequence[bytes]) -> Chunk:
    """A chunk with damage in its payload, also inside deflated content and inside a PNG file."""

    def change(content: bytes) -> bytes:
        return damaged(random, content, others)

    unpacked: dict[bytes, Callable[[bytes], bytes]] = {
        **dict.fromkeys((*KINDS, VALUES), lambda payload: zlib.compress(change(zlib.decompress(payload)))),
        original.KIND: lambda payload: (
            payload[: original.HASH_BYTES]
            + zlib.compress(change(zlib.decompress(payload[original.HASH_BYTES :], -15)), wbits=-15)
        ),
        STORED: lambda payload: _png_repaired(change(payload)),
    }
    if random.random() < 0.8 and chunk.kind in unpacked:
        try:
            return replace(chunk, payload=unpacked[chunk.kind](chunk.payload))
        except zlib.error:  # It was damaged before, or was renamed.
            pass
    return replace(chunk, payload=change(chunk.payload))


def _true_hash(header: bytes, chunks: Sequence[Chunk]) -> bytes:
    """The header with the hash of the stored image, where there is one."""
    found = [chunk.payload for chunk in chunks if chunk.kind == STORED]
    try:
        claimed = Header.unpack(repaired(header))
        if not found or claimed.width * claimed.height > 1 << 16:
            return header
        pixels, palette = stored_form.restore(found[0], claimed.kind, claimed.width, claimed.height)
    except MulanzipError:
        return header
    return (
        header[:32] + Picture(claimed.mode, pixels, palette, bits=max(9, claimed.kind.depth)).pixel_hash() + header[48:]
    )


#: Strings that are no valid names of images.
_NAMES = ("", "/a", "a/", "../a", "a/../../b", "./a", "a//b", "C:a", "a\\b", "a\0b", "a" * 300, "ü/\u202e", "a\nb")


def rebuilt_archive(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """An archive with changed parts and directory, with right lengths and checksums, and mostly right hashes."""
    file = io.BytesIO(data)
    header, directory = archive.read_front(file)
    parts, members = list(directory.parts), list(directory.members)
    starts = directory.starts()
    payloads = [archive.read_chunk(file, s, p.kind, p.length) for s, p in zip(starts, parts, strict=False)]
    for _ in range(random.choice((1, 1, 2, 3))):
        number = random.randrange(len(parts)) if parts else 0
        match random.randrange(7):
            case 0 | 1 if parts:
                parts[number], payloads[number] = _part_changed(random, parts[number], payloads[number], others)
            case 2 if parts:
                parts[number] = _fact_changed(random, parts[number], parts)
            case 3 if members:
                place = random.randrange(len(members))
                members[place] = _member_changed(random, members[place], members)
            case 4 if parts:
                other = random.randrange(len(parts))
                parts[number], parts[other] = parts[other], parts[number]
                payloads[number], payloads[other] = payloads[other], payloads[number]
            case 5 if parts:
                if random.random() < 0.5:
                    del parts[number], payloads[number]
                else:
                    parts.append(parts[number])
                    payloads.append(payloads[number])
            case _ if members:
                place = random.randrange(len(members))
                members[place : place + 1] = [members[place]] * random.choice((0, 2))
    try:
        packed = Directory(tuple(parts), tuple(members)).pack()
    except (ValueError, KeyError, IndexError):  # Not every directory can be packed.
        packed = directory.pack()
    if random.random() < 0.2:
        content = damaged(random, zlib.decompress(packed[archive.DIGEST_BYTES :]), others)
        packed = archive.digest_of(content) + zlib.compress(content)
    head = header.pack()
    if random.random() < 0.1:
        place = random.randrange(8, len(head) - 4)
        head = repaired(head[:place] + bytes([random.choice(_NUMBERS) & 255]) + head[place + 1 :])
    chunks = [Chunk(part.kind, payload).pack() for part, payload in zip(parts, payloads, strict=True)]
    body = b"".join((head, *chunks))
    return body + Chunk(archive.DIRECTORY, packed).pack() + archive.pack_end(len(body))


def _part_changed(
    random: Random, part: ArchiveChunk, payload: bytes, others: Sequence[bytes]
) -> tuple[ArchiveChunk, bytes]:
    """A part with another payload, whose length and hash the directory has."""
    if part.kind == archive.FILE:
        try:
            payload = mutated(random, payload, others)
        except MulanzipError:  # It was damaged before.
            payload = damaged(random, payload, others)
    elif part.kind == archive.METADATA and random.random() < 0.8:
        try:
            payload = zlib.compress(damaged(random, zlib.decompress(payload), others))
        except zlib.error:
            payload = damaged(random, payload, others)
    else:
        payload = damaged(random, payload, others)
    digest = part.digest if part.kind == archive.GROUP else archive.digest_of(payload)
    return replace(part, length=len(payload), digest=digest), payload


def _fact_changed(random: Random, part: ArchiveChunk, parts: Sequence[ArchiveChunk]) -> ArchiveChunk:
    """The entry of a part in the directory, changed."""
    other = random.choice(parts)
    changes: tuple[dict[str, object], ...] = (
        {"count": random.choice((*_NUMBERS, part.count + 1, max(1, part.count - 1)))},
        {"length": random.choice((*_NUMBERS, part.length + 1))},
        {"digest": random.choice((random.randbytes(16), other.digest))},
        {"kind": other.kind, "shape": other.shape},
    )
    if part.shape is not None:
        side = random.choice(("height", "width"))
        shape = replace(part.shape, **{side: random.choice((1, 2, 8, 255, 512, 513))})
        changes += ({"shape": shape}, {"shape": replace(shape, mode=random.choice(list(Mode)))})
    return replace(part, **random.choice(changes))  # type: ignore[arg-type]


def _member_changed(random: Random, member: Member, members: Sequence[Member]) -> Member:
    """The entry of an image in the directory, changed."""
    other = random.choice(members)
    match random.randrange(5):
        case 0:
            return replace(member, name=random.choice((*_NAMES, other.name)))
        case 1:
            return replace(member, shape=other.shape)
        case 2:
            kinds = random.sample(KINDS, random.randrange(3))
            return replace(member, metadata={kind: random.choice((0, 1, 2, 1 << 20)) for kind in kinds})
        case 3:
            return replace(member, modified=random.choice((None, 0, -1, 1, (1 << 62) - 1, 1 << 62)))
        case _:
            return replace(member, permissions=random.choice((None, 0, 0o777, 0o7777, 0o10000, -1)))


def mutated(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """A broken ``.mzp`` file, archive or image; half of the first two kinds have right checksums and lengths."""
    is_archive = data.startswith(ARCHIVE_SIGNATURE)
    if not (is_archive or data.startswith(SIGNATURE)):
        return damaged_image(random, data, others)
    kind = random.random()
    if kind < 0.5:
        return damaged(random, data, others)
    if kind < 0.65:
        return repaired(damaged(random, data, others))
    return (rebuilt_archive if is_archive else rebuilt)(random, data, others)
