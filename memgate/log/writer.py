"""Writes ``log.h5``: every sample's values at every epoch, readable after a kill at any write.

The metadata is complete before the file gets its name and never changes afterwards, and a seal covers it; an epoch
changes only its own rows; readers use it once its checksum ``row_crc32`` is set, which happens after its rows are on
the disk; checksums detect a row that was written in part. Tests replay every prefix of the writes.
"""

import json
import os
import shutil
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from memgate.console import size_text
from memgate.errors import MemgateError, reading, require
from memgate.log.format import COMMIT, SCHEMA, EpochRecord, LogLayout, marked, row_checksum
from memgate.log.guard import check_file, opened, text
from memgate.log.new_file import write_log, written_bytes
from noise.files.lock import is_same_file, try_lock, unlocker

DAMAGED = "cannot be continued ({}): it is damaged; put back a copy of it, or train the run again."
"""The sentence about a log that cannot be continued."""


@dataclass(frozen=True)
class _Place:
    """Position of a dataset's rows in the file, in bytes."""

    offset: int
    row_bytes: int
    dtype: str

    def at(self, row: int) -> int:
        """Offset of a row in the file."""
        return self.offset + row * self.row_bytes


def _place(handle: Any, name: str) -> _Place:
    """Position of a dataset's rows."""
    dataset = handle[name]
    row_bytes = int(np.prod(dataset.shape[1:])) * dataset.dtype.itemsize
    return _Place(dataset.id.get_offset(), row_bytes, dataset.dtype.str)


class SampleLogWriter:
    """Writes a log, one epoch after the other. Create it by :meth:`open`.

    It writes to the datasets' fixed places itself instead of through HDF5, whose library buffers small writes and
    reports a full disk, if at all, only when the file is closed.
    """

    def __init__(self, handle: Any, store: Callable[[int, bytes], None], sync: Callable[[], None]) -> None:
        """Read the positions of the datasets of a log.

        Args:
            handle: the open HDF5 file after :func:`write_layout`; not used after this call.
            store: writes bytes at an offset of the file.
            sync: flushes stored bytes to the disk (fsync).
        """
        self._store, self._sync = store, sync
        self._row = {int(epoch): row for row, epoch in enumerate(handle["epoch"][:])}
        self._sealed = text(handle.attrs["schema"]) == SCHEMA
        self._places: dict[str, dict[str, _Place]] = {}
        self._commit: dict[str, dict[str, _Place]] = {}
        self._done: dict[str, np.ndarray] = {}
        for split in json.loads(text(handle.attrs["splits"])):
            commit = handle[f"commit/{split}"]
            names = json.loads(text(commit.attrs["quantities"]))
            self._places[split] = {name: _place(handle, f"{split}/{name}") for name in names}
            marks = [name for name in COMMIT if self._sealed or name != "row_crc32"]
            self._commit[split] = {name: _place(handle, f"commit/{split}/{name}") for name in marks}
            self._done[split] = marked(commit)
        self._close: Callable[[], None] = lambda: None
        self._is_at: Callable[[Path], bool] = lambda _: True

    @staticmethod
    def create(path: Path, layout: LogLayout, files: Mapping[str, str] | None = None) -> None:
        """Create an empty log and reserve its disk space.

        Args:
            path: of the log.
            layout: of the log.
            files: see :func:`memgate.log.identity.file_digests`.

        Raises:
            MemgateError: the disk has too little space for the whole log.
        """
        partial = path.with_name(path.name + ".tmp")
        try:
            _check_space(partial, layout, len(files or {}))
            write_log(partial, layout, files or {})
            _reserve(partial)
        except OSError as error:
            partial.unlink(missing_ok=True)
            free = size_text(shutil.disk_usage(path.parent).free)
            raise MemgateError(
                f"{path} needs {size_text(layout.bytes())} and {free} are free ({error.strerror or error}): free some "
                "space, or log less often with --log.every 5."
            ) from error
        partial.replace(path)

    @classmethod
    def open(cls, path: Path) -> "SampleLogWriter":
        """A writer that continues a log, which is locked: a log has one writer.

        The lock is the one that HDF5 takes (flock); it ends with the process.

        Raises:
            MemgateError: it is missing, damaged, or another process is writing to it.
        """
        try:
            descriptor = os.open(path, os.O_RDWR)
        except OSError as error:
            raise MemgateError(f"{path} cannot be opened ({error.strerror}): train the run again.") from error
        try:
            lock(
                descriptor,
                f"{path} is open in another process: wait for that training to end, or stop it; close a notebook "
                "that has opened the file (read it with locking=False).",
            )
            with reading(path, DAMAGED):
                check_file(path, SCHEMA)
            with opened(path, DAMAGED) as handle:
                writer = cls(
                    handle,
                    lambda offset, data: _store(descriptor, offset, data),
                    lambda: os.fsync(descriptor),
                )
        except BaseException:
            os.close(descriptor)
            raise
        writer._close = unlocker(descriptor)
        writer._is_at = lambda place: is_same_file(descriptor, place)
        return writer

    @property
    def last_epoch(self) -> int:
        """The last committed epoch; 0 before the first."""
        done = [epoch for epoch, row in self._row.items() if any(split[row] for split in self._done.values())]
        return max(done, default=0)

    def logs(self, epoch: int) -> bool:
        """Whether the epoch has a row in this log."""
        return epoch in self._row

    def write(self, epoch: int, records: Mapping[str, EpochRecord]) -> None:
        """Write one epoch of every split and commit it; it is on the disk when this returns.

        Raises:
            OSError: the disk is full or gone. Epochs that were committed before stay readable.
        """
        row = self._row[epoch]
        again = [split for split in records if self._done[split][row]]
        for split in again:
            self._clear(split, row)
        if again:
            self._sync()  # else a reader could take the old mark for the new values
        marks = {}
        for split, record in records.items():
            checksums = []
            for name, place in self._places[split].items():
                data = np.ascontiguousarray(getattr(record, name), place.dtype).tobytes()
                assert len(data) == place.row_bytes, f"{split}/{name} has another shape than the log"
                self._store(place.at(row), data)
                checksums.append(zlib.crc32(data))
            now, seen = time.time(), int(record.flag("seen").sum())
            self._set(split, "crc32", row, checksums)
            self._set(split, "unix_time", row, now)
            self._set(split, "seen", row, seen)
            marks[split] = row_checksum(split, epoch, np.array(checksums, "u4"), now, seen)
        self._sync()
        for split, mark in marks.items():
            self._mark(split, row, mark, 1)
        self._sync()
        for split in records:
            self._done[split][row] = 1

    def keep(self, last_epoch: int) -> None:
        """Drop the epochs after ``last_epoch``, which are going to be written again.

        Raises:
            OSError: the disk is full or gone.
        """
        dropped = [row for epoch, row in self._row.items() if epoch > last_epoch]
        for split, done in self._done.items():
            for row in dropped:
                if done[row]:
                    self._clear(split, row)
        self._sync()

    def _clear(self, split: str, row: int) -> None:
        """Mark a row as not committed."""
        self._mark(split, row, 0, 0)
        self._done[split][row] = 0

    def _mark(self, split: str, row: int, mark: int, done: int) -> None:
        """Store the marks of a row: ``row_crc32``, where the log has it, and ``done``."""
        if self._sealed:
            self._set(split, "row_crc32", row, mark)
        self._set(split, "done", row, done)

    def _set(self, split: str, name: str, row: int, value: Any) -> None:
        """Store one row of a dataset of ``/commit/<split>``."""
        place = self._commit[split][name]
        self._store(place.at(row), np.asarray(value, place.dtype).tobytes())

    def is_at(self, path: Path) -> bool:
        """Whether the open log is the file at a path: it was not moved or deleted since."""
        return self._is_at(path)

    def close(self) -> None:
        """Close the file and release its lock."""
        self._close()
        self._close = lambda: None


