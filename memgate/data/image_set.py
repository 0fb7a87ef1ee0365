"""The pictures of a run: image sets, limits, the validation split, statistics. Imports no torch."""

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from memgate.config.run import DataConfig
from memgate.data.sources import Part, Source, read_source
from memgate.errors import MemgateError
from noise import pixels as images_noise
from noise.choose import exact_count, hash_order
from noise.files.digests import source_digest

SplitName = Literal["train", "val", "test"]
Channels = tuple[float, float, float]
"""One number for each of red, green and blue."""

LEGACY_MEAN: Channels = (0.4914, 0.4822, 0.4465)
LEGACY_STD: Channels = (0.2023, 0.1994, 0.2010)
"""What the papers' code used for every data set. The mean is CIFAR-10's; the standard deviations are no
standard deviation of its pixels (0.2470, 0.2435, 0.2616) but the mean of each image's own, a slip that many
repositories copied. Kept for reproducing the papers' numbers (spec gating, section 6)."""


@dataclass(frozen=True, eq=False)
class ImageSet:
    """The pictures and labels of one split; row i has the id ``sample_id[i]``, whatever was left out.

    Attributes:
        images: uint8 [N,H,W,3], H = W.
        labels: int64 [N], from 0 to class_count - 1.
        sample_id: int64 [N], distinct: the row in the official file (of its split; for digits, of the whole).
        class_names: one name a class, in the order of the labels.
        split: train, val or test; val rows are rows of the official training file.
        name: the data set's name.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    sample_id: NDArray[np.int64]
    class_names: tuple[str, ...]
    split: SplitName
    name: str

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
        """Number of classes K, whether or not each of them occurs."""
        return len(self.class_names)

    @property
    def side(self) -> int:
        """Side of the images in pixels."""
        return self.images.shape[1]

    @cached_property
    def digest(self) -> str:
        """SHA-256 of images and labels, the same as ``source_digest`` in a manifest of this split."""
        return source_digest(self.images, self.labels)

    def subset(self, positions: NDArray[np.integer]) -> "ImageSet":
        """The rows at ``positions`` (int [n], not ids), in that order, with the ids that they have."""
        return dataclasses.replace(
            self,
            images=self.images[positions],
            labels=self.labels[positions],
            sample_id=self.sample_id[positions],
        )

    def with_content(self, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> "ImageSet":
        """The same samples with other images uint8 [N,H,W,3] and labels int64 [N], as after a corruption."""
        if len(images) != len(self):
            raise ValueError(f"{len(images)} images for {len(self)} samples")
        return dataclasses.replace(self, images=images, labels=labels)


@dataclass(frozen=True, eq=False)
class Splits:
    """The splits of a run, and the file or folder that they were read from."""

    train: ImageSet
    val: ImageSet | None
    test: ImageSet
    source: Path

    @property
    def present(self) -> dict[str, ImageSet]:
        """The splits that there are, by name, in the order train, val, test."""
        found = {"train": self.train, "val": self.val, "test": self.test}
        return {split: images for split, images in found.items() if images is not None}

    @property
    def digests(self) -> dict[str, str]:
        """Split to the digest of its images and labels."""
        return {split: images.digest for split, images in self.present.items()}


def load_splits(config: DataConfig) -> Splits:
    """The data set that ``config`` names: whole, then limited, then with its validation split taken off.

    Raises:
        MemgateError: the data is missing or wrong, a limit exceeds it, or a class would be left without
            training images.
    """
    source = read_source(config)
    train = _image_set(config.name, source, source.train, "train")
    test = _image_set(config.name, source, source.test, "test")
    if config.train_limit is not None:
        train = limited(train, config.train_limit, config.split_seed)
    if config.test_limit is not None:
        test = limited(test, config.test_limit, config.split_seed)
    val = None
    if config.val_fraction > 0:
        train, val = split_validation(train, config.val_fraction, config.split_seed)
    return Splits(train, val, test, source.path)


def prepare(config: DataConfig) -> Path:
    """Fetch, verify and cache the data set that ``config`` names; return the file or folder it is read from.

    Raises:
        MemgateError: it is missing and cannot be fetched, or is wrong, or the cache cannot be written.
    """
    return read_source(config).path


def _image_set(name: str, source: Source, part: Part, split: SplitName) -> ImageSet:
    return ImageSet(part.images, part.labels, part.sample_id, source.class_names, split, name)


# --------------------------------------------------------------------------------------------------------
# Limits and the validation split


def limited(images: ImageSet, limit: int, seed: int) -> ImageSet:
    """A fixed, class-balanced subset, sorted by id.

    Each of K classes gives ``limit // K`` samples; the classes whose next hash is smallest give one more for
    the remainder; where a class has too few, the others give more. The subset depends on the samples' ids,
    labels, the data set's name and ``seed`` alone, and lies within every larger one of the same seed.

    Raises:
        MemgateError: ``limit`` is larger than the set.
    """
    if limit > len(images):
        raise MemgateError(
            f"--data.{images.split}-limit {limit} is more than the {len(images)} {images.split} images of "
            f"{images.name}: ask for at most {len(images)}, or leave it out for all of them."
        )
    hash_rank, class_rank = _ranks(images, "limit", seed)
    # Round by round, every class gives its next sample by hash: so every beginning is balanced, and nested.
    chosen = np.lexsort((hash_rank, class_rank))[:limit]
    return images.subset(_by_id(images, chosen))


def split_validation(train: ImageSet, fraction: float, seed: int) -> tuple[ImageSet, ImageSet]:
    """Training set and validation set: disjoint, stratified by class, both sorted by id.

    Exactly ``fraction`` of the samples (a half rounded up) are held out, shared among the classes by
    Webster's apportionment; ids, labels, the data set's name and ``seed`` alone decide which.

    Args:
        train: the training set, limited already.
        fraction: in (0, 1).
        seed: of the split.

    Raises:
        MemgateError: the fraction is no whole sample, or leaves a class without a training sample.
    """
    total = exact_count(fraction, len(train))
    if total == 0:
        raise MemgateError(
            f"--data.val-fraction {fraction} of {len(train)} training images is less than one image: "
            "raise it, or leave it out."
        )
    hash_rank, class_rank = _ranks(train, "val", seed)
    counts = np.bincount(train.labels, minlength=train.class_count)
    # Sample r of a class of n stands at (r + 1/2) / n, and the first ones are held out: exact in total
    # without rounding each class by itself. Equal fractions are equal floats, so true ties go by hash.
    order = np.lexsort((hash_rank, (2 * class_rank + 1) / counts[train.labels]))
    left = np.bincount(train.labels[order[total:]], minlength=train.class_count)
    emptied = np.flatnonzero((left == 0) & (counts > 0))
    if len(emptied):
        raise MemgateError(
            f"--data.val-fraction {fraction} of {len(train)} training images leaves none of class "
            f"{train.class_names[emptied[0]]} for training: lower it, or raise --data.train-limit."
        )
    val = dataclasses.replace(train.subset(_by_id(train, order[:total])), split="val")
    return train.subset(_by_id(train, order[total:])), val


def _ranks(images: ImageSet, purpose: str, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Each sample's place by hash, among all samples and among those of its class: int64 [N], from 0."""
    order = hash_order(images.sample_id, "data", images.name, images.split, purpose, seed)
    labels = images.labels
    hash_rank, class_rank = np.empty((2, len(labels)), np.int64)
    hash_rank[order] = np.arange(len(labels))
    by_class = order[np.argsort(labels[order], kind="stable")]
    counts = np.bincount(labels)
    class_rank[by_class] = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
    return hash_rank, class_rank


