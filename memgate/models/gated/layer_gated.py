"""ResNets with a gate in every residual unit (the report on gating; He et al. 2016, "Identity mappings").

With x the input of a unit, F its residual branch and s its shortcut, the gate is a convolution of x (with the unit's
stride) that weights F and s before they are added:

    layer-exclusive       g F + (1-g) s       g = sigmoid(logits), per channel and position
    layer-shortcut-only     F + (1-g) s       likewise
    layer-two-way        g1 F +   g2  s       (g1, g2) = softmax(logits / temperature), and g = g1

Two-way gates have one pair of logits for all channels of a position (``tube``) or one per channel (``element``). A
bias of -6 makes g start near 0 (the authors' code), in two-way gates on the branch's logit alone. The penalty is the
mean over units of g^2, or of the cross-entropy of the logits (at temperature 1) towards g2: within a unit a mean over
batch, channels and positions, as in the authors' code (the report writes sums).
"""

from functools import partial
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from memgate.config.backbone import unit_names
from memgate.config.run import GateConfig, ModelConfig
from memgate.models.backbones.resnet import ResNet
from memgate.models.backbones.trunk import he_normal
from memgate.models.backbones.units import Unit
from memgate.models.entropy import at_least_float32, choice_entropy
from memgate.models.forward import Forward, Gate


class UnitGateOutput(NamedTuple):
    """Output of a gate for one batch of a unit's inputs."""

    weight: Tensor
    """g [b, C or 1, h, w] at least in float32, per channel and position or per position."""
    entropy: Tensor | None
    """H [b] in nats, mean over positions (and channels) of the entropy of each pair; None for sigmoid gates."""
    penalty: Tensor | None
    """Scalar added to the loss, before its weight; None for nothing."""


class UnitGate(nn.Module):
    """Base of the gates in units: one convolution on the unit's input. Subclasses implement ``read`` and ``merge``."""

    def __init__(self, unit: Unit, channels: int, kernel: int, config: GateConfig) -> None:
        super().__init__()
        self.conv = nn.Conv2d(unit.channels_in, channels, kernel, unit.stride, kernel // 2)
        self.penalised = config.penalty > 0

    def he_initialised(self) -> None:
        """Draw the convolution's weights like those of the trunk."""
        he_normal(self.conv)

    def forward(self, x: Tensor) -> UnitGateOutput:
        """Gate value, entropy and penalty for the unit's input [b, C_in, H, W]."""
        # The convolution runs in the precision of the trunk; g is not rounded to 16 bits, as it is logged.
        return self.read(at_least_float32(self.conv(x)))

    def read(self, logits: Tensor) -> UnitGateOutput:
        """Gate value, entropy and penalty from logits [b, k, h, w]."""
        raise NotImplementedError

    def merge(self, weight: Tensor, branch: Tensor, shortcut: Tensor) -> Tensor:
        """Output of the unit [b, C, h, w] before its ReLU: g F + (1-g) s."""
        return torch.lerp(shortcut, branch, weight.to(branch.dtype))


class ExclusiveGate(UnitGate):
    """Output g F + (1-g) s with g = sigmoid(logits)."""

    def __init__(self, unit: Unit, config: GateConfig) -> None:
        super().__init__(unit, unit.channels_out, 1, config)
        nn.init.constant_(cast(Tensor, self.conv.bias), config.bias)

    def read(self, logits: Tensor) -> UnitGateOutput:
        """Gate value and penalty from logits [b, C, h, w]."""
        g = torch.sigmoid(logits)
        return UnitGateOutput(g, None, g.square().mean() if self.penalised else None)


class ShortcutOnlyGate(ExclusiveGate):
    """Output F + (1-g) s with g = sigmoid(logits)."""

    def merge(self, weight: Tensor, branch: Tensor, shortcut: Tensor) -> Tensor:
        """Output of the unit [b, C, h, w] before its ReLU: F + (1-g) s."""
        return branch + (1 - weight).to(shortcut.dtype) * shortcut


class TwoWayUnitGate(UnitGate):
    """Output g1 F + g2 s with (g1, g2) = softmax(logits / temperature)."""

    def __init__(self, unit: Unit, config: GateConfig) -> None:
        channels = unit.channels_out if config.window == "element-1x1" else 1
        super().__init__(unit, 2 * channels, 3 if config.window == "tube-3x3" else 1, config)
        # On the branch's logits alone. The authors' code has it on both, where it cancels: then every unit halves its
        # shortcut, the first gradient of a ResNet-110 has norm 10^5, and at temperature 1 training diverges at once.
        bias = cast(Tensor, self.conv.bias)
        nn.init.zeros_(bias)
        nn.init.constant_(bias[:channels], config.bias)
        self.temperature, self.spread = config.temperature, config.spread

    def he_initialised(self) -> None:
        """Draw the weights by fan-in, or as those of the trunk by fan-out (``spread``), which is 2 and so large."""
        if self.spread == "fan-out":
            super().he_initialised()
        else:
            nn.init.kaiming_normal_(self.conv.weight, nonlinearity="relu")

    def read(self, logits: Tensor) -> UnitGateOutput:
        """Gate value, entropy and penalty from logits [b, 2C, h, w], those of the branch first."""
        branch, shortcut = logits.chunk(2, dim=1)
        # The softmax of two is the sigmoid of their difference d, and -ln g2 = softplus(d).
        difference = branch - shortcut
        cooled = difference / self.temperature
        g = torch.sigmoid(cooled)
        h = choice_entropy(cooled, g)
        towards_skip = functional.softplus(difference).mean() if self.penalised else None
        return UnitGateOutput(g, h.mean(dim=(1, 2, 3)), towards_skip)


UNIT_GATES: dict[str, type[ExclusiveGate | TwoWayUnitGate]] = {
    "layer-exclusive": ExclusiveGate,
    "layer-shortcut-only": ShortcutOnlyGate,
    "layer-two-way": TwoWayUnitGate,
}
"""Name of a network (``ModelConfig.name``) to the class of its gates."""


class LayerGatedResNet(nn.Module):
    """A ResNet with a gate in every unit: normalised images [b, 3, H, W] to logits [b, K] and the gates."""

    def __init__(self, config: ModelConfig, classes: int) -> None:
        """Build and initialise with the global generator.

        Args:
            config: of the network; its name selects the class of the gates.
            classes: number of classes K.
        """
        super().__init__()
        self.trunk = ResNet(config, classes)
        self.weight, self.penalty_names = config.gate.penalty, config.penalty_names
        gate, units = UNIT_GATES[config.name], zip(unit_names(config.units), self.trunk.units(), strict=True)
        self.gates = nn.ModuleDict({name: gate(unit, config.gate) for name, unit in units})
        if config.initialisation == "he":
            for module in self.gates.children():
                cast(UnitGate, module).he_initialised()

    def forward(self, images: Tensor) -> Forward:
        """Normalised images [b, 3, H, W] to logits [b, K] and one gate per unit, in the order of the units."""
        x = self.trunk.stem(images)
        gates: list[Gate] = []
        penalties: list[Tensor] = []
        for (name, gate), unit in zip(self.gates.items(), self.trunk.units(), strict=True):
            module = cast(UnitGate, gate)
            output: UnitGateOutput = module(x)
            x = unit(x, partial(module.merge, output.weight))
            gates.append(Gate(name, output.weight.mean(dim=(1, 2, 3)), output.entropy))
            penalties += [] if output.penalty is None else [output.penalty]
        total = {name: self.weight * torch.stack(penalties).mean() for name in self.penalty_names}
        return Forward(self.trunk.classify(x), tuple(gates), total)
