"""The handwritten digits of scikit-learn: 1,797 images that need no download."""

from pathlib import Path
from typing import Any

import numpy as np

from memgate.config.run import DataConfig
from memgate.data.picture_files import squared
from memgate.data.sources.source import Part, Source
from noise.choose import hash_order

DIGIT_NAMES = tuple("0123456789")
DIGITS_TEST_PER_CLASS = 36
"""Test images per class: 360 of the 1,797 digits are test images, 1,437 are training images."""


def read_digits(config: DataConfig) -> Source:
    """The 1,797 digits of scikit-learn, enlarged; ids are its rows, and the split is fixed by hash."""
    import sklearn.datasets
    from PIL import Image

    bunch: Any = sklearn.datasets.load_digits()
    values, labels = bunch.images.astype(np.int64), bunch.target.astype(np.int64)
    small = ((values * 255 + 8) // 16).astype(np.uint8)  # 0..16 to 0..255, rounded
    if config.image_size == small.shape[1]:  # pictures for Pillow would take most of the time
        images = np.repeat(small[..., None], 3, axis=3)
    else:
        images = np.stack([squared(Image.fromarray(image), config.image_size) for image in small])
    sample_id = np.arange(len(labels))
    order = hash_order(sample_id, "data", "digits", "test")
    by_class = [order[labels[order] == digit][:DIGITS_TEST_PER_CLASS] for digit in range(10)]
    is_test = np.isin(sample_id, np.concatenate(by_class))
    return Source(
        train=Part(images[~is_test], labels[~is_test], sample_id[~is_test]),
        test=Part(images[is_test], labels[is_test], sample_id[is_test]),
        class_names=DIGIT_NAMES,
        path=Path(sklearn.datasets.__file__).parent / "data" / "digits.csv.gz",
    )
