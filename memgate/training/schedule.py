"""Learning rates as pure functions of epoch and step, so that a resumed run needs no state of a scheduler."""

import math

from memgate.config.run import RunConfig
from memgate.config.sparsity import SparsityConfig
from memgate.config.training import TrainConfig

RESNET34_PHASES = ((82, None), (123, 1), (164, 2))
"""Phases of the schedule ``resnet34-authors``: (last epoch, number of decays); None and all later epochs: a rate of 0.

Source: the schedule function of the authors' ResNet-34 scripts, which is called at epoch 0 too and whose default is 0.
Every ResNet-34 row of their tables (2.1 to 2.3) was trained with it, so never at the full rate. The intended schedule
is the report's scheme 1, the milestones 82 and 123.
"""


def trunk_lr(config: TrainConfig, epoch: int, step: int) -> float:
    """Learning rate of the trunk: above 0, except in the epochs that ``resnet34-authors`` trains at a rate of 0.

    Args:
        config: resolved, so that the milestones are set.
        epoch: the current epoch, from 1; a milestone m takes effect after m epochs.
        step: batches since the run's start, from 0; the warm-up is counted in these.
    """
    if step < config.warmup_iterations:
        return config.warmup_lr
    if config.schedule == "cosine":
        return config.lr * (1 + math.cos(math.pi * (epoch - 1) / config.epochs)) / 2
    decays = _decays(config, epoch)
    return 0.0 if decays is None else config.lr * config.lr_decay**decays


def _decays(config: TrainConfig, epoch: int) -> int | None:
    """Number of decays up to an epoch; None where the rate is 0."""
    if config.schedule == "resnet34-authors":
        return next((decays for last, decays in RESNET34_PHASES if epoch <= last), None)
    return sum(milestone < epoch for milestone in config.milestones or ())


def gate_dropout(config: RunConfig, epoch: int, progress: float) -> float:
    """Share of the gates that are closed by chance: 0 at the start, linear to its full value at the training's end.

    Args:
        config: of the run.
        epoch: the current epoch, from 1.
        progress: share of the epoch's batches before this one, in [0, 1).
    """
    return config.model.gate.gate_dropout * (epoch - 1 + progress) / config.train.epochs


def gate_lr(config: TrainConfig, epoch: int) -> float:
    """Learning rate of the gates in an epoch (from 1): constant, or divided by 10 in epochs 50, 100, ..."""
    return config.gate_lr * (1.0 if config.gate_lr_schedule == "constant" else 0.1 ** (epoch // 50))


def shaping_weight(config: SparsityConfig, epoch: int, progress: float) -> float:
    """Weight lambda of batch shaping: falls linearly from its value to 0, or is constant.

    Args:
        config: resolved.
        epoch: the current epoch, from 1.
        progress: share of the epoch's batches before this one, in [0, 1).
    """
    if config.shaping_until is None:
        return config.shaping
    done = epoch - 1 + (progress if config.update == "step" else 0.0)
    return config.shaping * max(0.0, 1 - done / config.shaping_until)


def l0_weight(config: SparsityConfig, epoch: int, progress: float) -> float:
    """Weight gamma of L0: 0 up to its first epoch, then linear to its full value at its last, then constant.

    Per epoch, the last epoch of the rise has the full weight already (as in public code of the paper).

    Args:
        config: resolved.
        epoch: the current epoch, from 1.
        progress: share of the epoch's batches before this one, in [0, 1).
    """
    start, end = config.l0_from or 0, config.l0_until or 1
    done = epoch - 1 + progress if config.update == "step" else epoch
    return config.l0 * min(max((done - start) / (end - start), 0.0), 1.0)
