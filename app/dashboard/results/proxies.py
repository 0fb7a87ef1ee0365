"""How well each score of a run ranks its samples as the group's memorisation scores do: the league of one run."""

import numpy as np
import streamlit as st

from app.dashboard.logs import Stamp
from app.dashboard.results import memorisation, scores
from app.dashboard.results.memorisation import Measured
from app.dashboard.results.probe_results import FileState
from app.dashboard.view.state import View
from probes.scores.catalogue import SCORES
from probes.scores.league import WITHIN, Standing, Target, league
from probes.scores.separation import ScoreValues

Rows = tuple[tuple[Standing, Standing | None], ...]
"""Of each score its standing over all samples, from the best on, and within classes."""


def standings(measured: Measured) -> Rows:
    """Every score of the run, up to the epoch shown, beside ``mem``: of samples shown that it was trained on."""
    view = measured.view
    if (file := memorisation.result_file(view)) is None:
        return ()
    only = str(view.only) + (f"{view.gate} {view.epoch}" if view.only.route != "all" else "")
    key = str(file[0]), file[1], scores.stored_state(view)
    return _standings(measured, view, view.at, view.gate, view.epoch or 0, only, key)


@st.cache_data(max_entries=64, show_spinner="Comparing the scores …")
def _standings(
    _measured: Measured, _view: View, at: Stamp, gate: str | None, epoch: int, only: str,
    key: tuple[str, FileState, tuple[tuple[str, int], ...]],
) -> Rows:  # fmt: skip
    known = {name: one for name, one in scores.available(_view).items() if name in SCORES}
    scores.fetch(_view, known)
    trained = _measured.trained
    values = [
        ScoreValues(name, one.gate, one.score, np.where(trained, scores.hardness(_view, name), np.nan))
        for name, one in known.items()
    ]
    target = Target("mem", "Memorisation", _measured.values("mem"), _measured.halves())
    rows, _ = league([values], [target], {"all": _view.members}, _view.data.given_label)
    within = {row.score: row for row in rows if row.group == WITHIN}
    return tuple((row, within.get(row.score)) for row in rows if row.group == "all")
