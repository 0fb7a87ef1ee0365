"""ResNets with a gate in every residual unit (the report on gating; He et al. 2016, "Identity mappings").

With x the input of a unit, F its residual branch and s its shortcut, a gate's convolution reads x (with the unit's
stride) and weighs F and s where they meet:

    layer-exclusive       g F + (1-g) s       g = sigmoid, of each channel and position
    layer-shortcut-only     F + (1-g) s       likewise
    layer-two-way        g1 F +   g2  s       (g1, g2) = softmax(logits / temperature), and g = g1

Two-way gates have one pair of logits for all channels of a position (``tube``) or one for each (``element``). All
gates start near the shortcut, by a bias of -6 (the authors' code), in two-way gates that of the branch's logit alone.
The penalty is the mean over the units of g^2, or of the cross-entropy of the logits (at temperature 1) towards g2: in
a unit a mean over batch, channels and positions, as in the authors' code (the report writes sums).
"""

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from memgate.config.model import unit_names
from memgate.config.run import GateConfig, ModelConfig
from memgate.models.backbones.resnet import ResNet, he_normal
from memgate.models.backbones.units import Unit
from memgate.models.forward import Forward, Gate


class Read(NamedTuple):
    """What a gate makes of a unit's input."""

    weight: Tensor
    """g [b, C or 1, h, w] in float32, of each channel and position or of each position."""
    entropy: Tensor | None
    """H [b] in nats, the mean over them of that of each pair."""
    penalty: Tensor | None
    """Scalar, before its own weight; None where nothing is added to the loss."""


class UnitGate(nn.Module):
    """One convolution on the unit's input."""

    def __init__(self, unit: Unit, channels: int, kernel: int, config: GateConfig) -> None:
        super().__init__()
        self.conv = nn.Conv2d(unit.channels_in, channels, kernel, unit.stride, kernel // 2)
        self.penalised = config.penalty > 0

    def he_initialised(self) -> None:
        """Draw the convolution's weights as the trunk's are."""
        he_normal(self.conv)

    def forward(self, x: Tensor) -> Read:
        """[b, C_in, H, W] to the weight of what the unit adds up."""
        # The convolution in the arithmetic of the trunk; what it says, in float32, as it is logged.
        return self.read(self.conv(x).float())

    def read(self, logits: Tensor) -> Read:
        """Logits [b, k, h, w] to the weight."""
        raise NotImplementedError

    def merge(self, weight: Tensor, branch: Tensor, shortcut: Tensor) -> Tensor:
        """What the unit puts out [b, C, h, w], before its ReLU: g F + (1-g) s."""
        return torch.lerp(shortcut, branch, weight.to(branch.dtype))


class ExclusiveGate(UnitGate):
    """g F + (1-g) s."""

    def __init__(self, unit: Unit, config: GateConfig) -> None:
        super().__init__(unit, unit.channels_out, 1, config)
        nn.init.constant_(cast(Tensor, self.conv.bias), config.bias)

    def read(self, logits: Tensor) -> Read:
        """Logits [b, C, h, w] to the weight."""
        g = torch.sigmoid(logits)
        return Read(g, None, g.square().mean() if self.penalised else None)


class ShortcutOnlyGate(ExclusiveGate):
    """F + (1-g) s."""

    def merge(self, weight: Tensor, branch: Tensor, shortcut: Tensor) -> Tensor:
        """What the unit puts out [b, C, h, w], before its ReLU."""
        return branch + (1 - weight).to(shortcut.dtype) * shortcut


class TwoWayUnitGate(UnitGate):
    """g1 F + g2 s, where g2 = 1 - g1."""

    def __init__(self, unit: Unit, config: GateConfig) -> None:
        channels = unit.channels_out if config.window == "element-1x1" else 1
        super().__init__(unit, 2 * channels, 3 if config.window == "tube-3x3" else 1, config)
        # Of the branch's logits alone. The authors' code has it on both, where it cancels out: then every unit halves
        # its shortcut, a ResNet-110 starts with a gradient of norm 10^5, and at temperature 1 one step is its end.
        bias = cast(Tensor, self.conv.bias)
        nn.init.zeros_(bias)
        nn.init.constant_(bias[:channels], config.bias)
        self.temperature = config.temperature

    def he_initialised(self) -> None:
        """By fan-in: by that of two outputs the logits start so large that each position is decided at random."""
        nn.init.kaiming_normal_(self.conv.weight, nonlinearity="relu")

    def read(self, logits: Tensor) -> Read:
        """Logits [b, 2C, h, w] to the weight: the first half of the channels is of the branch."""
        branch, shortcut = logits.chunk(2, dim=1)
        # The softmax of two is the sigmoid of their difference d: H = softplus(d) - d g, -ln g2 = softplus(d).
        difference = branch - shortcut
        cooled = difference / self.temperature
        g = torch.sigmoid(cooled)
        h = functional.softplus(cooled) - cooled * g
        towards_skip = functional.softplus(difference).mean() if self.penalised else None
        return Read(g, h.mean(dim=(1, 2, 3)), towards_skip)


UNIT_GATES: dict[str, type[ExclusiveGate | TwoWayUnitGate]] = {
    "layer-exclusive": ExclusiveGate,
    "layer-shortcut-only": ShortcutOnlyGate,
    "layer-two-way": TwoWayUnitGate,
}
"""Network to its gate."""


class LayerGatedResNet(nn.Module):
    """A ResNet with a gate in every unit."""

    def __init__(self, config: ModelConfig, classes: int) -> None:
        """Build and initialise with the global generator.

        Args:
            config: which network; its name says which gate.
            classes: K.
        """
        super().__init__()
        self.trunk = ResNet(config, classes)
        self.weight, self.penalty_names = config.gate.penalty, config.penalty_names
        gate, units = UNIT_GATES[config.name], zip(unit_names(config.units), self._units(), strict=True)
        self.gates = nn.ModuleDict({name: gate(unit, config.gate) for name, unit in units})
        if config.initialisation == "he":
            for module in self.gates.children():
                cast(UnitGate, module).he_initialised()

    def _units(self) -> Iterator[Unit]:
        for block in self.trunk.blocks.values():
            yield from cast(Iterator[Unit], iter(cast(nn.Sequential, block)))

    def forward(self, images: Tensor) -> Forward:
        """Normalised images [b, 3, H, W] to logits [b, K] and a gate for each unit, in the order of the units."""
        x = self.trunk.stem(images)
        gates: list[Gate] = []
        penalties: list[Tensor] = []
        for (name, gate), unit in zip(self.gates.items(), self._units(), strict=True):
            module = cast(UnitGate, gate)
            found: Read = module(x)
            x = unit(x, partial(module.merge, found.weight))
            gates.append(Gate(name, found.weight.mean(dim=(1, 2, 3)), found.entropy))
            penalties += [] if found.penalty is None else [found.penalty]
        total = {name: self.weight * torch.stack(penalties).mean() for name in self.penalty_names}
        return Forward(self.trunk.classify(x), tuple(gates), total)
