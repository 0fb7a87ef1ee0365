"""What a network returns: the one record that loop, log and probes read, gated or not."""

from dataclasses import dataclass, field

from torch import Tensor


@dataclass(frozen=True)
class Gate:
    """One gate in one forward pass."""

    name: str
    value: Tensor
    """g [b]: the share of o2 in the block's output."""
    logits: Tensor
    """Logits [b, K] of the gate's own classifier; their loss reaches the gate's weights and nothing else."""
    entropy: Tensor
    """H [b] in nats."""
    features: Tensor
    """Pooled features [b, C] that the gate read, detached: further gate steps on this batch start here."""


@dataclass(frozen=True)
class Forward:
    """Result of a forward pass; an ungated network has no gates."""

    logits: Tensor
    """[b, K]."""
    gates: tuple[Gate, ...] = ()
    penalties: dict[str, Tensor] = field(default_factory=dict)
    """Name to scalar: what the model adds to its loss."""
