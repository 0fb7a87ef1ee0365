"""Configuration of the data set: subset, validation split, augmentation. Imports no torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from memgate.config.checks import LARGEST_SEED, MOST_IMAGES, check_types, given_path, in_range
from memgate.errors import require

DataName = Literal["cifar10", "cifar100", "svhn", "digits", "npz", "folder"]
OWN_FILES = ("npz", "folder")
"""Data sets that are the user's own files: whether their labels are right is not known."""
Augment = Literal["auto", "none", "crop", "crop-flip"]

MIN_SIDE = 8
"""Smallest side of an image in pixels: three blocks reduce it to a map of 2x2."""

LEFT_RIGHT_MATTERS = ("digits", "svhn")
"""Data sets of glyphs: a mirrored 2 is not a 2, so ``augment=auto`` does not flip them."""


@dataclass(frozen=True)
class DataConfig:
    """Data set, subset, validation split and augmentation.

    Example:
        >>> from memgate import DataConfig
        >>> DataConfig(name="digits", train_limit=500, val_fraction=0.1).augment
        'auto'
    """

    name: DataName = "cifar10"
    """Data set. cifar10, cifar100 and svhn are downloaded by torchvision; digits come with scikit-learn; npz and
    folder are your own images."""
    root: Path = Path("data")
    """Folder of the data and of its cache NAME.npz; for 'npz' the file; for 'folder' the folder that holds
    train/CLASS/ and test/CLASS/ with pictures."""
    image_size: int = 32
    """Side in pixels to which 'digits' and 'folder' images are resized (square; 8 to 1024)."""
    train_limit: int | None = None
    """Number of training images to keep, balanced over classes and drawn by --data.split-seed; sample ids do not
    change. None: all."""
    test_limit: int | None = None
    """Number of test images to keep, in the same way. None: all."""
    val_fraction: float = 0.0
    """Share of the training images held out for validation, never corrupted; in [0, 1)."""
    split_seed: int = 0
    """Seed of the subset and of the validation split, independent of --seed."""
    augment: Augment = "auto"
    """Training augmentation: random crop after padding by 4 pixels, random mirror image. auto: crop-flip, but crop
    for digits and svhn."""
    normalisation: Literal["dataset", "legacy"] = "dataset"
    """Mean and standard deviation of each channel: those of the data set, or the CIFAR-10 constants that the papers'
    code used for every data set."""

    @property
    def place(self) -> Path:
        """The root with ``~`` replaced by the home folder; raises MemgateError where it is no path."""
        return given_path("--data.root", self.root)

    def __post_init__(self) -> None:
        check_types(self, "data.")
        in_range("--data.image-size", self.image_size, MIN_SIDE, 1024, " pixels")
        in_range("--data.train-limit", self.train_limit, 1, MOST_IMAGES)
        in_range("--data.test-limit", self.test_limit, 1, MOST_IMAGES)
        in_range("--data.split-seed", self.split_seed, 0, LARGEST_SEED)
        require(
            0 <= self.val_fraction < 1,
            f"--data.val-fraction {self.val_fraction} is out of range: in [0, 1), such as 0.1.",
        )
