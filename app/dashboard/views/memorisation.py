"""Memorisation: what models of random subsets say of each sample, in a run that is one of them."""

import streamlit as st

from app.dashboard.components.panel import panel
from app.dashboard.components.sections import section
from app.dashboard.parts.brush import open_clicked
from app.dashboard.parts.memorisation.attacks import vulnerability
from app.dashboard.parts.memorisation.beside_scores import beside_scores
from app.dashboard.parts.memorisation.by_cause import memorised
from app.dashboard.parts.memorisation.influence import influence
from app.dashboard.parts.memorisation.missing import missing
from app.dashboard.results import memorisation, scores
from app.dashboard.results.memorisation import Measured
from app.dashboard.sentences import escaped
from app.dashboard.view import state
from memgate.errors import MemgateError

PARTS = {
    "mem": "Memorisation",
    "scores": "Beside scores",
    "influence": "Influence",
    "vulnerability": "Vulnerability",
}


def origin(measured: Measured) -> str:
    """Where the estimates come from, in a sentence."""
    result = measured.result
    left_out = result.config.get("left_out") or {}
    missing_models = f" {len(left_out)} models are left out with their blocks." if left_out else ""
    return (
        f"Group {result.group}: {len(result.models)} models, each trained on {result.fraction:.0%} of the "
        f"{len(result.sample_id):,} training samples; estimates of epoch {measured.epoch}. mem says what leaving out "
        f"{1 - result.fraction:.0%} of the samples at once does.{missing_models}"
    )


def page() -> None:
    """The whole page."""
    view = state.view()
    if memorisation.result_file(view) is None:
        missing(view)
        return
    measured = memorisation.measured(view)
    if measured is None:
        first = memorisation.estimates(view)
        assert first is not None
        st.info(
            f"The group's first estimates are of epoch {first.epochs[0]}: set the epoch in the sidebar to it."
        )
        return
    open_clicked(view)
    part = section(PARTS)
    if part != "influence" and view.split != "train":
        st.info("mem is of the training samples: set the split in the sidebar to train.")
        return
    st.caption(escaped(origin(measured)))
    for note in scores.stored_notes(view):
        state.problem(note)
    if part == "influence":
        influence(measured)
    elif part == "scores":
        beside_scores(measured)
    elif part == "vulnerability":
        vulnerability(measured)
    else:
        memorised(measured)
    if view.split == "train":
        panel(view, "drag in a chart, or use a button.")


try:
    page()
except MemgateError as error:
    state.problem(error)
