"""Vectors of samples, as numbers or as packed bits, and the samples whose vectors are nearest to one. No torch."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memgate.errors import require

CHUNK = 4096
"""Rows that are unpacked or converted at once. A count of so many ones is exact in float32."""


@dataclass(frozen=True, eq=False)
class Vectors:
    """Vectors of n samples with d components.

    Binary vectors are packed, a bit for each component: those of 50,000 samples and 7,200 gates take 45 MB.
    """

    values: NDArray[Any]
    """Numbers [n, d], or for ``binary`` vectors bytes [n, ceil(d / 8)] (``numpy.packbits`` over components)."""
    sample_id: NDArray[np.int64]
    """Ids of the samples [n]."""
    binary: bool = False
    origin: Mapping[str, Any] = field(default_factory=dict)
    """What they were taken from, as JSON values."""
    missing: int = 0
    """Samples of the split that have no vector."""

    def __len__(self) -> int:
        return len(self.values)

    @property
    def size(self) -> int:
        """Number of components d; of binary vectors with the bits that fill up the last byte."""
        return self.values.shape[1] * (8 if self.binary else 1)

    def rows(self, part: slice) -> NDArray[np.floating]:
        """Some vectors as numbers [b, d]: float32 for binary vectors (0 and 1), otherwise float64."""
        if self.binary:
            return np.unpackbits(self.values[part], axis=1).astype(np.float32)
        return self.values[part].astype(np.float64)

    def chunks(self) -> Iterator[slice]:
        """Parts of the samples, one after another."""
        return (slice(start, start + CHUNK) for start in range(0, len(self), CHUNK))

    def take(self, places: NDArray[np.integer]) -> "Vectors":
        """The vectors at some places, in their order."""
        return replace(self, values=self.values[places], sample_id=self.sample_id[places])

    def sorted_by_id(self) -> "Vectors":
        """The vectors by rising id, so that nothing depends on the order in which they were stored."""
        rising = bool((np.diff(self.sample_id) > 0).all())
        return self if rising else self.take(np.argsort(self.sample_id, kind="stable"))


def vectors_of(values: NDArray[Any]) -> Vectors:
    """Vectors of an array [n, d] of finite numbers or bools; the ids are its rows.

    Args:
        values: one vector a row.

    Raises:
        MemgateError: it is no such array.
    """
    array = np.asarray(values)
    require(
        array.ndim == 2 and array.size > 0 and array.dtype.kind in "buif",
        f"vectors {array.dtype} of the shape {array.shape} must be numbers [n, d], one vector a row.",
    )
    rows = np.arange(len(array), dtype=np.int64)
    if array.dtype == bool:
        return Vectors(np.packbits(array, axis=1), rows, binary=True)
    require(
        bool(np.isfinite(array).all()),
        "vectors have numbers that are not finite: leave out the samples without a value.",
    )
    return Vectors(array.astype(np.float64), rows)


def nearest_vectors(vectors: Vectors, place: int, count: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Places of the nearest other vectors, nearest first, and their distances.

    Args:
        vectors: of n samples.
        place: of the sample among them.
        count: how many, at most.

    Returns:
        Places [m] and distances [m]: components that differ (Hamming) for binary vectors, Euclidean otherwise. Equal
        distances are in the order of the ids.
    """
    distance = np.empty(len(vectors))
    for part in vectors.chunks():
        distance[part] = distances(vectors, part, place)
    distance[place] = np.inf
    order = np.lexsort((vectors.sample_id, distance))[: min(count, len(vectors) - 1)]
    return order, distance[order]


def distances(vectors: Vectors, part: slice | NDArray[np.integer], place: int) -> NDArray[np.float64]:
    """Distances [b] of some vectors, a slice or their places, from one of them; see :func:`nearest_vectors`."""
    if vectors.binary:
        return ONES[vectors.values[part] ^ vectors.values[place]].sum(axis=1, dtype=np.float64)
    difference = vectors.values[part].astype(np.float64) - vectors.values[place]
    return np.sqrt(np.einsum("nd,nd->n", difference, difference))


ONES = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(axis=1, dtype=np.uint8)
"""Number of ones in each byte [256]."""
