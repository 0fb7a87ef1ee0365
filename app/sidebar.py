"""The sidebar: run, split, gate, epoch, filter and selection, read from the URL and written back to it.

Streamlit's own binding of widgets to the URL falls back to a default without a word when a value is wrong. Here
the URL is read first and validated by hand; the widgets are set from it. All values are always written out, so
that going back to an older URL restores it; what the navigation's links drop comes back from the session.
"""

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from app import palette, queries, selection
from app.chips import chips
from app.queries import SplitData, Stamp
from app.selection import UNSAVED, Selection
from app.state import NOTHING, View, problem, root
from memgate.errors import MemgateError
from memgate.logreader import SampleLog
from memgate.runs import Run
from probes.cohorts import load_cohort
from probes.filters import Filter, causes_to_ask

DEPENDENTS = {
    "run": ("split", "gate", "epoch", "cause", "route", "class", "selected", "id"),
    "split": ("epoch", "cause", "class", "selected", "id"),
}
"""What a changed value makes meaningless in the URL."""

LAST = "last"
FEW = 5
"""Options that are shown beside each other; more are a list (a layer-gated network has dozens of gates)."""


class Asking:
    """One drawing of the sidebar: the URL as it is completed, and what is wrong with it."""

    def __init__(self, address: dict[str, str]) -> None:
        """Begin with a URL."""
        self.address = address
        self.wrong: list[str] = []

    def value(self, param: str, options: Sequence[str], what: str) -> str | None:
        """The URL's value, else the session's, else the first; a wrong one in the URL is said and gives None."""
        kept = st.session_state.get(f"kept_{param}")
        value, sentence = selection.choose(self.address.get(param), kept, options, what)
        if sentence:
            self.wrong.append(sentence)
        return value

    def settle(self, param: str, value: str | None) -> None:
        """Write a value to the URL, and keep it for links that drop it."""
        if value is not None:
            st.session_state[f"kept_{param}"] = value
            self.address[param] = value


def sidebar() -> None:
    """The sidebar, and the view that it stands for; what cannot be shown is said on the page, not beside it."""
    address = dict(st.query_params)
    picked: str | None = st.session_state.pop("picked", None)
    if picked is not None:
        address[picked] = _text(st.session_state[f"pick_{picked}"])
        for name in DEPENDENTS.get(picked, ()):
            address.pop(name, None)
    if "compared" in st.session_state:
        address["runs"] = st.session_state.pop("compared")
        address.pop("pair", None)
    if "chosen" in st.session_state:
        address["selected"] = st.session_state.pop("chosen")
    asking = Asking(address)
    with st.sidebar:
        try:
            st.session_state["view"] = _ask(asking)
        except MemgateError as error:
            asking.wrong.append(str(error))
    # Every change of the URL is a step of the browser's history: all values change in one.
    if address != dict(st.query_params):
        st.query_params.from_dict(address)
    for sentence in asking.wrong:
        problem(sentence)


def _ask(asking: Asking) -> View | None:
    """The widgets, from top to bottom."""
    names = queries.run_names(root())
    if not names:
        raise MemgateError(f"There are no runs under {root()} yet: make one by 'memgate quickstart'.")
    compared = selection.parse_names(asking.address.get("runs") or st.session_state.get("kept_runs", ""))
    if "runs" in asking.address and compared:
        asking.address.setdefault("run", compared[0])
    name = _pick(asking, "run", "Run", names)
    if name is None:
        return None
    if compared:
        asking.settle("runs", selection.names_text(selection.with_first(compared, name)))
    run = queries.open_run(root(), name)
    at = _pinned(run)
    log = queries.log(at)
    split = _pick(asking, "split", "Split", log.splits) or log.splits[0]
    gate = log.gates[-1] if log.gates else None
    if len(log.gates) > 1:
        gate = _pick(asking, "gate", "Gate", log.gates[::-1]) or gate
    data = queries.split_data(at, split)
    try:
        queries.operation_kinds(run)
    except MemgateError as error:
        asking.wrong.append(str(error))  # what was done is in the log as well: the page can be shown
    epoch = _epoch(asking, data)
    only = _filter(asking, log, data, gate is not None and epoch is not None)
    chosen = _selection(asking, run, split)
    names = ("run", "split", "gate", "epoch", "cause", "route", "class", "selected")
    params = {param: asking.address[param] for param in names if param in asking.address}
    shown = View(run, at, log, split, gate, epoch, only, data, chosen, params)
    chips(shown)
    return shown


