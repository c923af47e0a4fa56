"""Measure the information in contexts with a linear probe on scikit-learn's handwritten digits.

python -m benchmarks.context_probe -m tiles32
"""

from __future__ import annotations

import click
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mulanzip import gaussian
from mulanzip.gaussian.model import GaussianModel
from mulanzip.registry import DEFAULT_GAUSSIAN_MODEL


def digits(side: int) -> tuple[np.ndarray, np.ndarray]:
    """Images, RGB uint8 ``(1797, side, side, 3)`` with every pixel enlarged to a square, and their labels 0..9."""
    found = load_digits()
    scale = side // 8
    gray = np.clip(found.images * 16, 0, 255).astype(np.uint8).repeat(scale, 1).repeat(scale, 2)
    return np.repeat(gray[..., None], 3, 3), found.target


def accuracy(features: np.ndarray, labels: np.ndarray) -> float:
    """Accuracy of a linear classifier in five-fold cross-validation."""
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    return float(cross_val_score(probe, features, labels, cv=5).mean())


@click.command()
@click.option("-m", "--model", default=DEFAULT_GAUSSIAN_MODEL, show_default=True)
def main(model: str) -> None:
    """Print the accuracy of linear classifiers of digits on several features."""
    trained = gaussian.open_model(model)
    images, labels = digits(trained.config.side)
    untrained = GaussianModel(trained.config)
    for name, features in (
        ("constant", np.zeros((len(labels), 1))),
        ("mean and variance of the pixels", np.stack([images.mean((1, 2, 3)), images.std((1, 2, 3))], 1)),
        ("context of an untrained encoder", gaussian.features(untrained, images)),
        ("context", gaussian.features(trained, images)),
        ("64 pixels", images[:, :: images.shape[1] // 8, :: images.shape[2] // 8, 0].reshape(len(images), -1)),
    ):
        click.echo(f"{name:<34}{accuracy(features.astype(float), labels):.1%}")


if __name__ == "__main__":
    main()
