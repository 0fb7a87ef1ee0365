"""Where one sample stands among others: its percentile by a score, and who has trained most like it."""

import numpy as np
from numpy.typing import NDArray


def percentile(values: NDArray[np.float64], place: int, members: NDArray[np.bool_]) -> float:
    """Percentile rank of a sample within a group, in [0, 100]: equal values count half, itself included.

    ``scipy.stats.percentileofscore(..., kind="mean")`` of the group's values that are not missing.

    Args:
        values: [N]; NaN is missing, infinite values rank last.
        place: of the sample, which need not belong to the group.
        members: [N].

    Returns:
        100 is above everybody; NaN where the sample has no value or nobody in the group has.
    """
    mine, others = values[place], values[members & ~np.isnan(values)]
    if np.isnan(mine) or len(others) == 0:
        return float("nan")
    return float(50 * ((others < mine).sum() + (others <= mine).sum()) / len(others))


def nearest(
    values: NDArray[np.floating], place: int, count: int
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """The samples whose way over the epochs is closest to one sample's, the closest first, ties by place.

    The distance is the root of the mean squared difference (L2 over the root of E), of the epochs that saw both: that
    of ``sklearn.metrics.pairwise.nan_euclidean_distances`` over the root of E, a row at a time instead of several
    copies of the whole matrix.

    Args:
        values: [E, N]; NaN where an epoch has not seen a sample.
        place: of the sample.
        count: how many.

    Returns:
        Places and distances, at most ``count``; without the sample itself and those that share no epoch with it.
    """
    total, epochs = np.zeros(values.shape[1]), np.zeros(values.shape[1])
    # A diverged run has infinite losses: inf - inf is NaN, which counts as not seen.
    with np.errstate(invalid="ignore"):
        for row in values:
            apart = row - row[place]
            there = ~np.isnan(apart)
            total += np.where(there, apart.astype(np.float64) ** 2, 0)
            epochs += there
    distance = np.sqrt(total / np.where(epochs == 0, np.nan, epochs))
    distance[place] = np.nan
    order = np.argsort(distance, kind="stable")[: min(count, int((~np.isnan(distance)).sum()))]
    return order, distance[order]
