"""Images of a trained model on a message: their contexts, then the chain of their latents."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mulanzip.gaussian.exact.codecs import Codec, conditional
from mulanzip.gaussian.exact.network import IntegerDenoiser
from mulanzip.gaussian.exact.noise_levels import Course
from mulanzip.gaussian.exact.planes import Z_BITS
from mulanzip.gaussian.exact.posterior import bayes, on_grid, reverse
from mulanzip.gaussian.exact.process import COEFFICIENT_BITS
from mulanzip.gaussian.exact.subsets import uniform
from mulanzip.gaussian.exact.trained import TrainedModel

COLOURS = 3


@dataclass(frozen=True)
class ImageModel:
    """``p(z_s | z_t)`` of some images: a :data:`mulanzip.gaussian.exact.process.Model`, one row with all subpixels.

    Attributes:
        course: of all subpixels.
        contexts: bool ``(B, bits)``; side: of the images.
    """

    course: Course
    contexts: np.ndarray
    side: int
    denoiser: IntegerDenoiser

    def __call__(self, step: int, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        course, later = self.course, step + 1
        z = z.reshape(-1)
        shape = (len(self.contexts), COLOURS, self.side, self.side)
        unit = course.logs.two_to(course.log_width[later], COEFFICIENT_BITS)
        place = course.place[later]
        mean, log_variance = self.denoiser(
            (z * unit >> COEFFICIENT_BITS - Z_BITS).reshape(shape),
            place.reshape(shape),
            course.noise.prior_gain.take(place).reshape(shape),
            self.contexts,
        )
        found = bayes(course, later, z, mean.reshape(-1), log_variance.reshape(-1))
        mean, scale = reverse(course, step, z, *on_grid(course, *found))
        return mean[None], scale[None]


def images_codec(model: TrainedModel, denoiser: IntegerDenoiser, count: int) -> Codec[tuple[np.ndarray, np.ndarray]]:
    """Of contexts, bool ``(count, bits)``, and images, uint8 ``(count, 3, side, side)`` in coding order of colours.

    ``pop`` raises CorruptFileError where a message leads out of range.
    """
    config, shape = model.config, (count, COLOURS, model.side, model.side)

    def given(contexts: np.ndarray) -> Codec[np.ndarray]:
        place = model.schedule.places(contexts, model.logs)
        course = Course.of(place.reshape(len(place), -1), int(model.log_bins[0]), model.noise, model.logs)
        process = course.process(model.normal, model.logistic)
        row = process.codec(ImageModel(course, contexts, model.side, denoiser), 1)
        return Codec(
            lambda message, images: row.push(message, images.reshape(1, -1)),
            lambda message: row.pop(message).reshape(shape),
        )

    return conditional(uniform(count, config["bits"], config["active"]), given)
