"""The two scores that the Explorer sets against each other: chosen in two lists, kept in the URL."""

from collections.abc import Sequence

import numpy as np
import streamlit as st

from app import measures, selection, state
from app.measures import Measure
from app.state import View
from probes.scores import PROBES

SCALES = ("linear", "log")

UNGATED_Y = "variability"
"""What is set against the hardness where there is no gate."""


def named(view: View, measure: Measure) -> str:
    """A score's name in a sentence; with its gate's where there are several."""
    if measure.gate is None or len(view.log.gates) < 2:
        return measure.score.title
    return f"{measure.score.title} of {measure.gate.upper()}"


def asked(param: str, options: Sequence[str], default: str, what: str) -> str:
    """What the URL asks for, else the session, else the default; a wrong one in the URL is said.

    A score that there is, but not in this view, stays in the URL: another run or epoch may have it.
    """
    wanted, key = st.query_params.get(param), f"kept_{param}"
    if wanted in PROBES and wanted not in options:
        st.caption(f"There is no {PROBES[wanted].title} here: {PROBES[default].title} instead.")
        st.session_state[f"pick_{param}"] = default
        return default
    ordered = [default, *(one for one in options if one != default)]
    value, sentence = selection.choose(wanted, st.session_state.get(key), ordered, what)
    if sentence:
        state.problem(sentence)
    st.session_state[f"pick_{param}"] = value  # None after a wrong one, so that any choice is a change
    if value is not None:
        st.session_state[key] = value
    return value or default


def changed(param: str) -> None:
    """A widget was changed: the URL says so before the page is drawn."""
    value = st.session_state[f"pick_{param}"]
    if param == "scale":
        value = SCALES[int(value)]
    st.session_state[f"kept_{param}"] = value
    st.query_params[param] = value


def controls(view: View, known: dict[str, Measure]) -> tuple[Measure, Measure, bool]:
    """The two scores, and whether x has a logarithmic scale; all three are in the URL."""
    names = list(known)
    found = {
        "x": asked("x", names, measures.HARDNESS, "score"),
        "y": asked("y", names, measures.GATE_VALUE if view.gate else UNGATED_Y, "score"),
        "scale": asked("scale", SCALES, SCALES[0], "scale"),
    }
    x, y = known[found["x"]], known[found["y"]]
    across = measures.values(view, x.column)
    above = bool((across[np.isfinite(across)] > 0).all())
    with st.container(horizontal=True, vertical_alignment="bottom"):
        for param, label in (("x", "Across"), ("y", "Up")):
            st.selectbox(
                label,
                names,
                key=f"pick_{param}",
                format_func=lambda name: known[name].title,
                placeholder="Choose a score",
                on_change=changed,
                args=(param,),
            )
        st.session_state["pick_scale"] = found["scale"] == "log" and above
        st.toggle(
            "Log scale across",
            key="pick_scale",
            disabled=not above,
            help="Where every value is above 0",
            on_change=changed,
            args=("scale",),
        )
    wanted = {param: value for param, value in found.items() if param not in st.query_params}
    if wanted:
        st.query_params.update(wanted)  # one step of the browser's history
    return x, y, found["scale"] == "log" and above
