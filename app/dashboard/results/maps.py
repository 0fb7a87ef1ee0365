"""Stored maps of a view, and the vectors by which samples are similar, read once for each state of a file."""

from pathlib import Path

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from app.dashboard.results import probe_results
from app.dashboard.results.probe_results import FileState
from app.dashboard.view.state import View
from memgate.log.gate_vectors import vector_path
from memgate.runs.run import Run
from noise.choose import hash_order
from probes.embedding.config import Method, Source
from probes.embedding.sources import source_epochs, source_vectors, sources_of
from probes.embedding.vectors import Vectors, nearest_vectors
from probes.result import ProbeResult


def stored(view: View, source: Source | None = None, method: Method | None = None) -> tuple[ProbeResult, ...]:
    """Stored maps of the view's split, by epoch; of one source and method where they are given."""
    return tuple(
        result
        for result in probe_results.results(view, probe_results.EMBED)
        if source in (None, result.config["source"]) and method in (None, result.config["method"])
    )


def sources(view: View) -> tuple[Source, ...]:
    """Sources that the view's run can have, whether they are mapped or not."""
    return _sources(view.run, str(view.run.path / "config.json"), view.at.inode)


@st.cache_data(max_entries=64, show_spinner=False)
def _sources(_run: Run, path: str, inode: int) -> tuple[Source, ...]:
    return sources_of(_run)


def draw_ranks(view: View) -> NDArray[np.int64]:
    """Rank of each sample of the split in an order by hash of its id [N]: the first ones are drawn."""
    return _ranks(view.data.sample_id, view.at.path, view.at.inode, view.split)


@st.cache_resource(max_entries=16, show_spinner=False)
def _ranks(_ids: NDArray[np.int64], path: str, inode: int, split: str) -> NDArray[np.int64]:
    ranks = np.empty(len(_ids), np.int64)
    ranks[hash_order(_ids, "map")] = np.arange(len(_ids))
    return ranks


def epochs(view: View, source: Source) -> tuple[int | None, int | None]:
    """Last epoch up to the one shown, and first one after it, of which a source's vectors are on disk; None for none.

    Raises:
        MemgateError: a file is damaged.
    """
    known, shown = source_epochs(view.run, source, view.split), view.epoch or 0
    before = max((epoch for epoch in known if epoch <= shown), default=None)
    return before, min((epoch for epoch in known if epoch > shown), default=None)


def vectors(view: View, source: Source, epoch: int) -> Vectors:
    """The vectors of a source at an epoch of :func:`epochs`."""
    files = (
        _state(vector_path(view.run.path, epoch)),
        probe_results.file_state(view, probe_results.GATES),
        probe_results.file_state(view, probe_results.FEATURES),
    )
    return _vectors(view.run, str(view.run.path), view.at.inode, view.split, source, epoch, files)


def _state(path: Path) -> FileState | None:
    return (path.stat().st_size, path.stat().st_mtime_ns) if path.is_file() else None


# Of 50,000 samples: 45 MB with 7,200 gates, 13 MB with 64 features.
@st.cache_resource(max_entries=4, show_spinner="Reading the vectors …")
def _vectors(
    _run: Run,
    path: str,
    inode: int,
    split: str,
    source: Source,
    epoch: int,
    files: tuple[FileState | None, ...],
) -> Vectors:
    return source_vectors(_run, source, split, epoch)


def similar(
    view: View, source: Source, epoch: int, sample_id: int, count: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]] | None:
    """Ids [m] of the samples with the nearest vectors, and their distances [m]; None for a sample without a vector."""
    of_all = vectors(view, source, epoch)
    place = np.flatnonzero(of_all.sample_id == sample_id)
    if len(place) == 0:
        return None
    places, distances = nearest_vectors(of_all, int(place[0]), count)
    return of_all.sample_id[places], distances
