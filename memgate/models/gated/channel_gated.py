"""ResNets whose residual units open some of their inner channels for each sample (batch-shaping paper, section 4).

A closed channel of the map between two convolutions is 0 after its ReLU, so that neither the convolution that makes it
nor its part of the next one has to be computed: output = W2 * (g . relu(W1 * x)) + x.
"""

from torch import Tensor, nn

from memgate.config.run import GateConfig, ModelConfig
from memgate.models.backbones.units import InnerWeights, Unit
from memgate.models.gated.channel_gates import ChannelGate
from memgate.models.gated.hard_gated import HardGatedNetwork


class ChannelGatedResNet(HardGatedNetwork):
    """A ResNet with a gate in every unit: normalised images [b, 3, H, W] to logits [b, K] and the gates."""

    def __init__(self, config: ModelConfig, classes: int) -> None:
        """Build and initialise with the global generator.

        Args:
            config: of the network.
            classes: number of classes K.
        """
        super().__init__(config, classes)
        self.config = config.gate

    def new_gate(self, unit: Unit, config: GateConfig, stream: int) -> nn.Module:
        """The gate of a unit's inner channels."""
        return ChannelGate(unit.channels_in, sum(gated_widths(unit, config)), config, stream)

    def through(
        self,
        unit: Unit,
        x: Tensor,
        channels: Tensor,
        keys: Tensor | None,  # noqa: ARG002 (nothing is drawn)
    ) -> Tensor:
        """Output of a unit whose inner channels have these weights [b, C]."""
        return unit(x, inner=inner_weights(unit, self.config, channels))


def inner_weights(unit: Unit, config: GateConfig, channels: Tensor) -> InnerWeights:
    """Number of each gated inner map of a unit to the weights [b, C] of its channels.

    Args:
        unit: the residual unit.
        config: of the gates.
        channels: of the gate [b, C], those of both maps one after another where both are gated.
    """
    weights = channels.split(gated_widths(unit, config), dim=1)
    return dict(zip(gated_maps(unit, config), weights, strict=True))


def gated_widths(unit: Unit, config: GateConfig) -> list[int]:
    """Number of channels of each gated inner map of a unit."""
    return [unit.inner_channels[number - 1] for number in gated_maps(unit, config)]


def gated_maps(unit: Unit, config: GateConfig) -> range:
    """Numbers of the gated inner maps of a unit, from 1."""
    return config.gated_maps(len(unit.inner_channels))