def _by_id(images: ImageSet, positions: NDArray[np.int64]) -> NDArray[np.int64]:
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
    found = images_noise.channel_statistics(images)
    (red, green, blue), (red_std, green_std, blue_std) = found.mean / 255, found.deviation / 255
    return (float(red), float(green), float(blue)), (float(red_std), float(green_std), float(blue_std))


def normalisation(config: DataConfig, train: ImageSet) -> tuple[Channels, Channels]:
    """Mean and standard deviation with which the network's input is normalised: (x/255 - mean) / std.

    Args:
        config: says whether the data set's own or the papers' constants.
        train: the training set that the data set's own are taken from.

    Returns:
        (mean, std), three floats each, every std above 0 (1 for a constant channel, which carries nothing).
    """
    if config.normalisation == "legacy":
        return LEGACY_MEAN, LEGACY_STD
    mean, (red, green, blue) = channel_statistics(train.images)
    return mean, (red or 1.0, green or 1.0, blue or 1.0)


def describe(splits: Splits) -> dict[str, Any]:
    """What a data set is, as plain values for a table or JSON.

    Returns:
        ``name``, ``source`` (path as text), ``image_size``, ``classes`` (names), ``mean`` and ``std`` (of the
        training split), and ``splits``: for train, val and test, as far as there, ``split``, ``images``,
        ``digest`` and ``class_images`` (number of images of each class, in the order of ``classes``).
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
    counts = np.bincount(images.labels, minlength=images.class_count)
    return {
        "split": images.split,
        "images": len(images),
        "digest": images.digest,
        "class_images": counts.tolist(),
    }
