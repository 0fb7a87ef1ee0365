"""Learning rates as pure functions of the step: resuming a run needs nothing but the step's number."""

from memgate.config.run import TrainConfig

RESNET34_AUTHORS = ((82, None), (123, 1), (164, 2))
"""Last epoch of each phase, and its decays; None is a rate of 0, as are all epochs after these.

Read off the schedule helper of the authors' ResNet-34 scripts, which is called at epoch 0 too and whose default is
0: every ResNet-34 row of their tables (2.1 to 2.3) was trained so, and never at the full rate. The schedule that was
meant is the report's scheme 1, the milestones 82 and 123.
"""


def trunk_lr(config: TrainConfig, epoch: int, step: int) -> float:
    """Learning rate of the trunk.

    Args:
        config: resolved (milestones are set).
        epoch: being trained, counted from 1; a milestone m takes effect after m epochs.
        step: batches since the run's start, counted from 0; the warm-up is in these.

    Returns:
        A number above 0; or 0, in an epoch in which ``resnet34-authors`` trains nothing.
    """
    if step < config.warmup_iterations:
        return config.warmup_lr
    decays = _decays(config, epoch)
    return 0.0 if decays is None else config.lr * config.lr_decay**decays


def _decays(config: TrainConfig, epoch: int) -> int | None:
    """How often the rate has decayed; None where it is 0."""
    if config.schedule == "resnet34-authors":
        return next((decays for last, decays in RESNET34_AUTHORS if epoch <= last), None)
    return sum(milestone < epoch for milestone in config.milestones or ())


def gate_lr(config: TrainConfig, epoch: int) -> float:
    """Learning rate of the gate in ``epoch``, counted from 1: constant, or a tenth in epochs 50, 100, ..."""
    return config.gate_lr * (1.0 if config.gate_lr_schedule == "constant" else 0.1 ** (epoch // 50))
