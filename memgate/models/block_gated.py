"""Block-gated ResNets: Model 4, the entropy gate with its own classifier (soft-gating paper, section 4).

In a gated block, o1 is the output of the first unit and o2 that of the last. The gate's classifier reads the
pooled ``tap``; the entropy H of its softmax becomes g, and the block puts out g*o2 + (1-g)*o1.
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from memgate.config import GateConfig
from memgate.gates import entropy, gate_value
from memgate.models.forward import Forward, Gate
from memgate.models.resnet import ResNet, pool


class EntropyGate(nn.Module):
    """Two linear layers with nothing between them, as in the papers' code: a classifier of limited rank."""

    def __init__(self, name: str, channels: int, hidden: int, classes: int, config: GateConfig) -> None:
        super().__init__()
        self.name, self.classes, self.config = name, classes, config
        self.hidden = nn.Linear(channels, hidden)
        self.output = nn.Linear(hidden, classes)

    def classify(self, features: Tensor) -> Tensor:
        """Pooled features [b, C] to the gate's logits [b, K]."""
        return self.output(self.hidden(features))

    def forward(self, tapped: Tensor) -> Gate:
        """The gate for the block's map at the tap [b, C, h, w].

        Two passes through two small layers keep the two losses apart: ``logits`` see detached features, so
        the gate's loss moves the gate only; ``value`` sees detached weights, so the classification loss
        moves the trunk only (through g too, unless ``detach_gate``).
        """
        # Outside autocast: 16 bits would decide "routed" differently from the logged float32 value.
        with torch.autocast(tapped.device.type, enabled=False):
            features = pool(tapped.float())
            logits = self.classify(features.detach())
            if self.config.detach_gate or not torch.is_grad_enabled():
                h = entropy(logits.detach())
            else:
                hidden = functional.linear(features, self.hidden.weight.detach(), self.hidden.bias.detach())
                frozen = functional.linear(hidden, self.output.weight.detach(), self.output.bias.detach())
                h = entropy(frozen)
            g = gate_value(h, self.config.curve, self.classes, self.config.slope)
        return Gate(self.name, g, logits, h, features.detach())


class EntropyGatedResNet(nn.Module):
    """A ResNet whose last block, or last two, can be skipped softly, sample by sample."""

    def __init__(self, trunk: ResNet, classes: int, config: GateConfig) -> None:
        super().__init__()
        self.trunk = trunk
        self.tap = config.tap
        hidden = {"b2": config.hidden_b2, "b3": config.hidden_b3}
        self.gates = nn.ModuleDict(
            {
                name: EntropyGate(name, trunk.channels[name], hidden[name], classes, config)
                for name in config.names
            }
        )

    def forward(self, images: Tensor) -> Forward:
        """Normalised images [b, 3, H, W] to logits [b, K] and the gates in the order of the blocks."""
        x = self.trunk.stem(images)
        gates = []
        for name, block in self.trunk.blocks.items():
            if name not in self.gates:
                x = block(x)
                continue
            units = cast(nn.Sequential, block)
            o1 = units[0](x)
            o2 = units[1:](o1)
            gate = self.gates[name](o1 if self.tap == "o1" else o2)
            g = gate.value[:, None, None, None].to(o2.dtype)
            x = g * o2 + (1 - g) * o1
            gates.append(gate)
        return Forward(self.trunk.classify(x), tuple(gates))
