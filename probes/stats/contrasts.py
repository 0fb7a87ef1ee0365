"""What is special about some samples: the columns whose distributions differ most from those of the others.

Renumics Spotlight ranks columns so. Here each distance has an interval that holds for any distribution and any number
of samples, and the ranking goes by its lower end: among many classes or few samples chance alone makes large
distances.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import ks_2samp

from probes.stats.estimate import Estimate, estimate
from probes.stats.intervals import CONFIDENCE, median_interval, wilson


@dataclass(frozen=True)
class ColumnContrast:
    """How one column differs between the selected samples and the others."""

    column: str
    distance: Estimate
    """In [0, 1], 0 for equal distributions, with a 95 % interval; ``n`` of all samples that have the column. Numbers:
    the Kolmogorov-Smirnov distance. Categories: the total variation."""
    selected: Estimate
    """Numbers: the median (inf where half of them never did what the column times). Categories: the share that has
    ``category``. With its 95 % interval."""
    others: Estimate
    """The same of the others."""
    category: str | None = None
    """Of categories: the one that the selected have most in excess."""


def contrast_numbers(column: str, selected: ArrayLike, others: ArrayLike) -> ColumnContrast | None:
    """ColumnContrast a column of numbers by the Kolmogorov-Smirnov distance.

    The interval is that of Dvoretzky, Kiefer and Wolfowitz with Massart's constant (1990), for each side at half the
    error.

    Args:
        column: its name.
        selected: [n] numbers; NaN is missing and left out, inf ranks above all.
        others: [m] likewise.

    Returns:
        None where a side has no number.
    """
    sides = [_known(side) for side in (selected, others)]
    if min(side.size for side in sides) == 0:
        return None
    here, there = sides
    # Only the distance is used: its exact p value would take minutes.
    theirs: Any = ks_2samp(here, there, method="asymp")
    apart = _distance(float(theirs.statistic), [here.size, there.size], 2)
    medians = [estimate(*median_interval(side), side.size) for side in sides]
    return ColumnContrast(column, apart, medians[0], medians[1])


def contrast_categories(column: str, selected: ArrayLike, others: ArrayLike) -> ColumnContrast | None:
    """ColumnContrast a column of categories by the total variation: half the sum of the shares' differences.

    The interval is that of Weissman et al. 2003, "Inequalities for the L1 deviation of the empirical distribution",
    for each side at half the error, with as many categories as occur.

    Args:
        column: its name.
        selected: [n] texts, each a category.
        others: [m] likewise.

    Returns:
        None where a side is empty, or where there is one category only.
    """
    sides = [np.asarray(side, str) for side in (selected, others)]
    if min(side.size for side in sides) == 0:
        return None
    names, codes = np.unique(np.concatenate(sides), return_inverse=True)
    if len(names) < 2:
        return None
    sizes = [side.size for side in sides]
    counts = [np.bincount(part, minlength=len(names)) for part in np.split(codes, sizes[:1])]
    shares = [count / size for count, size in zip(counts, sizes, strict=True)]
    excess = shares[0] - shares[1]
    widest = int(excess.argmax())
    told = []
    for count, size in zip(counts, sizes, strict=True):
        low, high = wilson(count[widest], size)
        told.append(estimate(float(count[widest] / size), float(low), float(high), size))
    apart = _distance(float(np.abs(excess).sum() / 2), sizes, len(names))
    return ColumnContrast(column, apart, told[0], told[1], str(names[widest]))


def most_different(found: Iterable[ColumnContrast | None], top: int = 8) -> tuple[ColumnContrast, ...]:
    """The columns that differ by more than chance, each at 95 %; the surest distance first.

    Args:
        found: contrasts of the same samples; None is skipped.
        top: how many at most.

    Returns:
        Those whose interval leaves 0 out, by falling lower end.
    """
    apart = [one for one in found if one is not None and (one.distance.low or 0) > 0]
    return tuple(sorted(apart, key=lambda one: (-(one.distance.low or 0), one.column))[:top])


def _known(values: ArrayLike) -> NDArray[np.float64]:
    numbers = np.asarray(values, np.float64)
    return numbers[~np.isnan(numbers)]


def _distance(distance: float, sizes: list[int], categories: int) -> Estimate:
    """A distance with its interval: P(half the L1 error of n samples >= r) <= (2^K - 2) exp(-2 n r^2).

    For two categories that is what Massart's inequality says of a distribution function.
    """
    # ln(2^K - 2), which overflows for many categories.
    events = categories * math.log(2) + math.log1p(-(2.0 ** (1 - categories)))
    error = (1 - CONFIDENCE) / 2
    reach = sum(math.sqrt((events - math.log(error)) / (2 * size)) for size in sizes)
    return estimate(distance, max(0.0, distance - reach), min(1.0, distance + reach), sum(sizes))
