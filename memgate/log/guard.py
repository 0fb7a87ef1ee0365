"""Opens HDF5 files of memgate, so that a damaged or foreign one is a sentence, and neither a crash nor a hang.

A file with a seal is compared with it by plain reads. A file without one (of an older version, or of another program)
is read once by a child process with a time limit, which is remembered for as long as the file does not change.
"""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import h5py

from memgate.errors import MemgateError, reading
from memgate.log import walk
from memgate.log.seal import Seal, checked_seal, stored_schema
from noise.files.schema import other_format

SECONDS = 10
"""Processor time that the child process may take; it takes about 0.2 seconds. A loop takes it all, however busy the
machine is."""

BYTES_A_SECOND = 50_000_000
"""Bytes of a large file for which the child process gets one more second."""

WAIT = 120
"""Seconds until the child is ended where it does not even get its processor time."""

FileState = tuple[int, ...]
"""Device, inode, size and times of change of a file."""


def file_state(path: Path) -> FileState:
    """The present state of a regular file.

    Raises:
        OSError: it does not exist, or is no regular file.
    """
    now = path.stat()
    if not stat.S_ISREG(now.st_mode):
        raise OSError("it is no regular file")
    return now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns


def check_file(path: Path, schema: str) -> Seal | None:
    """The seal of a file that can be read safely; None for a file without a seal.

    Args:
        path: of the file.
        schema: the newest format that is read.

    Raises:
        OSError: it is no regular file, or cannot be opened.
        ValueError: it differs from its seal, or reading it does not end.
        MemgateError: a newer version wrote it, or it is another file of memgate.
    """
    state = file_state(path)
    with path.open("rb") as stream:
        named = stored_schema(stream)
        if named == schema:
            return checked_seal(stream, schema)
    if named is not None:
        raise MemgateError(other_format(path, named, schema, "put the right file back."))
    problem = _problem(os.fspath(path.absolute()), state)
    if problem:
        raise ValueError(problem)
    return None


@contextmanager
def opened(path: Path, sentence: str) -> Iterator[Any]:
    """The open HDF5 file, which :func:`check_file` has passed; errors in the block are one sentence.

    Args:
        path: of the file.
        sentence: about a damaged file, see :func:`memgate.errors.reading`.

    Raises:
        MemgateError: it cannot be read, or is open elsewhere in this program in another way.
    """
    with reading(path, sentence):
        try:
            handle = h5py.File(path, "r", locking=False)
        except OSError as error:
            if "locking flag" in str(error):  # HDF5 has no error code for it
                raise MemgateError(
                    f"{path} is open elsewhere in this program in another way: close it there first."
                ) from error
            raise
        with handle:
            yield handle


@dataclass
class CheckedFile:
    """An HDF5 file of memgate: compared with its seal when it is first opened, and again after it has changed."""

    path: Path
    schema: str
    """The newest format that is read."""
    damaged: str
    """The sentence about a file that cannot be read, see :func:`memgate.errors.reading`."""
    missing: str
    """The sentence about a file that does not exist, after its name."""
    remedy: str
    """The end of the sentence about a file of another format."""
    unsealed: str | None = None
    """An older format without a seal, which is read too. None: there is none."""
    seal: Seal | None = field(default=None, init=False)
    """Of the file when it was last opened; None for one of the older format."""
    _state: FileState | None = field(default=None, init=False)

    @contextmanager
    def opened(self) -> Iterator[Any]:
        """The open file, for ``with``; whatever a damaged file raises in the block is one sentence.

        Raises:
            MemgateError: it is missing, damaged or of another format, or open elsewhere in this program in another
                way.
        """
        with reading(self.path, self.damaged):
            try:
                state = file_state(self.path)
            except FileNotFoundError as error:
                raise MemgateError(f"{self.path} {self.missing}") from error
            changed = state != self._state
            if changed:
                self.seal = check_file(self.path, self.schema)
        with opened(self.path, self.damaged) as handle:
            if changed:
                self._check_schema(handle.attrs.get("schema"))
                self._state = state
            yield handle

    def _check_schema(self, stored: Any) -> None:
        """Check the attribute ``schema``: ValueError without the seal of its format, MemgateError of another."""
        schema = text(stored) if isinstance(stored, str | bytes) else stored
        if schema == self.schema and self.seal is None:
            raise ValueError("the checksum at its beginning is gone")
        if schema not in (self.schema, self.unsealed):
            raise MemgateError(other_format(self.path, schema, self.schema, self.remedy))


def text(value: Any) -> str:
    """The text of an attribute, which is stored as bytes of a fixed length or, in older files, as text."""
    return value.decode() if isinstance(value, bytes) else str(value)


@lru_cache(maxsize=4096)
def _problem(path: str, state: FileState) -> str:  # noqa: ARG001  (the state is the key of the cache)
    """Why a child process could not read a file in this state; empty where it could."""
    seconds = SECONDS + Path(path).stat().st_size // BYTES_A_SECOND
    try:
        child = subprocess.run(
            [sys.executable, "-P", walk.__file__, path, str(seconds)],
            capture_output=True, text=True, timeout=WAIT + seconds, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"reading it did not end within {WAIT + seconds} seconds"
    if -child.returncode in (signal.SIGXCPU, signal.SIGKILL):
        return f"reading it does not end: the HDF5 library took {seconds} seconds"
    if child.returncode < 0:
        return f"the HDF5 library crashes in it by signal {-child.returncode}"
    reason = (child.stderr.strip().splitlines() or [f"exit code {child.returncode}"])[-1]
    if child.returncode not in (0, walk.UNREADABLE):  # raised, so that it is not remembered
        raise MemgateError(f"{path} could not be checked in a process of its own ({reason}): try again.")
    return reason if child.returncode else ""
