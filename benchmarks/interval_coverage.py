"""How often each interval of the suite contains the true value, where that is hardest: a table of coverages.

    python benchmarks/interval_coverage.py [--simulations 2000] [--processes 2] [--only AUROC]

A row is an interval in one corner: few samples, a share or an area close to 0 or 1, ties, skewed values. It has
several settings, such as six AUROCs; the row has the lowest coverage of a setting, and the mean over all.
A share's coverage is computed, all others are simulated with a seed, so that the table can be made again. Coverage is
that of the intervals that are shown: with too few samples one is withheld, and the row says in how many draws.

Ends with exit code 1 when an interval contains the true value in less than 91 % of its draws, beyond three times the
simulation's own error.
"""

import argparse
import math
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri
from scipy.stats import binom, rankdata
from tabulate import tabulate

from probes.scores.detection import detection_figures
from probes.scores.over_epochs import EPOCH_QUANTITIES, _curves
from probes.stats.agreement import agreement, kappa
from probes.stats.auroc import auroc_difference, auroc_interval
from probes.stats.bootstrap import resample_interval, resampled
from probes.stats.contingency import Contingency
from probes.stats.contrasts import contrast_categories, contrast_numbers
from probes.stats.differences import paired_interval, paired_shares
from probes.stats.estimate import Estimate, difference, excess, ratio
from probes.stats.intervals import mean_interval, median_interval, wilson
from probes.stats.rank_correlation import spearman_interval
from probes.stats.ranking import order

HOLDS = 0.91
"""Lowest coverage with which a 95 % interval is shown."""

RESAMPLES = 100
"""Bootstrap resamples in the simulations; a report has 200."""

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


# Shares


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


# AUROC

AREAS = (0.5, 0.7, 0.856, 0.961, 0.983, 0.995)


def two_normals(area: float, m: int, n: int, sd: float, rng: np.random.Generator) -> tuple[Floats, float]:
    """Scores [m + n], the positives first with the standard deviation ``sd``, and their true AUROC."""
    shift = ndtri(area) * math.sqrt(1 + sd**2)
    return np.concatenate([rng.normal(shift, sd, m), rng.normal(0, 1, n)]), area


def exponential(area: float, m: int, n: int, rng: np.random.Generator) -> tuple[Floats, float]:
    """Scores of two exponential distributions: some positives lie among the lowest of all."""
    scale = area / (1 - area)
    return np.concatenate([rng.exponential(scale, m), rng.exponential(1, n)]), area


def with_outliers(area: float, m: int, n: int, rng: np.random.Generator) -> tuple[Floats, float]:
    """Scores in which each positive is above or below all negatives: the AUROC is a share of the positives."""
    high = np.where(rng.random(m) < area, 9.0, -9.0)
    return np.concatenate([high, rng.normal(0, 1, n)]), area


def tied(area: float, m: int, n: int, levels: int, rng: np.random.Generator) -> tuple[Floats, float]:
    """Scores of two normal distributions cut into levels at the quantiles of the negatives."""
    cuts = ndtri(np.arange(1, levels) / levels)
    scores, _ = two_normals(area, m, n, 1, rng)
    shift = ndtri(area) * math.sqrt(2)
    of_positives = np.diff(np.concatenate([[0], ndtr(cuts - shift), [1]]))
    truth = float((of_positives * (np.arange(levels) + 0.5) / levels).sum())
    return np.digitize(scores, cuts).astype(np.float64), truth


SCORES = {
    "two normals": partial(two_normals, sd=1),
    "two normals, sd 2 and 1": partial(two_normals, sd=2),
    "two normals, sd 0.5 and 1": partial(two_normals, sd=0.5),
    "two exponentials": exponential,
    "two normals in 3 levels": partial(tied, levels=3),
    "positives above or below all": with_outliers,
}


def area_draw(make: Callable[..., tuple[Floats, float]], area: float, m: int, n: int) -> Draw:
    """The interval of one AUROC."""

    def draw(rng: np.random.Generator) -> tuple[float, float, float]:
        scores, truth = make(area, m, n, rng=rng)
        return *auroc_interval(scores, np.arange(m + n) < m), truth

    return draw


