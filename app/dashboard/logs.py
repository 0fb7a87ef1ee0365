"""The only reader of runs: what the pages show, from disk, cached and read-only.

A log that is being written changes under the reader, so everything is asked for at a :class:`Stamp`: the state
of the file when the page was opened. The caches hold what was read at that stamp, and the pages move on to the
next one when the user asks for it. A run is one of the folders found under the root; no path comes from a URL.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from app.dashboard.view.selection import Selection
from memgate.errors import MemgateError
from memgate.log.format import Samples, places_of
from memgate.log.reader import SampleLog
from memgate.runs.pictures import SplitPictures, pictures_of
from memgate.runs.run import Run, list_runs, manifest_path
from memgate.runs.status import Status
from noise.manifest.manifest import Manifest


@dataclass(frozen=True)
class Stamp:
    """One state of a log: its file and the moment of its last change."""

    path: str
    inode: int
    size: int
    mtime_ns: int


@dataclass(frozen=True)
class SplitData:
    """Who the samples of a split are and which epochs can be read; every array [N] is in the log's order."""

    sample_id: NDArray[np.int64]
    given_label: NDArray[np.integer]
    clean_label: NDArray[np.integer]
    label_op: NDArray[np.integer]
    image_op: NDArray[np.integer]
    cause: NDArray[np.str_]
    epochs: NDArray[np.int32]
    torn: tuple[int, ...]
    """Epochs that were written but whose checksum fails."""

    def position(self, sample_id: int) -> int | None:
        """Column of a sample in the matrices; None for an id that this split has not."""
        found = self.places([sample_id])
        return int(found[0]) if len(found) else None

    def places(self, ids: NDArray[np.integer] | Sequence[int]) -> NDArray[np.intp]:
        """Columns of some samples in the matrices, by rising id; ids that this split has not are left out."""
        found = np.flatnonzero(np.isin(self.sample_id, ids))
        return found[np.argsort(self.sample_id[found], kind="stable")]

    def columns(self, ids: NDArray[np.integer]) -> NDArray[np.intp]:
        """Columns of samples that this split has, in the order of ``ids``."""
        return places_of(self.sample_id, ids)

    def ids(self, members: NDArray) -> NDArray[np.int64]:
        """The ids of some samples (bool [N], or columns), rising."""
        return np.sort(self.sample_id[members])


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Turn whatever a damaged file makes of its reader into one sentence."""
    try:
        yield
    except MemgateError:
        raise
    except (OSError, KeyError, ValueError, TypeError, IndexError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise MemgateError(
            f"{what} cannot be read ({reason}): it is damaged, or of another version."
        ) from error


def runs(root: Path) -> list[Run]:
    """The runs under the root, the newest first; damaged ones too."""
    with reading(str(root)):
        return list_runs(root)


def run_names(root: Path) -> list[str]:
    """Names of the runs under the root, the newest first; imported curves, which no page can show, stand last."""
    return [run.name for run in sorted(runs(root), key=only_curves)]


def only_curves(run: Run) -> bool:
    """Whether a run is imported curves; one whose config.json is damaged is not."""
    try:
        return run.only_curves
    except MemgateError:
        return False


def curves_among(root: Path, names: Sequence[str]) -> list[Run]:
    """Those of some runs that are imported curves, in the order of the names."""
    found = {run.name: run for run in runs(root) if only_curves(run)}
    return [found[name] for name in names if name in found]


def open_run(root: Path, name: str) -> Run:
    """A run by its name, only if it is one of the folders under the root.

    Raises:
        MemgateError: it is none of them, or its configuration is damaged.
    """
    found = {run.name: run for run in runs(root)}
    if name not in found:
        raise MemgateError(f"There is no run {name!r} under {root}.")
    with reading(f"{found[name].path}/config.json"):
        _ = found[name].outline
    return found[name]


def status(run: Run) -> Status:
    """How far the run is.

    Raises:
        MemgateError: status.json is damaged.
    """
    with reading(f"{run.path}/status.json"):
        return run.status()


def stamp(run: Run) -> Stamp:
    """The present state of the run's log.

    Raises:
        MemgateError: it has none.
    """
    path = run.path / "log.h5"
    if not path.is_file():
        run.sample_log()  # says so, and of imported curves that they have none
    state = path.stat()
    return Stamp(str(path), state.st_ino, state.st_size, state.st_mtime_ns)


@st.cache_resource(max_entries=64, show_spinner=False)
def _log(path: str, inode: int) -> SampleLog:
    """One reader per file: it remembers which rows it has verified. It holds no open file."""
    return SampleLog(Path(path))


def log(at: Stamp) -> SampleLog:
    """The log that a stamp belongs to.

    Raises:
        MemgateError: it is damaged.
    """
    with reading(at.path):
        return _log(at.path, at.inode)


def epoch_count(run: Run, split: str) -> int:
    """Epochs that can be read now, whatever the pages show."""
    now = stamp(run)
    with reading(now.path):
        return len(log(now).epochs(split))


@st.cache_resource(max_entries=16, show_spinner=False)
def samples(at: Stamp, split: str) -> Samples:
    """Who the samples of a split are, in the log's order."""
    return log(at).samples(split)


