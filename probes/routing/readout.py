"""A linear read-out: what can be told of the labels, by straight lines, from features inside a network.

Multinomial logistic regression, trained on the fly on the run's whole training split as given: corrupted images,
un-augmented, and given labels. Features are standardised over that split; the penalty is half the squared norm of
the weights beside the sum of the losses (scikit-learn's C = 1; intercepts are free). It is asked later about the
images that it was trained on, which helps it to fit them: what it fails to fit cannot be read there.
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
"""C of scikit-learn: weight of the summed loss beside half the squared norm of the weights."""

TOLERANCE = 1e-5
"""Largest component of the mean loss's gradient at which L-BFGS stops."""

MAX_ITERATIONS = 2000


@dataclass(frozen=True, eq=False)
class Readout:
    """A trained read-out."""

    pipeline: Pipeline
    classes: int
    """K."""
    config: Mapping[str, object]
    """How it was trained, as plain JSON values."""

    def probabilities(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """Features [n, d] to probabilities of the classes [n, K]; 0 for a class that no sample was given."""
        found = np.zeros((len(features), self.classes))
        if len(features):
            found[:, self.pipeline.classes_] = self.pipeline.predict_proba(features.astype(np.float64))
        return found


def fit_readout(features: NDArray[np.floating], labels: NDArray[np.integer], classes: int) -> Readout:
    """Train a read-out; equal features and labels give an equal one.

    Args:
        features: [N, d] of the training samples.
        labels: given labels [N] in [0, K).
        classes: K.

    Raises:
        MemgateError: all samples were given the same label.
    """
    present = np.unique(labels)
    require(
        len(present) > 1,
        f"All {len(labels)} training samples are given the label {present[0]}: a read-out needs two to tell apart.",
    )
    regression = LogisticRegression(C=INVERSE_PENALTY, tol=TOLERANCE, max_iter=MAX_ITERATIONS)
    pipeline = make_pipeline(StandardScaler(), regression)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the configuration says it
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
    """How many labels a read-out fits that have nothing to do with the features: what it memorises by itself.

    Args:
        features: [N, d] of the training samples.
        labels: [N], shuffled.
    """
    found = fit_readout(features, labels, int(labels.max()) + 1)
    return int((found.probabilities(features).argmax(axis=1) == labels).sum())
