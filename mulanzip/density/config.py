"""Shape and units of the denoiser, shared by its float and its integer form; free of torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from mulanzip.lattice.geometry import PHASE_NAMES, D, H, V

COLOURS = 3
#: Phases that each pass of the network predicts.  A later pass starts from the features of the first.
PASSES = ((H, V), (D,))
#: Heads by name: the pass whose features they start from, and the phase that they predict.  The one of
#: the later phase on the first pass serves steps that reveal everything at once, with one pass.
HEADS = {PHASE_NAMES[phase]: (index, phase) for index, phases in enumerate(PASSES) for phase in phases} | {
    f"{PHASE_NAMES[phase]}0": (0, phase) for phases in PASSES[1:] for phase in phases
}

#: Planes of the network input: differences above and below the local mean (12 + 12), the local
#: mean (3), masks (4).
INPUT_PLANES = 31
#: Planes that tell a colour's value to the colours after it: above and below its base prediction,
#: fine and coarse.
OFFSET_PLANES = 4
#: The uint8 that stands for 1.0 in inputs and activations, and for "known" in the mask planes.
UNIT = 32
#: Weights are integers in -WEIGHT_MAX..WEIGHT_MAX: beyond 64, int8 kernels that add pairs of
#: products in 16 bits would saturate.
WEIGHT_MAX = 64
#: Fractional bits of base predictions and of mixture means.
MEAN_BITS = 5


#: Names in model files that differ from those of fields.
_FILE_KEYS = {"presets": "looks"}


@dataclass(frozen=True)
class Config:
    """Size of a denoiser.  Stored in the model file."""

    channels: int = 64
    blocks: int = 5
    mixtures: int = 4
    level_classes: int = 5
    #: Width of the layer that a colour's parameters get from the colours before it.
    hidden: int = 32
    #: Kinds of pictures that the network learns a context for.
    presets: int = 10

    @property
    def shape_outputs(self) -> int:
        """Per phase and colour: mixture logits, then log scales."""
        return 2 * self.mixtures

    def mean_outputs(self, colour: int) -> int:
        """Per phase: mixture means, then a coupling to each colour before."""
        return self.mixtures + colour

    def outputs(self, colour: int) -> int:
        """Per phase."""
        return self.shape_outputs + self.mean_outputs(colour)

    def level_class(self, level: int) -> int:
        """Row of the bias tables that a level uses; the coarsest ones share the last."""
        return min(level, self.level_classes - 1)

    def as_dict(self) -> dict[str, int]:
        """The form that model files have."""
        return {_FILE_KEYS.get(name, name): value for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, config: dict[str, Any]) -> Config:
        """The inverse of :meth:`as_dict`.

        Raises:
            TypeError: for unknown keys, or what is no dictionary.
        """
        if not isinstance(config, dict):
            raise TypeError("a configuration is a dictionary")
        names = {key: name for name, key in _FILE_KEYS.items()}
        return cls(**{names.get(key, key): value for key, value in config.items()})
