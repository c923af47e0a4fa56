"""Small models with random or extreme weights, and how tests run models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mulanzip.options import Execution

if TYPE_CHECKING:
    import torch

    from mulanzip.density.model import IntegerModel


#: Workers of the test run share the cores.
ONE_THREAD = Execution(threads=1)


def tiny_model(seed: int = 0, weights: str = "random", **config: int) -> IntegerModel:
    """A small integer model with a golden digest.

    Args:
        weights: ``random``; or ``extreme``, with most of them -64, 0 or 64.
        config: as for :class:`mulanzip.density.config.Config`; 8 channels and 1 block by default.
    """
    import torch

    from mulanzip.density.config import Config
    from mulanzip.density.network import IntegerNetwork
    from mulanzip.density.runtime import GOLDEN_KEY
    from mulanzip.density.selftest import golden_digest
    from mulanzip.density.torch_backends import ReferenceBackend
    from mulanzip.floatnet.export import export
    from mulanzip.floatnet.network import Conv, Denoiser

    network = Denoiser(Config(**{"channels": 8, "blocks": 1, "mixtures": 2, "level_classes": 2, **config}))
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, Conv):
            shape = module.weight.shape
            values = torch.randn(shape, generator=generator) * shape[1] ** -0.5
            if weights == "extreme":
                values = values.sign() * (values.abs() > values.abs().median() * 0.5) * 0.5
            module.weight.data = values
            module.bias.data += 0.3 * torch.randn(module.bias.shape, generator=generator)
    model = export(network)
    model.metadata[GOLDEN_KEY] = golden_digest(IntegerNetwork(model, ReferenceBackend()))
    return model


def put_on_grid(network: torch.nn.Module) -> None:
    """Round the weights of all convolutions to their nearest integers, in place."""
    from mulanzip.floatnet.network import Conv, power_of_two_scale

    for module in network.modules():
        if isinstance(module, Conv):
            weight = module.weight.data
            scale = power_of_two_scale(weight)
            module.weight.data = (weight * scale).round() / scale
