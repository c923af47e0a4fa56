"""Which segments a part of an image takes: those of its tiles, and of all that these are decoded from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mulanzip.codec.neighbours import References
from mulanzip.lattice.geometry import Segment, Tile


@dataclass(frozen=True)
class Rectangle:
    """Rows ``top .. bottom - 1`` and columns ``left .. right - 1`` of a level."""

    top: int
    bottom: int
    left: int
    right: int

    def meets(self, tile: Tile) -> bool:
        """Whether a pixel is in the tile."""
        return (
            self.top < 2 * tile.bottom
            and 2 * tile.top < self.bottom
            and self.left < 2 * tile.right
            and 2 * tile.left < self.right
        )


def _around(rectangles: Iterable[Rectangle]) -> Rectangle | None:
    """The smallest rectangle that has all of these; None for none."""
    found = list(rectangles)
    if not found:
        return None
    return Rectangle(
        min(one.top for one in found),
        max(one.bottom for one in found),
        min(one.left for one in found),
        max(one.right for one in found),
    )


def segments_of_region(
    parts: Sequence[Segment], wanted: Mapping[int, Rectangle], references: References
) -> dict[int, set[int]]:
    """The segments of each group of channels that has to be decoded.

    Args:
        parts: of every group.
        wanted: pixels of the finest level, by the number of the group.
        references: of all groups.
    """
    by_level: dict[int, list[tuple[int, Tile]]] = {}
    for number, part in enumerate(parts):
        for tile in part.tiles:
            by_level.setdefault(tile.grid.level, []).append((number, tile))
    #: By group and level.
    asked: dict[tuple[int, int], list[Rectangle]] = {(group, 0): [rectangle] for group, rectangle in wanted.items()}
    found: dict[int, set[int]] = {}
    for group in reversed(range(len(references))):
        if not any(key[0] == group for key in asked):
            continue
        found[group] = {0}
        for level in sorted(by_level):
            rectangle = _around(asked.get((group, level), ()))
            if rectangle is None:
                continue
            met = [(number, tile) for number, tile in by_level[level] if rectangle.meets(tile)]
            found[group] |= {number for number, _ in met}
            halos = [tile.with_halo() for _, tile in met]
            coarser = [Rectangle(halo.top, halo.bottom, halo.left, halo.right) for halo in halos]
            asked.setdefault((group, level + 1), []).extend(coarser)
            own = [Rectangle(2 * tile.top, 2 * tile.bottom, 2 * tile.left, 2 * tile.right) for _, tile in met]
            for earlier in references[group]:
                asked.setdefault((earlier, level), []).extend(own)
    return found
