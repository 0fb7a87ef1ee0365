"""Deciles of samples by hardness, and a gate's value and routing in each decile. No torch."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from probes.stats.estimate import Estimate, average, gate_range, share

COUNT = 10


@dataclass(frozen=True)
class Decile:
    """Routing of the samples of one group in one decile."""

    number: int
    """From 1, the easiest, to 10."""
    routed: Estimate
    """Share of the seen samples that is routed, with Wilson's interval."""
    gate: Estimate
    """Mean g of the seen samples, with the interval of a mean in the gate's range."""


def decile_of(hardness: NDArray[np.float64]) -> NDArray[np.int64]:
    """Decile [N] of each sample: 1 for the easiest to 10 for the hardest, 0 for a sample without a value.

    Equal values lie in the same decile, that of their mean rank: so the deciles of a score with few distinct values
    differ in size, and some are empty.

    Args:
        hardness: [N], high is harder; inf is harder than every number, NaN is missing.
    """
    decile = np.zeros(len(hardness), np.int64)
    known = ~np.isnan(hardness)
    rank = rankdata(hardness[known]) - 0.5
    decile[known] = np.minimum((COUNT * rank / max(1, known.sum())).astype(np.int64), COUNT - 1) + 1
    return decile


def gate_by_decile(
    decile: NDArray[np.int64],
    group: NDArray[np.bool_],
    routed: NDArray[np.bool_],
    gate: NDArray[np.floating],
) -> tuple[Decile, ...]:
    """Routing and gate value of a group in each of the ten deciles; no values where the decile has none of the group.

    Args:
        decile: [N] by :func:`decile_of` of all samples, so that groups can be compared.
        group: [N] mask of the group.
        routed: [N] at one epoch.
        gate: [N] g at that epoch; NaN for a sample that was not seen.
    """
    seen = group & ~np.isnan(gate)
    within = gate_range(gate)
    rows = [seen & (decile == number) for number in range(1, COUNT + 1)]
    return tuple(
        Decile(number, share(routed[row]), average(gate[row], within))
        for number, row in enumerate(rows, start=1)
    )
