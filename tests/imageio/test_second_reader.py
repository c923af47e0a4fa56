"""What a second reader of TIFF files sees otherwise, or finds damaged, is not read."""

from __future__ import annotations

import io

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image
from support.image_files import read
from support.pictures import deep, noise, smooth

from mulanzip.errors import UnreadableImageError


def fax() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(smooth(200, 88, 1) > 90).save(buffer, "TIFF", compression="group4")
    return buffer.getvalue()


def test_damaged_fax_codes_are_damage(capfd: pytest.CaptureFixture[str]) -> None:
    """Pillow gives other pixels for them; libtiff's complaint is only text."""
    data = bytearray(fax())
    assert read(bytes(data)).pixels.shape == (200, 88, 1)
    for place in range(40, 60):
        data[place] ^= 0x55
    with pytest.raises(UnreadableImageError, match=r"second reader says|two readers see"):
        read(bytes(data))
    capfd.readouterr()


@pytest.mark.parametrize(
    ("pixels", "options"),
    [
        (deep(20, 30), {}),
        (deep(30, 30, 3), {"photometric": "rgb"}),
        (np.stack([deep(20, 30, seed=i) for i in range(3)]), {"photometric": "minisblack"}),
        (noise(3, 3), {"photometric": "rgb", "compression": "lzw"}),
        (noise(20, 30), {"photometric": "rgb", "compression": "zlib", "predictor": True, "tile": (16, 16)}),
    ],
)
def test_samples_that_two_readers_see_alike(
    pixels: np.ndarray, options: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, pixels, metadata=None, **options)
    picture = read(buffer.getvalue())
    assert picture.pixels.size == pixels.size
    changed = imagecodecs.tiff_decode

    def decode(data: bytes, index: int) -> np.ndarray:
        seen = changed(data, index=index)
        seen[-1, -1] ^= 1
        return seen

    monkeypatch.setattr(imagecodecs, "tiff_decode", decode)
    with pytest.raises(UnreadableImageError, match="two readers see different samples"):
        read(buffer.getvalue())


def test_missing_blocks_are_read_once() -> None:
    """libtiff refuses files whose blocks are not all there."""
    buffer = io.BytesIO()
    tiles = (tile for tile in (noise(16, 16, 1), None, noise(16, 16, 1), None))
    tifffile.imwrite(buffer, tiles, shape=(32, 32), dtype=np.uint8, tile=(16, 16), metadata=None)
    picture = read(buffer.getvalue())
    np.testing.assert_array_equal(picture.to_array()[:16, :16], noise(16, 16, 1))
    assert not picture.to_array()[:, 16:].any()
