"""The bootstrap: resampling with replacement, for figures whose variance has no closed form."""

import zlib

import numpy as np
from numpy.typing import ArrayLike, NDArray

from probes.stats.intervals import CONFIDENCE, score_interval

RESAMPLES = 200
"""Default number of resamples: enough for two significant digits of an interval."""

FPR95_POSITIVES = 100
"""Fewest positives with which FPR95 gets a bootstrap interval. It depends on the lowest 5 % of the positives, of
which a small sample contains too few to resample: 95 % intervals contained the true FPR95 in 28 % of draws with 6
positives, in 70 % with 20 and in about 90 % from 100 on (two normal distributions 1.5 apart, 1,000 negatives, 250
draws; docs/results/intervals.md has more)."""

AP_POSITIVES = 30
"""Fewest positives with which average precision and AUPR get an interval. Of few they are too small on average:
intervals contained the value of many samples in 85 % of draws with 5 positives and in 89 % with 14."""


def resampled(count: int, resamples: int, seed: int, name: str) -> NDArray[np.uint16]:
    """Number of times that each sample of one class is drawn in each resample, [B, n]; every row has the sum n.

    Args:
        count: n, number of samples of the class. Each class is resampled by itself, which keeps the prevalence.
        resamples: B >= 0.
        seed: of the resamples.
        name: of the class; its resamples do not depend on the other classes.
    """
    generator = np.random.default_rng([seed, zlib.crc32(name.encode())])
    drawn = np.empty((resamples, count), np.uint16)
    for row in drawn:
        row[:] = np.bincount(generator.integers(count, size=count), minlength=count)
    return drawn


def resample_interval(
    value: float, drawn: ArrayLike, n: int, confidence: float = CONFIDENCE
) -> tuple[float, float]:
    """Lower and upper end of the interval of a figure in [0, 1], from its variance over resamples.

    :func:`probes.stats.intervals.score_interval` of this variance. The percentiles of the resamples are no interval
    where there are few samples: they never hold what none of the samples shows, and are a point where the figure is 1.

    Args:
        value: the figure of the samples.
        drawn: [B] the figure of each resample.
        n: samples of the smaller class, whose number limits what is known.
        confidence: level in (0, 1).

    Returns:
        NaN with fewer than two resamples or samples.
    """
    figures = np.asarray(drawn, np.float64)
    if min(figures.size, n) < 2:
        return np.nan, np.nan
    share = float(np.clip(value, 0, 1))
    # Of average precision above 1: unlike a share, it varies with the samples of both classes.
    ratio = n * float(figures.var(ddof=1)) / (share * (1 - share)) if 0 < share < 1 else 1.0
    low, high = score_interval(share, n, ratio, confidence)
    return min(value, low), max(value, high)


def fpr95_interval(drawn: ArrayLike, positives: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Lower and upper end of the interval of FPR95: percentiles of the resamples.

    Args:
        drawn: [B] the figure of each resample, B >= 1.
        positives: number of positives.
        confidence: level in (0, 1).

    Returns:
        NaN with fewer than :data:`FPR95_POSITIVES`.
    """
    if positives < FPR95_POSITIVES:
        return np.nan, np.nan
    low, high = np.quantile(np.asarray(drawn, np.float64), [0.5 - confidence / 2, 0.5 + confidence / 2])
    return float(low), float(high)
