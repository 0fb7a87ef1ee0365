"""How the filters of all gates are used, and of the chosen gate by class; a click chooses a gate or a filter."""

import numpy as np
import streamlit as st

from app.dashboard.charts import filters as charts
from app.dashboard.charts.layout import CONFIG
from app.dashboard.components.heading import heading
from app.dashboard.parts.filters.choice import LABELS, choose, counted, name_of
from app.dashboard.results import filters as results
from app.dashboard.results.filters import Label
from app.dashboard.view import selection, state
from app.dashboard.view.state import View
from probes.gates.filters import CATEGORIES
from probes.gates.stored import GatesResult
from probes.result import ProbeResult

CLICKED = {**CONFIG, "displayModeBar": False}


def categories(view: View, result: ProbeResult, one: GatesResult, chosen: int) -> None:
    """Figure of the categories of filters over depth.

    Args:
        view: what is shown.
        result: of the probe.
        one: the same for the samples that pass the filter.
        chosen: place of the chosen filter.
    """
    always = result.config["always"]
    heading(
        "Always on, conditional, always off, over depth",
        f"click a bar to choose its gate; always: for more than {always:.4g} of {len(one.result.sample_id):,} samples",
        "filter", "always on", "conditional", "B3U06",
    )  # fmt: skip
    gates = list(one.sizes)
    category = results.use(view, result, "given").category(always)
    counts = np.stack(
        [np.bincount(category[one.gate_of == gate], minlength=len(CATEGORIES)) for gate in gates]
    )
    place = gates.index(str(one.gate_of[chosen]))
    key = f"categories_{gates[place]}"

    def clicked() -> None:
        x = selection.picked_coordinate(st.session_state[key], "x")
        if x is not None and 0 <= round(x) < len(gates):
            state.choose_gate(gates[round(x)])

    st.plotly_chart(
        charts.categories(gates, counts, place, one.part), key=key, on_select=clicked, selection_mode="points",
        config=CLICKED, alt=f"Stacked bars: share of the {one.part}s of {len(gates)} gates that are always on, "
        "conditional and always off",
    )  # fmt: skip
    off, conditional, on = counts.sum(axis=0).tolist()
    st.caption(f"Of {counted(one)} {on:,} are always on, {conditional:,} conditional and {off:,} always off.")


def frequencies(view: View, result: ProbeResult, one: GatesResult, chosen: int, label: Label) -> None:
    """Figure of how often the filters of the chosen gate are open, sorted, overall and by class.

    Args:
        view: what is shown.
        result: of the probe.
        one: the same for the samples that pass the filter.
        chosen: place of the chosen filter.
        label: whose class.
    """
    units, gate = one.part == "unit", str(one.gate_of[chosen])
    heading(
        "How often each unit is executed" if units else f"How often each filter of {gate.upper()} is executed",
        f"by class ({LABELS[label]}); click a row to choose the {one.part}",
        "filter", label_term(label),
    )  # fmt: skip
    use = results.use(view, result, label)
    places = np.arange(one.count) if units else np.flatnonzero(one.gate_of == gate)
    places = places[np.argsort(-use.opened[places].sum(axis=1), kind="stable")]
    labels = [name_of(one, place).rpartition("/")[2] for place in places.tolist()]
    key = f"frequencies_{gate}_{one.number[chosen]}_{label}"

    def clicked() -> None:
        y = selection.picked_coordinate(st.session_state[key], "y")
        if y is not None and 0 <= round(y) < len(places):
            choose(one, int(places[round(y)]))

    st.plotly_chart(
        charts.frequencies(
            labels, use.opened[places], use.samples, one.class_names, places.tolist().index(chosen),
            one.part,
        ),
        key=key, on_select=clicked, selection_mode="points", config=CLICKED,
        alt=f"Share of the samples for which each of {len(places)} {one.part}s is open, overall and by class",
    )  # fmt: skip


def label_term(label: Label) -> str:
    """Term of the glossary for a label."""
    return LABELS[label]
