"""Writes ``log.h5``: every sample's values at every epoch, readable after a kill at any write.

The metadata is complete before the file gets its name and never changes afterwards; an epoch changes only its own
rows; readers use it once ``done`` is set, which happens after its rows are on the disk; a checksum detects a row that
was written in part. Tests replay every prefix of the writes.
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

import h5py
import numpy as np

from memgate import __version__
from memgate.errors import MemgateError, require
from memgate.log.format import (
    COMMIT,
    QUANTITIES,
    SAMPLE_COLUMNS,
    SCHEMA,
    STORED_MODES,
    EpochRecord,
    LogLayout,
)
from noise.files.lock import is_same_file, try_lock, unlocker


def _allocate(group: h5py.Group, name: str, shape: tuple[int, ...], dtype: str) -> h5py.Dataset:
    """A new dataset with a fixed place in the file; its content is not written (the file system gives zeros)."""
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_layout(h5py.h5d.CONTIGUOUS)
    plan.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    plan.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    kind = h5py.h5t.py_create(np.dtype(dtype))
    return h5py.Dataset(h5py.h5d.create(group.id, name.encode(), kind, h5py.h5s.create_simple(shape), plan))


def write_layout(handle: h5py.File, layout: LogLayout) -> None:
    """Write all metadata, and the samples of every split, into an empty file."""
    handle.attrs.update(
        schema=SCHEMA,
        memgate_version=__version__,
        created_unix=time.time(),
        mode=STORED_MODES[layout.mode],
        gates=json.dumps(layout.gates),
        class_names=json.dumps(layout.class_names),
        splits=json.dumps(list(layout.splits)),
    )
    handle.create_dataset("epoch", data=np.array(layout.epochs, "i4"))
    names, rows = layout.names(), len(layout.epochs)
    for split, samples in layout.splits.items():
        group = handle.create_group(split)
        for column, dtype in SAMPLE_COLUMNS.items():
            group.create_dataset(column, data=getattr(samples, column).astype(dtype))
        for name in names:
            dataset = _allocate(group, name, layout.shape(split, name), QUANTITIES[name].dtype)
            dataset.attrs["meaning"] = QUANTITIES[name].meaning
            if QUANTITIES[name].per_gate:
                dataset.attrs["gates"] = json.dumps(layout.gates)
        commit = handle.create_group(f"commit/{split}")
        commit.attrs["quantities"] = json.dumps(names)
        for name, dtype in COMMIT.items():
            width = (len(names),) if name == "crc32" else ()
            # HDF5 does not fill an allocated dataset, so the zeros of `done` have to be written.
            _allocate(commit, name, (rows, *width), dtype)[...] = 0


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
        self._places: dict[str, dict[str, _Place]] = {}
        self._commit: dict[str, dict[str, _Place]] = {}
        self._done: dict[str, np.ndarray] = {}
        for split in json.loads(handle.attrs["splits"]):
            names = json.loads(handle[f"commit/{split}"].attrs["quantities"])
            self._places[split] = {name: _place(handle, f"{split}/{name}") for name in names}
            self._commit[split] = {name: _place(handle, f"commit/{split}/{name}") for name in COMMIT}
            self._done[split] = handle[f"commit/{split}/done"][:]
        self._close: Callable[[], None] = lambda: None
        self._is_at: Callable[[Path], bool] = lambda _: True

    @staticmethod
    def create(path: Path, layout: LogLayout) -> None:
        """Create an empty log and reserve its disk space.

        Raises:
            MemgateError: the disk has too little space for the whole log.
        """
        partial = path.with_name(path.name + ".tmp")
        try:
            with h5py.File(partial, "w") as handle:
                write_layout(handle, layout)
            _reserve(partial)
        except OSError as error:
            partial.unlink(missing_ok=True)
            free = shutil.disk_usage(path.parent).free / 1e6
            raise MemgateError(
                f"{path} needs {layout.bytes() / 1e6:.0f} MB and {free:.0f} MB are free ({error.strerror or error}): "
                "free some space, or log less often with --log.every 5."
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
            with h5py.File(path, "r", locking=False) as handle:
                writer = cls(
                    handle,
                    lambda offset, data: _store(descriptor, offset, data),
                    lambda: os.fsync(descriptor),
                )
        except (OSError, KeyError) as error:
            os.close(descriptor)
            raise MemgateError(f"{path} is damaged ({error}): train the run again.") from error
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
            self._set(split, "done", row, 0)
            self._done[split][row] = 0
        if again:
            self._sync()  # else a reader could take the old mark for the new values
        for split, record in records.items():
            checksums = []
            for name, place in self._places[split].items():
                data = np.ascontiguousarray(getattr(record, name), place.dtype).tobytes()
                assert len(data) == place.row_bytes, f"{split}/{name} has another shape than the log"
                self._store(place.at(row), data)
                checksums.append(zlib.crc32(data))
            self._set(split, "crc32", row, checksums)
            self._set(split, "unix_time", row, time.time())
            self._set(split, "seen", row, int(record.flag("seen").sum()))
        self._sync()
        for split in records:
            self._set(split, "done", row, 1)
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
                    self._set(split, "done", row, 0)
                    done[row] = 0
        self._sync()

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


def _reserve(path: Path) -> None:
    """Allocate the blocks of a sparse file, so that the log does not run out of disk space later."""
    with path.open("r+b") as stream:
        size = path.stat().st_size
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(stream.fileno(), 0, size)
        elif shutil.disk_usage(path.parent).free < size:
            raise OSError(28, "No space left on device")
        os.fsync(stream.fileno())
