"""Checks of labels, ids and class names before a corruption."""

from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from noise.choose import hash_text
from noise.errors import NoiseError, require


def checked(
    count: int,
    labels: ArrayLike,
    seed: int,
    dataset: str,
    class_names: Iterable[Any] | None,
    sample_id: ArrayLike | None,
) -> tuple[NDArray[np.int64], NDArray[np.int64], tuple[str, ...]]:
    """Clean labels [N], sample ids [N] and K class names for N = ``count`` images, checked.

    Raises:
        NoiseError: the arrays do not fit together, the classes are not clear, or the seed or the name cannot be
            hashed.
    """
    labels = np.asarray(labels)
    numbers = np.asarray(np.arange(count) if sample_id is None else sample_id)
    for name, column in (("labels", labels), ("sample_id", numbers)):
        require(
            column.shape == (count,) and column.dtype.kind in "iu",
            f"{name} are {column.dtype}{list(column.shape)} and must be {count} integers.",
        )
    clean, ids = labels.astype(np.int64), numbers.astype(np.int64)
    names = numbered_classes(clean) if class_names is None else class_list(class_names)
    require(
        clean.min() >= 0 and clean.max() < len(names),
        f"labels run from {clean.min()} to {clean.max()}, but there are {len(names)} class names: "
        "labels start at 0, and every class needs a name.",
    )
    require(ids.min() >= 0, f"sample_id {ids.min()} is negative: ids are row numbers, starting at 0.")
    values, counts = np.unique(ids, return_counts=True)
    require(
        len(values) == len(ids),
        f"sample_id {values[counts.argmax()]} occurs twice: every id must be distinct.",
    )
    require(
        isinstance(seed, int | np.integer) and not isinstance(seed, bool),
        f"the noise seed {seed!r} is not a whole number: give one from 0 to 2^63-1.",
    )
    require(0 <= seed < 2**63, f"the noise seed {seed} is out of range: give one from 0 to 2^63-1.")
    hash_text(dataset)
    return clean, ids, names


def class_list(names: Iterable[Any]) -> tuple[str, ...]:
    """The K class names as text, in the order of the labels; names in bytes are decoded as UTF-8.

    Args:
        names: K names, numbers or texts, distinct.

    Raises:
        NoiseError: it is no list of names, or two names are equal.
    """
    shown = repr(names)
    shown = shown if len(shown) <= 40 and "\n" not in shown else f"a {type(names).__name__}"
    message = f"class_names is {shown} and must be a list of names, one for each class."
    require(not isinstance(names, str | bytes), message)
    try:
        listed = [_name(name) for name in names]
    except TypeError as error:
        raise NoiseError(message) from error
    require(bool(listed), message)
    repeated = next((name for name, count in Counter(listed).items() if count > 1), None)
    require(repeated is None, f"class_names hold {repeated!r} twice: give each class its own name.")
    return tuple(listed)


def _name(value: Any) -> str:
    """A class name as text."""
    require(np.ndim(value) == 0, f"the class name {str(value)[:40]!r} is a list: give each class one name.")
    if not isinstance(value, bytes):
        return str(value)
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise NoiseError(f"the class name {value!r} is not UTF-8: give the names as text.") from error


def numbered_classes(*labels: NDArray[np.integer]) -> tuple[str, ...]:
    """Class names ``"0"`` to ``"K-1"`` of labels whose classes have no names, with K - 1 the largest label.

    A class without an image is most likely a mistake (labels that count from 1, a 255 for "no label"), and label
    noise would give it to images. So a data set without class names must have images of every class up to the
    largest label.

    Args:
        labels: int [N] of each split of the data set.

    Raises:
        NoiseError: a label is negative, a class has no image, or all images are of one class.
    """
    check_several_classes(*labels)
    present = np.unique(np.concatenate([np.unique(part) for part in labels]))
    lowest, highest = int(present[0]), int(present[-1])
    require(lowest >= 0, f"the labels hold {lowest}: labels count from 0.")
    # From the gaps alone: a largest label of 10^9 must not make a list of that length.
    edges = [-1, *present.tolist()]
    gaps = [(low + 1, high - 1) for low, high in pairwise(edges) if high > low + 1]
    empty = [str(low) if low == high else f"{low} to {high}" for low, high in gaps]
    more = f" and {len(empty) - 3} more ranges" if len(empty) > 3 else ""
    require(
        not gaps,
        f"the labels run from {lowest} to {highest}, and no image has the label {', '.join(empty[:3])}{more}: number "
        f"the classes from 0 without gaps, or give the names of all {highest + 1} classes as class_names.",
    )
    return tuple(map(str, range(highest + 1)))


def check_several_classes(*labels: NDArray[np.integer]) -> None:
    """Raise NoiseError when all labels of a data set (int [N] of each split) are equal, or there are none."""
    present = np.unique(np.concatenate([np.unique(part) for part in labels]))
    require(len(present) > 0, "the data set has no labels: at least two classes are needed.")
    require(len(present) > 1, f"all labels are {present[0]}: at least two classes are needed.")
