"""ResNets whose residual units open some of their inner channels for each sample (batch-shaping paper, section 4).

A closed channel of the map between two convolutions is 0 after its ReLU, so that neither the convolution that makes it
nor its part of the next one has to be computed: output = W2 * (g . relu(W1 * x)) + x.
"""

from torch import Tensor, nn

from memgate.config.run import GateConfig, ModelConfig
from memgate.models.backbones.units import InnerWeights, Unit
from memgate.models.gated.channel_gates import ChannelGate
from memgate.models.gated.hard_gated import HardGatedResNet


class ChannelGatedResNet(HardGatedResNet):
    """A ResNet with a gate in every unit: normalised images [b, 3, H, W] to logits [b, K] and the gates."""

    def __init__(self, config: ModelConfig, classes: int) -> None:
        """Build and initialise with the global generator.

        Args:
            config: of the network.
            classes: number of classes K.
        """
        super().__init__(config, classes)
        self.inner = config.gate.inner

    def new_gate(self, unit: Unit, config: GateConfig, stream: int) -> nn.Module:
        """The gate of a unit's inner channels."""
        return ChannelGate(unit.channels_in, sum(gated_widths(unit, config.inner)), config, stream)

    def through(self, unit: Unit, x: Tensor, channels: Tensor) -> Tensor:
        """Output of a unit whose inner channels have these weights [b, C]."""
        return unit(x, inner=inner_weights(unit, self.inner, channels))


def inner_weights(unit: Unit, inner: str, channels: Tensor) -> InnerWeights:
    """Number of each gated inner map of a unit to the weights [b, C] of its channels.

    Args:
        unit: the residual unit.
        inner: the gated maps, as :attr:`memgate.config.gate.GateConfig.inner`.
        channels: of the gate [b, C], those of both maps one after another where both are gated.
    """
    weights = channels.split(gated_widths(unit, inner), dim=1)
    return dict(zip(gated_maps(unit, inner), weights, strict=True))


def gated_widths(unit: Unit, inner: str) -> list[int]:
    """Number of channels of each gated inner map of a unit.

    Args:
        unit: the residual unit.
        inner: see :func:`inner_weights`.
    """
    return [unit.inner_channels[number - 1] for number in gated_maps(unit, inner)]


def gated_maps(unit: Unit, inner: str) -> range:
    """Numbers of the gated inner maps of a unit, from 1.

    Args:
        unit: the residual unit.
        inner: see :func:`inner_weights`.
    """
    numbers = range(1, len(unit.inner_channels) + 1)
    return {"both": numbers, "first": numbers[:1], "last": numbers[-1:]}[inner]
