"""Several runs on the same samples: the epoch and the gate of each, paired samples, differences."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from app.dashboard import group_curves, logs, run_folders
from app.dashboard.group_curves import Share
from app.dashboard.logs import Stamp
from app.dashboard.view import state
from app.dashboard.view.state import View
from memgate.errors import MemgateError
from memgate.log.format import has_value
from probes.samples.filters import of_cause
from probes.samples.same_data import RunData, check_same_data, corruption_apart
from probes.stats.agreement import Agreement, agreement

MOST_RUNS = 4
"""Largest number of runs that tables and charts show side by side."""

LETTERS = "ABCD"


@dataclass(frozen=True)
class ComparedRun:
    """One of the runs, at the epoch and with the gate that are compared."""

    letter: str
    """Name of the run in figures and tables."""
    view: View

    @property
    def name(self) -> str:
        """Letter and name."""
        return f"{self.letter}: {self.view.run.name}"


@dataclass(frozen=True)
class Comparison:
    """The runs that can be compared, with notes for the user."""

    runs: tuple[ComparedRun, ...]
    notes: tuple[str, ...]
    refused: tuple[str, ...]
    """A sentence for each run that cannot be compared with the first."""

    @property
    def gated(self) -> tuple[ComparedRun, ...]:
        """The runs that have a gate."""
        return tuple(one for one in self.runs if one.view.gate)


@dataclass(frozen=True, eq=False)
class Pair:
    """Two gated runs: the routes and g of the same samples."""

    first: ComparedRun
    second: ComparedRun
    sample_id: NDArray[np.int64]
    """[n] rising: samples that pass the filter in the first run and have a route in both."""
    cause: NDArray[np.str_]
    """[n] of the first run."""
    routed: NDArray[np.bool_]
    """[2, n]."""
    gate: NDArray[np.float32]
    """[2, n]."""

    def agreements(self) -> dict[str, Agreement]:
        """Agreement of the routes: of all samples, of the clean and of the corrupted ones."""
        groups = {name: of_cause(self.cause, name) for name in ("all", "clean", "corrupted")}
        return {
            name: agreement(*self.routed[:, members]) for name, members in groups.items() if members.any()
        }


def comparison_of(view: View, others: Sequence[str]) -> Comparison:
    """A view and the same split of other runs.

    Args:
        view: of the first run.
        others: names of the others.
    """
    views, refused = [view], []
    for name in others:
        try:
            views.append(_same_split(view, name))
        except MemgateError as error:
            refused.append(str(error))
    notes: list[str] = []
    views = [_with_gate(view, one) for one in views]
    gates = {one.gate for one in views if one.gate}
    if len(gates) > 1:
        used = ", ".join(f"{one.gate.upper()} of {one.run.name}" for one in views if one.gate)
        notes.append(f"The runs have different gates: {used} are compared.")
    ungated = [one.run.name for one in views if not one.gate]
    if ungated:
        notes.append(f"Without a gate: {', '.join(ungated)}.")
    if all(view.epoch in one.data.epochs for one in views):
        views = [replace(one, epoch=view.epoch) for one in views]
    else:
        views = [replace(one, epoch=int(one.data.epochs[-1])) for one in views]
        at = ", ".join(f"{one.run.name} at epoch {one.epoch}" for one in views)
        notes.append(f"Epoch {view.epoch} is not in all logs: each run is shown at its last epoch ({at}).")
    notes += [sentence for one in views[1:] if (sentence := _corruption(view, one))]
    runs = tuple(ComparedRun(letter, one) for letter, one in zip(LETTERS, views, strict=False))
    return Comparison(runs, tuple(notes), tuple(refused))


def _same_split(view: View, name: str) -> View:
    """The same split of another run, if that was trained on the same data."""
    whole = state.last_epoch_view(run_folders.open_run(state.root(), name))
    check_same_data(_data(view), _data(whole), view.split)
    other = whole.of_split(view.split)
    if len(other.data.epochs) == 0:
        raise MemgateError(
            f"{name} cannot be compared yet: no epoch of its {view.split} split has been logged."
        )
    return replace(other, only=view.only, epoch=int(other.data.epochs[-1]))


def _data(view: View) -> RunData:
    samples = {split: logs.split_data(view.at, split).samples for split in view.log.splits}
    digests = {} if view.run.recorded else view.run.digests
    return RunData(view.run.name, view.run.outline.data, view.log.class_names, digests, samples)


def _with_gate(view: View, one: View) -> View:
    """A view with the gate set in the sidebar if the run has it, otherwise with its last gate."""
    gates = one.log.gates
    return replace(one, gate=view.gate if view.gate in gates else gates[-1] if gates else None)


def _corruption(first: View, second: View) -> str:
    labels, images = corruption_apart(
        *(logs.split_data(one.at, one.split).samples for one in (first, second))
    )
    parts = [f"{count:,} {what}" for count, what in ((labels, "labels"), (images, "images")) if count]
    if not parts:
        return ""
    return (
        f"The corruption of {second.run.name} differs from that of {first.run.name} in {' and '.join(parts)}."
    )


def pairs_of(comparison: Comparison) -> list[Pair]:
    """Every pair of gated runs."""
    return [_pair(*two) for two in combinations(comparison.gated, 2)]


def _pair(first: ComparedRun, second: ComparedRun) -> Pair:
    orders = [columns_by_id(one.view) for one in (first, second)]
    views = first.view, second.view

    def both(name: str) -> NDArray[Any]:
        return np.stack(
            [one.at_cursor(name, one.gate)[order] for one, order in zip(views, orders, strict=True)]
        )

    gate = both("gate")
    members = views[0].members[orders[0]] & has_value(gate).all(axis=0)
    return Pair(
        first,
        second,
        views[0].data.sample_id[orders[0]][members],
        views[0].data.cause[orders[0]][members],
        both("routed")[:, members],
        gate[:, members],
    )


def columns_by_id(view: View) -> NDArray[np.intp]:
    """Columns of a view by rising sample id: the same samples for every run over the same data."""
    return np.argsort(view.data.sample_id, kind="stable")


def routed_shares(one: View) -> dict[str, Share]:
    """Share routed over the epochs of the clean and of the corrupted samples that pass the filter."""
    assert one.gate is not None
    epoch = one.epoch if one.only.route != "all" else None
    return _routed_shares(one, one.at, one.split, one.gate, str(one.only), epoch)


@st.cache_data(max_entries=64, show_spinner=False)
def _routed_shares(
    _view: View, at: Stamp, split: str, gate: str, only: str, epoch: int | None
) -> dict[str, Share]:
    routed, known = logs.matrix(at, split, "routed", gate), logs.known(at, split, "routed", gate)
    states = group_curves.states(_view.data.cause)
    groups = {name: _view.members & members for name, members in states.items()}
    return {name: group_curves.share(routed, known, group) for name, group in groups.items() if group.any()}
