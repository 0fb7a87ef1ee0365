"""The view of a page as one record, and its changes: select samples, open a sample, show an error."""

from collections import OrderedDict
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import cast

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from app.dashboard import logs, sentences
from app.dashboard.logs import SplitData, Stamp
from app.dashboard.view import selection
from app.dashboard.view.selection import Selection
from memgate.errors import MemgateError
from memgate.log.format import has_value
from memgate.log.reader import SampleLog
from memgate.runs.run import Run
from probes.samples.filters import Filter

SELECTIONS = 500
"""How many unsaved selections the server remembers, for the links to them."""

OF_SPLIT = ("cause", "route", "class", "selected")
"""Parameters of the URL that are about the samples of one split: its filter and its selection."""

NOTHING = "none"
"""Value of the URL's ``selected`` where nothing is selected."""


@dataclass(frozen=True)
class View:
    """The settings of the sidebar, the same on every page."""

    run: Run
    at: Stamp
    """The state of the log that is shown."""
    log: SampleLog
    split: str
    gate: str | None
    epoch: int | None
    """The epoch shown: routes are those of this epoch, scores count the epochs up to it; None while none is logged."""
    only: Filter
    data: SplitData
    selected: Selection | None
    params: dict[str, str]
    """The view as URL parameters, without the sample."""

    @property
    def row(self) -> int:
        """Row of the epoch shown in the matrices [E, N]."""
        return int(np.flatnonzero(self.data.epochs == self.epoch)[0])

    @cached_property
    def members(self) -> NDArray[np.bool_]:
        """Samples that pass the filter, bool [N]."""
        if self.epoch is None or self.gate is None:
            routed = known = np.zeros(len(self.data), bool)
        else:
            routed, known = self.at_cursor("routed", self.gate), self.known_at_cursor("routed", self.gate)
        return self.only.matching(self.data.cause, self.data.clean_label, routed, known)

    @cached_property
    def places(self) -> NDArray[np.intp]:
        """Columns of the selected samples in the matrices, by rising id; none where nothing is selected."""
        return np.zeros(0, np.intp) if self.selected is None else self.data.places(self.selected.ids)

    def of_split(self, split: str) -> "View":
        """The view of another split, without filter and selection."""
        if split == self.split:
            return self
        data = logs.split_data(self.at, split)
        params = {name: text for name, text in self.params.items() if name not in OF_SPLIT} | {"split": split}
        return replace(self, split=split, data=data, only=Filter(), selected=None, params=params)

    def at_cursor(self, name: str, gate: str | None = None) -> NDArray:
        """One logged quantity or flag at the epoch shown, [N]."""
        return logs.matrix(self.at, self.split, name, gate)[self.row]

    def known_at_cursor(self, name: str, gate: str | None = None) -> NDArray[np.bool_]:
        """Whether a quantity or flag has a value at the epoch shown, [N]; see :func:`app.dashboard.logs.known`."""
        return has_value(self.at_cursor(self.log.decider(name), gate))


def problem(error: MemgateError | str) -> None:
    """Show an error as one sentence on the page."""
    st.error(sentences.escaped(str(error)), icon=":material/error:")


def open_root(path: Path) -> None:
    """Keep the folder of the runs for all pages."""
    st.session_state["root"] = path
    st.session_state["view"] = None


def root() -> Path:
    """The folder of the runs."""
    return st.session_state["root"]


def view() -> View:
    """The view; ends the page where there is none, which the sidebar reports."""
    current = view_or_none()
    if current is None:
        st.stop()
    return cast(View, current)


def view_or_none() -> View | None:
    """The view; None where there is none, for a page that does not need one."""
    return st.session_state["view"]


def write_param(param: str, value: str) -> None:
    """Write a value to the URL if it is not there already: every write is a step in the browser's history."""
    if st.query_params.get(param) != value:
        st.query_params[param] = value


def last_epoch_view(run: Run) -> View:
    """View of all training samples of a run at its last epoch.

    Raises:
        MemgateError: it is damaged.
    """
    at = logs.stamp(run)
    log = logs.log(at)
    data = logs.split_data(at, "train")
    epoch = int(data.epochs[-1]) if len(data.epochs) else None
    return View(run, at, log, "train", log.gates[-1] if log.gates else None, epoch, Filter(), data, None, {})


def select(shown: View, ids: NDArray[np.integer] | list[int], how: str) -> None:
    """Make samples the selection of the view. Call it from a callback, or :func:`rerun` after it.

    Args:
        shown: run and split.
        ids: sample ids in any order.
        how: how they were chosen, in words.
    """
    keep(selection.selection_of(shown.run.name, shown.split, ids, how))


def select_places(shown: View, places: NDArray, how: str) -> None:
    """:func:`select` by columns of the matrices: positions, or bool [N]."""
    select(shown, shown.data.sample_id[places], how)


@st.cache_resource(show_spinner=False)
def _selections() -> OrderedDict[str, Selection]:
    """Selections of all sessions of this server by their key, the oldest first."""
    return OrderedDict()


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


def keep(chosen: Selection) -> None:
    """Make this the selection of the view."""
    keep_selection(chosen)
    st.session_state["chosen"] = chosen.key


def clear_selection() -> None:
    """Clear the selection, and the box from the charts."""
    st.session_state["chosen"] = NOTHING
    redraw()


def redraw() -> None:
    """Draw charts in which samples are selected anew, without the outline: their keys have this number."""
    st.session_state["brush"] = st.session_state.get("brush", 0) + 1


def choose_gate(gate: str) -> None:
    """Make this the gate of the view, as the sidebar's widget does. Call it from a callback."""
    st.session_state["pick_gate"] = gate
    st.session_state["picked"] = "gate"


def rerun() -> None:
    """Draw the page again."""
    st.rerun()


def open_sample(shown: View, sample_id: int) -> None:
    """Open the page of one sample."""
    st.switch_page("views/sample.py", query_params={**shown.params, "id": str(sample_id)})
