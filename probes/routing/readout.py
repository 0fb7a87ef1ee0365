"""A linear read-out: multinomial logistic regression from a layer's features to the given labels.

It is trained on the run's whole training split as given: corrupted images without augmentation, and given labels.
Features are standardised over that split. The objective is the sum of the losses plus half the squared norm of the
weights (scikit-learn's C = 1; intercepts are free). The read-out is evaluated on images that it was trained on, which
helps it to fit them: labels that it fails to fit are not linearly readable at that layer.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from memgate.errors import require

INVERSE_PENALTY = 1.0
"""C of scikit-learn: weight of the summed loss against half the squared norm of the weights."""

TOLERANCE = 1e-5
"""Largest component of the mean loss's gradient at which L-BFGS stops."""

MAX_ITERATIONS = 2000


@dataclass(frozen=True, eq=False)
class Readout:
    """A trained read-out and its settings."""

    pipeline: Pipeline
    classes: int
    """K."""
    config: Mapping[str, object]
    """Settings and course of the training, as plain JSON values."""

    def probabilities(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """Probabilities of the classes [n, K] from features [n, d]; 0 for a class that no training sample has."""
        probabilities = np.zeros((len(features), self.classes))
        if len(features):
            probabilities[:, self.pipeline.classes_] = self.pipeline.predict_proba(
                features.astype(np.float64)
            )
        return probabilities


def fit_readout(features: NDArray[np.floating], labels: NDArray[np.integer], classes: int) -> Readout:
    """A trained read-out; equal features and labels give an equal one.

    Args:
        features: [N, d] of the training samples.
        labels: given labels [N] in [0, K).
        classes: K.

    Raises:
        MemgateError: all samples have the same given label.
    """
    present = np.unique(labels)
    require(
        len(present) > 1,
        f"All {len(labels)} training samples are given the label {present[0]}: a read-out needs two to tell apart.",
    )
    regression = LogisticRegression(C=INVERSE_PENALTY, tol=TOLERANCE, max_iter=MAX_ITERATIONS)
    pipeline = make_pipeline(StandardScaler(), regression)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # stored in the configuration
        pipeline.fit(features.astype(np.float64), labels)
    iterations = int(regression.n_iter_.max())
    config = {
        "samples": len(labels),
        "features": features.shape[1],
        "inverse_penalty": INVERSE_PENALTY,
        "tolerance": TOLERANCE,
        "iterations": iterations,
        "converged": iterations < MAX_ITERATIONS,
    }
    return Readout(pipeline, classes, config)


def shuffled_hits(features: NDArray[np.floating], labels: NDArray[np.integer]) -> int:
    """Number of shuffled labels that a read-out fits: how much it memorises by itself.

    Args:
        features: [N, d] of the training samples.
        labels: [N], shuffled.
    """
    readout = fit_readout(features, labels, int(labels.max()) + 1)
    return int((readout.probabilities(features).argmax(axis=1) == labels).sum())
