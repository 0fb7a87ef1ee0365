"""Reader of the sample logs for all pages: cached and read-only.

A log that is being written changes under the reader, so everything is read at a :class:`Stamp`: the state of the
file when the page was opened. The caches hold what was read at that stamp, and the pages move on to the next one
when the user asks for it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from memgate.errors import MemgateError, reading
from memgate.log.format import Samples, has_value, places_of
from memgate.log.reader import SampleLog
from memgate.runs.run import Run
from probes.samples.filters import of_cause


@dataclass(frozen=True)
class Stamp:
    """One state of a log: its file and the time of its last change."""

    path: str
    inode: int
    size: int
    mtime_ns: int


@dataclass(frozen=True, eq=False)
class SplitData:
    """Samples of a split in the log's order, and the epochs that can be read."""

    samples: Samples
    epochs: NDArray[np.int32]
    torn: tuple[int, ...]
    """Epochs that were written but whose checksum fails."""

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def sample_id(self) -> NDArray[np.int64]:
        """Ids of the samples [N]."""
        return self.samples.sample_id

    @property
    def given_label(self) -> NDArray[np.integer]:
        """Labels that the network is trained on [N]."""
        return self.samples.given_label

    @property
    def clean_label(self) -> NDArray[np.integer]:
        """Labels before corruption [N]."""
        return self.samples.clean_label

    @cached_property
    def cause(self) -> NDArray[np.str_]:
        """What is corrupted in each sample [N]: one of :data:`noise.manifest.manifest.CAUSES`."""
        cause = self.samples.cause
        cause.setflags(write=False)
        return cause

    @cached_property
    def corrupted(self) -> NDArray[np.bool_]:
        """Whether a sample is corrupted in any way [N]."""
        corrupted = of_cause(self.cause, "corrupted")
        corrupted.setflags(write=False)
        return corrupted

    @cached_property
    def clean(self) -> NDArray[np.bool_]:
        """Whether a sample is known not to be corrupted [N]; where the truth is not known, none is."""
        clean = self.cause == "clean"
        clean.setflags(write=False)
        return clean

    def position(self, sample_id: int) -> int | None:
        """Column of a sample in the matrices; None for an id that this split does not have."""
        columns = self.places([sample_id])
        return int(columns[0]) if len(columns) else None

    def places(self, ids: NDArray[np.integer] | Sequence[int]) -> NDArray[np.intp]:
        """Columns of samples in the matrices, by rising id; ids that this split does not have are left out."""
        columns = np.flatnonzero(np.isin(self.sample_id, ids))
        return columns[np.argsort(self.sample_id[columns], kind="stable")]

    def columns(self, ids: NDArray[np.integer]) -> NDArray[np.intp]:
        """Columns of samples that this split has, in the order of ``ids``."""
        return places_of(self.sample_id, ids)

    def ids(self, members: NDArray) -> NDArray[np.int64]:
        """Ids of samples (bool [N], or columns), rising."""
        return np.sort(self.sample_id[members])


def stamp(run: Run) -> Stamp:
    """The present state of the run's log.

    Raises:
        MemgateError: there is no log.
    """
    path = run.path / "log.h5"
    if not path.is_file():
        run.sample_log()  # raises with the reason: imported curves have none
    state = path.stat()
    return Stamp(str(path), state.st_ino, state.st_size, state.st_mtime_ns)


@st.cache_resource(max_entries=64, show_spinner=False)
def _log(path: str, inode: int) -> SampleLog:
    """One reader per file: it remembers which rows it has verified. It holds no open file."""
    return Run(Path(path).parent).sample_log()


def log(at: Stamp) -> SampleLog:
    """The log that a stamp belongs to.

    Raises:
        MemgateError: it is damaged.
    """
    with reading(at.path):
        return _log(at.path, at.inode)


def epoch_count(run: Run, split: str) -> int:
    """Number of epochs that can be read now, whatever the pages show."""
    now = stamp(run)
    with reading(now.path):
        return len(log(now).epochs(split))


@st.cache_resource(max_entries=16, show_spinner=False)
def _split(at: Stamp, split: str) -> SplitData:
    reader = log(at)
    samples, epochs = reader.samples(split), reader.epochs(split)
    for column in (*vars(samples).values(), epochs):
        column.setflags(write=False)
    return SplitData(samples, epochs, tuple(reader.torn(split).tolist()))


def split_data(at: Stamp, split: str) -> SplitData:
    """Samples and epochs of a split.

    Raises:
        MemgateError: the log is damaged.
    """
    with reading(at.path):
        return _split(at, split)


# Ten matrices of 50,000 samples x 300 epochs in float32 are 600 MB: the bound on the server's memory.
@st.cache_resource(max_entries=10, show_spinner="Reading the log …")
def _matrix(at: Stamp, split: str, name: str, gate: str | None) -> NDArray[Any]:
    return _read(at, split, name, gate)


def _read(at: Stamp, split: str, name: str, gate: str | None, part: slice = slice(None)) -> NDArray[Any]:
    expected = _split(at, split).epochs
    epochs, values = log(at).values(split, name, gate, part)
    values = values[np.isin(epochs, expected)]
    if len(values) != len(expected):
        raise MemgateError("The log has changed since this page was opened: refresh the page in the browser.")
    values.setflags(write=False)
    return values


def matrix(at: Stamp, split: str, name: str, gate: str | None = None) -> NDArray[Any]:
    """One quantity, or one flag as bool, of every sample at every epoch: [E, N], read-only.

    Args:
        at: which state of the log.
        split: one of its splits.
        name: a key of the log's EPOCH_QUANTITIES or FLAGS.
        gate: which gate, for quantities that each gate has.

    Raises:
        MemgateError: the log is damaged or has no such quantity.
    """
    with reading(at.path):
        return _matrix(at, split, name, gate)


def of_every_gate(at: Stamp, split: str) -> Iterator[tuple[NDArray[np.float32], NDArray[np.bool_]]]:
    """Values of g and routed, [E, N], of one gate after another; not kept: dozens are too large.

    Raises:
        MemgateError: the log is damaged.
    """
    for gate in log(at).gates:
        with reading(at.path):
            values, routed = (_read(at, split, name, gate) for name in ("gate", "routed"))
        yield values, routed


def of_sample(at: Stamp, split: str, position: int) -> NDArray[np.float32]:
    """Values of g of one sample at every gate and epoch, [G, E].

    Raises:
        MemgateError: the log is damaged.
    """
    part = slice(position, position + 1)
    with reading(at.path):
        return np.stack([_read(at, split, "gate", gate, part)[:, 0] for gate in log(at).gates])


def known(at: Stamp, split: str, name: str, gate: str | None = None) -> NDArray[np.bool_]:
    """Whether a quantity or flag has a value, [E, N]: seen, and not NaN; arguments as in :func:`matrix`."""
    return has_value(matrix(at, split, log(at).decider(name), gate))
