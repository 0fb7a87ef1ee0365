"""Readers of published scores of training images of CIFAR-10, CIFAR-100 and ImageNet: memorisation and C-scores.

None of the files is included in this package; the user downloads them.

- ``memorisation``: memorisation scores P(right | in the training set) - P(right | not in it) of Feldman and Zhang 2020
  (arXiv 2008.03703), ``cifar100_infl_matrix.npz`` or ``imagenet_index.npz`` (2,000 networks on 70 % of the images), or
  any npz with ``memorization`` [N] in the original order. High is harder.
- ``cscores``: C-scores (Jiang et al. 2021, arXiv 2002.03206), the npz file in the original order (CIFAR) or with file
  names (ImageNet), ``scores`` [N] and ``labels`` [N]. Low is harder.

A file of CIFAR lists 50,000 images in the official order, and says by its labels which data set it is about. A file of
ImageNet names its images: a sample's id is then its place in the sorted list of names, which is the order in which a
folder of class folders is read.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from memgate.errors import MemgateError, require
from noise.files.tables import UNNAMED
from probes.external.cifar10 import TRAIN, columns
from probes.external.record import External

DATASETS = {10: "CIFAR-10", 100: "CIFAR-100"}
"""Number of classes to the data set of 50,000 training images that has them."""

IMAGENET = "ImageNet"


def memorisation(path: Path) -> External:
    """Published memorisation scores.

    Raises:
        MemgateError: the file has no such scores, or its arrays do not fit together.
    """
    return _published(
        path, "memorisation", "the memorisation score", +1, ("tr_mem", "memorization", UNNAMED), "tr_",
        "take cifar100_infl_matrix.npz or imagenet_index.npz of Feldman and Zhang",
    )  # fmt: skip


def cscores(path: Path) -> External:
    """Published C-scores; raises MemgateError as :func:`memorisation` does."""
    return _published(
        path, "cscores", "the C-score", -1, ("scores", UNNAMED), "", "take the C-scores in orig-order"
    )


def _published(
    path: Path, name: str, what: str, direction: int, keys: Sequence[str], prefix: str, remedy: str
) -> External:
    """Scores of a file: the first of ``keys`` that it has, with the labels and file names that belong to them."""
    arrays = columns(path)
    key = next((key for key in keys if key in arrays), None)
    scores = None if key is None else arrays[key]
    names = arrays.get(f"{prefix}filenames")
    if (
        scores is None
        or scores.ndim != 1
        or scores.dtype.kind != "f"
        or (names is None and len(scores) != TRAIN)
    ):
        wanted = " or ".join(repr(key) for key in keys if key)
        raise MemgateError(f"{path} has no array {wanted} of {TRAIN} numbers: {remedy}.")
    if names is not None:
        ids, labels = _by_name(path, names, len(scores), remedy)
        dataset = IMAGENET
    else:
        ids, labels = np.arange(TRAIN), _labels(path, arrays, prefix, remedy)
        dataset = None if labels is None else DATASETS.get(int(labels.max()) + 1)
        # Without labels the C-scores are taken for those of CIFAR-10, as there is nothing else to go by.
        dataset = dataset or (DATASETS[10] if name == "cscores" and labels is None else None)
    return External(
        name, what, path.name, "train", direction, ids, scores.astype(np.float64), labels, dataset=dataset
    )


def _labels(path: Path, arrays: Mapping[str, NDArray], prefix: str, remedy: str) -> NDArray[np.int64] | None:
    labels = arrays.get(f"{prefix}labels")
    if labels is None:
        return None
    require(
        labels.shape == (TRAIN,) and labels.dtype.kind in "iu",
        f"{path} has an array '{prefix}labels' that is no list of {TRAIN} class numbers: {remedy}.",
    )
    return labels.astype(np.int64)


def _by_name(
    path: Path, names: NDArray, count: int, remedy: str
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Ids and labels [N] of images by their file names ``n01440764_10026.JPEG``; the class is what comes before ``_``.

    Classes are numbered in the order of their names, as those of a folder are.
    """
    texts = np.char.decode(names, "utf-8") if names.dtype.kind == "S" else names
    require(
        texts.shape == (count,) and texts.dtype.kind == "U" and len(np.unique(texts)) == count,
        f"{path} has file names that are no list of {count} different texts, one for each score: {remedy}.",
    )
    classes = np.array([text.rpartition("/")[2].partition("_")[0] for text in texts.tolist()])
    ids = np.empty(count, np.int64)
    ids[np.argsort(texts, kind="stable")] = np.arange(count)
    return ids, np.unique(classes, return_inverse=True)[1].ravel()
