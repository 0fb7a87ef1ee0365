"""Routes of the same samples in several runs: heatmaps of g, agreement, selections, share routed."""

import pandas as pd
import streamlit as st

from app.dashboard.charts import compare as charts
from app.dashboard.charts.layout import CONFIG
from app.dashboard.components.heading import heading
from app.dashboard.components.panel import panel
from app.dashboard.parts.compare.runs import ComparedRun, Comparison, Pair, pairs_of, routed_shares
from app.dashboard.results import over_epochs
from app.dashboard.view import state
from app.dashboard.view.state import View
from app.dashboard.view.url import Address
from probes.samples.filters import of_cause
from probes.stats.estimate import decimal, percent

GROUPS = {"all": "all samples", "clean": "clean", "corrupted": "corrupted"}


def heatmaps(comparison: Comparison) -> None:
    """Heatmaps of g over the epochs, one for each gated run."""
    heading("Gate value over the epochs", "one colour scale, the same axes", "g", "B3", "routed")
    shown = [(one.name, one.view.data.epochs, *over_epochs.evolution(one.view)) for one in comparison.gated]
    gates = [one.view.gate or "" for one in comparison.gated]
    st.plotly_chart(
        charts.evolutions(shown, gates),
        key="evolutions",
        config=CONFIG,
        alt="Heatmaps side by side: number of samples by epoch and gate value in each run",
    )


def agreements(pairs: list[Pair]) -> None:
    """Table of the agreement of the routes of each pair of runs."""
    rows = [
        {
            "runs": f"{pair.first.letter}, {pair.second.letter}",
            "samples": GROUPS[group],
            "n": one.n,
            "same route": percent(one.same),
            "Jaccard of the routed": decimal(one.jaccard),
            "Cohen's kappa": decimal(one.kappa),
        }
        for pair in pairs
        for group, one in pair.agreements().items()
    ]
    heading("Do they route the same samples?", "", "routed", "Jaccard", "Cohen's kappa")
    st.dataframe(pd.DataFrame(rows), hide_index=True, key="agreement", height="content")
    st.caption(
        "Jaccard: of the samples routed by at least one run, the share routed by both. Kappa: agreement beyond "
        "chance, from 0 (chance, given the two shares routed) to 1. Brackets: 95 % intervals over samples."
    )


def pair_chosen(pairs: list[Pair]) -> Pair:
    """Widget for the pair of runs that the table and the heatmap below show."""
    options = {f"{pair.first.letter}-{pair.second.letter}": pair for pair in pairs}
    address = Address()
    value = address.choice("pair", list(options), "pair")
    address.write()
    if len(options) > 1:
        st.session_state["pick_pair"] = value
        st.radio("Two runs", list(options), horizontal=True, key="pick_pair", on_change=_pair_picked)
    return options[value]


def _pair_picked() -> None:
    state.write_param("pair", st.session_state["pick_pair"])


def flips(view: View, pair: Pair) -> None:
    """Table of routes in two runs, 2 x 2: each cell selects its samples."""
    of_first, of_second = pair.routed
    corrupted = of_cause(pair.cause, "corrupted")
    heading(
        f"Routes in {pair.first.letter} and {pair.second.letter}",
        "click a count to select samples in run A",
    )
    for row, first in ((of_first, "routed"), (~of_first, "skipped")):
        for column, (both, second) in zip(
            st.columns(2, gap="small"), ((of_second, "routed"), (~of_second, "skipped")), strict=True
        ):
            members = row & both
            how = f"{first} {_place(pair.first)}, {second} {_place(pair.second)}"
            column.button(
                f"{first} in {pair.first.letter}, {second} in {pair.second.letter}: "
                f"{int(members.sum()):,} ({int((members & corrupted).sum()):,} corrupted)",
                key=f"flip_{first}_{second}",
                disabled=not members.any(),
                on_click=state.select,
                args=(view, pair.sample_id[members], how),
                width="stretch",
            )


def _place(one: ComparedRun) -> str:
    return f"by {(one.view.gate or '').upper()} of {one.view.run.name} at epoch {one.view.epoch}"


def density(pair: Pair) -> None:
    """Heatmap of g in one run over g in the other."""
    heading(f"g in {pair.second.letter} over g in {pair.first.letter}", "lines at 0.5", "g")
    names = f"{pair.first.letter}", f"{pair.second.letter}"
    st.plotly_chart(
        charts.density(pair.gate, names),
        key="density",
        config=CONFIG,
        alt=f"Heatmap: number of samples by gate value in run {names[0]} and in run {names[1]}",
    )


def shares(comparison: Comparison) -> None:
    """Chart of the share routed in each gated run over the epochs."""
    heading("Share routed", "colour: clean or corrupted; line: run; 95 % bands", "routed")
    shown = [(one.letter, one.view.data.epochs, routed_shares(one.view)) for one in comparison.gated]
    st.plotly_chart(
        charts.shares(shown), key="shares", config=CONFIG, alt="Share routed over the epochs in each run"
    )


def routing(view: View, comparison: Comparison) -> None:
    """Charts and tables of gated runs."""
    if not comparison.gated:
        st.info("None of these runs has a gate: there is no routing to compare.")
        return
    heatmaps(comparison)
    pairs = pairs_of(comparison)
    if not pairs:
        st.info("Only one of these runs has a gate: there are no routes to compare.")
        shares(comparison)
        return
    agreements(pairs)
    pair = pair_chosen(pairs)
    flips(view, pair)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        shares(comparison)
    with right:
        density(pair)
    panel(view, "click a count in the table of routes.")
