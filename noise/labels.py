"""Label noise: which label a sample is given instead of its clean one."""

import numpy as np
from numpy.typing import NDArray

from noise.errors import require
from noise.streams import below
from noise.task import Change, Task


def flip_symmetric(
    clean_labels: NDArray[np.int64], class_count: int, words: NDArray[np.uint64]
) -> NDArray[np.int64]:
    """New labels, uniform over the K-1 classes that are not the clean one (``sym_excl_exact``).

    The convention of CSL-Mem and D2L. Zhang et al. 2017 and DivideMix draw from all K classes instead, so
    their rate p corrupts only p(K-1)/K of the labels.

    Args:
        clean_labels: [n] labels in [0, K), never given ones: re-flipping a given label distorts the rates.
        class_count: K, at least 2.
        words: [n] random words, one per sample.

    Returns:
        [n] int64 in [0, K), each different from its clean label.

    Raises:
        NoiseError: there is only one class.
    """
    require(
        class_count >= 2, f"symmetric noise needs another class to flip to, and there is {class_count} class."
    )
    draw = below(words, class_count - 1)
    return draw + (draw >= clean_labels)


def symmetric(task: Task) -> Change:
    """``symmetric:rate[:balanced=true]`` on a task; see :func:`flip_symmetric`."""
    order = task.order()
    if task.spec.parameter("balanced", False):
        in_order = task.labels[order]
        positions = np.concatenate([task.take(order[in_order == label]) for label in range(task.class_count)])
    else:
        positions = task.take(order)
    words = task.words(positions, 1)[:, 0]
    return Change(positions, flip_symmetric(task.labels[positions], task.class_count, words))
