"""What the pages draw over the epochs of a split, computed once for each state of the log."""

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from app import curves, queries
from app.queries import Stamp
from app.state import View

Evolution = tuple[NDArray[np.float64], NDArray[np.int32]]


def evolution(view: View, quantity: str = "gate") -> Evolution:
    """Edges of the bins of g (or of H: ``entropy``), and the histogram [bins, E] of who passes the filter."""
    assert view.gate is not None
    # The filter asks for the cursor's epoch only where it asks for a route.
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
    values = queries.matrix(at, split, quantity, gate)
    edges = curves.edges(values, len(_view.log.class_names), quantity)
    members = slice(None) if _view.members.all() else _view.members
    return edges, curves.evolution(values[:, members], edges)


@st.cache_data(max_entries=256, show_spinner=False)
def clean_quartiles(
    at: Stamp, split: str, name: str, gate: str | None, label: int | None = None
) -> NDArray[np.float32]:
    """Quartiles [3, E] of a quantity over the clean samples, or over those of one class."""
    data = queries.split_data(at, split)
    members = data.cause == "clean"
    if label is not None:
        members = members & (data.clean_label == label)
    return curves.quartiles(queries.matrix(at, split, name, gate), members)
