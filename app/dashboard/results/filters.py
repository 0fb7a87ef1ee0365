"""Results of the gates probe on the samples that pass the filter, and their reductions, which are cached."""

from dataclasses import replace
from typing import Literal

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from app.dashboard.logs import Stamp
from app.dashboard.results import external, probe_results, scores
from app.dashboard.results.probe_results import FileState
from app.dashboard.view.state import View
from memgate.errors import reading
from probes.gates.config import gate_sizes
from probes.gates.contrasts import FilterContrasts, filter_contrasts
from probes.gates.cost import CostCorrelation, GroupCost, Hardness, cost_correlations, cost_of, group_costs
from probes.gates.filters import FilterStatistics, counted
from probes.gates.losses import RouteLoss, route_losses
from probes.gates.stored import GatesResult
from probes.gates.summary import Readings, readings_of
from probes.result import ProbeResult
from probes.samples.probe_groups import Members, probed_members
from probes.scores.hardness import COSTS

Label = Literal["clean", "given"]
"""Whose class: that of the clean label, or of the given one."""

Key = tuple[Stamp, tuple[str, int, str], str, FileState | None]


def unprobeable(view: View) -> str:
    """Reason why the run's network has no gates in its units; empty where it has, or where it is not known."""
    return probe_results.refusal(view, gate_sizes)


def patterns(view: View, result: ProbeResult) -> GatesResult:
    """A result about the samples that pass the filter, with their labels.

    It is made anew for each page and not kept: unpacked, the patterns of 50,000 samples are 100 MB.
    """
    shown = probe_results.filtered(view, result)
    samples = view.data.samples.take(view.data.columns(shown.sample_id))
    return GatesResult(shown, samples, view.log.class_names)


def use(view: View, result: ProbeResult, label: Label) -> FilterStatistics:
    """How often each filter is open, by class, over the samples that pass the filter; at least one."""
    return _use(view, result, label, *probe_results.cache_key(view, result))


@st.cache_resource(max_entries=32, show_spinner=False)
def _use(
    _view: View, _result: ProbeResult, label: Label, at: Stamp, key: tuple[str, int, str], only: str,
    state: FileState | None,
) -> FilterStatistics:  # fmt: skip
    one = patterns(_view, _result)
    labels = one.image_class if label == "clean" else one.samples.given_label.astype(np.int64)
    return counted(one.opened, labels, len(one.class_names))


def members(view: View, result: ProbeResult) -> Members:
    """Groups by corruption among the samples that pass the filter, bool [n]."""
    with reading(str(view.run.path / "manifest.npz")):
        return _members(view, result, *probe_results.cache_key(view, result))


@st.cache_resource(max_entries=32, show_spinner=False)
def _members(
    _view: View,
    _result: ProbeResult,
    at: Stamp,
    key: tuple[str, int, str],
    only: str,
    state: FileState | None,
) -> Members:
    return probed_members(_view.run, _view.log, probe_results.filtered(_view, _result), gates=())


def costs(view: View, result: ProbeResult) -> tuple[GroupCost, ...]:
    """Cost of every group of the samples that pass the filter."""
    one = patterns(view, result)
    cost, within = cost_of(one)
    return group_costs(cost, members(view, result), one.image_class, within)


def shares_open(view: View, result: ProbeResult, place: int) -> tuple[GroupCost, ...]:
    """Share of every group for which a filter is open, and how it differs from that of the clean samples."""
    one = patterns(view, result)
    opened = one.filter(str(one.gate_of[place]), int(one.number[place]))
    return group_costs(opened.astype(np.float64), members(view, result), one.image_class, (0, 1))


def scored(view: View, result: ProbeResult) -> View | None:
    """The view at the last logged epoch up to that of the checkpoint, whose scores go with it; None for none."""
    epochs = view.data.epochs[view.data.epochs <= result.epoch]
    return replace(view, epoch=int(epochs[-1])) if len(epochs) else None


def hardness_columns(view: View) -> tuple[str, ...]:
    """Scores of a view that are no cost and of no gate."""
    return tuple(
        column for column, one in scores.available(view).items() if one.gate is None and column not in COSTS
    )


def correlations(view: View, result: ProbeResult, columns: tuple[str, ...]) -> tuple[CostCorrelation, ...]:
    """Rank correlations of the cost with scores, over the samples that pass the filter.

    Args:
        view: whose filter counts.
        result: of the probe.
        columns: of :func:`hardness_columns` of the view that :func:`scored` returns.
    """
    files = scores.stored_state(view), external.file_state()
    return _correlations(view, result, columns, files, *probe_results.cache_key(view, result))


@st.cache_data(max_entries=64, show_spinner="Correlating …")
def _correlations(
    _view: View, _result: ProbeResult, columns: tuple[str, ...],
    files: tuple[tuple[tuple[str, int], ...], tuple[int, ...]], at: Stamp, key: tuple[str, int, str], only: str,
    state: FileState | None,
) -> tuple[CostCorrelation, ...]:  # fmt: skip
    one, then = patterns(_view, _result), scored(_view, _result)
    if then is None:
        return ()
    places = _view.data.columns(one.result.sample_id)
    scores.fetch(then, ("epochs_logged", *columns))
    known = scores.available(then)
    hardness = [
        Hardness(column, known[column].score.title, scores.hardness(then, column)[places])
        for column in columns
    ]
    return cost_correlations(cost_of(one)[0], hardness, members(_view, _result), one.image_class)


def losses(view: View, result: ProbeResult) -> tuple[RouteLoss, ...]:
    """What the groups of the samples that pass the filter lose along forced routes."""
    return _losses(view, result, *probe_results.cache_key(view, result))


@st.cache_data(max_entries=32, show_spinner=False)
def _losses(
    _view: View,
    _result: ProbeResult,
    at: Stamp,
    key: tuple[str, int, str],
    only: str,
    state: FileState | None,
) -> tuple[RouteLoss, ...]:
    return route_losses(patterns(_view, _result), members(_view, _result))


def readings(view: View, result: ProbeResult) -> Readings:
    """What patterns tell as vectors, see :mod:`probes.gates.analyses`."""
    return _readings(view, result, *probe_results.cache_key(view, result))


@st.cache_data(max_entries=32, show_spinner="Reading patterns …")
def _readings(
    _view: View,
    _result: ProbeResult,
    at: Stamp,
    key: tuple[str, int, str],
    only: str,
    state: FileState | None,
) -> Readings:
    one = patterns(_view, _result)
    shown = np.isin(_result.sample_id, one.result.sample_id)
    return readings_of(one, members(_view, _result), GatesResult.of(_view.log, _result), shown)


def contrasts(view: View, result: ProbeResult) -> FilterContrasts:
    """Filters of the selected samples against the rest, both among the samples that pass the filter."""
    assert view.selected is not None
    # Another selection may be saved under a cohort's name: the key of the cache is the digest of the ids.
    chosen = replace(view.selected, cohort=None).key
    return _contrasts(view, result, chosen, *probe_results.cache_key(view, result))


@st.cache_resource(max_entries=32, show_spinner=False)
def _contrasts(
    _view: View, _result: ProbeResult, chosen: str, at: Stamp, key: tuple[str, int, str], only: str,
    state: FileState | None,
) -> FilterContrasts:  # fmt: skip
    one = patterns(_view, _result)
    return filter_contrasts(one.result.values["pattern"], one.count, selected(_view, one))


def selected(view: View, one: GatesResult) -> NDArray[np.bool_]:
    """Which samples of a result are selected [n]."""
    ids = np.zeros(0, np.int64) if view.selected is None else view.selected.ids
    return np.isin(one.result.sample_id, ids)
