"""What every network without gates is made of: a stem, blocks of units, and a linear head on the pooled map."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from memgate.models.entropy import at_least_float32
from memgate.models.forward import Forward


class Trunk(nn.Module):
    """Base of the backbones: normalised images [b, 3, H, W] to logits [b, K].

    Gated networks and probes go through its parts one by one: :attr:`stem`, the units of each of the :attr:`blocks`,
    :meth:`classify`.
    """

    stem: nn.Module
    """Images to the first map."""
    blocks: nn.ModuleDict
    """Name of a block to its units, an ``nn.Sequential``."""
    channels: dict[str, int]
    """Name of a block to the channels of its output."""
    last: nn.Module
    """What follows the last block before the pooling: BatchNorm and ReLU where its units end without them."""
    head: nn.Linear
    """Pooled map [b, C] to logits [b, K]."""

    def units(self) -> Iterator[nn.Module]:
        """The units of all blocks in the order of the forward pass."""
        for block in self.blocks.values():
            yield from block.children()

    def pooled(self, x: Tensor) -> Tensor:
        """Input [b, C] of the head, from the last block's output [b, C, h, w]."""
        return pool(self.last(x))

    def classify(self, x: Tensor) -> Tensor:
        """Logits [b, K] from the last block's output [b, C, h, w].

        At least in float32, since every sample's loss and margin are logged, which 16 bits would round coarsely.
        """
        with torch.autocast(x.device.type, enabled=False):
            return self.head(self.pooled(at_least_float32(x)))

    def forward(self, images: Tensor) -> Forward:
        """Normalised images [b, 3, H, W] to logits [b, K]."""
        x = self.stem(images)
        for block in self.blocks.values():
            x = block(x)
        return Forward(self.classify(x))


def he_normal(module: nn.Module) -> None:
    """Draw a convolution's weights normal by fan-out; other layers keep PyTorch's default, as in the papers' code."""
    if isinstance(module, nn.Conv2d):
        fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels
        nn.init.normal_(module.weight, 0.0, math.sqrt(2 / fan_out))


def pool(x: Tensor) -> Tensor:
    """Mean over the whole map: [b, C, h, w] to [b, C]."""
    return torch.mean(x, dim=(2, 3))


def weighted(x: Tensor, weights: Tensor | None) -> Tensor:
    """The map [b, C, h, w] with each channel multiplied by its weight [b, C]; unchanged without weights."""
    return x if weights is None else x * weights[:, :, None, None].to(x.dtype)
