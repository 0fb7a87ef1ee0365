"""Several runs over the same samples as one view: at which epoch, by which gate, and whose samples are paired."""

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
from app.dashboard.results import scores
from app.dashboard.view import state
from app.dashboard.view.state import View
from memgate.config.json_form import differing, flags
from memgate.errors import MemgateError
from probes.samples.same_data import RunData, check_same_data, corruption_apart
from probes.stats.agreement import Agreement, agreement
from probes.stats.estimate import Estimate, difference, estimate
from probes.stats.intervals import auroc_difference

MOST_RUNS = 4
"""Runs beside each other: more are neither read nor drawn well."""

LETTERS = "ABCD"


@dataclass(frozen=True)
class ComparedRun:
    """One of the runs, at the epoch and by the gate that it is compared at."""

    letter: str
    """What figures and tables call it."""
    view: View

    @property
    def name(self) -> str:
        """Letter and name."""
        return f"{self.letter}: {self.view.run.name}"


@dataclass(frozen=True)
class Comparison:
    """The runs that can be compared, and what has to be said about that."""

    runs: tuple[ComparedRun, ...]
    notes: tuple[str, ...]
    refused: tuple[str, ...]
    """A sentence for each run that cannot be compared with the first."""

    @property
    def gated(self) -> tuple[ComparedRun, ...]:
        """Those that have a gate."""
        return tuple(one for one in self.runs if one.view.gate)


@dataclass(frozen=True, eq=False)
class Pair:
    """Two gated runs: the routes and g of the same samples."""

    first: ComparedRun
    second: ComparedRun
    sample_id: NDArray[np.int64]
    """[n] rising: who passes the filter in the first run and was seen by both."""
    cause: NDArray[np.str_]
    """[n] of the first run."""
    routed: NDArray[np.bool_]
    """[2, n]."""
    gate: NDArray[np.float32]
    """[2, n]."""

    def agreements(self) -> dict[str, Agreement]:
        """How far the routes agree among all samples, and among clean and corrupted ones apart."""
        corrupted = self.cause != "clean"
        groups = {"all": np.ones(len(corrupted), bool), "clean": ~corrupted, "corrupted": corrupted}
        there = {name: who for name, who in groups.items() if who.any()}
        return {name: agreement(*self.routed[:, who]) for name, who in there.items()}


def comparison(view: View, others: Sequence[str]) -> Comparison:
    """A view beside the same split of other runs.

    Args:
        view: of the first run.
        others: names of the others.
    """
    found, refused = [view], []
    for name in others:
        try:
            found.append(_beside(view, name))
        except MemgateError as error:
            refused.append(str(error))
    notes: list[str] = []
    found = [_by_gate(view, one) for one in found]
    gates = {one.gate for one in found if one.gate}
    if len(gates) > 1:
        used = ", ".join(f"{one.gate.upper()} of {one.run.name}" for one in found if one.gate)
        notes.append(f"They do not have the same gates: compared are {used}.")
    ungated = [one.run.name for one in found if not one.gate]
    if ungated:
        notes.append(f"Without a gate, and so without routes: {', '.join(ungated)}.")
    epochs = [one.data.epochs for one in found]
    if all(view.epoch in some for some in epochs):
        found = [replace(one, epoch=view.epoch) for one in found]
    else:
        found = [replace(one, epoch=int(one.data.epochs[-1])) for one in found]
        at = ", ".join(f"{one.run.name} at epoch {one.epoch}" for one in found)
        notes.append(f"Epoch {view.epoch} is not in the logs of all, so each is at its last: {at}.")
    notes += [sentence for one in found[1:] if (sentence := _corruption(view, one))]
    runs = tuple(ComparedRun(letter, one) for letter, one in zip(LETTERS, found, strict=False))
    return Comparison(runs, tuple(notes), tuple(refused))


def _beside(view: View, name: str) -> View:
    """The same split of another run, if it is over the same data."""
    whole = state.last_epoch_view(run_folders.open_run(state.root(), name))
    check_same_data(_data(view), _data(whole), view.split)
    other = whole.of_split(view.split)
    if len(other.data.epochs) == 0:
        raise MemgateError(f"{name} cannot be compared yet: no epoch of its {view.split} split can be read.")
    return replace(other, only=view.only, epoch=int(other.data.epochs[-1]))


def _data(view: View) -> RunData:
    samples = {split: logs.split_data(view.at, split).samples for split in view.log.splits}
    digests = {} if view.run.recorded else view.run.digests
    return RunData(view.run.name, view.run.outline.data, view.log.class_names, digests, samples)


