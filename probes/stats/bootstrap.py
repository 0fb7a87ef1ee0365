"""The bootstrap: resampling with replacement, for intervals that have no closed form."""

import zlib

import numpy as np
from numpy.typing import ArrayLike, NDArray

from probes.stats.intervals import CONFIDENCE

RESAMPLES = 200
"""Default number of resamples: enough for two significant digits of an interval."""

MEAN_RESAMPLES = 10_000
"""Resamples for means, which are cheap: the ends of an interval then vary by less than 1 % of its width by seed."""


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


def bootstrap_means(
    values: ArrayLike, rng: np.random.Generator, resamples: int = MEAN_RESAMPLES
) -> NDArray[np.float64]:
    """Means [B] of bootstrap resamples of size n, in the unit of ``values``.

    The counts of the distinct values are resampled (multinomial), which has the same distribution as drawing rows and
    takes a time that does not grow with n. For few distinct values, such as the differences 1, 0 and -1 of two
    outcomes of the same sample.

    Args:
        values: [n], n >= 1.
        rng: source of the randomness.
        resamples: B.
    """
    kinds, counts = np.unique(np.asarray(values, np.float64), return_counts=True)
    drawn = rng.multinomial(counts.sum(), counts / counts.sum(), size=resamples)
    return drawn @ kinds / counts.sum()


def paired_bootstrap(
    values: ArrayLike,
    others: ArrayLike | None = None,
    *,
    seed: int = 0,
    resamples: int = MEAN_RESAMPLES,
    confidence: float = CONFIDENCE,
) -> tuple[float, float, float]:
    """Mean of per-sample differences, or how much it exceeds that of another group, with a bootstrap interval.

    Percentile interval (Efron 1979). Where all values are equal it is a point, which means that the bootstrap has no
    information there, not that the mean is known exactly.

    Args:
        values: differences [n] between two outcomes of the same sample; paired, since a resample keeps both.
        others: differences [m] of another group, resampled independently; None for the mean of ``values`` alone.
        seed: of the resamples.
        resamples: number of resamples.
        confidence: level in (0, 1).

    Returns:
        Mean of ``values`` (minus that of ``others``), lower and upper end; NaN where a group is empty.
    """
    groups = [np.asarray(group, np.float64) for group in (values, others) if group is not None]
    if min(len(group) for group in groups) == 0:
        return np.nan, np.nan, np.nan
    rng = np.random.default_rng(seed)
    means = [(float(group.mean()), bootstrap_means(group, rng, resamples)) for group in groups]
    signs = (1, -1)
    mean = sum(sign * value for sign, (value, _) in zip(signs, means, strict=False))
    drawn = np.sum([sign * drawn_means for sign, (_, drawn_means) in zip(signs, means, strict=False)], axis=0)
    low, high = np.quantile(drawn, [0.5 - confidence / 2, 0.5 + confidence / 2])
    return float(mean), float(low), float(high)


Shares = tuple[NDArray[np.bool_], NDArray[np.bool_]]
"""Numerator [2, n] and denominator [2, n] of shares: a row for each of two outcomes of the same samples."""


def paired_shares(
    group: Shares,
    other: Shares | None = None,
    *,
    seed: int = 0,
    resamples: int = MEAN_RESAMPLES,
    confidence: float = CONFIDENCE,
) -> tuple[float, float, float]:
    """Difference of two shares with different denominators, by two outcomes of the same samples, with its interval.

    A resample keeps both outcomes of a sample, so that numerators and denominators vary together.

    Args:
        group: numerators and denominators of the two outcomes.
        other: those of other samples, resampled independently; their difference of shares is subtracted.
        seed: of the resamples.
        resamples: number of resamples.
        confidence: level in (0, 1).

    Returns:
        First share minus second, lower and upper end, in [-2, 2]; NaN where a denominator is 0, the ends also where it
        is 0 in one of the resamples.
    """
    rng = np.random.default_rng(seed)
    gaps = [_share_gaps(shares, rng, resamples) for shares in (group, other) if shares is not None]
    value, drawn = gaps[0] if other is None else (gaps[0][i] - gaps[1][i] for i in (0, 1))
    low, high = np.quantile(drawn, [0.5 - confidence / 2, 0.5 + confidence / 2])
    return float(value), float(low), float(high)


def _share_gaps(group: Shares, rng: np.random.Generator, resamples: int) -> tuple[float, NDArray[np.float64]]:
    """First share minus second of the samples, and of each resample [B]."""
    hits, of = (np.asarray(rows, bool) for rows in group)
    if hits.shape[1] == 0:
        return np.nan, np.full(resamples, np.nan)
    kinds, counts = np.unique(np.vstack([hits & of, of]), axis=1, return_counts=True)
    drawn = np.vstack([counts, rng.multinomial(counts.sum(), counts / counts.sum(), size=resamples)])
    first, second, of_first, of_second = (drawn @ kinds.T).T
    with np.errstate(invalid="ignore"):  # 0 of 0 is NaN, as it should be
        gaps = first / of_first - second / of_second
    return float(gaps[0]), gaps[1:]
