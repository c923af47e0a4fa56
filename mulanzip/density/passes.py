"""Which pass of a denoiser runs in which step: one rule for the integer and the float form."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import partial

import numpy as np
import torch
from torch import Tensor

from mulanzip.density.config import HEADS, PASSES, Config
from mulanzip.density.inputs import base_prediction, input_planes, sample_type
from mulanzip.density.prediction import Prediction
from mulanzip.density.sample_scale import EIGHT_BIT, SampleScale
from mulanzip.lattice.geometry import PHASE_NAMES


def heads_of(phases: set[int]) -> dict[int, str]:
    """The head for each phase that a step reveals.  If one needs pass 0, all use pass 0."""
    early = not phases.isdisjoint(PASSES[0])
    return {phase: PHASE_NAMES[phase] + ("0" if early and phase not in PASSES[0] else "") for phase in phases}


class PassPredictor(ABC):
    """Predicts the phases of a step; subclasses compute the features of passes and the parameters of colours."""

    config: Config
    #: Scale of the samples in cells.
    sample_scale: SampleScale = EIGHT_BIT

    @abstractmethod
    def features(self, planes: Tensor, index: int, level_class: int, pass0_features: Tensor | None) -> Tensor:
        """uint8 ``(B, input planes, h, w)`` -> ``(B, channels, h, w)`` of pass ``index``.

        Args:
            pass0_features: features of pass 0, an input of the later passes.
        """

    @abstractmethod
    def head(
        self, features: Tensor, offsets: np.ndarray, colour: int, *, name: str, level_class: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Head ``name`` of :data:`HEADS`; see :class:`mulanzip.density.prediction.ColourHead`."""

    @torch.inference_mode()
    def predict(
        self,
        cells: np.ndarray,
        known: np.ndarray,
        window: tuple[slice, slice],
        phases: set[int],
        level: int,
        pass0_features: Tensor | None,
    ) -> tuple[dict[int, Prediction], Tensor]:
        """Predict the phases of one step.

        Args:
            cells: samples of ``sample_scale``, ``(h, w, 4, C)``, or ``(B, h, w, 4, C)`` for images side by side.  C is
                the number of colours of the model, or 1: a model of three colours sees a gray image three times.
            known: mask, bool ``(h, w, 4)``, the same for all images.
            window: rows and columns of the cells to predict.
            phases: phases to predict.
            level: lattice level of the cells.
            pass0_features: the features that the step before returned; None in the first step.

        Returns:
            a :class:`Prediction` for each of ``phases``, one image after the other, and the features of pass 0 for the
            next step.
        """
        level_class = self.config.level_class(level)
        batch = torch.from_numpy(cells.reshape(-1, *cells.shape[-4:]))
        colours = self.config.colours
        cell_tensor = batch.permute(0, 3, 4, 1, 2).to(sample_type(self.sample_scale)).expand(-1, -1, colours, -1, -1)
        known_tensor = torch.from_numpy(known).permute(2, 0, 1)[None]
        planes = input_planes(cell_tensor, known_tensor, self.sample_scale)
        if pass0_features is None or phases & set(PASSES[0]):
            pass0_features = self.features(planes, 0, level_class, None)
        heads = heads_of(phases)
        index = HEADS[next(iter(heads.values()))][0]
        features = self.features(planes, index, level_class, pass0_features) if index else pass0_features
        inside = (..., *window)
        rows = features[inside].permute(0, 2, 3, 1).reshape(-1, features.shape[1])
        predictions = {}
        for phase, name in heads.items():
            base = base_prediction(cell_tensor, known_tensor, phase, self.sample_scale)[inside].transpose(0, 1)
            head = partial(self.head, name=name, level_class=level_class)
            predictions[phase] = Prediction(rows, base.reshape(colours, -1).numpy(), head)
        return predictions, pass0_features
