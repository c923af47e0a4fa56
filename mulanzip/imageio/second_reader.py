"""TIFF files are read twice: libtiff, by way of imagecodecs, must see the same samples as the first reader."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mulanzip.errors import UnreadableImageError

#: Compressions that libtiff always has, and that are lossless: none, fax, LZW, deflate, PackBits.
COMPRESSIONS = frozenset((1, 2, 3, 4, 5, 8, 32773, 32946))


def check_tiff(data: bytes, page: int, samples: np.ndarray) -> None:
    """Check the samples of a page.

    Args:
        data: the file; all its blocks must be there, as libtiff does not read others.
        page: its number, from 0.
        samples: ``(H, W, channels)`` as they are stored; of bilevel images 0 or 1, inverted or not.

    Raises:
        UnreadableImageError: if libtiff sees others, or finds the page damaged.
    """
    import imagecodecs  # Only now: it takes time.

    try:
        seen = np.asarray(imagecodecs.tiff_decode(data, index=page))
    except MemoryError:
        raise
    except Exception as error:  # imagecodecs raises errors of several types.
        raise UnreadableImageError(f"the image is damaged, by what a second reader says: {error}") from None
    if not any(_same(form, samples) for form in _forms(seen)):
        raise UnreadableImageError("the image is damaged: two readers see different samples in it")


def _forms(seen: np.ndarray) -> Iterator[np.ndarray]:
    """What libtiff saw as ``(H, W, channels)``: planes may come first; and bilevel images inverted."""
    forms = [seen[..., None]] if seen.ndim == 2 else [seen, seen.transpose(1, 2, 0)]
    for form in forms:
        yield form
        if form.dtype == np.bool_:
            yield ~form


def _same(seen: np.ndarray, samples: np.ndarray) -> bool:
    return seen.shape == samples.shape and np.array_equal(seen, samples)
