"""A run's network as a function of plain pixels: what every probe that asks the network starts from."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from memgate.data.image_set import Channels
from memgate.errors import require
from memgate.runs.inputs import Inputs


class PixelNetwork(nn.Module):
    """Images in [0, 1] to logits, with the normalisation inside: a distance in pixels is the same in each channel."""

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, mean: Channels, std: Channels) -> None:
        """Wrap a network of :mod:`memgate.models`.

        Args:
            network: from normalised images to a :class:`memgate.models.Forward`.
            mean: of each channel, in [0, 1] pixel space.
            std: standard deviation of each channel, likewise.
        """
        super().__init__()
        self.network = network
        for name, numbers in (("mean", mean), ("std", std)):
            self.register_buffer(name, torch.tensor(numbers)[:, None, None])

    def forward(self, images: Tensor) -> Tensor:
        """Images [b, 3, H, W] in [0, 1] to logits [b, K]."""
        return self.network(self.normalised(images)).logits

    def normalised(self, images: Tensor) -> Tensor:
        """Images [b, 3, H, W] in [0, 1] to what the network takes, channels last in memory."""
        return ((images - self.mean) / self.std).contiguous(memory_format=torch.channels_last)


def pixel_network(model: nn.Module, inputs: Inputs) -> PixelNetwork:
    """A network of :mod:`memgate.models` with its run's normalisation inside, on the device where it is."""
    device = next(model.parameters()).device
    return PixelNetwork(model, *inputs.normalisation).to(device)


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
