"""Adam without ``torch.optim``."""

from __future__ import annotations

import torch

from mulanzip.encoder.adam import Adam


def test_steps_are_those_of_torch_to_the_bit() -> None:
    generator = torch.Generator().manual_seed(1)
    ours, theirs = torch.zeros(500), torch.zeros(500, requires_grad=True)
    adam, reference = Adam(ours, (0.9, 0.99)), torch.optim.Adam([theirs], lr=1.0, betas=(0.9, 0.99))
    for step in range(300):
        gradient = torch.randn(500, generator=generator) * 10.0 ** (step % 7 - 5)
        rate = 1 - step / 300
        adam.step(gradient, rate)
        reference.param_groups[0]["lr"] = rate
        theirs.grad = gradient.clone()
        reference.step()
    assert torch.equal(ours, theirs.detach())
