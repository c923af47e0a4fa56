"""Make the faulty files and their list anew: ``python tests/corpus/make.py``.

Each file has one fault; everything else in it is right, checksums included.
"""

from __future__ import annotations

import io
import struct
import sys
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

FOLDER = Path(__file__).parent / "faulty"
sys.path.insert(0, str(FOLDER.parent.parent))

from support.pictures import smooth  # noqa: E402

from mulanzip import api, picture_encoder, registry  # noqa: E402
from mulanzip.codec.tile_schedule_code import encode_schedules  # noqa: E402
from mulanzip.density.config import Config  # noqa: E402
from mulanzip.density.context import encode as encode_context  # noqa: E402
from mulanzip.density.model import context_entries, load  # noqa: E402
from mulanzip.density.value_edges import PLAIN_EDGES, ValueEdges  # noqa: E402
from mulanzip.format.container import (  # noqa: E402
    CONTEXT,
    END,
    GAMUT,
    HEADER_SIZE,
    NEIGHBOURS,
    SCHEDULES_CHUNK,
    SEGMENT,
    STORED,
    VALUE_EDGES,
    VALUES,
    Chunk,
    Container,
    unpack,
)
from mulanzip.image.kinds import Mode  # noqa: E402
from mulanzip.image.picture import Picture  # noqa: E402
from mulanzip.imageio import png  # noqa: E402
from mulanzip.imageio.png_original import original as png_original  # noqa: E402
from mulanzip.jobs.compress import compress_file  # noqa: E402
from mulanzip.lattice.tile_schedules import TileSchedules  # noqa: E402

MANIFEST = FOLDER / "README.md"
_HEADING = """# Faulty files

`tests/corpus/make.py` makes them. `tests/laws/test_corpus.py` runs `mulanzip decompress` (on `.mzp` files) or
`mulanzip compress --only-modelled` on each, and compares exit code and message.

| file | fault | exit code | part of the message |
|---|---|---|---|
"""


class Faulty(NamedTuple):
    """A file, its fault, the exit code, and a part of the error message."""

    data: bytes
    fault: str
    exit_code: int
    message: str


def with_header(data: bytes, place: int, value: bytes) -> bytes:
    """A file with other bytes at ``place`` in its header, and the right checksum."""
    head = bytearray(data[: HEADER_SIZE - 4])
    head[place : place + len(value)] = value
    return bytes(head) + struct.pack("<I", zlib.crc32(head)) + data[HEADER_SIZE:]


def with_chunks(data: bytes, *chunks: Chunk) -> bytes:
    """A file with other chunks."""
    return Container(unpack(data).header, chunks).pack()


def _png(picture: Picture) -> bytes:
    return png.encode(picture)


