"""How well scores detect corrupted samples among those that pass the filter; cached."""

from dataclasses import dataclass

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from app.dashboard import logs
from app.dashboard.group_curves import thinned
from app.dashboard.results import scores
from app.dashboard.view.state import View
from memgate.errors import reading
from probes.dynamics.snapshot import Snapshot
from probes.samples.filters import of_cause
from probes.scores.detection import Separation, auroc, average_precision
from probes.scores.over_epochs import EpochCurve, EpochQuantity, curves_of
from probes.stats.ranking import order

Curve = tuple[NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True)
class Detection:
    """How well a score separates corrupted from clean samples."""

    separation: Separation
    average_precision: float | None
    prevalence: float | None
    """Share of corrupted samples: the average precision of chance."""
    roc: Curve
    """Thinned for drawing."""
    precision_recall: Curve
    """Recall and precision, likewise."""


NOTHING: Curve = (np.zeros(0), np.zeros(0))


def members(view: View, against: str) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Clean samples, and those of a cause (or all corrupted ones), that pass the filter: two bool [N]."""
    cause = view.data.cause
    positive = of_cause(cause, against)
    return (cause == "clean") & view.members, positive & view.members


def detection(view: View, column: str, against: str) -> Detection:
    """Detection of corrupted samples by a score up to the epoch shown.

    Args:
        view: run, split, filter and epoch.
        column: a key of :func:`app.dashboard.results.scores.available`.
        against: a cause, or ``corrupted`` for all of them.
    """
    epoch, of_gate = view.epoch, view.gate
    state = scores.stored_state(view)
    return _detection(view, view.at, view.split, column, of_gate, epoch, str(view.only), against, state)


@st.cache_data(max_entries=400, show_spinner=False)
def _detection(
    _view: View,
    at: logs.Stamp,
    split: str,
    column: str,
    gate: str | None,
    epoch: int | None,
    only: str,
    against: str,
    stored: tuple[tuple[str, int], ...],
) -> Detection:
    clean, corrupted = members(_view, against)
    hardness = scores.hardness(_view, column)
    rows = clean | corrupted
    separation = auroc(hardness[rows], corrupted[rows], 1)
    if separation.value is None:
        return Detection(separation, None, None, NOTHING, NOTHING)
    rows &= ~np.isnan(hardness)
    ranking = order(hardness[rows], corrupted[rows]).ranking()
    recall, precision = ranking.precision_recall
    # The highest threshold's precision holds from recall 0 on: the area is then the average precision.
    steps = np.append(0.0, recall), np.append(precision[0], precision)
    curves = [(x[kept], y[kept]) for x, y in (ranking.roc, steps) if len(kept := thinned(x, y))]
    return Detection(separation, average_precision(ranking), float(corrupted[rows].mean()), *curves)


EVERY = 60
"""Number of epochs whose AUROC is computed at first: each needs a sort of all samples."""


def over_epochs(view: View, quantity: EpochQuantity, against: str, most: int) -> EpochCurve | None:
    """AUROC of a logged quantity at ``most`` epochs, evenly spaced; None where a group is empty."""
    clean, corrupted = members(view, against)
    if not clean.any() or not corrupted.any():
        return None
    gate = view.gate if quantity.per_gate else None
    # Gate and epoch matter to the filter only where it asks for a route.
    only = str(view.only) + (f" {view.gate} {view.epoch}" if view.only.route != "all" else "")
    return _over_epochs(view, view.at, view.split, quantity, gate, only, against, most)


@st.cache_data(max_entries=100, show_spinner="Ranking the samples epoch by epoch …")
def _over_epochs(
    _view: View,
    at: logs.Stamp,
    split: str,
    quantity: EpochQuantity,
    gate: str | None,
    only: str,
    against: str,
    most: int,
) -> EpochCurve:
    clean, corrupted = members(_view, against)
    epochs = _view.data.epochs
    chosen = np.unique(np.linspace(0, len(epochs) - 1, min(most, len(epochs))).round().astype(int))
    log = logs.log(at)
    one = Snapshot(log, split, epochs[chosen], logs.split_data(at, split).samples)
    with reading(at.path):
        (curve,) = curves_of(one, quantity, gate, {"clean": clean, "corrupted": corrupted})
    return curve
