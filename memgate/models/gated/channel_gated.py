"""ResNets whose residual units open some of their inner channels for each sample (batch-shaping paper, section 4).

A closed channel of the map between two convolutions is 0 after its ReLU, so that neither the convolution that makes it
nor its part of the next one has to be computed: output = W2 * (g . relu(W1 * x)) + x.
"""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import cast

from torch import Tensor, nn

from memgate.config.run import ModelConfig
from memgate.models.backbones.resnet import ResNet
from memgate.models.backbones.units import InnerWeights, Unit
from memgate.models.forward import Forward, Gate
from memgate.models.gated.channel_gates import ChannelGate, gate_of

ChannelRoute = Mapping[str, Callable[[Tensor], Tensor]]
"""Gate to a function of the weights [b, C] of its channels to those that are used instead; gates that are not named
decide themselves."""

OWN_CHOICE: ChannelRoute = MappingProxyType({})
"""Every gate decides itself."""


class ChannelGatedResNet(nn.Module):
    """A ResNet with a gate in every unit: normalised images [b, 3, H, W] to logits [b, K] and the gates."""

    draws = True
    """It draws random numbers in training."""

    def __init__(self, config: ModelConfig, classes: int) -> None:
        """Build and initialise with the global generator.

        Args:
            config: of the network.
            classes: number of classes K.
        """
        super().__init__()
        self.trunk = ResNet(config, classes)
        self.inner = config.gate.inner
        self.gates = nn.ModuleDict()
        for stream, ((name, channels), unit) in enumerate(
            zip(config.gate_channels.items(), self.units(), strict=True)
        ):
            self.gates[name] = ChannelGate(unit.channels_in, channels, config.gate, stream)

    def units(self) -> Iterator[Unit]:
        """The residual units in the order of the gates."""
        for block in self.trunk.blocks.values():
            yield from cast(Iterator[Unit], iter(cast(nn.Sequential, block)))

    def forward(
        self, images: Tensor, keys: Tensor | None = None, route: ChannelRoute = OWN_CHOICE
    ) -> Forward:
        """Normalised images [b, 3, H, W] to logits [b, K] and one gate per unit, in the order of the units.

        Args:
            images: the batch.
            keys: of the samples [b], for the noise of training (:func:`memgate.models.draws.keys_of`).
            route: replacements of the gates' choices. The returned gates hold what each chose, not what replaced it;
                gates after a replaced one read features that it has changed.
        """
        x = self.trunk.stem(images)
        gates: list[Gate] = []
        for (name, module), unit in zip(self.gates.items(), self.units(), strict=True):
            gate = cast(ChannelGate, module)
            logits = gate(x)
            channels = gate.opened(logits, keys)
            gates.append(gate_of(name, logits, channels))
            used = route[name](channels) if name in route else channels
            x = unit(x, inner=inner_weights(unit, self.inner, used))
        return Forward(self.trunk.classify(x), tuple(gates))


def inner_weights(unit: Unit, inner: str, channels: Tensor) -> InnerWeights:
    """Number of each gated inner map of a unit to the weights [b, C] of its channels.

    Args:
        unit: the residual unit.
        inner: the gated maps, as :attr:`memgate.config.gate.GateConfig.inner`.
        channels: of the gate [b, C], those of both maps one after another where both are gated.
    """
    numbers = range(1, len(unit.inner_channels) + 1)
    chosen = {"both": numbers, "first": numbers[:1], "last": numbers[-1:]}[inner]
    widths = [unit.inner_channels[number - 1] for number in chosen]
    return dict(zip(chosen, channels.split(widths, dim=1), strict=True))
