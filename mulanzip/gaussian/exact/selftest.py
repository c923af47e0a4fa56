"""Check that a backend computes the same as the model's exporter, like :mod:`mulanzip.density.selftest`."""

from __future__ import annotations

import hashlib

import numpy as np

from mulanzip.density.selftest import extremes, noise, planar_bytes
from mulanzip.gaussian.exact.integer_denoiser import SUBPIXELS, IntegerDenoiser
from mulanzip.gaussian.exact.planes import HATS

_SIDE = 16
_BATCH = 2
_INPUTS = 4 * SUBPIXELS + SUBPIXELS + HATS


def golden_digest(network: IntegerDenoiser, bits: int) -> str:
    """SHA-256 of a network's outputs on fixed inputs, which include the worst cases of every layer.

    Args:
        bits: length of the context.
    """
    state = hashlib.sha256()

    def note(integers: np.ndarray) -> None:
        state.update(integers.astype("<i4").tobytes())

    planes, levels, contexts = (
        noise(f"{name} of the Gaussian network", _BATCH, *shape)
        for name, shape in (
            ("input", (_INPUTS, _SIDE, _SIDE)),
            ("noise", (SUBPIXELS + HATS, _SIDE, _SIDE)),
            ("context", (max(1, bits),)),
        )
    )
    # Small inputs keep features small; noise saturates some.
    for shown in (planes, planes // 16):
        note(network.head(shown, levels, contexts[:, :bits] < 64))
    note(network.direct(planes[:, : 2 * SUBPIXELS]))
    backend = network.backend
    for name, prepared in network.prepared.items():
        run = backend.integers if name in ("head", "direct") else backend.activation
        x = backend.array(extremes(name, network.layers[name].weight.shape[1]))
        state.update(planar_bytes(backend.numpy(run(prepared, x, 0))))
    return state.hexdigest()
