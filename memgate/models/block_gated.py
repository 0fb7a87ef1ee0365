"""Block-gated ResNets: Model 4, the entropy gate with its own classifier (soft-gating paper, section 4).

In a gated block, o1 is the output of the first unit and o2 that of the last. The gate's classifier reads the
pooled ``tap``; the entropy H of its softmax becomes g, and the block puts out g*o2 + (1-g)*o1.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from memgate.config import GateConfig
from memgate.gates import entropy, gate_value
from memgate.logformat import ROUTED_ABOVE
from memgate.models.forward import Forward, Gate
from memgate.models.resnet import ResNet, pool

Mixing = Callable[[Tensor], Tensor]
"""A gate's value g [b] to the weight [b] of o2 in the block's output."""

Route = Mapping[str, Mixing]
"""Gated block to its mixing; a block that is not named is mixed by g as learned."""

AS_LEARNED: Route = MappingProxyType({})


def skip(g: Tensor) -> Tensor:
    """The block puts out o1, what its first unit gives: the units after it are skipped."""
    return torch.zeros_like(g)


def through(g: Tensor) -> Tensor:
    """The block puts out o2, what its last unit gives."""
    return torch.ones_like(g)


def hard(g: Tensor) -> Tensor:
    """A sample that counts as routed goes through, any other skips."""
    return (g > ROUTED_ABOVE).to(g.dtype)


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

    def forward(self, images: Tensor, route: Route = AS_LEARNED) -> Forward:
        """Normalised images [b, 3, H, W] to logits [b, K] and the gates in the order of the blocks.

        Args:
            images: the batch.
            route: what becomes of each gate's value; as it is, where nothing is said. The gates that are
                returned hold g as it was computed on the way, whatever it was replaced by.
        """
        return self.along(images, {"": route})[""]

    def along(self, images: Tensor, routes: Mapping[str, Route]) -> dict[str, Forward]:
        """The same images along several routes; what the routes have in common is computed once.

        Args:
            images: normalised [b, 3, H, W].
            routes: name to route, at least one.

        Returns:
            Name to what :meth:`forward` gives for that route, to the bit.
        """
        found = self._follow(self.trunk.stem(images), tuple(self.trunk.blocks), routes, ())
        return {name: found[name] for name in routes}

    def _follow(
        self, x: Tensor, blocks: Sequence[str], routes: Mapping[str, Route], gates: tuple[Gate, ...]
    ) -> dict[str, Forward]:
        """The rest of the way from a map x, for routes that agree on how it came about."""
        if not blocks:
            return dict.fromkeys(routes, Forward(self.trunk.classify(x), gates))
        name, rest = blocks[0], blocks[1:]
        if name not in self.gates:
            return self._follow(self.trunk.blocks[name](x), rest, routes, gates)
        units = cast(nn.Sequential, self.trunk.blocks[name])
        o1 = units[0](x)
        o2 = units[1:](o1)
        gate = self.gates[name](o1 if self.tap == "o1" else o2)
        found: dict[str, Forward] = {}
        for mixing in dict.fromkeys(route.get(name) for route in routes.values()):
            weight = gate.value if mixing is None else mixing(gate.value)
            g = weight[:, None, None, None].to(o2.dtype)
            same = {key: route for key, route in routes.items() if route.get(name) is mixing}
            found |= self._follow(g * o2 + (1 - g) * o1, rest, same, (*gates, gate))
        return found
