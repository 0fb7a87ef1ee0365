"""Prediction depth: how deep in the network a sample's prediction is made (Baldock et al. 2021, arXiv 2106.09647).

At each layer of the network the nearest training samples vote on the class. The prediction depth is the first layer
from which on every vote agrees with the network's final prediction. A sample that an early layer can tell apart is
easy, so deep is harder.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import pairwise_distances_chunked
from torch import Tensor, nn
from torch.nn import functional

from memgate.errors import MemgateError
from probes.difficulty.config import DifficultyConfig
from probes.network.features import features, features_and_logits
from probes.network.layers import PENULTIMATE, head_logits, layers_of, pooled
from probes.network.pixels import as_images, as_labels

SIDE = 4
"""Maps are averaged to 4x4 before distances are taken: a 4th to a 64th of the numbers, and no worse votes. Of a
ResNet-14 on CIFAR-10 the votes at the stem agreed with the network for 41 % of the samples; with whole flattened
maps, as in the paper, for 23 %, and with means over the map for 31 %. Depths by 4x4 and by whole maps have a rank
correlation of 0.83, by means and by whole maps 0.66."""

FEATURE_BYTES = 2**29
"""Memory for features of queries and support; where they need more, the images are passed again."""

DISTANCE_MIB = 256
"""Memory for distances between queries and support, in MiB."""


class Support(NamedTuple):
    """The training samples that vote."""

    images: Tensor | NDArray[Any]
    """[S, C, H, W], floats in [0, 1] or uint8."""
    labels: ArrayLike | Tensor
    """Given labels [S], for which they vote."""


@dataclass(frozen=True, eq=False)
class Depths:
    """Prediction depths of n samples, and the votes at L layers."""

    points: tuple[str, ...]
    """Names of the layers [L], from shallow to deep."""
    knn_prediction: NDArray[np.uint16]
    """Class for which most neighbours voted [L, n]."""
    prediction: NDArray[np.uint16]
    """The network's prediction [n]."""
    depth: NDArray[np.int32]
    """Prediction depth [n], from 0 to L; L where even the last vote disagrees with the network. High is harder."""


def prediction_depths(
    model: nn.Module,
    images: Tensor | NDArray[Any],
    support: tuple[Tensor | NDArray[Any], ArrayLike | Tensor],
    neighbours: int = DifficultyConfig.neighbours,
    *,
    layers: Sequence[str] | None = None,
    head: str | None = None,
    own: NDArray[np.integer] | None = None,
    batch_size: int | None = None,
    finished: Callable[[int], object] = lambda _: None,
) -> Depths:
    """Prediction depth int32 [n] of every sample, with the votes [L, n] at each layer; high is harder.

    Distances are Euclidean, between maps averaged to 4x4 (the paper takes them whole, and has probes on the image and
    on the softmax as well). In a gated block of memgate's networks the units are those of the way through the block;
    the gate's mixture is the last layer, ``penultimate``.

    Args:
        model: any module from images [b, C, H, W] in [0, 1] to logits [b, K]; put the normalisation inside it. It
            runs in eval mode and in its own precision, and is left as it was.
        images: a tensor or array [n, C, H, W], floats in [0, 1] or uint8 (which is divided by 255), n at least 1.
        support: the training samples that vote, as (images [S, C, H, W], given labels [S]) or :class:`Support`.
        neighbours: k, how many of them vote.
        layers: names of submodules from shallow to deep, ``penultimate`` for the input of the last linear layer; None
            for the stem, each unit and ``penultimate`` of memgate's networks.
        head: name of the linear layer that gives the logits, if it is not the last one that was registered.
        own: [n] row of the sample itself in the support, where it has no vote; -1 where it is not in the support.
            None: no sample is.
        batch_size: images in a pass; None for 256 on a CPU and 1024 on a GPU.
        finished: called with the number of images newly done: each of the n + S images counts once for every layer.

    Returns:
        The depths in the order of the images.

    Raises:
        MemgateError: the support has no more than k samples, there is no such layer, the images are not in [0, 1],
            the network gives no finite logits or they are not the output of the head, or ``own`` does not fit.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> _ = torch.manual_seed(0)
        >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AvgPool2d(6), nn.Flatten(), nn.Linear(8, 10))
        >>> images, labels = torch.rand(40, 3, 8, 8), torch.arange(40) % 10
        >>> voters = images[5:], labels[5:]
        >>> depths = prediction_depths(model, images[:5], voters, 3, layers=["1", "penultimate"])
        >>> depths.depth.shape, depths.knn_prediction.shape
        ((5,), (2, 5))
    """
    images = as_images(images)
    voters = Support(as_images(support[0]), support[1])
    DifficultyConfig(neighbours=neighbours, support=0).check(len(voters.images))
    labels = as_labels(voters.labels, len(voters.images)).numpy()
    own = _own_rows(own, len(images), len(labels))
    names, votes = layers_of(model, layers), {}
    prediction = np.empty(0, np.int64)
    for part in _portions(model, images[:1], names, len(images) + len(labels), head):

        def seen(count: int, layers: int = len(part)) -> None:
            finished(count * layers)

        (theirs, _), (ours, logits) = (
            features_and_logits(
                model, batch, part, head=head, reduce=coarse, batch_size=batch_size, finished=seen
            )
            for batch in (voters.images, images)
        )
        for name in part:
            votes[name] = knn_vote(ours[name], theirs[name], labels, neighbours, own)
        if PENULTIMATE in part:
            prediction = head_logits(model, torch.from_numpy(ours[PENULTIMATE]), head).argmax(1).numpy()
        elif PENULTIMATE not in names:
            prediction = logits.argmax(1)
    knn_prediction = np.stack([votes[name] for name in names])
    return Depths(
        names,
        knn_prediction.astype(np.uint16),
        prediction.astype(np.uint16),
        depth_of(knn_prediction, prediction),
    )


