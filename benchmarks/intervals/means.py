"""Corners of means, of medians, and of differences: of the same samples, of two groups, and of shares."""

import math
from collections.abc import Callable, Iterator

import numpy as np

from probes.stats.differences import paired_interval, paired_shares
from probes.stats.estimate import difference, excess, ratio
from probes.stats.intervals import mean_interval, median_interval

from .measure import Corner, Draw, Floats, ends_of

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
        return *ends_of(excess(*groups)), first[0] - first[1] - second[0] + second[1]

    return draw


def two_shares_draw(n: int, m: int, first: float, second: float) -> Draw:
    """The interval of the difference of the shares of two groups."""

    def draw(rng: np.random.Generator) -> tuple[float, float, float]:
        counts = rng.binomial(n, first), rng.binomial(m, second)
        parts = [ratio(int(count), size) for count, size in zip(counts, (n, m), strict=True)]
        return *ends_of(excess(parts[0], parts[1])), first - second

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


def mean_corners() -> Iterator[Corner]:
    """Means within and without a known range, and medians."""
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


def difference_corners() -> Iterator[Corner]:
    """Paired differences, differences of two groups, and differences of shares."""
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
