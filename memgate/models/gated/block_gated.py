"""ResNets whose blocks can be skipped softly, sample by sample (the report on gating; soft-gating paper, section 4).

In a gated block, o1 is the output of the first unit and o2 that of the last. The gate reads the ``tap``, and the block
puts out g*o2 + (1-g)*o1. The gates themselves: :mod:`memgate.models.gated.block_gates`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import cast

import torch
from torch import Tensor, nn

from memgate.config.model import ROUTED_ABOVE
from memgate.config.run import ModelConfig
from memgate.models.backbones.resnet import ResNet, map_side
from memgate.models.forward import Forward, Gate
from memgate.models.gated.block_gates import BLOCK_GATES, BlockGate

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


@dataclass(frozen=True)
class _Passed:
    """What the gates on the way so far have said."""

    gates: tuple[Gate, ...] = ()
    penalties: tuple[Tensor, ...] = ()


class BlockGatedResNet(nn.Module):
    """A ResNet with a gate over some of its blocks."""

    def __init__(self, config: ModelConfig, classes: int, image_size: int) -> None:
        """Build and initialise with the global generator.

        Args:
            config: which network; its name says which gate.
            classes: K.
            image_size: side of the images in pixels, for gates that read flattened maps.
        """
        super().__init__()
        self.trunk = ResNet(config, classes)
        self.tap, self.weight, self.penalty_names = config.gate.tap, config.gate.penalty, config.penalty_names
        gate = BLOCK_GATES[config.name]
        self.gates = nn.ModuleDict()
        for name in config.gate.names:
            positions = 1 if config.gate.input == "pooled" else map_side(config, name, image_size) ** 2
            self.gates[name] = gate(name, self.trunk.channels[name] * positions, classes, config.gate)

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
        found = self._follow(self.trunk.stem(images), tuple(self.trunk.blocks), routes, _Passed())
        return {name: found[name] for name in routes}

    def _follow(
        self, x: Tensor, blocks: Sequence[str], routes: Mapping[str, Route], passed: _Passed
    ) -> dict[str, Forward]:
        """The rest of the way from a map x, for routes that agree on how it came about."""
        if not blocks:
            # Several gates' penalties are added up, as the losses of several gates' classifiers are.
            total = {name: self.weight * torch.stack(passed.penalties).sum() for name in self.penalty_names}
            return dict.fromkeys(routes, Forward(self.trunk.classify(x), passed.gates, total))
        name, rest = blocks[0], blocks[1:]
        if name not in self.gates:
            return self._follow(self.trunk.blocks[name](x), rest, routes, passed)
        first, *further_units = cast(nn.Sequential, self.trunk.blocks[name])
        o1 = o2 = first(x)
        for unit in further_units:
            o2 = unit(o2)
        module = cast(BlockGate, self.gates[name])
        read = module(o1 if self.tap == "o1" else o2)
        found: dict[str, Forward] = {}
        for mixing in dict.fromkeys(route.get(name) for route in routes.values()):
            weight = read.gate.value if mixing is None else mixing(read.gate.value)
            g = weight[:, None, None, None].to(o2.dtype)
            out = g * o2 + (1 - g) * o1
            penalty = module.penalty(read, o1, out) if self.penalty_names else None
            further = _Passed(
                (*passed.gates, read.gate),
                passed.penalties if penalty is None else (*passed.penalties, penalty),
            )
            same = {key: route for key, route in routes.items() if route.get(name) is mixing}
            found |= self._follow(out, rest, same, further)
        return found
