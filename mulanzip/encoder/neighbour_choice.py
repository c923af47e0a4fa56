"""Which earlier slices or bands each one is coded given: those whose fine structure is most alike."""

from __future__ import annotations

import numpy as np

from mulanzip.codec.neighbours import MAX_DISTANCE, References
from mulanzip.image.crops import sample_crops
from mulanzip.image.picture import Picture
from mulanzip.native.library import MAX_EARLIER

#: One slice of a stack in this number looks at no other, so that decoding a slice takes this number at most.
KEY_INTERVAL = 32
#: Bands with less likeness than this to all others are coded alone, and so are those of small images.
_LEAST_LIKENESS = 0.1
_LEAST_PIXELS = 1 << 12
#: Crops from which likeness is measured.
_SIDE, _GRID = 64, (4, 4)


def choose_references(picture: Picture, constant: list[bool]) -> References | None:
    """For each channel of bands or slices the ones it is coded given; None if all are coded alone.

    Args:
        constant: for each channel, whether nothing of it is coded.
    """
    sample = sample_crops(picture.pixels, _SIDE, _GRID)
    if not picture.is_stack and picture.pixels[..., 0].size < _LEAST_PIXELS:
        return None
    structures = dict[int, np.ndarray]()
    found = []
    for number, is_constant in enumerate(constant):
        key = number // KEY_INTERVAL * KEY_INTERVAL if picture.is_stack else 0
        structures = {i: kept for i, kept in structures.items() if i >= max(key, number - MAX_DISTANCE)}
        own = _structure(sample[..., number])
        likeness = {i: abs(float(own @ other)) for i, other in structures.items()}
        if not picture.is_stack:
            likeness = {i: value for i, value in likeness.items() if value >= _LEAST_LIKENESS}
        # The nearest wins among equally alike ones.
        best = sorted(likeness, key=lambda i: (-likeness[i], -i))[:MAX_EARLIER]
        found.append(() if is_constant else tuple(best))
        if not is_constant:
            structures[number] = own
    return tuple(found) if any(found) else None


def _structure(samples: np.ndarray) -> np.ndarray:
    """What samples ``(H, W)`` have that their neighbours do not tell, without outliers; a vector of length 1, or 0."""
    a = samples.astype(np.float32)
    fine = a[1:-1, 1:-1] - (a[:-2, 1:-1] + a[2:, 1:-1] + a[1:-1, :-2] + a[1:-1, 2:]) / 4
    usual = float(np.mean(np.abs(fine))) + 1e-6 if fine.size else 1.0
    soft = (fine / (np.abs(fine) + usual)).ravel()
    return soft / (float(np.linalg.norm(soft)) or 1.0)
