"""Orthogonalised steps, all matrices of a shape at once."""

from __future__ import annotations

import torch

from mulanzip.training.muon import Muon


def test_orthogonalised_steps_are_those_of_torch() -> None:
    rng = torch.Generator().manual_seed(3)
    own = [torch.nn.Parameter(torch.randn(shape, generator=rng)) for shape in ((8, 24), (8, 24), (5, 7), (24, 8))]
    theirs = [torch.nn.Parameter(p.detach().clone()) for p in own]
    before = [p.detach().clone() for p in theirs]
    optimisers = Muon(own, lr=0.01, weight_decay=0.1), torch.optim.Muon(theirs, lr=0.01, weight_decay=0.1)
    for _ in range(4):
        for one, other in zip(own, theirs, strict=True):
            one.grad = torch.randn(one.shape, generator=rng)
            other.grad = one.grad.clone()
        for optimiser in optimisers:
            optimiser.step()
    for one, other, start in zip(own, theirs, before, strict=True):
        assert (one - other).norm() < 0.02 * (other - start).norm()  # Theirs rounds to bfloat16.
