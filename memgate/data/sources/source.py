"""A whole data set as plain arrays, and the checks of arrays from a file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memgate.config.data import MIN_SIDE
from memgate.errors import MemgateError
from memgate.log.format import UNSEEN_CLASS
from noise.checks import check_several_classes, class_list, numbered_classes
from noise.errors import NoiseError
from noise.files import npz


@dataclass(frozen=True, eq=False)
class Part:
    """One split in the order of the official file: images uint8 [N,H,H,3], labels and sample_id int64 [N]."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    sample_id: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Source:
    """A whole data set: both splits, the class names, and the file or folder that it was read from."""

    train: Part
    test: Part
    class_names: tuple[str, ...]
    path: Path
    notes: tuple[str, ...] = ()
    """Sentences about what was left out."""


@dataclass(frozen=True)
class Official:
    """Facts about a data set in torchvision, to check a cache against."""

    class_names: tuple[str, ...]
    counts: tuple[int, int]
    """Number of training and of test images; all are 32 x 32 pixels."""
    files: str
    """The official files, for messages."""


def load_arrays(path: Path, remedy: str) -> dict[str, NDArray[Any]]:
    """Name to array of an .npz file; objects (pickles) are refused, because they can run code.

    Raises:
        MemgateError: the file cannot be read; the message ends with ``remedy``.
    """
    try:
        return npz.read_npz(path, remedy=remedy)
    except NoiseError as error:
        raise MemgateError(str(error)) from error


def problem_with(arrays: dict[str, NDArray[Any]], official: Official | None = None) -> str | None:
    """Reason why ``arrays`` are not a valid data set, or not the official one; None if they are."""
    keys = [f"{split}_{what}" for split in ("train", "test") for what in ("images", "labels")]
    missing = [key for key in keys if key not in arrays]
    if missing:
        return f"it lacks {' and '.join(missing)}"
    class_count = UNSEEN_CLASS
    try:
        if official or "class_names" in arrays:
            class_count = len(official.class_names if official else class_list(arrays["class_names"]))
    except NoiseError as error:
        return str(error).rstrip(".")
    if class_count > UNSEEN_CLASS:
        return f"class_names has {class_count} names, and there may be at most {UNSEEN_CLASS} classes"
    side = 32 if official else None
    for split, most in zip(("train", "test"), official.counts if official else (None, None), strict=True):
        images, labels = arrays[f"{split}_images"], arrays[f"{split}_labels"]
        problem = _split_problem(split, images, labels, class_count, side)
        if problem is not None:
            return problem
        if most is not None and len(images) > most:
            return f"it has {len(images)} {split} images, but the official file has {most}"
        side = images.shape[1]
    try:
        check_several_classes(arrays["train_labels"], arrays["test_labels"])
    except NoiseError as error:
        return str(error).rstrip(".")
    return None


def named_classes(arrays: dict[str, NDArray[Any]]) -> tuple[str, ...]:
    """Names of the classes of a data set of one's own: those that it has, or the numbers of classes without a gap.

    Raises:
        NoiseError: the names are no list of distinct names, or there are none and a class has no image.
    """
    if "class_names" in arrays:
        return class_list(arrays["class_names"])
    return numbered_classes(arrays["train_labels"], arrays["test_labels"])


def class_notes(names: tuple[str, ...]) -> tuple[str, ...]:
    """A sentence about K class names that are numbers and not those of their labels; none where there is no such name.

    Example:
        >>> class_notes(("1", "10", "2"))
        ("The class names are numbers, but not the labels: label 0 is class '1', label 1 is class '10'.",)
    """
    differ = [label for label, name in enumerate(names) if name != str(label)]
    if not differ or not all(name.isascii() and name.isdecimal() for name in names):
        return ()
    shown = ", ".join(f"label {label} is class {names[label][:20]!r}" for label in differ[:2])
    return (f"The class names are numbers, but not the labels: {shown}{', …' * (len(differ) > 2)}.",)


def _split_problem(
    split: str, images: NDArray[Any], labels: NDArray[Any], class_count: int, side: int | None
) -> str | None:
    """Reason why arrays are not a valid split, or None; ``side`` is the required width, None for any."""
    if images.dtype != np.uint8:
        return f"{split}_images is {images.dtype}, not uint8"
    height = images.shape[1] if images.ndim == 4 else 0
    if height < MIN_SIDE or images.shape[1:] != (height, height, 3) or height != (side or height):
        wanted = f"[N,{side},{side},3]" if side else f"[N,H,H,3] with H at least {MIN_SIDE}"
        return f"{split}_images has the shape {list(images.shape)}, not {wanted}"
    if len(images) == 0:
        return f"{split}_images holds no image"
    if labels.dtype.kind not in "iu":
        return f"{split}_labels is {labels.dtype}, not integers"
    if labels.shape != images.shape[:1]:
        return f"{split}_labels has the shape {list(labels.shape)} beside {len(images)} images"
    if labels.min() < 0 or labels.max() >= class_count:
        wrong = labels.min() if labels.min() < 0 else labels.max()
        return f"{split}_labels has the label {wrong}, outside 0 to {class_count - 1}"
    return None


def as_source(arrays: dict[str, NDArray[Any]], class_names: tuple[str, ...], path: Path) -> Source:
    """Checked arrays by their keys in a cache as a source; ids are row numbers."""

    def part(split: str) -> Part:
        labels = arrays[f"{split}_labels"].astype(np.int64, copy=False)
        return Part(arrays[f"{split}_images"], labels, np.arange(len(labels)))

    return Source(part("train"), part("test"), class_names, path)
