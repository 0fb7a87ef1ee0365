"""The 2 x 2 table of routed or skipped against corrupted or clean samples, and its odds ratio."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm

from probes.stats.estimate import Estimate, estimate, ratio
from probes.stats.intervals import CONFIDENCE


@dataclass(frozen=True)
class Contingency:
    """Counts of samples by route and corruption; the gate is judged as a detector that flags the routed samples."""

    routed_corrupted: int
    routed_clean: int
    skipped_corrupted: int
    skipped_clean: int

    @property
    def n(self) -> int:
        """Number of samples."""
        return sum(self.cells)

    @property
    def cells(self) -> tuple[int, int, int, int]:
        """Routed corrupted, routed clean, skipped corrupted, skipped clean."""
        return self.routed_corrupted, self.routed_clean, self.skipped_corrupted, self.skipped_clean

    @property
    def routed(self) -> int:
        """Number of routed samples, corrupted and clean."""
        return self.routed_corrupted + self.routed_clean

    @property
    def skipped(self) -> int:
        """Number of skipped samples, corrupted and clean."""
        return self.skipped_corrupted + self.skipped_clean

    @property
    def corrupted(self) -> int:
        """Number of corrupted samples, routed and skipped."""
        return self.routed_corrupted + self.skipped_corrupted

    @property
    def clean(self) -> int:
        """Number of clean samples, routed and skipped."""
        return self.routed_clean + self.skipped_clean

    @property
    def has_odds(self) -> bool:
        """Whether both routes and both kinds have samples; without them there is no odds ratio."""
        return min(self.routed, self.skipped, self.corrupted, self.clean) > 0

    @property
    def continuity(self) -> bool:
        """Whether 0.5 is added to each cell for the odds ratio, because one of them is empty."""
        return self.has_odds and 0 in self.cells

    @property
    def odds_ratio(self) -> Estimate:
        """Odds of being routed for corrupted samples divided by those for clean ones; 1 is no association.

        In (0, inf), with the interval of Woolf 1955, "On estimating the relation between blood group and disease":
        normal on the log scale, its variance the sum of the cells' reciprocals. Where a cell is empty, 0.5 is added
        to each cell first (Haldane 1956, Anscombe 1956), and the end on the side of the empty cell is 0 or inf: the
        samples then do not bound the odds ratio on that side (Agresti 1999, "On logit confidence intervals for the
        odds ratio with small samples").
        """
        if not self.has_odds:
            return estimate(np.nan, np.nan, np.nan, self.n)
        a, b, c, d = np.asarray(self.cells, np.float64) + (0.5 if self.continuity else 0.0)
        odds = float(a * d / (b * c))
        reach = float(np.exp(norm.ppf(0.5 + CONFIDENCE / 2) * np.sqrt(1 / a + 1 / b + 1 / c + 1 / d)))
        above = 0 in (self.skipped_corrupted, self.routed_clean)
        below = 0 in (self.routed_corrupted, self.skipped_clean)
        return estimate(odds, 0.0 if below else odds / reach, np.inf if above else odds * reach, self.n)

    @property
    def precision(self) -> Estimate:
        """Share of the routed that are corrupted, with Wilson's interval."""
        return ratio(self.routed_corrupted, self.routed)

    @property
    def recall(self) -> Estimate:
        """Share of the corrupted that are routed, with Wilson's interval."""
        return ratio(self.routed_corrupted, self.corrupted)


def contingency(routed: ArrayLike, corrupted: ArrayLike) -> Contingency:
    """The counts of samples by route and corruption.

    Args:
        routed: [n] bool, g > 0.5.
        corrupted: [n] bool.
    """
    through, wrong = np.asarray(routed, bool), np.asarray(corrupted, bool)
    cells = through & wrong, through & ~wrong, ~through & wrong, ~through & ~wrong
    return Contingency(*(int(cell.sum()) for cell in cells))
