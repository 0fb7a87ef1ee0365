"""ConvNet-AIG: residual units that each sample takes or skips (Veit and Belongie 2018).

A gate reads the mean of the unit's input: Linear(16), BatchNorm, ReLU, Linear(2). In training the two logits are
compared after Gumbel noise, which is logistic noise on their difference, so that the choice is a binary concrete
variable of temperature 1. The unit's output is relu(shortcut + g branch) with g 0 or 1, and the gradient is that of
the sigmoid (straight-through). In evaluation there is no noise here. The authors' code draws it in the test pass too,
so that its prediction of an image changes from pass to pass.
"""

import torch
from torch import Tensor, nn

from memgate.config.run import GateConfig
from memgate.models.backbones.units import Unit
from memgate.models.gated.channel_gates import ChannelGate
from memgate.models.gated.hard_gated import UnitGatedResNet

START_BIAS = (0.1, 2.0)
"""Initial biases of the logits of skipping and of taking the unit: 87 % of the units are taken at first."""

START_SPREAD = 0.001
"""Standard deviation of the initial weights of the last layer, so that the biases alone decide at first."""


class AdaptiveGate(ChannelGate):
    """Logit [b, 1] of taking a unit from its input [b, C_in, H, W]: the difference of the two logits."""

    def __init__(self, channels_in: int, config: GateConfig, stream: int) -> None:
        """Draw the initial weights of the last layer as the authors' code does.

        Args:
            channels_in: C_in.
            config: of the gates.
            stream: number of the gate in the network.
        """
        super().__init__(channels_in, 2, config, stream)
        self.temperature = 1.0
        nn.init.normal_(self.output.weight, std=START_SPREAD)
        with torch.no_grad():
            self.output.bias.copy_(torch.tensor(START_BIAS))

    def forward(self, x: Tensor) -> Tensor:
        """Logit [b, 1], at least float32."""
        skip, take = super().forward(x).split(1, dim=1)
        return take - skip


class AdaptiveResNet(UnitGatedResNet):
    """A ResNet with a gate in every unit: normalised images [b, 3, H, W] to logits [b, K] and the gates."""

    def new_gate(self, unit: Unit, config: GateConfig, stream: int) -> AdaptiveGate:
        """The gate of a unit."""
        return AdaptiveGate(unit.channels_in, config, stream)
