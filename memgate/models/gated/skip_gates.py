"""SkipNet's gates, which take or skip a residual unit (Wang et al. 2018, section 3.2), and the LSTM that some share.

    ff-1       max pooling 2x2, two 3x3 convolutions of the input's channels, the second with stride 2, mean over
               positions, two logits
    ff-2       one 3x3 convolution with stride 2, mean over positions, two logits
    recurrent  mean over positions, Linear(10), then an LSTM of 10 units that all gates share: each reads what the
               gates before it have left in the LSTM's state

The probability of taking the unit is the softmax of the two logits, or the sigmoid of the LSTM's one. Initial weights
are those of the authors' code for CIFAR-10, where many units are taken or skipped by almost all samples at first, at
random; ``opening`` is added to the logits.
"""

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from memgate.config.run import GateConfig
from memgate.models.backbones.trunk import he_normal, pool
from memgate.models.entropy import at_least_float32
from memgate.models.gated.channel_gates import normalised

RECURRENT_UNITS = 10
"""Units of the LSTM and of the layer that embeds its input (authors' code for CIFAR-10)."""


class ConvolutionGate(nn.Module):
    """Logit [b, 1] of taking a unit from its input [b, C_in, H, W]; ``ff-1`` or ``ff-2``."""

    def __init__(self, channels: int, config: GateConfig) -> None:
        """Draw the initial weights.

        Args:
            channels: C_in.
            config: of the gates.
        """
        super().__init__()
        self.pooled = config.skip_gate == "ff-1"
        strides = (1, 2) if self.pooled else (2,)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(channels, channels, 3, stride, 1, bias=False) for stride in strides
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(channels) for _ in strides)
        self.output = nn.Linear(channels, 2)
        self.apply(he_normal)
        nn.init.normal_(self.output.weight, std=1.0)
        with torch.no_grad():
            self.output.bias.add_(torch.tensor([0.0, config.opening]))

    def forward(self, x: Tensor) -> Tensor:
        """Logit [b, 1], at least float32: that of taking the unit minus that of skipping it."""
        # The convolutions run in the precision of the trunk; the logit is not rounded to 16 bits, as it decides.
        x = functional.max_pool2d(x, 2) if self.pooled else x
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = functional.relu(normalised(cast(nn.BatchNorm2d, norm), convolution(x), self.training))
        with torch.autocast(x.device.type, enabled=False):
            skip, take = self.output(pool(at_least_float32(x))).split(1, dim=1)
        return take - skip


class Recurrence(nn.Module):
    """The LSTM that all gates of a network share, with the layer that reads its output.

    It is written as two linear layers, because ``torch.func`` cannot differentiate ``torch.nn.LSTMCell`` sample by
    sample, as probes do. Layers and initial weights are the same.
    """

    def __init__(self, config: GateConfig) -> None:
        """Draw the initial weights.

        Args:
            config: of the gates.
        """
        super().__init__()
        self.read, self.recall = (nn.Linear(RECURRENT_UNITS, 4 * RECURRENT_UNITS) for _ in range(2))
        self.output = nn.Linear(RECURRENT_UNITS, 1)
        nn.init.normal_(self.output.weight, std=math.sqrt(2 / RECURRENT_UNITS))
        with torch.no_grad():
            self.output.bias.add_(config.opening)

    def forward(self, x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Logit [b, 1] and the new state, two tensors [b, 10].

        Args:
            x: a gate's embedded input [b, 10].
            state: that of the gate before; empty for the first, which starts from zeros.
        """
        hidden, memory = state or (torch.zeros_like(x), torch.zeros_like(x))
        entry, keep, new, out = (self.read(x) + self.recall(hidden)).chunk(4, dim=1)
        memory = torch.sigmoid(keep) * memory + torch.sigmoid(entry) * torch.tanh(new)
        hidden = torch.sigmoid(out) * torch.tanh(memory)
        return self.output(hidden), (hidden, memory)


class RecurrentGate(nn.Module):
    """Logit [b, 1] of taking a unit from its input [b, C_in, H, W] and from the gates before it."""

    def __init__(self, channels: int) -> None:
        """Draw the initial weights.

        Args:
            channels: C_in.
        """
        super().__init__()
        self.embedding = nn.Linear(channels, RECURRENT_UNITS)
        nn.init.normal_(self.embedding.weight, std=math.sqrt(2 / RECURRENT_UNITS))

    def forward(
        self, x: Tensor, shared: Recurrence, state: tuple[Tensor, ...]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Logit [b, 1], at least float32, and the state for the next gate.

        Args:
            x: the unit's input.
            shared: the network's LSTM.
            state: see :meth:`Recurrence.forward`.
        """
        with torch.autocast(x.device.type, enabled=False):
            return shared(self.embedding(pool(at_least_float32(x))), state)
