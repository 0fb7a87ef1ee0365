"""A run's network as a function of plain pixels: what every probe that asks the network starts from."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from memgate.errors import require


def as_pixels(images: NDArray[np.uint8]) -> Tensor:
    """Images uint8 [n, H, W, 3], as they are stored, as uint8 [n, 3, H, W] on the host; no copy."""
    return torch.from_numpy(images).permute(0, 3, 1, 2)


def in_batches(count: int, size: int) -> list[NDArray[np.int64]]:
    """The rows 0 to count-1, ``size`` of them at a time.

    Raises:
        MemgateError: ``size`` is below 1.
    """
    require(size >= 1, f"batch_size {size} holds no image: at least 1.")
    return np.split(np.arange(count), np.arange(size, count, size))


def load_batch(images: Tensor, rows: NDArray[np.integer], device: torch.device, dtype: torch.dtype) -> Tensor:
    """Some of the images [b, C, H, W] on a device, in [0, 1]; uint8 is divided by 255."""
    batch = images[torch.from_numpy(rows).to(images.device)].to(device, dtype)
    return batch if images.is_floating_point() else batch / 255


BATCH = {"cpu": 64, "cuda": 512}
"""Images in a forward and backward pass, where nobody says otherwise."""
