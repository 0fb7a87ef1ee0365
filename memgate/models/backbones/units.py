"""Residual units: basic or bottleneck, post- or pre-activation, with or without squeeze-and-excitation."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.nn import functional

from memgate.config.backbone import EXPANSION
from memgate.config.run import ModelConfig
from memgate.models.backbones.trunk import weighted

Merge = Callable[[Tensor, Tensor], Tensor]
"""Function of residual branch and shortcut, both [b, C, h, w], to the unit's output [b, C, h, w] before its ReLU."""


InnerWeights = Mapping[int, Tensor]
"""Number of a map of the branch, counted from 1 as its convolution, to the weights [b, C] of its channels; a map that
is not named keeps its values. The last one is the branch's output before squeeze-and-excitation."""

NO_WEIGHTS: InnerWeights = MappingProxyType({})


class PadShortcut(nn.Module):
    """Option A shortcut: take every stride-th pixel, add channels of zeros (half before, half after)."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        missing = channels_out - channels_in
        self.before, self.after = missing // 2, missing - missing // 2

    def forward(self, x: Tensor) -> Tensor:
        """[b, C_in, H, W] to [b, C_out, H/stride, W/stride]."""
        x = x[:, :, :: self.stride, :: self.stride]
        return functional.pad(x, (0, 0, 0, 0, self.before, self.after))


def shortcut(config: ModelConfig, channels_in: int, channels_out: int, stride: int) -> nn.Module:
    """Shortcut of a unit: identity where shapes agree, else option B (in a Pre-ResNet without BatchNorm) or A."""
    if stride == 1 and channels_in == channels_out:
        return nn.Identity()
    if config.shortcut == "pad":
        return PadShortcut(channels_in, channels_out, stride)
    projection = nn.Conv2d(channels_in, channels_out, 1, stride, bias=False)
    norm = [nn.BatchNorm2d(channels_out)] if config.activation == "post" else []
    return nn.Sequential(projection, *norm)


class SqueezeExcitation(nn.Module):
    """Weights channels by their means (Hu et al. 2018): pooling, two linear layers, sigmoid.

    The layers have no biases, which the authors found better in ResNets.
    """

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, max(channels // reduction, 1), bias=False)
        self.excite = nn.Linear(self.squeeze.out_features, channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[b, C, h, w] to [b, C, h, w], each channel multiplied by a weight in (0, 1)."""
        weight = torch.sigmoid(self.excite(functional.relu(self.squeeze(x.mean(dim=(2, 3))))))
        return x * weight[:, :, None, None]


class Unit(nn.Module):
    """A residual unit: branch plus shortcut.

    Post-activation (He et al. 2016): convolution and BatchNorm, ReLU in between and after the addition.
    Pre-activation (He et al. 2016, "Identity mappings"): BatchNorm, ReLU, convolution; the shortcut starts at the
    unit's input, and nothing follows the addition. The stride is that of the (first) 3x3 convolution.
    """

    def __init__(self, config: ModelConfig, channels_in: int, width: int, stride: int) -> None:
        super().__init__()
        self.pre = config.activation == "pre"
        self.channels_in, self.channels_out = channels_in, EXPANSION[config.block] * width
        self.stride = stride
        kernels = (3, 3) if config.block == "basic" else (1, 3, 1)
        widths = (channels_in, *(width for _ in kernels[1:]), self.channels_out)
        self.depth = len(kernels)
        self.inner_channels = widths[1:-1]
        """Channels of the maps between the convolutions: one in a basic unit, two in a bottleneck unit."""
        for number, kernel in enumerate(kernels, start=1):
            before, after = widths[number - 1], widths[number]
            step = stride if number == kernels.index(3) + 1 else 1
            conv = nn.Conv2d(before, after, kernel, step, kernel // 2, bias=False)
            self.add_module(f"conv{number}", conv)
            self.add_module(f"bn{number}", nn.BatchNorm2d(before if self.pre else after))
        self.shortcut = shortcut(config, channels_in, self.channels_out, stride)
        self.excitation = (
            SqueezeExcitation(self.channels_out, config.reduction)
            if config.squeeze_excitation
            else nn.Identity()
        )

    def branch(self, x: Tensor, inner: InnerWeights = NO_WEIGHTS) -> Tensor:
        """The residual branch: [b, C_in, H, W] to [b, C_out, H/stride, W/stride].

        Args:
            x: the unit's input.
            inner: weights of the channels of the maps between the convolutions, after their ReLU, and of the output
                of the last one, after its BatchNorm where it has one behind it.
        """
        for number in range(1, self.depth + 1):
            conv, norm = self.get_submodule(f"conv{number}"), self.get_submodule(f"bn{number}")
            if self.pre:
                x = functional.relu(norm(x))
                x = conv(weighted(x, inner.get(number - 1)))
            else:
                x = norm(conv(x))
                if number < self.depth:
                    x = weighted(functional.relu(x), inner.get(number))
        return self.excitation(weighted(x, inner.get(self.depth)))

    @property
    def filters(self) -> int:
        """Filters of the last convolution."""
        return self.channels_out

    def filtered(self, x: Tensor, weights: Tensor, keys: Tensor | None = None) -> Tensor:  # noqa: ARG002 (draws nothing)
        """Output of the unit whose last convolution's filters have the weights [b, C_out], 0 for closed ones."""
        return self(x, inner={self.depth: weights})

    def forward(
        self,
        x: Tensor,
        merge: Merge = torch.add,
        inner: InnerWeights = NO_WEIGHTS,
        taken: Tensor | None = None,
    ) -> Tensor:
        """[b, C_in, H, W] to [b, C_out, H/stride, W/stride].

        Args:
            x: the unit's input.
            merge: combines branch and shortcut; a gate in the unit weights them, by default they are added.
            inner: see :meth:`branch`.
            taken: weight of each sample's whole branch [b, 1]; None for 1. Where it is 0, the shortcut alone is left.
        """
        branch = self.branch(x, inner)
        return self.joined(
            branch if taken is None else branch * taken[:, :, None, None].to(x.dtype), x, merge
        )

    def joined(self, branch: Tensor, x: Tensor, merge: Merge = torch.add) -> Tensor:
        """The unit's output [b, C_out, h, w] from its residual branch, of the same shape, and its input."""
        out = merge(branch, self.shortcut(x))
        return out if self.pre else functional.relu(out)
