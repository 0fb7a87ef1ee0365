"""Scores from inside the network by group, as a table to read, and whether the gates follow them. No torch."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tabulate import tabulate

from memgate.logreader import SampleLog
from memgate.runs import Run
from probes.groups import Estimate, average, percent, share
from probes.intervals import median_interval, spearman_interval
from probes.probed import logged, of_gate, probed_members
from probes.result import ProbeResult

PROBE = "inside"
"""Name of the probe and of its file."""

PREDICTION_DEPTH = "prediction_depth"
"""The score that counts points of the network; the others are norms of gradients."""

BLOCK = "b3.1"
"""The first point of the block that is said to memorise."""

HEAD = "head"
"""What stands for a depth beyond the last point: no vote of neighbours agrees with the network, the head decides."""

UNITS = (
    "High is harder, for all. input_gradient_norm, grand_last_layer, grand: Euclidean norm of the gradient of the "
    "loss against the given label by the pixels (in [0, 1]), by the head's weights, by all of the trunk's; "
    "prediction_depth: number of the first point of the network (0 is the stem) from which on the nearest training "
    "samples have the class that the network predicts. Spearman with g: rank correlation with the gate's value in "
    "the log at this epoch. In brackets 95 % intervals over samples (t for means, order statistics for medians, "
    "Wilson for shares, Fisher's z for correlations)."
)


@dataclass(frozen=True)
class InsideGroup:
    """One score of one group."""

    name: str
    """As in :func:`probes.probed.probed_members`."""
    n: int
    mean: Estimate
    median: Estimate
    deep: Estimate | None
    """Of the prediction depth: share that is decided in B3's first unit or later; None for other scores."""
    with_gate: Mapping[str, Estimate]
    """Gate to Spearman's rank correlation of the score with g; empty where the log lacks the epoch."""


def inside_groups(run: Run, log: SampleLog, result: ProbeResult) -> tuple[InsideGroup, ...]:
    """One score of each group that is not empty.

    Args:
        run: whose.
        log: its log, for what was done to the samples and what their gates said.
        result: of this probe.

    Returns:
        The groups of :func:`probes.probed.probed_members`.
    """
    gates = {gate: logged(log, result, "gate", gate) for gate in log.gates}
    known = {gate: g for gate, g in gates.items() if g is not None}
    inside = probed_members(run, log, result)
    return tuple(_group(name, who, result, known) for name, who in inside.items())


def _group(
    name: str, who: NDArray[np.bool_], result: ProbeResult, gates: Mapping[str, NDArray]
) -> InsideGroup:
    values = result.values[result.variant]
    deep = None
    if result.variant == PREDICTION_DEPTH:
        deep = share(values[who] >= result.config["points"].index(BLOCK))
    correlations = {}
    for gate, g in gates.items():
        both = who & np.isfinite(g)
        correlations[gate] = _estimate(*spearman_interval(values[both], g[both]), n=int(both.sum()))
    median = _estimate(*median_interval(values[who]), n=int(who.sum()))
    return InsideGroup(name, int(who.sum()), average(values[who]), median, deep, correlations)


def to_terminal(run: Run, log: SampleLog, result: ProbeResult) -> str:
    """One result as text: a heading, a row for each group, how well the votes agree, and what is missing."""
    total = len(log.samples(result.split))
    heading = (
        f"{run.name}: {result.variant}, {result.split}, epoch {result.epoch} ({result.checkpoint}), "
        f"{len(result.sample_id)} of {total} samples"
    )
    rows = [_row(group, log, result) for group in inside_groups(run, log, result)]
    parts = [heading, "", tabulate(rows, headers="keys", disable_numparse=True)]
    if result.variant == PREDICTION_DEPTH:
        parts.append(_agreement(result))
    if log.gates and result.epoch not in log.epochs(result.split):
        parts.append(
            f"The log has no whole epoch {result.epoch}: g in it, and who was routed, are not known."
        )
    return "\n".join(parts)


def _row(group: InsideGroup, log: SampleLog, result: ProbeResult) -> dict[str, str]:
    row = {"samples": group.name, "n": str(group.n), "mean": _number(group.mean)}
    if group.deep is None:
        row["median"] = _number(group.median)
    else:
        names = [*result.config["points"], HEAD]
        row["median at"] = names[int(group.median.value or 0)]
        row[f"{BLOCK} or later"] = percent(group.deep)
    for gate, found in group.with_gate.items():
        row[f"Spearman with g{of_gate(log, gate)}"] = _number(found, ".2f")
    return row


def _agreement(result: ProbeResult) -> str:
    """For how many samples each point's vote is the network's prediction."""
    agrees = (result.values["knn_prediction"] == result.values["prediction"]).mean(axis=1)
    points = ", ".join(
        f"{name} {value:.0%}" for name, value in zip(result.config["points"], agrees, strict=True)
    )
    votes = f"{result.config['neighbours']} of {result.config['support']} training samples"
    return f"Votes ({votes}) that agree with the network: {points}."


def _estimate(value: float, low: float, high: float, n: int) -> Estimate:
    found = [None if np.isnan(number) else number for number in (value, low, high)]
    return Estimate(*found, n=n)


def _number(found: Estimate, form: str = ".3g") -> str:
    """A value with its interval; ``-`` where it is undefined."""
    if found.value is None:
        return "-"
    if found.low is None or found.high is None:
        return format(found.value, form)
    return f"{found.value:{form}} [{found.low:{form}}, {found.high:{form}}]"
