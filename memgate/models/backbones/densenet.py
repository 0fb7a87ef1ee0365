"""DenseNet-BC for small images (Huang et al. 2017, "Densely connected convolutional networks", section 3 and table 2).

Three dense blocks of n = (depth - 4) / 6 layers. A layer reads all maps of its block so far and appends k new ones:
BatchNorm, ReLU, 1x1 convolution to 4k channels, BatchNorm, ReLU, 3x3 convolution to k (B, the bottleneck). Between
blocks, a transition keeps half of the channels and halves the side (C, the compression). The stem has 2k channels.
The transition before a block belongs to the block's first layer, so that each block is the sequence of its layers.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from memgate.config.run import ModelConfig
from memgate.models.backbones.trunk import Trunk, he_normal, weighted

BOTTLENECK, COMPRESSION = 4, 0.5
"""Channels of the 1x1 convolutions over k, and share of the channels that a transition keeps."""


class Transition(nn.Module):
    """BatchNorm, ReLU, 1x1 convolution, mean of 2x2 pixels: [b, C, H, W] to [b, C/2, H/2, W/2]."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(channels_in)
        self.conv = nn.Conv2d(channels_in, channels_out, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """The map with half of the side; an odd side is rounded up, its last pixels are means of those that exist."""
        x = self.conv(functional.relu(self.bn(x)))
        return functional.avg_pool2d(x, 2, ceil_mode=True, count_include_pad=False)


class DenseLayer(nn.Module):
    """A dense layer, with the transition before its block where there is one: [b, C, h, w] to [b, C + k, h, w]."""

    def __init__(self, channels_in: int, growth: int, transition: Transition | None = None) -> None:
        super().__init__()
        self.transition = nn.Identity() if transition is None else transition
        self.bn1 = nn.BatchNorm2d(channels_in)
        self.conv1 = nn.Conv2d(channels_in, BOTTLENECK * growth, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(BOTTLENECK * growth)
        self.conv2 = nn.Conv2d(BOTTLENECK * growth, growth, 3, padding=1, bias=False)

    def new_maps(self, x: Tensor) -> Tensor:
        """The maps [b, k, h, w] that the layer appends to its block's maps so far [b, C, h, w]."""
        x = self.conv1(functional.relu(self.bn1(x)))
        return self.conv2(functional.relu(self.bn2(x)))

    def forward(self, x: Tensor, weights: Tensor | None = None) -> Tensor:
        """The block's maps so far, then the new ones.

        Args:
            x: the block's maps so far.
            weights: of the new maps [b, k]; None for 1.
        """
        x = self.transition(x)
        return torch.cat((x, weighted(self.new_maps(x), weights)), dim=1)

    @property
    def filters(self) -> int:
        """Filters of the 3x3 convolution, k."""
        return self.conv2.out_channels

    def filtered(self, x: Tensor, weights: Tensor, keys: Tensor | None = None) -> Tensor:  # noqa: ARG002 (draws nothing)
        """The block's maps so far, then the new ones with the weights [b, k], 0 for closed ones."""
        return self(x, weights)


class DenseNet(Trunk):
    """A DenseNet-BC: normalised images [b, 3, H, W] to logits [b, K]."""

    def __init__(self, config: ModelConfig, classes: int) -> None:
        """Build and initialise with the global generator (:func:`memgate.models.build_model` seeds it).

        Args:
            config: of the network.
            classes: number of classes K.
        """
        super().__init__()
        growth = config.growth
        channels = 2 * growth
        self.stem = nn.Conv2d(3, channels, 3, 1, 1, bias=False)
        self.blocks, self.channels = nn.ModuleDict(), {}
        for number, (name, count) in enumerate(config.units.items()):
            layers = []
            for index in range(count):
                transition = None
                if number > 0 and index == 0:
                    kept = int(COMPRESSION * channels)
                    transition, channels = Transition(channels, kept), kept
                layers.append(DenseLayer(channels, growth, transition))
                channels += growth
            self.blocks[name], self.channels[name] = nn.Sequential(*layers), channels
        self.last = nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU())
        self.head = nn.Linear(channels, classes)
        if config.initialisation == "he":
            self.apply(he_normal)
