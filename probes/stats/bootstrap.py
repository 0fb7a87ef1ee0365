"""The bootstrap: samples drawn anew with replacement, for intervals that have no formula."""

import zlib

import numpy as np
from numpy.typing import ArrayLike, NDArray

from probes.stats.intervals import CONFIDENCE

RESAMPLES = 200
"""Resamples unless told otherwise: enough for the two digits of an interval that one reads."""

MEAN_RESAMPLES = 10_000
"""Of means, which cost next to nothing: the ends of an interval then move by less than 1 % of its width by seed."""


def resampled(count: int, resamples: int, seed: int, name: str) -> NDArray[np.uint16]:
    """How often each sample of one class is drawn in resamples with replacement of the same size.

    Args:
        count: n samples of the class. Each class is resampled by itself, so that the prevalence stays as it is.
        resamples: B, from 0.
        seed: of the resamples.
        name: of the class; its resamples do not depend on which other classes there are.

    Returns:
        [B, n], every row with the sum n.
    """
    generator = np.random.default_rng([seed, zlib.crc32(name.encode())])
    drawn = np.empty((resamples, count), np.uint16)
    for row in drawn:
        row[:] = np.bincount(generator.integers(count, size=count), minlength=count)
    return drawn


def bootstrap_means(
    values: ArrayLike, rng: np.random.Generator, resamples: int = MEAN_RESAMPLES
) -> NDArray[np.float64]:
    """Means of samples drawn from the values with replacement, each as large as the values' number.

    Only how often each distinct value occurs matters, so it is the counts that are resampled (multinomial): the
    distribution is that of drawing rows, and the time does not grow with n. Meant for values of few kinds, such as
    the differences 1, 0 and -1 of two outcomes of the same sample.

    Args:
        values: [n], at least one.
        rng: what is drawn from.
        resamples: B.

    Returns:
        [B] means, in the unit of ``values``.
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
    """Mean of per-sample differences, or how much larger it is in one group than in another, by the bootstrap.

    Percentile interval (Efron 1979). Where all values are equal it is a point: that says that the bootstrap knows
    nothing there, not that the mean is known.

    Args:
        values: differences [n] between two outcomes of the same sample; paired, since a resample keeps both.
        others: the same of another group [m], resampled apart; None for the mean of ``values`` itself.
        seed: of the resamples.
        resamples: B.
        confidence: level in (0, 1).

    Returns:
        The mean (with ``others``: minus theirs), lower and upper end; NaN where a group is empty.
    """
    groups = [np.asarray(group, np.float64) for group in (values, others) if group is not None]
    if min(len(group) for group in groups) == 0:
        return np.nan, np.nan, np.nan
    rng = np.random.default_rng(seed)
    found = [(float(group.mean()), bootstrap_means(group, rng, resamples)) for group in groups]
    signs = (1, -1)
    mean = sum(sign * value for sign, (value, _) in zip(signs, found, strict=False))
    drawn = np.sum([sign * means for sign, (_, means) in zip(signs, found, strict=False)], axis=0)
    low, high = np.quantile(drawn, [0.5 - confidence / 2, 0.5 + confidence / 2])
    return float(mean), float(low), float(high)


Shares = tuple[NDArray[np.bool_], NDArray[np.bool_]]
"""Who is counted [2, n], of whom [2, n]: two outcomes of the same samples, a row each."""


def paired_shares(
    group: Shares,
    other: Shares | None = None,
    *,
    seed: int = 0,
    resamples: int = MEAN_RESAMPLES,
    confidence: float = CONFIDENCE,
) -> tuple[float, float, float]:
    """How much larger a share is by the first outcome than by the second, where each has its own denominator.

    Samples are drawn anew with both outcomes, counted or not, so numerators and denominators move together.

    Args:
        group: who is counted and of whom.
        other: the same of other samples, whose difference of shares is taken away; drawn apart.
        seed: of the resamples.
        resamples: B.
        confidence: level in (0, 1).

    Returns:
        The difference, lower and upper end in [-2, 2]; NaN where a denominator is 0, the ends also where it is in one
        of the resamples.
    """
    rng = np.random.default_rng(seed)
    found = [_share_gaps(one, rng, resamples) for one in (group, other) if one is not None]
    value, drawn = found[0] if other is None else (found[0][i] - found[1][i] for i in (0, 1))
    low, high = np.quantile(drawn, [0.5 - confidence / 2, 0.5 + confidence / 2])
    return float(value), float(low), float(high)


def _share_gaps(group: Shares, rng: np.random.Generator, resamples: int) -> tuple[float, NDArray[np.float64]]:
    """First share minus second: of the samples, and of each resample [B]."""
    hits, of = (np.asarray(rows, bool) for rows in group)
    if hits.shape[1] == 0:
        return np.nan, np.full(resamples, np.nan)
    kinds, counts = np.unique(np.vstack([hits & of, of]), axis=1, return_counts=True)
    drawn = np.vstack([counts, rng.multinomial(counts.sum(), counts / counts.sum(), size=resamples)])
    first, second, of_first, of_second = (drawn @ kinds.T).T
    with np.errstate(invalid="ignore"):  # 0 of 0 is NaN, as it should be
        gaps = first / of_first - second / of_second
    return float(gaps[0]), gaps[1:]