def _pick(
    asking: Asking,
    param: str,
    label: str,
    options: Sequence[str],
    shown_as: Callable[[str], str] = str,
) -> str | None:
    """One choice, as a list where there are many; a wrong value in the URL is said and picks nothing."""
    value = asking.value(param, options, label.lower())
    key = f"pick_{param}"
    st.session_state[key] = value
    common: dict[str, Any] = {"key": key, "format_func": shown_as, "on_change": _picked, "args": (param, key)}
    if param in ("run", "cause") or len(options) > FEW:
        index = None if value is None else 0
        st.selectbox(label, options, index=index, placeholder=f"Choose a {label.lower()}", **common)
    else:
        st.radio(label, options, index=None, horizontal=True, **common)
    asking.settle(param, value)
    return value


def _picked(param: str, key: str) -> None:
    """A widget was changed: the next run of the script takes it up before the URL."""
    if st.session_state[key] is not None:
        st.session_state["picked"] = param


def _text(value: Any) -> str:
    """What the URL says for a widget's value."""
    if isinstance(value, list):
        return ",".join(map(str, sorted(value))) or "all"
    return str(value)


def _epoch(asking: Asking, data: SplitData) -> int | None:
    """The cursor: routes are judged at this epoch, and scores count the epochs up to it."""
    if len(data.epochs) == 0:
        asking.address.pop("epoch", None)
        return None
    options = [*map(str, data.epochs[:-1]), LAST]
    asked = asking.address.get("epoch")
    if asked == str(data.epochs[-1]):
        asking.address["epoch"] = LAST
    if asked is not None and asked not in (*options, str(data.epochs[-1])):
        asking.wrong.append(
            f"There is no epoch {asked[:20]!r} here: the log has {data.epochs[0]} to {data.epochs[-1]}."
        )
        asking.address["epoch"] = LAST
    value = asking.value("epoch", options[::-1], "epoch") or LAST
    if len(options) > 1:
        st.session_state["pick_epoch"] = value
        st.select_slider(
            "Epoch",
            options,
            key="pick_epoch",
            on_change=_picked,
            args=("epoch", "pick_epoch"),
            help="Routes are those of this epoch; scores count the epochs up to it.",
        )
    asking.settle("epoch", value)
    return int(data.epochs[-1] if value == LAST else value)


def _filter(asking: Asking, log: SampleLog, data: SplitData, routes: bool) -> Filter:
    """Which samples are shown."""
    cause = _pick(asking, "cause", "Cause", causes_to_ask(data.cause), lambda one: palette.CAUSE_WORDS[one])
    route = "all"
    if routes:
        route = _pick(asking, "route", "Route", ("all", "routed", "skipped")) or "all"
    else:
        asking.address.pop("route", None)
    text = asking.address.get("class") or st.session_state.get("kept_class") or "all"
    classes = selection.parse_classes(text, len(log.class_names))
    if classes is None:
        if "class" in asking.address:
            asking.wrong.append(
                f"There is no class {text[:40]!r} here: give numbers from 0 to {len(log.class_names) - 1}."
            )
        classes = ()
    st.session_state["pick_class"] = list(classes)
    st.multiselect(
        "Class (clean label)",
        range(len(log.class_names)),
        key="pick_class",
        format_func=lambda one: log.class_names[one],
        placeholder="All",
        on_change=_picked,
        args=("class", "pick_class"),
    )
    asking.settle("class", _text(list(classes)))
    return Filter(cause or "all", route, classes)  # pyright: ignore[reportArgumentType]


def _selection(asking: Asking, run: Run, split: str) -> Selection | None:
    """The selection that the URL names."""
    key = asking.address.get("selected") or st.session_state.get("kept_selected") or NOTHING
    try:
        found = _found(key, run)
    except MemgateError as error:
        # What the session remembers may belong to another run.
        if "selected" in asking.address:
            asking.wrong.append(str(error))
        found = None
    found = found.of(run.name, split) if found else None
    asking.settle("selected", found.key if found else NOTHING)
    return found


def _found(key: str, run: Run) -> Selection | None:
    if key == NOTHING:
        return None
    if not key.startswith(UNSAVED):
        return selection.from_cohort(run.name, load_cohort(run, key))
    found = queries.kept_selection(key)
    if found is None:
        raise MemgateError(
            "The selection of this link is no longer known here: select the samples again, and save them as a cohort "
            "to keep them."
        )
    return found


def _pinned(run: Run) -> Stamp:
    """The log's state that this session shows: new epochs come when the user asks for them.

    A chart that is drawn anew loses its zoom and its brush, so a training in the background must not do it.
    """
    stamps: dict[str, Stamp] = st.session_state.setdefault("stamps", {})
    path = str(run.path)
    if path not in stamps:
        stamps[path] = queries.stamp(run)
    return stamps[path]
