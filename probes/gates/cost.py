"""What samples cost, in MACs: by group against the clean ones, and by hardness, also within classes. No torch."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probes.gates.stored import GatesResult
from probes.samples.probe_groups import Members
from probes.stats.estimate import Estimate, average, estimate, excess
from probes.stats.rank_correlation import spearman_interval, stratified_spearman
from probes.stats.stratified import stratified_difference


@dataclass(frozen=True)
class GroupCost:
    """Cost of one group, and how it differs from that of the clean samples."""

    name: str
    n: int
    mean: Estimate
    """Mean of the samples, in the unit of the cost."""
    over_clean: Estimate | None
    """Mean of the group minus mean of the clean samples, which are other samples; None for the clean samples
    themselves, for groups that hold some of them, and where there are none."""
    within_class: Estimate | None
    """Likewise, minus the mean of the clean samples of the same classes
    (:func:`probes.stats.stratified.stratified_difference`)."""


@dataclass(frozen=True, eq=False)
class Hardness:
    """A score of hardness of n samples."""

    column: str
    title: str
    values: NDArray[np.float64]
    """[n] turned so that high is harder; NaN is missing, inf the hardest."""


@dataclass(frozen=True)
class CostCorrelation:
    """Spearman's rank correlations of a cost with one score; above 0 harder samples cost more."""

    column: str
    title: str
    n: int
    """Samples with a value of the score."""
    plain: Estimate
    """Over all samples."""
    within_class: Estimate
    """Mean of the correlations within classes (:func:`probes.stats.rank_correlation.stratified_spearman`)."""
    clean_within_class: Estimate | None
    """Likewise, of the clean samples alone; None where none is corrupted, or it is not known which."""


def group_costs(
    cost: NDArray, groups: Members, classes: NDArray[np.integer], within: tuple[float, float]
) -> tuple[GroupCost, ...]:
    """Cost of every group.

    Args:
        cost: of each sample [n].
        groups: of :func:`probes.samples.probe_groups.probed_members`.
        classes: class of each sample's image [n].
        within: smallest and largest possible cost.
    """
    clean = groups.get("clean")
    means = {name: average(cost[mask], within) for name, mask in groups.items()}
    rows = []
    for name, mask in groups.items():
        over = stratified = None
        if clean is not None and not (mask & clean).any():
            over = excess(means[name], means["clean"])
            stratified = stratified_difference(cost, mask, clean, classes)
        rows.append(GroupCost(name, int(mask.sum()), means[name], over, stratified))
    return tuple(rows)


def cost_correlations(
    cost: NDArray, hardness: Sequence[Hardness], groups: Members, classes: NDArray[np.integer]
) -> tuple[CostCorrelation, ...]:
    """Rank correlation of the cost with every score that has values.

    Args:
        cost: of each sample [n].
        hardness: scores of the same samples.
        groups: of :func:`probes.samples.probe_groups.probed_members`.
        classes: class of each sample's image [n].
    """
    clean = groups.get("clean")
    rows = []
    for score in hardness:
        known = ~np.isnan(score.values)
        if not known.any():
            continue
        alone = None
        if clean is not None:
            both = known & clean
            alone = _within(cost[both], score.values[both], classes[both])
        plain = estimate(*spearman_interval(cost[known], score.values[known]), n=int(known.sum()))
        inside = _within(cost[known], score.values[known], classes[known])
        rows.append(CostCorrelation(score.column, score.title, int(known.sum()), plain, inside, alone))
    return tuple(rows)


def _within(cost: NDArray, values: NDArray, classes: NDArray) -> Estimate:
    return estimate(*stratified_spearman(cost, values, classes), n=len(cost))


@dataclass(frozen=True)
class Sides:
    """Names of differences by the side of 0 on which their intervals lie."""

    above: tuple[str, ...]
    below: tuple[str, ...]
    unresolved: tuple[str, ...]
    """The interval includes 0, or there is none."""


def by_side(changes: Sequence[tuple[str, Estimate | None]]) -> Sides:
    """The names of differences, or correlations, by the side of 0 on which their intervals lie."""
    known = [(name, change.low, change.high) for name, change in changes if change is not None]
    above = [name for name, low, _ in known if low is not None and low > 0]
    below = [name for name, _, high in known if high is not None and high < 0]
    others = [name for name, _ in changes if name not in above and name not in below]
    return Sides(tuple(above), tuple(below), tuple(others))


def cost_of(view: GatesResult) -> tuple[NDArray[np.float64], tuple[float, float]]:
    """What each sample costs [n] and the possible range: MACs, or open filters where the gates close nothing."""
    if not view.has_macs:
        return view.cost, (0, view.count)
    macs = view.result.config["macs"]
    return view.cost, (macs["always"], macs["total"])


def unit_of(view: GatesResult) -> str:
    """What :func:`cost_of` counts, in words."""
    return "MACs" if view.has_macs else "Open units"
