"""SkipNet: residual units that each sample takes or skips (Wang et al. 2018).

A unit is taken where its gate's probability is above one half (:mod:`memgate.models.gated.skip_gates`): output
relu(shortcut + g branch) with g 0 or 1. Training has two stages. Supervised: the same choice, with the gradient of the
probability (straight-through). Reinforce: the choice is drawn by the probability, from the sample's key, and has no
gradient; the gates learn from its reward (:func:`memgate.training.sparsity.reinforce`).

The first unit of the network has no gate, as in the authors' code, whose gates read the output of a unit to decide on
the next.

In the authors' code a skipped unit with a projection shortcut leaves the ReLU out too; here every unit has it.
"""

from typing import cast

import torch
from torch import Tensor, nn

from memgate.config.run import GateConfig, ModelConfig
from memgate.models.backbones.units import Unit
from memgate.models.draws import uniform
from memgate.models.forward import Gate
from memgate.models.gated.channel_gates import decided, gate_of
from memgate.models.gated.hard_gated import Memory, UnitGatedResNet
from memgate.models.gated.skip_gates import ConvolutionGate, Recurrence, RecurrentGate


class SkipNet(UnitGatedResNet):
    """A ResNet with a gate in all units but the first: normalised images [b, 3, H, W] to logits [b, K] and gates."""

    def __init__(self, config: ModelConfig, classes: int) -> None:
        """Build and initialise with the global generator.

        Args:
            config: of the network.
            classes: number of classes K.
        """
        super().__init__(config, classes)
        self.drawn = config.gate.stage == "reinforce"
        self.streams = {name: stream for stream, name in enumerate(config.gate_names)}
        self.recurrent = Recurrence(config.gate) if config.gate.skip_gate == "recurrent" else None

    def new_gate(self, unit: Unit, config: GateConfig, stream: int) -> nn.Module:  # noqa: ARG002 (see streams)
        """The gate of a unit."""
        if config.skip_gate == "recurrent":
            return RecurrentGate(unit.channels_in)
        return ConvolutionGate(unit.channels_in, config)

    def decide(self, name: str, x: Tensor, keys: Tensor | None, memory: Memory) -> tuple[Gate, Memory]:
        """Whether a sample takes the unit [b, 1], and the state of the LSTM where the gates share one."""
        if self.recurrent is None:
            logits = cast(ConvolutionGate, self.gates[name])(x)
        else:
            logits, memory = cast(RecurrentGate, self.gates[name])(x, self.recurrent, memory)
        drawn = self.drawn and self.training
        channels = _drawn(logits, keys, self.streams[name]) if drawn else decided(logits, self.training)
        return gate_of(name, logits, channels), memory


def _drawn(logits: Tensor, keys: Tensor | None, stream: int) -> Tensor:
    """1 with the probability of taking the unit, else 0 [b, 1], without a gradient.

    Args:
        logits: [b, 1].
        keys: of the samples [b]; None draws from PyTorch's global generator.
        stream: number of the gate.
    """
    chance = torch.rand_like(logits) if keys is None else uniform(keys, stream, 1).to(logits.dtype)
    return (chance < torch.sigmoid(logits.detach())).to(logits.dtype)
