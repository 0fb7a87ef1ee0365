"""Rank correlation with a quantity that was measured with noise: its ceiling, and what is left without the noise.

A noisy measurement lowers every correlation with it, by the root of its reliability (Spearman 1904, "The proof and
measurement of association between two things"). The reliability is that of two halves of the measurement, raised to
the whole by Spearman-Brown's formula. All figures carry the influence of each sample, so that intervals of ratios,
means and differences of correlations count what these have in common.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from probes.stats.estimate import Estimate, estimate
from probes.stats.intervals import CONFIDENCE
from probes.stats.rank_correlation import SPEARMAN_PAIRS, STRATUM_PAIRS, spearman_influence

Floats = NDArray[np.float64]

LEAST_RELIABILITY = 0.1
"""Smallest reliability by which a correlation is divided: below it the measurement is nearly all noise."""


@dataclass(frozen=True, eq=False)
class Figure:
    """A number computed from N samples, and how much each sample acts on it."""

    value: float
    """NaN where it is undefined."""
    influence: Floats
    """[N] influence function at each sample: its mean is 0, and that of its squares, over N, the variance of
    ``value``; 0 for a sample that was left out."""
    n: int
    """Samples that were not left out."""

    @property
    def variance(self) -> float:
        """Variance of ``value`` over samples."""
        return float((self.influence**2).sum()) / len(self.influence) / max(len(self.influence) - 1, 1)


def rank_correlation(x: ArrayLike, y: ArrayLike, strata: ArrayLike | None = None) -> Figure:
    """Spearman's rank correlation in [-1, 1] of two quantities, or its mean within strata weighted by their pairs.

    Args:
        x: [N] numbers, may be infinite; NaN is left out.
        y: [N] likewise.
        strata: [N] the stratum of each sample, such as its class; None for one of all. Of several, those with fewer
            than :data:`STRATUM_PAIRS` pairs, or in which x or y is constant, are left out.

    Returns:
        The correlation; NaN where no stratum is left.
    """
    first, second = np.asarray(x, np.float64), np.asarray(y, np.float64)
    known = ~(np.isnan(first) | np.isnan(second))
    size = len(first)
    groups = [known]
    if strata is not None:
        kinds, least = np.unique(np.asarray(strata)), STRATUM_PAIRS
        groups = [group for kind in kinds if (group := known & (np.asarray(strata) == kind)).sum() >= least]
    influence, weighted, n = np.zeros(size), 0.0, 0
    for group in groups:
        rho, acts = spearman_influence(first[group], second[group])
        if np.isnan(rho):
            continue
        influence[group] = acts
        weighted += rho * len(acts)
        n += len(acts)
    if n == 0:
        return Figure(np.nan, influence, 0)
    return Figure(weighted / n, influence * (size / n), n)


def mean_figure(figures: Sequence[Figure]) -> Figure:
    """Mean of figures of the same N samples; of those that are defined, NaN where none is."""
    known = [figure for figure in figures if not np.isnan(figure.value)]
    if not known:
        return Figure(np.nan, np.zeros(len(figures[0].influence)), 0)
    values, influences = ([getattr(figure, name) for figure in known] for name in ("value", "influence"))
    return Figure(float(np.mean(values)), np.mean(influences, axis=0), round(np.mean([f.n for f in known])))


def difference(first: Figure, second: Figure) -> Figure:
    """First minus second figure of the same N samples."""
    return Figure(first.value - second.value, first.influence - second.influence, min(first.n, second.n))


def reliability(first: ArrayLike, second: ArrayLike, strata: ArrayLike | None = None) -> Figure:
    """Reliability of the mean of two halves of a measurement, in ranks, at most 1: Spearman-Brown's 2 r / (1 + r).

    r is the rank correlation of the halves (Spearman 1910, Brown 1910). The square root of the reliability is the
    noise ceiling: the largest correlation that anything can be expected to have with the measurement.

    Args:
        first: [N] measured by one half, such as the models of even blocks; NaN is left out.
        second: [N] measured by the other.
        strata: as in :func:`rank_correlation`.

    Returns:
        NaN where a half is constant or the halves are opposed (r = -1).
    """
    halves = rank_correlation(first, second, strata)
    if not halves.value > -1 + 1e-9:
        return Figure(np.nan, np.zeros(len(halves.influence)), halves.n)
    slope = 2 / (1 + halves.value) ** 2
    return Figure(2 * halves.value / (1 + halves.value), slope * halves.influence, halves.n)


def disattenuated(correlation: Figure, ceiling: Figure) -> Figure:
    """Correlation with the quantity without the noise of its measurement: rho / sqrt(reliability).

    Exact for Pearson's correlation; for ranks it is right within 0.01 where quantity and noise are normal. Noise that
    differs between samples, many of which are nearly alike, scatters ranks more than the halves show, and only a part
    of the loss is made up for: of 32 models' memorisation scores that are mostly near 0, 0.55 became 0.60 where 0.68
    was true. By chance it may be above 1 in size.

    Args:
        correlation: with the measurement.
        ceiling: the reliability of the measurement, of the same N samples.

    Returns:
        NaN where the reliability is below :data:`LEAST_RELIABILITY`.
    """
    nothing = Figure(np.nan, np.zeros(len(correlation.influence)), correlation.n)
    if not ceiling.value >= LEAST_RELIABILITY:
        return nothing
    root = np.sqrt(ceiling.value)
    acts = correlation.influence / root - correlation.value / (2 * root**3) * ceiling.influence
    return Figure(correlation.value / root, acts, min(correlation.n, ceiling.n))


def with_ends(figure: Figure, between: float = 0.0, confidence: float = CONFIDENCE) -> Estimate:
    """A correlation or reliability with its interval on Fisher's z scale, by the influences and Student's t.

    Args:
        figure: in [-1, 1].
        between: variance of its value that is not over samples, such as between runs.
        confidence: level in (0, 1).

    Returns:
        No interval with fewer than ``SPEARMAN_PAIRS`` samples, or where the value is exactly 1 or -1.
    """
    value, n = figure.value, figure.n
    if np.isnan(value) or n < SPEARMAN_PAIRS or abs(value) > 1 - 1e-12:
        return estimate(value, np.nan, np.nan, n)
    # Below the error of Bonett and Wright 2000 the influences are too small by chance (see rank_correlation).
    floor = (1 + value**2 / 2) / (n - 3)
    error = np.sqrt(max(figure.variance / (1 - value**2) ** 2, floor) + between / (1 - value**2) ** 2)
    half, place = float(stdtrit(n - 1, 0.5 + confidence / 2)) * error, np.arctanh(value)
    return estimate(value, float(np.tanh(place - half)), float(np.tanh(place + half)), n)


def with_symmetric_ends(
    figure: Figure, between: float = 0.0, limit: float = np.inf, confidence: float = CONFIDENCE
) -> Estimate:
    """A difference or quotient of correlations with its interval, by the influences and Student's t.

    Args:
        figure: any number.
        between: as in :func:`with_ends`.
        limit: largest possible size, at which value and ends are cut.
        confidence: level in (0, 1).

    Returns:
        No interval with fewer than ``SPEARMAN_PAIRS`` samples.
    """
    value, n = figure.value, figure.n
    if np.isnan(value) or n < SPEARMAN_PAIRS:
        return estimate(float(np.clip(value, -limit, limit)), np.nan, np.nan, n)
    half = float(stdtrit(n - 1, 0.5 + confidence / 2)) * np.sqrt(figure.variance + between)
    value, low, high = (float(np.clip(end, -limit, limit)) for end in (value, value - half, value + half))
    return estimate(value, low, high, n)
