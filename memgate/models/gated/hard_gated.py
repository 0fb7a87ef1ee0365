"""Networks with gates in their units that open or close: the pass through the units, which they share."""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, cast

from torch import Tensor, nn

from memgate.config.backbone import unit_names
from memgate.config.run import GateConfig, ModelConfig
from memgate.models.backbones import BACKBONES
from memgate.models.backbones.units import Unit
from memgate.models.forward import Forward, Gate
from memgate.models.gated.channel_gates import ChannelGate, gate_of

ChannelRoute = Mapping[str, Callable[[Tensor], Tensor]]
"""Gate to a function of the weights [b, C] of what it opens to those that are used instead; gates that are not named
decide themselves."""

OWN_CHOICE: ChannelRoute = MappingProxyType({})
"""Every gate decides itself."""

Memory = tuple[Tensor, ...]
"""State that a gate hands on to the next one; empty for gates that decide independently."""


class HardGatedNetwork(nn.Module):
    """Base of the networks: normalised images [b, 3, H, W] to logits [b, K] and the gates.

    Subclasses implement ``new_gate`` and ``through``, and ``decide`` for gates that are no :class:`ChannelGate`.
    """

    draws = True
    """It draws random numbers in training."""

    def __init__(self, config: ModelConfig, classes: int) -> None:
        """Build and initialise with the global generator.

        Args:
            config: of the network.
            classes: number of classes K.
        """
        super().__init__()
        self.trunk = BACKBONES[config.family](config, classes)
        self.names = unit_names(config.units)
        self.gates = nn.ModuleDict()
        units = dict(zip(self.names, self.units(), strict=True))
        for stream, name in enumerate(config.gate_names):
            self.gates[name] = self.new_gate(units[name], config.gate, stream)

    def units(self) -> Iterator[Any]:
        """The units in the order of the forward pass: residual ones, or what its backbone has."""
        return self.trunk.units()

    def new_gate(self, unit: Any, config: GateConfig, stream: int) -> nn.Module:
        """The gate of a unit.

        Args:
            unit: the unit that it opens, or whose channels it opens.
            config: of the gates.
            stream: number of the gate in the network, so that each draws random numbers of its own.
        """
        raise NotImplementedError

    def started(self, images: Tensor, keys: Tensor | None) -> Memory:  # noqa: ARG002 (most start with nothing)
        """What the first gate gets of the whole images; empty for gates that read only the input of their unit.

        Args:
            images: normalised [b, 3, H, W].
            keys: of the samples [b]; None without.
        """
        return ()

    def decide(self, name: str, x: Tensor, keys: Tensor | None, memory: Memory) -> tuple[Gate, Memory]:
        """What a gate opens for a batch, with ``Gate.channels`` [b, C], and what it hands on to the next gate.

        Args:
            name: of the gate.
            x: the unit's input [b, C_in, H, W].
            keys: of the samples [b]; None without.
            memory: what the gate before handed on; of the first, :meth:`started`.
        """
        gate = cast(ChannelGate, self.gates[name])
        logits = gate(x)
        return gate_of(name, logits, gate.opened(logits, keys)), memory

    def through(self, unit: Any, x: Tensor, channels: Tensor, keys: Tensor | None) -> Tensor:
        """Output of a unit [b, C_out, h, w] with its parts weighted by ``channels`` [b, C].

        Args:
            unit: the unit.
            x: its input.
            channels: weights of what its gate opens.
            keys: of the samples [b], for a unit that draws random numbers; None without.
        """
        raise NotImplementedError

    def forward(
        self, images: Tensor, keys: Tensor | None = None, route: ChannelRoute = OWN_CHOICE
    ) -> Forward:
        """Normalised images [b, 3, H, W] to logits [b, K] and the gates in the order of the units.

        Args:
            images: the batch.
            keys: of the samples [b], from which the random numbers of training are drawn
                (:func:`memgate.models.draws.keys_of`); None draws from PyTorch's global generator.
            route: replacements of the gates' choices. The returned gates hold what each chose, not what replaced it;
                gates after a replaced one read features that it has changed.
        """
        x = self.trunk.stem(images)
        gates: list[Gate] = []
        memory = self.started(images, keys)
        for name, unit in zip(self.names, self.units(), strict=True):
            if name not in self.gates:
                x = unit(x)
                continue
            gate, memory = self.decide(name, x, keys, memory)
            gates.append(gate)
            channels = cast(Tensor, gate.channels)
            x = self.through(unit, x, route[name](channels) if name in route else channels, keys)
        return Forward(self.trunk.classify(x), tuple(gates))


class UnitGatedResNet(HardGatedNetwork):
    """Base of the networks whose gates take or skip a whole unit: ``Gate.channels`` is [b, 1]."""

    def through(
        self,
        unit: Unit,
        x: Tensor,
        channels: Tensor,
        keys: Tensor | None,  # noqa: ARG002 (nothing is drawn)
    ) -> Tensor:
        """Output of a unit, relu(shortcut + g branch): of a closed one, its shortcut to the bit."""
        return unit(x, taken=channels)
