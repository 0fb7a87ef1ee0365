"""What the page Filters shows, in the URL: the probed checkpoint, whose class counts, and one filter."""

from collections.abc import Sequence

import numpy as np
import streamlit as st

from app.dashboard.glossary import definitions
from app.dashboard.results import filters as results
from app.dashboard.results.filters import Label
from app.dashboard.view import state
from app.dashboard.view.state import View
from app.dashboard.view.url import Address
from probes.gates.filters import CATEGORIES
from probes.gates.stored import GatesResult
from probes.result import ProbeResult

CHECKPOINT, LABEL, FILTER = "checkpoint", "classes", "filter"
"""Parameters of the URL."""

LABELS: dict[Label, str] = {"clean": "clean label", "given": "given label"}


def option(param: str, label: str, options: Sequence[str], titles: Sequence[str], *terms: str) -> str:
    """Value of a parameter of the URL, with radio buttons where there are several options.

    Args:
        param: of the URL.
        label: of the buttons.
        options: valid values; the first is the default.
        titles: one for each.
        terms: that the help mark defines.
    """
    address = Address()
    value = address.choice(param, options, param)
    address.write()
    if len(options) > 1:
        key = f"filters_{param}"
        st.session_state[key] = value
        shown = dict(zip(options, titles, strict=True))
        st.radio(
            label, options, key=key, horizontal=True, format_func=lambda one: shown[one],
            help=definitions(*terms) or None, on_change=lambda: state.write_param(param, st.session_state[key]),
        )  # fmt: skip
    return value


def checkpoint(results_of: Sequence[ProbeResult]) -> ProbeResult:
    """The result of the chosen checkpoint, the latest by default."""
    by_epoch = {str(result.epoch): result for result in results_of[::-1]}
    address = Address()
    epoch = address.choice(CHECKPOINT, list(by_epoch), "probed epoch")
    address.write()
    if len(by_epoch) > 1:
        key = f"filters_{CHECKPOINT}"
        st.session_state[key] = epoch
        st.selectbox(
            "Checkpoint of epoch", list(by_epoch), key=key, width=180,
            on_change=lambda: state.write_param(CHECKPOINT, st.session_state[key]),
        )  # fmt: skip
    return by_epoch[epoch]


def label_of_class(view: View) -> Label:
    """Whose class counts: that of the clean label, or of the given one; chosen where they differ."""
    labels = view.data.samples
    known = labels.truth_known and (labels.given_label != labels.clean_label).any()
    options: list[Label] = ["clean", "given"] if known else ["given"]
    titles = [LABELS[one] for one in options]
    return option(LABEL, "Classes by", options, titles, "clean label", "given label")  # pyright: ignore[reportReturnType]


def counted(one: GatesResult) -> str:
    """How many filters there are in how many gates, or how many units, as a phrase."""
    units = one.part == "unit"
    return f"{one.count:,} units" if units else f"{one.count:,} filters in {len(one.sizes)} gates"


def name_of(one: GatesResult, place: int) -> str:
    """Name of a filter, such as ``B2U01/5``; of a gate with one filter the gate's name."""
    gate = str(one.gate_of[place])
    return gate.upper() if one.part == "unit" else f"{gate.upper()}/{one.number[place]}"


def filter_shown(view: View, result: ProbeResult, one: GatesResult) -> int:
    """Place of the chosen filter: the URL's, else the gate's conditional filter that says most about the class.

    Args:
        view: its gate is that of the filter.
        result: of the probe.
        one: the same for the samples that pass the filter.
    """
    gates = list(one.sizes)
    gate = view.gate if view.gate in gates else gates[-1]
    names = [f"{gate}/{number}" for number in range(one.sizes[gate])]
    address = Address()
    text = address.params.get(FILTER) or st.session_state.get(f"kept_{FILTER}")
    if text not in names:
        owner, _, number = (text or "").partition("/")
        valid = owner in gates and number.isdecimal() and int(number) < one.sizes[owner]
        if FILTER in address.params and not valid:
            address.problems.append(
                f"There is no filter {address.params[FILTER][:40]!r} here: write {gate}/0 to {names[-1]}."
            )
        text = names[_telling(view, result, one, gate)]
    address.keep(FILTER, text)
    address.write()
    return one.place(gate, int(text.rpartition("/")[2]))


def _telling(view: View, result: ProbeResult, one: GatesResult, gate: str) -> int:
    """Number of the gate's conditional filter with the most information about the class; 0 where none is."""
    use = results.use(view, result, "clean" if one.samples.truth_known else "given")
    members = one.gate_of == gate
    conditional = use.category(result.config["always"])[members] == CATEGORIES.index("conditional")
    return int(np.where(conditional, use.information[members], -1).argmax())


def choose(one: GatesResult, place: int) -> None:
    """Make this the chosen filter, and its gate that of the view. Call it from a callback."""
    gate = str(one.gate_of[place])
    state.write_param(FILTER, f"{gate}/{one.number[place]}")
    state.choose_gate(gate)
