"""Ways to run the integer network.  All give the same numbers; a self-test checks this.

Maps are arrays of the backend, ``(B, h, w, C)``: numpy arrays, or tensors of torch.  Free of torch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from mulanzip.density.model import Layer
from mulanzip.density.sample_scale import SampleScale

#: An array of a backend.
Array = Any


class Backend(ABC):
    """Runs the layers of integer models on one device."""

    name: str
    #: Whether a forked child can use it.
    survives_fork = True

    @abstractmethod
    def array(self, x: np.ndarray) -> Array:
        """An array of the backend."""

    @abstractmethod
    def numpy(self, x: Array) -> np.ndarray:
        """The inverse of :meth:`array`."""

    # Single layers.

    @abstractmethod
    def prepare(self, layer: Layer) -> object:
        """The layer in the form that :meth:`activation` and :meth:`integers` take."""

    @abstractmethod
    def activation(self, prepared: object, x: Array, level_class: int, residual: Array | None = None) -> Array:
        """``clamp(round_half_even(sum * 2**-shift + residual), 0, 255)``: uint8 ``(B, h, w, out)``.

        Args:
            x: uint8 ``(B, h, w, in)``.
            residual: uint8 ``(B, h, w, out)``.
        """

    @abstractmethod
    def integers(self, prepared: object, x: Array, level_class: int) -> Array:
        """``round_half_even(sum * 2**-shift)``: int32 ``(B, h, w, out)``."""

    # The network.

    @abstractmethod
    def input_planes(self, cells: np.ndarray, known: np.ndarray, sample_scale: SampleScale) -> Array:
        """Inputs of a pass: uint8 ``(B, h, w, input planes)``; :mod:`mulanzip.density.inputs` says what they are.

        Args:
            cells: samples of ``sample_scale``, ``(B, h, w, 4, C)``, C 3 or 1.
            known: mask, bool ``(h, w, 4)``.
        """

    @abstractmethod
    def base_prediction(
        self,
        cells: np.ndarray,
        known: np.ndarray,
        phase: int,
        window: tuple[slice, slice],
        sample_scale: SampleScale,
    ) -> np.ndarray:
        """Linear prediction of a phase in ``2**-MEAN_BITS`` gray levels: int32 ``(C, n)``.

        Args:
            cells, known, sample_scale: as for :meth:`input_planes`.
            window: rows and columns of the ``n`` cells to predict, one image after the other.
        """

    @abstractmethod
    def prepare_pass(self, layers: Sequence[Layer]) -> object:
        """A pass: a stem, then pairs of layers.  The second of a pair adds its result to the input of the pair."""

    @abstractmethod
    def features(self, prepared: object, planes: Array, level_class: int, start: Array | None) -> Array:
        """uint8 ``(B, h, w, channels)`` of a pass.

        Args:
            planes: uint8 ``(B, h, w, input planes)``.
            start: what the stem adds to its result.
        """

    @abstractmethod
    def prepare_head(self, hidden: Layer | None, shapes: Layer, means: Layer) -> object:
        """A head for one colour; ``hidden`` is None for the first one."""

    @abstractmethod
    def parameters(
        self, prepared: object, features: Array, planes: np.ndarray | None, level_class: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Parameters of a colour: uint8 ``(shape_outputs, n)``, and int32 ``(mean_outputs, n)``.

        Args:
            features: uint8 ``(n, channels)``.
            planes: uint8 ``(n, OFFSET_PLANES * colour)``, see :meth:`offset_planes`; None for the first colour.
        """

    @abstractmethod
    def offset_planes(self, offsets: np.ndarray) -> np.ndarray:
        """uint8 ``(n, OFFSET_PLANES * colours)`` from offsets, int32 ``(colours, n)``.

        See :func:`mulanzip.density.inputs.offset_planes`.
        """
