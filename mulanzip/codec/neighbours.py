"""Which earlier groups of channels a group is coded given: slices of a stack, and bands of a scene.

A group that looks at others is coded after them.  It sees their samples and residuals at its own place, and goes on
learning where the first of them ended.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from mulanzip.codec.planes import Canvas
from mulanzip.errors import CorruptFileError
from mulanzip.inflate import Outcome, inflate
from mulanzip.native.library import MAX_EARLIER

#: How far a group may look back.
MAX_DISTANCE = 16
#: For each group the groups that it looks at, the first one first: at most :data:`MAX_EARLIER`.
References = tuple[tuple[int, ...], ...]


def pack(references: References) -> bytes:
    """For each group the distances to the groups that it looks at, filled up with zeros."""
    distances = [
        [number - earlier for earlier in own] + [0] * (MAX_EARLIER - len(own)) for number, own in enumerate(references)
    ]
    return zlib.compress(bytes(np.array(distances, dtype=np.uint8)), 9)


def unpack(payload: bytes, constant: Sequence[bool]) -> References:
    """The inverse of :func:`pack`.

    Args:
        constant: for each group, whether nothing of it is coded.

    Raises:
        CorruptFileError: if the payload is damaged.
    """
    count = len(constant)
    inflated = inflate(payload, MAX_EARLIER * count)
    if inflated.outcome is not Outcome.CLEAN or len(inflated.content) != MAX_EARLIER * count:
        raise CorruptFileError("the list of earlier slices is damaged")
    found = []
    for number, distances in enumerate(np.frombuffer(inflated.content, np.uint8).reshape(count, MAX_EARLIER).tolist()):
        used = [distance for distance in distances if distance]
        own = tuple(number - distance for distance in used)
        is_sound = distances[: len(used)] == used and len(set(used)) == len(used)
        is_sound = is_sound and all(distance <= min(number, MAX_DISTANCE) for distance in used)
        if not is_sound or any(constant[earlier] for earlier in own) or (own and constant[number]):
            raise CorruptFileError("the list of earlier slices is damaged")
        found.append(own)
    if not any(found):
        raise CorruptFileError("the list of earlier slices is damaged")
    return tuple(found)


@dataclass
class Neighbourhood:
    """The groups of an image while they are coded one after the other: those that later ones look at are kept.

    Attributes:
        references: of all groups.
        alike: the number of the first group with the same scale and values in use, for each group.
    """

    references: References
    alike: Sequence[int]
    _kept: dict[int, Canvas] = field(default_factory=dict)

    def canvas(self, number: int, pixels: np.ndarray) -> Canvas:
        """The canvas of a group, all of whose earlier groups have got theirs, and are coded.

        Args:
            number: of the group.
            pixels: ``(H, W, C)``.
        """
        for kept in self._kept.values():
            if kept.slice is not None:
                kept.slice.finish()
        own = self.references[number]
        later = {earlier for references in self.references[number + 1 :] for earlier in references}
        if not own and number not in later:
            return Canvas.of(pixels)
        earlier = [(self._kept[other], self.alike[other] == self.alike[number]) for other in own]
        canvas = Canvas.of_slice(pixels, earlier)
        self._kept = {other: kept for other, kept in (*self._kept.items(), (number, canvas)) if other in later}
        return canvas


def most_kept(references: References) -> int:
    """How many groups are kept for others at most while one is coded."""
    last = {earlier: number for number, own in enumerate(references) for earlier in own}
    return max(sum(earlier < number <= last[earlier] for earlier in last) for number in range(len(references)))
