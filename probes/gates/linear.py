"""What a linear probe reads in vectors, such as the patterns of gates: classes and numbers, cross-validated. No torch.

Rows are in an order that has nothing to do with their labels, such as that of a hash: the folds are cut from it, and
nothing is drawn.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import Ridge, RidgeClassifier
from sklearn.model_selection import KFold, StratifiedKFold

from memgate.log.format import UNSEEN_CLASS

FOLDS = 5
"""Parts of the samples, each predicted by a probe that was trained on the others."""

LEAST = 2 * FOLDS
"""Fewest samples of a class that is probed."""


def probed_classes(labels: NDArray[np.integer]) -> NDArray[np.integer]:
    """Classes with at least :data:`LEAST` samples, rising; none where fewer than two have."""
    names, counts = np.unique(labels, return_counts=True)
    kept = names[counts >= LEAST]
    return kept if len(kept) > 1 else kept[:0]


def predicted_classes(vectors: NDArray[np.float32], labels: NDArray[np.integer]) -> NDArray[np.uint16]:
    """Class of each sample [n] as a linear probe predicts it that was trained on the other folds.

    A ridge regression on the classes in which each class has the same weight, however many samples it has
    (``sklearn.linear_model.RidgeClassifier``); folds are stratified by class.

    Args:
        vectors: [n, d].
        labels: class numbers [n].

    Returns:
        ``UNSEEN_CLASS`` for samples of classes that are not :func:`probed_classes`.
    """
    predicted = np.full(len(labels), UNSEEN_CLASS, np.uint16)
    places = np.flatnonzero(np.isin(labels, probed_classes(labels)))
    if len(places) == 0:
        return predicted
    for train, test in StratifiedKFold(FOLDS).split(places, labels[places]):
        rows = places[train]
        inputs = vectors[rows]
        model = RidgeClassifier(
            alpha=penalty(inputs), class_weight="balanced", copy_X=False, solver="cholesky"
        )
        model.fit(inputs, labels[rows])
        predicted[places[test]] = np.asarray(model.predict(vectors[places[test]]), np.uint16)
    return predicted


def predicted_values(vectors: NDArray[np.float32], values: NDArray[np.floating]) -> NDArray[np.float32]:
    """Numbers [H, n] as ridge regressions predict them that were trained on the other folds, less the mean of those.

    Without the mean, since that of the other folds is low where a fold's own is high.

    Args:
        vectors: [n, d].
        values: [H, n]; NaN is missing.

    Returns:
        NaN where the value is missing, and where fewer than :data:`LEAST` are known.
    """
    predicted = np.full(values.shape, np.nan, np.float32)
    for rows, places in _alike(~np.isnan(values)):
        if len(places) < LEAST:
            continue
        for train, test in KFold(FOLDS).split(places):
            inputs, targets = vectors[places[train]], values[np.ix_(rows, places[train])].T
            model = Ridge(alpha=penalty(inputs), copy_X=False, solver="cholesky")
            model.fit(inputs, (targets - targets.mean(axis=0)).astype(np.float32))
            outputs = model.predict(vectors[places[test]]).reshape(len(test), len(rows))
            predicted[np.ix_(rows, places[test])] = outputs.T
    return predicted


def penalty(vectors: NDArray[np.float32]) -> float:
    """Ridge penalty of a probe: the sum of the variances of the columns of vectors [n, d].

    That of the prior by which the columns explain half of the variance of a target; it adapts to the number of columns
    and to their scale, and nothing has to be chosen on held-out samples.
    """
    total = float(vectors.var(axis=0, dtype=np.float64).sum())
    return total if total > 0 else 1.0


def _alike(known: NDArray[np.bool_]) -> Sequence[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Rows of values [H, n] that are known for the same samples, with the places of these."""
    kinds, kind = np.unique(known, axis=0, return_inverse=True)
    return [
        (np.flatnonzero(kind.ravel() == number), np.flatnonzero(mask)) for number, mask in enumerate(kinds)
    ]
