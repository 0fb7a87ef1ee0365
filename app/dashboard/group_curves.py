"""Curves of groups of samples over the epochs: counts, shares with intervals, quartiles. Pure numpy.

Matrices are [E, N]. Samples not seen in an epoch are left out; an epoch in which no sample of a group was seen is NaN.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memgate.log.format import UNKNOWN
from noise.manifest.manifest import CORRUPTED_CAUSES
from probes.samples.filters import of_cause
from probes.stats.intervals import mean_interval, wilson

GATE_BINS = 50


@dataclass(frozen=True)
class Share:
    """A share over the epochs, each [E], with its Wilson 95 % interval."""

    value: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    count: NDArray[np.int64]
    """Samples seen: the denominator of the share."""


def share(hit: NDArray[np.bool_], seen: NDArray[np.bool_], members: NDArray[np.bool_]) -> Share:
    """Share of a group for which a flag holds, at every epoch.

    Args:
        hit: [E, N].
        seen: [E, N].
        members: [N], which samples belong to the group.
    """
    counted = seen & members  # picking the columns first would copy them, which takes longer
    count = np.count_nonzero(counted, axis=1)
    hits = np.count_nonzero(hit & counted, axis=1)
    low, high = wilson(hits, count)
    return Share(hits / np.where(count == 0, np.nan, count), low, high, count)


@dataclass(frozen=True)
class Band:
    """A mean over the epochs, each [E], with its 95 % interval (Student's t; NaN for few samples)."""

    value: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    n: int
    """Samples of the group."""


def mean_band(values: NDArray[np.float32], members: NDArray[np.bool_]) -> Band:
    """Mean of a group at every epoch of ``values`` [E, N]; samples not seen (NaN) are left out."""
    rows = [mean_interval(row[~np.isnan(row)]) for row in values[:, members]]
    return Band(*np.array(rows, np.float64).reshape(-1, 3).T, n=int(members.sum()))


@dataclass(frozen=True)
class GateMeans:
    """Means of every gate at every epoch, each [G, E]; NaN where no sample of the group has a value."""

    value: NDArray[np.float64]
    """Mean g of all samples."""
    routed: NDArray[np.float64]
    """Share routed of all samples."""
    clean: NDArray[np.float64]
    """Mean g of the clean samples."""
    corrupted: NDArray[np.float64]
    """Mean g of the corrupted samples."""
    counts: NDArray[np.int64]
    """[3, G, E]: samples with a value, of all, of the clean and of the corrupted."""

    @property
    def difference(self) -> NDArray[np.float64]:
        """Mean g of the corrupted samples minus that of the clean ones [G, E]; above 0: more for the corrupted."""
        return self.corrupted - self.clean


def gate_means(
    gates: Iterable[tuple[NDArray[np.float32], NDArray[np.bool_]]], cause: NDArray[np.str_], epochs: int
) -> GateMeans:
    """Means of every gate, of which one at a time is in memory.

    Args:
        gates: g [E, N] of each gate and whether it routed, [E, N].
        cause: [N].
        epochs: E.
    """
    groups = np.stack([np.ones(len(cause), bool), cause == "clean", of_cause(cause, "corrupted")])
    weights = groups.astype(np.float64)
    sums, counts, hits = [], [], []
    for values, routed in gates:
        of_gate = np.zeros((3, epochs)), np.zeros((3, epochs), np.int64), np.zeros(epochs, np.int64)
        for row, line in enumerate(values):  # an epoch fits into the processor's cache, the matrix does not
            known = ~np.isnan(line)
            of_gate[0][:, row] = weights @ np.where(known, line, 0).astype(np.float64)
            of_gate[1][:, row] = np.count_nonzero(groups & known, axis=1)
            of_gate[2][row] = np.count_nonzero(routed[row] & known)
        for part, whole in zip(of_gate, (sums, counts, hits), strict=True):
            whole.append(part)
    shape = (-1, 3, epochs)
    n = np.array(counts, np.int64).reshape(shape).transpose(1, 0, 2)
    positive = np.where(n == 0, np.nan, n)
    means = np.array(sums).reshape(shape).transpose(1, 0, 2) / positive
    routed_share = np.array(hits).reshape(-1, epochs) / positive[0]
    return GateMeans(means[0], routed_share, means[1], means[2], n)


def first_epoch_counts(
    first: NDArray[np.float64], epochs: NDArray[np.integer], members: NDArray[np.bool_]
) -> tuple[NDArray[np.int32], int]:
    """Number of samples of a group whose first epoch of an event is each epoch (int32 [E]), and number without one.

    Args:
        first: [N] first epoch of the event, NaN for never.
        epochs: [E].
        members: [N].
    """
    epochs_of = first[members]
    never = int(np.isnan(epochs_of).sum())
    counts = np.searchsorted(np.sort(epochs_of[~np.isnan(epochs_of)]), epochs, side="right")
    return np.diff(counts, prepend=0).astype(np.int32), never


def cohorts(cause: NDArray[np.str_]) -> dict[str, NDArray[np.bool_]]:
    """Members [N] of the groups clean, corrupted, and each cause where there are several; or of unknown alone."""
    groups = {
        "clean": cause == "clean",
        "corrupted": of_cause(cause, "corrupted"),
        UNKNOWN: cause == UNKNOWN,
    }
    present = [name for name in CORRUPTED_CAUSES if (cause == name).any()]
    if len(present) > 1:
        groups |= {name: cause == name for name in present}
    return {name: members for name, members in groups.items() if members.any()}


def states(cause: NDArray[np.str_]) -> dict[str, NDArray[np.bool_]]:
    """Members [N] of the groups clean and corrupted, and of unknown where the truth is; without empty groups."""
    return {
        name: members for name, members in cohorts(cause).items() if name in ("clean", "corrupted", UNKNOWN)
    }


def edges(values: NDArray[np.float32], choices: int, quantity: str = "gate") -> NDArray[np.float64]:
    """Edges of the bins: [0, ln C] for ``entropy``, [0, 1] for g; the gate curve ``identity`` has g = H.

    Args:
        values: [E, N]; a number above these ends extends the bins.
        choices: C, the number of classes; 2 for a two-way gate.
        quantity: ``gate`` or ``entropy``.
    """
    top = float(np.log(choices)) if quantity == "entropy" else 1.0
    finite = values[np.isfinite(values)]
    if finite.size and float(finite.max()) > top:
        top = max(float(np.log(choices)), float(finite.max()))
    return np.linspace(0, top, GATE_BINS + 1)


def evolution(gate: NDArray[np.float32], edges: NDArray[np.float64]) -> NDArray[np.int32]:
    """Histogram of g at every epoch: int32 [bins, E]; NaN is in no bin."""
    # A range, not edges: numpy counts equal bins three times as fast.
    span = float(edges[0]), float(edges[-1])
    counts = [np.histogram(row[~np.isnan(row)], bins=len(edges) - 1, range=span)[0] for row in gate]
    return np.array(counts, np.int32).reshape(len(gate), len(edges) - 1).T


def quartiles(values: NDArray[np.float32], members: NDArray) -> NDArray[np.float32]:
    """Lower quartile, median and upper quartile of a group at every epoch, [3, E]; NaN where no sample was seen.

    Args:
        values: [E, N].
        members: the group, bool [N] or columns.
    """
    of_group = values[:, members]
    if of_group.size and not np.isnan(of_group).any():
        return np.percentile(of_group, [25, 50, 75], axis=1, overwrite_input=True).astype(np.float32)
    result = np.full((3, len(values)), np.nan, np.float32)
    for row, line in enumerate(of_group):
        known = line[~np.isnan(line)]
        if len(known):
            result[:, row] = np.percentile(known, [25, 50, 75])
    return result


def thinned(x: NDArray[np.float64], y: NDArray[np.float64], most: int = 500) -> NDArray[np.intp]:
    """Indices of at most ``most`` points of a curve [m], evenly spaced along its length, with both ends."""
    if len(x) <= most:
        return np.arange(len(x))
    length = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))])
    return np.unique(np.searchsorted(length, np.linspace(0, length[-1], most)).clip(0, len(x) - 1))


