"""Curves and histograms over the epochs of a split, computed once for each state of the log.

The filter applies to the histograms, in which samples are selected; the curves compare groups of all samples.
"""

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from app.dashboard import group_curves, logs
from app.dashboard.group_curves import Band, GateMeans, Share
from app.dashboard.logs import Stamp
from app.dashboard.view.state import View

Evolution = tuple[NDArray[np.float64], NDArray[np.int32]]


def evolution(view: View, quantity: str = "gate") -> Evolution:
    """Edges of the bins of g (or of H: ``entropy``), and histogram [bins, E] of the samples that pass the filter."""
    assert view.gate is not None
    # The epoch matters to the filter only where it asks for a route.
    epoch = view.epoch if view.only.route != "all" else None
    return _evolution(view, view.at, view.split, view.gate, quantity, str(view.only), epoch)


@st.cache_data(max_entries=64, show_spinner=False)
def _evolution(
    _view: View,
    at: Stamp,
    split: str,
    gate: str,
    quantity: str,
    only: str,
    epoch: int | None,
) -> Evolution:
    values = logs.matrix(at, split, quantity, gate)
    choices = 2 if _view.run.outline.gate_is_two_way else len(_view.log.class_names)
    edges = group_curves.edges(values, choices, quantity)
    members = slice(None) if _view.members.all() else _view.members
    return edges, group_curves.evolution(values[:, members], edges)


BAND_SAMPLES = 5000
"""Samples behind a band of quartiles, evenly spaced in the log: all 40,000 would take a second for each figure."""


@st.cache_data(max_entries=256, show_spinner=False)
def clean_quartiles(
    at: Stamp, split: str, name: str, gate: str | None, label: int | None = None
) -> NDArray[np.float32]:
    """Quartiles [3, E] of a quantity of at most :data:`BAND_SAMPLES` clean samples, of one class or of all."""
    data = logs.split_data(at, split)
    members = data.clean
    if label is not None:
        members = members & (data.clean_label == label)
    places = np.flatnonzero(members)
    return group_curves.quartiles(
        logs.matrix(at, split, name, gate), places[:: -(-len(places) // BAND_SAMPLES) or 1]
    )


@st.cache_data(max_entries=64, show_spinner=False)
def routed_shares(at: Stamp, split: str, gate: str) -> dict[str, Share]:
    """Share routed through a gate's block, by cause."""
    routed, known = logs.matrix(at, split, "routed", gate), logs.known(at, split, "routed", gate)
    cause = logs.split_data(at, split).cause
    return {
        name: group_curves.share(routed, known, members)
        for name, members in group_curves.cohorts(cause).items()
    }


@st.cache_data(max_entries=16, show_spinner="Reading the gates …")
def gate_means(at: Stamp, split: str) -> GateMeans:
    """Mean g and share routed of every gate at every epoch."""
    data = logs.split_data(at, split)
    return group_curves.gate_means(logs.of_every_gate(at, split), data.cause, len(data.epochs))


@st.cache_data(max_entries=64, show_spinner=False)
def gates_of_sample(at: Stamp, split: str, position: int) -> NDArray[np.float32]:
    """Values of g of one sample at every gate and epoch, [G, E]."""
    return logs.of_sample(at, split, position)


@st.cache_data(max_entries=64, show_spinner=False)
def accuracy(at: Stamp, split: str, label: str, group: str) -> Share:
    """Share of samples predicted as a label, over the epochs.

    Args:
        at: which state of the log.
        split: of it.
        label: ``given`` or ``clean``.
        group: ``all``, ``wrong label``, or a cause.
    """
    data = logs.split_data(at, split)
    members = {
        "all": np.ones(len(data.cause), bool),
        "wrong label": data.given_label != data.clean_label,
    }.get(group, data.cause == group)
    hits, known = logs.matrix(at, split, f"correct_{label}"), logs.known(at, split, f"correct_{label}")
    return group_curves.share(hits, known, members)


@st.cache_data(max_entries=64, show_spinner=False)
def macs(at: Stamp, split: str) -> dict[tuple[str, str], Band]:
    """Mean MACs over the epochs of clean and corrupted samples, of a log that has them; the routes are ``""``."""
    values, states = logs.matrix(at, split, "macs"), group_curves.states(logs.split_data(at, split).cause)
    return {(state, ""): group_curves.mean_band(values, members) for state, members in states.items()}


@st.cache_data(max_entries=64, show_spinner=False)
def loss_by_route(at: Stamp, split: str, gate: str | None, epoch: int) -> dict[tuple[str, str], Band]:
    """Mean loss over the epochs of clean and corrupted samples, by their route at one epoch.

    Args:
        at: which state of the log.
        split: of it.
        gate: name of the gate; None for an ungated network, whose route is ``""``.
        epoch: epoch of the routes.
    """
    data, loss = logs.split_data(at, split), logs.matrix(at, split, "loss")
    row = int(np.flatnonzero(data.epochs == epoch)[0])
    routes = {"": np.ones(len(data), bool)}
    if gate is not None:
        routed, known = (
            logs.matrix(at, split, "routed", gate)[row],
            logs.known(at, split, "routed", gate)[row],
        )
        routes = {"routed": known & routed, "skipped": known & ~routed}
    states = group_curves.states(data.cause)
    groups = {
        (state, route): in_state & on_route
        for state, in_state in states.items()
        for route, on_route in routes.items()
    }
    return {
        group: group_curves.mean_band(loss, members) for group, members in groups.items() if members.any()
    }
