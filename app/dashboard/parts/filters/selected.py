"""The selected samples against the rest: which filters they open more or less often, and what they cost."""

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from app.dashboard.charts import filters as charts
from app.dashboard.components.heading import heading
from app.dashboard.components.sections import PARAM
from app.dashboard.parts.filters.choice import choose, name_of
from app.dashboard.parts.filters.network import CLICKED
from app.dashboard.parts.filters.one_filter import change
from app.dashboard.results import filters as results
from app.dashboard.sentences import escaped
from app.dashboard.view import selection, state
from app.dashboard.view.state import View
from probes.gates.contrasts import FilterContrasts
from probes.gates.cost import cost_of, unit_of
from probes.gates.filters import CATEGORIES
from probes.gates.stored import GatesResult
from probes.gates.table import cost_form, scaled
from probes.result import ProbeResult
from probes.stats.estimate import average, estimate, excess, points
from probes.stats.stratified import stratified_difference

ROWS = 20
"""Filters in the table: of each the difference within classes is computed as well."""


def selected_samples(view: View, result: ProbeResult, one: GatesResult, chosen: int) -> None:
    """Everything about the selected samples.

    Args:
        view: what is shown.
        result: of the probe.
        one: the same for the samples that pass the filter.
        chosen: place of the chosen filter.
    """
    heading("Selected samples against the rest", "", "filter", "within classes", "interval")
    if view.selected is None:
        st.info(
            "No samples are selected: select some on any page, then their patterns are compared with the rest here."
        )
        return
    members = results.selected(view, one)
    count, rest = int(members.sum()), int((~members).sum())
    if count == 0 or rest == 0:
        missing = "None" if count == 0 else "All"
        st.info(
            f"{missing} of the probed samples that pass the filter are selected: there is nothing to compare."
        )
        return
    contrasts = results.contrasts(view, result)
    st.markdown(
        f"{count:,} selected samples ({escaped(view.selected.how)}) against the other {rest:,} probed samples that "
        f"pass the filter. {int(contrasts.resolved.sum()):,} of {one.count:,} {one.part}s differ."
    )
    st.caption(escaped(cost_sentence(one, members)))
    figure(one, contrasts, chosen)
    category = results.use(view, result, "given").category(result.config["always"])
    table(one, contrasts, members, category, chosen)
    st.button(
        f"Show {name_of(one, chosen)} and its pictures", key="show_filter", icon=":material/arrow_forward:",
        on_click=state.write_param, args=(PARAM, "filters"),
    )  # fmt: skip


def cost_sentence(one: GatesResult, members: NDArray[np.bool_]) -> str:
    """How the cost of the selected samples differs from that of the rest."""
    cost, within = cost_of(one)
    unit, form = unit_of(one), cost_form(unit_of(one), within[1])
    sides = [average(cost[side], within) for side in (members, ~members)]
    inside = stratified_difference(cost, members, ~members, one.image_class)
    letter = f" {form[1]}" if form[1] else ""
    return (
        f"{unit} of a sample: {scaled(sides[0], form)}{letter} of the selected, {scaled(sides[1], form)}{letter} of "
        f"the rest; difference {scaled(excess(*sides), form, '+')}, within classes {scaled(inside, form, '+')} (95 % "
        "intervals)."
    )


def figure(one: GatesResult, contrasts: FilterContrasts, chosen: int) -> None:
    """Difference of every filter over depth; a click chooses the filter."""
    key = f"contrasts_{chosen}"

    def clicked() -> None:
        x = selection.picked_coordinate(st.session_state[key], "x")
        if x is not None and 0 <= round(x) < one.count:
            choose(one, round(x))

    heading(
        f"Share open, selected minus rest, of every {one.part}", f"click a point to choose the {one.part}"
    )
    labels = [name_of(one, place) for place in range(one.count)]
    st.plotly_chart(
        charts.contrasts(contrasts, one.sizes, labels, chosen, one.part), key=key, on_select=clicked,
        selection_mode="points", config=CLICKED,
        alt=f"Difference of the shares open of {one.count} {one.part}s, selected minus rest",
    )  # fmt: skip


def table(
    one: GatesResult,
    contrasts: FilterContrasts,
    members: NDArray[np.bool_],
    category: NDArray[np.int8],
    chosen: int,
) -> None:
    """Filters with the largest differences; a click on a row chooses the filter."""
    order = contrasts.order[:ROWS]
    heading(
        "Largest differences",
        "in percentage points; click a row to choose the filter",
        "within classes",
        "interval",
    )
    rows = [row(one, contrasts, members, category, place) for place in order.tolist()]

    key = f"largest_differences_{chosen}"  # another one unmarks the row of the filter before

    def picked() -> None:
        event: Any = st.session_state[key]
        place = selection.picked_row(event)
        if place is not None and place < len(order):
            choose(one, int(order[place]))

    st.dataframe(
        pd.DataFrame(rows), hide_index=True, key=key, on_select=picked, height=290,
        selection_mode=["single-row", "single-cell"],
    )  # fmt: skip
    st.caption(
        f"The {len(order)} of {one.count:,} {one.part}s with intervals farthest from 0. Intervals: Newcombe's; with a "
        f"chance of 95 % those of all {one.count:,} {one.part}s hold together (Bonferroni), since some of so many "
        f"differ by chance. Within classes: of one {one.part} alone, Student's."
    )


def row(
    one: GatesResult,
    contrasts: FilterContrasts,
    members: NDArray[np.bool_],
    category: NDArray[np.int8],
    place: int,
) -> dict[str, str]:
    """A filter as a row."""
    opened = one.filter(str(one.gate_of[place]), int(one.number[place]))
    apart = estimate(*contrasts.ends(place), n=len(members))
    inside = stratified_difference(opened.astype(np.float64), members, ~members, one.image_class)
    return {
        one.part: name_of(one, place),
        "category": CATEGORIES[category[place]],
        "selected": f"{contrasts.selected[place]:.1%}",
        "rest": f"{contrasts.rest[place]:.1%}",
        "selected minus rest": points(apart),
        "within classes": change(inside),
    }
