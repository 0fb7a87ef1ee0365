"""Which loss trains which parameters. Losses are per sample and unreduced first."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from memgate.models import Forward
from memgate.models.gated.block_gates import EntropyGate


def classification_loss(forward: Forward, labels: Tensor) -> Tensor:
    """Cross-entropy of the network's output in nats [b]; high is harder."""
    return functional.cross_entropy(forward.logits.float(), labels, reduction="none")


def gate_losses(logits: Mapping[str, Tensor], labels: Tensor) -> dict[str, Tensor]:
    """Cross-entropy of each gate's own classifier in nats, each [b]; reaches that gate's weights only."""
    return {name: functional.cross_entropy(z, labels, reduction="none") for name, z in logits.items()}


def total_loss(forward: Forward, labels: Tensor) -> Tensor:
    """One scalar whose gradient is right for every parameter.

    The loss of a gate's own classifier reaches that gate and nothing else, and the classification loss all but it:
    the network detaches where the two meet, so one backward pass serves all. Gates without a classifier are trained
    as the rest of the network is, by the classification loss and their penalties.
    """
    parts = [classification_loss(forward, labels).mean(), *forward.penalties.values()]
    with_classifier = {gate.name: gate.logits for gate in forward.gates if gate.logits is not None}
    own = gate_losses(with_classifier, labels)
    return torch.stack([*parts, *(loss.mean() for loss in own.values())]).sum()


def gate_modules(model: nn.Module) -> dict[str, EntropyGate]:
    """The gates that have a classifier and so a loss of their own, by name; empty for most networks."""
    gates = getattr(model, "gates", None)
    items = gates.items() if isinstance(gates, nn.ModuleDict) else ()
    return {name: gate for name, gate in items if isinstance(gate, EntropyGate)}


def parameter_groups(model: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """The parameters as (trunk, gates): disjoint, and together all of them.

    To the trunk belong gates without a classifier of their own: they are trained with it.
    """
    gates = [parameter for gate in gate_modules(model).values() for parameter in gate.parameters()]
    own = {id(parameter) for parameter in gates}
    return [parameter for parameter in model.parameters() if id(parameter) not in own], gates
