"""The stored form: every mode comes back, everything that contradicts the header is refused."""

from __future__ import annotations

import imagecodecs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.pictures import noise, smooth

from mulanzip.errors import CorruptFileError
from mulanzip.image.kinds import Kind, Mode
from mulanzip.image.picture import Picture
from mulanzip.imageio import png, stored


@pytest.mark.parametrize("mode", [Mode.GRAY, Mode.GRAY_ALPHA, Mode.RGB, Mode.RGBA])
def test_contradictions(mode: Mode) -> None:
    data = stored.store(Picture(Mode.RGBA, noise(5, 4, 4)))
    for wrong in ((Kind(mode, 8), 5, 4), (Kind(Mode.PALETTE, 8), 4, 5)):
        with pytest.raises(CorruptFileError, match=r"contradicts|damaged"):
            stored.restore(data, *wrong)


def test_two_values_are_kept_small_and_are_two() -> None:
    kind = Kind(Mode.BILEVEL, 1)
    pixels = (smooth(90, 100, 1) > 120).astype(np.uint8).reshape(90, 100, 1)
    data = stored.store(Picture(Mode.BILEVEL, pixels))
    np.testing.assert_array_equal(stored.restore(data, kind, 100, 90)[0], pixels)
    assert len(data) < len(png.encode(Picture(Mode.BILEVEL, pixels)))
    three = stored.store(Picture(Mode.GRAY, pixels * 2))
    with pytest.raises(CorruptFileError, match=r"more than two values|contradicts"):
        stored.restore(three, kind, 100, 90)


def test_two_values_in_every_form(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = Kind(Mode.BILEVEL, 1)
    pixels = np.kron(noise(4, 5, 1) > 99, np.ones((9, 8), dtype=bool)).astype(np.uint8)[..., None]
    monkeypatch.setattr(stored, "_jpeg_xl", lambda pixels: bytes(1 << 20))
    data = stored.store(Picture(Mode.BILEVEL, pixels))
    assert data.startswith(b"RIFF")
    np.testing.assert_array_equal(stored.restore(data, kind, 40, 36)[0], pixels)
    with pytest.raises(CorruptFileError, match="more than two values"):
        stored.restore(stored.store(Picture(Mode.GRAY, pixels * 3)), kind, 40, 36)
    monkeypatch.setattr(stored, "_webp", lambda image: bytes(1 << 20))
    data = stored.store(Picture(Mode.BILEVEL, pixels))
    assert data.startswith(png.SIGNATURE)
    np.testing.assert_array_equal(stored.restore(data, kind, 40, 36)[0], pixels)


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    with pytest.raises(CorruptFileError):
        stored.restore(data, Kind(Mode.RGB, 8), 3, 3)


def test_colours_under_no_opacity_are_kept() -> None:
    pixels = smooth(30, 30, 4)
    pixels[:15, :, 3] = 0
    data = stored.store(Picture(Mode.RGBA, pixels))
    np.testing.assert_array_equal(stored.restore(data, Kind(Mode.RGBA, 8), 30, 30)[0], pixels)


@pytest.mark.parametrize("size", [(40, 41, 3), (1030, 1024)])
def test_more_effort_is_tried_where_jpeg_xl_is_the_smallest(
    size: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = np.zeros(size, dtype=np.uint8)
    picture = Picture(Mode.RGB if len(size) == 3 else Mode.GRAY, pixels)
    best = imagecodecs.jpegxl_encode(pixels, lossless=True, effort=9)
    monkeypatch.setattr(stored, "_jpeg_xl", lambda pixels, effort: best if effort == 9 else pytest.fail(effort))
    worse = best[:2] + bytes(len(best))
    assert stored.refined(picture, worse) == (best if len(size) == 3 else worse)
    assert stored.refined(picture, png.SIGNATURE + bytes(1 << 16)).startswith(png.SIGNATURE)
    assert stored.refined(picture, best[:2]) == best[:2]


def test_webp_is_not_tried_where_it_could_hardly_win(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = Picture(Mode.RGB, noise(9, 8, 3))
    tried: list[int] = []
    monkeypatch.setattr(stored, "_webp", lambda image: tried.append(1) or bytes(9999))
    smallest = len(stored.store(picture, rival=1))
    assert not tried
    assert len(stored.store(picture, rival=smallest)) == smallest
    assert len(tried) == 1
    stored.store(picture)
    assert len(tried) == 2
