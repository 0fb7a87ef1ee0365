"""Grey and colour, channel statistics, and rendering in chunks that keep temporary arrays small."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from noise.errors import NoiseError, require

CHUNK_VALUES = 2**20
"""Pixel values per chunk: a float64 temporary takes 8 MB, whatever the image size."""


def chunk_length(shape: tuple[int, ...]) -> int:
    """Number of images of shape (H, W, C) in a chunk of :data:`CHUNK_VALUES` pixel values, at least one."""
    return max(1, CHUNK_VALUES // math.prod(shape))


def checked_images(images: ArrayLike) -> NDArray[np.uint8]:
    """The images as an array: uint8 [N, H, W, C] with C up to 4, or grey in a layout of :func:`in_colour`.

    Raises:
        NoiseError: they have another type or shape, or differ in shape among themselves.
    """
    try:
        array = np.asarray(images)
    except (TypeError, ValueError, RuntimeError) as error:
        raise NoiseError(
            f"the images cannot be converted to an array ({error}): give one array on the CPU, of images of one size."
        ) from error
    require(
        array.dtype == np.uint8 and array.ndim in (3, 4) and array.size > 0,
        f"images are {array.dtype}{list(array.shape)} and must be uint8[N, H, W, C], or grey uint8[N, H, W], with N "
        "at least 1: scale values from 0 to 255 and round them to uint8.",
    )
    require(
        in_colour(array[:1]).shape[-1] <= 4,
        f"images are {list(array.shape)}, with {array.shape[-1]} channels: the channels must be the last axis; "
        "images.transpose(0, 2, 3, 1) may be what you mean.",
    )
    return array


def in_colour(images: NDArray[Any]) -> NDArray[Any]:
    """Images [N, H, W, 3] of grey images [N, H, W], [N, H, W, 1] or [N, 1, H, W], the channel repeated.

    Other arrays are returned unchanged. [N, 1, H, W] is only recognised where W is above 4; a shorter last axis
    holds channels.
    """
    if images.ndim == 4 and images.shape[1] == 1 and images.shape[-1] > 4:
        images = images[:, 0]
    if images.ndim == 3:
        images = images[..., None]
    return np.repeat(images, 3, axis=-1) if images.ndim == 4 and images.shape[-1] == 1 else images


def in_layout(images: NDArray[np.uint8], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Images whose channels are equal, [N, H, W, C], in the layout of an array of ``shape``.

    The inverse of :func:`in_colour`. Images that have this shape already are returned unchanged.
    """
    if images.shape == shape:
        return images
    return np.ascontiguousarray(images[..., 0]).reshape(shape)


def as_recorded(images: NDArray[np.uint8], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Images [N, H, W, C] as a manifest with images of ``shape`` (H, W, C) counts them.

    Grey images have three channels there; in manifests from before that rule, [N, H, W, 1] has one.
    """
    return images if shape[-1:] == (1,) else in_colour(images)


def is_grey(images: NDArray[np.uint8]) -> bool:
    """Whether the channels of every pixel of images [N, H, W, C] are equal."""
    step = chunk_length(images.shape[1:])
    chunks = (images[start : start + step] for start in range(0, len(images), step))
    return all(bool((chunk[..., 1:] == chunk[..., :1]).all()) for chunk in chunks)


def luminance(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Luminance [n, H, W, 1] of colour images [n, H, W, 3] (ITU-R 601, in Pillow's integers)."""
    weighted = images.astype(np.uint32) @ np.array([19595, 38470, 7471], np.uint32)
    return ((weighted + 2**15) >> 16).astype(np.uint8)[..., None]


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