def delong(scores: Floats, positive: NDArray[np.bool_], on_logits: bool = False) -> tuple[float, float]:
    """DeLong's interval, which memgate had before; for comparison."""
    high, low = scores[positive], scores[~positive]
    m, n, pooled = len(high), len(low), rankdata(np.concatenate([high, low]))
    sides = (pooled[:m] - rankdata(high)) / n, 1 - (pooled[m:] - rankdata(low)) / m
    area = float(sides[0].mean())
    half = 1.96 * math.sqrt(sum(float(side.var(ddof=1)) / len(side) for side in sides))
    if not on_logits:
        return max(0.0, area - half), min(1.0, area + half)
    if not 0 < area < 1:
        return area, area
    middle, half = math.log(area / (1 - area)), half / (area * (1 - area))
    return 1 / (1 + math.exp(half - middle)), 1 / (1 + math.exp(-half - middle))


def newcombe(scores: Floats, positive: NDArray[np.bool_]) -> tuple[float, float]:
    """Newcombe's method 5 (2006): Hanley and McNeil's variance at the end itself; for comparison."""
    m, n = int(positive.sum()), int((~positive).sum())
    area = float((rankdata(scores)[positive].sum() - m * (m + 1) / 2) / (m * n))
    ends = np.linspace(0, 1, 4001)
    half = (m + n) / 2 - 1
    variance = ends * (1 - ends) / (m * n)
    variance *= 1 + half * (1 - ends) / (2 - ends) + half * ends / (1 + ends)
    inside = ends[np.abs(area - ends) <= 1.96 * np.sqrt(variance)]
    return float(inside.min(initial=area)), float(inside.max(initial=area))


REJECTED: dict[str, Callable[[Floats, NDArray[np.bool_]], tuple[float, float]]] = {
    "DeLong": delong,
    "DeLong on logits": partial(delong, on_logits=True),
    "Newcombe 5": newcombe,
}


def rejected_draw(name: str, make: Callable[..., tuple[Floats, float]], area: float, m: int, n: int) -> Draw:
    """The interval of one AUROC by a method that was not chosen."""

    def draw(rng: np.random.Generator) -> tuple[float, float, float]:
        scores, truth = make(area, m, n, rng=rng)
        return *REJECTED[name](scores, np.arange(m + n) < m), truth

    return draw


def area_difference_draw(areas: tuple[float, float], alike: float, m: int, n: int) -> Draw:
    """The interval of the difference of two AUROCs of the same samples, whose scores correlate by ``alike``."""

    def draw(rng: np.random.Generator) -> tuple[float, float, float]:
        common, own = rng.normal(size=(2, m + n))
        positive = np.arange(m + n) < m
        first = common + positive * ndtri(areas[0]) * math.sqrt(2)
        second = alike * common + math.sqrt(1 - alike**2) * own + positive * ndtri(areas[1]) * math.sqrt(2)
        _, low, high = auroc_difference(first, second, positive)
        return low, high, areas[0] - areas[1]

    return draw


def epoch_mean_draw(area: float, m: int, n: int) -> Draw:
    """The interval of a mean AUROC over 5 epochs, by the code of the report."""

    def draw(rng: np.random.Generator) -> tuple[float, float, float]:
        positive = np.arange(m + n) < m
        common, own = rng.normal(size=m + n), rng.normal(size=(5, m + n))
        values = (common + own) / math.sqrt(2) + positive * ndtri(area) * math.sqrt(2)
        (curve,) = _curves(
            EPOCH_QUANTITIES[0], None, np.arange(5), values, ~positive, {"corrupted": positive}
        )
        return *_ends(curve.mean), area

    return draw


def _ends(number: Estimate) -> tuple[float, float]:
    return (
        math.nan if number.low is None else number.low,
        math.nan if number.high is None else number.high,
    )


# Figures of detection


@cache
def true_figures(area: float, m: int, n: int, sd: float) -> Floats:
    """Average precision, precision at k and FPR95 of 300,000 samples, about those of all."""
    times = 300_000 // (m + n)
    scores, _ = two_normals(area, m * times, n * times, sd, np.random.default_rng(99))
    figures = detection_figures(scores, np.arange(len(scores)) < m * times, np.empty((0, len(scores)), int))
    return np.array([figure.value for figure in figures], np.float64)