@st.cache_resource(max_entries=16, show_spinner=False)
def _split(at: Stamp, split: str) -> SplitData:
    found, who = log(at), samples(at, split)
    columns = {name: column for name, column in vars(who).items() if name != "open_set"}
    columns |= {"cause": who.cause, "epochs": found.epochs(split)}
    for column in columns.values():
        column.setflags(write=False)
    return SplitData(**columns, torn=tuple(found.torn(split).tolist()))


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
    expected = _split(at, split).epochs
    epochs, values = log(at).values(split, name, gate)
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
        name: a key of the log's QUANTITIES or FLAGS.
        gate: which gate, for what each gate has.

    Raises:
        MemgateError: the log is damaged or has no such quantity.
    """
    with reading(at.path):
        return _matrix(at, split, name, gate)


def operation_kinds(run: Run) -> list[str]:
    """Kind of each operation by its code, ``none`` first.

    Raises:
        MemgateError: the manifest is damaged.
    """
    path = run.path / "manifest.npz"
    with reading(str(path)):
        return _operation_kinds(str(run.path), path.stat().st_mtime_ns)


@st.cache_data(max_entries=256, show_spinner=False)
def _operation_kinds(path: str, mtime_ns: int) -> list[str]:
    return ["none", *(operation.kind for operation in Run(Path(path)).manifest.header.operations)]


def image_source(run: Run, split: str, sample_id: int) -> str:
    """Where the image of an open-set sample of a corrupted split came from, as ``data set:row``.

    Raises:
        MemgateError: the manifest is damaged.
    """
    path = manifest_path(run.path, split)
    with reading(str(path)):
        manifest = Manifest.load(path)
        return str("".join(manifest.source[manifest.sample_id == sample_id]))


@st.cache_resource(max_entries=2, show_spinner="Reading the pictures …")
def _pictures(path: str, mtime_ns: int) -> dict[str, SplitPictures]:
    return pictures_of(Run(Path(path)))


def pictures(run: Run, split: str) -> SplitPictures:
    """The pictures of a split.

    Raises:
        MemgateError: the run has none of it, or its data is missing or no longer what it was trained on.
    """
    manifest = run.path / "manifest.npz"
    with reading(str(manifest)):
        found = _pictures(str(run.path), manifest.stat().st_mtime_ns)
    if split not in found:
        raise MemgateError(f"{run.name} has no pictures of the split {split}.")
    return found[split]


@st.cache_resource(show_spinner=False)
def _selections() -> OrderedDict[str, Selection]:
    return OrderedDict()


SELECTIONS = 500
"""How many selections that nobody saved the server remembers, for the links to them."""


def keep_selection(chosen: Selection) -> None:
    """Remember a selection, so that the URL can name it; the oldest is forgotten when there are too many."""
    kept = _selections()
    kept[chosen.key] = chosen
    kept.move_to_end(chosen.key)
    while len(kept) > SELECTIONS:
        kept.popitem(last=False)


def kept_selection(key: str) -> Selection | None:
    """The selection that the URL names; None for one that this server does not remember."""
    return _selections().get(key)
