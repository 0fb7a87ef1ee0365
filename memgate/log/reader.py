"""Reads ``log.h5``: every sample's gate value, entropy, loss and prediction at every epoch.

Readers never take the writer's lock, so reading a run cannot disturb its training.
"""

import json
import zlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from memgate.errors import MemgateError, require
from memgate.log.format import (
    COMMIT,
    FLAGS,
    OPTIONAL,
    PER_GATE,
    QUANTITIES,
    SAMPLE_COLUMNS,
    SCHEMA,
    STORED_MODES,
    UNSEALED,
    EpochRecord,
    LogLayout,
    Samples,
    UnjudgedSamples,
    decider,
    marked,
    missing_values,
    row_checksum,
)
from memgate.log.guard import CheckedFile, text
from memgate.log.identity import changed_files, check_manifests, check_samples, unsealed_identity
from memgate.log.seal import Seal

DAMAGED = "cannot be read ({}): it is damaged or no HDF5 file of memgate; put back a copy of it."
"""The sentence about a log that cannot be read."""


class SampleLog:
    """Reader of a log: returns only epochs that were committed and whose checksums match.

    Every call opens, reads and closes the file without its lock, so a log can be read while it is written.
    """

    truth_known: bool = True
    """Whether it is known which of its samples are corrupted: the log does not say it, the run that opens it does."""

    def __init__(self, path: Path) -> None:
        """Read the log's splits, gates, planned epochs, mode and classes.

        Raises:
            MemgateError: the file is missing, damaged, of another format, or does not belong to the manifest
                beside it.
        """
        self.path = path
        self._file = CheckedFile(
            path,
            SCHEMA,
            DAMAGED,
            "does not exist: the run has no log yet.",
            "it is not a log of this version.",
            UNSEALED,
        )
        with self.opened() as handle:
            stored = text(handle.attrs["mode"])
            self.mode: str = next((mode for mode, name in STORED_MODES.items() if name == stored), stored)
            self.gates: tuple[str, ...] = tuple(json.loads(text(handle.attrs["gates"])))
            self.class_names: tuple[str, ...] = tuple(json.loads(text(handle.attrs["class_names"])))
            self.splits: tuple[str, ...] = tuple(json.loads(text(handle.attrs["splits"])))
            self.planned: np.ndarray = handle["epoch"][:]
            self.quantities: tuple[str, ...] = tuple(
                name for name in QUANTITIES if all(name in handle[split] for split in self.splits)
            )
        self._verified: dict[tuple[str, int, bytes], bool] = {}
        self._whole: dict[str, tuple[bytes, np.ndarray]] = {}
        self._check_identity()

    def _check_identity(self) -> None:
        """Raise MemgateError where the log belongs to other manifests, or an older one has impossible samples."""
        if self.seal is not None and self.seal.files and not changed_files(self.path.parent, self.seal):
            return
        samples = {split: self.samples(split) for split in self.splits}
        if self.seal is None:
            require(
                self.mode in STORED_MODES and bool((np.diff(self.planned, prepend=0) > 0).all()),
                f"{self.path} is damaged: its mode or its epochs are not those of a log; put back a copy of it.",
            )
            for split, columns in samples.items():
                check_samples(self.path, split, columns, len(self.class_names))
        check_manifests(self.path, self.seal, samples)

    def opened(self) -> AbstractContextManager[Any]:
        """The open HDF5 file, for ``with``; whatever a damaged file raises in the block is one sentence.

        Raises:
            MemgateError: it is missing or damaged, or open elsewhere in this program in another way.
        """
        return self._file.opened()

    @property
    def seal(self) -> Seal | None:
        """What the log was when it was made; None for one of version 0.1.0, whose labels and ids have no checksums."""
        return self._file.seal

    @property
    def identity(self) -> str:
        """SHA-256 that names this very log, in 64 hexadecimal digits; epochs do not change it."""
        if self.seal is not None:
            return self.seal.identity
        with self.opened() as handle:
            return unsealed_identity(handle, self.splits)

    def layout(self) -> LogLayout:
        """Splits with their samples, gates, epochs, mode and classes of the log."""
        samples = {split: self.samples(split) for split in self.splits}
        epochs = tuple(self.planned.tolist())
        return LogLayout(
            samples,
            self.gates,
            epochs,
            self.mode,
            self.class_names,
            self.has_macs,
            self.has_phi,
            self.reduced,
        )

    @property
    def has_macs(self) -> bool:
        """Whether it has the MACs of each sample."""
        return "macs" in self.quantities

    @property
    def has_phi(self) -> bool:
        """Whether it has ``phi``, as that of a run of a subset."""
        return "phi" in self.quantities

    @property
    def reduced(self) -> bool:
        """Whether it was made without most quantities (``--log.quantities memorisation``), which are then missing."""
        return self.has_phi and "loss" not in self.quantities

    def absent(self, split: str) -> tuple[str, ...]:
        """Quantities and flags of each sample, not of its gates, that other logs have and this one has not."""
        absent = [name for name in QUANTITIES if name not in (*PER_GATE, *self.quantities)]
        return (*absent, *(() if self.has_phi and split == "train" else ("trained",)))

    def decider(self, name: str) -> str:
        """The quantity that decides a flag in this log, see :func:`memgate.log.format.decider`."""
        return decider(name, phi=self.has_phi)

    def samples(self, split: str) -> Samples:
        """The samples [N] of a split, in the order of the last axis of :meth:`values`.

        Raises:
            MemgateError: the log has no such split, or was written before a column of it was known.
        """
        with self.opened() as handle:
            group = handle[self._known(split)]
            missing = [column for column in SAMPLE_COLUMNS if column not in group]
            if missing:
                raise MemgateError(
                    f"{self.path} lacks the column {', '.join(missing)}: an older version wrote it, so train again."
                )
            kind = Samples if self.truth_known else UnjudgedSamples
            return kind(**{column: group[column][:] for column in SAMPLE_COLUMNS})

    def epochs(self, split: str) -> np.ndarray:
        """Whole epochs (committed, checksums match), counted from 1: int32 [E], rising."""
        with self.opened() as handle:
            return self.planned[self._rows(handle, self._known(split))]

    def torn(self, split: str) -> np.ndarray:
        """Epochs that were committed but whose checksums fail, because the file was damaged later: int32, rising."""
        with self.opened() as handle:
            committed = np.flatnonzero(marked(handle[f"commit/{self._known(split)}"]))
            return self.planned[np.setdiff1d(committed, self._rows(handle, split))]

    def committed(self, split: str) -> int:
        """Number of epochs that are marked as committed, whole or not."""
        with self.opened() as handle:
            return int(marked(handle[f"commit/{self._known(split)}"]).sum())

    def checked(self, split: str) -> Iterator[tuple[int, bool]]:
        """Every committed epoch and whether its checksums match, one after another as they are read.

        Rows that this object has verified before are not read again; a new object reads all of them.
        """
        with self.opened() as handle:
            for row, whole in self._checked(handle, self._known(split)):
                yield int(self.planned[row]), whole

    def values(
        self, split: str, name: str, gate: str | None = None, part: slice = slice(None)
    ) -> tuple[np.ndarray, np.ndarray]:
        """The whole epochs [E], and one quantity at each of them [E, N].

        Args:
            split: a split of this log.
            name: a key of QUANTITIES, or of FLAGS (then bool).
            gate: name of the gate, for a quantity that each gate has; not needed with one gate.
            part: samples to read, in the log's order; N is their number.

        Returns:
            The values are all missing (NaN, 65535) where the log was made without the quantity.

        Raises:
            MemgateError: the log has no such split or gate, or a quantity that its network cannot have.
        """
        stored = "flags" if name in FLAGS else name
        with self.opened() as handle:
            group = handle[self._known(split)]
            rows = self._rows(handle, split)
            if stored not in group:
                self._check_left_out(stored)
                shape = (len(rows), *group["sample_id"][part].shape)
                return self.planned[rows], missing_values(stored, shape)
            dataset, until = group[stored], rows[-1] + 1 if len(rows) else 0
            if dataset.ndim == 3:
                values = dataset[:until, self._gate_row(gate) if name in PER_GATE else 0, part]
            else:
                values = dataset[:until, part]
        values = values if len(rows) == until else values[rows]
        return self.planned[rows], (values & FLAGS[name]) > 0 if name in FLAGS else values

    def at_epochs(
        self, split: str, names: Collection[str], epochs: Collection[int], part: slice = slice(None)
    ) -> dict[str, np.ndarray]:
        """Quantities that do not differ between gates, at some of the whole epochs, read from one opening of the file.

        Args:
            split: a split of this log.
            names: keys of QUANTITIES that this log has; ``flags`` are those of its first gate.
            epochs: of :meth:`epochs`; no other row is read, but rows between them.
            part: samples to read, in the log's order; N is their number.

        Returns:
            Name to values [E, N], by rising epoch.
        """
        with self.opened() as handle:
            group = handle[self._known(split)]
            whole = self._rows(handle, split)
            rows = whole[np.isin(self.planned[whole], list(epochs))]
            first, until = (rows[0], rows[-1] + 1) if len(rows) else (0, 0)
            values = {}
            for name in names:
                dataset = group[name]
                values[name] = (
                    dataset[first:until, 0, part] if dataset.ndim == 3 else dataset[first:until, part]
                )
        return {
            name: array if len(rows) == until - first else array[rows - first]
            for name, array in values.items()
        }

    def records(self, split: str, epochs: Collection[int]) -> Iterator[tuple[int, EpochRecord]]:
        """Epoch and all its values for each of ``epochs``, in rising order; one epoch is in memory at a time."""
        names = [field.name for field in fields(EpochRecord)]
        with self.opened() as handle:
            group = handle[self._known(split)]
            stored = [name for name in names if name in group]
            count, gates = group["sample_id"].shape[0], len(self.gates)
            left_out = (name for name in names if name not in (*stored, *OPTIONAL))
            absent = {
                name: missing_values(name, (gates, count) if name in PER_GATE else (count,))
                for name in left_out
                if self.reduced or name in PER_GATE
            }
            for row, epoch in enumerate(self.planned.tolist()):
                if epoch in epochs:
                    yield epoch, EpochRecord(**{name: group[name][row] for name in stored}, **absent)

    def _check_left_out(self, stored: str) -> None:
        """Raise MemgateError where a quantity is not in the log for another reason than that it was left out."""
        no_gate = stored in PER_GATE and not self.gates
        if stored == "phi" or (self.reduced and not no_gate):
            return
        why = "this network has no gate" if no_gate else "an older version wrote it, so train again"
        if stored == "macs":
            why = "each sample needs the same number in this network, whose gates do not close"
        raise MemgateError(f"{self.path} has no {stored!r}: {why}.")

    def _gate_row(self, gate: str | None) -> int:
        """Index of a gate on the axis G."""
        if gate is None and len(self.gates) == 1:
            return 0
        if gate not in self.gates:
            raise MemgateError(f"{self.path} has no gate {gate!r}: it has {', '.join(self.gates) or 'none'}.")
        return self.gates.index(gate)

    def _known(self, split: str) -> str:
        """The same name of a split, if the log has it."""
        if split not in self.splits:
            raise MemgateError(f"{self.path} has no split {split!r}: it has {', '.join(self.splits)}.")
        return split

    def _rows(self, handle: Any, split: str) -> np.ndarray:
        """Rows that are done and whole; computed again only after further commits."""
        commit = handle[f"commit/{split}"]
        state = b"".join(commit[name][:].tobytes() for name in COMMIT if name in commit)
        kept = self._whole.get(split)
        if kept is None or kept[0] != state:
            rows = np.array([row for row, whole in self._checked(handle, split) if whole], np.intp)
            kept = self._whole[split] = state, rows
        return kept[1]

    def _checked(self, handle: Any, split: str) -> Iterator[tuple[int, bool]]:
        """Rows that are marked as committed, and whether each is whole, one after another.

        A row is read once per object, and again when its stored checksum has changed.
        """
        group = handle[f"commit/{split}"]
        commit = {name: group[name][:] for name in COMMIT if name in group}
        datasets = [handle[split][name] for name in json.loads(text(group.attrs["quantities"]))]
        for row in np.flatnonzero(marked(group)).tolist():
            key = (split, row, b"".join(column[row].tobytes() for column in commit.values()))
            if key not in self._verified:
                self._verified[key] = (
                    self._is_committed(split, row, commit)
                    and [zlib.crc32(np.ascontiguousarray(dataset[row]).data) for dataset in datasets]
                    == commit["crc32"][row].tolist()
                )
            yield row, self._verified[key]

    def _is_committed(self, split: str, row: int, commit: Mapping[str, np.ndarray]) -> bool:
        """Whether a row's own checksum matches; in an older log, which has none, whether ``done`` is 1.

        With a checksum of its own a row counts whatever ``done`` says.
        """
        if "row_crc32" not in commit:
            return bool(commit["done"][row] == 1)
        checksum = row_checksum(
            split, int(self.planned[row]), commit["crc32"][row], commit["unix_time"][row], commit["seen"][row]
        )
        return bool(commit["row_crc32"][row] == checksum)
