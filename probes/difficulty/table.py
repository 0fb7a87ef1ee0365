"""Difficulty scores by group as a table, and their rank correlation with the gates. No torch."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tabulate import tabulate

from memgate.log.reader import SampleLog
from memgate.runs.run import Run
from probes.difficulty.config import O1, PREDICTION_DEPTH
from probes.result import ProbeResult
from probes.samples.columns import shown_gates
from probes.samples.notes import not_shown, routes_unknown, unbound
from probes.samples.probe_groups import heading, logged, of_gate, probed_members
from probes.stats.estimate import Estimate, average, estimate, percent, share, significant, with_interval
from probes.stats.intervals import MEAN_VALUES, median_interval
from probes.stats.rank_correlation import SPEARMAN_PAIRS, spearman_interval

HEAD = "head"
"""Name of a depth beyond the last layer: no vote of neighbours agrees with the network, so that the head decides."""

UNITS = (
    "High is harder, for all. input_gradient_norm, grand_last_layer, grand: Euclidean norm of the gradient of the "
    "loss against the given label by the pixels (in [0, 1]), by the head's weights, by all of the trunk's; "
    "input_curvature: Frobenius norm of its second derivative by the pixels, along random directions; "
    "prediction_depth: number of the first point of the network (0 is the stem) from which on the nearest training "
    "samples have the class that the network predicts; after o1: decided only beyond b3.1, whose output o1 a sample "
    "keeps that skips B3; what such a sample makes of the units after it has little weight in the network's output. "
    "Lower median: of an even number the smaller of the middle two. Spearman with g: rank correlation with "
    "the gate's value in the log at this epoch. In brackets 95 % intervals over samples: order statistics for "
    f"medians, Wilson for shares and means of depths, t for other means from {MEAN_VALUES} samples on, Fisher's z for "
    f"correlations from {SPEARMAN_PAIRS} on (with fewer they too often miss the true value)."
)


@dataclass(frozen=True)
class DifficultyGroup:
    """One score of one group."""

    name: str
    """As in :func:`probes.samples.probe_groups.probed_members`."""
    n: int
    mean: Estimate
    median: Estimate
    deep: Estimate | None
    """Share of the samples that are decided after :data:`O1`; None for scores other than the prediction depth."""
    decided_at: int | None
    """Lower median of the prediction depth, which is a depth that a sample has; None for other scores."""
    with_gate: Mapping[str, Estimate]
    """Gate to Spearman's rank correlation of the score with g; empty where the log lacks the epoch."""


def difficulty_groups(run: Run, log: SampleLog, result: ProbeResult) -> tuple[DifficultyGroup, ...]:
    """Mean, median and correlations of one score in each group that is not empty.

    Args:
        run: the run that was probed.
        log: its log, for the corruption of the samples and their gates' values.
        result: of this probe.

    Returns:
        The groups of :func:`probes.samples.probe_groups.probed_members`.
    """
    gates = {gate: logged(log, result, "gate", gate) for gate in shown_gates(log.gates)}
    known = {gate: g for gate, g in gates.items() if g is not None}
    groups = probed_members(run, log, result)
    return tuple(_group(name, mask, result, known) for name, mask in groups.items())


def _group(
    name: str, mask: NDArray[np.bool_], result: ProbeResult, gates: Mapping[str, NDArray]
) -> DifficultyGroup:
    values = result.values[result.variant]
    deep, decided_at, within = None, None, None
    if result.variant == PREDICTION_DEPTH:
        within = (0, len(result.config["points"]))  # the last: decided at none of them
        deep = share(values[mask] > result.config["points"].index(O1))
        decided_at = int(np.sort(values[mask])[(int(mask.sum()) - 1) // 2])
    correlations = {}
    for gate, g in gates.items():
        both = mask & np.isfinite(g)
        correlations[gate] = estimate(*spearman_interval(values[both], g[both]), n=int(both.sum()))
    median = estimate(*median_interval(values[mask]), n=int(mask.sum()))
    return DifficultyGroup(
        name, int(mask.sum()), average(values[mask], within), median, deep, decided_at, correlations
    )


def to_terminal(run: Run, log: SampleLog, result: ProbeResult) -> str:
    """One result as text: a heading, a row for each group, the votes' agreement, and notes on missing values."""
    rows = [_row(group, log, result) for group in difficulty_groups(run, log, result)]
    parts = [
        heading(run, log, result),
        "",
        tabulate(rows, headers="keys", disable_numparse=True),
    ]
    if result.variant == PREDICTION_DEPTH:
        parts.append(_agreement(result))
    return "\n".join([*parts, *not_shown(log), *routes_unknown(log, result), *unbound(result)])


def _row(group: DifficultyGroup, log: SampleLog, result: ProbeResult) -> dict[str, str]:
    row = {"samples": group.name, "n": str(group.n), "mean": significant(group.mean)}
    if group.deep is None or group.decided_at is None:
        row["median"] = significant(group.median)
    else:
        names = [*result.config["points"], HEAD]
        row["lower median at"] = names[group.decided_at]
        row[f"after o1 ({names[names.index(O1) + 1]} or later)"] = percent(group.deep)
    for gate, correlation in group.with_gate.items():
        row[f"Spearman with g{of_gate(log, gate)}"] = with_interval(correlation, "{:.2f}")
    return row


def _agreement(result: ProbeResult) -> str:
    """A sentence with the share of samples for which each layer's vote is the network's prediction."""
    agrees = (result.values["knn_prediction"] == result.values["prediction"]).mean(axis=1)
    points = ", ".join(
        f"{name} {value:.0%}" for name, value in zip(result.config["points"], agrees, strict=True)
    )
    votes = f"{result.config['neighbours']} of {result.config['support']} training samples"
    return f"Votes ({votes}) that agree with the network: {points}."
