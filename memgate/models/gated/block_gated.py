"""ResNets with gates over blocks: each sample's output of a block is a mixture weighted by g.

In a gated block, o1 is the output of the first unit and o2 that of the last. The gate reads one of them (``tap``), and
the block's output is g*o2 + (1-g)*o1 (the report on gating; soft-gating paper, section 4). The gates are in
:mod:`memgate.models.gated.block_gates`.
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
"""Function of a gate's value g [b] to the weight [b] of o2 in the block's output."""

Route = Mapping[str, Mixing]
"""Gated block to its mixing; blocks that are not named are mixed by g as learned."""

AS_LEARNED: Route = MappingProxyType({})
"""Every block is mixed by its g."""


def skip(g: Tensor) -> Tensor:
    """Weight 0: the block's output is o1, and the units after the first are skipped."""
    return torch.zeros_like(g)


def through(g: Tensor) -> Tensor:
    """Weight 1: the block's output is o2."""
    return torch.ones_like(g)


def hard(g: Tensor) -> Tensor:
    """Weight 1 for samples with g > 0.5, which count as routed, 0 for all others."""
    return (g > ROUTED_ABOVE).to(g.dtype)


@dataclass(frozen=True)
class _Passed:
    """Gates and penalties of the blocks up to here."""

    gates: tuple[Gate, ...] = ()
    penalties: tuple[Tensor, ...] = ()


class BlockGatedResNet(nn.Module):
    """A ResNet with gates over some of its blocks: normalised images [b, 3, H, W] to logits [b, K] and the gates."""

    def __init__(self, config: ModelConfig, classes: int, image_size: int) -> None:
        """Build and initialise with the global generator.

        Args:
            config: of the network; its name selects the class of the gates.
            classes: number of classes K.
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
            route: replacements of g. The returned gates hold g as computed, not what replaced it.
        """
        return self.along(images, {"": route})[""]

    def along(self, images: Tensor, routes: Mapping[str, Route]) -> dict[str, Forward]:
        """Name of a route to the :class:`Forward` of the images along it, bit-identical to :meth:`forward`.

        Blocks that several routes share are computed once.

        Args:
            images: normalised [b, 3, H, W].
            routes: name to route, at least one.
        """
        results = self._follow(self.trunk.stem(images), tuple(self.trunk.blocks), routes, _Passed())
        return {name: results[name] for name in routes}

    def _follow(
        self, x: Tensor, blocks: Sequence[str], routes: Mapping[str, Route], passed: _Passed
    ) -> dict[str, Forward]:
        """The forward pass from a map x on, for routes that agree on all blocks before it."""
        if not blocks:
            # Penalties of several gates are summed, like the losses of several gates' classifiers.
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
        output = module(o1 if self.tap == "o1" else o2)
        results: dict[str, Forward] = {}
        for mixing in dict.fromkeys(route.get(name) for route in routes.values()):
            weight = output.gate.value if mixing is None else mixing(output.gate.value)
            g = weight[:, None, None, None].to(o2.dtype)
            out = g * o2 + (1 - g) * o1
            penalty = module.penalty(output, o1, out) if self.penalty_names else None
            further = _Passed(
                (*passed.gates, output.gate),
                passed.penalties if penalty is None else (*passed.penalties, penalty),
            )
            same = {key: route for key, route in routes.items() if route.get(name) is mixing}
            results |= self._follow(out, rest, same, further)
        return results
