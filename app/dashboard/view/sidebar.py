"""The sidebar: run, split, gate, epoch, filter and selection, read from the URL and written back to it."""

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from app.dashboard import logs, palette, run_data, run_folders
from app.dashboard.glossary import definitions
from app.dashboard.logs import SplitData, Stamp
from app.dashboard.sentences import escaped
from app.dashboard.view import selection
from app.dashboard.view.selection import UNSAVED, Selection
from app.dashboard.view.state import NOTHING, View, kept_selection, root
from app.dashboard.view.status import show_status
from app.dashboard.view.url import Address
from memgate.errors import MemgateError
from memgate.log.reader import SampleLog
from memgate.runs.run import Run
from probes.samples.cohorts import load_cohort
from probes.samples.filters import Filter, causes_to_ask

DEPENDENTS = {
    "run": ("split", "gate", "epoch", "cause", "route", "class", "selected", "id"),
    "split": ("epoch", "cause", "class", "selected", "id"),
}
"""Parameters of the URL that lose their meaning where another one changes."""

LAST = "last"
FEW = 5
"""Most options that are shown as radio buttons; more are a list (a layer-gated network has dozens of gates)."""


def sidebar() -> None:
    """Draw the sidebar and keep the view that it stands for; errors are shown on the page."""
    params = dict(st.query_params)
    picked: str | None = st.session_state.pop("picked", None)
    if picked is not None:
        params[picked] = _text(st.session_state[f"pick_{picked}"])
        for name in DEPENDENTS.get(picked, ()):
            params.pop(name, None)
    if "compared" in st.session_state:
        params["runs"] = st.session_state.pop("compared")
        params.pop("pair", None)
    if "chosen" in st.session_state:
        params["selected"] = st.session_state.pop("chosen")
    address = Address(params)
    with st.sidebar:
        try:
            st.session_state["view"] = _widgets(address)
        except MemgateError as error:
            address.problems.append(str(error))
    address.write()


def _widgets(address: Address) -> View | None:
    """Draw the widgets from top to bottom; the view, or None without a run."""
    names = run_folders.run_names(root())
    if not names:
        raise MemgateError(f"There are no runs under {root()} yet: train one by 'memgate quickstart'.")
    compared = selection.parse_names(address.text("runs") or "")
    if "runs" in address.params and compared:
        address.params.setdefault("run", compared[0])
    name = _pick(address, "run", "Run", names)
    if name is None:
        return None
    if compared:
        address.keep("runs", selection.names_text(selection.with_first(compared, name)))
    run = run_folders.open_run(root(), name)
    at = _pinned(run)
    log = logs.log(at)
    split = _pick(address, "split", "Split", log.splits) or log.splits[0]
    gate = log.gates[-1] if log.gates else None
    if len(log.gates) > 1:
        gate = _pick(address, "gate", "Gate", log.gates[::-1]) or gate
    elif gate and "gate" in address.params:
        address.value("gate", log.gates, "gate")  # there is nothing to choose, but a wrong one is reported
    data = logs.split_data(at, split)
    try:
        run_data.operation_kinds(run)
    except MemgateError as error:
        address.problems.append(str(error))  # labels and causes are in the log as well: the page can be shown
    epoch = _epoch(address, data)
    only = _filter(address, log, data, gate is not None and epoch is not None)
    chosen = _selection(address, run, split)
    names = ("run", "split", "gate", "epoch", "cause", "route", "class", "selected")
    params = {param: address.params[param] for param in names if param in address.params}
    shown = View(run, at, log, split, gate, epoch, only, data, chosen, params)
    show_status(shown)
    return shown


