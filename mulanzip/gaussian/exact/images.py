"""The codec of images under a trained model: their contexts, then the chain of their latents."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mulanzip.gaussian.exact.codecs import MessageCodec, conditional
from mulanzip.gaussian.exact.integer_denoiser import IntegerDenoiser
from mulanzip.gaussian.exact.noise_levels import NoiseLevels
from mulanzip.gaussian.exact.planes import Z_BITS
from mulanzip.gaussian.exact.posterior import combine_with_own_value, restrict_to_values, reverse_step
from mulanzip.gaussian.exact.process import COEFFICIENT_BITS
from mulanzip.gaussian.exact.subset_codec import uniform
from mulanzip.gaussian.exact.trained import TrainedModel

COLOURS = 3


@dataclass(frozen=True)
class TrainedReverseModel:
    """``p(z_s | z_t)`` of several images: a :data:`ReverseModel` with the subpixels of all images in one row.

    Attributes:
        levels: noise levels of all subpixels.
        contexts: bool ``(B, bits)``.
        side: side of the images in pixels.
        denoiser: predicts the images.
    """

    levels: NoiseLevels
    contexts: np.ndarray
    side: int
    denoiser: IntegerDenoiser

    def __call__(self, step: int, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        levels, later = self.levels, step + 1
        z = z.reshape(-1)
        shape = (len(self.contexts), COLOURS, self.side, self.side)
        unit = levels.logs.two_to(levels.log_width[later], COEFFICIENT_BITS)
        gamma_index = levels.gamma_index[later]
        mean, log_variance = self.denoiser(
            (z * unit >> COEFFICIENT_BITS - Z_BITS).reshape(shape),
            gamma_index.reshape(shape),
            levels.noise.prior_gain.take(gamma_index).reshape(shape),
            self.contexts,
        )
        found = combine_with_own_value(levels, later, z, mean.reshape(-1), log_variance.reshape(-1))
        mean, scale = reverse_step(levels, step, z, *restrict_to_values(levels, *found))
        return mean[None], scale[None]


def images_codec(
    model: TrainedModel, denoiser: IntegerDenoiser, count: int
) -> MessageCodec[tuple[np.ndarray, np.ndarray]]:
    """The codec of contexts, bool ``(count, bits)``, and images, uint8 ``(count, 3, side, side)`` in coding order.

    ``pop`` raises CorruptFileError if a decoded value is out of range.
    """
    config, shape = model.config, (count, COLOURS, model.side, model.side)

    def given(contexts: np.ndarray) -> MessageCodec[np.ndarray]:
        gamma_index = model.schedule.gamma_indices(contexts, model.logs)
        levels = NoiseLevels.from_gamma_index(
            gamma_index.reshape(len(gamma_index), -1), int(model.log_bins[0]), model.noise, model.logs
        )
        process = levels.process(model.normal, model.logistic)
        row = process.codec(TrainedReverseModel(levels, contexts, model.side, denoiser), 1)
        return MessageCodec(
            lambda message, images: row.push(message, images.reshape(1, -1)),
            lambda message: row.pop(message).reshape(shape),
        )

    return conditional(uniform(count, config["bits"], config["active"]), given)
