"""Make the golden files anew: ``python tests/golden/make.py``.

They pin the format: every release must decode all of them, and must encode those that the model codes to the same
bytes.  Make them anew only when the format or the shipped model changes before it is frozen.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import tifffile
from PIL import Image

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER.parent))

from support.image_files import nifti  # noqa: E402
from support.models import ONE_THREAD  # noqa: E402
from support.pictures import brightened, jpeg_colours, photo  # noqa: E402
from support.sources import dicom_jpeg, dicom_jpeg_ls, dicom_rle  # noqa: E402

import mulanzip  # noqa: E402
from mulanzip import keep, picture_decoder, picture_encoder, registry  # noqa: E402
from mulanzip.density.config import Config  # noqa: E402
from mulanzip.density.model import context_entries  # noqa: E402
from mulanzip.format import container  # noqa: E402
from mulanzip.image.kinds import Mode  # noqa: E402
from mulanzip.image.picture import Picture  # noqa: E402
from mulanzip.imageio import png  # noqa: E402
from mulanzip.imageio.png_original import original as png_original  # noqa: E402
from mulanzip.options import EncodeOptions, Keeping  # noqa: E402
from mulanzip.streams import gzip_member, pigz  # noqa: E402

HASHES = FOLDER / "hashes.json"
ARCHIVE = FOLDER / "archive.bin"


def stable_noise(label: str, *shape: int) -> np.ndarray:
    """Noise that is the same with every version of every library: uint8 of ``shape``."""
    return np.frombuffer(hashlib.shake_256(label.encode()).digest(int(np.prod(shape))), dtype=np.uint8).reshape(shape)


def waves(height: int, width: int, channels: int) -> np.ndarray:
    """Gradients that rise and fall, with two bits of noise."""
    y, x = np.mgrid[:height, :width]
    planes = np.stack([(3 + k) * x + (5 - k) * y + x * y // (9 + k) for k in range(channels)], 2)
    return (np.abs(planes % 400 - 200) + stable_noise("waves", height, width, channels) % 4).astype(np.uint8)


def some_context() -> np.ndarray:
    """A context that changes every layer: int8."""
    entries = context_entries(Config.from_dict(registry.find(registry.DEFAULT_MODEL).config))
    return (stable_noise("context", entries) % 9).astype(np.int8) - np.int8(4)


def _palette() -> Picture:
    indices = stable_noise("palette", 20, 21, 1) % 5
    return Picture(Mode.PALETTE, indices, stable_noise("colours", 15).tobytes(), {b"trns": b"\xff\x80\x00"})


def _rgba() -> Picture:
    kinds = {b"iccp": b"no real profile", b"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"}
    return Picture(Mode.RGBA, np.repeat(stable_noise("rows", 1, 14, 4), 15, 0), b"", kinds)


def deep_waves(height: int, width: int, channels: int) -> np.ndarray:
    """Waves of 12 bits, the lowest four of which are noise: uint16."""
    low = stable_noise("deep", height, width, channels) % 16
    return (waves(height, width, channels).astype(np.uint16) << 4) + low


def _flat_and_sparse() -> np.ndarray:
    """A disc on a constant ground, in which every seventh value occurs."""
    y, x = np.mgrid[:60, :50]
    disc = (y - 30) ** 2 + (x - 25) ** 2 < 400
    return np.where(disc, 7 * deep_waves(60, 50, 1)[..., 0] // 8 * 8 + 1000, 5).astype(np.uint16)


def _opaque() -> np.ndarray:
    pixels = deep_waves(25, 26, 4)
    pixels[..., 3] = 65535
    return pixels


def _slices(count: int, deep: bool) -> np.ndarray:
    """Slices of a thing that moves: ``(count, 23, 22)``."""
    still = deep_waves(23, 22, 1)[..., 0] if deep else waves(23, 22, 1)[..., 0]
    noise = stable_noise("slices", count, 23, 22) % 4
    return (np.stack([np.roll(still, i, 1) for i in range(count)]) // 2 + noise).astype(still.dtype)


def _jpeg(others: int) -> np.ndarray:
    """Colours that JPEG decoders make, except for the first ``others`` pixels."""
    found = jpeg_colours(waves(66, 70, 3))
    found[0, :others] ^= 1
    return found


#: Pictures that the model codes, each with a schedule.
CODED: dict[str, tuple[Callable[[], Picture], str]] = {
    "photo": (lambda: Picture.from_array(photo(64, 64)), "default"),
    "photo_context": (lambda: Picture.from_array(photo(34, 35)), "default"),
    "photo_gray": (lambda: Picture.from_array(photo(37, 41, 1)), "default"),
    "photo_one": (lambda: Picture.from_array(photo(30, 31)), "one"),
    "photo_odd": (lambda: Picture.from_array(photo(31, 29)), "default"),
    "jpeg": (lambda: Picture.from_array(_jpeg(0)), "default"),
    "jpeg_others": (lambda: Picture.from_array(_jpeg(40)), "one"),
    "toned": (lambda: Picture.from_array(brightened(photo(130, 132))), "default"),
    "toned_gray": (lambda: Picture.from_array(brightened(photo(130, 132, 1))), "default"),
    "noise": (lambda: Picture.from_array(stable_noise("noise", 13, 19, 3)), "default"),
    "black": (lambda: Picture.from_array(np.zeros((50, 60, 3), dtype=np.uint8)), "default"),
    "one_pixel": (lambda: Picture.from_array(stable_noise("pixel", 1, 1, 3)), "default"),
    "one_row": (lambda: Picture.from_array(waves(1, 90, 3)), "one"),
    "one_column": (lambda: Picture.from_array(waves(77, 1, 1)), "one"),
    "deep_gray": (lambda: Picture.from_array(deep_waves(41, 43, 1)), "default"),
    "deep_sparse": (lambda: Picture.from_array(_flat_and_sparse()), "default"),
    "deep_signed": (lambda: Picture.from_array(deep_waves(30, 31, 1)[..., 0].astype(np.int16) - 2000), "one"),
    "deep_rgba": (lambda: Picture.from_array(_opaque()), "default"),
    "deep_noise": (lambda: Picture.from_array(stable_noise("16", 12, 11, 6).view("<u2")), "one"),
    "bands": (lambda: Picture.from_array(waves(20, 21, 5)), "one"),
    "model_gray_preset": (lambda: Picture.from_array(photo(130, 128, 1)), "default"),
    "model_gray_deep": (lambda: Picture.from_array(deep_waves(41, 43, 1)), "one"),
    "model_gray_bands": (lambda: Picture.from_array(deep_waves(21, 20, 5)), "default"),
    "model_gray_stack": (lambda: Picture.from_stack(_slices(5, deep=False)), "default"),
    "model_gray_stack_deep": (lambda: Picture.from_stack(_slices(4, deep=True).astype(np.int16) - 700), "one"),
    "model_max_deep": (lambda: Picture.from_array(deep_waves(37, 45, 1)), "default"),
    "tiles": (lambda: Picture.from_array(waves(518, 22, 1)), "default"),
}
#: By the beginning of a name, the model that is not the default.
_MODELS = {"model_gray": registry.AUTO, "model_max": registry.LARGE_GRAY_MODEL}
#: Those whose encoder chooses a preset, and value edges.
_CHOSEN = ("toned", "toned_gray", "model_gray_preset")
#: Pictures that are stored.  Their bytes depend on the libraries that write them: only decoding is pinned.
STORED: dict[str, Callable[[], Picture]] = {
    "palette": _palette,
    "rgba": _rgba,
    "gray_alpha": lambda: Picture.from_array(np.repeat(stable_noise("columns", 11, 1, 2), 13, 1)),
    "bilevel": lambda: Picture.from_array(waves(17, 18, 1)[..., 0] > 90),
    "stored_deep": lambda: Picture.from_array(np.repeat(deep_waves(1, 40, 3), 40, 0)),
    "stored_bands": lambda: Picture.from_array(np.repeat(deep_waves(1, 40, 5), 40, 0).astype(np.int16) - 99),
    "stored_rgb": lambda: Picture.from_array(np.repeat(stable_noise("stripes", 1, 40, 3), 40, 0)),
}


def _saved(image: Image.Image, file_format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def _packed_pages() -> bytes:
    """A TIFF file of pages that are compressed in different ways."""
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer, byteorder=">") as writer:
        for name, pixels, is_predicted in (
            ("lzw", waves(36, 37, 3), True),
            ("zlib", deep_waves(34, 35, 1)[..., 0], True),
            ("packbits", waves(33, 34, 1)[..., 0], False),
        ):
            writer.write(pixels, compression=name, predictor=is_predicted, rowsperstrip=16)
    return buffer.getvalue() + b"rest"


def _flushed_strip() -> bytes:
    """A TIFF file whose stream no settings of a library make."""
    stream = _flushed_stream(waves(33, 34, 3).tobytes())
    tags = ((256, 34), (257, 33), (258, 8), (259, 8), (262, 1), (273, 150), (277, 3), (278, 33), (279, len(stream)))
    rows = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    head = struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + rows + bytes(4)
    return head.ljust(150, b"_") + stream + b"rest"


def _flushed_stream(content: bytes) -> bytes:
    deflater = zlib.compressobj()
    stream = deflater.compress(content[:999]) + deflater.flush(zlib.Z_SYNC_FLUSH) + deflater.compress(content[999:])
    return stream + deflater.flush()


#: Files that are kept whole.  Their sources are pinned beside them: libraries make them.
def _gzip_members() -> bytes:
    """Two volumes, the first one by zlib, the second one by pigz, whose blocks are shorter than it."""
    volume = nifti(waves(74, 37, 1).reshape(2, 37, 37).astype(np.int16) - 99)
    longer = volume + bytes(1 << 18)
    stream = b"".join(pigz.pieces(longer, 6, 8, 0)) + gzip_member.trailer(longer)
    return gzip.compress(volume, mtime=0) + b"\x1f\x8b\x08\x08\0\0\0\0\0\x03brain.nii\0" + stream + b"rest"


KEPT: dict[str, Callable[[], bytes]] = {
    "kept_bytes": lambda: b"no image, but repeated. " * 9,
    "kept_jpeg": lambda: _saved(Image.fromarray(photo(130, 140)), "JPEG", comment=b"kept") + b"a video",
    "kept_bmp": lambda: _saved(Image.fromarray(waves(40, 41, 3)), "BMP") + b"rest",
    "kept_pages": lambda: _saved(
        Image.fromarray(waves(36, 37, 1)[..., 0]),
        "TIFF",
        save_all=True,
        append_images=[Image.fromarray(deep_waves(34, 35, 1)[..., 0])],
    ),
    "kept_streams": _packed_pages,
    "kept_rle": lambda: dicom_rle(Random(3), images=waves(74, 37, 3).reshape(2, 37, 37, 3)).data,
    "kept_gif": lambda: _saved(
        Image.fromarray(waves(36, 37, 1)[..., 0]).convert("P"),
        "GIF",
        interlace=True,
        save_all=True,
        append_images=[Image.fromarray(waves(38, 35, 1)[..., 0]).quantize(30)],
    ),
    "kept_gzip": _gzip_members,
    "kept_lossless_jpeg": lambda: dicom_jpeg(Random(3), images=waves(74, 37, 1).reshape(2, 37, 37, 1)).data,
    "kept_jpeg_ls": lambda: dicom_jpeg_ls(Random(3), images=photo(160, 80, 1).reshape(2, 80, 80, 1)).data,
    "kept_runs": lambda: _saved(Image.fromarray(waves(36, 37, 3)), "TGA", compression="tga_rle"),
    "kept_text": lambda: b"P2 37 36 255\n" + b" ".join(b"%d" % value for value in waves(36, 37, 1).ravel()) + b"\n",
}


def _flushed() -> bytes:
    """A PNG file whose stream no settings of a library make."""
    rows = b"".join(b"\0" + row.tobytes() for row in photo(33, 34))
    header = bytes([0, 0, 0, 34, 0, 0, 0, 33, 8, 2, 0, 0, 0])
    chunks = ((b"IHDR", header), (b"pRVT", b"private"), (b"IDAT", _flushed_stream(rows)), (b"IEND", b""))
    return png.SIGNATURE + b"".join(png.join(*chunk) for chunk in chunks) + b"rest"


#: Files of which the content comes back.
CONTENT: dict[str, Callable[[], bytes]] = {"content_png": _flushed, "content_tiff": _flushed_strip}


def keep_source(name: str) -> tuple[bytes, bytes]:
    """A source, and the file that this version makes of it."""
    data = (KEPT | CONTENT)[name]()
    encoding = EncodeOptions(effort=1, context="none")
    return data, keep.keep(data, Keeping(everything=True), encoding, ONE_THREAD).file.pack()


def describe_kept(data: bytes) -> dict[str, str]:
    """The pinned facts of a file that keeps another: digests of its bytes and of what it restores."""
    file = container.unpack(data)
    if file.header.coding.is_file:
        restored = picture_decoder.restore_file(file, execution=ONE_THREAD)
    else:
        restored = png_original.restore(file, picture_decoder.decode_container(file, execution=ONE_THREAD))[0] or b""
    return {"file": _digest(data), "grade": file.header.grade.name, "restored": _digest(restored)}


def encode(name: str) -> bytes:
    """The bytes of a golden file as this version makes them."""
    if name in STORED:
        return picture_encoder.encode_picture(STORED[name](), execution=ONE_THREAD).pack()
    picture, schedule = CODED[name]
    context = some_context() if name == "photo_context" else None if name in _CHOSEN else "none"
    model = next((own for start, own in _MODELS.items() if name.startswith(start)), registry.DEFAULT_MODEL)
    options = EncodeOptions(model, effort=1, context=context, schedule=schedule, stored=False)
    return picture_encoder.encode_picture(picture(), options, ONE_THREAD).pack()


def encode_archive() -> bytes:
    """The golden archive: two groups, with names that have folders."""
    names = [f"{kind}/{i}.png" for i in range(3) for kind in ("colour", "gray")]
    arrays = [waves(9 + i % 2, 12, 3 - i % 2 * 2).squeeze() for i in range(6)]
    return mulanzip.pack_arrays(arrays, names, threads=1)


def describe_archive(data: bytes) -> dict[str, str]:
    """The pinned facts of an archive: digests of its bytes and of its images."""
    archive = mulanzip.Archive(data, threads=1)
    found = {name: _digest(np.ascontiguousarray(image).tobytes()) for name, image in archive.items()}
    return {"file": _digest(data), **found}


def describe(data: bytes) -> dict[str, str]:
    """The pinned facts of a file: digests of its bytes and of its picture."""
    picture = picture_decoder.decode_picture(data, execution=ONE_THREAD)
    return {
        "file": _digest(data),
        "shape": " ".join(map(str, (picture.mode.name, *picture.pixels.shape))),
        "pixels": _digest(picture.pixels.tobytes()),
        "array": _digest(np.ascontiguousarray(picture.to_array()).tobytes()),
        "rest": _digest(picture.palette + b"".join(k + picture.metadata[k] for k in sorted(picture.metadata))),
    }


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def main() -> None:
    for old in FOLDER.glob("*.mzp"):
        old.unlink()
    found = {}
    for name in (*CODED, *STORED):
        data = encode(name)
        (FOLDER / f"{name}.mzp").write_bytes(data)
        found[name] = describe(data)
    kept = {}
    for name in (*KEPT, *CONTENT):
        _, data = keep_source(name)
        (FOLDER / f"{name}.mzp").write_bytes(data)
        kept[name] = describe_kept(data)
    shipped = (registry.DEFAULT_MODEL, registry.GRAY_MODEL, registry.LARGE_GRAY_MODEL)
    models = {name: registry.find(name).model_id.hex() for name in shipped}
    ARCHIVE.write_bytes(encode_archive())
    pinned = {"models": models, "files": found, "kept": kept, "archive": describe_archive(ARCHIVE.read_bytes())}
    HASHES.write_text(json.dumps(pinned, indent=1) + "\n")


if __name__ == "__main__":
    main()
