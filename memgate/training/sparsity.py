"""Losses on gates that open and close.

Batch shaping and L0 are of the batch-shaping paper (sections 4.2 and 4.3), the target rates of ConvNet-AIG, REINFORCE
of SkipNet, the L1 norms of FBS and of GaterNet.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import torch
from torch import Tensor
from torch.nn import functional

from memgate.config.run import RunConfig
from memgate.models import Forward
from memgate.shaping.loss import batch_shaping_loss
from memgate.shaping.priors import Beta, Distribution
from memgate.training.objective import classification_loss
from memgate.training.schedule import l0_weight, shaping_weight

Loss = Callable[[Forward, Tensor], Tensor]
"""Function of a forward pass and the given labels [b] to a scalar, before its weight."""


SparsityLosses = Mapping[str, tuple[float, Loss]]
"""Name of each loss of one step to its weight and the loss, which is not computed where the weight is 0."""

NO_SPARSITY: SparsityLosses = MappingProxyType({})


def sparsity_losses(config: RunConfig, epoch: int, progress: float) -> SparsityLosses:
    """The losses of a network's gates at one step.

    Args:
        config: resolved.
        epoch: the current epoch, from 1.
        progress: share of the epoch's batches before this one, in [0, 1).
    """
    names, settings = config.sparsity_losses, config.sparsity
    if not names:
        return NO_SPARSITY
    prior = Beta(*settings.prior).of_logits()
    known: SparsityLosses = {
        "shaping": (shaping_weight(settings, epoch, progress), lambda forward, _: shaping(forward, prior)),
        "l0": (l0_weight(settings, epoch, progress), lambda forward, _: l0(forward)),
        "l1": (settings.l1, lambda forward, _: l1(forward)),
        "gate_l1": (settings.gate_l1, lambda forward, _: gate_l1(forward)),
        "reinforce": (
            settings.reinforce,
            lambda forward, labels: reinforce(forward, labels, settings.skip_reward),
        ),
        "rate": (settings.rate, lambda forward, _: rate(forward, settings.target_rates)),
    }
    return {name: known[name] for name in names}


def with_sparsity(forward: Forward, labels: Tensor, sparsity: SparsityLosses) -> Forward:
    """The same output with the weighted losses among its penalties; 0 where a weight is 0.

    Args:
        forward: the network's output for a batch.
        labels: given labels [b].
        sparsity: the losses of the step.
    """
    if not sparsity:
        return forward
    terms = {
        name: weight * loss(forward, labels) if weight else forward.logits.new_zeros(())
        for name, (weight, loss) in sparsity.items()
    }
    return replace(forward, penalties={**forward.penalties, **terms})


def shaping(forward: Forward, prior: Distribution) -> Tensor:
    """Distance of the gates' probabilities over the batch from a prior, summed over all channels of all gates.

    The sum, not the mean, is of the size of the classification loss: of 336 gates, a mean would be invisible.
    """
    return batch_shaping_loss(torch.cat(_logits(forward), dim=1), prior)


def l0(forward: Forward) -> Tensor:
    """Mean over samples and all channels of all gates of the probability that the channel is open, in [0, 1].

    The paper writes a sum over the gates; its grid of gamma, up to 0.2 for networks with 336 to thousands of gates,
    fits a mean only, and public code of the paper takes one.
    """
    return torch.cat(_logits(forward), dim=1).sigmoid().mean()


def rate(forward: Forward, targets: Sequence[float]) -> Tensor:
    """Mean over the gates of (target - share of the batch that takes the unit)^2, in [0, 1] (Veit and Belongie 2018).

    The share is of the choices as they were drawn; its gradient is that of the probabilities with their noise.

    Args:
        forward: of a network whose gates take or skip units.
        targets: one for all gates, or one for each.
    """
    taken = torch.cat(_channels(forward), dim=1).mean(dim=0)
    return (taken.new_tensor(targets) - taken).square().mean()


def l1(forward: Forward) -> Tensor:
    """Sum of the saliencies of all gates, mean over the samples, 0 or more (Gao et al. 2018: sum of the L1 norms)."""
    saliencies = [gate.saliency for gate in forward.gates if gate.saliency is not None]
    return torch.cat(saliencies, dim=1).sum(dim=1).mean()


def gate_l1(forward: Forward) -> Tensor:
    """Mean over samples and filters of the gates' weights in this pass, in [0, 1] (GaterNet paper: L1 norm over c)."""
    return torch.cat(_channels(forward), dim=1).mean()


def reinforce(forward: Forward, labels: Tensor, skip_reward: float) -> Tensor:
    """Minus the mean reward of the batch, whose gradient is an estimate of that of its expectation (Williams 1992).

    The reward of a sample is minus its cross-entropy in nats plus ``skip_reward`` / G for each of the G units that it
    skips. A choice is credited with what follows it: its own unit's reward, those of later units, and the
    cross-entropy; nothing is discounted and no baseline is subtracted, as in the code of Wang et al. 2018. The
    cross-entropy's own gradient is none of this loss: it is in the classification loss already.

    Args:
        forward: of a network whose choices were drawn by the probabilities of its gates.
        labels: given labels [b].
        skip_reward: of a sample that skips all units.
    """
    taken, logits = torch.cat(_channels(forward), dim=1), torch.cat(_logits(forward), dim=1)
    skipped = (1 - taken) * (skip_reward / taken.shape[1])
    credit = skipped.flip(1).cumsum(1).flip(1) - classification_loss(forward, labels).detach()[:, None]
    log_p = functional.logsigmoid(torch.where(taken > 0, logits, -logits))
    estimate = -(credit * log_p).sum(dim=1).mean()
    return estimate - estimate.detach() - credit[:, 0].mean()


def _channels(forward: Forward) -> list[Tensor]:
    """Weights [b, C] of what every gate opens."""
    return [gate.channels for gate in forward.gates if gate.channels is not None]


def _logits(forward: Forward) -> list[Tensor]:
    """Logits [b, C] of every gate that has some."""
    return [gate.channel_logits for gate in forward.gates if gate.channel_logits is not None]
