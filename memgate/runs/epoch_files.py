"""Files of a run that belong to one epoch: checkpoints and gate vectors. Never imports torch."""

import shlex
from functools import lru_cache
from pathlib import Path

from memgate.config.log import MOST_VECTOR_FILES
from memgate.config.names import is_name
from memgate.config.run import RunConfig
from memgate.log.gate_vectors import GateVectors, epochs_text
from memgate.log.guard import FileState


def checkpoint_path(folder: Path, which: str) -> Path | None:
    """Path of a checkpoint of a run, whether it exists or not; None where ``which`` cannot be the name of one.

    Args:
        folder: of the run.
        which: ``last``, ``best``, an epoch's number, or the name of another file without its ending.
    """
    if which.isascii() and which.isdecimal() and len(which) <= 9:
        which = f"epoch_{int(which):03d}"
    return folder / "checkpoints" / f"{which}.pt" if is_name(which) else None


def checkpoint_names(folder: Path) -> list[str]:
    """Names of the checkpoints of a run without their ending, sorted."""
    return sorted(path.stem for path in (folder / "checkpoints").glob("*.pt"))


def checkpoint_epochs(folder: Path) -> tuple[int, ...]:
    """Epochs of a run that have a checkpoint of their own (``epoch_NNN.pt``), rising."""
    stems = [path.stem.removeprefix("epoch_") for path in (folder / "checkpoints").glob("epoch_*.pt")]
    return tuple(sorted(int(stem) for stem in stems if stem.isdecimal()))


@lru_cache(maxsize=MOST_VECTOR_FILES)
def check_vectors(path: Path, state: FileState, log: str) -> None:  # noqa: ARG001  (both are parts of the cache's key)
    """Read a file of gate vectors whole, and compare it with the log beside it; a sound one is read once.

    Args:
        path: of the file.
        state: its present state.
        log: identity of the log beside it; empty where it cannot be read.

    Raises:
        MemgateError: it is damaged, or of another run.
    """
    GateVectors(path)


def no_vectors(folder: Path, config: RunConfig, finished: int) -> str:
    """The sentence about a run that has no gate vectors: the reason and the remedy.

    Args:
        folder: of the run.
        config: of the run, resolved.
        finished: number of finished epochs.
    """
    again = f"'memgate train --like {shlex.quote(str(folder))} --name NEW"
    if not config.model.hard_gates:
        return (
            f"{folder.name} has no gate vectors: the gates of {config.model.name} do not open or close"
            if config.model.gate_names
            else f"{folder.name} has no gate vectors: {config.model.name} has no gates"
        ) + ". Take a run of a network such as channel-gate."
    planned = config.log.vector_epochs(config.train.epochs)
    if not planned:
        return (
            f"{folder.name} has no gate vectors, because it was trained with --log.gates {config.log.gates}: train it "
            f"again by {again} --log.gates last'."
        )
    due = [epoch for epoch in planned if epoch <= finished]
    if due:
        return (
            f"The gate vectors of {folder.name}, of {epochs_text(due)}, are gone: put copies of gates_epoch_*.h5 "
            f"back, or train it again by {again}'."
        )
    return (
        f"{folder.name} has no gate vectors yet: {finished} epochs are finished, and they are kept of "
        f"{epochs_text(planned)}."
    )
