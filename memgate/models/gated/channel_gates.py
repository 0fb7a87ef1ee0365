"""Gates on the channels inside a residual unit, open or closed for each sample (batch-shaping paper, section 4.1).

A gate reads the mean of the unit's input over positions: Linear(16), BatchNorm, ReLU, Linear(C) give the logits of C
probabilities. In training, logistic noise is added to them (the binary concrete distribution, Maddison et al. 2017): a
channel is open where the sum is positive, and the gradient is that of a sigmoid with a temperature (straight-through).
In evaluation there is no noise, so a channel is open where its probability is above one half.
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from memgate.config.run import GateConfig
from memgate.models.backbones.trunk import pool
from memgate.models.draws import uniform
from memgate.models.entropy import at_least_float32, choice_entropy
from memgate.models.forward import Gate, open_share


class LogitGate(nn.Module):
    """Logits [b, C] from a unit's input [b, C_in, H, W]: pooling, two linear layers, BatchNorm in between."""

    def __init__(self, channels_in: int, channels: int, config: GateConfig) -> None:
        """He's initialisation by fan-in, so that logits start with a standard deviation of about 1.

        Args:
            channels_in: C_in.
            channels: C, the outputs.
            config: of the gates.
        """
        super().__init__()
        self.hidden = nn.Linear(channels_in, config.hidden_unit, bias=config.first_bias)
        self.norm = nn.BatchNorm1d(config.hidden_unit)
        self.output = nn.Linear(config.hidden_unit, channels)
        for layer in (self.hidden, self.output):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        nn.init.constant_(self.output.bias, config.opening)

    def forward(self, x: Tensor) -> Tensor:
        """Logits [b, C], at least float32, of the unit's input [b, C_in, H, W]."""
        # Outside autocast: with 16 bits, "open" would differ from what the logged float32 values say.
        with torch.autocast(x.device.type, enabled=False):
            hidden = self.hidden(pool(at_least_float32(x)))
            return self.output(functional.relu(normalised(self.norm, hidden, self.training)))


def normalised(norm: nn.BatchNorm1d | nn.BatchNorm2d, x: Tensor, training: bool) -> Tensor:
    """BatchNorm of x [b, C, ...]; of one value per channel, which has no variance, by the running statistics.

    Args:
        norm: the layer.
        x: its input.
        training: whether the gate is in training.
    """
    if x.numel() > x.shape[1] or not training:
        return norm(x)
    mean, variance = cast(Tensor, norm.running_mean), cast(Tensor, norm.running_var)
    return functional.batch_norm(x, mean, variance, norm.weight, norm.bias, eps=norm.eps)


class ChannelGate(LogitGate):
    """The gate of one unit: which of its inner channels are open for each sample."""

    def __init__(self, channels_in: int, channels: int, config: GateConfig, stream: int) -> None:
        """Likewise.

        Args:
            channels_in: C_in.
            channels: C, the inner channels of the unit.
            config: of the gates.
            stream: number of the gate in the network, so that each draws noise of its own.
        """
        super().__init__(channels_in, channels, config)
        self.temperature, self.stream = config.concrete_temperature, stream

    def opened(self, logits: Tensor, keys: Tensor | None) -> Tensor:
        """Weight of each channel [b, C]: 1 where it is open, 0 where it is closed; differentiable in training.

        Args:
            logits: [b, C].
            keys: of the samples [b], from which the noise of training is drawn (:mod:`memgate.models.draws`); None
                draws from PyTorch's global generator. Not used in evaluation.
        """
        noisy = logits + self._noise(logits, keys) if self.training else logits
        return decided(noisy, self.training, self.temperature)

    def _noise(self, logits: Tensor, keys: Tensor | None) -> Tensor:
        """Logistic noise of the shape and type of the logits."""
        if keys is None:
            return torch.logit(torch.rand_like(logits), eps=1e-7)
        return torch.logit(uniform(keys, self.stream, logits.shape[1]).to(logits.dtype))


def decided(logits: Tensor, training: bool, temperature: float = 1.0) -> Tensor:
    """1 where the logits are above 0, else 0, NaN where they are NaN, in their shape.

    In training the gradient is that of the sigmoid at a temperature (straight-through); in evaluation there is none.
    """
    hard = torch.where(logits.isnan(), logits.detach(), (logits > 0).to(logits.dtype))
    if not training:
        return hard
    soft = torch.sigmoid(logits / temperature)
    return hard + (soft - soft.detach())


def gate_of(name: str, logits: Tensor, channels: Tensor) -> Gate:
    """The record of a gate that opens channels: g is the open share, H the mean entropy of a channel's choice.

    Args:
        name: of the gate.
        logits: [b, C], without noise.
        channels: weight of each channel [b, C], 0 where closed.
    """
    h = choice_entropy(logits, torch.sigmoid(logits)).mean(dim=1)
    return Gate(name, open_share(channels), h, channels=channels, channel_logits=logits)
