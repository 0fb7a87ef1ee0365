"""Prediction depth: how deep in the network a sample's prediction is made (Baldock et al. 2021, arXiv 2106.09647).

At each point of the network the nearest training samples vote on the class. The prediction depth is the first point
from which on every vote agrees with the network's final prediction. What a layer alone can tell apart is easy, so
deep is harder.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import pairwise_distances_chunked
from torch import Tensor
from torch.nn import functional

from memgate.models.pixels import PixelNetwork
from probes.difficulty.config import DifficultyConfig
from probes.network.features import PENULTIMATE, features, head_logits, points

SIDE = 4
"""Maps are averaged to 4x4 before distances are taken: a 4th to a 64th of the numbers, and no worse votes. Of a
ResNet-14 on CIFAR-10 the votes at the stem agreed with the network for 41 % of the samples; with whole flattened
maps, as in the paper, for 23 %, and with means over the map for 31 %. Depths by 4x4 and by whole maps have a rank
correlation of 0.83, by means and by whole maps 0.66."""

FEATURE_BYTES = 2**29
"""Room for features of queries and support; where they need more, the network goes over the images again."""

DISTANCE_MIB = 256
"""Room for distances between queries and support, in MiB."""


@dataclass(frozen=True, eq=False)
class Support:
    """The samples that vote."""

    pixels: Tensor
    """Images, uint8 [S, 3, H, W] or floating in [0, 1]."""
    labels: NDArray[np.int64]
    """Given labels [S]: what they vote for."""


@dataclass(frozen=True, eq=False)
class Depths:
    """Of n samples, at L points."""

    points: tuple[str, ...]
    """Names of the points [L], from shallow to deep, see :func:`probes.network.features.points`."""
    knn_prediction: NDArray[np.uint16]
    """What the neighbours voted for [L, n]."""
    prediction: NDArray[np.uint16]
    """What the network says [n]."""
    depth: NDArray[np.int32]
    """Prediction depth [n] in [0, L]; L where even the last vote disagrees, and the head alone decides."""


def prediction_depths(
    network: PixelNetwork,
    pixels: Tensor,
    support: Support,
    neighbours: int = DifficultyConfig.neighbours,
    *,
    own: NDArray[np.integer] | None = None,
    batch_size: int | None = None,
    finished: Callable[[int], object] = lambda _: None,
) -> Depths:
    """Prediction depth of every sample.

    Points are the stem, each unit of B1 to B3, and what the head reads; Euclidean distance between maps averaged to
    4x4 (the paper takes them whole, and has probes on the image and on the softmax as well). In a gated block the
    units stand for the way through the block; what the gate made of it is the last point, ``penultimate``.

    Args:
        network: of a run; in eval mode while it is asked, and left as it was.
        pixels: images, uint8 [n, 3, H, W] or floating in [0, 1].
        support: the samples that vote.
        neighbours: k.
        own: [n] where in the support the sample itself stands, which has no vote on it; -1 where it does not.
        batch_size: images in a pass; None for what suits the device.
        finished: called with how much is newly done: each of the n + S images counts once for every point.

    Raises:
        MemgateError: the support is too small, or the network has diverged.
    """
    DifficultyConfig(neighbours=neighbours, support=0).check(len(support.labels))
    own = np.full(len(pixels), -1) if own is None else own
    names, votes = points(network.network), {}
    prediction = np.empty(0, np.int64)
    for some in _portions(network, pixels[:1], len(pixels) + len(support.labels)):

        def seen(images: int, count: int = len(some)) -> None:
            finished(images * count)

        theirs, ours = (
            features(network, images, some, reduce=coarse, batch_size=batch_size, finished=seen)
            for images in (support.pixels, pixels)
        )
        for name in some:
            votes[name] = knn_vote(ours[name], theirs[name], support.labels, neighbours, own)
        if PENULTIMATE in some:
            prediction = head_logits(network, ours[PENULTIMATE]).argmax(1).numpy()
    knn_prediction = np.stack([votes[name] for name in names])
    return Depths(
        names,
        knn_prediction.astype(np.uint16),
        prediction.astype(np.uint16),
        depth_of(knn_prediction, prediction),
    )


def knn_vote(
    queries: NDArray[np.floating],
    support: NDArray[np.floating],
    labels: NDArray[np.integer],
    neighbours: int,
    own: NDArray[np.integer],
) -> NDArray[np.int64]:
    """The class that most of the k nearest samples have, by Euclidean distance.

    Of samples equally far, those that come first in the support are taken; of classes with as many votes, the
    smallest, as scikit-learn does.

    Args:
        queries: [n, d].
        support: [S, d], S above k.
        labels: [S].
        neighbours: k.
        own: [n] which sample of the support is the query itself and has no vote; -1 for none.

    Returns:
        [n].
    """
    classes = np.arange(labels.max() + 1)

    def vote(distance: NDArray[np.floating], start: int) -> NDArray[np.int64]:
        self = own[start : start + len(distance)]
        inside = np.flatnonzero(self >= 0)
        distance[inside, self[inside]] = np.inf
        furthest = np.partition(distance, neighbours - 1, axis=1)[:, neighbours - 1, None]
        nearer, level = distance < furthest, distance == furthest
        free = neighbours - nearer.sum(1, keepdims=True)
        chosen = nearer | (level & (level.cumsum(1) <= free))
        voters = np.nonzero(chosen)[1].reshape(-1, neighbours)
        return (labels[voters][:, :, None] == classes).sum(1).argmax(1)

    parts = pairwise_distances_chunked(queries, support, reduce_func=vote, working_memory=DISTANCE_MIB)
    return np.concatenate(list(parts))


def depth_of(knn_prediction: NDArray[np.integer], prediction: NDArray[np.integer]) -> NDArray[np.int32]:
    """First point from which on every vote is the network's own prediction.

    Args:
        knn_prediction: votes [L, n], from shallow to deep.
        prediction: of the network [n].

    Returns:
        [n] in [0, L]: 0 where all agree, L where the last disagrees.
    """
    differs = knn_prediction != prediction
    # argmax finds the first disagreement from the deep end; without any it would say 0.
    depth = np.where(differs.any(0), len(differs) - differs[::-1].argmax(0), 0)
    return depth.astype(np.int32)


def coarse(x: Tensor) -> Tensor:
    """Maps [b, C, h, w] averaged to 4x4, or left as they are where they are smaller, and flattened [b, d]."""
    height, width = (min(SIDE, side) for side in x.shape[2:])
    return functional.adaptive_avg_pool2d(x, (height, width)).flatten(1)


def _portions(network: PixelNetwork, image: Tensor, rows: int) -> Sequence[Sequence[str]]:
    """The points in order, as many at a time as there is room for features of so many images."""
    one = features(network, image, points(network.network), reduce=coarse)
    found, used = [], 0
    for name, values in one.items():
        size = values.nbytes * rows
        if not found or used + size > FEATURE_BYTES:
            found, used = [*found, []], 0
        found[-1].append(name)
        used += size
    return found
