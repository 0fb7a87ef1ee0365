"""Routes by corruption at the epoch shown: counts to click, precision, recall and odds ratio."""

from dataclasses import replace

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from app.dashboard.components.heading import heading
from app.dashboard.view import state
from app.dashboard.view.state import View
from probes.stats.contingency import Contingency, contingency
from probes.stats.estimate import percent

ROUTES = ("routed", "skipped")
KINDS = ("corrupted", "clean")


def counted(view: View) -> NDArray[np.bool_]:
    """Samples that the table counts, bool [N]: route and truth known, and passing the filter but for its route."""
    return (
        _passing(view) & view.known_at_cursor("routed", view.gate) & (view.data.clean | view.data.corrupted)
    )


def _passing(view: View) -> NDArray[np.bool_]:
    """Samples that pass the filter but for its route, bool [N]."""
    none = np.zeros(len(view.data), bool)
    return replace(view.only, route="all").matching(view.data.cause, view.data.clean_label, none, none)


def cell(view: View, route: str, kind: str) -> NDArray[np.bool_]:
    """Samples that a cell of the table counts, bool [N]."""
    routed = view.at_cursor("routed", view.gate)
    corrupted = view.data.corrupted
    return counted(view) & (routed == (route == "routed")) & (corrupted == (kind == "corrupted"))


def crosstable(view: View, gate: str) -> None:
    """Show the table of one gate; a click on a cell selects its samples."""
    heading(
        f"Routes through {gate.upper()} by corruption at epoch {view.epoch}",
        "click a count to select its samples",
        "B3", "g", "routed", "skipped",
    )  # fmt: skip
    members = counted(view)
    counts = contingency(view.at_cursor("routed", gate)[members], view.data.corrupted[members])
    if not view.data.samples.truth_known:
        st.caption(
            "It is not known which samples of this run are corrupted: there is nothing to compare routes with."
        )
        return
    missing = int(_passing(view).sum()) - counts.n
    if counts.n == 0:
        st.caption("No sample that passes the filter has a route in this epoch.")
        return
    with st.container(gap="xsmall"):
        _cells(view, counts)
    st.markdown("  \n".join(_sentences(counts)))
    route = (
        ""
        if view.only.route == "all"
        else " The filter on the route is not applied here: it would empty a row."
    )
    unknown = f" The route of {missing:,} samples is missing in this epoch." if missing else ""
    st.caption(f"Brackets: 95 % intervals, Wilson's for shares, Woolf's for the odds ratio.{route}{unknown}")


def _cells(view: View, counts: Contingency) -> None:
    sizes = {"routed": counts.routed, "skipped": counts.skipped}
    by_cell = dict(zip([(route, kind) for route in ROUTES for kind in KINDS], counts.cells, strict=True))
    head = st.columns([3, 4, 4], gap="small")
    for column, kind, size in zip(head[1:], KINDS, (counts.corrupted, counts.clean), strict=True):
        column.markdown(f"**{kind}** :small[{size:,}]")
    for route in ROUTES:
        row = st.columns([3, 4, 4], gap="small", vertical_alignment="center")
        row[0].markdown(f"**{route}**  \n:small[{sizes[route]:,}]")
        for column, kind in zip(row[1:], KINDS, strict=True):
            count = by_cell[route, kind]
            part = f" · {count / sizes[route]:.1%}" if sizes[route] else ""
            column.button(
                f"{count:,}{part}",
                key=f"cell_{route}_{kind}",
                help=f"Select the {kind} samples that are {route}; percentage: of all {route} samples.",
                disabled=count == 0,
                width="stretch",
                on_click=_choose,
                args=(view, route, kind),
            )


def _choose(view: View, route: str, kind: str) -> None:
    how = f"{kind} and {route} by {(view.gate or '').upper()} at epoch {view.epoch}"
    state.select_places(view, cell(view, route, kind), how)


def _sentences(counts: Contingency) -> list[str]:
    """Precision, recall and odds ratio as sentences, each with its 95 % interval."""
    recall = f"Recall **{percent(counts.recall)}** (share of the corrupted that are routed)"
    if not counts.corrupted:
        return ["No corrupted samples in this filter."]
    if not counts.clean:
        return ["No clean samples in this filter.", recall]
    lines = [f"Precision **{percent(counts.precision)}** (share of the routed that are corrupted)", recall]
    odds = counts.odds_ratio
    if odds.value is None:
        return [*lines, "All samples take the same route: the odds ratio is not defined."]
    half = " (0.5 added to each count)" if counts.continuity else ""
    return [*lines, f"Odds ratio **{odds.value:.3g} [{odds.low:.3g}, {odds.high:.3g}]**{half}"]
