"""Random noise schedules."""

from __future__ import annotations

import torch

from mulanzip.gaussian.noise_schedule import GAIN, LinearSchedule, NoiseSchedule, PolynomialSchedule, ScalarSchedule

BITS = 6
KINDS = ("linear", "scalar", "multivariate", "adaptive")


def random_schedule(kind: str, seed: int, strength: float = 1.0) -> NoiseSchedule:
    """A schedule with weights far from the initial ones."""
    torch.manual_seed(seed)
    kinds = {"linear": LinearSchedule, "scalar": ScalarSchedule, "multivariate": PolynomialSchedule}
    schedule = PolynomialSchedule(BITS) if kind == "adaptive" else kinds[kind]()
    for parameter in schedule.parameters():
        parameter.data += strength / (1 if kind == "scalar" else GAIN) * torch.randn(parameter.shape)
    return schedule.requires_grad_(False).double()
