"""Kinds of images: which exist, and what their arrays are."""

from __future__ import annotations

import numpy as np
import pytest

from mulanzip.image.channels import channel_groups
from mulanzip.image.kinds import DEEP_MODES, MAX_BANDS, SIGNED_MODES, Kind, Mode, is_kind


@pytest.mark.parametrize("mode", Mode)
def test_depths_and_signs(mode: Mode) -> None:
    bands = 5 if mode is Mode.BANDS else 0
    depths = {depth for depth in range(20) if is_kind(mode, depth, False, bands)}
    shallow = {1} if mode is Mode.BILEVEL else {8}
    assert depths == (shallow | set(range(9, 17)) if mode in DEEP_MODES else shallow)
    signed = {depth for depth in range(20) if is_kind(mode, depth, True, bands)}
    assert signed == (set(range(9, 17)) if mode in SIGNED_MODES else set())


def test_only_bands_have_a_number_of_bands() -> None:
    for mode in Mode:
        depth = 1 if mode is Mode.BILEVEL else 8
        assert is_kind(mode, depth, False, 0) == (mode is not Mode.BANDS)
        assert is_kind(mode, depth, False, MAX_BANDS) == (mode is Mode.BANDS)


@pytest.mark.parametrize(
    ("kind", "channels", "dtype", "name"),
    [
        (Kind(Mode.GRAY, 8), 1, np.uint8, "gray"),
        (Kind(Mode.GRAY_ALPHA, 16), 2, np.uint16, "16-bit gray+alpha"),
        (Kind(Mode.RGBA, 8), 4, np.uint8, "rgba"),
        (Kind(Mode.PALETTE, 8), 1, np.uint8, "palette"),
        (Kind(Mode.BANDS, 12, signed=True, bands=7), 7, np.int16, "signed 12-bit bands"),
    ],
)
def test_arrays(kind: Kind, channels: int, dtype: type, name: str) -> None:
    assert (kind.channels, kind.dtype, str(kind)) == (channels, np.dtype(dtype), name)


@pytest.mark.parametrize("mode", Mode)
def test_groups_are_counted_as_they_are_made(mode: Mode) -> None:
    kind = Kind(mode, 8, bands=5 if mode is Mode.BANDS else 0)
    assert kind.groups == len(channel_groups(mode, kind.channels))
