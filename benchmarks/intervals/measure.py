"""How often an interval contains the true value: simulated in a corner, or computed exactly for a share."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from probes.stats.estimate import Estimate
from probes.stats.intervals import wilson

HOLDS = 0.91
"""Lowest coverage with which a 95 % interval is shown."""

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator], tuple[float, float, float]]
"""One sample: lower and upper end of its interval (NaN: withheld) and the true value."""


@dataclass(frozen=True)
class Corner:
    """One interval where it is hardest to hold."""

    interval: str
    corner: str
    n: str
    settings: tuple[Draw, ...]
    costly: bool = False
    """Whether a draw takes milliseconds, since it needs a bootstrap."""


@dataclass(frozen=True)
class Coverage:
    """Coverage of one corner."""

    lowest: float
    """Of the settings."""
    error: float
    """Standard error of ``lowest`` by the simulation."""
    mean: float
    """Over the settings."""
    shown: float
    """Share of the draws that have an interval."""

    @property
    def holds(self) -> bool:
        """Whether the lowest coverage is not below :data:`HOLDS` beyond three standard errors."""
        return self.lowest >= HOLDS - 3 * math.sqrt(HOLDS * (1 - HOLDS)) * self.error_scale

    @property
    def error_scale(self) -> float:
        """1 / sqrt(draws)."""
        return self.error / math.sqrt(max(self.lowest * (1 - self.lowest), 1e-12))


def coverage(corner: Corner, simulations: int, seed: int = 0) -> Coverage:
    """Coverage of a corner by simulation.

    Args:
        corner: the corner.
        simulations: draws of each setting.
        seed: of the draws; each setting has its own generator.
    """
    rows, shown = [], 0
    for number, draw in enumerate(corner.settings):
        generator = np.random.default_rng([seed, number])
        ends = np.array([draw(generator) for _ in range(simulations)], np.float64)
        known = ends[~np.isnan(ends[:, 0])]
        shown += len(known)
        if len(known) >= simulations / 20:
            low, high, truth = known.T
            # Rounding must not decide whether an end equals the true value.
            held = float(((low <= truth + 1e-9) & (high >= truth - 1e-9)).mean())
            rows.append((held, math.sqrt(held * (1 - held) / len(known))))
    if not rows:
        return Coverage(math.nan, math.nan, math.nan, 0.0)
    lowest, error = min(rows)
    mean = float(np.mean([held for held, _ in rows]))
    return Coverage(lowest, error, mean, shown / (simulations * len(corner.settings)))


def ends_of(number: Estimate) -> tuple[float, float]:
    """Lower and upper end of a number's interval; NaN where it is withheld."""
    return (
        math.nan if number.low is None else number.low,
        math.nan if number.high is None else number.high,
    )


def share_coverage(n: int, shares: Floats) -> Floats:
    """Exact coverage of a share's interval at each true share."""
    counts = np.arange(n + 1)
    low, high = wilson(counts, n)
    inside = (low <= shares[:, None]) & (shares[:, None] <= high)
    return (binom.pmf(counts, n, shares[:, None]) * inside).sum(axis=1)


def worst_share(n: int) -> tuple[float, float]:
    """Lowest coverage of a share's interval over shares from 1e-5 to 1 - 1e-5, and the mean over shares in [0, 1]."""
    near = np.geomspace(1e-5, 0.5, 3000)
    even = np.linspace(0.0005, 0.9995, 1000)
    return float(share_coverage(n, near).min()), float(share_coverage(n, even).mean())
