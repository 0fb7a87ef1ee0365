"""Every score of every sample, a column when it is asked for: cached, and counted up to the cursor's epoch."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from app.dashboard import logs
from app.dashboard.logs import Stamp
from app.dashboard.results import external
from app.dashboard.view.state import View
from memgate.errors import MemgateError
from probes.dynamics.columns import GATE, LOG
from probes.dynamics.snapshot import Snapshot
from probes.dynamics.summary import MIXTURES, log_columns
from probes.samples.columns import gate_column
from probes.scores.catalogue import CHECKPOINT, SCORES, Score
from probes.scores.detection import Separation, auroc
from probes.scores.table import StoredScore, stored_scores
from probes.stats.estimate import Estimate, share

HARDNESS, GATE_VALUE = "loss_mean", "gate_mean"
"""What the pages show before anything else was chosen."""


@dataclass(frozen=True)
class Measure:
    """A score that a run has."""

    column: str
    """A key of :data:`probes.scores.catalogue.SCORES`, or the name of something joined (``results.external``)."""
    score: Score
    gate: str | None
    """The gate that it is of; the scores of a gate are those of the sidebar's."""

    @property
    def title(self) -> str:
        """For people: with the gate's name and which end is harder."""
        gate = f", {self.gate.upper()}" if self.gate else ""
        return f"{self.score.title}{gate} ({self.score.suspicious} is harder)"

    @property
    def axis(self) -> str:
        """For an axis: with the unit."""
        return f"{self.score.title} ({self.score.unit})" if self.score.unit else self.score.title


def measures(view: View) -> dict[str, Measure]:
    """The scores that a view has, by column, in the order of the catalogue; last what is joined."""
    stored = {one.score.column for one in stored_of(view)}
    found = {}
    for column, score in SCORES.items():
        if score.needs == "gate" and view.gate:
            found[column] = Measure(column, score, view.gate)
        elif score.needs == "log" or column in stored:
            found[column] = Measure(column, score, None)
    return found | {name: Measure(name, one.score, None) for name, one in external.joins(view).items()}


def values(view: View, column: str) -> NDArray[np.float64]:
    """A score or a column of the summary of every sample, [N] in the log's order, of the epochs up to the cursor.

    NaN is missing: not seen, not probed, or, where ``Score.never`` says so, it never happened.
    Of a column of the gates, it is the sidebar's gate.

    Raises:
        MemgateError: there is no such column, or the log is damaged.
    """
    if column in (joined := external.joins(view)):
        return joined[column].values
    stored = {one.score.column: one for one in stored_of(view)}
    if column in stored:
        one = stored[column]
        found = np.full(len(view.data.sample_id), np.nan)
        known = np.isin(one.sample_id, view.data.sample_id)
        found[view.data.columns(one.sample_id[known])] = one.values[known]
        return found
    if column in SCORES and SCORES[column].needs == "checkpoint":
        raise MemgateError(f"{view.run.name} has no {column} of its {view.split} samples up to this epoch.")
    with logs.reading(view.at.path):
        found = _fetched(view.at, view.split, view.gate, view.epoch, [column])
    if column not in found:
        raise MemgateError(f"The log of {view.run.name} has no {column!r}.")
    return found[column]


def hardness(view: View, column: str) -> NDArray[np.float64]:
    """A score turned so that high is harder, [N]; see :meth:`probes.scores.catalogue.Score.suspicion`."""
    joined = external.joins(view).get(column)
    score = SCORES[column] if joined is None else joined.score
    return score.suspicion(values(view, column), values(view, "epochs_logged") > 0)


def fetch(view: View, columns: Iterable[str]) -> None:
    """Compute columns of the log that :func:`values` is going to be asked for: together they are read once.

    Raises:
        MemgateError: the log is damaged.
    """
    with logs.reading(view.at.path):
        _fetched(view.at, view.split, view.gate, view.epoch, columns)


Columns = dict[str, NDArray[np.float64]]


# A column of 50,000 samples is 0.4 MB, and there are some 45.
@st.cache_resource(max_entries=12, show_spinner=False)
def _computed(at: Stamp, split: str, gate: str | None, epoch: int | None) -> Columns:
    """The columns computed so far, which the callers add to."""
    return {}


def _fetched(at: Stamp, split: str, gate: str | None, epoch: int | None, columns: Iterable[str]) -> Columns:
    """All columns computed so far, and these among them where the log has them."""
    done = _computed(at, split, gate, epoch)
    log = logs.log(at)
    names = {}
    for column in columns:
        if column not in done and column in (GATE if gate else {}) | LOG | MIXTURES:
            names[gate_column(column, gate, log.gates) if gate and column in GATE else column] = column
    if names:
        epochs = logs.split_data(at, split).epochs
        one = Snapshot(log, split, epochs[epochs <= (epoch or 0)], logs.samples(at, split))
        for name, values_ in log_columns(one, only=names):
            # Some columns are pandas' own arrays with gaps, some are numpy's.
            found = pd.Series(values_).to_numpy(np.float64, na_value=np.nan, copy=True)
            found.setflags(write=False)
            done[names[name]] = found
    return done


def stored_of(view: View) -> tuple[StoredScore, ...]:
    """The scores that probes have stored, of checkpoints up to the cursor."""
    return _stored(view, stored_state(view), view.at, view.split, view.epoch or 0)[0]


def stored_notes(view: View) -> tuple[str, ...]:
    """A sentence for each damaged file of a probe's results, and each joined file that does not fit the run."""
    notes = _stored(view, stored_state(view), view.at, view.split, view.epoch or 0)[1]
    return (*notes, *external.problems(view))


def stored_state(view: View) -> tuple[tuple[str, int], ...]:
    """The state of the files with the stored scores, for the keys of caches: another one is read anew."""
    probes = dict.fromkeys(score.probe for score in CHECKPOINT)
    paths = [view.run.path / "probes" / f"{probe}.h5" for probe in probes]
    return tuple((path.name, path.stat().st_mtime_ns) for path in paths if path.is_file())


@st.cache_resource(max_entries=32, show_spinner=False)
def _stored(
    _view: View,
    files: tuple[tuple[str, int], ...],
    at: Stamp,
    split: str,
    epoch: int,
) -> tuple[tuple[StoredScore, ...], tuple[str, ...]]:
    return stored_scores(_view.run, split, epoch)


def separation(view: View, column: str) -> Separation:
    """How well a score finds the corrupted samples of the split among the clean ones, up to the cursor."""
    return auroc(hardness(view, column), view.data.cause != "clean", 1)


def share_last(view: View, column: str, members: NDArray[np.bool_]) -> Estimate:
    """Share of some samples [N] for which a column of 0 and 1 holds at the cursor, with Wilson's interval."""
    return share(np.where(np.isnan(found := values(view, column)[members]), None, found))
