"""Learning rates as pure functions of the step: resuming a run needs nothing but the step's number."""

from memgate.config import TrainConfig


def trunk_lr(config: TrainConfig, epoch: int, step: int) -> float:
    """Learning rate of the trunk.

    Args:
        config: resolved (milestones are set).
        epoch: being trained, counted from 1; a milestone m takes effect after m epochs.
        step: batches since the run's start, counted from 0; the warm-up is in these.
    """
    if step < config.warmup_iterations:
        return config.warmup_lr
    return config.lr * 0.1 ** sum(milestone < epoch for milestone in config.milestones or ())


def gate_lr(config: TrainConfig, epoch: int) -> float:
    """Learning rate of the gate in ``epoch``, counted from 1: constant, or a tenth in epochs 50, 100, ..."""
    return config.gate_lr * (1.0 if config.gate_lr_schedule == "constant" else 0.1 ** (epoch // 50))
