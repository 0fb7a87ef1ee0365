"""Confidence intervals of a share, a mean, a median, a rank correlation and an AUROC."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binom, norm, rankdata, t

CONFIDENCE = 0.95
"""Level of every interval in this package."""


def wilson(
    successes: ArrayLike, n: ArrayLike, confidence: float = CONFIDENCE
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lower and upper end of Wilson's score interval of a share, in [0, 1].

    Unlike Wald's it is valid for small n and for shares of 0 and 1. Wilson 1927, "Probable inference, the law of
    succession, and statistical inference".

    Args:
        successes: counts in [0, n], any shape that broadcasts with ``n``.
        n: number of trials, 0 or above.
        confidence: level in (0, 1).

    Returns:
        Both ends in the broadcast shape; NaN where n is 0.
    """
    trials = np.asarray(n, np.float64)
    trials = np.where(trials == 0, np.nan, trials)
    hits = np.asarray(successes, np.float64)
    z = float(norm.ppf(0.5 + confidence / 2))
    share = hits / trials
    centre = share + z**2 / (2 * trials)
    half = z * np.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2))
    scale = 1 + z**2 / trials
    # At shares of 0 and 1 one end equals the share; rounding must not move it past the share.
    low = np.where(hits == 0, 0 * trials, (centre - half) / scale)
    high = np.where(hits == trials, trials / trials, (centre + half) / scale)
    return np.clip(low, 0, 1), np.clip(high, 0, 1)


def mean_interval(values: ArrayLike, confidence: float = CONFIDENCE) -> tuple[float, float, float]:
    """Mean of independent values with the ends of Student's t interval, in the unit of ``values``.

    The interval may exceed the range of the values where they are few and close to its end.

    Args:
        values: [n] finite numbers.
        confidence: level in (0, 1).

    Returns:
        Mean, lower and upper end; all NaN for n = 0, the ends NaN for n = 1.
    """
    numbers = np.asarray(values, np.float64)
    if numbers.size == 0:
        return np.nan, np.nan, np.nan
    mean = float(numbers.mean())
    if numbers.size == 1:
        return mean, np.nan, np.nan
    error = float(numbers.std(ddof=1)) / np.sqrt(numbers.size)
    half = float(t.ppf(0.5 + confidence / 2, numbers.size - 1)) * error
    return mean, mean - half, mean + half


def welch_interval(
    values: ArrayLike, others: ArrayLike, confidence: float = CONFIDENCE
) -> tuple[float, float, float]:
    """Difference of the means of two independent groups with the ends of Welch's interval for unequal variances.

    Welch 1947, "The generalization of Student's problem when several different population variances are involved".

    Args:
        values: [n] finite numbers.
        others: [m] likewise.
        confidence: level in (0, 1).

    Returns:
        Mean of ``values`` minus that of ``others``, lower and upper end, in the unit of ``values``; all NaN where a
        group is empty, the ends NaN where it has one value; a point where the values of each group are all equal.
    """
    sides = [np.asarray(side, np.float64) for side in (values, others)]
    if min(side.size for side in sides) == 0:
        return np.nan, np.nan, np.nan
    mean = float(sides[0].mean() - sides[1].mean())
    if min(side.size for side in sides) == 1:
        return mean, np.nan, np.nan
    errors = [float(side.var(ddof=1)) / side.size for side in sides]
    if sum(errors) == 0:
        return mean, mean, mean
    below = sum(error**2 / (side.size - 1) for error, side in zip(errors, sides, strict=True))
    half = float(t.ppf(0.5 + confidence / 2, sum(errors) ** 2 / below)) * np.sqrt(sum(errors))
    return mean, mean - half, mean + half


