"""Channel groups: every channel is in one, and colours come in coding order."""

from __future__ import annotations

import numpy as np
import pytest
from support.pictures import noise, smooth

from mulanzip.image.channels import channel_groups, from_coding_order, group_in_coding_order, to_coding_order
from mulanzip.image.kinds import CHANNELS, Mode


def test_green_comes_first_and_the_order_inverts_itself() -> None:
    image = smooth(5, 6)
    planes = to_coding_order(image)
    np.testing.assert_array_equal(planes[..., 0], image[..., 1])
    np.testing.assert_array_equal(from_coding_order(planes), image)
    assert planes.flags.c_contiguous


@pytest.mark.parametrize("mode", Mode)
def test_every_channel_is_in_one_group(mode: Mode) -> None:
    channels = CHANNELS.get(mode, 7)
    groups = channel_groups(mode, channels)
    assert [i for group in groups for i in range(channels)[group]] == list(range(channels))
    assert {group.stop - group.start for group in groups} <= {1, 3}
    assert (groups[0].stop == 3) == (mode in (Mode.RGB, Mode.RGBA))


def test_groups_of_colours_with_opacity() -> None:
    pixels = noise(4, 5, 4)
    colours, opacity = (group_in_coding_order(pixels, group) for group in channel_groups(Mode.RGBA, 4))
    np.testing.assert_array_equal(colours, pixels[..., [1, 0, 2]])
    np.testing.assert_array_equal(opacity, pixels[..., 3:])


def test_three_bands_are_three_groups() -> None:
    assert channel_groups(Mode.BANDS, 3) == [slice(0, 1), slice(1, 2), slice(2, 3)]
