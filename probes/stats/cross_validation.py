"""Intervals of numbers that were computed from predictions of cross-validation."""

import numpy as np

from probes.stats.estimate import Estimate, estimate
from probes.stats.intervals import score_interval


def inflation(folds: int) -> float:
    """Variance of a mean over all samples of a cross-validation, divided by that over independent ones.

    Two models of a cross-validation have most of their training samples in common, and each sample is predicted by
    models that learned from the others. Nadeau and Bengio 2003, "Inference for the generalization error": with k folds
    the variance of the mean over folds is that of a fold times (1/k + 1/(k - 1)), instead of 1/k; 2.25 times as much
    for 5 folds. Without it, intervals of predictions that know nothing contained chance in 83 to 93 % of draws. Where
    predictions are right for most samples it is more than needed.

    Args:
        folds: number of folds k, above 1.
    """
    return 1 + folds / (folds - 1)


def predicted_share(value: float, n: float, samples: int, folds: int, ratio: float = 1.0) -> Estimate:
    """A share, or a mean of shares, of right predictions with its interval.

    Args:
        value: in [0, 1].
        n: samples that would give a share the variance of the value, were they independent.
        samples: that it is computed from.
        folds: of the cross-validation.
        ratio: see :func:`probes.stats.intervals.score_interval`.
    """
    return estimate(value, *score_interval(value, n / inflation(folds), ratio), n=samples)


def widened(number: Estimate, folds: int, *, largest: float = 1.0, fisher: bool = False) -> Estimate:
    """An estimate from predictions of cross-validation whose interval was computed as if samples were independent.

    Args:
        number: in [-largest, largest].
        folds: of the cross-validation.
        largest: largest possible absolute value.
        fisher: on Fisher's z scale, for correlations.
    """
    if number.value is None or number.low is None or number.high is None:
        return number
    factor = float(np.sqrt(inflation(folds)))
    value, low, high = (
        float(np.arctanh(end)) if fisher else end for end in (number.value, number.low, number.high)
    )
    ends = value - factor * (value - low), value + factor * (high - value)
    low, high = (float(np.tanh(end)) if fisher else float(np.clip(end, -largest, largest)) for end in ends)
    return Estimate(number.value, low, high, number.n)
