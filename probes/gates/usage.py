"""How many samples open each filter, and how many filters each sample opens (GaterNet's Figs. 3 and 4). No torch."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probes.gates.filters import CATEGORIES
from probes.gates.stored import GatesResult
from probes.stats.estimate import Estimate, average

BINS = 10
"""Bins of each histogram."""


@dataclass(frozen=True)
class Histogram:
    """Counts in bins of equal width."""

    edges: tuple[float, ...]
    """Ends of the bins, one more than ``counts``; a bin holds its lower end, the last both."""
    counts: tuple[int, ...]


@dataclass(frozen=True)
class FilterUse:
    """How many of n samples open each filter."""

    on_for_all: int
    """Filters that every sample opens."""
    on_for_none: int
    """Filters that no sample opens."""
    differing: int
    """Filters that some samples open and some do not."""
    conditional: int
    """Of these, filters that are on and off for more than the share ``1 - config["always"]`` of the samples."""
    on_counts: Histogram
    """Samples that open a filter, of the filters that differ."""


@dataclass(frozen=True)
class SampleUse:
    """How many filters each sample opens."""

    mean: Estimate
    spread: float
    """Standard deviation over the samples."""
    independent_spread: float
    """Standard deviation if every filter opened as often as it does, independently of the others."""
    quantiles: tuple[float, float, float, float, float]
    """Smallest, 25th, 50th and 75th percentile, largest."""
    histogram: Histogram


def filter_use(view: GatesResult, bins: int = BINS) -> FilterUse:
    """How many samples open each filter; of at least one sample.

    Args:
        view: a result.
        bins: of the histogram.
    """
    on, n = view.by_given.opened.sum(axis=1), view.by_given.n
    differ = (on > 0) & (on < n)
    category = view.by_given.category(view.result.config["always"])
    return FilterUse(
        on_for_all=int((on == n).sum()),
        on_for_none=int((on == 0).sum()),
        differing=int(differ.sum()),
        conditional=int((category == CATEGORIES.index("conditional")).sum()),
        on_counts=histogram(on[differ], 0, n, bins),
    )


def sample_use(view: GatesResult) -> SampleUse:
    """How many filters each sample opens; of at least one sample."""
    number, share = view.number_open, view.by_given.frequency
    low, high = int(number.min()), int(number.max())
    return SampleUse(
        mean=average(number, (0, view.count)),
        spread=float(number.std()),
        independent_spread=float(np.sqrt((share * (1 - share)).sum())),
        quantiles=tuple(np.quantile(number, [0, 0.25, 0.5, 0.75, 1]).tolist()),
        histogram=histogram(number, low, max(high, low + 1)),
    )


def histogram(values: NDArray, low: float, high: float, bins: int = BINS) -> Histogram:
    """Counts of values in [low, high].

    Args:
        values: [n].
        low: lower end of the first bin.
        high: upper end of the last.
        bins: number of bins.
    """
    counts, edges = np.histogram(values, bins, (low, high))
    return Histogram(tuple(edges.tolist()), tuple(counts.tolist()))
