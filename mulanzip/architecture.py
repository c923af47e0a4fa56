"""Shape and units of the denoiser, shared by its float and its integer form; free of torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from mulanzip.lattice import D, H, V

COLOURS = 3
#: Linear terms between colours: second on first, third on first, third on second.
COUPLINGS = 3
#: Phases that share a head of the network because they are usually revealed together.
HEADS = ((D,), (H, V))

#: Planes of the network input: differences above and below the local mean (12 + 12), the local
#: mean (3), masks (4).
INPUT_PLANES = 31
#: The uint8 input that stands for 1.0 in the float network, and for "known" in the mask planes.
INPUT_UNIT = 32
#: The uint8 activation that stands for 1.0.
ACTIVATION_UNIT = 16
#: Weights are integers in -WEIGHT_MAX..WEIGHT_MAX: beyond 64, int8 kernels that add pairs of
#: products in 16 bits would saturate.
WEIGHT_MAX = 64
#: Fractional bits of base predictions and of mixture means.
MEAN_BITS = 5


@dataclass(frozen=True)
class Config:
    """Size of a denoiser.  Stored in the model file."""

    channels: int = 64
    blocks: int = 5
    mixtures: int = 4
    level_classes: int = 5

    @property
    def shape_outputs(self) -> int:
        """Per phase: mixture logits, then log scales."""
        return 2 * COLOURS * self.mixtures

    @property
    def mean_outputs(self) -> int:
        """Per phase: mixture means, then couplings."""
        return COLOURS * self.mixtures + COUPLINGS

    @property
    def outputs(self) -> int:
        """Per phase."""
        return self.shape_outputs + self.mean_outputs

    def level_class(self, level: int) -> int:
        """Row of the bias tables that a level uses; the coarsest ones share the last."""
        return min(level, self.level_classes - 1)

    def as_dict(self) -> dict[str, int]:
        return asdict(self)
