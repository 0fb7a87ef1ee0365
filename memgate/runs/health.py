"""Checks the files of a run: epochs, checksums, coverage, sizes; also of a run that cannot be opened. No torch."""

import shlex
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from memgate.errors import DAMAGE, MemgateError, first_line, require
from memgate.log.format import QUANTITIES
from memgate.log.gate_vectors import is_vector_file, vector_path
from memgate.log.guard import file_state
from memgate.log.identity import changed_files, manifest_path
from memgate.log.reader import SampleLog
from memgate.runs.epoch_files import check_vectors
from memgate.runs.run import Run, command
from noise.manifest.manifest import Manifest

EpochState = Literal["whole", "torn", "missing"]
"""``whole``; ``torn``: committed, but a checksum fails; ``missing``: not committed (yet)."""

UNREADABLE = (MemgateError, *DAMAGE)
"""Exceptions that reading a damaged file may raise; NoiseError is among them, as a ValueError."""


@dataclass(frozen=True, eq=False)
class SplitHealth:
    """State of the planned epochs of one split; every array is [E]."""

    split: str
    samples: int
    """Number of samples N."""
    epochs: NDArray[np.int32]
    """Counted from 1."""
    state: NDArray[np.str_]
    """See :data:`EpochState`."""
    seen: NDArray[np.float64]
    """Number of samples that the epoch has seen; NaN where it is not whole."""
    written: NDArray[np.float64]
    """Unix time of the commit; NaN where there is none."""

    def count(self, state: EpochState) -> int:
        """Number of epochs in a state."""
        return int((self.state == state).sum())


@dataclass(frozen=True)
class StoredArray:
    """One quantity of one split in the log."""

    split: str
    name: str
    dtype: str
    shape: tuple[int, ...]
    """[E, N], or [E, G, N] where each gate has a row."""
    bytes: int
    meaning: str


@dataclass(frozen=True)
class FileState:
    """One file of a run: whether it can be read, and the remedy where it cannot."""

    name: str
    bytes: int | None
    """None where it does not exist."""
    problem: str = ""
    """Why it cannot be read; empty where it can."""
    remedy: str = ""
    """The remedy, a sentence."""
    command: str = ""
    """Command of the remedy; empty for none."""


def split_health(log: SampleLog, split: str) -> SplitHealth:
    """State of every planned epoch; checksums that this reader has verified before are not computed again.

    Raises:
        MemgateError: the log has no such split or cannot be read.
    """
    whole = dict(log.checked(split))
    state = np.array([_state(whole.get(int(epoch))) for epoch in log.planned], "U7")
    with log.opened() as handle:
        commit = handle[f"commit/{split}"]
        seen, written = (commit[name][:].astype(np.float64) for name in ("seen", "unix_time"))
        samples = handle[split]["sample_id"].shape[0]
    seen[state != "whole"] = np.nan
    written[state == "missing"] = np.nan
    return SplitHealth(split, int(samples), log.planned, state, seen, written)


def _state(whole: bool | None) -> EpochState:
    if whole is None:
        return "missing"
    return "whole" if whole else "torn"


def verify(path: Path, step: Callable[[int, int], object] = lambda *_: None) -> tuple[SplitHealth, ...]:
    """State of every split, after reading every committed epoch again and comparing its checksums.

    Args:
        path: of log.h5.
        step: called with the number of epochs read and the number to read, over all splits.

    Raises:
        MemgateError: the log cannot be read.
    """
    log = SampleLog(path)
    total = 0
    for split in log.splits:
        total += log.committed(split)
    read = 0
    for split in log.splits:
        for _ in log.checked(split):
            read += 1
            step(read, max(read, total))  # a training may add an epoch meanwhile
    return tuple(split_health(log, split) for split in log.splits)


def stored_arrays(log: SampleLog) -> tuple[StoredArray, ...]:
    """Type, shape and size of every quantity in a log.

    Raises:
        MemgateError: it cannot be read.
    """
    arrays = []
    with log.opened() as handle:
        for split in log.splits:
            for name, quantity in QUANTITIES.items():
                if name in handle[split]:
                    data = handle[split][name]
                    arrays.append(
                        StoredArray(split, name, str(data.dtype), data.shape, data.nbytes, quantity.meaning)
                    )
    return tuple(arrays)


