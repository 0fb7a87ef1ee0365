"""Columns in which selected samples differ most from the others, by the distance of the two distributions.

Renumics Spotlight ranks columns in this way. Here each distance has an interval that is valid for any distribution and
any number of samples, and the ranking uses its lower end: with many classes or few samples, large distances arise by
chance.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import ks_2samp

from probes.stats.estimate import Estimate, estimate, ratio
from probes.stats.intervals import CONFIDENCE, median_interval


@dataclass(frozen=True)
class ColumnContrast:
    """Difference of one column between the selected samples and the others."""

    column: str
    distance: Estimate
    """In [0, 1], 0 for equal distributions, with a 95 % interval; ``n`` counts all samples with a value. For numbers
    the Kolmogorov-Smirnov distance, for categories the total variation."""
    selected: Estimate
    """Of the selected samples, with its 95 % interval. For numbers the median (inf where the event that the column
    times never happened to half of them), for categories the share of ``category``."""
    others: Estimate
    """The median or share of the other samples, with its 95 % interval."""
    category: str | None = None
    """For categories: the category with the largest excess share among the selected samples."""


def contrast_numbers(column: str, selected: ArrayLike, others: ArrayLike) -> ColumnContrast | None:
    """Contrast of a column of numbers by the Kolmogorov-Smirnov distance; None where a side has no number.

    The interval is that of Dvoretzky, Kiefer and Wolfowitz with Massart's constant (1990), for each side at half the
    error.

    Args:
        column: name of the column.
        selected: [n] numbers; NaN is missing and left out, inf ranks above all.
        others: [m] likewise.
    """
    sides = [_known(side) for side in (selected, others)]
    if min(side.size for side in sides) == 0:
        return None
    # Only the distance is used: the exact p value would take minutes, and the other is infinite for a single number.
    with np.errstate(divide="ignore", invalid="ignore"):
        test: Any = ks_2samp(sides[0], sides[1], method="asymp")
    distance = _distance(float(test.statistic), [side.size for side in sides], 2)
    medians = [estimate(*median_interval(side), side.size) for side in sides]
    return ColumnContrast(column, distance, medians[0], medians[1])


def contrast_categories(column: str, selected: ArrayLike, others: ArrayLike) -> ColumnContrast | None:
    """Contrast of a column of categories by the total variation, half the sum of the absolute differences of shares.

    The interval is that of Weissman et al. 2003, "Inequalities for the L1 deviation of the empirical distribution",
    for each side at half the error, with the number of categories that occur.

    Args:
        column: name of the column.
        selected: [n] category names.
        others: [m] likewise.

    Returns:
        The contrast; None where a side is empty or there is only one category.
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
    selected_share, other_share = (
        ratio(int(count[widest]), size) for count, size in zip(counts, sizes, strict=True)
    )
    distance = _distance(float(np.abs(excess).sum() / 2), sizes, len(names))
    return ColumnContrast(column, distance, selected_share, other_share, str(names[widest]))


def most_different(contrasts: Iterable[ColumnContrast | None], top: int = 8) -> tuple[ColumnContrast, ...]:
    """The contrasts with an interval above 0, by descending lower end.

    Args:
        contrasts: contrasts of the same samples; None is skipped.
        top: largest number of contrasts.
    """
    differing = [
        contrast for contrast in contrasts if contrast is not None and (contrast.distance.low or 0) > 0
    ]
    return tuple(
        sorted(differing, key=lambda contrast: (-(contrast.distance.low or 0), contrast.column))[:top]
    )


def _known(values: ArrayLike) -> NDArray[np.float64]:
    numbers = np.asarray(values, np.float64)
    return numbers[~np.isnan(numbers)]


def _distance(distance: float, sizes: list[int], categories: int) -> Estimate:
    """A distance with its interval from P(half the L1 error of n samples >= r) <= (2^K - 2) exp(-2 n r^2).

    For two categories this is Massart's inequality for a distribution function.
    """
    # ln(2^K - 2), rewritten since 2^K overflows for many categories.
    events = categories * math.log(2) + math.log1p(-(2.0 ** (1 - categories)))
    error = (1 - CONFIDENCE) / 2
    reach = sum(math.sqrt((events - math.log(error)) / (2 * size)) for size in sizes)
    return estimate(distance, max(0.0, distance - reach), min(1.0, distance + reach), sum(sizes))
