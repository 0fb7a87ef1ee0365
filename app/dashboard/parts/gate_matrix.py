"""All gates of a run over the epochs: a click chooses the gate that the other figures of the page show."""

from typing import get_args

import plotly.graph_objects as go
import streamlit as st

from app.dashboard import sentences
from app.dashboard.charts import gate_matrix as charts
from app.dashboard.charts.gate_matrix import Quantity
from app.dashboard.components.heading import heading
from app.dashboard.group_curves import GateMeans
from app.dashboard.results import over_epochs
from app.dashboard.view import selection, state
from app.dashboard.view.state import View
from app.dashboard.view.url import Address
from probes.stats.estimate import average, excess, gate_range, percent, share, significant, with_interval

PARAM = "cells"


def gate_matrix(view: View, gate: str) -> None:
    """Show the matrix of all gates, and the numbers of the chosen one at the epoch shown."""
    heading(
        f"All {len(view.log.gates)} gates over the epochs",
        "click a row to choose the gate of the figures below; all samples of the split",
        "B3U06", "g", "routed", "corrupted",
    )  # fmt: skip
    means = over_epochs.gate_means(view.at, view.split)
    quantity = quantity_chosen(means)
    clickable(
        view,
        charts.gate_matrix(view.data.epochs, view.log.gates, means, quantity, view.log.gates.index(gate)),
        "gate_matrix",
        f"Heatmap: {charts.TITLES[quantity]} of {len(view.log.gates)} gates over the epochs",
    )
    st.caption(sentences.escaped(at_epoch(view, gate)))


def clickable(view: View, figure: go.Figure, name: str, alt: str) -> None:
    """Show a matrix of gates, in which a click on a row chooses the gate.

    Args:
        view: the view.
        figure: of :mod:`app.dashboard.charts.gate_matrix`.
        name: of the chart on the page.
        alt: what it shows, in words.
    """
    key = f"{name}_{st.session_state.get('brush', 0)}"
    st.plotly_chart(
        figure,
        key=key,
        on_select=lambda: clicked(view, key),
        selection_mode="points",
        config=charts.CLICKED,
        alt=alt,
    )


def quantity_chosen(means: GateMeans) -> Quantity:
    """Widget for what is coloured; in the URL. The difference is offered where both groups have samples."""
    options = get_args(Quantity)
    present = [name for name in options if name != "difference" or (means.counts[1:] > 0).any((1, 2)).all()]
    address = Address()
    value = address.choice(PARAM, present, "colour", options)
    address.write()
    st.session_state["pick_cells"] = value
    st.radio(
        "Colour",
        present,
        key="pick_cells",
        horizontal=True,
        label_visibility="collapsed",
        format_func=lambda name: charts.TITLES[name],
        on_change=lambda: state.write_param(PARAM, st.session_state["pick_cells"]),
    )
    return value  # pyright: ignore[reportReturnType]


def clicked(view: View, key: str) -> None:
    """Choose the gate whose row was clicked; an empty event changes nothing."""
    place = selection.picked_coordinate(st.session_state[key])
    if place is not None and 0 <= round(place) < len(view.log.gates):
        state.choose_gate(view.log.gates[round(place)])


def at_epoch(view: View, gate: str) -> str:
    """Mean g, share routed, and difference of corrupted and clean samples of one gate at the epoch shown."""
    g = view.at_cursor("gate", gate)
    within = gate_range(g)
    known = view.known_at_cursor("routed", gate)
    routed = share(view.at_cursor("routed", gate)[known])
    text = (
        f"{gate.upper()} at epoch {view.epoch}: mean g {significant(average(g, within))}, "
        f"share routed {percent(routed)}, of {int(known.sum()):,} samples. "
    )
    if not view.data.samples.truth_known:
        return f"{text}It is not known which of them are corrupted."
    if not view.data.corrupted.any():
        return f"{text}None of them is corrupted."
    corrupted, clean = (average(g[members], within) for members in (view.data.corrupted, view.data.clean))
    return (
        f"{text}Mean g of {corrupted.n:,} corrupted minus that of {clean.n:,} clean: "
        f"{with_interval(excess(corrupted, clean), '{:+.3g}')}. Brackets: 95 % intervals over samples."
    )