def sizes(run: Path) -> dict[str, int]:
    """Size in bytes of a run's log, of its gate vectors, of each of its folders, and of its other files together."""
    bytes_of = {"log.h5": 0, "gate vectors": 0, "checkpoints": 0, "probes": 0, "exports": 0, "other files": 0}
    for path in run.rglob("*"):
        try:
            size = path.stat().st_size if path.is_file() and not path.is_symlink() else 0
        except OSError:  # a training has just replaced the file
            continue
        part = path.relative_to(run).parts[0]
        part = "gate vectors" if is_vector_file(part) else part
        key = part if part in bytes_of or (run / part).is_dir() else "other files"
        bytes_of[key] = bytes_of.get(key, 0) + size
    return bytes_of


def free_bytes(path: Path) -> int:
    """Free bytes on the disk of a path."""
    return shutil.disk_usage(path).free


def files(run: Run) -> tuple[FileState, ...]:
    """State of every file that a run needs; each is read by itself, so that a damaged one does not hide others."""
    recorded = _or(lambda: run.recorded, False)
    again = "record it again." if recorded else "train it again:"
    command = "" if recorded else again_command(run)
    log_remedy = f"Put back a copy of the file, or {again}"
    states = [
        _file(
            run, "config.json", lambda: _unchanged(run), "Put back a copy of the file: every page needs it."
        ),
        _file(
            run,
            "status.json",
            run.status,
            "Remove the file: it holds only the run's state and last epoch.",
        ),
    ]
    if _or(lambda: run.only_curves, False):
        remedy = "Remove the run's folder, and import it again: memgate import-curves."
        return (*states, _file(run, "metrics.csv", run.metrics, remedy))
    states.append(_file(run, "log.h5", lambda: _whole_log(run), log_remedy, command))
    for split in ("train", *_or(lambda: run.outline.copies, ())):
        path = manifest_path(run.path, split)
        remedy = f"Put back a copy of the file, which says what was done to the samples, or {again}"
        states.append(_file(run, path.name, lambda path=path: Manifest.load(path), remedy, command))
    states.append(_file(run, "metrics.csv", run.metrics, "Nothing to do: the dashboard reads the log."))
    return (*states, *vector_files(run))


def vector_files(run: Run) -> tuple[FileState, ...]:
    """State of each file of gate vectors; one that is not there was removed, or its disk was full, and is no fault."""
    remedy = "Put back a copy of the file, or remove it and do without this epoch: nothing else needs it."
    identity = _or(lambda: run.sample_log().identity, "")
    paths = [vector_path(run.path, epoch) for epoch in run.gate_vector_epochs]
    return tuple(
        _file(run, path.name, lambda path=path: check_vectors(path, file_state(path), identity), remedy)
        for path in paths
    )


def _or(read: Callable[[], Any], otherwise: Any) -> Any:
    """The result of ``read``, or ``otherwise`` where it raises because a file is damaged."""
    try:
        return read()
    except UNREADABLE:
        return otherwise


def _unchanged(run: Run) -> None:
    """Read config.json, and compare it with the digest that the log keeps of it.

    Raises:
        MemgateError: it cannot be read, or is not the one that the log was made with.
    """
    _ = run.outline
    path = run.path / "log.h5"
    seal = _or(lambda: SampleLog(path).seal, None) if path.is_file() else None
    require(
        "config.json" not in changed_files(run.path, seal), "it is not the one that the log was made with"
    )


def _whole_log(run: Run) -> None:
    """Read the samples of every split of the log."""
    log = run.sample_log()
    for split in log.splits:
        log.samples(split)


def _file(run: Run, name: str, read: Callable[[], Any], remedy: str, command: str = "") -> FileState:
    """State of one file, which ``read`` reads."""
    path = run.path / name
    size = path.stat().st_size if path.is_file() else None
    try:
        if size is None:
            raise MemgateError("it does not exist")
        read()
    except UNREADABLE as error:
        return FileState(name, size, first_line(error), remedy, command)
    return FileState(name, size)


def again_command(run: Run) -> str:
    """Command that trains the same configuration again under another name."""
    return f"{command('train --like', run.path)} --name {shlex.quote(run.name + '-again')}"


def go_on_command(run: Run, state: str) -> str:
    """Command that resumes a run; empty where it is complete or running.

    Args:
        run: the run.
        state: :attr:`memgate.runs.status.Status.state`.
    """
    if state in ("complete", "running"):
        return ""
    if run.recorded:
        return f"Recorder(..., name={run.name!r}, out={str(run.path.parent)!r}, resume=True)"
    return command("resume", run.path)
