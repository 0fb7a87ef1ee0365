"""Is a run's log whole? Epochs, checksums, coverage and sizes, also of a run that cannot be opened. No torch."""

import shlex
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from memgate.errors import MemgateError
from memgate.log.format import QUANTITIES
from memgate.log.reader import SampleLog
from memgate.runs.run import Run, command, manifest_path
from noise.errors import NoiseError
from noise.manifest.manifest import Manifest

EpochState = Literal["whole", "torn", "missing"]
"""``torn``: committed, but its checksum fails; ``missing``: nothing was committed (yet)."""

SIGNATURE = b"\x89HDF\r\n\x1a\n"
"""The first bytes of an HDF5 file."""


UNREADABLE = (
    MemgateError, NoiseError, OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, RuntimeError,
)  # fmt: skip
"""What a damaged file makes of its reader."""


@dataclass(frozen=True, eq=False)
class SplitHealth:
    """The planned epochs of one split; every array is [E]."""

    split: str
    samples: int
    epochs: NDArray[np.int32]
    """Counted from 1."""
    state: NDArray[np.str_]
    """See :data:`EpochState`."""
    seen: NDArray[np.float64]
    """Samples that the epoch has seen; NaN where it is not whole."""
    written: NDArray[np.float64]
    """Unix time of the commit; NaN where there is none."""

    def count(self, state: EpochState) -> int:
        """How many epochs are so."""
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
    """One file of a run: whether it can be read, and what to do where it cannot."""

    name: str
    bytes: int | None
    """None where it does not exist."""
    problem: str = ""
    """Why it cannot be read; empty where it can."""
    remedy: str = ""
    """What to do about it, a sentence."""
    command: str = ""
    """What to type for that, where there is a command."""


def split_health(log: SampleLog, split: str) -> SplitHealth:
    """The state of every planned epoch; checksums that this reader has computed before are believed.

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
    """Read every committed epoch of a log anew and compare its checksum.

    Args:
        path: of log.h5.
        step: called with epochs read and epochs to read, over all splits.

    Raises:
        MemgateError: the log cannot be read.
    """
    log = SampleLog(path)
    total = 0
    with log.opened() as handle:
        for split in log.splits:
            total += int((handle[f"commit/{split}/done"][:] == 1).sum())
    read = 0
    for split in log.splits:
        for _ in log.checked(split):
            read += 1
            step(read, max(read, total))  # a training may add an epoch meanwhile
    return tuple(split_health(log, split) for split in log.splits)


def stored_arrays(log: SampleLog) -> tuple[StoredArray, ...]:
    """Type, shape and size of every quantity of a log.

    Raises:
        MemgateError: it cannot be read.
    """
    found = []
    with log.opened() as handle:
        for split in log.splits:
            for name, quantity in QUANTITIES.items():
                if name in handle[split]:
                    one = handle[split][name]
                    found.append(
                        StoredArray(split, name, str(one.dtype), one.shape, one.nbytes, quantity.meaning)
                    )
    return tuple(found)


def sizes(run: Path) -> dict[str, int]:
    """Bytes of a run's parts: its log, each of its folders, and the other files together."""
    found = {"log.h5": 0, "checkpoints": 0, "probes": 0, "exports": 0, "other files": 0}
    for path in run.rglob("*"):
        try:
            size = path.stat().st_size if path.is_file() and not path.is_symlink() else 0
        except OSError:  # a training replaces its files while we look
            continue
        part = path.relative_to(run).parts[0]
        key = part if part in found or (run / part).is_dir() else "other files"
        found[key] = found.get(key, 0) + size
    return found


def free_bytes(path: Path) -> int:
    """Room left on the disk of a path."""
    return shutil.disk_usage(path).free


def files(run: Run) -> tuple[FileState, ...]:
    """Every file that a run needs, each read by itself: one that is damaged does not hide the others."""
    recorded = _told(lambda: run.recorded, False)
    again = "record it again." if recorded else "train it again:"
    command = "" if recorded else again_command(run)
    log_remedy = f"Put back a copy of the file, or {again}"
    found = [
        _file(run, "config.json", lambda: run.outline, "Put back a copy of the file: every page needs it."),
        _file(run, "status.json", run.status, "Remove the file: it says only how far the run came."),
    ]
    if _told(lambda: run.only_curves, False):
        remedy = "Remove the run's folder, and import it again: memgate import-curves."
        return (*found, _file(run, "metrics.csv", run.metrics, remedy))
    found.append(_file(run, "log.h5", lambda: _whole_log(run), log_remedy, command))
    for split in ("train", *_told(lambda: run.outline.copies, ())):
        path = manifest_path(run.path, split)
        remedy = f"Put back a copy of the file: what was done to the samples is told from it; or {again}"
        found.append(_file(run, path.name, lambda path=path: Manifest.load(path), remedy, command))
    found.append(_file(run, "metrics.csv", run.metrics, "Nothing: the dashboard goes by the log."))
    return tuple(found)


def _told(read: Callable[[], Any], otherwise: Any) -> Any:
    """What a run says of itself, or something else where its config.json is damaged."""
    try:
        return read()
    except UNREADABLE:
        return otherwise


def _whole_log(run: Run) -> None:
    log = run.sample_log()
    for split in log.splits:
        log.samples(split)


def _file(run: Run, name: str, read: Callable[[], Any], remedy: str, command: str = "") -> FileState:
    path = run.path / name
    size = path.stat().st_size if path.is_file() else None
    try:
        if size is None:
            raise MemgateError("it does not exist")
        read()
    except UNREADABLE as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        if name == "log.h5" and size is not None and not _has_signature(path):
            reason = "it does not begin as an HDF5 file does: something else has been written over it"
        return FileState(name, size, reason, remedy, command)
    return FileState(name, size)


def _has_signature(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(len(SIGNATURE)) == SIGNATURE


def again_command(run: Run) -> str:
    """What trains the same anew, under another name."""
    return f"{command('train --like', run.path)} --name {shlex.quote(run.name + '-again')}"


def go_on_command(run: Run, state: str) -> str:
    """What goes on with a run that has not ended; empty where it has, or is going on.

    Args:
        run: the run.
        state: as :attr:`memgate.runs.status.Status.shown` has it.
    """
    if state in ("complete", "running"):
        return ""
    if run.recorded:
        return f"Recorder(..., name={run.name!r}, out={str(run.path.parent)!r}, resume=True)"
    return command("resume", run.path)
