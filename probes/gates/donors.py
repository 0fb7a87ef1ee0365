"""Which other sample's pattern a sample is given. No torch."""

import numpy as np
from numpy.typing import NDArray

from noise.streams import below, sample_words

NONE = -1
"""In place of a position: there is no such sample."""


def donors(sample_id: NDArray[np.integer], labels: NDArray[np.integer], seed: int) -> NDArray[np.int64]:
    """Positions [2, n] of another sample with the same label, and of one with another label, for each sample.

    Each is drawn among all that qualify, with the same chance and by (seed, sample id) alone; no sample is its own
    donor, and several may have the same one.

    Args:
        sample_id: [n] distinct ids.
        labels: [n].
        seed: of the draws.

    Returns:
        :data:`NONE` where no sample qualifies.
    """
    n = len(sample_id)
    order = np.lexsort((sample_id, labels))  # class after class, in each by id
    _, start, class_of, size = np.unique(
        labels[order], return_index=True, return_inverse=True, return_counts=True
    )
    start, size = start[class_of.ravel()], size[class_of.ravel()]
    words = sample_words(sample_id[order], 2, "gate patterns", seed)
    same, other = (
        np.where(count > 0, below(words[:, column], np.maximum(count, 1)), 0)
        for column, count in enumerate((size - 1, n - size))
    )
    same += start + (same >= np.arange(n) - start)
    other += np.where(other >= start, size, 0)
    chosen = np.full((2, n), NONE, np.int64)
    for row, places, known in ((0, same, size > 1), (1, other, size < n)):
        chosen[row, order[known]] = order[places[known]]
    return chosen