def detection_draw(figure: int, area: float, m: int, n: int, sd: float) -> Draw:
    """The interval of average precision (0), precision at k (1) or FPR95 (2)."""

    def draw(rng: np.random.Generator) -> tuple[float, float, float]:
        truth = float(true_figures(area, m, n, sd)[figure])
        scores, _ = two_normals(area, m, n, sd, rng)
        seed = int(rng.integers(1 << 30))
        weights = [resampled(m, RESAMPLES, seed, "positive"), resampled(n, RESAMPLES, seed, "negative")]
        figures = detection_figures(scores, np.arange(m + n) < m, np.concatenate(weights, axis=1))
        return *_ends(figures[figure]), truth

    return draw


def group_draw(area: float, m: int, n: int) -> Draw:
    """The interval of the mean AUROC of two foreign sets of m samples against the same n test samples."""

    def draw(rng: np.random.Generator) -> tuple[float, float, float]:
        test, seed = rng.normal(size=n), int(rng.integers(1 << 30))
        drawn_in = resampled(n, RESAMPLES, seed, "")
        areas, draws = [], []
        for name in ("a", "b"):
            scores = np.concatenate([rng.normal(ndtri(area) * math.sqrt(2), 1, m), test])
            in_order = order(scores, np.arange(m + n) < m)
            weights = np.concatenate([resampled(m, RESAMPLES, seed, name), drawn_in], axis=1)
            areas.append(in_order.ranking().auroc)
            draws.append([in_order.ranking(weight).auroc for weight in weights])
        return *resample_interval(float(np.mean(areas)), np.mean(draws, axis=0), m), area

    return draw


# Means, medians and differences

GATES: dict[str, Callable[[np.random.Generator, int], Floats]] = {
    "g in [0, 1], most near 1": lambda rng, n: rng.beta(5, 0.5, n),
    "g in [0, 1], most near 0": lambda rng, n: rng.beta(0.2, 2, n),
    "g in [0, 1], 5 % at 0.02, others 0.98": lambda rng, n: np.where(rng.random(n) < 0.05, 0.02, 0.98),
    "g in [0, 1], at both ends": lambda rng, n: rng.beta(0.3, 0.3, n),
}
GATE_MEANS = (5 / 5.5, 0.2 / 2.2, 0.05 * 0.02 + 0.95 * 0.98, 0.5)

UNBOUNDED: dict[str, tuple[Callable[[np.random.Generator, int], Floats], float]] = {
    "normal": (lambda rng, n: rng.normal(0, 1, n), 0.0),
    "exponential": (lambda rng, n: rng.exponential(1, n), 1.0),
    "log-normal, sigma 1": (lambda rng, n: rng.lognormal(0, 1, n), math.exp(0.5)),
}


def mean_draw(
    make: Callable[[np.random.Generator, int], Floats],
    truth: float,
    n: int,
    within: tuple[float, float] | None,
) -> Draw:
    """The interval of a mean."""

    def draw(rng: np.random.Generator) -> tuple[float, float, float]:
        _, low, high = mean_interval(make(rng, n), within)
        return low, high, truth

    return draw


def median_draw(n: int, levels: bool) -> Draw:
    """The interval of a median of an exponential variable, or of one with few levels."""

    def draw(rng: np.random.Generator) -> tuple[float, float, float]:
        values = rng.exponential(1, n)
        _, low, high = median_interval(np.floor(2 * values) if levels else values)
        return low, high, 1.0 if levels else math.log(2)

    return draw


def changes(rng: np.random.Generator, n: int, lost: float, gained: float) -> Floats:
    """Differences [n]: 1 with the chance ``lost``, -1 with ``gained``, else 0."""
    uniform = rng.random(n)
    return np.where(uniform < lost, 1.0, np.where(uniform < lost + gained, -1.0, 0.0))


def paired_draw(n: int, lost: float, gained: float) -> Draw:
    """The interval of a mean difference, paired by sample."""

    def draw(rng: np.random.Generator) -> tuple[float, float, float]:
        _, low, high = paired_interval(changes(rng, n, lost, gained))
        return low, high, lost - gained

    return draw