def _saved(image: Image.Image, file_format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def _compressed(image: bytes) -> bytes:
    file = io.BytesIO()
    compress_file(io.BytesIO(image), file, effort=1, threads=1)
    return file.getvalue()


def compressed() -> dict[str, Faulty]:
    """Faulty ``.mzp`` files."""
    model = api.encode(smooth(7, 9), effort=1, stored=False, threads=1)
    stored = picture_encoder.encode_picture(
        Picture(Mode.PALETTE, smooth(6, 5, 1)[..., None] % 3, bytes(range(9)))
    ).pack()
    (segment,) = unpack(model).chunks
    (image,) = unpack(stored).chunks
    config = Config.from_dict(registry.find(registry.DEFAULT_MODEL).config)
    context = np.zeros(context_entries(config), dtype=np.int8)
    context[0] = 1
    adapted = api.encode(smooth(7, 9), context=context, stored=False, threads=1)
    deep = api.encode(smooth(7, 9, 1).astype(np.uint16) * 9, effort=1, stored=False, threads=1)
    deep_segments = unpack(deep).chunks[1:]
    mixed = api.encode(smooth(7, 12), effort=1, schedule="adaptive", mu=1.0, stored=False, threads=1)
    schedules, coded = unpack(mixed).chunks
    crossing = ValueEdges(np.where(np.arange(255) == 99, 40, 0)[None].repeat(3, 0), 0, PLAIN_EDGES)
    tiles = api.encode(smooth(3, 514, 1), effort=1, stored=False, threads=1)
    base, *rest = unpack(tiles).chunks
    stack = api.encode(smooth(7, 9, 2).transpose(2, 0, 1), effort=1, stored=False, stack=True, threads=1)
    mark, near, *slices = unpack(stack).chunks
    original = _compressed(_saved(Image.fromarray(smooth(9, 11, 1)), "PNG", compress_level=1))
    kept = next(chunk for chunk in unpack(original).chunks if chunk.kind == png_original.KIND)
    nothing = encode_context(np.zeros_like(context), load(registry.find(registry.DEFAULT_MODEL).path).prior)

    def packed(kind: bytes, content: bytes) -> Chunk:
        return Chunk(kind, zlib.compress(content))

    def payload(content: bytes) -> bytes:
        return with_chunks(model, Chunk(SEGMENT, content))

    def stored_as(content: bytes) -> bytes:
        return with_chunks(stored, Chunk(STORED, content))

    damaged = "segment 0 of 1 is damaged"
    unknown = "features that this version of mulanzip does not know"
    huge = struct.pack("<II", 2**32 - 1, 2**32 - 1)
    palette = zlib.compress(bytes(range(9)), 9)
    gray = _png(Picture(Mode.GRAY, np.zeros((6, 5, 1), dtype=np.uint8)))
    bilevel = _png(Picture(Mode.BILEVEL, np.zeros((6, 5, 1), dtype=np.uint8)))
    bomb = _png(Picture(Mode.BILEVEL, np.zeros((9000, 9000, 1), dtype=np.uint8)))
    return {
        "empty": Faulty(b"", "an empty file", 4, "signature is missing"),
        "text": Faulty(b"Not Found\n", "an answer of a server instead of the file", 4, "signature is missing"),
        "other_format": Faulty(_png(Picture.from_array(smooth(3, 3))), "a PNG file", 4, "signature is missing"),
        "text_mode": Faulty(model.replace(b"\r\n", b"\n"), "line ends were converted", 4, "signature is missing"),
        "signature_only": Faulty(model[:8], "cut after the signature", 4, "truncated inside its header"),
        "header_cut": Faulty(model[: HEADER_SIZE - 1], "cut in the header", 4, "truncated inside its header"),
        "header_only": Faulty(model[:HEADER_SIZE], "cut after the header", 4, "its end mark is missing"),
        "header_bit": Faulty(model[:20] + b"\x07" + model[21:], "header without its checksum", 4, "header is damaged"),
        "version": Faulty(with_header(model, 8, b"\x63"), "of a later version", 7, "format version 99"),
        "mode": Faulty(with_header(model, 9, b"\x63"), "unknown mode", 7, unknown),
        "depth": Faulty(with_header(model, 10, b"\x07"), "an unknown bit depth", 7, unknown),
        "coding": Faulty(with_header(model, 11, b"\x63"), "unknown coding", 7, unknown),
        "no_width": Faulty(with_header(model, 12, bytes(4)), "no columns", 4, "no pixels"),
        "no_height": Faulty(with_header(model, 16, bytes(4)), "no rows", 4, "no pixels"),
        "too_large": Faulty(with_header(model, 12, huge), "larger than the format allows", 6, "limits of the format"),
        "other_width": Faulty(with_header(model, 12, b"\x0a"), "the width of another image", 4, damaged),
        "other_size": Faulty(
            with_header(model, 12, struct.pack("<IIB", 9000, 9000, 13)), "segments missing", 4, "SEGM"
        ),
        "levels": Faulty(
            with_header(model, 20, b"\x09"), "a number of levels that contradicts its size", 7, "contradicts itself"
        ),
        "tile": Faulty(with_header(model, 21, b"\x07"), "another size of tiles", 7, "another geometry"),
        "schedule": Faulty(with_header(model, 22, b"\x63"), "unknown schedule", 7, unknown),
        "other_schedule": Faulty(with_header(model, 22, b"\x01"), "coded by another schedule", 4, damaged),
        "reserved": Faulty(with_header(model, 23, b"\x01"), "reserved byte in use", 7, unknown),
        "model": Faulty(with_header(model, 24, b"nobody's"), "a model that nobody has", 5, "which is not here"),
        "stored_with_model": Faulty(
            with_header(stored, 24, b"\x01"), "a stored image that names a model", 4, "names a model"
        ),
        "palette_by_model": Faulty(
            with_header(model, 9, b"\x04"), "palette coded by the model", 7, "are not coded by the model"
        ),
        "pixel_hash": Faulty(with_header(model, 32, bytes(16)), "hash of other pixels", 4, "hash that the header"),
        "chunk_checksum": Faulty(model[:70] + b"?" + model[71:], "a damaged segment", 4, "at byte 52 is damaged"),
        "chunk_length": Faulty(
            model[: HEADER_SIZE + 4] + struct.pack("<I", 2**31) + model[HEADER_SIZE + 8 :],
            "a segment that ends beyond the file",
            4,
            "wrong length",
        ),
        "chunk_kind": Faulty(with_chunks(model, Chunk(b"NEWX", b""), segment), "unknown critical part", 7, "NEWX"),
        "chunk_digit": Faulty(with_chunks(model, Chunk(b"new1", b""), segment), "a kind with a digit in it", 7, "new1"),
        "no_end": Faulty(model[:-12], "cut before the end mark", 4, "its end mark is missing"),
        "after_end": Faulty(model + b"\0", "a byte after its end", 4, "1 bytes follow the end"),
        "end_full": Faulty(
            model[:-12] + Chunk(END, b"?").pack(), "an end mark with content", 4, "the end mark is not empty"
        ),
        "no_segment": Faulty(with_chunks(model), "no segment", 4, "0 parts SEGM instead of 1"),
        "segment_twice": Faulty(with_chunks(model, segment, segment), "a segment too many", 4, "2 parts SEGM"),
        "segments_swapped": Faulty(
            with_chunks(tiles, base, *reversed(rest)), "segments out of order", 4, "segment 1 of 3 is damaged"
        ),
        "segment_and_image": Faulty(
            with_chunks(model, segment, image), "a segment and a stored image", 4, "1 parts STOR"
        ),
        "no_image": Faulty(with_chunks(stored), "stored without an image", 4, "0 parts STOR instead of 1"),
        "segment_empty": Faulty(payload(b""), "a segment without content", 4, damaged),
        "segment_hash": Faulty(
            payload(bytes(8) + segment.payload[8:]), "hash of other samples", 4, "do not have the hash"
        ),
        "segment_cut": Faulty(payload(segment.payload[:-4]), "coded data that ends too early", 4, damaged),
        "segment_padded": Faulty(payload(segment.payload + b"\0"), "a zero byte after coded data", 4, "padding"),
        "segment_long": Faulty(payload(segment.payload + b"\1\1\1\1"), "more coded data than pixels", 4, damaged),
        "segment_zeros": Faulty(payload(segment.payload[:8]), "a hash without coded data", 4, damaged),
        "values_missing": Faulty(with_chunks(deep, *deep_segments), "16 bits without their values", 4, "0 parts VALS"),
        "values_short": Faulty(
            with_chunks(deep, packed(VALUES, b"\4\0"), *deep_segments),
            "a list of values that is cut",
            4,
            "list of values in use",
        ),
        "values_swapped": Faulty(
            with_chunks(deep, packed(VALUES, struct.pack("<BHHB", 4, 900, 3, 1)), *deep_segments),
            "a least value above the largest",
            4,
            "list of values in use",
        ),
        "tones_cross": Faulty(
            with_chunks(model, Chunk(VALUE_EDGES, crossing.encode()), segment),
            "value edges out of order",
            4,
            "value edges are damaged",
        ),
        "tones_deep": Faulty(
            with_chunks(deep, Chunk(VALUE_EDGES, b"\0\0\0"), *unpack(deep).chunks),
            "value edges for 16-bit samples",
            4,
            "value edges are for",
        ),
        "gamut_unknown": Faulty(
            with_chunks(model, Chunk(GAMUT, b"\0"), segment), "an unknown gamut", 4, "gamut is damaged"
        ),
        "neighbours_far": Faulty(
            with_chunks(stack, mark, packed(NEIGHBOURS, b"\0\0\2\0"), *slices),
            "a slice that looks at one before the first",
            4,
            "list of earlier slices is damaged",
        ),
        "neighbours_none": Faulty(
            with_chunks(stack, mark, packed(NEIGHBOURS, bytes(4)), *slices),
            "a list of earlier slices without any",
            4,
            "list of earlier slices is damaged",
        ),
        "neighbours_on_colours": Faulty(
            with_chunks(model, near, segment), "earlier slices of a colour image", 4, "earlier slices is for bands"
        ),
        "stack_mark_on_gray": Faulty(
            with_chunks(tiles, mark, base, *rest), "a gray image that is marked as a stack", 4, "a stack is for bands"
        ),
        "gamut_gray": Faulty(
            with_chunks(tiles, Chunk(GAMUT, b"\x10"), base, *rest), "a gamut for a gray image", 4, "a gamut is for"
        ),
        "schedules_missing": Faulty(
            with_header(model, 22, b"\xff"), "schedules of tiles are missing", 4, "0 parts SCHD"
        ),
        "schedules_too_many": Faulty(
            with_chunks(model, Chunk(SCHEDULES_CHUNK, b"\0\0\0\0"), segment),
            "schedules of tiles beside a schedule for all",
            4,
            "1 parts SCHD",
        ),
        "schedules_short": Faulty(
            with_chunks(mixed, Chunk(SCHEDULES_CHUNK, b""), coded),
            "no share of the first schedule",
            4,
            "schedules are damaged",
        ),
        "schedules_same": Faulty(
            with_chunks(mixed, Chunk(SCHEDULES_CHUNK, encode_schedules(TileSchedules((0, 0)))), coded),
            "the same schedule for every tile",
            4,
            "schedules are",
        ),
        "schedules_long": Faulty(
            with_chunks(mixed, replace(schedules, payload=schedules.payload + b"\1" * 9), coded),
            "bytes after the schedules",
            4,
            "goes on after",
        ),
        "context_twice": Faulty(
            with_chunks(adapted, *unpack(adapted).chunks[:1], *unpack(adapted).chunks), "two contexts", 4, "twice"
        ),
        "context_stored": Faulty(
            with_chunks(stored, unpack(adapted).chunks[0], image),
            "a stored image with a context",
            4,
            "a context is for images that the model codes",
        ),
        "context_missing": Faulty(
            with_chunks(adapted, unpack(adapted).chunks[1]), "the context was left out", 4, damaged
        ),
        "context_empty": Faulty(
            with_chunks(model, Chunk(CONTEXT, nothing), segment), "a context of zeros", 4, "context is damaged"
        ),
        "context_long": Faulty(
            with_chunks(model, Chunk(CONTEXT, b"\1" * 4000), segment), "bytes after the context", 4, "goes on after"
        ),
        "metadata_twice": Faulty(
            with_chunks(stored, packed(b"exif", b"a"), packed(b"exif", b"b"), image), "EXIF twice", 4, "twice"
        ),
        "metadata_raw": Faulty(
            with_chunks(stored, Chunk(b"iccp", b"raw"), image), "metadata that are not deflated", 4, "iccp is damaged"
        ),
        "metadata_cut": Faulty(
            with_chunks(stored, Chunk(b"xmpm", zlib.compress(b"xmp")[:-2]), image),
            "deflated metadata that are cut",
            4,
            "xmpm is damaged",
        ),
        "metadata_long": Faulty(
            with_chunks(stored, Chunk(b"exif", zlib.compress(b"exif") + b"?"), image),
            "a byte after deflated metadata",
            4,
            "exif is damaged",
        ),
        "resolution": Faulty(
            with_chunks(stored, packed(b"phys", struct.pack("<2d", 72, float("nan"))), image),
            "a resolution that is no number",
            4,
            "the resolution is damaged",
        ),
        "transparency": Faulty(
            with_chunks(stored, packed(b"trns", bytes(257)), image), "257 opacities", 4, "the transparency is damaged"
        ),
        "png_chunk": Faulty(
            with_chunks(stored, packed(b"pngc", b"\0\0\0\0PLTE"), image), "a palette as metadata", 4, "PNG chunks"
        ),
        "image_cut": Faulty(stored_as(image.payload[:-5]), "an image that is cut", 4, "stored image"),
        "image_text": Faulty(stored_as(palette + b"text"), "stored text", 4, "stored image is damaged"),
        "image_size": Faulty(
            with_header(stored, 12, b"\x09"), "a stored image of another size", 4, "contradicts the header"
        ),
        "image_mode": Faulty(stored_as(palette + bilevel), "a bilevel PNG for a palette", 4, "contradicts the header"),
        "image_bomb": Faulty(stored_as(palette + bomb), "a PNG of 81 megapixels for 30", 4, "contradicts the header"),
        "image_other": Faulty(stored_as(palette + gray), "a PNG of other pixels", 4, "hash that the header"),
        "palette_empty": Faulty(stored_as(zlib.compress(b"") + gray), "no colours", 4, "palette of the stored image"),
        "palette_long": Faulty(
            stored_as(zlib.compress(bytes(771)) + gray), "257 colours", 4, "palette of the stored image"
        ),
        "palette_missing": Faulty(stored_as(gray), "a PNG without a palette", 4, "palette of the stored image"),
        "original": Faulty(
            with_chunks(
                original,
                *(c for c in unpack(original).chunks if c.kind != png_original.KIND),
                replace(kept, payload=kept.payload[:16] + zlib.compress(b"\x08\x00\xff", wbits=-15)),
            ),
            "a record of the original PNG file that is cut",
            4,
            "original PNG file is damaged",
        ),
    }


def images() -> dict[str, Faulty]:
    """Faulty images, with their suffix."""
    colour, gray = Image.fromarray(smooth(9, 11)), Image.fromarray(smooth(9, 11, 1))
    whole, palette = _saved(colour, "PNG"), _saved(colour.quantize(5), "PNG")
    tiff = _saved(colour, "TIFF")
    at_palette = palette.index(b"PLTE") - 4
    idat = whole.index(b"IDAT")

    def ihdr(width: int, height: int) -> bytes:
        return png.join(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))

    damaged, no_image = "the image is damaged", "not an image that mulanzip reads"
    return {
        "empty.png": Faulty(b"", "an empty file", 1, "the file is empty"),
        "text.png": Faulty(b"no picture\n", "text under the name of an image", 1, no_image),
        "page.jpg": Faulty(b"<!DOCTYPE html><p>Not Found", "a web page under the name of an image", 1, no_image),
        "compressed.png": Faulty(
            api.encode(smooth(3, 3), effort=1, threads=1), "a .mzp file of another name", 1, "is a .mzp file already"
        ),
        "signature.png": Faulty(whole[:8], "nothing but the signature", 1, damaged),
        "cut.png": Faulty(whole[: len(whole) // 2], "cut in the pixels", 1, damaged),
        "no_rows.png": Faulty(whole[:8] + ihdr(11, 0) + whole[33:], "no rows", 1, ""),
        "promise.png": Faulty(
            whole[:8] + ihdr(60000, 60000) + whole[33:], "a header that promises 3,600 megapixels", 1, "is too small"
        ),
        "checksum.png": Faulty(whole[: idat + 9] + b"?" + whole[idat + 10 :], "a damaged IDAT", 1, damaged),
        "no_palette.png": Faulty(
            palette[:at_palette] + palette[at_palette + 12 + 15 :], "indices without a palette", 1, damaged
        ),
        "cut.jpg": Faulty(_saved(colour, "JPEG")[:300], "cut in the tables", 1, damaged),
        "cut.gif": Faulty(_saved(colour.quantize(5), "GIF")[:40], "cut in the palette or the pixels", 1, damaged),
        "cut.tif": Faulty(tiff[: len(tiff) - 20], "cut in its tags", 1, damaged),
        "loop.tif": Faulty(
            b"II*\0\x08\0\0\0\1\0\x69\x87\4\0\1\0\0\0\x08\0\0\0\0\0\0\0", "tags within themselves", 1, damaged
        ),
        "huge.bmp": Faulty(
            _saved(gray, "BMP")[:18] + struct.pack("<ii", 60000, 60000) + _saved(gray, "BMP")[26:],
            "a header that promises 3,600 megapixels",
            1,
            "is too small",
        ),
        "huge.ppm": Faulty(b"P6 60000 60000 255\n", "a header that promises 3,600 megapixels", 1, "is too small"),
        "negative.pgm": Faulty(b"P5 -3 3 255\n" + bytes(9), "a negative width", 1, no_image),
        "cmyk.jpg": Faulty(_saved(colour.convert("CMYK"), "JPEG"), "CMYK colours", 1, "CMYK colour is not supported"),
        "float.tif": Faulty(
            _saved(Image.fromarray(np.ones((3, 3), dtype=np.float32)), "TIFF"),
            "floating-point samples",
            1,
            "floating-point samples",
        ),
        "animated.gif": Faulty(
            _saved(colour.quantize(5), "GIF", save_all=True, append_images=[gray]), "two frames", 1, "animated images"
        ),
        "pages.tif": Faulty(
            _saved(colour, "TIFF", save_all=True, append_images=[gray]), "two pictures", 1, "several pictures"
        ),
    }


def manifest(found: dict[str, Faulty]) -> str:
    """The list of all files, in Markdown."""
    rows = [f"| `{n}` | {f.fault} | {f.exit_code} | {f.message} |\n" for n, f in sorted(found.items())]
    return _HEADING + "".join(rows)


def make() -> dict[str, Faulty]:
    """All faulty files, by name."""
    return {**{f"{name}.mzp": faulty for name, faulty in compressed().items()}, **images()}


def main() -> None:
    for old in FOLDER.glob("*"):
        old.unlink()
    found = make()
    for name, faulty in found.items():
        (FOLDER / name).write_bytes(faulty.data)
    MANIFEST.write_text(manifest(found))


if __name__ == "__main__":
    main()
