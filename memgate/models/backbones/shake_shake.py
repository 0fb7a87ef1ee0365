"""Shake-Shake networks for small images (Gastaldi 2017, "Shake-Shake regularization"): 26 2x64d and its relatives.

Three stages of n units, of which each has two branches: ReLU, 3x3 convolution, BatchNorm, ReLU, 3x3 convolution,
BatchNorm. In training a unit's output is shortcut + a F1 + (1-a) F2 with a uniform in (0, 1) for each image, and its
gradient is distributed by another such number ("Shake-Shake-Image"); in evaluation both are 1/2. Where the width
changes, the shortcut is ReLU, two 1x1 convolutions on every second pixel, the second one shifted by a pixel, and
BatchNorm of both.
"""

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from memgate.config.run import ModelConfig
from memgate.models.backbones.trunk import Trunk, he_normal, weighted
from memgate.models.draws import uniform
from memgate.models.forward import Forward

STEM_CHANNELS = 16

LAST_CONVOLUTION = 4
"""Place of a branch's second convolution in its sequence."""


class _Shaken(torch.autograd.Function):
    """a F1 + (1-a) F2, whose gradient is distributed by another number."""

    @staticmethod
    def forward(ctx: Any, first: Tensor, second: Tensor, forward: Tensor, backward: Tensor) -> Tensor:
        """[b, C, h, w] from both branches and the two coefficients [b, 1, 1, 1]."""
        ctx.save_for_backward(backward)
        return torch.lerp(second, first, forward)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor, Tensor, None, None]:
        """The gradients of both branches."""
        (coefficient,), (gradient,) = ctx.saved_tensors, gradients
        return gradient * coefficient, gradient * (1 - coefficient), None, None


class ShakeUnit(nn.Module):
    """Two branches and a shortcut: [b, C_in, H, W] to [b, C, H/stride, W/stride]."""

    def __init__(self, channels_in: int, channels: int, stride: int, number: int) -> None:
        """A unit.

        Args:
            channels_in: C_in.
            channels: C.
            stride: of the first convolutions.
            number: of the unit in the network, from 0, so that each draws coefficients of its own.
        """
        super().__init__()
        self.number = number
        self.branches = nn.ModuleList(_branch(channels_in, channels, stride) for _ in range(2))
        same = stride == 1 and channels_in == channels
        self.shortcut = nn.Identity() if same else TwoPathShortcut(channels_in, channels, stride)

    @property
    def filters(self) -> int:
        """Filters of the last convolutions of both branches."""
        last = [cast(nn.Conv2d, cast(nn.Sequential, branch)[LAST_CONVOLUTION]) for branch in self.branches]
        return sum(convolution.out_channels for convolution in last)

    def filtered(self, x: Tensor, weights: Tensor, keys: Tensor | None = None) -> Tensor:
        """Output of the unit whose last convolutions' filters have the weights [b, 2C], 0 for closed ones.

        Args:
            x: the unit's input.
            weights: of the first branch's filters, then of the second one's.
            keys: see :meth:`forward`.
        """
        return self(x, keys, weights)

    def forward(self, x: Tensor, keys: Tensor | None = None, weights: Tensor | None = None) -> Tensor:
        """Output of the unit.

        Args:
            x: the unit's input.
            keys: of the samples [b], from which the coefficients of training are drawn (:mod:`memgate.models.draws`);
                None draws from PyTorch's global generator.
            weights: see :meth:`filtered`; None for 1. They act behind the last BatchNorm of each branch.
        """
        halves = (None, None) if weights is None else weights.chunk(2, dim=1)
        first, second = (
            weighted(branch(x), half) for branch, half in zip(self.branches, halves, strict=True)
        )
        return self.joined(first, second, x, keys)

    def joined(self, first: Tensor, second: Tensor, x: Tensor, keys: Tensor | None) -> Tensor:
        """Output of the unit from its two branches [b, C, h, w] and its input."""
        return self.shortcut(x) + self.mixed(first, second, keys)

    def mixed(self, first: Tensor, second: Tensor, keys: Tensor | None) -> Tensor:
        """The two branches [b, C, h, w] as one; their mean in evaluation."""
        if not self.training:
            return (first + second) / 2
        drawn = (
            torch.rand(len(first), 2, device=first.device) if keys is None else uniform(keys, self.number, 2)
        )
        drawn = drawn.to(first.dtype)
        forward, backward = (part[:, None, None, None] for part in drawn.unbind(dim=1))
        return _Shaken.apply(first, second, forward, backward)


class TwoPathShortcut(nn.Module):
    """Shortcut with a stride: two 1x1 convolutions that see pixels of even and of odd places, then BatchNorm."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        half = channels // 2
        self.even = nn.Conv2d(channels_in, half, 1, bias=False)
        self.odd = nn.Conv2d(channels_in, channels - half, 1, bias=False)
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """[b, C_in, H, W] to [b, C, H/stride, W/stride]; beyond the border the shifted path sees zeros."""
        x = functional.relu(x)
        shifted = functional.pad(x, (0, 1, 0, 1))[:, :, 1:, 1:]
        step = slice(None, None, self.stride)
        parts = self.even(x[:, :, step, step]), self.odd(shifted[:, :, step, step])
        return self.bn(torch.cat(parts, dim=1))


def _branch(channels_in: int, channels: int, stride: int) -> nn.Sequential:
    """A branch of a unit. Its first ReLU is not in place, because both branches and the shortcut read the input."""
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
        nn.Conv2d(channels, channels, 3, 1, 1, bias=False),
        nn.BatchNorm2d(channels),
    )


class ShakeShake(Trunk):
    """A Shake-Shake network: normalised images [b, 3, H, W] to logits [b, K]."""

    draws = True
    """It draws random numbers in training."""

    def __init__(self, config: ModelConfig, classes: int) -> None:
        """Build and initialise with the global generator (:func:`memgate.models.build_model` seeds it).

        Args:
            config: of the network.
            classes: number of classes K.
        """
        super().__init__()
        channels = STEM_CHANNELS
        self.stem = nn.Sequential(nn.Conv2d(3, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels))
        self.blocks, self.channels = nn.ModuleDict(), {}
        number = 0
        for stage, (name, count) in enumerate(config.units.items()):
            units = []
            for index in range(count):
                stride = 2 if stage > 0 and index == 0 else 1
                units.append(ShakeUnit(channels, config.widths[name], stride, number))
                channels, number = config.widths[name], number + 1
            self.blocks[name], self.channels[name] = nn.Sequential(*units), channels
        self.last = nn.ReLU()
        self.head = nn.Linear(channels, classes)
        if config.initialisation == "he":
            self.apply(he_normal)

    def forward(self, images: Tensor, keys: Tensor | None = None) -> Forward:
        """Normalised images [b, 3, H, W] to logits [b, K].

        Args:
            images: the batch.
            keys: of the samples [b], for the coefficients of training.
        """
        x = self.stem(images)
        for block in self.blocks.values():
            for unit in block.children():
                x = unit(x, keys)
        return Forward(self.classify(x))
