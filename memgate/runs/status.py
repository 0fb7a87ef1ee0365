"""status.json of a run: its state, its last epoch, and the process that trains it."""

import os
import socket
import time
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from memgate.config.json_form import from_json
from memgate.errors import require
from memgate.runs import metrics
from memgate.runs.json_files import check_digest, read_json, with_digest, write_json
from noise.files.lock import is_locked
from noise.files.schema import other_format

SCHEMA = "memgate-status/1"
"""Format of status.json; those written before it had a name have none."""

STATES = ("running", "complete", "stopped", "failed")
"""States in status.json; in addition, a run that was killed is ``crashed``."""


@dataclass(frozen=True)
class Status:
    """State and progress of a run."""

    state: str
    """running, complete, stopped (by the user), failed, or crashed (its process was killed)."""
    epoch: int
    """Epochs that are finished."""
    epochs: int
    """Epochs planned."""
    message: str = ""
    """Why it failed; empty otherwise."""
    pid: int = 0
    """Id of the process that wrote this."""
    host: str = ""
    """Name of the machine that this process runs on."""
    updated: float = 0.0
    """Unix time of the last change."""
    metrics: str = ""
    """Digest of the lines of metrics.csv up to ``epoch``; empty where there are none, or it is not known."""
    config: str = ""
    """Digest that config.json holds of itself; empty where it is not known."""


def read_status(folder: Path, epochs: int, config: str) -> Status:
    """The status of a run; without status.json, what its metrics say.

    A run is ``running`` only while a process holds the lock of its log: ids of processes come again, and those of
    another machine cannot be asked.

    Args:
        folder: of the run.
        epochs: planned, according to config.json.
        config: the digest that config.json holds of itself. Where it has one, status.json must have one too.

    Raises:
        MemgateError: the file is damaged, of another run, or contradicts itself or config.json.
    """
    path = folder / "status.json"
    if not path.exists():
        epoch = metrics.last_epoch(folder / "metrics.csv")
        if epoch == epochs:
            return Status("complete", epoch, epochs)
        return Status(
            "failed", epoch, epochs, "status.json is missing" if epoch else "it ended before it began"
        )
    stored = read_json(path)
    schema = stored.get("schema", SCHEMA)
    require(schema == SCHEMA, other_format(path, schema, SCHEMA, "it is damaged; remove it."))
    check_digest(path, stored, needed=bool(config))
    known = {field.name for field in fields(Status)}
    status: Status = from_json(Status, {key: stored[key] for key in stored if key in known}, str(path))
    require(
        status.config in ("", config),
        f"{path} does not belong to the config.json beside it (one of them was changed, or is another run's): put "
        "this run's own back.",
    )
    right = (
        status.state in STATES
        and status.epochs == epochs
        and 0 <= status.epoch <= epochs
        and (status.state != "complete" or status.epoch == epochs)
    )
    require(
        right,
        f"{path} says {status.state!r:.40}, epoch {status.epoch} of {status.epochs}, and the run has {epochs} epochs: "
        "it is damaged; remove it, since it holds only the run's state and last epoch.",
    )
    if status.state == "running" and not _is_trained(folder / "log.h5", status):
        return replace(status, state="crashed")
    return status


def write_status(
    path: Path, state: str, epoch: int, epochs: int, message: str = "", config: str = ""
) -> None:
    """Write a status of this process atomically; arguments are the fields of :class:`Status`."""
    lines = metrics.digest_of(path.with_name("metrics.csv"), epoch)
    status = Status(
        state, epoch, epochs, message, os.getpid(), socket.gethostname(), time.time(), lines, config
    )
    write_json(path, with_digest({"schema": SCHEMA, **asdict(status)}))


def _is_trained(log: Path, status: Status) -> bool:
    """Whether a process trains or records the run now."""
    try:
        return is_locked(log)
    except OSError:  # no file system for locks, or not readable: the best that is known
        return status.host != socket.gethostname() or _is_alive(status.pid)


def _is_alive(pid: int) -> bool:
    """Whether a process of this id exists on this machine."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
