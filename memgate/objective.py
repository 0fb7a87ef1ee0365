"""Which loss trains which parameters. Losses are per sample and unreduced first."""

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from memgate.models import Forward
from memgate.models.block_gated import EntropyGate


def classification_loss(forward: Forward, labels: Tensor) -> Tensor:
    """Cross-entropy of the network's output in nats [b]; high is harder."""
    return functional.cross_entropy(forward.logits.float(), labels, reduction="none")


def gate_losses(logits: Mapping[str, Tensor], labels: Tensor) -> dict[str, Tensor]:
    """Cross-entropy of each gate's own classifier in nats, each [b]; reaches that gate's weights only."""
    return {name: functional.cross_entropy(z, labels, reduction="none") for name, z in logits.items()}


def total_loss(forward: Forward, labels: Tensor) -> Tensor:
    """One scalar whose gradient is right for every parameter.

    The classification loss and the penalties reach the trunk, each gate's loss reaches that gate, and
    nothing crosses over: the networks detach where the two meet, so one backward pass serves all.
    """
    parts = [classification_loss(forward, labels).mean(), *forward.penalties.values()]
    own = gate_losses({gate.name: gate.logits for gate in forward.gates}, labels)
    return torch.stack([*parts, *(loss.mean() for loss in own.values())]).sum()


def gate_modules(model: nn.Module) -> dict[str, EntropyGate]:
    """The gates of a network by name; empty for an ungated one."""
    gates = getattr(model, "gates", None)
    return {name: cast(EntropyGate, gate) for name, gate in gates.items()} if gates is not None else {}


def parameter_groups(model: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """The parameters as (trunk, gates): disjoint, and together all of them."""
    gates = [parameter for gate in gate_modules(model).values() for parameter in gate.parameters()]
    own = {id(parameter) for parameter in gates}
    return [parameter for parameter in model.parameters() if id(parameter) not in own], gates
