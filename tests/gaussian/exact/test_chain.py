"""Chains of images: they are restored, waste no initial bits, and damage is found."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image
from support.gaussian_toy import SIDE, images, saved
from support.pictures import smooth

import mulanzip
from mulanzip import open_model, registry
from mulanzip.archive.writer import ArchiveWriter
from mulanzip.cli.main import main
from mulanzip.density.runtime import Runtime
from mulanzip.entropy.message import Message
from mulanzip.errors import CorruptFileError, ModelError, MulanzipError, UnsupportedImageError
from mulanzip.format.archive import GAUSSIAN, Header
from mulanzip.gaussian.exact.chain import _max_batch, _sizes, decode_tiles, encode_initial_images, encode_tiles
from mulanzip.gaussian.exact.images import images_codec
from mulanzip.gaussian.exact.runtime import GaussianRuntime, open_gaussian
from mulanzip.image.channels import to_coding_order
from mulanzip.image.picture import Picture
from mulanzip.lattice.tile_schedules import TileSchedules
from mulanzip.options import Execution
from mulanzip.varint import Reader, Writer

SCHEDULES = TileSchedules.uniform("default")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def gaussian(model: Path) -> GaussianRuntime:
    return open_gaussian(registry.find(str(model), "gaussian"))


@pytest.fixture(scope="module")
def erasure() -> Runtime:
    return open_model.open_for_coding(registry.find("photo"), 0, Execution(threads=1))


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2, 9, 40])
def test_stacks_come_back(count: int, model: Path, gaussian: GaussianRuntime, erasure: Runtime) -> None:
    planes = to_coding_order(images(count))
    chain = encode_tiles(planes, gaussian, erasure, SCHEDULES)
    assert chain.images == count
    assert 0 < chain.initial_images <= count
    found = decode_tiles(chain.data, planes.shape, erasure, SCHEDULES, model=str(model))
    np.testing.assert_array_equal(found, planes)
    plain = encode_initial_images(planes, erasure, SCHEDULES)
    np.testing.assert_array_equal(decode_tiles(plain.data, planes.shape, erasure, SCHEDULES), planes)


def test_the_initial_images_have_the_initial_bits(gaussian: GaussianRuntime, erasure: Runtime) -> None:
    planes = to_coding_order(images(40))
    chain = encode_tiles(planes, gaussian, erasure, SCHEDULES)
    assert 0 < chain.initial_bits_used < 8 * chain.initial_size
    # The gross length is that of the initial images plus the net length.
    assert chain.net + chain.initial_size == len(chain.data)


@pytest.mark.slow
def test_no_initial_bits_are_lost(gaussian: GaussianRuntime, erasure: Runtime) -> None:
    """A chain is as long net as the same images on top of a message with plenty of bits."""
    planes = to_coding_order(images(60))
    chain = encode_tiles(planes, gaussian, erasure, SCHEDULES)
    rest = np.ascontiguousarray(planes[chain.initial_images :].transpose(0, 3, 1, 2))
    message = Message.pseudo_random(b"plenty", 40 * rest.size)
    before = message.bits
    images_codec(gaussian.model, gaussian.denoiser, len(rest)).push(message, (gaussian.contexts(rest), rest))
    assert 8 * chain.net == pytest.approx(message.bits - before, rel=0.02)


def test_batches_cover_all_images_and_keep_their_limit(gaussian: GaussianRuntime) -> None:
    limit = _max_batch(gaussian)
    for numbers, count, good in (
        ([1, 1, limit, 2], limit + 4, True),
        ([limit + 1], limit + 1, False),
        ([1, 0, 1], 2, False),
        ([1, 3], 3, False),
        ([1, 1], 3, False),
    ):
        writer = Writer()
        for number in numbers:
            writer.number(number)
        if good:
            assert _sizes(Reader(bytes(writer.data)), count, limit) == numbers
        else:
            with pytest.raises(CorruptFileError, match="damaged"):
                _sizes(Reader(bytes(writer.data)), count, limit)


def test_broken_stacks_are_refused(model: Path, gaussian: GaussianRuntime, erasure: Runtime) -> None:
    planes = to_coding_order(images(12))
    data = encode_tiles(planes, gaussian, erasure, SCHEDULES).data
    shapes = {data: (12, SIDE, SIDE + 4, 3), data[:5]: planes.shape, b"": planes.shape, b"\0" + data[1:]: planes.shape}
    for broken, shape in shapes.items():
        with pytest.raises(CorruptFileError):
            decode_tiles(broken, shape, erasure, SCHEDULES, model=str(model))


def archive(process: str, model: Path, pictures: dict[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    with ArchiveWriter(buffer, process=process, gaussian_model=str(model), threads=2) as writer:
        for name, pixels in pictures.items():
            writer.add(Picture.from_array(pixels), name)
    return buffer.getvalue()


MIXED = {
    **{f"{i}.png": image for i, image in enumerate(images(20))},
    "large.png": smooth(12, 20),
    "gray.png": images(1)[0, ..., 0],
}


@pytest.mark.slow
@pytest.mark.parametrize("process", ["gaussian", "auto", "erasure"])
def test_archives_of_every_process_come_back(process: str, model: Path) -> None:
    data = archive(process, model, MIXED)
    assert (Header.unpack(data[:28]).process == GAUSSIAN) == (process != "erasure")
    found = mulanzip.Archive(data, model=str(model), threads=1)
    assert found.names == tuple(MIXED)
    for name, pixels in MIXED.items():
        np.testing.assert_array_equal(found[name], pixels)
    found.check()


@pytest.mark.slow
def test_auto_takes_the_smaller_one(model: Path) -> None:
    erasure, chains, both = (len(archive(process, model, MIXED)) for process in ("erasure", "gaussian", "auto"))
    assert both <= min(erasure + 4, chains)


@pytest.mark.slow
def test_no_damaged_byte_gives_a_wrong_picture(model: Path) -> None:
    data = archive("gaussian", model, MIXED)
    rng = np.random.default_rng(1)
    for place in rng.integers(0, len(data), 12).tolist():
        damaged = bytearray(data)
        damaged[place] ^= 1 << int(rng.integers(8))
        with pytest.raises(MulanzipError):
            mulanzip.Archive(bytes(damaged), model=str(model), threads=1).check()


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments], standalone_mode=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    for name, pixels in MIXED.items():
        Image.fromarray(pixels).save(tmp_path / "in" / name)
    os.utime(tmp_path / "in" / "3.png", ns=(10**18, 10**18))
    return tmp_path


@pytest.mark.slow
def test_the_commands_pack_and_unpack(folder: Path, model: Path) -> None:
    packed = run("pack", folder / "in", "-o", folder / "set.mzp", "--process", "gaussian", "--gaussian-model", model)
    assert packed.exception is None, packed.output
    assert "images in chains" in packed.output
    again = run(
        *("pack", folder / "in", "-o", folder / "set.mzp", "-f", "--json", "--no-verify"),
        *("--process", "auto", "--gaussian-model", model),
    )
    assert json.loads(again.stdout)["images"] == len(MIXED)
    restored = run("unpack", folder / "set.mzp", "-d", folder / "out", "--gaussian-model", model, "--json")
    assert restored.exception is None, restored.output
    assert json.loads(restored.stdout)["written"] == len(MIXED)
    for name, pixels in MIXED.items():
        with Image.open(folder / "out" / name) as image:
            np.testing.assert_array_equal(np.asarray(image), pixels)
    assert (folder / "out" / "3.png").stat().st_mtime_ns == 10**18


@pytest.mark.slow
def test_without_the_model_the_error_names_it(folder: Path, model: Path) -> None:
    run("pack", folder / "in", "-o", folder / "set.mzp", "--process", "gaussian", "--gaussian-model", model)
    failed = run("unpack", folder / "set.mzp", "-d", folder / "out")
    assert "made with model" in failed.stderr
    refused = run("pack", folder / "in", "-o", folder / "b.mzp", "--process", "gaussian", "--gaussian-model", "photo")
    assert "erasure noise" in refused.stderr
    assert not (folder / "b.mzp").exists()


# Images of any size.


@pytest.mark.slow
@pytest.mark.parametrize("size", [(1, 1), (8, 8), (21, 30)])
def test_images_are_chains_of_tiles(size: tuple[int, int], model: Path) -> None:
    pixels = smooth(*size)
    data = mulanzip.encode(pixels, model=str(model), stored=False)
    np.testing.assert_array_equal(mulanzip.decode(data, model=str(model)), pixels)
    np.testing.assert_array_equal(mulanzip.decode(data, model=str(model), scale=2), pixels[::2, ::2])
    for broken in (data[:60] + bytes(20) + data[80:], data[:-30] + data[-29:]):
        with pytest.raises(CorruptFileError):
            mulanzip.decode(broken, model=str(model))
    if size == (21, 30):  # In smaller images, the erasure process codes all tiles.
        with pytest.raises(ModelError, match="made with model"):
            mulanzip.decode(data)


def test_other_images_are_refused_by_name(model: Path) -> None:
    for pixels in (smooth(8, 8)[..., 0], smooth(8, 8).astype(np.uint16) << 4):
        with pytest.raises(UnsupportedImageError, match="RGB images of 8 bits"):
            mulanzip.encode(pixels, model=str(model))


@pytest.mark.slow
def test_the_commands_handle_chains(tmp_path: Path, model: Path) -> None:
    (tmp_path / "a.png.mzp").write_bytes(mulanzip.encode(smooth(20, 30), model=str(model), stored=False))
    said = run("info", tmp_path / "a.png.mzp").output
    assert "chain of tiles" in said
    assert run("decompress", "-m", model, "-j", "1", "-f", tmp_path / "a.png.mzp").exception is None
    with Image.open(tmp_path / "a.png") as image:
        np.testing.assert_array_equal(np.asarray(image), smooth(20, 30))
    failed = run("decompress", "--salvage", "-m", model, "-f", tmp_path / "a.png.mzp")
    assert "nothing can be salvaged of a chain" in failed.stderr
