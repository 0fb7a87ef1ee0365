"""Every sample's gate value, entropy, loss and prediction at every epoch: ``log.h5``, written and read.

Crash safety (measured in the project's study of HDF5, tested by replaying every prefix of the writes): the
metadata is complete before the file gets its name and never changes afterwards; an epoch touches only its
own rows; it counts once ``done`` is set, which happens after its rows are on the disk; and a checksum tells
a torn row. The writer holds HDF5's lock, so two trainings cannot share a log; readers never take it, so
looking at a run cannot disturb it.
"""

import json
import os
import shutil
import time
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from memgate import __version__
from memgate.errors import MemgateError
from memgate.logformat import (
    FLAGS,
    QUANTITIES,
    SAMPLE_COLUMNS,
    SCHEMA,
    EpochRecord,
    LogLayout,
    Samples,
)


def _allocate(group: h5py.Group, name: str, shape: tuple[int, ...], dtype: str) -> h5py.Dataset:
    """A dataset whose place in the file is fixed now and whose content is left to the file system (zeros)."""
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_layout(h5py.h5d.CONTIGUOUS)
    plan.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    plan.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    kind = h5py.h5t.py_create(np.dtype(dtype))
    return h5py.Dataset(h5py.h5d.create(group.id, name.encode(), kind, h5py.h5s.create_simple(shape), plan))


