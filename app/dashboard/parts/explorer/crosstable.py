"""Routed or skipped against corrupted or clean, at the cursor's epoch: counts to click, and what they say."""

from dataclasses import replace

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from app.dashboard.view import state
from app.dashboard.view.state import View
from probes.stats.contingency import Contingency, contingency
from probes.stats.estimate import percent

ROUTES = ("routed", "skipped")
KINDS = ("corrupted", "clean")


def counted(view: View) -> NDArray[np.bool_]:
    """Which samples [N] the table counts: who the epoch has seen and the filter lets pass, whatever its route."""
    seen = view.at_cursor("seen")
    everywhere = replace(view.only, route="all")
    return everywhere.matching(view.data.cause, view.data.clean_label, seen, seen) & seen


def cell(view: View, route: str, kind: str) -> NDArray[np.bool_]:
    """Which samples [N] a cell of the table counts."""
    routed = view.at_cursor("routed", view.gate)
    corrupted = view.data.corrupted
    return counted(view) & (routed == (route == "routed")) & (corrupted == (kind == "corrupted"))


def crosstable(view: View, gate: str) -> None:
    """The table of one gate; a click on a cell selects its samples."""
    st.markdown(f"**{gate.upper()} at epoch {view.epoch}** · click a count to select its samples")
    members = counted(view)
    found = contingency(view.at_cursor("routed", gate)[members], view.data.corrupted[members])
    if found.n == 0:
        st.caption("This epoch has seen no sample that passes the filter.")
        return
    with st.container(gap="xsmall"):
        _cells(view, found)
    st.markdown("  \n".join(_sentences(found)))
    route = (
        "" if view.only.route == "all" else " The filter on the route is left out here: it would empty a row."
    )
    st.caption(f"95 % intervals: Wilson's of a share, Woolf's of the odds ratio.{route}")


def _cells(view: View, found: Contingency) -> None:
    sizes = {"routed": found.routed, "skipped": found.skipped}
    counts = dict(zip([(route, kind) for route in ROUTES for kind in KINDS], found.cells, strict=True))
    head = st.columns([3, 4, 4], gap="small")
    for column, kind, size in zip(head[1:], KINDS, (found.corrupted, found.clean), strict=True):
        column.markdown(f"**{kind}** :small[{size:,}]")
    for route in ROUTES:
        row = st.columns([3, 4, 4], gap="small", vertical_alignment="center")
        row[0].markdown(f"**{route}**  \n:small[{sizes[route]:,}]")
        for column, kind in zip(row[1:], KINDS, strict=True):
            count = counts[route, kind]
            part = f" · {count / sizes[route]:.1%}" if sizes[route] else ""
            column.button(
                f"{count:,}{part}",
                key=f"cell_{route}_{kind}",
                help=f"Select the {kind} samples that are {route}; the percentage is of all {route} ones.",
                disabled=count == 0,
                width="stretch",
                on_click=_choose,
                args=(view, route, kind),
            )


def _choose(view: View, route: str, kind: str) -> None:
    how = f"{kind} and {route} by {(view.gate or '').upper()} at epoch {view.epoch}"
    state.select_places(view, cell(view, route, kind), how)


def _sentences(found: Contingency) -> list[str]:
    """What the counts say, each number with its 95 % interval."""
    recall = f"Recall **{percent(found.recall)}**: routed, of the corrupted"
    if not found.corrupted:
        return ["There is no corrupted sample here, so there is nothing to tell apart."]
    if not found.clean:
        return ["There is no clean sample here, so there is nothing to tell apart.", recall]
    lines = [f"Precision **{percent(found.precision)}**: corrupted, of the routed", recall]
    odds = found.odds_ratio
    if odds.value is None:
        return [*lines, "All take one route, so there is no odds ratio."]
    half = ": 0.5 added to each count" if found.continuity else ""
    return [*lines, f"Odds ratio **{odds.value:.3g} [{odds.low:.3g}, {odds.high:.3g}]**{half}"]
