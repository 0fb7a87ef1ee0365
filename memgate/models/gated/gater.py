"""GaterNet: a second network that opens or closes filters of a backbone for each image (Chen et al. 2019).

The gater is a ResNet without its last layer, whose pooled features go through Linear(b), BatchNorm and ReLU, the
bottleneck. One linear layer for each gated unit makes the logits of its filters from these; together they are the
paper's second fully connected layer. :mod:`memgate.models.gated.semhash` makes gates of the logits.

Gated are the filters of the last convolution of each residual unit, of each branch of a Shake-Shake unit, and of each
layer of a DenseNet but the first of a block. The gates multiply what has passed the BatchNorm behind these
convolutions, where there is one, before it is added or concatenated: of a closed filter nothing is left. The stem,
other convolutions and shortcuts have no gates.
"""

from itertools import accumulate, pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from memgate.config.run import GateConfig, ModelConfig
from memgate.models.backbones.resnet import ResNet
from memgate.models.entropy import at_least_float32
from memgate.models.forward import Gate
from memgate.models.gated.channel_gates import decided, gate_of, normalised
from memgate.models.gated.hard_gated import HardGatedNetwork, Memory
from memgate.models.gated.semhash import STREAMS, dropped, hashed


class Gater(nn.Module):
    """Normalised images [b, 3, H, W] to the features [b, bottleneck] from which all filters are chosen."""

    def __init__(self, config: GateConfig) -> None:
        """A ResNet of post-activation basic units with projections, whose head is removed, and the bottleneck.

        Args:
            config: of the gates.
        """
        super().__init__()
        self.cnn = ResNet(ModelConfig("resnet", config.gater_depth, width=config.gater_width), classes=1)
        self.hidden = nn.Linear(self.cnn.head.in_features, config.bottleneck)
        self.norm = nn.BatchNorm1d(config.bottleneck)
        del self.cnn.head
        nn.init.kaiming_normal_(self.hidden.weight, nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        """Features [b, bottleneck], at least float32."""
        x = self.cnn.stem(images)
        for unit in self.cnn.units():
            x = unit(x)
        # Outside autocast: with 16 bits, "open" would differ from what the logged float32 values say.
        with torch.autocast(x.device.type, enabled=False):
            hidden = self.hidden(self.cnn.pooled(at_least_float32(x)))
            return functional.relu(normalised(self.norm, hidden, self.training))


class GaterNet(HardGatedNetwork):
    """A backbone and its gater: normalised images [b, 3, H, W] to logits [b, K] and the gates."""

    def __init__(self, config: ModelConfig, classes: int) -> None:
        """Build and initialise with the global generator.

        Args:
            config: of the network.
            classes: number of classes K.
        """
        super().__init__(config, classes)
        self.gater = Gater(config.gate)
        self.stream = len(self.names)
        """First of the gater's streams of random numbers: units of the backbone draw from those before."""
        self.dropout = 0.0
        """Share of the gates that training closes by chance; set at each step of the training."""
        bounds = accumulate(config.gate_channels.values(), initial=0)
        self.parts = dict(zip(config.gate_names, pairwise(bounds), strict=True))
        """Gate to the places (start, stop) of its filters among all."""

    def new_gate(self, unit: Any, config: GateConfig, stream: int) -> nn.Module:  # noqa: ARG002 (drawn for all at once)
        """The layer from the bottleneck [b, bottleneck] to the logits [b, C] of a unit's filters."""
        layer = nn.Linear(config.bottleneck, unit.filters)
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        nn.init.constant_(layer.bias, config.opening)
        return layer

    def started(self, images: Tensor, keys: Tensor | None) -> Memory:
        """The logits of all filters and their weights, both [b, c]."""
        features = self.gater(images)
        with torch.autocast(features.device.type, enabled=False):
            logits = torch.cat([gate(features) for gate in self.gates.values()], dim=1)
            if self.training:
                weights = hashed(logits, keys, self.stream)
                if self.dropout:
                    weights = dropped(weights, keys, self.stream + STREAMS, self.dropout)
                return logits, weights
            return logits, decided(logits, training=False)

    def decide(
        self,
        name: str,
        x: Tensor,  # noqa: ARG002 (decided from the whole image)
        keys: Tensor | None,  # noqa: ARG002 (drawn already)
        memory: Memory,
    ) -> tuple[Gate, Memory]:
        """The filters [b, C] of a unit, which the gater has chosen."""
        start, stop = self.parts[name]
        logits, channels = (part[:, start:stop] for part in memory)
        return gate_of(name, logits, channels), memory

    def through(self, unit: Any, x: Tensor, channels: Tensor, keys: Tensor | None) -> Tensor:
        """Output of a unit of which the filters have the weights [b, C]."""
        return unit.filtered(x, channels, keys)
