"""Intervals of an AUROC, of a mean of AUROCs over the same samples, and of the difference of two of them."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from probes.stats.differences import cautious_correlation, difference_interval
from probes.stats.intervals import CONFIDENCE, effective_size, variance_ratio, wilson


def auroc_interval(
    score: ArrayLike, positive: ArrayLike, confidence: float = CONFIDENCE
) -> tuple[float, float]:
    """Lower and upper end of the interval of an AUROC, in [0, 1].

    Wilson's interval with the sample size that DeLong's variance stands for, see :func:`area_interval`. It holds with
    few positives and at an AUROC of 1, where DeLong's own interval does not.

    Args:
        score: [n] numbers without NaN; high means positive; infinite values are ranked like others.
        positive: [n] bool, with at least one sample of each class.
        confidence: level in (0, 1).

    Returns:
        NaN where a class has a single sample, since its variance is then unknown.
    """
    return area_interval(*components(score, positive), confidence)


def components(score: ArrayLike, positive: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Structural components of an AUROC, ties one half; the mean of each of the two is the AUROC.

    DeLong et al. 1988, "Comparing the areas under two or more correlated ROC curves", by midranks as in Sun and Xu
    2014: O(n log n).

    Args:
        score: [n] numbers without NaN; high means positive.
        positive: [n] bool, with at least one sample of each class.

    Returns:
        Share of the negatives below each positive [m], and of the positives above each negative [n].
    """
    scores, labels = np.asarray(score, np.float64), np.asarray(positive, bool)
    high, low = scores[labels], scores[~labels]
    m, n = len(high), len(low)
    pooled = rankdata(np.concatenate([high, low]))
    return (pooled[:m] - rankdata(high)) / n, 1 - (pooled[m:] - rankdata(low)) / m


def area_interval(
    beaten: NDArray[np.float64], beating: NDArray[np.float64], confidence: float = CONFIDENCE
) -> tuple[float, float]:
    """Lower and upper end of the interval of an AUROC, in [0, 1], from its structural components.

    DeLong's variance is the sum of a part of the positives and one of the negatives. Each is moved towards that of a
    share (:func:`probes.stats.intervals.score_interval`), and the interval is Wilson's for the sample size that gives
    their sum.

    The components of a mean of AUROCs over the same samples are the means of their components, since the AUROC is
    linear in them.

    Args:
        beaten: [m] share of the negatives below each positive, ties one half.
        beating: [n] share of the positives above each negative, ties one half.
        confidence: level in (0, 1).

    Returns:
        NaN where a class has a single sample.
    """
    if min(len(beaten), len(beating)) < 2:
        return np.nan, np.nan
    area = float(np.clip(beaten.mean(), 0, 1))
    sizes = [
        effective_size(area, len(side), variance_ratio(area, float(side.var()))) for side in (beaten, beating)
    ]
    size = 1 / sum(1 / one for one in sizes)
    low, high = wilson(area * size, size, confidence)
    return min(area, float(low)), max(area, float(high))


def auroc_difference(
    score: ArrayLike, other: ArrayLike, positive: ArrayLike, confidence: float = CONFIDENCE
) -> tuple[float, float, float]:
    """Difference of the AUROCs of two scores of the same samples with its interval, in [-1, 1].

    From the intervals of the two (:func:`probes.stats.intervals.difference_interval`) and the correlation of the two
    AUROCs by DeLong et al. 1988: the scores are paired by sample, so that samples that are hard for both do not widen
    the interval.

    Args:
        score: [n] numbers without NaN; high means positive; infinite values are ranked like others.
        other: [n] likewise.
        positive: [n] bool.
        confidence: level in (0, 1).

    Returns:
        AUROC of ``score`` minus that of ``other``, lower and upper end; all NaN where a class is empty, the ends NaN
        where it has a single sample.
    """
    labels = np.asarray(positive, bool)
    m, n = int(labels.sum()), int((~labels).sum())
    if min(m, n) == 0:
        return np.nan, np.nan, np.nan
    sides = [components(side, labels) for side in (score, other)]
    areas = [float(beaten.mean()) for beaten, _ in sides]
    if min(m, n) < 2:
        return areas[0] - areas[1], np.nan, np.nan
    numbers = [(area, *area_interval(*side, confidence)) for area, side in zip(areas, sides, strict=True)]
    covariance = np.sum([np.cov(pair) / len(pair[0]) for pair in zip(*sides, strict=True)], axis=0)
    spread = float(np.sqrt(covariance[0, 0] * covariance[1, 1]))
    correlation = float(covariance[0, 1]) / spread if spread > 0 else 0.0
    rare = min(m, n) * min(min(area, 1 - area) for area in areas)
    return difference_interval(numbers[0], numbers[1], cautious_correlation(correlation, rare))
