"""How often filters are open for some samples and for the others. No torch."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probes.gates.patterns import open_counts
from probes.stats.differences import difference_intervals
from probes.stats.intervals import CONFIDENCE, wilson


@dataclass(frozen=True, eq=False)
class FilterContrasts:
    """Shares of selected samples and of the rest for which each of F filters is open, and their differences."""

    selected: NDArray[np.float64]
    """Share of the selected samples [F], in [0, 1]; NaN where none is selected."""
    rest: NDArray[np.float64]
    """Share of the rest [F]; NaN where there is no rest."""
    difference: NDArray[np.float64]
    """``selected`` minus ``rest`` [F], in [-1, 1]."""
    low: NDArray[np.float64]
    """Lower end of the interval [F]: with a chance of at least 95 % those of all F filters hold together."""
    high: NDArray[np.float64]
    """Upper end [F]."""
    count: tuple[int, int]
    """Selected samples, and the rest."""

    def ends(self, place: int) -> tuple[float, float, float]:
        """Difference of one filter with the ends of its interval."""
        return float(self.difference[place]), float(self.low[place]), float(self.high[place])

    @property
    def resolved(self) -> NDArray[np.bool_]:
        """Whether the interval excludes 0 [F]."""
        return (self.low > 0) | (self.high < 0)

    @property
    def order(self) -> NDArray[np.intp]:
        """Filters [F]: first those with intervals farthest from 0, then the largest differences of the others."""
        distance = np.where(self.resolved, np.minimum(np.abs(self.low), np.abs(self.high)), 0)
        return np.lexsort((-np.abs(self.difference), -distance))


def filter_contrasts(packed: NDArray[np.uint8], filters: int, selected: NDArray[np.bool_]) -> FilterContrasts:
    """Shares open among selected samples and among the rest, with Newcombe's intervals at Bonferroni's level.

    Among thousands of filters the largest differences are large by chance: each interval has the level 1 - 0.05 / F.

    Args:
        packed: patterns [bytes, n], see :mod:`probes.gates.run`.
        filters: number of filters F.
        selected: which samples [n].
    """
    sizes = int(selected.sum()), int((~selected).sum())
    on = open_counts(packed[:, selected], filters)
    counts = on, open_counts(packed, filters) - on
    level = 1 - (1 - CONFIDENCE) / max(1, filters)
    shares = [count / (size or np.nan) for count, size in zip(counts, sizes, strict=True)]
    sides = [
        (share, *wilson(count, size, level)) for share, count, size in zip(shares, counts, sizes, strict=True)
    ]
    return FilterContrasts(shares[0], shares[1], *difference_intervals(sides[0], sides[1]), count=sizes)
