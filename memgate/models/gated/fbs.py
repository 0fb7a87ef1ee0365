"""FBS, feature boosting and suppression: the most salient channels are kept, and weighted (Gao et al. 2018).

A gate reads the mean of the unit's absolute input and gives each inner channel the saliency g = relu(W mean|x| + b).
The ceil(d C) largest of a map keep their value, the others are 0, and the map becomes relu(g BatchNorm(conv(x))): g
takes the place of BatchNorm's scale, which is a constant 1. Nothing is drawn. Every sample needs the same number of
MACs, except where fewer channels have a saliency above 0.

Saliencies are linear in the input. Used as they are (``saliency`` plain, the paper), they make a unit quadratic in it:
in evaluation, where BatchNorm's statistics are constants, the map of a sample whose input is twice as large as usual
is four times as large, and infinite after some units. By default (mean-1) they are divided by their mean over the map.

In the paper every convolution has a gate on its own input. Here, as in the other networks with gates of channels, the
inner maps of a residual unit are gated, from the unit's input: the unit's last convolution adds to the shortcut, and
stem and shortcuts are always computed.
"""

import math
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from memgate.config.run import GateConfig, ModelConfig
from memgate.models.backbones.trunk import pool
from memgate.models.backbones.units import Unit
from memgate.models.entropy import at_least_float32
from memgate.models.forward import Gate, open_share
from memgate.models.gated.channel_gated import ChannelGatedResNet, gated_maps, gated_widths
from memgate.models.gated.hard_gated import Memory


class SaliencyGate(nn.Module):
    """Saliencies g [b, C] of the inner channels of a unit, 0 or more, from its input [b, C_in, H, W]."""

    def __init__(self, channels_in: int, widths: Sequence[int], config: GateConfig) -> None:
        """Start with saliencies around 1, as the scales that they replace.

        Args:
            channels_in: C_in.
            widths: channels of each gated map, C in all.
            config: of the gates.
        """
        super().__init__()
        self.widths, self.density = tuple(widths), config.density
        self.plain = config.saliency == "plain"
        self.output = nn.Linear(channels_in, sum(widths))
        nn.init.kaiming_normal_(self.output.weight, nonlinearity="relu")
        nn.init.ones_(self.output.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Saliencies [b, C], at least float32."""
        with torch.autocast(x.device.type, enabled=False):
            return torch.relu(self.output(pool(at_least_float32(x).abs())))

    def kept(self, saliency: Tensor) -> Tensor:
        """Weights [b, C] of the channels that are kept in each map; 0 for the others."""
        maps = saliency.split(self.widths, dim=1)
        maps = maps if self.plain else [with_mean_1(values) for values in maps]
        return torch.cat(
            [strongest(values, kept_of(values.shape[1], self.density)) for values in maps], dim=1
        )


def with_mean_1(values: Tensor) -> Tensor:
    """Values [b, C], 0 or more, divided by their mean; where all are 0, so is the result."""
    return values / values.mean(dim=1, keepdim=True).clamp(min=1e-6)


def kept_of(channels: int, density: float) -> int:
    """Number of channels that are kept, ceil(density * channels)."""
    # A product that rounding put above a whole number is that number.
    return math.ceil(density * channels - 1e-9)


def strongest(values: Tensor, count: int) -> Tensor:
    """The ``count`` largest values of each sample, 0 for the others; of equal values, the first ones are kept.

    Args:
        values: [b, C].
        count: at least 1.
    """
    order = values.detach().argsort(dim=1, descending=True, stable=True)
    keep = torch.zeros_like(values, dtype=torch.bool).scatter(1, order[:, :count], value=True)
    return values.where(keep, 0.0)  # a product with 0 would make NaN of a suppressed infinity


class BoostedResNet(ChannelGatedResNet):
    """A ResNet with a gate in every unit: normalised images [b, 3, H, W] to logits [b, K] and the gates."""

    draws = False
    """Nothing in it is random."""

    def __init__(self, config: ModelConfig, classes: int) -> None:
        """Build and initialise with the global generator.

        Args:
            config: of the network.
            classes: number of classes K.
        """
        super().__init__(config, classes)
        for unit in self.units():
            for number in gated_maps(unit, self.config):
                # The BatchNorm of the map: before the next convolution of a pre-activation unit, after its own else.
                fix_scale(unit.get_submodule(f"bn{number + unit.pre}"))

    def new_gate(self, unit: Unit, config: GateConfig, stream: int) -> nn.Module:  # noqa: ARG002 (nothing is drawn)
        """The gate of a unit's inner channels."""
        return SaliencyGate(unit.channels_in, gated_widths(unit, config), config)

    def decide(
        self,
        name: str,
        x: Tensor,
        keys: Tensor | None,  # noqa: ARG002 (nothing is drawn)
        memory: Memory,
    ) -> tuple[Gate, Memory]:
        """The channels [b, C] that are kept, with their saliencies."""
        gate = cast(SaliencyGate, self.gates[name])
        saliency = gate(x)
        channels = gate.kept(saliency)
        return Gate(name, open_share(channels), channels=channels, saliency=saliency), memory


def fix_scale(norm: nn.Module) -> None:
    """Make a BatchNorm's scale a constant: 1, or what ``--init-from`` loads, as it keeps its name."""
    ones = torch.ones_like(cast(Tensor, norm.weight)).detach()
    del norm.weight
    norm.register_buffer("weight", ones)
