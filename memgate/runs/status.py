"""status.json of a run: its state, its last epoch, and the process that trains it."""

import os
import socket
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from memgate.errors import MemgateError
from memgate.runs.json_files import read_json, write_json


@dataclass(frozen=True)
class Status:
    """State and progress of a run."""

    state: str
    """running, complete, stopped (by the user) or failed."""
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

    @property
    def shown(self) -> str:
        """The state, or ``crashed`` where it is ``running`` and its process on this machine no longer exists."""
        if self.state != "running" or self.host != socket.gethostname():
            return self.state
        return "running" if _is_alive(self.pid) else "crashed"


def read_status(path: Path, epochs: int) -> Status:
    """The status in a file; without a file, that of a run that failed before its first epoch.

    Args:
        path: of status.json.
        epochs: planned, for a run without the file.

    Raises:
        MemgateError: the file is damaged.
    """
    if not path.exists():
        return Status("failed", 0, epochs, "it ended before it began")
    try:
        return Status(**read_json(path))
    except TypeError as error:
        raise MemgateError(f"{path} has other keys than a status ({error}): the run is damaged.") from error


def write_status(path: Path, state: str, epoch: int, epochs: int, message: str = "") -> None:
    """Write a status of this process atomically; arguments are the fields of :class:`Status`."""
    status = Status(state, epoch, epochs, message, os.getpid(), socket.gethostname(), time.time())
    write_json(path, asdict(status))


def _is_alive(pid: int) -> bool:
    """Whether a process of this id exists on this machine."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
