"""Principal components of many vectors, in parts, so that the memory does not grow with the number of samples.

The components are those of scikit-learn's PCA, with its sign: the loading with the largest magnitude is positive.
Components that are the same for all samples, such as filters that are always on, add nothing and are left out first.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.linalg
import scipy.sparse.linalg
from numpy.typing import NDArray

from memgate.errors import require
from probes.embedding.vectors import Vectors

EXACT = 4096
"""Up to this number of components that differ between samples, their covariance matrix (134 MB) is decomposed; with
more, its largest eigenvalues are searched without it (ARPACK)."""


@dataclass(frozen=True, eq=False)
class Components:
    """The first k principal components of n vectors."""

    coordinates: NDArray[np.float64]
    """[n, k], with mean 0."""
    explained: NDArray[np.float64]
    """Share of the variance that each component explains [k], falling."""
    constant: int
    """Components of the vectors that are the same for all samples; with the filling bits of binary vectors."""


@dataclass(frozen=True, eq=False)
class _Centred:
    """The components that differ between samples, d' of them."""

    vectors: Vectors
    columns: NDArray[np.intp]
    """Their places among all components [d']."""
    mean: NDArray[np.float64]
    """[d']"""

    def rows(self, part: slice) -> NDArray[np.float64]:
        """Some vectors minus the mean [b, d']."""
        return self.vectors.rows(part)[:, self.columns] - self.mean


def principal_components(
    vectors: Vectors, count: int, exact: int = EXACT, finished: Callable[[int], object] = lambda _: None
) -> Components:
    """The first principal components.

    Args:
        vectors: of n samples.
        count: k at most; there are no more than components that differ, and no more than n.
        exact: see :data:`EXACT`.
        finished: called with the number of samples after each part of each of the three passes over them.

    Raises:
        MemgateError: all vectors are equal.
    """
    centred = _centred(vectors, finished)
    size = len(centred.columns)
    require(size > 0, f"The vectors of all {len(vectors):,} samples are equal: there is nothing to map.")
    count = min(count, size, len(vectors))
    solve = _decomposed if size <= exact or count >= size else _searched
    axes, variances, total = solve(centred, count, finished)
    largest = np.abs(axes).argmax(axis=0)
    axes *= np.sign(axes[largest, np.arange(count)])
    coordinates = np.empty((len(vectors), count))
    for part in vectors.chunks():
        coordinates[part] = centred.rows(part) @ axes
        finished(len(coordinates[part]))
    return Components(coordinates, np.clip(variances / total, 0, 1), vectors.size - size)


def _centred(vectors: Vectors, finished: Callable[[int], object]) -> _Centred:
    total, low, high = np.zeros(vectors.size), np.full(vectors.size, np.inf), np.full(vectors.size, -np.inf)
    for part in vectors.chunks():
        rows = vectors.rows(part)
        total += rows.sum(axis=0, dtype=np.float64)
        np.minimum(low, rows.min(axis=0), out=low)
        np.maximum(high, rows.max(axis=0), out=high)
        finished(len(rows))
    columns = np.flatnonzero(high > low)
    return _Centred(vectors, columns, total[columns] / len(vectors))


def _decomposed(
    centred: _Centred, count: int, finished: Callable[[int], object]
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Axes [d', k], variances [k] (falling, times n) and the total variance, from the covariance matrix."""
    vectors, size = centred.vectors, len(centred.columns)
    scatter = np.zeros((size, size))
    for part in vectors.chunks():
        # Counts of ones are exact in float32, and twice as fast as float64.
        rows = vectors.rows(part)[:, centred.columns] if vectors.binary else centred.rows(part)
        scatter += rows.T @ rows
        finished(len(rows))
    if vectors.binary:
        scatter -= len(vectors) * np.outer(centred.mean, centred.mean)
    total = float(np.trace(scatter))
    variances, axes = scipy.linalg.eigh(
        scatter, subset_by_index=[size - count, size - 1], overwrite_a=True, check_finite=False
    )
    return axes[:, ::-1].copy(), variances[::-1], total


def _searched(
    centred: _Centred, count: int, finished: Callable[[int], object]
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """As :func:`_decomposed`, without the matrix."""
    vectors, size = centred.vectors, len(centred.columns)
    total = 0.0
    for part in vectors.chunks():
        rows = centred.rows(part)
        total += float(np.einsum("nd,nd->", rows, rows))
        finished(len(rows))

    def times(vector: NDArray[np.float64]) -> NDArray[np.float64]:
        product = np.zeros(size)
        for part in vectors.chunks():
            rows = centred.rows(part)
            product += rows.T @ (rows @ vector.ravel())
        return product

    operator = scipy.sparse.linalg.LinearOperator((size, size), matvec=times, dtype=np.float64)  # pyright: ignore
    start = np.random.default_rng(0).normal(size=size)
    variances, axes = scipy.sparse.linalg.eigsh(operator, k=count, v0=start)
    order = np.argsort(-variances)
    return axes[:, order], variances[order], total