def probability_draw(n: int) -> Draw:
    """The interval of a mean loss of probability, which is large for 5 % of the samples."""

    def draw(rng: np.random.Generator) -> tuple[float, float, float]:
        rare = rng.random(n) < 0.05
        _, low, high = paired_interval(np.where(rare, rng.uniform(0.5, 1, n), rng.normal(0, 0.01, n)))
        return low, high, 0.05 * 0.75

    return draw


def excess_draw(n: int, m: int, first: tuple[float, float], second: tuple[float, float]) -> Draw:
    """The interval of the excess of one group's paired difference over another's."""

    def draw(rng: np.random.Generator) -> tuple[float, float, float]:
        groups = difference(changes(rng, n, *first)), difference(changes(rng, m, *second))
        return *_ends(excess(*groups)), first[0] - first[1] - second[0] + second[1]

    return draw


def two_shares_draw(n: int, m: int, first: float, second: float) -> Draw:
    """The interval of the difference of the shares of two groups."""

    def draw(rng: np.random.Generator) -> tuple[float, float, float]:
        counts = rng.binomial(n, first), rng.binomial(m, second)
        parts = [ratio(int(count), size) for count, size in zip(counts, (n, m), strict=True)]
        return *_ends(excess(parts[0], parts[1])), first - second

    return draw


def paired_shares_draw(n: int, shares: tuple[float, float], alike: float) -> Draw:
    """The interval of the difference of two shares of the fitted samples, paired by sample, in two networks."""

    def draw(rng: np.random.Generator) -> tuple[float, float, float]:
        common, own = rng.random(n), rng.random((2, n))
        lucky = np.where(rng.random((2, n)) < alike, common, own)
        fitted = rng.random((2, n)) < 0.7
        _, low, high = paired_shares(((lucky < np.array(shares)[:, None]) & fitted, fitted))
        return low, high, shares[0] - shares[1]

    return draw


# Two values of the same samples


def correlated(rng: np.random.Generator, n: int, kind: str, rho: float) -> tuple[Floats, Floats]:
    """Two variables [n]."""
    x, noise = rng.normal(size=(2, n))
    y = rho * x + math.sqrt(1 - rho**2) * noise
    if kind == "tied":
        x, y = (np.digitize(side, [-0.5, 0.5]).astype(np.float64) for side in (x, y))
    if kind == "mixed":
        y = np.where(rng.random(n) < 0.2, rng.normal(size=n), x)
    return x, y


@cache
def true_spearman(kind: str, rho: float) -> float:
    """Spearman's rho of 400,000 pairs."""
    return spearman_interval(*correlated(np.random.default_rng(99), 400_000, kind, rho))[0]


def spearman_draw(n: int, kind: str, rho: float) -> Draw:
    """The interval of Spearman's rho."""

    def draw(rng: np.random.Generator) -> tuple[float, float, float]:
        _, low, high = spearman_interval(*correlated(rng, n, kind, rho))
        return low, high, true_spearman(kind, rho)

    return draw


def kappa_draw(n: int, share: float, same: float) -> Draw:
    """The interval of kappa: a second answer repeats the first with the chance ``same``, else it is independent."""
    both, neither = share * (same + (1 - same) * share), (1 - share) * (same + (1 - same) * (1 - share))
    one = (1 - both - neither) / 2
    chances = np.array([both, one, one, neither])
    truth = float(kappa(chances))

    def draw(rng: np.random.Generator) -> tuple[float, float, float]:
        cells = rng.choice(4, size=n, p=chances)
        result = agreement(cells <= 1, cells % 2 == 0, seed=int(rng.integers(1 << 30)), draws=500)
        return *_ends(result.kappa), truth

    return draw


def odds_draw(n: int, m: int, first: float, second: float) -> Draw:
    """The interval of an odds ratio."""

    def draw(rng: np.random.Generator) -> tuple[float, float, float]:
        a, b = int(rng.binomial(n, first)), int(rng.binomial(m, second))
        return *_ends(Contingency(a, b, n - a, m - b).odds_ratio), first / (1 - first) / (
            second / (1 - second)
        )

    return draw


def ks_draw(n: int, m: int) -> Draw:
    """The interval of the Kolmogorov-Smirnov distance of two normals that are 1 apart."""

    def draw(rng: np.random.Generator) -> tuple[float, float, float]:
        contrast = contrast_numbers("x", rng.normal(1, 1, n), rng.normal(0, 1, m))
        assert contrast is not None
        return *_ends(contrast.distance), float(2 * ndtr(0.5) - 1)

    return draw


