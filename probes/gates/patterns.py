"""Packed patterns: a bit for each filter and sample, 1 where the filter is open. No torch."""

import numpy as np
from numpy.typing import NDArray

CHUNK = 8192
"""Samples that are unpacked at once where only their counts are needed."""


def unpacked(packed: NDArray[np.uint8], filters: int) -> NDArray[np.bool_]:
    """Whether each filter is open [F, n], from packed patterns [bytes, n]."""
    return np.unpackbits(packed, axis=0, count=filters).astype(bool)


def opened_by(packed: NDArray[np.uint8], place: int) -> NDArray[np.bool_]:
    """Whether one filter is open for each sample [n], from packed patterns [bytes, n].

    Args:
        packed: patterns.
        place: of the filter among all.
    """
    return (packed[place // 8] >> (7 - place % 8) & 1).astype(bool)


def open_counts(packed: NDArray[np.uint8], filters: int) -> NDArray[np.int64]:
    """Number of samples for which each filter is open [F], from packed patterns [bytes, n]."""
    counts = np.zeros(filters, np.int64)
    for start in range(0, packed.shape[1], CHUNK):
        counts += unpacked(packed[:, start : start + CHUNK], filters).sum(axis=1)
    return counts


def is_rare(on: NDArray[np.int64], n: int, most: float) -> NDArray[np.bool_]:
    """Whether filters are rare [F]: open for some of n samples, for at most the share ``most`` of them.

    Args:
        on: samples for which each filter is open [F].
        n: number of samples.
        most: the largest share.
    """
    return (on > 0) & (on <= most * n)


def rare_filters(packed: NDArray[np.uint8], filters: int, most: float) -> NDArray[np.bool_]:
    """Whether each filter is rare [F], from packed patterns [bytes, n]; see :func:`is_rare`."""
    return is_rare(open_counts(packed, filters), packed.shape[1], most)
