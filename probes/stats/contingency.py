"""Routed or skipped against corrupted or clean: the 2 x 2 table, and how strongly the two go together."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm

from probes.stats.estimate import Estimate, estimate
from probes.stats.intervals import CONFIDENCE, wilson


@dataclass(frozen=True)
class Contingency:
    """Counts of samples; corrupted is what a gate is meant to route, so routed counts as "found"."""

    routed_corrupted: int
    routed_clean: int
    skipped_corrupted: int
    skipped_clean: int

    @property
    def n(self) -> int:
        """All of them."""
        return sum(self.cells)

    @property
    def cells(self) -> tuple[int, int, int, int]:
        """Routed corrupted, routed clean, skipped corrupted, skipped clean."""
        return self.routed_corrupted, self.routed_clean, self.skipped_corrupted, self.skipped_clean

    @property
    def routed(self) -> int:
        """Of either kind."""
        return self.routed_corrupted + self.routed_clean

    @property
    def skipped(self) -> int:
        """Of either kind."""
        return self.skipped_corrupted + self.skipped_clean

    @property
    def corrupted(self) -> int:
        """On either route."""
        return self.routed_corrupted + self.skipped_corrupted

    @property
    def clean(self) -> int:
        """On either route."""
        return self.routed_clean + self.skipped_clean

    @property
    def has_odds(self) -> bool:
        """Whether there are samples of both kinds and on both routes: else there is no odds ratio."""
        return min(self.routed, self.skipped, self.corrupted, self.clean) > 0

    @property
    def continuity(self) -> bool:
        """Whether the odds ratio needs half a sample more in each cell, because one of them is empty."""
        return self.has_odds and 0 in self.cells

    @property
    def odds_ratio(self) -> Estimate:
        """The odds of being routed of a corrupted sample over those of a clean one; 1 is no association.

        In (0, inf), with the interval of Woolf 1955, "On estimating the relation between blood group and disease":
        normal on the logarithm's scale, its variance the sum of the cells' reciprocals. Where a cell is empty, 0.5
        is added to every one first (Haldane 1956, Anscombe 1956).
        """
        if not self.has_odds:
            return estimate(np.nan, np.nan, np.nan, self.n)
        a, b, c, d = np.asarray(self.cells, np.float64) + (0.5 if self.continuity else 0.0)
        ratio = float(a * d / (b * c))
        reach = float(np.exp(norm.ppf(0.5 + CONFIDENCE / 2) * np.sqrt(1 / a + 1 / b + 1 / c + 1 / d)))
        return estimate(ratio, ratio / reach, ratio * reach, self.n)

    @property
    def precision(self) -> Estimate:
        """Share of the routed that are corrupted, with Wilson's interval."""
        return _share(self.routed_corrupted, self.routed)

    @property
    def recall(self) -> Estimate:
        """Share of the corrupted that are routed, with Wilson's interval."""
        return _share(self.routed_corrupted, self.corrupted)


def contingency(routed: ArrayLike, corrupted: ArrayLike) -> Contingency:
    """Count samples.

    Args:
        routed: [n] bool, g > 0.5.
        corrupted: [n] bool.
    """
    found, wrong = np.asarray(routed, bool), np.asarray(corrupted, bool)
    cells = found & wrong, found & ~wrong, ~found & wrong, ~found & ~wrong
    return Contingency(*(int(cell.sum()) for cell in cells))


def _share(hits: int, n: int) -> Estimate:
    low, high = wilson(hits, n)
    return estimate(hits / n if n else np.nan, float(low), float(high), n)