def _by_gate(view: View, one: View) -> View:
    """The gate that the sidebar says, where the run has it, else its last."""
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


def pairs(found: Comparison) -> list[Pair]:
    """Every two of the gated runs."""
    return [_pair(*two) for two in combinations(found.gated, 2)]


def _pair(first: ComparedRun, second: ComparedRun) -> Pair:
    orders = [_order(one.view) for one in (first, second)]
    views = first.view, second.view

    def both(name: str, per_gate: bool = True) -> NDArray[Any]:
        return np.stack([
            one.at_cursor(name, one.gate if per_gate else None)[order]
            for one, order in zip(views, orders, strict=True)
        ])  # fmt: skip

    who = views[0].members[orders[0]] & both("seen", per_gate=False).all(axis=0)
    return Pair(
        first,
        second,
        views[0].data.sample_id[orders[0]][who],
        views[0].data.cause[orders[0]][who],
        both("routed")[:, who],
        both("gate")[:, who],
    )


def _order(view: View) -> NDArray[np.intp]:
    """Columns of a view by rising sample id: the same samples for every run over the same data."""
    return np.argsort(view.data.sample_id, kind="stable")


def differences(first: View, second: View) -> dict[str, Estimate]:
    """How much larger each headline number is in the second run, paired by sample, with 95 % intervals.

    Over the training samples that are clean, or corrupted, in both; AUROCs only where the same ones are corrupted.
    """
    one, other = (view.of_split("train") for view in (first, second))
    orders = _order(one), _order(other)
    corrupted = [view.data.corrupted[order] for view, order in zip((one, other), orders, strict=True)]
    both, neither = corrupted[0] & corrupted[1], ~(corrupted[0] | corrupted[1])
    found = {}
    if all("test" in view.log.splits for view in (first, second)):
        tests = [view.of_split("test") for view in (first, second)]
        if all(len(test.data.epochs) for test in tests):
            found["test acc."] = _mean_change(tests[0], tests[1], "correct_given_last")
    found["corrupted fitted"] = _mean_change(one, other, "correct_given_last", both)
    if first.gate and second.gate:
        found["routed clean"] = _mean_change(one, other, "routed_last", neither)
        found["routed corrupted"] = _mean_change(one, other, "routed_last", both)
    if np.array_equal(corrupted[0], corrupted[1]):
        columns = {"AUROC g": "gate_mean", "AUROC loss": "loss_mean"}
        for name, column in columns.items():
            if name == "AUROC loss" or (first.gate and second.gate):
                turned = [
                    scores.hardness(view, column)[order]
                    for view, order in zip((one, other), orders, strict=True)
                ]
                there = ~np.isnan(turned).any(axis=0)
                change = auroc_difference(turned[1][there], turned[0][there], corrupted[0][there])
                found[name] = estimate(*change, int(there.sum()))
    return found


def _mean_change(
    first: View, second: View, column: str, members: NDArray[np.bool_] | None = None
) -> Estimate:
    before, after = (scores.values(view, column)[_order(view)] for view in (first, second))
    change = (after - before)[slice(None) if members is None else members]
    return difference(change[~np.isnan(change)])


def settings_apart(views: Sequence[View]) -> dict[str, tuple[Any, ...]]:
    """The settings in which runs differ: of their configurations, or, where one was recorded, of their outlines."""
    recorded = any(view.run.recorded for view in views)
    return differing([_settings(view, recorded) for view in views])


def _settings(view: View, outline: bool) -> dict[str, Any]:
    if not outline:
        return flags(view.run.config, without=("name", "out"))
    said = {f"settings.{name}": value for name, value in view.run.settings.items()}
    return {**flags(view.run.outline), **said, "log.mode": view.log.mode}


def routed_shares(one: View) -> dict[str, Share]:
    """Share routed of the clean and of the corrupted samples that pass the filter, over the epochs."""
    assert one.gate is not None
    epoch = one.epoch if one.only.route != "all" else None
    return _routed_shares(one, one.at, one.split, one.gate, str(one.only), epoch)


@st.cache_data(max_entries=64, show_spinner=False)
def _routed_shares(
    _view: View, at: Stamp, split: str, gate: str, only: str, epoch: int | None
) -> dict[str, Share]:
    routed, seen = logs.matrix(at, split, "routed", gate), logs.matrix(at, split, "seen")
    corrupted = _view.data.corrupted
    groups = {"clean": _view.members & ~corrupted, "corrupted": _view.members & corrupted}
    return {name: group_curves.share(routed, seen, who) for name, who in groups.items() if who.any()}
