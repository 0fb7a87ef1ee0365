"""Losses of a batch, and the division of the parameters into trunk and gates."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from memgate.models import Forward
from memgate.models.entropy import at_least_float32
from memgate.models.gated.block_gates import EntropyGate


def classification_loss(forward: Forward, labels: Tensor) -> Tensor:
    """Cross-entropy of the network's output for the given labels, in nats [b]; higher is harder."""
    return functional.cross_entropy(at_least_float32(forward.logits), labels, reduction="none")


def gate_losses(logits: Mapping[str, Tensor], labels: Tensor) -> dict[str, Tensor]:
    """Gate name to the cross-entropy of the gate's own classifier, in nats [b]; trains that gate only."""
    return {name: functional.cross_entropy(own, labels, reduction="none") for name, own in logits.items()}


def total_loss(forward: Forward, labels: Tensor) -> Tensor:
    """The scalar to minimise: mean losses of network and gates plus the gates' penalties, in nats.

    The loss of a gate's own classifier has a gradient for that gate only, and the classification loss for all other
    parameters: the network detaches tensors between the two, so that one backward pass computes every gradient.
    Gates without a classifier are trained as the trunk is, by the classification loss and their penalties.
    """
    parts = [classification_loss(forward, labels).mean(), *forward.penalties.values()]
    with_classifier = {gate.name: gate.logits for gate in forward.gates if gate.logits is not None}
    own = gate_losses(with_classifier, labels)
    return torch.stack([*parts, *(loss.mean() for loss in own.values())]).sum()


def gate_modules(model: nn.Module) -> dict[str, EntropyGate]:
    """Name to gate, for gates with a classifier and therefore a loss of their own."""
    gates = getattr(model, "gates", None)
    items = gates.items() if isinstance(gates, nn.ModuleDict) else ()
    return {name: gate for name, gate in items if isinstance(gate, EntropyGate)}


def plain_gate_parameters(model: nn.Module) -> list[nn.Parameter]:
    """Parameters of gates without a classifier of their own, which the trunk's optimiser trains; empty for none."""
    if not isinstance(getattr(model, "gates", None), nn.ModuleDict):
        return []
    own = {id(parameter) for gate in gate_modules(model).values() for parameter in gate.parameters()}
    # By name, since gates may share layers that lie beside them.
    return [
        parameter
        for name, parameter in model.named_parameters()
        if not name.startswith("trunk.") and id(parameter) not in own
    ]


def parameter_groups(model: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """All parameters, divided into (trunk, gates).

    Gates without a classifier of their own are trained with the trunk and belong to it.
    """
    gates = [parameter for gate in gate_modules(model).values() for parameter in gate.parameters()]
    own = {id(parameter) for parameter in gates}
    return [parameter for parameter in model.parameters() if id(parameter) not in own], gates
