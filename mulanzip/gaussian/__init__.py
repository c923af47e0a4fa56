"""MULAN as published: learned Gaussian noise per subpixel and image, with its bound, likelihood, samples and contexts.

>>> from mulanzip import gaussian
>>> model = gaussian.open_model("tiles32")
>>> gaussian.bound(model, images).bits_per_dim       # uint8 (B, H, W, 3)
>>> gaussian.likelihood(model, images).bits_per_dim  # needs mulanzip[gaussian]
>>> gaussian.sample(model, 16, seed=1)
>>> gaussian.features(model, images)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mulanzip.gaussian.api import bound, features, likelihood, open_model, sample

__all__ = ["bound", "features", "likelihood", "open_model", "sample"]


def __getattr__(name: str) -> Any:
    # Imported on first use: the integer codec in ``gaussian.exact`` runs without torch, which the API needs.
    if name in __all__:
        value = globals()[name] = getattr(import_module("mulanzip.gaussian.api"), name)
        return value
    raise AttributeError(f"module 'mulanzip.gaussian' has no attribute {name!r}")
