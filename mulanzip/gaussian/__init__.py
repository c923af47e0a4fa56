"""MULAN as published: multivariate, adaptive, learned Gaussian noise; its bound, likelihood, samples and contexts.

>>> from mulanzip import gaussian
>>> model = gaussian.open_model("tiles32")
>>> gaussian.bound(model, images).bits_per_dim       # uint8 (B, H, W, 3)
>>> gaussian.likelihood(model, images).bits_per_dim  # needs mulanzip[gaussian]
>>> gaussian.sample(model, 16, seed=1)
>>> gaussian.features(model, images)
"""

from mulanzip.gaussian.api import bound, features, likelihood, open_model, sample

__all__ = ["bound", "features", "likelihood", "open_model", "sample"]
