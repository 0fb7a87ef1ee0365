"""Filters: which filters each sample opens, for which classes and corruptions, what that costs, and what it is for."""

import streamlit as st

from app.dashboard import sentences
from app.dashboard.components.ask import suggest_command
from app.dashboard.components.panel import panel
from app.dashboard.components.sections import section
from app.dashboard.parts.brush import open_clicked
from app.dashboard.parts.filters import choice
from app.dashboard.parts.filters.cost import costs
from app.dashboard.parts.filters.network import categories, frequencies
from app.dashboard.parts.filters.one_filter import one_filter
from app.dashboard.parts.filters.patterns import patterns
from app.dashboard.parts.filters.routes import routes
from app.dashboard.parts.filters.selected import selected_samples
from app.dashboard.results import filters as results
from app.dashboard.results import probe_results, scores
from app.dashboard.view import state
from app.dashboard.view.state import View
from memgate.errors import MemgateError
from probes.gates.stored import GatesResult
from probes.result import ProbeResult
from probes.samples.notes import unbound

PARTS = {
    "filters": "Filters",
    "selected": "Selected against the rest",
    "cost": "MACs and hardness",
    "routes": "Forced routes",
    "patterns": "Patterns",
}


def probed(view: View, result: ProbeResult, one: GatesResult) -> str:
    """What was probed, in one sentence."""
    size, n = len(result.values["pattern"]), len(result.sample_id)
    kept = size * n
    text = f"{kept / 1e6:.1f} MB" if kept >= 1e6 else f"{kept / 1e3:.1f} kB"
    facts = (
        f"Checkpoint {result.checkpoint} of epoch {result.epoch}: {len(one.result.sample_id):,} of {n:,} probed "
        f"samples of {result.split} pass the filter; {choice.counted(one)}, stored as a bit each "
        f"per sample ({text})."
    )
    if not one.has_macs:
        facts += f" A unit counts as open for a sample where g is above {result.config['threshold']:.4g}."
    return " ".join([facts, *unbound(result)])


def page() -> None:
    """The whole page."""
    view = state.view()
    if reason := results.unprobeable(view):
        st.info(sentences.escaped(reason))
        return
    stored = probe_results.results(view, probe_results.GATES)
    if not stored:
        reason = f"The gates probe has not run on the {view.split} samples of this run yet."
        suggest_command(view, "gates", reason, f" --splits {view.split}", show=st.info)
        return
    open_clicked(view)
    part = section(PARTS)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        result = choice.checkpoint(stored)
        label = choice.label_of_class(view) if part == "filters" else "given"
    one = results.patterns(view, result)
    if len(one.result.sample_id) == 0:
        st.info("No probed sample passes the filter.")
        return
    st.caption(sentences.escaped(probed(view, result, one)))
    for note in scores.stored_notes(view):
        state.problem(note)
    if part == "cost":
        costs(view, result, one)
        panel(view, "drag in the scatter plot.")
        return
    if part == "routes":
        routes(view, result, one)
        return
    if part == "patterns":
        patterns(view, result, one)
        return
    chosen = choice.filter_shown(view, result, one)
    if part == "selected":
        selected_samples(view, result, one, chosen)
        panel(view, "select some on any page.")
        return
    left, right = st.columns([2, 3], gap="medium")
    with left:
        categories(view, result, one, chosen)
    with right:
        frequencies(view, result, one, chosen, label)
    one_filter(view, result, one, chosen, label)
    panel(view, "the buttons select samples by the chosen filter.")


try:
    page()
except MemgateError as error:
    state.problem(error)
