"""The lost areas of a damaged image, and their description."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DamagedRegion:
    """A segment that cannot be trusted.

    Attributes:
        segment: its number, from 0; total: number of segments.
        top, bottom, left, right: the rectangle of the image that it covers, in pixels, ends excluded.
        level: of the lattice; only the pixels of coarser levels are left of the rectangle.
    """

    segment: int
    total: int
    top: int
    bottom: int
    left: int
    right: int
    level: int


def describe(regions: list[DamagedRegion]) -> list[str]:
    """One line for each connected area."""
    return [_name(area) for area in _areas(regions)]


def _areas(regions: list[DamagedRegion]) -> list[list[DamagedRegion]]:
    """Regions of one level that make up a rectangle, joined: first those side by side, then such rows."""
    rows: list[list[DamagedRegion]] = []
    for region in regions:
        if (
            rows
            and (before := rows[-1][-1]).right == region.left
            and (before.level, before.top) == (region.level, region.top)
        ):
            rows[-1].append(region)
        else:
            rows.append([region])
    areas: list[list[DamagedRegion]] = []
    for row in rows:
        for area in areas:
            same_sides = (area[0].left, area[-1].right) == (row[0].left, row[-1].right)
            if same_sides and area[0].level == row[0].level and area[-1].bottom == row[0].top:
                area += row
                break
        else:
            areas.append(row)
    return areas


def _name(area: list[DamagedRegion]) -> str:
    """``segments 2 to 4 of 9 are lost: 1/2 of the resolution in columns 0 to 99, rows 100 to 199``"""
    first, last = area[0], area[-1]
    numbers = [region.segment for region in area]
    is_range = len(numbers) > 2 and numbers[-1] - numbers[0] + 1 == len(numbers)
    named = f"{numbers[0]} to {numbers[-1]}" if is_range else ", ".join(map(str, numbers))
    subject = f"segment {named} of {first.total} is" if len(numbers) == 1 else f"segments {named} of {first.total} are"
    sides = f"columns {first.left} to {last.right - 1}, rows {first.top} to {last.bottom - 1}"
    return f"{subject} lost: 1/{2 << first.level} of the resolution in {sides}"
