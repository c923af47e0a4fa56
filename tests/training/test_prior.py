"""The prior of contexts is learned from images."""

from __future__ import annotations

import numpy as np
import pytest
from support.models import tiny_model
from support.pictures import photo, smooth

from mulanzip.density.sample_statistics import PLAIN_STATISTICS
from mulanzip.training.prior import learn_prior

IMAGES = [(image, PLAIN_STATISTICS) for image in (smooth(90, 100, seed=2), photo(80, 90))]


@pytest.mark.slow
def test_the_prior_of_contexts_is_learned_from_images() -> None:
    model = tiny_model(presets=2)
    done: list[int] = []
    prior = learn_prior(model, IMAGES, 3, 2, 0, done.append)
    assert done == [1, 2]
    prior.validate(model.prior.entries, model.config.presets)
    assert len(set(prior.row.tolist())) > 1
    assert np.array_equal(prior.row, learn_prior(model, IMAGES, 3, 2, 0).row)
    assert learn_prior(model, [(smooth(9, 9), PLAIN_STATISTICS)], 3, 2, 0) is model.prior
