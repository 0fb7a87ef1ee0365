"""Instance-dependent label noise: which class a sample is mistaken for depends on its picture."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from noise.labels.symmetric import draw_classes, require_another_class
from noise.pixels import channel_statistics, chunk_length
from noise.streams import normals, uniforms
from noise.task import Change, Task

DEVIATION = 0.1
"""Standard deviation of the flip probabilities before they are cut to [0, 1]: Xia et al.'s."""


def flip_probabilities(rate: float, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Flip probabilities: normal around ``rate`` and cut to [0, 1], by the inverse distribution function.

    The cut moves the mean away from a rate near 0 or 1: a rate of 0.05 gives 0.10, and 0.2 gives 0.206. A
    rate of 0 is no noise at all here, so that a series of rates may begin with it.

    Args:
        rate: in [0, 1].
        points: [n] in the open interval (0, 1).

    Returns:
        [n] in [0, 1]; at a higher rate, each is the same or higher.
    """
    if rate == 0:
        return np.zeros(len(points))
    low, high = ndtr((0 - rate) / DEVIATION), ndtr((1 - rate) / DEVIATION)
    return np.clip(rate + DEVIATION * ndtri(low + points * (high - low)), 0, 1)


def instance(task: Task) -> Change:
    """``instance:rate``: the part-dependent noise of Xia et al. 2020 (arXiv 2006.07836, algorithm 2).

    Sample i with picture x (D values, normalised by channel) and label y is mislabelled with probability q,
    drawn by :func:`flip_probabilities`, and then as class j with probability softmax(x W_y)_j, where
    W_y [D, K] ~ N(0, 1) is drawn once for each class y and the true class is left out of the softmax. x W_y
    has a spread of about sqrt(D), so nearly always one class has all the probability.

    Only the mean of q is fixed, so the realised rate approximates it. Like ``randx``, the noise depends on
    the channel statistics of all images passed, so a sample may get another label in a subset. Everything
    else depends on the sample alone; x W_y is a product by BLAS, whose last digits may differ between
    machines, which matters only where the draw falls on them.

    Each class draws a matrix of D x K numbers: seconds for images of CIFAR's size, hours for 1,000 classes of
    224 x 224 pixels.

    Three words per sample: q, whether, and which class. So those flipped at a lower rate are flipped at a
    higher one too, to the same classes.

    Raises:
        NoiseError: there is only one class.
    """
    require_another_class(task.class_count)
    points = uniforms(task.words(np.arange(len(task.labels)), 3))
    flipped = task.free & (points[:, 1] < flip_probabilities(task.rate, points[:, 0]))
    given = task.labels.copy()
    for positions, chances in _targets(task, flipped):
        given[positions] = draw_classes(chances, points[positions, 2])
    return task.relabelled(given, requested=np.full(task.class_count, task.rate))


def _targets(
    task: Task, flipped: NDArray[np.bool_]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Positions [n] of flipped samples and softmax(x W_y) [n, K], some at a time, class by class."""
    shape, classes = task.images.shape[1:], task.class_count
    values = int(np.prod(shape))
    statistics = channel_statistics(task.images)
    # A channel that is the same everywhere says nothing: it becomes 0, not 0/0.
    scale = np.where(statistics.deviation > 0, statistics.deviation, 1.0)
    for label in range(classes):
        members = np.flatnonzero(flipped & (task.labels == label))
        if len(members) == 0:
            continue
        weights = normals(task.shared_words(label, values * classes)).reshape(values, classes)
        step = chunk_length(shape)
        for start in range(0, len(members), step):
            positions = members[start : start + step]
            pixels = ((task.images[positions] - statistics.mean) / scale).reshape(-1, values)
            scores = pixels @ weights
            scores[:, label] = -np.inf
            powers = np.exp(scores - scores.max(axis=1, keepdims=True))
            yield positions, powers / powers.sum(axis=1, keepdims=True)
