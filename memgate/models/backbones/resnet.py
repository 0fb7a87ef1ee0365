"""ResNets for small images: a 3x3 stem, blocks of residual units, a linear head on the pooled map.

Layout ``cifar`` (He et al. 2016, section 4.2) has three blocks of n units, ``imagenet`` four (their table 1, after a
stem that keeps the size), of basic or bottleneck units, post- or pre-activation. The head pools a map of any size, so
images may have any side, odd ones too. Shapes for 32x32 images, as in the papers, with
expansion e = 1 or 4: ``cifar`` B1 [b, 16e, 32, 32], B2 [b, 32e, 16, 16], B3 [b, 64e, 8, 8]; ``imagenet`` B1
[b, 64e, 32, 32], B2 [b, 128e, 16, 16], B3 [b, 256e, 8, 8], B4 [b, 512e, 4, 4].
"""

from collections.abc import Iterator
from typing import cast

from torch import nn

from memgate.config.run import ModelConfig
from memgate.models.backbones.trunk import Trunk, he_normal
from memgate.models.backbones.units import Unit


class ResNet(Trunk):
    """A ResNet without gates: normalised images [b, 3, H, W] to logits [b, K]."""

    def __init__(self, config: ModelConfig, classes: int) -> None:
        """Build and initialise with the global generator (:func:`memgate.models.build_model` seeds it).

        Args:
            config: of the network; its name and gate are ignored.
            classes: number of classes K.
        """
        super().__init__()
        channels = config.stem_width
        pre = config.activation == "pre"
        stem = nn.Conv2d(3, channels, 3, 1, 1, bias=False)
        self.stem = nn.Sequential(stem) if pre else nn.Sequential(stem, nn.BatchNorm2d(channels), nn.ReLU())
        self.blocks = nn.ModuleDict()
        self.channels = {}
        for number, (name, count) in enumerate(config.units.items()):
            width, units = config.widths[name], []
            for index in range(count):
                units.append(Unit(config, channels, width, 2 if number > 0 and index == 0 else 1))
                channels = units[-1].channels_out
            self.blocks[name] = nn.Sequential(*units)
            self.channels[name] = channels
        self.last = nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU()) if pre else nn.Identity()
        self.head = nn.Linear(channels, classes)
        if config.initialisation == "he":
            self.apply(he_normal)

    def units(self) -> Iterator[Unit]:
        """The residual units in the order of the forward pass."""
        return cast(Iterator[Unit], super().units())


def map_side(config: ModelConfig, block: str, image_size: int) -> int:
    """Side in pixels of a block's map: every block after the first halves it, rounding up."""
    for _ in range(list(config.units).index(block)):
        image_size = -(-image_size // 2)
    return image_size