def median_interval(values: ArrayLike, confidence: float = CONFIDENCE) -> tuple[float, float, float]:
    """Median of independent values of any distribution with the ends of its interval, in the unit of ``values``.

    The number of values below the true median is binomial (n, 1/2), so the interval from the k-th smallest to the k-th
    largest value contains it with at least the confidence, for the k of the binomial quantile (Conover 1999,
    "Practical Nonparametric Statistics", section 3.2).

    Args:
        values: [n] numbers without NaN; infinite values are ranked like others.
        confidence: level in (0, 1).

    Returns:
        Median, lower and upper end; all NaN for n = 0, the ends NaN where n is too small for the confidence (n < 6 at
        95 %).
    """
    numbers = np.sort(np.asarray(values, np.float64))
    if numbers.size == 0:
        return np.nan, np.nan, np.nan
    # numpy's median warns about the mean of two infinite values.
    middle = numbers[[(numbers.size - 1) // 2, numbers.size // 2]]
    median = float(middle[0] if middle[0] == middle[1] else middle.mean())
    k = int(binom.ppf((1 - confidence) / 2, numbers.size, 0.5))
    return (median, np.nan, np.nan) if k == 0 else (median, float(numbers[k - 1]), float(numbers[-k]))


def spearman_interval(
    x: ArrayLike, y: ArrayLike, confidence: float = CONFIDENCE
) -> tuple[float, float, float]:
    """Spearman's rank correlation, in [-1, 1], with the ends of its interval on Fisher's z scale.

    The standard error sqrt((1 + rho^2 / 2) / (n - 3)) is that of Bonett and Wright 2000, "Sample size requirements
    for estimating Pearson, Kendall and Spearman correlations"; ties get midranks.

    Args:
        x: [n] numbers without NaN; infinite values are ranked like others.
        y: [n] likewise.
        confidence: level in (0, 1).

    Returns:
        rho, lower and upper end; all NaN where x or y is constant or n < 2, the ends NaN for n < 4; a point where
        rho is exactly 1 or -1.
    """
    first, second = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if first.size < 2 or (first == first[0]).all() or (second == second[0]).all():
        return np.nan, np.nan, np.nan
    rho = float(np.clip(np.corrcoef(rankdata(first), rankdata(second))[0, 1], -1, 1))
    if first.size < 4:
        return rho, np.nan, np.nan
    if abs(rho) == 1:
        return rho, rho, rho
    half = float(norm.ppf(0.5 + confidence / 2)) * np.sqrt((1 + rho**2 / 2) / (first.size - 3))
    return rho, float(np.tanh(np.arctanh(rho) - half)), float(np.tanh(np.arctanh(rho) + half))


def auroc_interval(
    score: ArrayLike, positive: ArrayLike, confidence: float = CONFIDENCE
) -> tuple[float, float]:
    """Lower and upper end of DeLong's interval of an AUROC, clipped to [0, 1].

    DeLong et al. 1988, "Comparing the areas under two or more correlated ROC curves", by midranks as in
    Sun and Xu 2014: O(n log n), ties count one half. At an AUROC of exactly 0 or 1 the variance estimate is 0 and the
    interval a point, which means that the estimate fails there, not that the AUROC is known exactly.

    Args:
        score: [n] finite numbers; high means positive.
        positive: [n] bool, with at least one sample of each class.
        confidence: level in (0, 1).

    Returns:
        NaN where a class has a single sample, since its variance is then unknown.
    """
    scores, labels = np.asarray(score, np.float64), np.asarray(positive, bool)
    if min(labels.sum(), (~labels).sum()) < 2:
        return np.nan, np.nan
    return delong_interval(*_components(scores, labels), confidence)


def _components(
    scores: NDArray[np.float64], labels: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """DeLong's structural components, ties one half.

    Returns:
        Share of the negatives below each positive [m], and of the positives above each negative [n].
    """
    high, low = scores[labels], scores[~labels]
    m, n = len(high), len(low)
    pooled = rankdata(np.concatenate([high, low]))
    return (pooled[:m] - rankdata(high)) / n, 1 - (pooled[m:] - rankdata(low)) / m


def auroc_difference(
    score: ArrayLike, other: ArrayLike, positive: ArrayLike, confidence: float = CONFIDENCE
) -> tuple[float, float, float]:
    """Difference of the AUROCs of two scores of the same samples with its interval, by DeLong et al. 1988.

    The scores are paired by sample, so that samples that are hard for both do not widen the interval.

    Args:
        score: [n] numbers without NaN; high means positive; infinite values are ranked like others.
        other: [n] likewise.
        positive: [n] bool.
        confidence: level in (0, 1).

    Returns:
        AUROC of ``score`` minus that of ``other``, lower and upper end, in [-1, 1]; all NaN where a class is empty,
        the ends NaN where it has a single sample.
    """
    labels = np.asarray(positive, bool)
    m, n = int(labels.sum()), int((~labels).sum())
    if min(m, n) == 0:
        return np.nan, np.nan, np.nan
    sides = [_components(np.asarray(side, np.float64), labels) for side in (score, other)]
    beaten, beating = (first - second for first, second in zip(*sides, strict=True))
    value = float(beaten.mean())
    if min(m, n) < 2:
        return value, np.nan, np.nan
    error = float(np.sqrt(beaten.var(ddof=1) / m + beating.var(ddof=1) / n))
    half = float(norm.ppf(0.5 + confidence / 2)) * error
    return value, max(-1.0, value - half), min(1.0, value + half)


def delong_interval(
    beaten: NDArray[np.float64], beating: NDArray[np.float64], confidence: float = CONFIDENCE
) -> tuple[float, float]:
    """Lower and upper end of DeLong's interval, in [0, 1], from the structural components of an AUROC.

    The components of a mean of AUROCs over the same samples are the means of their components, since the AUROC is
    linear in them.

    Args:
        beaten: [m] share of the negatives below each positive, ties one half.
        beating: [n] share of the positives above each negative, ties one half.
        confidence: level in (0, 1).

    Returns:
        NaN where a class has a single sample.
    """
    m, n = len(beaten), len(beating)
    if min(m, n) < 2:
        return np.nan, np.nan
    area = float(beaten.mean())
    error = np.sqrt(beaten.var(ddof=1) / m + beating.var(ddof=1) / n)
    half = float(norm.ppf(0.5 + confidence / 2)) * float(error)
    return float(np.clip(area - half, 0, 1)), float(np.clip(area + half, 0, 1))
