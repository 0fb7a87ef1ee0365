"""Nearest neighbours of samples: by the number of filters that differ, and by the direction of features. No torch."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

ROWS = 512
"""Samples whose neighbours are searched at a time."""


def nearest_by_hamming(patterns: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Places [k, n] of each sample's k nearest others, the nearest first, by Hamming distance.

    Of equally near samples those come first that follow in the order of the rows (after the last row comes the first),
    so that no sample is preferred by all others. Rows are in an order that has nothing to do with labels.

    Args:
        patterns: 0 or 1 [n, F].
        k: number of neighbours, below n.
    """
    n, size = len(patterns), patterns.sum(axis=1)
    places = np.arange(n)

    def distances(rows: NDArray[np.intp]) -> NDArray[np.float64]:
        # Whole numbers below 2^24, which float32 holds exactly, and less than 1 that decides between equal ones.
        differ = size[rows, None] + size - 2 * (patterns[rows] @ patterns.T)
        return differ + (places - rows[:, None] - 1) % n / n

    return _nearest(distances, n, k)


def nearest_by_direction(features: NDArray[np.floating], k: int) -> NDArray[np.int64]:
    """Places [k, n] of each sample's k nearest others, the nearest first, between features of unit length.

    As in the k-NN detector of foreign images (Sun et al. 2022).

    Args:
        features: [n, d].
        k: number of neighbours, below n.
    """
    length = np.linalg.norm(features, axis=1, keepdims=True)
    unit = (features / np.where(length > 0, length, 1)).astype(np.float32)
    return _nearest(lambda rows: -(unit[rows] @ unit.T), len(unit), k)


def _nearest(
    distances: Callable[[NDArray[np.intp]], NDArray[np.floating]], n: int, k: int
) -> NDArray[np.int64]:
    """Places [k, n] of the nearest others, from a function from rows [b] to their distances to all [b, n]."""
    parts = []
    for start in range(0, n, ROWS):
        rows = np.arange(start, min(start + ROWS, n))
        distance = distances(rows)
        distance[np.arange(len(rows)), rows] = np.inf
        near = np.argpartition(distance, k - 1, axis=1)[:, :k]
        order = np.argsort(np.take_along_axis(distance, near, axis=1), axis=1, kind="stable")
        parts.append(np.take_along_axis(near, order, axis=1))
    return np.concatenate(parts).T.astype(np.int64)
