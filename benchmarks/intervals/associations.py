"""Corners of the association of two values of the same samples, and of contrasts between two groups."""

import math
from collections.abc import Iterator
from functools import cache

import numpy as np
from scipy.special import ndtr
from scipy.stats import multivariate_normal

from probes.stats.agreement import agreement, kappa
from probes.stats.contingency import Contingency
from probes.stats.contrasts import contrast_categories, contrast_numbers
from probes.stats.rank_correlation import spearman_interval

from .measure import Corner, Draw, Floats, ends_of


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
    """Spearman's rho of the distribution that :func:`correlated` draws from.

    Of two normal variables it is 6 / pi * asin(rho / 2) (Pearson 1907). It is linear in the copula, of which "mixed"
    is to 80 % that of equal variables; of three levels it is the correlation of their mid-ranks.
    """
    if kind == "normal":
        return 6 / math.pi * math.asin(rho / 2)
    if kind == "mixed":
        return 0.8
    below = np.array([0, ndtr(-0.5), ndtr(0.5), 1])
    both = np.zeros((4, 4))
    both[3], both[:, 3] = below, below
    cuts = (-0.5, 0.5)
    for row, column in np.ndindex(2, 2):
        pair = multivariate_normal([0, 0], np.array([[1, rho], [rho, 1]]))  # pyright: ignore[reportArgumentType]
        both[row + 1, column + 1] = pair.cdf([cuts[row], cuts[column]])
    share, ranks = np.diff(np.diff(both, axis=0), axis=1), (below[1:] + below[:-1]) / 2 - 0.5
    return float(ranks @ share @ ranks / (np.diff(below) @ ranks**2))


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
        return *ends_of(result.kappa), truth

    return draw


def odds_draw(n: int, m: int, first: float, second: float) -> Draw:
    """The interval of an odds ratio."""

    def draw(rng: np.random.Generator) -> tuple[float, float, float]:
        a, b = int(rng.binomial(n, first)), int(rng.binomial(m, second))
        return *ends_of(Contingency(a, b, n - a, m - b).odds_ratio), first / (1 - first) / (
            second / (1 - second)
        )

    return draw


def ks_draw(n: int, m: int) -> Draw:
    """The interval of the Kolmogorov-Smirnov distance of two normals that are 1 apart."""

    def draw(rng: np.random.Generator) -> tuple[float, float, float]:
        contrast = contrast_numbers("x", rng.normal(1, 1, n), rng.normal(0, 1, m))
        assert contrast is not None
        return *ends_of(contrast.distance), float(2 * ndtr(0.5) - 1)

    return draw


def categories_draw(n: int, m: int) -> Draw:
    """The interval of the total variation of two equal distributions of ten classes."""

    def draw(rng: np.random.Generator) -> tuple[float, float, float]:
        contrast = contrast_categories("x", rng.integers(0, 10, n), rng.integers(0, 10, m))
        assert contrast is not None
        return *ends_of(contrast.distance), 0.0

    return draw


def association_corners() -> Iterator[Corner]:
    """Spearman's rho and kappa."""
    for n in (20, 50, 300):
        kinds = [("normal", rho) for rho in (0.0, 0.5, 0.9, 0.99)]
        kinds += [("tied", rho) for rho in (0.0, 0.9, 0.99)] + [("mixed", 0.0)]
        draws = tuple(spearman_draw(n, *kind) for kind in kinds)
        yield Corner("Spearman's rho", "normal, 3 levels, 20 % unrelated", str(n), draws)
    for n in (20, 50, 58, 300):
        settings = [(0.5, 0.8), (0.9, 0.9), (0.97, 0.5), (0.98, 0.98), (0.5, 0.99), (0.97, 0.9)]
        draws = tuple(kappa_draw(n, *setting) for setting in settings)
        yield Corner("kappa", "nearly all alike", str(n), draws)


def contrast_corners() -> Iterator[Corner]:
    """Odds ratios, Kolmogorov-Smirnov distances and total variations."""
    for n, m in ((5, 100), (14, 1092), (10, 10)):
        pairs = ((0.9, 0.9), (0.99, 0.9), (0.98, 0.98), (0.999, 0.9), (0.05, 0.01), (0.5, 0.02))
        draws = tuple(odds_draw(n, m, *pair) for pair in pairs)
        yield Corner("odds ratio", "shares close to 0 and 1", f"{n}, {m}", draws)
    for n, m in ((2, 100), (10, 1000)):
        yield Corner("contrast of numbers (KS)", "two normals", f"{n}, {m}", (ks_draw(n, m),))
        yield Corner("contrast of categories", "equal, ten classes", f"{n}, {m}", (categories_draw(n, m),))