def _own_rows(own: NDArray[np.integer] | None, n: int, support: int) -> NDArray[np.integer]:
    """Rows of n samples in the support [n], -1 for none; refuses others."""
    if own is None:
        return np.full(n, -1)
    rows = np.asarray(own)
    if rows.shape != (n,) or rows.dtype.kind not in "iu" or rows.min() < -1 or rows.max() >= support:
        raise MemgateError(
            f"own must have a whole number for each of the {n} images: its row in the support of {support}, or -1."
        )
    return rows


def knn_vote(
    queries: NDArray[np.floating],
    support: NDArray[np.floating],
    labels: NDArray[np.integer],
    neighbours: int,
    own: NDArray[np.integer],
) -> NDArray[np.int64]:
    """The class that most of the k nearest samples have, by Euclidean distance [n].

    Of samples equally far, those that come first in the support are taken; of classes with as many votes, the
    smallest, as scikit-learn does.

    Args:
        queries: [n, d].
        support: [S, d], S above k.
        labels: [S].
        neighbours: k.
        own: [n] row of the query itself in the support, where it has no vote; -1 for none.

    Returns:
        [n].
    """
    classes = np.arange(labels.max() + 1)

    def vote(distance: NDArray[np.floating], start: int) -> NDArray[np.int64]:
        rows = own[start : start + len(distance)]
        in_support = np.flatnonzero(rows >= 0)
        distance[in_support, rows[in_support]] = np.inf
        furthest = np.partition(distance, neighbours - 1, axis=1)[:, neighbours - 1, None]
        nearer, level = distance < furthest, distance == furthest
        free = neighbours - nearer.sum(1, keepdims=True)
        chosen = nearer | (level & (level.cumsum(1) <= free))
        voters = np.nonzero(chosen)[1].reshape(-1, neighbours)
        return (labels[voters][:, :, None] == classes).sum(1).argmax(1)

    parts = pairwise_distances_chunked(queries, support, reduce_func=vote, working_memory=DISTANCE_MIB)
    return np.concatenate(list(parts))


def depth_of(knn_prediction: NDArray[np.integer], prediction: NDArray[np.integer]) -> NDArray[np.int32]:
    """First layer from which on every vote is the network's own prediction [n].

    Args:
        knn_prediction: votes [L, n], from shallow to deep.
        prediction: of the network [n].

    Returns:
        [n], from 0 to L: 0 where all agree, L where the last disagrees.
    """
    differs = knn_prediction != prediction
    # argmax finds the first disagreement from the deep end; without any it would be 0.
    depth = np.where(differs.any(0), len(differs) - differs[::-1].argmax(0), 0)
    return depth.astype(np.int32)


def coarse(output: Tensor) -> Tensor:
    """Maps [b, C, h, w] averaged to at most 4x4 and flattened [b, d]; other outputs as :func:`pooled` has them."""
    if output.ndim != 4:
        return pooled(output)
    height, width = (min(SIDE, side) for side in output.shape[2:])
    return functional.adaptive_avg_pool2d(output, (height, width)).flatten(1)


def _portions(
    model: nn.Module, image: Tensor, layers: Sequence[str], count: int, head: str | None
) -> list[list[str]]:
    """The layers in order, split so that the features of ``count`` images at each part's layers fit into memory."""
    portions: list[list[str]] = []
    used = 0
    for name, values in features(model, image, layers, head=head, reduce=coarse).items():
        size = values.nbytes * count
        if not portions or used + size > FEATURE_BYTES:
            portions.append([])
            used = 0
        portions[-1].append(name)
        used += size
    return portions
