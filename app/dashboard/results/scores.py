"""Scores of all samples up to the epoch shown, computed column by column on demand, and cached."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from app.dashboard import logs
from app.dashboard.logs import Stamp
from app.dashboard.results import external, memorisation
from app.dashboard.view.state import View
from memgate.errors import MemgateError, reading
from probes.dynamics.columns import GATE_COLUMNS, LOG_COLUMNS, MACS_COLUMNS
from probes.dynamics.snapshot import Snapshot
from probes.dynamics.summary import MIXTURES, log_columns
from probes.samples.columns import gate_column
from probes.scores.catalogue import CHECKPOINT, SCORES, Score
from probes.scores.detection import Separation, auroc
from probes.scores.of_group import GROUP
from probes.scores.table import StoredScore, stored_scores
from probes.stats.estimate import Estimate, share

HARDNESS, GATE_VALUE = "loss_mean", "gate_mean"
"""Scores that the pages show by default."""

EVERY = {**SCORES, **GROUP}
"""Column to score, of all that a run can have beside joined files."""


@dataclass(frozen=True)
class RunScore:
    """A score that is available for a view."""

    column: str
    """A key of :data:`probes.scores.catalogue.SCORES` or :data:`probes.scores.of_group.GROUP`, or the name of a joined
    file (``results.external``)."""
    score: Score
    gate: str | None
    """The gate (the sidebar's) for scores of a gate."""

    @property
    def title(self) -> str:
        """Title with the gate's name and which end is harder."""
        gate = f", {self.gate.upper()}" if self.gate else ""
        return f"{self.score.title}{gate} ({self.score.suspicious} is harder)"

    @property
    def axis(self) -> str:
        """Title of an axis, with the unit that the title does not name."""
        unit, title = self.score.unit, self.score.title
        return f"{title} ({unit})" if unit and not title.endswith(unit) else title


def available(view: View) -> dict[str, RunScore]:
    """Scores that are available for a view, by column, as in the catalogue; the group's and joined ones last."""
    stored = {one.score.column for one in stored_of(view)}
    columns = {}
    for column, score in SCORES.items():
        if score.needs == "gate" and view.gate:
            columns[column] = RunScore(column, score, view.gate)
        elif score.needs == "log" or (score.needs == "macs" and view.log.has_macs) or column in stored:
            columns[column] = RunScore(column, score, None)
    return columns | {name: RunScore(name, score, None) for name, (score, _) in beside(view).items()}


def beside(view: View) -> dict[str, tuple[Score, NDArray[np.float64]]]:
    """Scores that are not the run's own, by column, with their values [N]: the group's, and those of joined files."""
    of_group = {name: (GROUP[name], array) for name, array in memorisation.columns(view).items()}
    return of_group | {name: (one.score, one.values) for name, one in external.joins(view).items()}


def values(view: View, column: str) -> NDArray[np.float64]:
    """A score or a column of the summary up to the epoch shown, [N] in the log's order.

    NaN is missing: not seen, not probed, or, where ``Score.never`` says so, an event that never happened.
    A column that each gate has is that of the sidebar's gate.

    Raises:
        MemgateError: there is no such column, or the log is damaged.
    """
    if column in (others := beside(view)):
        return others[column][1]
    stored = {one.score.column: one for one in stored_of(view)}
    if column in stored:
        one = stored[column]
        column_values = np.full(len(view.data), np.nan)
        known = np.isin(one.sample_id, view.data.sample_id)
        column_values[view.data.columns(one.sample_id[known])] = one.values[known]
        return column_values
    if column in SCORES and SCORES[column].needs == "checkpoint":
        raise MemgateError(f"{view.run.name} has no {column} of its {view.split} samples up to this epoch.")
    with reading(view.at.path):
        computed = _fetched(view.at, view.split, view.gate, view.epoch, [column])
    if column not in computed:
        raise MemgateError(f"The log of {view.run.name} has no {column!r}.")
    return computed[column]


def hardness(view: View, column: str) -> NDArray[np.float64]:
    """A score turned so that high is harder, [N]; see :meth:`probes.scores.catalogue.Score.suspicion`."""
    other = beside(view).get(column)
    score = SCORES[column] if other is None else other[0]
    seen = values(view, "epochs_logged") > 0
    observed = seen & ~np.isnan(values(view, score.observed)) if score.never else seen
    return score.suspicion(values(view, column), observed)


def fetch(view: View, columns: Iterable[str]) -> None:
    """Compute columns of the log that :func:`values` will return: together they are read once.

    Raises:
        MemgateError: the log is damaged.
    """
    columns = set(columns)
    columns |= {SCORES[name].observed for name in columns if name in SCORES and SCORES[name].never}
    with reading(view.at.path):
        _fetched(view.at, view.split, view.gate, view.epoch, columns)


Columns = dict[str, NDArray[np.float64]]


# A column of 50,000 samples is 0.4 MB, and there are some 45.
@st.cache_resource(max_entries=12, show_spinner=False)
def _computed(at: Stamp, split: str, gate: str | None, epoch: int | None) -> Columns:
    """The columns computed so far, which the callers add to."""
    return {}


def _fetched(at: Stamp, split: str, gate: str | None, epoch: int | None, columns: Iterable[str]) -> Columns:
    """All columns computed so far, among them ``columns`` where the log has them."""
    done = _computed(at, split, gate, epoch)
    log = logs.log(at)
    known = {
        *LOG_COLUMNS,
        *MIXTURES,
        *(GATE_COLUMNS if gate else ()),
        *(MACS_COLUMNS if log.has_macs else ()),
    }
    names = {}
    for column in columns:
        if column not in done and column in known:
            names[gate_column(column, gate, log.gates) if gate and column in GATE_COLUMNS else column] = (
                column
            )
    if names:
        epochs = logs.split_data(at, split).epochs
        one = Snapshot(log, split, epochs[epochs <= (epoch or 0)], logs.split_data(at, split).samples)
        for name, values_ in log_columns(one, only=names):
            # Some columns are pandas' arrays with missing values, some are numpy's.
            array = pd.Series(values_).to_numpy(np.float64, na_value=np.nan, copy=True)
            array.setflags(write=False)
            done[names[name]] = array
    return done


def stored_of(view: View) -> tuple[StoredScore, ...]:
    """Scores stored by probes, of checkpoints up to the epoch shown."""
    return _stored(view, stored_state(view), view.at, view.split, view.epoch or 0)[0]


def stored_notes(view: View) -> tuple[str, ...]:
    """A message for each damaged file of a probe's results, and each joined file that does not fit the run."""
    notes = _stored(view, stored_state(view), view.at, view.split, view.epoch or 0)[1]
    return (*notes, *external.problems(view), *memorisation.problems(view))


def stored_state(view: View) -> tuple[tuple[str, int], ...]:
    """Time of change of the files with stored scores, for the keys of caches."""
    probes = dict.fromkeys(score.probe for score in CHECKPOINT)
    paths = [view.run.path / "probes" / f"{probe}.h5" for probe in probes]
    if (estimates := memorisation.result_file(view)) is not None:
        paths.append(estimates[0])
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
    """AUROC of a score up to the epoch shown for corrupted against clean samples of the split."""
    return auroc(hardness(view, column), view.data.corrupted, 1)


def share_last(view: View, column: str, members: NDArray[np.bool_]) -> Estimate:
    """Share of 1 in a column of 0 and 1 among ``members`` [N] at the epoch shown, with Wilson's interval."""
    return share(values(view, column)[members])
