"""The result of a forward pass: the record that training loop, log and probes read."""

from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass(frozen=True)
class Gate:
    """Values of one gate for a batch."""

    name: str
    """As in ``ModelConfig.gate_names``."""
    value: Tensor
    """g [b]. Over a block: weight of o2 in the block's output. In a unit: weight of the residual branch
    (shortcut-only: 1 minus that of the shortcut), mean over positions and channels. Of channels: the share that is
    open."""
    entropy: Tensor | None = None
    """H [b] in nats; None where the gate is not made from a distribution."""
    logits: Tensor | None = None
    """Logits [b, K] of the gate's own classifier, whose loss trains the gate's weights only. None for a gate without
    a classifier."""
    features: Tensor | None = None
    """Input [b, d] of that classifier, detached, for further gate steps on this batch."""
    channels: Tensor | None = None
    """Weight [b, C] of each thing that the gate opens or closes, 0 where closed and 1 (or another positive weight)
    where open: channels inside a unit, or the whole unit (C = 1). None for a gate that mixes."""
    channel_logits: Tensor | None = None
    """Logits [b, C] of the probability that each is open, without noise; None where there are none."""
    saliency: Tensor | None = None
    """Weights [b, C], of which the largest are in ``channels``; None where weights do not decide."""


@dataclass(frozen=True)
class Forward:
    """Result of a forward pass."""

    logits: Tensor
    """[b, K] float32; float64 of a network in float64."""
    gates: tuple[Gate, ...] = ()
    """In the order of the forward pass; empty for a network without gates."""
    penalties: dict[str, Tensor] = field(default_factory=dict)
    """Name to scalar that is added to the loss, already multiplied by its weight."""


def open_share(channels: Tensor) -> Tensor:
    """Share [b] of the channels that are open, in [0, 1]; NaN where it is not known of one.

    Args:
        channels: weight of each channel [b, C], 0 where closed and NaN where it is not known.
    """
    return torch.where(channels.isnan(), channels, (channels > 0).to(channels.dtype)).mean(dim=1)
