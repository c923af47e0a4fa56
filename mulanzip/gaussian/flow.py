"""The likelihood of the probability-flow ODE: tighter than the bound, but no coder reaches it.

``dz/dt = 1/2 sigma gamma' (e - sigma z)`` with ``e`` the predicted noise, per subpixel.  ``log p(z_0)`` is the log
density of ``z_1`` plus the integral of the divergence, which Hutchinson's trick estimates with one probe per path.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mulanzip.errors import MulanzipError
from mulanzip.gaussian.forward import GAMMA_MIN, VALUES, diffused, sigma
from mulanzip.gaussian.noise_schedule import NoisePath
from mulanzip.gaussian.variational import Denoise, to_bits

#: Half the cell of a value, in standard deviations of the noise in ``z_0``: the noise of dequantisation ends there.
TRUNCATION = math.exp(-GAMMA_MIN / 2) / VALUES
_LOG_MASS = math.log(math.erf(TRUNCATION / math.sqrt(2)))
_LOG_SQRT_2PI = 0.5 * math.log(2 * math.pi)


@dataclass(frozen=True)
class Likelihood:
    """Likelihood of a batch of images.

    Attributes:
        bits: bits per image, ``(B,)``.
        subpixels: number of subpixels of an image.
        evaluations: network evaluations per solution of the ODE.
    """

    bits: Tensor
    subpixels: int
    evaluations: int

    @property
    def bits_per_dim(self) -> float:
        """Bits per subpixel, the mean over the images."""
        return float(self.bits.double().mean()) / self.subpixels


def log_density(
    denoise: Denoise, path: NoisePath, z: Tensor, probe: Tensor, tolerance: float = 1e-5
) -> tuple[Tensor, int]:
    """``ln p(z_0)`` of each image, float64 ``(B,)``, and the number of network evaluations.

    Args:
        z: ``z_0``, ``(B, colours, H, W)``.
        probe: independent random signs, in the same shape.
        tolerance: of the integrator (Runge-Kutta of order 5), relative and absolute.

    Raises:
        MulanzipError: if scipy is not installed.
    """
    try:
        from scipy.integrate import solve_ivp
    except ImportError:
        raise MulanzipError("the ODE needs scipy: pip install 'mulanzip[gaussian]'") from None
    batch = len(z)

    def derivative(t: float, state: np.ndarray) -> np.ndarray:
        at = torch.from_numpy(state[:-batch]).to(z.dtype).view_as(z).requires_grad_()
        with torch.enable_grad():
            gamma, slope = (x.detach() for x in path(torch.tensor([t], dtype=z.dtype)))
            noise = denoise(at, gamma.expand_as(at)).noise(at, gamma)
            flow = 0.5 * sigma(gamma) * slope * (noise - sigma(gamma) * at)
            (product,) = torch.autograd.grad((flow * probe).sum(), at)
        divergence = (product * probe).double().flatten(1).sum(1)
        return np.concatenate((flow.detach().double().flatten().numpy(), divergence.numpy()))

    start = np.concatenate((z.double().flatten().numpy(), np.zeros(batch)))
    solved = solve_ivp(derivative, (0.0, 1.0), start, t_eval=(1.0,), rtol=tolerance, atol=tolerance)
    end = torch.from_numpy(solved.y[:, -1])
    last = end[:-batch].view(batch, -1)
    normal = -(0.5 * last**2 + _LOG_SQRT_2PI).sum(1)
    return normal + end[-batch:], int(solved.nfev)


def _truncated(shape: torch.Size, generator: torch.Generator) -> Tensor:
    """Normal values within ``-TRUNCATION..TRUNCATION``."""
    uniform = torch.rand(shape, generator=generator, dtype=torch.float64) * 2 - 1
    return math.sqrt(2) * torch.erfinv(uniform * math.exp(_LOG_MASS))


def likelihood(
    denoise: Denoise,
    path: NoisePath,
    u: Tensor,
    generator: torch.Generator,
    samples: int = 1,
    tolerance: float = 1e-5,
) -> Likelihood:
    """Bits of the values ``u`` under the ODE's density, from above: ``-log P(x) <= E[log q(z_0 | x) - log p(z_0)]``.

    ``q`` is the noise of ``z_0``, truncated at the borders of the value's cell and normalised.  With several samples it
    is the importance-weighted bound, which is tighter.  The estimate of the divergence is unbiased for ``log p``, but
    its noise inside a mean of exponentials would make the result too good.  So all samples of an image share one
    probe: most of the noise is then common to them and leaves the mean as it is.

    Args:
        u: float32 ``(B, colours, H, W)``, midpoints of cells.
    """
    start = torch.tensor(GAMMA_MIN, dtype=torch.float64)
    probe = torch.randint(0, 2, u.shape, generator=generator).to(u.dtype) * 2 - 1
    weights, evaluations = [], 0
    for _ in range(samples):
        noise = _truncated(u.shape, generator)
        z = diffused(u.double(), start, noise)
        log_q = -(0.5 * noise**2 + _LOG_SQRT_2PI + _LOG_MASS + sigma(start).log()).flatten(1).sum(1)
        log_p, evaluations = log_density(denoise, path, z.to(u.dtype), probe, tolerance)
        weights.append(log_p - log_q)
    mean = torch.stack(weights).logsumexp(0) - math.log(samples)
    return Likelihood(to_bits(-mean[:, None]), u[0].numel(), evaluations)
