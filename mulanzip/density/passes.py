"""Which pass of a denoiser runs in which step: one rule for the integer and the float form."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import partial

import numpy as np

from mulanzip.density.backends import Array
from mulanzip.density.config import HEADS, PASSES, Config
from mulanzip.density.prediction import Prediction
from mulanzip.density.sample_scale import EIGHT_BIT, SampleScale
from mulanzip.lattice.geometry import PHASE_NAMES


def heads_of(phases: set[int]) -> dict[int, str]:
    """The head for each phase that a step reveals.  If one needs pass 0, all use pass 0."""
    early = not phases.isdisjoint(PASSES[0])
    return {phase: PHASE_NAMES[phase] + ("0" if early and phase not in PASSES[0] else "") for phase in phases}


class PassPredictor(ABC):
    """Predicts the phases of a step; subclasses compute inputs, the features of passes and parameters of colours."""

    config: Config
    #: Scale of the samples in cells.
    sample_scale: SampleScale = EIGHT_BIT

    @abstractmethod
    def input_planes(self, cells: np.ndarray, known: np.ndarray) -> Array:
        """Inputs of the passes: uint8 ``(B, h, w, input planes)``.

        Args:
            cells: ``(B, h, w, 4, colours)``; known: bool ``(h, w, 4)``; see :meth:`predict`.
        """

    @abstractmethod
    def base_prediction(
        self, cells: np.ndarray, known: np.ndarray, phase: int, window: tuple[slice, slice]
    ) -> np.ndarray:
        """Base predictions of a phase: int32 ``(colours, n)``, see :class:`mulanzip.density.prediction.Prediction`."""

    @abstractmethod
    def features(self, planes: Array, index: int, level_class: int, pass0_features: Array | None) -> Array:
        """uint8 ``(B, h, w, input planes)`` -> ``(B, h, w, channels)`` of pass ``index``.

        Args:
            pass0_features: features of pass 0, an input of the later passes.
        """

    @abstractmethod
    def head(
        self, features: Array, offsets: np.ndarray, colour: int, *, name: str, level_class: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Head ``name`` of :data:`HEADS`; see :class:`mulanzip.density.prediction.ColourHead`."""

    def predict(
        self,
        cells: np.ndarray,
        known: np.ndarray,
        window: tuple[slice, slice],
        phases: set[int],
        level: int,
        pass0_features: Array | None,
    ) -> tuple[dict[int, Prediction], Array]:
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
        colours = self.config.colours
        cells = cells.reshape(-1, *cells.shape[-4:])
        if cells.shape[-1] != colours:
            cells = np.repeat(cells, colours, axis=-1)
        planes = self.input_planes(cells, known)
        if pass0_features is None or phases & set(PASSES[0]):
            pass0_features = self.features(planes, 0, level_class, None)
        heads = heads_of(phases)
        index = HEADS[next(iter(heads.values()))][0]
        features = self.features(planes, index, level_class, pass0_features) if index else pass0_features
        rows = features[:, window[0], window[1]].reshape(-1, features.shape[-1])
        predictions = {}
        for phase, name in heads.items():
            base = self.base_prediction(cells, known, phase, window)
            head = partial(self.head, name=name, level_class=level_class)
            predictions[phase] = Prediction(rows, base, head)
        return predictions, pass0_features
