"""Confidence intervals of a share, a mean, a median, and any number in [0, 1] that samples estimate.

How often each contains the true value where samples are few is measured by ``benchmarks/interval_coverage.py``
(docs/results/intervals.md).
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaincinv, ndtri, stdtrit
from scipy.stats import binom

CONFIDENCE = 0.95
"""Level of every interval in this package."""

FEW = 3
"""Largest count of hits, or of misses, after which the end of a share's interval is that of a Poisson count."""

DOUBT = 0.5
"""Hits or misses that the prior of :func:`score_interval` weighs, chosen by simulation: see there."""

MEAN_VALUES = 100
"""Fewest values with which a mean without a known range gets an interval. Student's interval of a log-normal variable
(sigma 1) contains its mean in 82 % of samples of 10, 88 % of 30 and 92 % of 100."""


def wilson(
    successes: ArrayLike, n: ArrayLike, confidence: float = CONFIDENCE
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lower and upper end of Wilson's score interval of a share, in [0, 1], mended for shares close to 0 and 1.

    Wilson 1927, "Probable inference, the law of succession, and statistical inference". Its lower end after 1 hit is
    too high: of shares near 0.18 / n it contains 84 % instead of 95 %, for any n. As in Brown, Cai and DasGupta 2001,
    "Interval estimation for a binomial proportion", section 4.1.1, the lower end after 1 to 3 hits is therefore
    that of a Poisson count, and likewise the upper end after 1 to 3 misses. The smallest coverage is then 92 %.

    Args:
        successes: counts in [0, n], any shape that broadcasts with ``n``; need not be whole.
        n: number of trials, 0 or above; need not be whole.
        confidence: level in (0, 1).

    Returns:
        Both ends in the broadcast shape; NaN where n is 0.
    """
    trials = np.asarray(n, np.float64)
    trials = np.where(trials == 0, np.nan, trials)
    hits = np.asarray(successes, np.float64)
    z = float(ndtri(0.5 + confidence / 2))
    share = hits / trials
    centre = share + z**2 / (2 * trials)
    half = z * np.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2))
    scale = 1 + z**2 / trials
    low = _lowered((centre - half) / scale, hits, trials, confidence)
    high = 1 - _lowered(1 - (centre + half) / scale, trials - hits, trials, confidence)
    return np.clip(low, 0, 1), np.clip(high, 0, 1)


def _lowered(
    low: NDArray[np.float64], hits: NDArray[np.float64], trials: NDArray[np.float64], confidence: float
) -> NDArray[np.float64]:
    """Lower ends, those after few hits replaced by a Poisson count's; 0 after none."""
    # Garwood 1936: a quantile of the gamma distribution. The other end is out of reach, so the whole error lies at
    # this one. scipy.special instead of scipy.stats, since a report has hundreds of intervals.
    few = (hits > 0) & (hits <= FEW)
    counts = np.zeros(np.shape(few))
    counts[few] = gammaincinv(hits[few], 1 - confidence)  # only these, since it is slow
    poisson = counts / trials
    return np.where(hits == 0, 0 * trials, np.where(few, np.minimum(low, poisson), low))


def score_interval(
    value: float, n: float, ratio: float, confidence: float = CONFIDENCE
) -> tuple[float, float]:
    """Lower and upper end of the interval of a number in [0, 1] that was estimated from n samples.

    Wilson's interval of ``value`` as a share of as many samples as would give it its variance (the effective sample
    size of survey statistics: Korn and Graubard 1998). Where few samples speak against ``value`` close to 1, or for
    one close to 0, an estimated variance is too small, because the rare samples that make most of it are missing. So
    the variance is moved towards the largest possible one, that of a share, with the weight of :data:`DOUBT` samples
    against the number of samples expected to differ, n min(value, 1 - value). At a value of exactly 0 or 1 it is that
    of a share.

    Args:
        value: the estimate in [0, 1].
        n: number of samples; see :func:`effective_size` for several kinds of samples.
        ratio: estimated variance of ``value`` divided by that of a share, value (1 - value) / n; at most 1 for a mean
            of values in [0, 1]; any number where value is 0 or 1.
        confidence: level in (0, 1).
    """
    low, high = wilson(value * (size := effective_size(value, n, ratio)), size, confidence)
    return float(low), float(high)


def effective_size(value: float, n: float, ratio: float) -> float:
    """Number of samples of a share with the variance that :func:`score_interval` assumes; n where ``ratio`` is 1."""
    rare = n * min(value, 1 - value)
    if rare <= 0:
        return float(n)
    return n * (rare + DOUBT) / (rare * ratio + DOUBT)


def variance_ratio(value: float, variance: float) -> float:
    """A variance of values in [0, 1] with the mean ``value``, divided by the largest possible one; in [0, 1]."""
    largest = value * (1 - value)
    return min(1.0, variance / largest) if largest > 0 else 1.0


def mean_interval(
    values: ArrayLike, within: tuple[float, float] | None = None, confidence: float = CONFIDENCE
) -> tuple[float, float, float]:
    """Mean of independent values with the ends of its interval, in the unit of ``values``.

    Of values with a known range, such as gate values, :func:`score_interval`'s, which lies within the range and holds
    for any distribution of the values and few samples. Of others Student's t interval, which needs many
    values where they are skewed; where rare values are far away it is too narrow at any number (read the median then).

    Args:
        values: [n] finite numbers.
        within: smallest and largest possible value; None where there is none.
        confidence: level in (0, 1).

    Returns:
        Mean, lower and upper end; all NaN for n = 0. Without ``within``, the ends are NaN for n < :data:`MEAN_VALUES`
        and where all values are equal.
    """
    numbers = np.asarray(values, np.float64)
    if numbers.size == 0:
        return np.nan, np.nan, np.nan
    mean = float(numbers.mean())
    if within is not None:
        least, span = within[0], within[1] - within[0]
        share = float(np.clip((mean - least) / span, 0, 1))
        ratio = variance_ratio(share, float(numbers.var()) / span**2)
        low, high = score_interval(share, numbers.size, ratio, confidence)
        # Rounding must not move an end past the mean.
        return mean, min(mean, least + span * low), max(mean, least + span * high)
    if numbers.size < MEAN_VALUES or (numbers == numbers[0]).all():
        return mean, np.nan, np.nan
    return mean, *student_interval(numbers, confidence)


def student_interval(values: ArrayLike, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Lower and upper end of Student's t interval of a mean, in the unit of ``values``.

    It holds for few values where these are nearly normal, as means over many samples are; of others see
    :func:`mean_interval`.

    Args:
        values: [n] independent finite numbers.
        confidence: level in (0, 1).

    Returns:
        NaN for n < 2 and where all values are equal, since their variance is then unknown.
    """
    numbers = np.asarray(values, np.float64)
    if numbers.size < 2 or (numbers == numbers[0]).all():
        return np.nan, np.nan
    error = float(numbers.std(ddof=1)) / np.sqrt(numbers.size)
    half = float(stdtrit(numbers.size - 1, 0.5 + confidence / 2)) * error
    return float(numbers.mean()) - half, float(numbers.mean()) + half


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
