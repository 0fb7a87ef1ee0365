"""Which checkpoints, splits and samples of a run a probe goes over. No torch."""

from collections.abc import Sequence
from dataclasses import dataclass

from memgate.errors import MemgateError
from memgate.runs.run import Run


@dataclass(frozen=True)
class Plan:
    """Which checkpoints, splits and samples of a run are probed, and where."""

    checkpoints: Sequence[str] = ("last",)
    """``last``, ``best`` or numbers of epochs; two that hold the same epoch are probed once."""
    every: int | None = None
    """Also each kept epoch that is a multiple of this number."""
    splits: Sequence[str] = ()
    """Names of splits; () for all that the run has."""
    n: int = 1000
    """Samples of each split: the first of a hash order, the same for every checkpoint and probe; 0 for all."""
    device: str = "auto"
    """``auto``, ``cpu`` or ``cuda``."""


def checkpoint_names(run: Run, plan: Plan) -> list[str]:
    """Names of the checkpoints of a run that a plan covers, in the order of the plan; all of them exist.

    Raises:
        MemgateError: a checkpoint does not exist, ``every`` is below 1, or no kept epoch is a multiple of it.
    """
    names = list(plan.checkpoints)
    if plan.every is not None:
        if plan.every < 1:
            raise MemgateError(f"every {plan.every} is no distance between epochs: 1 or more.")
        kept = run.checkpoint_epochs
        due = [str(epoch) for epoch in kept if epoch % plan.every == 0]
        if not due:
            raise MemgateError(
                f"{run.name} keeps no checkpoint whose epoch {plan.every} divides: it keeps "
                f"{', '.join(map(str, kept)) or 'none but last'} (--train.checkpoint-every sets which)."
            )
        names = due + names
    for name in names:
        run.checkpoint(name)
    return names
