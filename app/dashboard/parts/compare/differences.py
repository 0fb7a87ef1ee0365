"""Differences between runs on the same samples: headline numbers, and settings."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.dashboard.parts.compare.runs import columns_by_id
from app.dashboard.results import scores
from app.dashboard.view.state import View
from memgate.config.json_form import differing, flags
from probes.stats.auroc import auroc_difference
from probes.stats.estimate import Estimate, difference, estimate


def differences(first: View, second: View) -> dict[str, Estimate]:
    """Difference of each headline number, second run minus first, paired by sample, with 95 % intervals.

    Over the training samples that are clean in both, or corrupted in both; AUROCs only where the same samples are
    corrupted.
    """
    one, other = (view.of_split("train") for view in (first, second))
    orders = columns_by_id(one), columns_by_id(other)
    corrupted = [view.data.corrupted[order] for view, order in zip((one, other), orders, strict=True)]
    both = corrupted[0] & corrupted[1]
    neither = one.data.clean[orders[0]] & other.data.clean[orders[1]]
    changes = {}
    if all("test" in view.log.splits for view in (first, second)):
        tests = [view.of_split("test") for view in (first, second)]
        if all(len(test.data.epochs) for test in tests):
            changes["test acc."] = _mean_change(tests[0], tests[1], "correct_given_last")
    changes["corrupted fitted"] = _mean_change(one, other, "correct_given_last", both)
    if first.gate and second.gate:
        changes["routed clean"] = _mean_change(one, other, "routed_last", neither)
        changes["routed corrupted"] = _mean_change(one, other, "routed_last", both)
    if np.array_equal(corrupted[0], corrupted[1]):
        columns = {"AUROC g": "gate_mean", "AUROC loss": "loss_mean"}
        for name, column in columns.items():
            if name == "AUROC loss" or (first.gate and second.gate):
                turned = [
                    scores.hardness(view, column)[order]
                    for view, order in zip((one, other), orders, strict=True)
                ]
                known = ~np.isnan(turned).any(axis=0)
                change = auroc_difference(turned[1][known], turned[0][known], corrupted[0][known])
                changes[name] = estimate(*change, int(known.sum()))
    return changes


def _mean_change(
    first: View, second: View, column: str, members: NDArray[np.bool_] | None = None
) -> Estimate:
    before, after = (scores.values(view, column)[columns_by_id(view)] for view in (first, second))
    change = (after - before)[slice(None) if members is None else members]
    return difference(change[~np.isnan(change)])


def settings_apart(views: Sequence[View]) -> dict[str, tuple[Any, ...]]:
    """Settings that differ: of the configurations or, where a run was recorded, of the outlines; name to values."""
    recorded = any(view.run.recorded for view in views)
    return differing([_settings(view, recorded) for view in views])


def _settings(view: View, outline: bool) -> dict[str, Any]:
    if not outline:
        return flags(view.run.config, without=("name", "out"))
    recorded = {f"settings.{name}": value for name, value in view.run.settings.items()}
    return {**flags(view.run.outline), **recorded, "log.mode": view.log.mode}
