"""The nearest vectors of many samples, the same as those of :func:`probes.embedding.vectors.nearest_vectors`."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from probes.embedding.vectors import Vectors, distances

QUERIES = 256
"""Samples whose neighbours are searched at once: of 50,000 samples, 100 MB of distances."""

ROUNDING = 1e-12
"""Squared distances of numbers that differ by no more than this share of the largest square, a component, are computed
again without the square's rounding."""


def nearest_of_each(
    vectors: Vectors,
    places: NDArray[np.integer],
    count: int,
    finished: Callable[[int], object] = lambda _: None,
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Places of the nearest other vectors of some samples, nearest first, and their distances.

    Args:
        vectors: of n samples.
        places: of the q samples among them.
        count: neighbours of each, at most.
        finished: called with a number of samples when their neighbours are found.

    Returns:
        Places [q, m] and distances [q, m], m = min(count, n - 1): number of components that differ (Hamming) for
        binary vectors, Euclidean otherwise. Equal distances are in the order of the ids.
    """
    count = min(count, len(vectors) - 1)
    near, distance = np.empty((len(places), count), np.intp), np.empty((len(places), count))
    for start in range(0, len(places), QUERIES):
        block = places[start : start + QUERIES]
        squares, slack = _squares(vectors, block)
        for row, place in enumerate(block):
            squares[row, place] = np.inf
            furthest = np.partition(squares[row], count - 1)[count - 1] if count else -np.inf
            candidates = np.flatnonzero(squares[row] <= furthest + slack)
            exact = distances(vectors, candidates, int(place))
            order = np.lexsort((vectors.sample_id[candidates], exact))[:count]
            near[start + row], distance[start + row] = candidates[order], exact[order]
        finished(len(block))
    return near, distance


def _squares(vectors: Vectors, block: NDArray[np.integer]) -> tuple[NDArray[np.floating], float]:
    """Squared distances [b, n] of some vectors from all, and by how much two of them may differ by rounding.

    The squared distance of bits is the number that differ: exact in float32. Numbers are counted from the first of the
    vectors, because rounding is relative to their squares.
    """
    rows = vectors.take(block).rows(slice(None))
    origin = np.zeros_like(rows[0]) if vectors.binary else rows[0]
    rows = rows - origin
    squares = np.empty((len(block), len(vectors)), rows.dtype)
    largest = 0.0
    for part in vectors.chunks():
        others = vectors.rows(part) - origin
        size = np.einsum("nd,nd->n", others, others)
        squares[:, part] = size - 2 * (rows @ others.T)
        largest = max(largest, float(size.max()))
    squares += np.einsum("nd,nd->n", rows, rows)[:, None]
    return squares, 0.0 if vectors.binary else ROUNDING * vectors.size * largest
