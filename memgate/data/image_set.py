"""The splits of a data set: image sets, limits, the validation split, statistics. Imports no torch."""

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from memgate.config.run import DataConfig
from memgate.data.plain_images import plain_notes
from memgate.data.sources import Part, Source, read_source
from memgate.data.sources.source import class_notes
from memgate.errors import MemgateError
from noise import pixels as noise_pixels
from noise.choose import exact_count, hash_order
from noise.files.digests import source_digest

SplitName = Literal["train", "val", "test"]
Channels = tuple[float, float, float]
"""One number each for red, green and blue."""

LEGACY_MEAN: Channels = (0.4914, 0.4822, 0.4465)
LEGACY_STD: Channels = (0.2023, 0.1994, 0.2010)
"""Constants of the papers' code for every data set.

The mean is that of CIFAR-10. The standard deviations are not those of its pixels (0.2470, 0.2435, 0.2616) but the mean
of the standard deviations of single images, an error that many repositories copied. Kept to reproduce the numbers of
the papers (spec gating, section 6).
"""


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images and labels of one split; row i has the id ``sample_id[i]``, which limits do not change.

    Attributes:
        images: uint8 [N,H,W,3], H = W.
        labels: int64 [N], from 0 to class_count - 1.
        sample_id: int64 [N], distinct: the row in the official file of the split (for digits, of the whole data set).
        class_names: K names, in the order of the labels.
        split: train, val or test; val rows are rows of the official training file.
        name: name of the data set.
        grey: whether all images of the data set, over its splits and before its limits, are grey (equal channels).
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    sample_id: NDArray[np.int64]
    class_names: tuple[str, ...]
    split: SplitName
    name: str
    grey: bool

    def __post_init__(self) -> None:
        count = len(self.images)
        if self.images.dtype != np.uint8 or self.images.ndim != 4 or self.images.shape[3] != 3:
            raise ValueError(f"images are {self.images.dtype} {self.images.shape}, not uint8 [N,H,W,3]")
        for what, column in (("labels", self.labels), ("sample_id", self.sample_id)):
            if column.dtype != np.int64 or column.shape != (count,):
                raise ValueError(f"{what} is {column.dtype} {column.shape}, not int64 [{count}]")

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def class_count(self) -> int:
        """Number of classes K, including classes without samples."""
        return len(self.class_names)

    @property
    def side(self) -> int:
        """Side of the images in pixels."""
        return self.images.shape[1]

    @cached_property
    def digest(self) -> str:
        """SHA-256 of images and labels; equals ``source_digest`` in a manifest of this split."""
        return source_digest(self.images, self.labels)

    def subset(self, positions: NDArray[np.integer]) -> "ImageSet":
        """The samples at ``positions`` (int [n], rows and not ids), in that order, with their ids."""
        return dataclasses.replace(
            self,
            images=self.images[positions],
            labels=self.labels[positions],
            sample_id=self.sample_id[positions],
        )

    def with_content(self, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> "ImageSet":
        """The same samples with other images uint8 [N,H,W,3] and labels int64 [N], for example corrupted ones."""
        if len(images) != len(self):
            raise ValueError(f"{len(images)} images for {len(self)} samples")
        return dataclasses.replace(self, images=images, labels=labels)


@dataclass(frozen=True, eq=False)
class Splits:
    """The splits of a data set, and the file or folder that they were read from."""

    train: ImageSet
    val: ImageSet | None
    test: ImageSet
    source: Path
    notes: tuple[str, ...] = ()
    """Sentences for the user: what was left out, and images that show nothing."""

    @property
    def present(self) -> dict[str, ImageSet]:
        """Name to split, in the order train, val, test; val is absent where there is none."""
        splits = {"train": self.train, "val": self.val, "test": self.test}
        return {name: images for name, images in splits.items() if images is not None}

    @property
    def digests(self) -> dict[str, str]:
        """Split to the digest of its images and labels."""
        return {split: images.digest for split, images in self.present.items()}


def load_splits(config: DataConfig) -> Splits:
    """Splits of the data set that ``config`` names, after its limits and with its validation split.

    Raises:
        MemgateError: the data is missing or invalid, a limit exceeds it, or a class would be left without
            training images.
    """
    source = read_source(config)
    grey = noise_pixels.is_grey(source.train.images) and noise_pixels.is_grey(source.test.images)
    train = _image_set(config.name, source, source.train, "train", grey)
    test = _image_set(config.name, source, source.test, "test", grey)
    if config.train_limit is not None:
        train = limited(train, config.train_limit, config.split_seed)
    if config.test_limit is not None:
        test = limited(test, config.test_limit, config.split_seed)
    val = None
    if config.val_fraction > 0:
        train, val = split_validation(train, config.val_fraction, config.split_seed)
    splits = Splits(train, val, test, source.path)
    notes = [*source.notes, *class_notes(source.class_names)]
    for split, images in splits.present.items():
        notes += plain_notes(images.images, f"{split} images", images.sample_id)
    return dataclasses.replace(splits, notes=tuple(notes))


def prepare(config: DataConfig) -> Path:
    """The file or folder from which a data set is read, after it was downloaded (if needed), verified and cached.

    Raises:
        MemgateError: the data is missing and cannot be downloaded, or is invalid, or the cache cannot be written.
    """
    return read_source(config).path


def _image_set(name: str, source: Source, part: Part, split: SplitName, grey: bool) -> ImageSet:
    return ImageSet(part.images, part.labels, part.sample_id, source.class_names, split, name, grey)


# --------------------------------------------------------------------------------------------------------
# Limits and the validation split


def limited(images: ImageSet, limit: int, seed: int) -> ImageSet:
    """A fixed, class-balanced subset of ``limit`` samples, sorted by id.

    Each of K classes contributes ``limit // K`` samples, and the classes whose next hash is smallest contribute one
    more for the remainder; where a class has too few, the others contribute more. The subset depends only on the
    samples' ids and labels, the data set's name and ``seed``, and is part of every larger subset of the same seed.

    Raises:
        MemgateError: ``limit`` is larger than the set.
    """
    if limit > len(images):
        raise MemgateError(
            f"--data.{images.split}-limit {limit} is more than the {len(images)} {images.split} images of "
            f"{images.name}: give at most {len(images)}, or leave it out to use all of them."
        )
    hash_rank, class_rank = _ranks(images, "limit", seed)
    # In each round every class contributes its next sample by hash, so every prefix is balanced.
    chosen = np.lexsort((hash_rank, class_rank))[:limit]
    return images.subset(_by_id(images, chosen))


def split_validation(train: ImageSet, fraction: float, seed: int) -> tuple[ImageSet, ImageSet]:
    """Training set and validation set, disjoint, stratified by class, both sorted by id.

    Exactly ``fraction`` of the samples (halves rounded up) are held out, apportioned to the classes by Webster's
    method. The choice depends only on ids, labels, the data set's name and ``seed``.

    Args:
        train: the training set, after its limit.
        fraction: share of the samples to hold out, in (0, 1).
        seed: seed of the split.

    Raises:
        MemgateError: the fraction is less than one sample, or leaves a class without a training sample.
    """
    total = exact_count(fraction, len(train))
    if total == 0:
        raise MemgateError(
            f"--data.val-fraction {fraction} of {len(train)} training images is less than one image: "
            "raise it, or leave it out."
        )
    hash_rank, class_rank = _ranks(train, "val", seed)
    counts = np.bincount(train.labels, minlength=train.class_count)
    # Sample r of the n samples of a class has the key (r + 1/2) / n, and the smallest keys are held out: the total is
    # exact without rounding per class. Equal fractions are equal floats, so real ties are broken by hash.
    order = np.lexsort((hash_rank, (2 * class_rank + 1) / counts[train.labels]))
    remaining = np.bincount(train.labels[order[total:]], minlength=train.class_count)
    emptied = np.flatnonzero((remaining == 0) & (counts > 0))
    if len(emptied):
        raise MemgateError(
            f"--data.val-fraction {fraction} of {len(train)} training images leaves none of class "
            f"{train.class_names[emptied[0]]} for training: lower it, or raise --data.train-limit."
        )
    val = dataclasses.replace(train.subset(_by_id(train, order[:total])), split="val")
    return train.subset(_by_id(train, order[total:])), val


def _ranks(images: ImageSet, purpose: str, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rank of each sample by hash among all samples and among those of its class, both int64 [N], from 0."""
    order = hash_order(images.sample_id, "data", images.name, images.split, purpose, seed)
    labels = images.labels
    hash_rank, class_rank = np.empty((2, len(labels)), np.int64)
    hash_rank[order] = np.arange(len(labels))
    by_class = order[np.argsort(labels[order], kind="stable")]
    counts = np.bincount(labels)
    class_rank[by_class] = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
    return hash_rank, class_rank


def _by_id(images: ImageSet, positions: NDArray[np.int64]) -> NDArray[np.int64]:
    """Positions [n] sorted by the ids of the samples."""
    return positions[np.argsort(images.sample_id[positions])]


# --------------------------------------------------------------------------------------------------------
# Statistics


def channel_statistics(images: NDArray[np.uint8]) -> tuple[Channels, Channels]:
    """Mean and (population) standard deviation of each channel over all pixels, for values scaled to [0, 1].

    Args:
        images: uint8 [N,H,W,3], N >= 1.

    Returns:
        (mean, std), three floats each; the std of a constant channel is 0.
    """
    statistics = noise_pixels.channel_statistics(images)
    (red, green, blue), (red_std, green_std, blue_std) = statistics.mean / 255, statistics.deviation / 255
    return (float(red), float(green), float(blue)), (float(red_std), float(green_std), float(blue_std))


def normalisation(config: DataConfig, train: ImageSet) -> tuple[Channels, Channels]:
    """Channel means and standard deviations of the normalisation (x/255 - mean) / std of the network's input.

    Args:
        config: selects the statistics of the data set or the constants of the papers.
        train: the training set from which the statistics of the data set are computed.

    Returns:
        (mean, std), three floats each; every std is above 0 (1 for a constant channel).
    """
    if config.normalisation == "legacy":
        return LEGACY_MEAN, LEGACY_STD
    mean, (red, green, blue) = channel_statistics(train.images)
    return mean, (red or 1.0, green or 1.0, blue or 1.0)


def describe(splits: Splits) -> dict[str, Any]:
    """Facts about a data set as plain values, for a table or JSON.

    Returns:
        ``name``, ``source`` (path as text), ``image_size``, ``classes`` (names), ``mean`` and ``std`` (of the
        training split), and ``splits``: for each split ``split``, ``images`` (number), ``digest`` and
        ``class_images`` (number of images of each class, in the order of ``classes``).
    """
    mean, std = channel_statistics(splits.train.images)
    return {
        "name": splits.train.name,
        "source": str(splits.source),
        "image_size": splits.train.side,
        "classes": list(splits.train.class_names),
        "mean": list(mean),
        "std": list(std),
        "splits": [_row(images) for images in splits.present.values()],
    }


def _row(images: ImageSet) -> dict[str, Any]:
    """Facts about one split, for :func:`describe`."""
    counts = np.bincount(images.labels, minlength=images.class_count)
    return {
        "split": images.split,
        "images": len(images),
        "digest": images.digest,
        "class_images": counts.tolist(),
    }
