"""Replaced or covered images: Gaussian pixels, permuted pixels, a square; (Task, positions) -> images."""

import math

import numpy as np
from numpy.typing import NDArray

from noise.errors import require
from noise.pixels import ChannelStatistics, channel_statistics, in_steps
from noise.streams import below, normals
from noise.task import Task


def gaussian_pixels(
    statistics: ChannelStatistics, shape: tuple[int, ...], words: NDArray[np.uint64]
) -> NDArray[np.uint8]:
    """Images [n, H, W, C] uint8 of independent Gaussian pixels with the given channel mean and deviation.

    The Gaussian images of Zhang et al. 2017 (arXiv 1611.03530) and the randX of Arpit et al. 2017
    (arXiv 1706.05394). Values are rounded to the nearest integer and clipped to [0, 255], which slightly reduces the
    deviation of channels with high contrast.

    Args:
        statistics: channel statistics of the clean data set.
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


def randx(task: Task, positions: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Images [n, H, W, C] for ``randx``: :func:`gaussian_pixels` with the statistics of all clean images."""
    shape = task.images.shape[1:]
    statistics = channel_statistics(task.images)
    return in_steps(
        positions,
        shape,
        lambda chunk: gaussian_pixels(statistics, shape, task.words(chunk, math.prod(shape))),
    )


def permuted(images: NDArray[np.uint8], permutations: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Images [n, H, W, C] uint8 with their pixels in another order.

    Args:
        images: [n, H, W, C] uint8.
        permutations: [n or 1, H*W] to move whole pixels with all channels, or [n or 1, H*W*C] to move single
            values.

    Returns:
        [n, H, W, C] uint8 with the same values.
    """
    flat = images.reshape(len(images), permutations.shape[1], -1)
    return np.take_along_axis(flat, permutations[..., None], axis=1).reshape(images.shape)


def _moved(task: Task) -> int:
    """Length of the task's permutation: number of pixels of an image, or of its values for ``scope=values``."""
    height, width, channels = task.images.shape[1:]
    return height * width * (channels if task.spec.parameter("scope") == "values" else 1)


def random_pixels(task: Task, positions: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Images [n, H, W, C] for ``random-pixels``: another permutation for each image (Zhang et al. 2017)."""

    def render(chunk: NDArray[np.int64]) -> NDArray[np.uint8]:
        words = task.words(chunk, _moved(task))
        return permuted(task.images[chunk], np.argsort(words, axis=1, kind="stable"))

    return in_steps(positions, task.images.shape[1:], render)


def shuffled_pixels(task: Task, positions: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Images [n, H, W, C] for ``shuffled-pixels``: one permutation for all images (Zhang et al. 2017)."""
    permutation = np.argsort(task.shared_words(0, _moved(task)), kind="stable")[None]
    shape = task.images.shape[1:]
    return in_steps(positions, shape, lambda chunk: permuted(task.images[chunk], permutation))


def occlusion(task: Task, positions: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Images [n, H, W, C] for ``occlusion``: a covered square, its place uniform over all places within the image.

    The square is filled with the data set's mean colour, with black, or with :func:`gaussian_pixels`.

    Raises:
        NoiseError: the square is larger than the image.
    """
    height, width, channels = task.images.shape[1:]
    size, fill = task.spec.parameter("size"), task.spec.parameter("fill")
    require(
        size <= min(height, width),
        f"{task.spec}: a square of {size} pixels does not fit into images of {height}x{width}: use a smaller size.",
    )
    statistics = channel_statistics(task.images)

    def render(chunk: NDArray[np.int64]) -> NDArray[np.uint8]:
        words = task.words(chunk, 2 + (size * size * channels if fill == "noise" else 0))
        images = task.images[chunk]
        rows = below(words[:, 0], height - size + 1)[:, None] + np.arange(size)
        columns = below(words[:, 1], width - size + 1)[:, None] + np.arange(size)
        if fill == "noise":
            patch = gaussian_pixels(statistics, (size, size, channels), words[:, 2:])
        else:
            patch = np.rint(statistics.mean if fill == "mean" else 0).astype(np.uint8)
        images[np.arange(len(chunk))[:, None, None], rows[:, :, None], columns[:, None, :]] = patch
        return images

    return in_steps(positions, task.images.shape[1:], render)
