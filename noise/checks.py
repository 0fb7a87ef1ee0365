"""Checks of the arrays before a corruption."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from noise.choose import hash_text
from noise.errors import require


def checked(
    images: ArrayLike,
    labels: ArrayLike,
    seed: int,
    dataset: str,
    class_names: Sequence[str],
    sample_id: ArrayLike | None,
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64], tuple[str, ...]]:
    """Images [N, H, W, C] uint8, clean labels [N], sample ids [N] and K class names, checked.

    Raises:
        NoiseError: the arrays do not fit together, or the seed or the name cannot be hashed.
    """
    images, labels = np.asarray(images), np.asarray(labels)
    require(
        images.dtype == np.uint8 and images.ndim == 4 and images.size > 0,
        f"images are {images.dtype}{list(images.shape)} and must be uint8[N, H, W, C] with N at least 1.",
    )
    require(
        images.shape[-1] <= 4,
        f"images are {list(images.shape)}, with {images.shape[-1]} channels: the channels must be the last axis; "
        "images.transpose(0, 2, 3, 1) may be what you mean.",
    )
    numbers = np.asarray(np.arange(len(images)) if sample_id is None else sample_id)
    for name, column in (("labels", labels), ("sample_id", numbers)):
        require(
            column.shape == (len(images),) and column.dtype.kind in "iu",
            f"{name} are {column.dtype}{list(column.shape)} and must be {len(images)} integers.",
        )
    clean, ids = labels.astype(np.int64), numbers.astype(np.int64)
    names = tuple(str(name) for name in class_names)
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
    return images, clean, ids, names
