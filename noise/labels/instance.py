"""Instance-dependent label noise: the new class of a sample depends on its image."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from noise.labels.symmetric import draw_classes, require_another_class
from noise.pixels import channel_statistics, chunk_length
from noise.streams import normals, uniforms
from noise.task import Change, Task

DEVIATION = 0.1
"""Standard deviation of the flip probabilities before truncation to [0, 1], as in Xia et al."""


def flip_probabilities(rate: float, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Flip probabilities [n] from a normal distribution around ``rate`` truncated to [0, 1].

    Computed by the inverse distribution function. Truncation moves the mean away from rates near 0 or 1: a rate of
    0.05 gives a mean of 0.10, and 0.2 gives 0.206. A rate of 0 gives no noise, so that a series of rates may start
    with it.

    Args:
        rate: in [0, 1].
        points: [n] in the open interval (0, 1).

    Returns:
        [n] in [0, 1]; none decreases with the rate.
    """
    if rate == 0:
        return np.zeros(len(points))
    low, high = ndtr((0 - rate) / DEVIATION), ndtr((1 - rate) / DEVIATION)
    return np.clip(rate + DEVIATION * ndtri(low + points * (high - low)), 0, 1)


def instance(task: Task) -> Change:
    """Change for ``instance:rate``: the part-dependent noise of Xia et al. 2020 (arXiv 2006.07836, algorithm 2).

    Sample i with image x (D values, normalised by channel) and label y is mislabelled with probability q, drawn by
    :func:`flip_probabilities`, and then gets class j with probability softmax(x W_y)_j, where W_y [D, K] ~ N(0, 1) is
    drawn once for each class y and the true class is left out of the softmax. The standard deviation of x W_y is
    about sqrt(D), so nearly always one class has all the probability.

    Only the mean of q is fixed, so the realised rate is approximate. Like ``randx``, the noise depends on the channel
    statistics of all images passed, so a sample may get another label in a subset. Everything else depends on the
    sample only. x W_y is a product by BLAS, whose last digits may differ between machines; this matters only for
    draws on the boundary between two classes.

    Each class draws a matrix of D x K numbers: seconds for images of CIFAR's size, hours for 1,000 classes of
    224 x 224 pixels.

    Each sample has three words: for q, for whether it is flipped, and for the class. So samples flipped at a lower
    rate are flipped at a higher rate too, to the same classes.

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
    """Positions [n] of flipped samples and their softmax(x W_y) [n, K], in chunks, class by class."""
    shape, classes = task.images.shape[1:], task.class_count
    values = int(np.prod(shape))
    statistics = channel_statistics(task.images)
    # A constant channel becomes 0 instead of 0/0.
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