def categories_draw(n: int, m: int) -> Draw:
    """The interval of the total variation of two equal distributions of ten classes."""

    def draw(rng: np.random.Generator) -> tuple[float, float, float]:
        contrast = contrast_categories("x", rng.integers(0, 10, n), rng.integers(0, 10, m))
        assert contrast is not None
        return *_ends(contrast.distance), 0.0

    return draw


def corners() -> Iterator[Corner]:
    """Every interval in its corners."""
    for m, n in ((2, 1100), (5, 1100), (14, 1092), (58, 1092), (300, 1092), (10, 10)):
        for name, make in SCORES.items():
            yield Corner(
                "AUROC", name, f"{m} of {m + n}", tuple(area_draw(make, area, m, n) for area in AREAS)
            )
    for m, n in ((14, 1092), (58, 1092)):
        pairs = ((0.5, 0.5), (0.856, 0.8), (0.961, 0.9), (0.983, 0.983), (0.995, 0.7))
        draws = tuple(area_difference_draw(pair, alike, m, n) for pair in pairs for alike in (0.0, 0.9))
        yield Corner("difference of AUROCs", "paired, correlated by 0 and 0.9", f"{m} of {m + n}", draws)
        draws = tuple(epoch_mean_draw(area, m, n) for area in AREAS)
        yield Corner("mean AUROC over epochs", "5 epochs, correlated by 0.5", f"{m} of {m + n}", draws)
    figures = ("average precision, AUPR", "precision at k", "FPR95")
    for number, (figure, sizes) in enumerate(
        zip(figures, ((14, 30, 58, 200), (2, 5, 14, 58), (58, 100, 200)), strict=True)
    ):
        for m in sizes:
            settings = [(area, sd) for area in (0.7, 0.9, 0.98) for sd in (1, 2)]
            draws = tuple(detection_draw(number, area, m, 500, sd) for area, sd in settings)
            yield Corner(figure, "two normals, sd 1 or 2 and 1", f"{m} of {m + 500}", draws, costly=True)
    draws = tuple(group_draw(area, 14, 300) for area in (0.7, 0.9, 0.98))
    yield Corner("mean AUROC of OOD sets", "two sets of 14", "14 + 14 of 328", draws, costly=True)
    for n in (1, 2, 5, 10, 14, 58, 300):
        draws = tuple(
            mean_draw(make, truth, n, (0, 1)) for make, truth in zip(GATES.values(), GATE_MEANS, strict=True)
        )
        yield Corner("mean of g", "most near 0, near 1, rare, at both ends", str(n), draws)
    for n in (99, 100, 300):
        for name, (make, truth) in UNBOUNDED.items():
            yield Corner("mean, no known range (t)", name, str(n), (mean_draw(make, truth, n, None),))
    for n in (5, 6, 10, 58):
        yield Corner(
            "median", "exponential; few levels", str(n), (median_draw(n, False), median_draw(n, True))
        )
    for n in (1, 2, 5, 14, 58, 300):
        rates = ((0.002, 0.001), (0.05, 0.01), (0.3, 0.05), (0.95, 0.0), (0.1, 0.1))
        draws = (*(paired_draw(n, *rate) for rate in rates), probability_draw(n))
        yield Corner("paired difference", "few or many change; p(given)", str(n), draws)
    for n, m in ((5, 300), (14, 1092), (58, 1092)):
        pairs = (((0.05, 0.01), (0.02, 0.01)), ((0.6, 0.0), (0.05, 0.0)), ((0.0, 0.0), (0.3, 0.05)))
        draws = tuple(excess_draw(n, m, *pair) for pair in pairs)
        yield Corner("difference of two groups' paired differences", "few or many change", f"{n}, {m}", draws)
        shares = ((0.02, 0.02), (0.95, 0.99), (0.5, 0.05), (0.99, 0.01))
        draws = tuple(two_shares_draw(n, m, *pair) for pair in shares)
        yield Corner("difference of two shares", "close to 0 and 1", f"{n}, {m}", draws)
    for n in (5, 14, 58, 300):
        shares = ((0.02, 0.02), (0.3, 0.1), (0.99, 0.9), (0.5, 0.5))
        draws = tuple(paired_shares_draw(n, pair, alike) for pair in shares for alike in (0.0, 0.9))
        yield Corner("difference of paired shares", "70 % fitted by each network", str(n), draws)
    for n in (20, 50, 300):
        kinds = [("normal", rho) for rho in (0.0, 0.5, 0.9, 0.99)]
        kinds += [("tied", rho) for rho in (0.0, 0.9, 0.99)] + [("mixed", 0.0)]
        draws = tuple(spearman_draw(n, *kind) for kind in kinds)
        yield Corner("Spearman's rho", "normal, 3 levels, 20 % unrelated", str(n), draws)
    for n in (20, 50, 58, 300):
        settings = [(0.5, 0.8), (0.9, 0.9), (0.97, 0.5), (0.98, 0.98), (0.5, 0.99), (0.97, 0.9)]
        draws = tuple(kappa_draw(n, *setting) for setting in settings)
        yield Corner("kappa", "nearly all alike", str(n), draws)
    for n, m in ((5, 100), (14, 1092), (10, 10)):
        pairs = ((0.9, 0.9), (0.99, 0.9), (0.98, 0.98), (0.999, 0.9), (0.05, 0.01), (0.5, 0.02))
        draws = tuple(odds_draw(n, m, *pair) for pair in pairs)
        yield Corner("odds ratio", "shares close to 0 and 1", f"{n}, {m}", draws)
    for n, m in ((2, 100), (10, 1000)):
        yield Corner("contrast of numbers (KS)", "two normals", f"{n}, {m}", (ks_draw(n, m),))
        yield Corner("contrast of categories", "equal, ten classes", f"{n}, {m}", (categories_draw(n, m),))


