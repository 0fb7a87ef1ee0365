"""One sample compared with others: percentile rank of a score, and the samples with the most similar training."""

import numpy as np
from numpy.typing import NDArray


def percentile(values: NDArray[np.float64], place: int, members: NDArray[np.bool_]) -> float:
    """Percentile rank of a sample within a group, in [0, 100]; equal values count one half.

    ``scipy.stats.percentileofscore(..., kind="mean")`` of the group's values that are not missing.

    Args:
        values: [N]; NaN is missing, infinite values rank last.
        place: position of the sample, which need not belong to the group.
        members: [N] mask of the group.

    Returns:
        100 is above all; NaN where the sample or the whole group has no value.
    """
    value, others = values[place], values[members & ~np.isnan(values)]
    if np.isnan(value) or len(others) == 0:
        return float("nan")
    return float(50 * ((others < value).sum() + (others <= value).sum()) / len(others))


def nearest(
    values: NDArray[np.floating], place: int, count: int
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Positions and distances of the samples with the most similar values over the epochs, the closest first.

    The distance is the root mean squared difference over the epochs in which both samples were seen. It equals
    ``sklearn.metrics.pairwise.nan_euclidean_distances`` divided by the square root of E, but is computed row by row
    instead of with several copies of the whole matrix.

    Args:
        values: [E, N]; NaN where a sample was not seen in an epoch.
        place: position of the sample.
        count: number of samples wanted.

    Returns:
        Positions and distances of at most ``count`` samples, ties by position; without the sample itself and samples
        that were seen in none of its epochs.
    """
    total, epochs = np.zeros(values.shape[1]), np.zeros(values.shape[1])
    # A diverged run has infinite losses: inf - inf is NaN, which counts as not seen.
    with np.errstate(invalid="ignore"):
        for row in values:
            gap = row - row[place]
            known = ~np.isnan(gap)
            total += np.where(known, gap.astype(np.float64) ** 2, 0)
            epochs += known
    distance = np.sqrt(total / np.where(epochs == 0, np.nan, epochs))
    distance[place] = np.nan
    order = np.argsort(distance, kind="stable")[: min(count, int((~np.isnan(distance)).sum()))]
    return order, distance[order]