def lock(descriptor: int, taken: str) -> None:
    """Lock an open file (flock) for this process; the lock ends with the process.

    Args:
        descriptor: of the file.
        taken: message of the error where another process holds the lock.

    Raises:
        MemgateError: another process holds the lock, or the file system has no locks.
    """
    try:
        free = try_lock(descriptor)
    except OSError as error:
        raise MemgateError(
            f"A run cannot be locked here ({error.strerror}): its file system has no flock; choose another --out."
        ) from error
    require(free, taken)


def _store(descriptor: int, offset: int, data: bytes) -> None:
    """Write all bytes at an offset; the system may accept them in parts."""
    rest = memoryview(data)
    while rest:
        written = os.pwrite(descriptor, rest, offset)
        rest, offset = rest[written:], offset + written


def _check_space(path: Path, layout: LogLayout, files: int) -> None:
    """Raise OSError where what HDF5 writes has no space at the end of the file: a failed write of it ends the process.

    Args:
        path: of the file, which is made, and replaced by HDF5.
        layout: of the log.
        files: number of files that its seal names.
    """
    with path.open("wb") as stream:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(stream.fileno(), layout.bytes(), written_bytes(layout, files))


def _reserve(path: Path) -> None:
    """Allocate the blocks of a sparse file, so that the log does not run out of disk space later."""
    with path.open("r+b") as stream:
        size = path.stat().st_size
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(stream.fileno(), 0, size)
        elif shutil.disk_usage(path.parent).free < size:
            raise OSError(28, "No space left on device")
        os.fsync(stream.fileno())