def rejected_corners() -> Iterator[Corner]:
    """Other intervals of an AUROC in the same corners."""
    for name in REJECTED:
        for m, n in ((5, 1100), (14, 1092), (58, 1092), (300, 1092)):
            for kind in ("two normals", "two exponentials"):
                draws = tuple(rejected_draw(name, SCORES[kind], area, m, n) for area in AREAS)
                yield Corner(f"(not used) {name}", kind, f"{m} of {m + n}", draws)


def _row(number: int, simulations: int) -> Coverage:
    # Corners hold functions, which cannot be sent to another process: each makes its own.
    corner = [*corners(), *rejected_corners()][number]
    return coverage(corner, simulations // (4 if corner.costly else 1))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--simulations", type=int, default=2000, help="draws a setting; a quarter with a bootstrap"
    )
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--only", default="", help="intervals whose name contains this text")
    options = parser.parse_args()
    rows, failed = [], []
    if options.only in "share (Wilson)":
        for n in (1, 2, 3, 5, 10, 14, 58, 300, 1092):
            lowest, mean = worst_share(n)
            rows.append(("share (Wilson)", "every share", n, "95 %", f"{lowest:.3f}", f"{mean:.3f}", "100 %"))
    every = [*corners(), *rejected_corners()]
    wanted = [number for number, corner in enumerate(every) if options.only in corner.interval]
    with ProcessPoolExecutor(options.processes) as pool:
        results = pool.map(_row, wanted, [options.simulations] * len(wanted))
        for corner, result in zip((every[number] for number in wanted), results, strict=True):
            shown = f"{result.shown:.0%}".replace("%", " %")
            cells = "withheld", ""
            if not math.isnan(result.lowest):
                cells = f"{result.lowest:.3f} ± {result.error:.3f}", f"{result.mean:.3f}"
            rows.append((corner.interval, corner.corner, corner.n, "95 %", *cells, shown))
            print(*rows[-1], sep="; ", file=sys.stderr, flush=True)
            if cells[1] and not corner.interval.startswith("(") and not result.holds:
                failed.append(f"{corner.interval}, {corner.corner}, {corner.n}")
    head = ("interval", "corner", "n", "nominal", "lowest coverage", "mean", "shown")
    print(tabulate(rows, head, tablefmt="github", disable_numparse=True))
    if failed:
        sys.exit("\nDo not hold:\n" + "\n".join(failed))


if __name__ == "__main__":
    main()
