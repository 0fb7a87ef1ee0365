"""Images and labels as probes take them: checked, in batches, on the device of the network."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from memgate.errors import MemgateError, require

BATCH = {"cpu": 64, "cuda": 512}
"""Default number of images in a forward and backward pass."""


def as_pixels(images: NDArray[np.uint8]) -> Tensor:
    """Images uint8 [n, 3, H, W] on the host, from stored images uint8 [n, H, W, 3]; no copy."""
    return torch.from_numpy(images).permute(0, 3, 1, 2)


def as_images(images: Tensor | NDArray[Any]) -> Tensor:
    """Images as a tensor [n, C, H, W], checked: a batch before normalisation.

    Args:
        images: [n, C, H, W] as a tensor or a NumPy array, floats in [0, 1] or uint8, n at least 1.

    Raises:
        MemgateError: the shape, the type or the range is another one.
    """
    if isinstance(images, np.ndarray) and images.dtype.kind in "fu":
        # torch takes neither arrays that may not be written nor negative strides.
        native = images.dtype.newbyteorder("=")
        images = torch.from_numpy(np.require(images, native, ("C", "W")))
    if not isinstance(images, Tensor):
        what = (
            f"an array of {images.dtype}" if isinstance(images, np.ndarray) else f"a {type(images).__name__}"
        )
        raise MemgateError(
            f"images are {what}: they must be a tensor or an array [n, C, H, W], of floats in [0, 1] or uint8."
        )
    if images.ndim != 4 or not len(images):
        raise MemgateError(
            f"images have the shape {tuple(images.shape)}: they must be [n, C, H, W], n at least 1."
        )
    if images.shape[3] in (1, 3) and images.shape[1] not in (1, 3):
        raise MemgateError(
            f"images have the shape {tuple(images.shape)}, with the channels last: they must be [n, C, H, W] "
            "(numpy.moveaxis(images, 3, 1), or images.permute(0, 3, 1, 2) of a tensor)."
        )
    if images.is_floating_point():
        low, high = float(images.min()), float(images.max())
        if not (low >= 0 and high <= 1):
            raise MemgateError(
                f"images reach from {low:g} to {high:g} and not within [0, 1]: give them before normalisation, "
                "which belongs in the model."
            )
    elif images.dtype != torch.uint8:
        raise MemgateError(f"images are {images.dtype}: they must be floats in [0, 1], or uint8.")
    return images


def as_labels(labels: ArrayLike | Tensor, n: int) -> Tensor:
    """Labels int64 [n] on the host.

    Args:
        labels: class numbers [n], 0 or above.
        n: number of images.

    Raises:
        MemgateError: they are not n whole numbers, 0 or above.
    """
    numbers = labels.detach().cpu().numpy() if isinstance(labels, Tensor) else np.asarray(labels)
    require(
        numbers.shape == (n,) and np.issubdtype(numbers.dtype, np.integer) and bool((numbers >= 0).all()),
        f"labels {numbers.dtype} of the shape {numbers.shape} must be {n} class numbers, 0 or above, one for each "
        "image.",
    )
    return torch.from_numpy(numbers.astype(np.int64))


def batch_size_on(device: torch.device, batch_size: int | None, default: Mapping[str, int]) -> int:
    """Images in a pass: ``batch_size``, or for None the default of the device's type (the CPU's for other types)."""
    return default.get(device.type, default["cpu"]) if batch_size is None else batch_size


def in_batches(count: int, size: int) -> list[NDArray[np.int64]]:
    """The rows 0 to count - 1 in order, in parts of ``size``.

    Raises:
        MemgateError: ``size`` is below 1.
    """
    require(size >= 1, f"batch_size {size} holds no image: at least 1.")
    return np.split(np.arange(count), np.arange(size, count, size))


def load_batch(images: Tensor, rows: NDArray[np.integer], device: torch.device, dtype: torch.dtype) -> Tensor:
    """The images of ``rows`` [b, C, H, W] on a device, in [0, 1]; uint8 is divided by 255."""
    batch = images[torch.from_numpy(rows).to(images.device)].to(device, dtype)
    return batch if images.is_floating_point() else batch / 255
