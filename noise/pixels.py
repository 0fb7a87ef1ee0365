"""Channel statistics, and rendering in chunks that keep temporary arrays small."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CHUNK_VALUES = 2**20
"""Pixel values per chunk: a float64 temporary takes 8 MB, whatever the image size."""


def chunk_length(shape: tuple[int, ...]) -> int:
    """Number of images of shape (H, W, C) in a chunk of :data:`CHUNK_VALUES` pixel values, at least one."""
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

    Returns:
        In units of uint8 pixels.
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


def in_steps(
    positions: NDArray[np.int64],
    shape: tuple[int, ...],
    render: Callable[[NDArray[np.int64]], NDArray[np.uint8]],
) -> NDArray[np.uint8]:
    """Images [n, H, W, C] uint8 of all positions, rendered in chunks.

    Args:
        positions: [n] int64.
        shape: (H, W, C) of one image.
        render: [m] positions to [m, H, W, C] uint8.

    Returns:
        [n, H, W, C] uint8.
    """
    values = np.empty((len(positions), *shape), dtype=np.uint8)
    step = chunk_length(shape)
    for start in range(0, len(positions), step):
        values[start : start + step] = render(positions[start : start + step])
    return values
