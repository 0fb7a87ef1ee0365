"""Difference of two groups within strata such as classes: what is left when both have the same mixture of classes."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from probes.stats.estimate import Estimate, estimate
from probes.stats.intervals import CONFIDENCE

FREEDOM = 20
"""Fewest degrees of freedom of a group, its samples less its strata, with which the difference gets an interval."""


def stratified_difference(
    values: ArrayLike, group: ArrayLike, reference: ArrayLike, strata: ArrayLike
) -> Estimate:
    """Mean of a group minus what the reference group has in the same mixture of strata, in the unit of ``values``.

    Direct standardisation: sum over strata s of (group's share in s) x (mean of the group in s - mean of the reference
    in s). It is 0 where the values depend on the stratum only. The variance is the sum of the strata's variances of
    both means (a stratum with one sample of a group has that group's variance within strata), the interval Student's
    with the degrees of freedom of Welch and Satterthwaite.

    Args:
        values: [n] numbers; NaN is missing.
        group: [n] bool.
        reference: [n] bool.
        strata: [n] the stratum of each sample.

    Returns:
        The difference; ``n`` counts the group's samples that were compared: strata without a sample of the reference
        are left out. No value where none is left, no interval where either side has fewer than ``FREEDOM`` degrees of
        freedom.
    """
    numbers = np.asarray(values, np.float64)
    _, stratum = np.unique(np.asarray(strata), return_inverse=True)
    stratum, known = stratum.ravel(), ~np.isnan(numbers)
    sides = [np.asarray(side, bool) & known for side in (group, reference)]
    count = int(stratum.max(initial=-1)) + 1
    sizes = [np.bincount(stratum[side], minlength=count) for side in sides]
    both = (sizes[0] > 0) & (sizes[1] > 0)
    n = int(sizes[0][both].sum())
    if n == 0:
        return estimate(np.nan, np.nan, np.nan, 0)
    weights = np.where(both, sizes[0], 0) / n
    means, variances, freedom = zip(
        *(
            _side(numbers, stratum, side & both[stratum], size)
            for side, size in zip(sides, sizes, strict=True)
        ),
        strict=True,
    )
    value = float(weights[both] @ (means[0] - means[1])[both])
    if min(freedom) < FREEDOM:
        return estimate(value, np.nan, np.nan, n)
    parts = [float(weights[both] ** 2 @ variance[both]) for variance in variances]
    if sum(parts) <= 0:
        return estimate(value, np.nan, np.nan, n)
    degrees = sum(parts) ** 2 / sum(part**2 / free for part, free in zip(parts, freedom, strict=True))
    half = float(stdtrit(degrees, 0.5 + CONFIDENCE / 2)) * float(np.sqrt(sum(parts)))
    return estimate(value, value - half, value + half, n)


def _side(
    numbers: NDArray[np.float64], stratum: NDArray[np.intp], side: NDArray[np.bool_], sizes: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    """Mean and variance of the mean of one group in each stratum [S], and its degrees of freedom."""
    count, size = len(sizes), np.maximum(sizes, 1)
    means = np.bincount(stratum[side], numbers[side], count) / size
    squares = np.bincount(stratum[side], (numbers[side] - means[stratum[side]]) ** 2, count)
    freedom = int(side.sum()) - len(np.unique(stratum[side]))
    pooled = float(squares.sum()) / max(freedom, 1)
    own = np.where(sizes > 1, squares / np.maximum(sizes - 1, 1), pooled)
    return means, own / size, freedom
