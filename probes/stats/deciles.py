"""Samples in ten groups of about the same size, by how hard they are; and what a gate does with each. No torch."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from probes.stats.estimate import Estimate, average, share

COUNT = 10


@dataclass(frozen=True)
class Decile:
    """The samples of one group in one tenth."""

    number: int
    """From 1, the easiest, to 10."""
    routed: Estimate
    """Share routed, of those seen, with Wilson's interval."""
    gate: Estimate
    """Mean g, of those seen, with Student's interval."""


def decile_of(hardness: NDArray[np.float64]) -> NDArray[np.int64]:
    """In which tenth each sample lies [N]: 1 for the easiest to 10; 0 for one without the number (NaN).

    Equal numbers lie in the same tenth, that of their mean rank: so tenths of a score with few values differ in size,
    and some are empty.

    Args:
        hardness: [N], high is harder; inf is harder than every number.
    """
    found = np.zeros(len(hardness), np.int64)
    there = ~np.isnan(hardness)
    rank = rankdata(hardness[there]) - 0.5
    found[there] = np.minimum((COUNT * rank / max(1, there.sum())).astype(np.int64), COUNT - 1) + 1
    return found


def gate_by_decile(
    decile: NDArray[np.int64],
    who: NDArray[np.bool_],
    routed: NDArray[np.bool_],
    gate: NDArray[np.floating],
) -> tuple[Decile, ...]:
    """What a gate does with a group, tenth by tenth; a tenth with nobody of the group has no numbers.

    Args:
        decile: of each sample [N], by :func:`decile_of` of all samples, so that groups can be compared.
        who: [N] the group.
        routed: [N] at some epoch.
        gate: g there [N]; NaN for a sample that was not seen.
    """
    seen = who & ~np.isnan(gate)
    rows = [seen & (decile == number) for number in range(1, COUNT + 1)]
    return tuple(
        Decile(number, share(routed[row]), average(gate[row])) for number, row in enumerate(rows, start=1)
    )
