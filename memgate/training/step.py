"""One training step: forward pass, losses, and the updates of trunk and gates that are due."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from memgate.config.run import TrainConfig
from memgate.models import Forward
from memgate.training.checkpoint import TrainState
from memgate.training.evaluate import autocast
from memgate.training.loader import Batch
from memgate.training.objective import gate_losses, gate_modules, total_loss
from memgate.training.sparsity import NO_SPARSITY, SparsityLosses, with_sparsity


def train_step(
    state: TrainState,
    batch: Batch,
    number: int,
    config: TrainConfig,
    sparsity: SparsityLosses = NO_SPARSITY,
    on_forward: Callable[[Batch, Forward], object] = lambda *_: None,
) -> None:
    """Train on one batch: the trunk's update where it is due, and the updates of the gates.

    With ``gate_iters`` k, the mode ``extra`` makes k gate updates on the features of each batch (as in the papers'
    text). The mode ``starve`` makes one, and updates the trunk on every k-th batch of the epoch only (as in the
    authors' code): the last batches of an epoch may train the gates alone, while BatchNorm's statistics are updated
    by every batch.

    Args:
        state: network, optimisers and counters; changed in place.
        batch: b samples.
        number: position of the batch in the epoch, from 1.
        config: the training's settings.
        sparsity: of gates that open and close, with their weights in this step.
        on_forward: called with the batch and the network's output before any weight changes.
    """
    gate_optimiser = state.gate_optimiser
    starve = gate_optimiser is not None and config.gate_iters_mode == "starve"
    trunk_due = not starve or number % config.gate_iters == 0
    state.step += 1
    with autocast(batch.images.device, config.precision), torch.set_grad_enabled(trunk_due):
        forward = with_sparsity(called(state.model, batch), batch.labels, sparsity)
    on_forward(batch, forward)
    features = {gate.name: gate.features for gate in forward.gates if gate.features is not None}
    if trunk_due:
        state.trunk_optimiser.zero_grad()
        if gate_optimiser is not None:
            gate_optimiser.zero_grad()
        total_loss(forward, batch.labels).backward()
        state.trunk_optimiser.step()
        state.trunk_updates += 1
        if gate_optimiser is not None:
            gate_optimiser.step()
            state.gate_updates += 1
        gate_only_updates = config.gate_iters - 1 if config.gate_iters_mode == "extra" else 0
    else:
        gate_only_updates = 1
    for _ in range(gate_only_updates):
        _gate_step(state, features, batch.labels)


def called(model: nn.Module, batch: Batch) -> Forward:
    """The output of a network for a batch; one that draws random numbers gets the samples' keys."""
    return model(batch.images, batch.keys) if getattr(model, "draws", False) else model(batch.images)


def _gate_step(state: TrainState, features: dict[str, Tensor], labels: Tensor) -> None:
    """Update the gates alone.

    Args:
        state: changed in place; nothing is done without a gate optimiser.
        features: gate name to the features [b, d] that the gate read in the batch's forward pass.
        labels: given labels [b].
    """
    if state.gate_optimiser is None:
        return
    modules = gate_modules(state.model)
    state.gate_optimiser.zero_grad()
    logits = {name: modules[name].classify(features[name]) for name in features}
    torch.stack([loss.mean() for loss in gate_losses(logits, labels).values()]).sum().backward()
    state.gate_optimiser.step()
    state.gate_updates += 1
