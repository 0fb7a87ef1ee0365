"""Image noise: what a sample shows instead of its clean image."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from noise.streams import normals
from noise.task import Change, Task

CHUNK_VALUES = 2**20
"""Pixel values per step: temporaries of eight bytes a value stay at 8 MB, whatever the image size."""


def chunk_length(shape: tuple[int, ...]) -> int:
    """Images of this shape per step of :data:`CHUNK_VALUES`, at least one."""
    return max(1, CHUNK_VALUES // math.prod(shape))


@dataclass(frozen=True, eq=False)
class ChannelStatistics:
    """Mean and standard deviation of each channel, float64 [C], in units of uint8 pixels."""

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]


def channel_statistics(images: NDArray[np.uint8]) -> ChannelStatistics:
    """Mean and (population) standard deviation of each channel over all pixels of all images.

    Computed from integer sums, so the result does not depend on the order of the images or of the summation.

    Args:
        images: [N, H, W, C] uint8, N at least 1.
    """
    channels = images.shape[-1]
    histogram = np.zeros((channels, 256), dtype=np.int64)
    step = chunk_length(images.shape[1:])
    for start in range(0, len(images), step):
        pixels = images[start : start + step].reshape(-1, channels)
        for channel in range(channels):
            histogram[channel] += np.bincount(pixels[:, channel], minlength=256)
    mean, deviation = [], []
    for counts in histogram.tolist():
        total = sum(counts)
        first = sum(value * count for value, count in enumerate(counts))
        second = sum(value * value * count for value, count in enumerate(counts))
        mean.append(first / total)
        deviation.append(math.sqrt((total * second - first * first) / (total * total)))
    return ChannelStatistics(np.array(mean), np.array(deviation))


def gaussian_pixels(
    statistics: ChannelStatistics, shape: tuple[int, ...], words: NDArray[np.uint64]
) -> NDArray[np.uint8]:
    """Images of independent Gaussian pixels with the given channel mean and deviation (``randx_gaussian``).

    The Gaussian images of Zhang et al. 2017 (arXiv 1611.03530) and the randX of Arpit et al. 2017
    (arXiv 1706.05394). Rounded to the nearest integer and clipped to [0, 255], which narrows the spread a
    little for channels of high contrast.

    Args:
        statistics: of the clean data set.
        shape: (H, W, C) of one image.
        words: [n, H*W*C] random words, one per pixel value.

    Returns:
        [n, H, W, C] uint8.
    """
    values = normals(words).reshape(len(words), *shape)
    values *= statistics.deviation
    values += statistics.mean
    np.rint(values, out=values)
    return np.clip(values, 0, 255, out=values).astype(np.uint8)


def randx(task: Task) -> Change:
    """``randx:rate`` on a task: :func:`gaussian_pixels` with the statistics of all its clean images."""
    positions = task.take(task.order())
    shape = task.images.shape[1:]
    values = np.empty((len(positions), *shape), dtype=np.uint8)
    statistics = channel_statistics(task.images)
    step = chunk_length(shape)
    for start in range(0, len(positions), step):
        words = task.words(positions[start : start + step], math.prod(shape))
        values[start : start + step] = gaussian_pixels(statistics, shape, words)
    return Change(positions, values)
