"""Label noise that reads nothing but the labels: symmetric in three meanings, pair, random.

``symmetric``, ``symmetric-incl`` and ``symmetric-iid`` are three things that the literature calls "p percent
symmetric noise"; their realised rates differ, and the manifest names the convention.
"""

import numpy as np
from numpy.typing import NDArray

from noise.errors import require
from noise.streams import below, uniforms
from noise.task import Change, Task


def flip_symmetric(
    clean_labels: NDArray[np.int64], class_count: int, words: NDArray[np.uint64]
) -> NDArray[np.int64]:
    """New labels, uniform over the K-1 classes that are not the clean one.

    Args:
        clean_labels: [n] labels in [0, K), never given ones: re-flipping a given label distorts the rates.
        class_count: K, at least 2.
        words: [n] random words, one per sample.

    Returns:
        [n] int64 in [0, K), each different from its clean label.

    Raises:
        NoiseError: there is only one class.
    """
    require_another_class(class_count)
    draw = below(words, class_count - 1)
    return draw + (draw >= clean_labels)


def symmetric(task: Task) -> Change:
    """``symmetric:rate[:balanced=true]``: exactly round(rate * N) labels, each to another class.

    The convention of CSL-Mem and D2L; see :func:`flip_symmetric`. Balanced: exact within every class.
    """
    balanced = task.spec.parameter("balanced")
    positions = task.take_in_classes(range(task.class_count)) if balanced else task.take(task.order())
    words = task.words(positions, 1)[:, 0]
    return Change(positions, labels=flip_symmetric(task.labels[positions], task.class_count, words))


def symmetric_incl(task: Task) -> Change:
    """``symmetric-incl:rate``: exactly round(rate * N) labels drawn anew from all K classes.

    Zhang et al. 2017 (arXiv 1611.03530), DivideMix (arXiv 2002.07394), EvidentialMix (arXiv 2011.05704). The
    true class is among the K, so about rate * (K-1)/K of all labels are wrong in the end.
    """
    positions = task.take(task.order())
    return Change(positions, labels=below(task.words(positions, 1)[:, 0], task.class_count))


def symmetric_iid(task: Task) -> Change:
    """``symmetric-iid:rate``: every free label by itself flipped with probability ``rate``, to another class.

    Co-teaching (arXiv 1804.06872) and its descendants, which draw each label by its row of a matrix with
    1-rate on the diagonal: the realised rate is ``rate`` up to sqrt(rate * (1-rate) / N).
    """
    # The second word alone says which class: so a flipped label is the same at every rate.
    whether, which = task.words(np.arange(len(task.labels)), 2).T
    flipped = flip_symmetric(task.labels, task.class_count, which)
    given = np.where(uniforms(whether) < task.rate, flipped, task.labels)
    return task.relabelled(given, requested=np.full(task.class_count, task.rate))


def pair(task: Task) -> Change:
    """``pair:rate``: exactly round(rate * N) labels i become i+1 mod K (Co-teaching's pair flip).

    Raises:
        NoiseError: there is only one class.
    """
    require_another_class(task.class_count)
    positions = task.take(task.order())
    return Change(positions, labels=(task.labels[positions] + 1) % task.class_count)


def random_labels(task: Task) -> Change:
    """``random``: every free label drawn anew from all K classes (Zhang et al. 2017's random labels)."""
    positions = np.flatnonzero(task.free)
    labels = below(task.words(positions, 1)[:, 0], task.class_count)
    return Change(positions, labels=labels, requested=task.free_share())


def draw_classes(chances: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.int64]:
    """One class per row of chances, by the inverse of its distribution function.

    Args:
        chances: [n, K], 0 or above, a positive sum in every row, which need not be one.
        points: [n] in the open interval (0, 1).

    Returns:
        [n] int64 in [0, K), never a class of chance 0.
    """
    summed = np.cumsum(chances, axis=1)
    # Divided, not multiplied into the points: the last sum is then exactly 1 and no point lies beyond it.
    summed /= summed[:, -1:]
    return (summed <= points[:, None]).sum(axis=1)


def require_another_class(class_count: int) -> None:
    """Raise NoiseError where there is only one class."""
    require(
        class_count >= 2,
        f"this label noise needs another class to flip to, and there is {class_count} class: "
        "leave it out, or take data with more classes.",
    )
