"""The two scores of the Explorer's scatter plot: chosen in two lists, kept in the URL."""

from collections.abc import Sequence

import numpy as np
import streamlit as st

from app.dashboard.glossary import SCORE_TERMS, definitions
from app.dashboard.results import scores
from app.dashboard.results.scores import RunScore
from app.dashboard.view import state
from app.dashboard.view.state import View
from app.dashboard.view.url import Address
from probes.scores.catalogue import SCORES

SCALES = ("linear", "log")

UNGATED_Y = "variability"
"""Default score of the y axis where there is no gate."""


def named(view: View, measure: RunScore) -> str:
    """Name of a score in a sentence; with the gate's name where there are several gates."""
    if measure.gate is None or len(view.log.gates) < 2:
        return measure.score.title
    return f"{measure.score.title} of {measure.gate.upper()}"


def score(address: Address, param: str, options: Sequence[str], default: str) -> str:
    """Column of the score that the URL names, see :meth:`app.dashboard.view.url.Address.choice`.

    A score that this view does not have stays in the URL: another run or epoch may have it.
    """
    wanted = address.params.get(param)
    if wanted in scores.EVERY and wanted not in options:
        st.caption(
            f"{scores.EVERY[wanted].title} is not available here: {SCORES[default].title} is shown instead."
        )
        return default
    return address.choice(param, [default, *(one for one in options if one != default)], "score")


def changed(param: str) -> None:
    """Write a changed widget to the URL before the page is drawn."""
    value = st.session_state[f"pick_{param}"]
    state.write_param(param, SCALES[int(value)] if param == "scale" else value)


def controls(view: View, known: dict[str, RunScore]) -> tuple[RunScore, RunScore, bool]:
    """Scores of the x and the y axis, and whether x has a logarithmic scale; all three are in the URL."""
    names, address = list(known), Address()
    x = known[score(address, "x", names, scores.HARDNESS)]
    y = known[score(address, "y", names, scores.GATE_VALUE if view.gate else UNGATED_Y)]
    log = address.choice("scale", SCALES, "scale") == "log"
    address.write()
    values = scores.values(view, x.column)
    positive = bool((values[np.isfinite(values)] > 0).all())
    with st.container(horizontal=True, vertical_alignment="bottom"):
        for param, label, shown in (("x", "X axis", x), ("y", "Y axis", y)):
            st.session_state[f"pick_{param}"] = shown.column
            st.selectbox(
                label,
                names,
                key=f"pick_{param}",
                format_func=lambda name: known[name].title,
                help=f"{shown.score.meaning}\n\n{definitions(*SCORE_TERMS)}",
                on_change=changed,
                args=(param,),
            )
        st.session_state["pick_scale"] = log and positive
        st.toggle(
            "Logarithmic x axis",
            key="pick_scale",
            disabled=not positive,
            help="Available if every value is above 0",
            on_change=changed,
            args=("scale",),
        )
    return x, y, log and positive