@dataclass(frozen=True)
class Cells:
    """Samples counted on a grid of two numbers."""

    x: NDArray[np.float64]
    """Edges [X + 1]."""
    y: NDArray[np.float64]
    """Edges [Y + 1]."""
    count: NDArray[np.int64]
    """[Y, X]."""
    mean: NDArray[np.float64]
    """Mean of a third number [Y, X]; NaN where no sample has one."""


def cells(x: NDArray, y: NDArray, value: NDArray, top: tuple[float, float], bins: int = 40) -> Cells:
    """Number of samples on a grid of two numbers, and mean of a third; NaN is left out.

    Args:
        x: [N].
        y: [N].
        value: [N].
        top: the largest x and y.
        bins: of each side.
    """
    span = ((0.0, top[0]), (0.0, top[1]))
    placed = ~np.isnan(x) & ~np.isnan(y)
    known = placed & ~np.isnan(value)
    count, x_edges, y_edges = np.histogram2d(x[placed], y[placed], bins, span)
    seen = np.histogram2d(x[known], y[known], bins, span)[0]
    total = np.histogram2d(x[known], y[known], bins, span, weights=value[known])[0]
    mean = total / np.where(seen == 0, np.nan, seen)
    return Cells(x_edges, y_edges, count.astype(np.int64).T, mean.T)