def write_layout(handle: h5py.File, layout: LogLayout) -> None:
    """Write all metadata and the samples of every split into an empty file."""
    handle.attrs.update(
        schema=SCHEMA,
        memgate_version=__version__,
        created_unix=time.time(),
        mode=layout.mode,
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
        for name, width, dtype in (("done", (), "u1"), ("crc32", (len(names),), "u4"),
                                   ("unix_time", (), "f8"), ("seen", (), "u4")):  # fmt: skip
            # Nothing fills an allocated dataset: the zeros of `done` have to be written.
            _allocate(commit, name, (rows, *width), dtype)[...] = 0


class SampleLogWriter:
    """Writes one epoch after the other. Use :meth:`create` for a new log and :meth:`open` to go on with one."""

    def __init__(self, handle: h5py.File, sync: Callable[[], None]) -> None:
        """Wrap an open file.

        Args:
            handle: a file that :func:`write_layout` has filled, open for writing.
            sync: puts what was flushed on the disk (fsync).
        """
        self._handle: Any = handle
        self._sync = sync
        self._row = {int(epoch): row for row, epoch in enumerate(self._handle["epoch"][:])}
        self._names = {
            split: json.loads(self._handle[f"commit/{split}"].attrs["quantities"])
            for split in json.loads(self._handle.attrs["splits"])
        }

    @classmethod
    def create(cls, path: Path, layout: LogLayout) -> "SampleLogWriter":
        """Make the log and reserve its disk space.

        Raises:
            MemgateError: the disk has too little room for the whole log.
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
        return cls.open(path)

    @classmethod
    def open(cls, path: Path) -> "SampleLogWriter":
        """Open a log to go on with it.

        Raises:
            MemgateError: it is missing, damaged, or another process is writing to it.
        """
        try:
            handle = h5py.File(path, "r+")
        except BlockingIOError as error:
            raise MemgateError(
                f"{path} is being written by another process: wait for that training to end, or stop it."
            ) from error
        except OSError as error:
            raise MemgateError(f"{path} cannot be opened ({error}): train the run again.") from error
        descriptor = handle.id.get_vfd_handle()
        return cls(handle, lambda: os.fsync(descriptor))

    def logs(self, epoch: int) -> bool:
        """Whether the epoch has a row in this log."""
        return epoch in self._row

    def write(self, epoch: int, records: Mapping[str, EpochRecord]) -> None:
        """Write one epoch of every split and commit it; it is safe when this returns.

        Raises:
            OSError: the disk refuses (full, or gone). What was committed before stays readable.
        """
        row = self._row[epoch]
        for split, record in records.items():
            commit = self._handle[f"commit/{split}"]
            commit["done"][row] = 0
            checksums = np.zeros(len(self._names[split]), "u4")
            for column, name in enumerate(self._names[split]):
                values = np.ascontiguousarray(getattr(record, name), QUANTITIES[name].dtype)
                self._handle[split][name][row] = values
                checksums[column] = zlib.crc32(values.data)
            commit["crc32"][row] = checksums
            commit["unix_time"][row] = time.time()
            commit["seen"][row] = int(record.flag("seen").sum())
        self._flush()
        for split in records:
            self._handle[f"commit/{split}"]["done"][row] = 1
        self._flush()

    def _flush(self) -> None:
        self._handle.flush()
        self._sync()

    def close(self) -> None:
        """Close the file; after an error of the disk this must not hide that error."""
        self._handle.close()


def _reserve(path: Path) -> None:
    """Allocate the blocks of a sparse file, so that a disk that fills up later cannot stop the log."""
    with path.open("r+b") as stream:
        size = path.stat().st_size
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(stream.fileno(), 0, size)
        elif shutil.disk_usage(path.parent).free < size:
            raise OSError(28, "No space left on device")
        os.fsync(stream.fileno())


class SampleLog:
    """Reads a log: only epochs that were committed and whose checksums agree.

    Every call opens, reads and closes the file without its lock, so a log can be read while it is written.
    """

    def __init__(self, path: Path) -> None:
        """Read what the log is.

        Raises:
            MemgateError: the file is missing, damaged or of another format.
        """
        self.path = path
        with self._opened() as handle:
            schema = handle.attrs.get("schema")
            if schema != SCHEMA:
                raise MemgateError(
                    f"{path} has the format {schema!r} and not {SCHEMA!r}: it is no log of this version."
                )
            self.mode: str = handle.attrs["mode"]
            self.gates: tuple[str, ...] = tuple(json.loads(handle.attrs["gates"]))
            self.class_names: tuple[str, ...] = tuple(json.loads(handle.attrs["class_names"]))
            self.splits: tuple[str, ...] = tuple(json.loads(handle.attrs["splits"]))
            self.planned: np.ndarray = handle["epoch"][:]
        self._verified: dict[tuple[str, int, float], bool] = {}

    def _opened(self) -> Any:
        try:
            return h5py.File(self.path, "r", locking=False)
        except FileNotFoundError as error:
            raise MemgateError(f"{self.path} does not exist: the run has no log yet.") from error
        except OSError as error:
            raise MemgateError(f"{self.path} is damaged or no HDF5 file ({error}).") from error

    def samples(self, split: str) -> Samples:
        """Who the samples of a split are, in the order of the last axis of :meth:`values`."""
        with self._opened() as handle:
            return Samples(**{column: handle[self._known(split)][column][:] for column in SAMPLE_COLUMNS})

    def epochs(self, split: str) -> np.ndarray:
        """Epochs, counted from 1, whose rows are committed and whole: int32 [E]."""
        with self._opened() as handle:
            return self.planned[self._rows(handle, self._known(split))]

    def torn(self, split: str) -> np.ndarray:
        """Epochs that were committed but whose checksum fails (damaged later): int32 [...]."""
        with self._opened() as handle:
            done = np.flatnonzero(handle[f"commit/{self._known(split)}/done"][:])
            return self.planned[np.setdiff1d(done, self._rows(handle, split))]

    def values(self, split: str, name: str, gate: str | None = None) -> tuple[np.ndarray, np.ndarray]:
        """One quantity at every whole epoch.

        Args:
            split: a split of this log.
            name: a key of QUANTITIES, or of FLAGS (then bool).
            gate: for a quantity that each gate has: which gate.

        Returns:
            The epochs [E] and the values [E, N].

        Raises:
            MemgateError: the log has no such split, quantity or gate.
        """
        stored = "flags" if name in FLAGS else name
        with self._opened() as handle:
            group = handle[self._known(split)]
            if stored not in group:
                raise MemgateError(f"{self.path} has no {name!r}: this network has no gate.")
            rows = self._rows(handle, split)
            values = group[stored][:][rows]
        if values.ndim == 3:
            values = values[:, self._gate_row(gate) if name in ("routed", *_PER_GATE) else 0]
        return self.planned[rows], (values & FLAGS[name]) > 0 if name in FLAGS else values

    def records(self, split: str, epochs: Collection[int]) -> Iterator[tuple[int, EpochRecord]]:
        """The given whole epochs in rising order with all their rows, one in memory at a time."""
        names = [field.name for field in fields(EpochRecord)]
        with self._opened() as handle:
            group = handle[self._known(split)]
            nothing = np.empty((0, group["sample_id"].shape[0]))
            for row, epoch in enumerate(self.planned.tolist()):
                if epoch in epochs:
                    values = {name: group[name][row] if name in group else nothing for name in names}
                    yield epoch, EpochRecord(**values)

    def _gate_row(self, gate: str | None) -> int:
        if gate is None and len(self.gates) == 1:
            return 0
        if gate not in self.gates:
            raise MemgateError(f"{self.path} has no gate {gate!r}: it has {', '.join(self.gates) or 'none'}.")
        return self.gates.index(gate)

    def _known(self, split: str) -> str:
        if split not in self.splits:
            raise MemgateError(f"{self.path} has no split {split!r}: it has {', '.join(self.splits)}.")
        return split

    def _rows(self, handle: Any, split: str) -> np.ndarray:
        """Rows that are done and whole; a row's checksum is computed once per commit and object."""
        commit = handle[f"commit/{split}"]
        times, checksums = commit["unix_time"][:], commit["crc32"][:]
        names = json.loads(commit.attrs["quantities"])
        whole = []
        for row in np.flatnonzero(commit["done"][:] == 1):
            key = (split, int(row), float(times[row]))
            if key not in self._verified:
                found = [zlib.crc32(np.ascontiguousarray(handle[split][name][row]).data) for name in names]
                self._verified[key] = found == checksums[row].tolist()
            if self._verified[key]:
                whole.append(row)
        return np.array(whole, np.intp)


_PER_GATE = tuple(name for name, quantity in QUANTITIES.items() if quantity.per_gate and name != "flags")