def _pick(
    address: Address,
    param: str,
    label: str,
    options: Sequence[str],
    shown_as: Callable[[str], str] = str,
    terms: Sequence[str] = (),
) -> str | None:
    """Widget for one choice, a list where there are many options; None where the URL's value is wrong."""
    value = address.value(param, options, label.lower())
    key = f"pick_{param}"
    st.session_state[key] = value
    common: dict[str, Any] = {"key": key, "on_change": _picked, "args": (param, key)}
    common["help"] = definitions(*terms) or None
    if param in ("run", "cause") or len(options) > FEW:
        index = None if value is None else 0
        st.selectbox(label, options, index, shown_as, placeholder=f"Choose a {label.lower()}", **common)
    else:
        # Streamlit reads the options of radio buttons as Markdown, those of a list as plain text.
        st.radio(label, options, None, lambda one: escaped(shown_as(one)), horizontal=True, **common)
    if value is not None:
        address.keep(param, value)
    return value


def _picked(param: str, key: str) -> None:
    """Note the changed widget: the next run of the script reads it before the URL."""
    if st.session_state[key] is not None:
        st.session_state["picked"] = param


def _text(value: Any) -> str:
    """Text in the URL for a widget's value."""
    if isinstance(value, list):
        return ",".join(map(str, sorted(value))) or "all"
    return str(value)


def _epoch(address: Address, data: SplitData) -> int | None:
    """Slider for the epoch shown: routes are those of this epoch, scores count the epochs up to it."""
    if len(data.epochs) == 0:
        address.params.pop("epoch", None)
        return None
    options = [*map(str, data.epochs[:-1]), LAST]
    wanted = address.params.get("epoch")
    if wanted == str(data.epochs[-1]):
        address.params["epoch"] = LAST
    if wanted is not None and wanted not in (*options, str(data.epochs[-1])):
        address.problems.append(
            f"There is no epoch {wanted[:20]!r} here: the log has {data.epochs[0]} to {data.epochs[-1]}."
        )
        address.params["epoch"] = LAST
    value = address.value("epoch", options[::-1], "epoch") or LAST
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
    address.keep("epoch", value)
    return int(data.epochs[-1] if value == LAST else value)


def _filter(address: Address, log: SampleLog, data: SplitData, routes: bool) -> Filter:
    """Widgets for the filter: which samples are shown."""
    cause = _pick(
        address, "cause", "Cause", causes_to_ask(data.cause), lambda one: palette.CAUSE_WORDS[one], ("cause",)
    )
    route = "all"
    if routes:
        route = (
            _pick(address, "route", "Route", ("all", "routed", "skipped"), terms=("routed", "skipped", "g"))
            or "all"
        )
    else:
        address.params.pop("route", None)
    text = address.text("class") or "all"
    classes = selection.parse_classes(text, len(log.class_names))
    if classes is None:
        if "class" in address.params:
            address.problems.append(
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
    address.keep("class", _text(list(classes)))
    return Filter(cause or "all", route, classes)  # pyright: ignore[reportArgumentType]


def _selection(address: Address, run: Run, split: str) -> Selection | None:
    """The selection that the URL names; None for none."""
    key = address.text("selected") or NOTHING
    try:
        chosen = _selected(key, run)
    except MemgateError as error:
        # A selection that the session remembers may belong to another run.
        if "selected" in address.params:
            address.problems.append(str(error))
        chosen = None
    chosen = chosen.of(run.name, split) if chosen else None
    address.keep("selected", chosen.key if chosen else NOTHING)
    return chosen


def _selected(key: str, run: Run) -> Selection | None:
    if key == NOTHING:
        return None
    if not key.startswith(UNSAVED):
        return selection.from_cohort(run.name, load_cohort(run, key))
    chosen = kept_selection(key)
    if chosen is None:
        raise MemgateError(
            "The server no longer has the selection of this link: select the samples again, and save them as a "
            "cohort to keep them."
        )
    return chosen


def _pinned(run: Run) -> Stamp:
    """State of the log that this session shows: new epochs are shown when the user asks for them.

    A chart that is drawn anew loses its zoom and its box, so a training in the background must not do it.
    """
    stamps: dict[str, Stamp] = st.session_state.setdefault("stamps", {})
    path = str(run.path)
    if path not in stamps:
        stamps[path] = logs.stamp(run)
    return stamps[path]
