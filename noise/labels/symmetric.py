"""Label noise that depends only on the labels: symmetric in three conventions, pair, random.

``symmetric``, ``symmetric-incl`` and ``symmetric-iid`` are three conventions that the literature calls "p percent
symmetric noise". Their realised rates differ, and the manifest names the convention.
"""

import numpy as np
from numpy.typing import NDArray

from noise.errors import require
from noise.streams import below, uniforms
from noise.task import Change, Task


def flip_symmetric(
    clean_labels: NDArray[np.int64], class_count: int, words: NDArray[np.uint64]
) -> NDArray[np.int64]:
    """New labels [n], uniform over the K-1 classes other than the clean one.

    Args:
        clean_labels: [n] clean labels in [0, K); flipping given labels again would distort the rates.
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
    """Change for ``symmetric:rate[:balanced=true]``: exactly round(rate * N) labels flipped to another class.

    The convention of CSL-Mem and D2L; see :func:`flip_symmetric`. With ``balanced=true`` the count is exact within
    every class.
    """
    balanced = task.spec.parameter("balanced")
    positions = task.take_in_classes(range(task.class_count)) if balanced else task.take(task.order())
    words = task.words(positions, 1)[:, 0]
    return Change(positions, labels=flip_symmetric(task.labels[positions], task.class_count, words))


def symmetric_incl(task: Task) -> Change:
    """Change for ``symmetric-incl:rate``: exactly round(rate * N) labels drawn from all K classes.

    Zhang et al. 2017 (arXiv 1611.03530), DivideMix (arXiv 2002.07394), EvidentialMix (arXiv 2011.05704). The true
    class may be drawn, so about rate * (K-1)/K of all labels are wrong.

    Raises:
        NoiseError: there is only one class.
    """
    require_another_class(task.class_count)
    positions = task.take(task.order())
    return Change(positions, labels=below(task.words(positions, 1)[:, 0], task.class_count))


def symmetric_iid(task: Task) -> Change:
    """Change for ``symmetric-iid:rate``: each free label independently flipped with probability ``rate``.

    The convention of Co-teaching (arXiv 1804.06872) and later work, which draws each label from its row of a matrix
    with 1-rate on the diagonal. The standard deviation of the realised rate is sqrt(rate * (1-rate) / N).
    """
    # The second word alone decides the class, so a flipped label is the same at every rate.
    flip_words, class_words = task.words(np.arange(len(task.labels)), 2).T
    flipped = flip_symmetric(task.labels, task.class_count, class_words)
    given = np.where(uniforms(flip_words) < task.rate, flipped, task.labels)
    return task.relabelled(given, requested=np.full(task.class_count, task.rate))


def pair(task: Task) -> Change:
    """Change for ``pair:rate``: exactly round(rate * N) labels i become i+1 mod K (pair flip of Co-teaching).

    Raises:
        NoiseError: there is only one class.
    """
    require_another_class(task.class_count)
    positions = task.take(task.order())
    return Change(positions, labels=(task.labels[positions] + 1) % task.class_count)


def random_labels(task: Task) -> Change:
    """Change for ``random``: every free label drawn from all K classes (random labels of Zhang et al. 2017).

    Raises:
        NoiseError: there is only one class.
    """
    require_another_class(task.class_count)
    positions = np.flatnonzero(task.free)
    labels = below(task.words(positions, 1)[:, 0], task.class_count)
    return Change(positions, labels=labels, requested=task.free_share())


def draw_classes(chances: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.int64]:
    """One class per row of probabilities, [n], by the inverse of the row's distribution function.

    Args:
        chances: [n, K], 0 or above; the sum of every row must be positive but need not be one.
        points: [n] in the open interval (0, 1).

    Returns:
        [n] int64 in [0, K), never a class of probability 0.
    """
    summed = np.cumsum(chances, axis=1)
    # Dividing the sums (instead of scaling the points) makes the last sum exactly 1, above every point.
    summed /= summed[:, -1:]
    return (summed <= points[:, None]).sum(axis=1)


def require_another_class(class_count: int) -> None:
    """Raise NoiseError when there is only one class."""
    require(
        class_count >= 2,
        f"this label noise needs another class to flip to, but there is only {class_count} class: "
        "leave it out or use data with more classes.",
    )
