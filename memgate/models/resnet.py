"""The ResNet for small images: a 3x3 stem, three blocks of n units (He et al. 2016, section 4.2), post-activation.

The head pools whatever map arrives, so any image of 8 pixels or more will do; at 32x32 the shapes are those
of the papers: B1 [b, 16e, 32, 32], B2 [b, 32e, 16, 16], B3 [b, 64e, 8, 8] with expansion e = 1 or 4.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from memgate.models.forward import Forward

WIDTHS = {"b1": 16, "b2": 32, "b3": 64}


class PadShortcut(nn.Module):
    """Option A: subsample, and fill the new channels with zeros (half before, half after)."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        missing = channels_out - channels_in
        self.before, self.after = missing // 2, missing - missing // 2

    def forward(self, x: Tensor) -> Tensor:
        """[b, C_in, H, W] to [b, C_out, H/stride, W/stride]."""
        x = x[:, :, :: self.stride, :: self.stride]
        return functional.pad(x, (0, 0, 0, 0, self.before, self.after))


def shortcut(kind: str, channels_in: int, channels_out: int, stride: int) -> nn.Module:
    """Identity where shapes agree, else option B (``projection``) or option A (``pad``)."""
    if stride == 1 and channels_in == channels_out:
        return nn.Identity()
    if kind == "pad":
        return PadShortcut(channels_in, channels_out, stride)
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 1, stride, bias=False), nn.BatchNorm2d(channels_out)
    )


class BasicUnit(nn.Module):
    """conv3x3-BN-ReLU-conv3x3-BN, plus shortcut, ReLU."""

    expansion = 1

    def __init__(self, channels_in: int, width: int, stride: int, shortcut_kind: str) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.shortcut = shortcut(shortcut_kind, channels_in, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """[b, C_in, H, W] to [b, width, H/stride, W/stride]."""
        branch = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)))))
        return functional.relu(branch + self.shortcut(x))


class BottleneckUnit(nn.Module):
    """1x1-BN-ReLU-3x3(stride)-BN-ReLU-1x1(x4)-BN, plus shortcut, ReLU."""

    expansion = 4

    def __init__(self, channels_in: int, width: int, stride: int, shortcut_kind: str) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.shortcut = shortcut(shortcut_kind, channels_in, 4 * width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """[b, C_in, H, W] to [b, 4*width, H/stride, W/stride]."""
        branch = functional.relu(self.bn1(self.conv1(x)))
        branch = functional.relu(self.bn2(self.conv2(branch)))
        return functional.relu(self.bn3(self.conv3(branch)) + self.shortcut(x))


UNITS = {"basic": BasicUnit, "bottleneck": BottleneckUnit}


class ResNet(nn.Module):
    """Stem, blocks B1 to B3 of n units each, linear head."""

    def __init__(self, units: int, block: str, classes: int, shortcut_kind: str) -> None:
        """Build and initialise with the global generator (:func:`memgate.models.build_model` seeds it).

        Args:
            units: n, units in each block.
            block: ``basic`` or ``bottleneck``.
            classes: K.
            shortcut_kind: ``projection`` or ``pad``.
        """
        super().__init__()
        unit = UNITS[block]
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
        self.blocks = nn.ModuleDict()
        channels = 16
        for name, width in WIDTHS.items():
            stride = 1 if name == "b1" else 2
            self.blocks[name] = nn.Sequential(
                unit(channels, width, stride, shortcut_kind),
                *(unit(unit.expansion * width, width, 1, shortcut_kind) for _ in range(units - 1)),
            )
            channels = unit.expansion * width
        self.channels = {name: unit.expansion * width for name, width in WIDTHS.items()}
        self.head = nn.Linear(channels, classes)
        self._initialise()

    def _initialise(self) -> None:
        """He normal, fan-out, for convolutions; linear layers keep PyTorch's default, as in the papers' code."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels
                nn.init.normal_(module.weight, 0.0, math.sqrt(2 / fan_out))

    def classify(self, x: Tensor) -> Tensor:
        """Logits [b, K] from B3's output [b, C, h, w].

        Always in float32: the log keeps every sample's loss and margin, and 16 bits would round them coarsely.
        """
        with torch.autocast(x.device.type, enabled=False):
            return self.head(pool(x.float()))

    def forward(self, images: Tensor) -> Forward:
        """Normalised images [b, 3, H, W] to logits [b, K]."""
        x = self.stem(images)
        for block in self.blocks.values():
            x = block(x)
        return Forward(self.classify(x))


def pool(x: Tensor) -> Tensor:
    """Mean over the whole map: [b, C, h, w] to [b, C]."""
    return torch.mean(x, dim=(2, 3))
