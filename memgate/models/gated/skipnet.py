"""SkipNet: residual units that each sample takes or skips (Wang et al. 2018).

A unit is taken where its gate's probability is above one half (:mod:`memgate.models.gated.skip_gates`): output
relu(shortcut + g branch) with g 0 or 1 and, in training, the gradient of the probability (straight-through). Nothing
is drawn. The first unit of the network has no gate, as in the authors' code, whose gates read the output of a unit to
decide on the next.

In the authors' code a skipped unit with a projection shortcut leaves the ReLU out too; here every unit has it.
"""

from typing import cast

import torch
from torch import Tensor, nn

from memgate.config.run import GateConfig, ModelConfig
from memgate.models.backbones.units import Unit
from memgate.models.forward import Gate
from memgate.models.gated.channel_gates import gate_of
from memgate.models.gated.hard_gated import Memory, UnitGatedResNet
from memgate.models.gated.skip_gates import ConvolutionGate, Recurrence, RecurrentGate


class SkipNet(UnitGatedResNet):
    """A ResNet with a gate in all units but the first: normalised images [b, 3, H, W] to logits [b, K] and gates."""

    draws = False
    """Nothing in it is random."""

    def __init__(self, config: ModelConfig, classes: int) -> None:
        """Build and initialise with the global generator.

        Args:
            config: of the network.
            classes: number of classes K.
        """
        super().__init__(config, classes)
        self.recurrent = Recurrence(config.gate) if config.gate.skip_gate == "recurrent" else None

    def new_gate(self, unit: Unit, config: GateConfig, stream: int) -> nn.Module:  # noqa: ARG002 (nothing is drawn)
        """The gate of a unit."""
        if config.skip_gate == "recurrent":
            return RecurrentGate(unit.channels_in)
        return ConvolutionGate(unit.channels_in, config)

    def decide(
        self,
        name: str,
        x: Tensor,
        keys: Tensor | None,  # noqa: ARG002 (nothing is drawn)
        memory: Memory,
    ) -> tuple[Gate, Memory]:
        """Whether a sample takes the unit [b, 1], and the state of the LSTM where the gates share one."""
        if self.recurrent is None:
            logits = cast(ConvolutionGate, self.gates[name])(x)
        else:
            logits, memory = cast(RecurrentGate, self.gates[name])(x, self.recurrent, memory)
        return gate_of(name, logits, self._taken(logits)), memory

    def _taken(self, logits: Tensor) -> Tensor:
        """1 where the unit is taken, else 0 [b, 1]; differentiable in training."""
        hard = (logits > 0).to(logits.dtype)
        if not self.training:
            return hard
        soft = torch.sigmoid(logits)
        return hard + (soft - soft.detach())
