"""The two scores that the Explorer sets against each other: chosen in two lists, kept in the URL."""

from collections.abc import Sequence

import numpy as np
import streamlit as st

from app.dashboard.results import scores
from app.dashboard.results.scores import RunScore
from app.dashboard.view import state
from app.dashboard.view.state import View
from app.dashboard.view.url import Address
from probes.scores.catalogue import SCORES

SCALES = ("linear", "log")

UNGATED_Y = "variability"
"""What is set against the hardness where there is no gate."""


def named(view: View, measure: RunScore) -> str:
    """A score's name in a sentence; with its gate's where there are several."""
    if measure.gate is None or len(view.log.gates) < 2:
        return measure.score.title
    return f"{measure.score.title} of {measure.gate.upper()}"


def score(address: Address, param: str, options: Sequence[str], default: str) -> str:
    """The score that the URL asks for, see :meth:`app.dashboard.view.url.Address.choice`.

    One that there is, but not in this view, stays in the URL: another run or epoch may have it.
    """
    wanted = address.params.get(param)
    if wanted in SCORES and wanted not in options:
        st.caption(f"There is no {SCORES[wanted].title} here: {SCORES[default].title} instead.")
        return default
    return address.choice(param, [default, *(one for one in options if one != default)], "score")


def changed(param: str) -> None:
    """A widget was changed: the URL says so before the page is drawn."""
    value = st.session_state[f"pick_{param}"]
    state.write_param(param, SCALES[int(value)] if param == "scale" else value)


def controls(view: View, known: dict[str, RunScore]) -> tuple[RunScore, RunScore, bool]:
    """The two scores, and whether x has a logarithmic scale; all three are in the URL."""
    names, address = list(known), Address()
    x = known[score(address, "x", names, scores.HARDNESS)]
    y = known[score(address, "y", names, scores.GATE_VALUE if view.gate else UNGATED_Y)]
    log = address.choice("scale", SCALES, "scale") == "log"
    address.write()
    across = scores.values(view, x.column)
    above = bool((across[np.isfinite(across)] > 0).all())
    with st.container(horizontal=True, vertical_alignment="bottom"):
        for param, label, shown in (("x", "Across", x), ("y", "Up", y)):
            st.session_state[f"pick_{param}"] = shown.column
            st.selectbox(
                label,
                names,
                key=f"pick_{param}",
                format_func=lambda name: known[name].title,
                on_change=changed,
                args=(param,),
            )
        st.session_state["pick_scale"] = log and above
        st.toggle(
            "Log scale across",
            key="pick_scale",
            disabled=not above,
            help="Where every value is above 0",
            on_change=changed,
            args=("scale",),
        )
    return x, y, log and above
