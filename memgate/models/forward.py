"""What a network returns: the one record that loop, log and probes read, gated or not."""

from dataclasses import dataclass, field

from torch import Tensor


@dataclass(frozen=True)
class Gate:
    """One gate in one forward pass."""

    name: str
    value: Tensor
    """g [b]: the weight of o2 in a block's output; in a unit that of the residual branch (shortcut-only: 1 less that
    of the shortcut), there the mean over positions and channels."""
    entropy: Tensor | None = None
    """H [b] in nats; None where the gate is no distribution."""
    logits: Tensor | None = None
    """Logits [b, K] of the gate's own classifier; their loss reaches the gate's weights and nothing else. None where
    the gate has none."""
    features: Tensor | None = None
    """What that classifier read [b, d], detached: further gate steps on this batch start here."""


@dataclass(frozen=True)
class Forward:
    """Result of a forward pass; an ungated network has no gates."""

    logits: Tensor
    """[b, K]."""
    gates: tuple[Gate, ...] = ()
    penalties: dict[str, Tensor] = field(default_factory=dict)
    """Name to scalar: what the model adds to its loss, its weight included."""
