"""What a page shows, kept in the URL: run, split, gate, filter. Validated by hand, never by a widget.

Streamlit's own binding of widgets to the URL falls back to a default without a word when a value is wrong. Here
the URL is read first; the widgets are set from it and write back to it. All values are always written out, so
that going back to an older URL restores it; what the navigation's links drop comes back from the session.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import streamlit as st

from app import palette, queries, selection, words
from app.queries import SplitData, Stamp
from memgate.errors import MemgateError
from memgate.logreader import SampleLog
from memgate.runs import Run

DEPENDENTS = {"run": ("split", "gate", "only", "id"), "split": ("only", "id")}
"""What a changed value makes meaningless in the URL."""

POLL_SECONDS = 5


@dataclass(frozen=True)
class View:
    """What the sidebar says: the same on every page."""

    run: Run
    at: Stamp
    log: SampleLog
    split: str
    gate: str | None
    only: str
    """The filter: ``all``, ``clean``, ``corrupted`` or a cause."""
    data: SplitData

    @property
    def params(self) -> dict[str, str]:
        """The view as URL parameters."""
        gate = self.gate if len(self.log.gates) > 1 else None
        values = {"run": self.run.name, "split": self.split, "gate": gate, "only": self.only}
        return {name: value for name, value in values.items() if value is not None}

    @property
    def selected(self) -> selection.Selection | None:
        """The selection, if it belongs to this run and split."""
        chosen: selection.Selection | None = st.session_state.get("selection")
        return chosen.of(self.run.name, self.split) if chosen else None


def problem(error: MemgateError | str) -> None:
    """Show what went wrong as one sentence, on the page."""
    st.error(words.plain(str(error)), icon=":material/error:")


def open_root(path: Path) -> None:
    """Keep the folder of the runs for the pages."""
    st.session_state["root"] = path
    st.session_state["view"] = None


def root() -> Path:
    """The folder of the runs."""
    return st.session_state["root"]


def view() -> View:
    """What to show; ends the page where the sidebar has said why there is nothing."""
    found: View | None = st.session_state["view"]
    if found is None:
        st.stop()
    return cast(View, found)


def sidebar() -> None:
    """The sidebar, and the view that it stands for; what cannot be shown is said on the page, not beside it."""
    wrong: list[str] = []
    address = dict(st.query_params)
    picked: str | None = st.session_state.pop("picked", None)
    if picked is not None:
        address[picked] = st.session_state[f"pick_{picked}"]
        for name in DEPENDENTS.get(picked, ()):
            address.pop(name, None)
    with st.sidebar:
        try:
            st.session_state["view"] = _ask(address, wrong)
        except MemgateError as error:
            wrong.append(str(error))
    # Every change of the URL is a step of the browser's history: all values change in one.
    if address != dict(st.query_params):
        st.query_params.from_dict(address)
    for sentence in wrong:
        problem(sentence)


def _ask(address: dict[str, str], wrong: list[str]) -> View | None:
    """The widgets, from top to bottom; they complete ``address``, and sentences about it go to ``wrong``."""
    names = queries.run_names(root())
    if not names:
        raise MemgateError(f"There are no runs under {root()} yet: make one by 'memgate quickstart'.")
    name = _pick("run", "Run", names, address, wrong)
    if name is None:
        return None
    run = queries.open_run(root(), name)
    at = _pinned(run)
    log = queries.log(at)
    split = _pick("split", "Split", log.splits, address, wrong) or log.splits[0]
    gate = log.gates[-1] if log.gates else None
    if len(log.gates) > 1:
        gate = _pick("gate", "Gate", log.gates[::-1], address, wrong) or gate
    data = queries.split_data(at, split)
    only = _pick("only", "Show", selection.filters(data.cause), address, wrong) or "all"
    shown = View(run, at, log, split, gate, only, data)
    _chips(shown)
    return shown


def _pick(
    param: str, label: str, options: Sequence[str], address: dict[str, str], wrong: list[str]
) -> str | None:
    """One widget of the sidebar, set from the URL; a wrong value in the URL is said and picks nothing."""
    kept = st.session_state.get(f"kept_{param}")
    value, sentence = selection.choose(address.get(param), kept, options, label.lower())
    if sentence:
        wrong.append(sentence)
    key = f"pick_{param}"
    st.session_state[key] = value
    if param in ("run", "only"):
        st.selectbox(
            label,
            options,
            index=None if value is None else 0,
            key=key,
            format_func=lambda option: palette.CAUSE_WORDS[option] if param == "only" else str(option),
            on_change=_picked,
            args=(param, key),
            placeholder=f"Choose a {label.lower()}",
        )
    else:
        st.radio(label, options, index=None, key=key, on_change=_picked, args=(param, key), horizontal=True)
    if value is not None:
        st.session_state[f"kept_{param}"] = value
        address[param] = value
    return value


def _picked(param: str, key: str) -> None:
    """A widget was changed: the next run of the script takes it up before the URL."""
    if st.session_state[key] is not None:
        st.session_state["picked"] = param


def write_param(param: str, value: str) -> None:
    """Write a value to the URL if it does not say so already (every write is a step in the browser's history)."""
    if st.query_params.get(param) != value:
        st.query_params[param] = value


def _pinned(run: Run) -> Stamp:
    """The log's state that this session shows: new epochs come when the user asks for them.

    A chart that is drawn anew loses its zoom and its brush, so a training in the background must not do it.
    """
    stamps: dict[str, Stamp] = st.session_state.setdefault("stamps", {})
    path = str(run.path)
    if path not in stamps:
        stamps[path] = queries.stamp(run)
    return stamps[path]


def _chips(shown: View) -> None:
    matching = int(selection.matching(shown.data.cause, shown.only).sum())
    st.caption(f"{matching:,} of {len(shown.data.cause):,} samples match")
    chosen = shown.selected
    if chosen:
        st.caption(f"{len(chosen.ids):,} selected: {words.plain(chosen.how)}")
        st.button("Clear selection", key="clear_selection", on_click=clear_selection)
    st.caption(f"{len(shown.data.epochs)} of {len(shown.log.planned)} logged epochs shown")
    try:
        running = queries.status(shown.run).shown == "running"
    except MemgateError as error:
        problem(error)
        running = False
    # Polling opens the log for a millisecond, without its lock: it cannot disturb the training.
    st.fragment(_news, run_every=POLL_SECONDS if running else None)(shown)
    if shown.data.torn:
        torn = ", ".join(map(str, shown.data.torn[:10]))
        st.warning(f"Damaged in the log and left out: epoch {torn}.", icon=":material/warning:")


def _news(shown: View) -> None:
    """A button when the log has more than the page shows."""
    try:
        now = queries.stamp(shown.run)
        if now == shown.at:
            return
        new = queries.epoch_count(shown.run, shown.split) - len(shown.data.epochs)
    except MemgateError as error:
        problem(error)
        return
    if new == 0 and now.inode == shown.at.inode:
        return
    text = f"{new} new epoch{'' if new == 1 else 's'}: refresh" if new > 0 else "The log has changed: refresh"
    if st.button(text, key="refresh", icon=":material/refresh:", type="primary"):
        st.session_state["stamps"][str(shown.run.path)] = now
        st.rerun(scope="app")


def clear_selection() -> None:
    """Forget the selection; a new key makes the heatmap forget its brush."""
    st.session_state["selection"] = None
    st.session_state["boxes"] = []
    st.session_state["brush"] = st.session_state.get("brush", 0) + 1
