"""Shape and units of the denoiser, shared by its float and its integer form.  Free of torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from mulanzip.lattice.geometry import PHASE_NAMES, D, H, V

#: Colours that a model codes together: those of colour images.  A model of gray images has one.
COLOURS = 3
#: Phases that each pass of the network predicts.  Pass 1 starts from the features of pass 0.
PASSES = ((H, V), (D,))
#: Heads by name: the pass whose features they start from, and the phase that they predict.  Head ``D0`` predicts D from
#: pass 0, for steps that reveal all phases at once.
HEADS = {PHASE_NAMES[phase]: (index, phase) for index, phases in enumerate(PASSES) for phase in phases} | {
    f"{PHASE_NAMES[phase]}0": (0, phase) for phases in PASSES[1:] for phase in phases
}

#: Planes of the network input: differences above and below the local mean (12 + 12), the local mean (3), masks (4).
INPUT_PLANES = 31
#: The same for one colour (4 + 4, 1, 4); before the local mean, coarse differences above and below it (4 + 4), and
#: after it the local mean once more, in levels (1).  Deep images have edges far beyond the range of fine differences.
GRAY_INPUT_PLANES = 22
#: log2 of the gray levels in a step of coarse differences, and of the local mean in levels.
COARSE_BITS = 4
LEVEL_BITS = 2
#: Planes that tell the value of a colour to the next colours: above and below its base prediction, fine and coarse.
OFFSET_PLANES = 4
#: The uint8 that represents 1.0 in inputs and activations, and "known" in the mask planes.
UNIT = 32
#: Weights are integers in -WEIGHT_MAX..WEIGHT_MAX.  Beyond 64, int8 kernels that add pairs of products in 16 bits would
#: saturate.
WEIGHT_MAX = 64
#: Fractional bits of base predictions and of mixture means.
MEAN_BITS = 5


@dataclass(frozen=True)
class Config:
    """Size of a denoiser.  Stored in the model file.

    Attributes:
        hidden: width of the layer that gives the parameters of a colour access to the colours before it.
        presets: number of contexts that are trained with the network.
        colours: 3, or 1 for a model of gray images.
    """

    channels: int = 64
    blocks: int = 5
    mixtures: int = 4
    level_classes: int = 5
    hidden: int = 32
    presets: int = 10
    colours: int = COLOURS

    @property
    def input_planes(self) -> int:
        """Planes of the network input, see :func:`mulanzip.density.inputs.input_planes`."""
        return GRAY_INPUT_PLANES if self.colours == 1 else INPUT_PLANES

    @property
    def shape_outputs(self) -> int:
        """Outputs per phase and colour: mixture logits, then log scales."""
        return 2 * self.mixtures

    def mean_outputs(self, colour: int) -> int:
        """Outputs per phase: mixture means, then one coupling to each colour before."""
        return self.mixtures + colour

    def outputs(self, colour: int) -> int:
        """All outputs per phase."""
        return self.shape_outputs + self.mean_outputs(colour)

    def level_class(self, level: int) -> int:
        """Row of the bias tables that a lattice level uses; the coarsest levels share the last row."""
        return min(level, self.level_classes - 1)

    def as_dict(self) -> dict[str, int]:
        """The form in model files."""
        found = asdict(self)
        if self.colours == COLOURS:  # Models of colour images were made before there were others.
            del found["colours"]
        return found

    @classmethod
    def from_dict(cls, config: dict[str, Any]) -> Config:
        """The inverse of :meth:`as_dict`.

        Raises:
            TypeError: for unknown keys, and for objects that are not dictionaries.
        """
        if not isinstance(config, dict):
            raise TypeError("a configuration is a dictionary")
        return cls(**config)
