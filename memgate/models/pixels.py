"""A network on images in [0, 1], with the normalisation of its training inside."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from memgate.errors import MemgateError


class PixelNetwork(nn.Module):
    """Images [b, 3, H, W] in [0, 1] to logits [b, K]; a distance in pixels means the same in each channel."""

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
        """Wrap a network of :mod:`memgate.models`.

        Args:
            network: maps normalised images to a :class:`memgate.models.Forward`.
            mean: of each channel, for pixels in [0, 1].
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
        """Normalised images [b, 3, H, W], channels last in memory, from images in [0, 1].

        Raises:
            MemgateError: the images are whole numbers, which would be taken for multiples of white.
        """
        if not (isinstance(images, Tensor) and images.is_floating_point()):
            what = images.dtype if isinstance(images, Tensor) else type(images).__name__
            raise MemgateError(
                f"images are {what}: the network takes a tensor of floats in [0, 1] (images / 255 of uint8)."
            )
        return ((images - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
