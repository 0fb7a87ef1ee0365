"""Agreement of two boolean values about the same samples, such as their routes in two runs."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from probes.stats.estimate import Estimate, estimate, ratio
from probes.stats.intervals import CONFIDENCE

DRAWS = 10_000
"""Default number of draws: the ends of an interval then vary by less than 1 % of its width by seed."""

KAPPA_SAMPLES = 50
"""Fewest samples with which kappa gets an interval: with 10 it contains the true kappa in 87 % of draws where nearly
all samples are alike, with 58 in 91 %."""

PRIOR = 0.25
"""Samples added to each of the four counts, chosen by simulation between 0.25, 0.5 and 1."""


@dataclass(frozen=True)
class Agreement:
    """Counts and agreement of two boolean values about n samples, with 95 % intervals over samples."""

    both: int
    """Samples for which both are true, such as those routed by both gates."""
    first_only: int
    second_only: int
    neither: int
    same: Estimate
    """Share of the samples with two equal values, in [0, 1], with Wilson's interval. It is high by chance alone where
    nearly all samples, or nearly none, are routed."""
    jaccard: Estimate
    """Samples for which both are true over those for which at least one is, in [0, 1], with Wilson's interval for this
    denominator. No value where the denominator is 0. Jaccard 1912."""
    kappa: Estimate
    """Cohen's kappa, the agreement in excess of that expected from the two shares: 0 for chance, 1 for equal values.
    No value where both are constant and equal; its interval is that of the posterior of the four chances
    (:func:`agreement`), and there is none with fewer than ``KAPPA_SAMPLES`` samples. Cohen 1960, "A coefficient of
    agreement for nominal scales"."""

    @property
    def n(self) -> int:
        """Number of samples."""
        return self.both + self.first_only + self.second_only + self.neither


def agreement(first: ArrayLike, second: ArrayLike, *, seed: int = 0, draws: int = DRAWS) -> Agreement:
    """Agreement of two boolean values about the same n samples.

    Kappa's interval takes percentiles of kappa over draws of the four chances from their posterior, a Dirichlet
    distribution of the counts plus ``PRIOR`` each. A bootstrap fails where few samples differ: it never draws those
    that were not seen, and where none differs it has no interval at all.

    Args:
        first: [n] bool, such as the routes in one run.
        second: [n] bool, the other value of the same samples in the same order.
        seed: of the draws.
        draws: number of draws.

    Raises:
        ValueError: the shapes differ.
    """
    a, b = np.asarray(first, bool), np.asarray(second, bool)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"the two values have the shapes {a.shape} and {b.shape}, not both [n]")
    counts = np.array([(a & b).sum(), (a & ~b).sum(), (~a & b).sum(), (~a & ~b).sum()], np.int64)
    both, first_only, second_only, neither = (int(count) for count in counts)
    n = len(a)
    return Agreement(
        both=both,
        first_only=first_only,
        second_only=second_only,
        neither=neither,
        same=ratio(both + neither, n),
        jaccard=ratio(both, n - neither),
        kappa=estimate(*_kappa_interval(counts, seed, draws), n),
    )


def kappa(counts: ArrayLike) -> NDArray[np.float64]:
    """Cohen's kappa [...] of 2 x 2 tables, in [-1, 1].

    Args:
        counts: [..., 4] samples for which both values are true, only the first, only the second, neither.

    Returns:
        NaN where both values are constant and equal, or there are no samples.
    """
    both, first_only, second_only, neither = np.moveaxis(np.asarray(counts, np.float64), -1, 0)
    n = both + first_only + second_only + neither
    with np.errstate(invalid="ignore", divide="ignore"):
        observed = (both + neither) / n
        first, second = (both + first_only) / n, (both + second_only) / n
        chance = first * second + (1 - first) * (1 - second)
        return np.where(chance < 1, (observed - chance) / (1 - chance), np.nan)


def _kappa_interval(counts: NDArray[np.int64], seed: int, draws: int) -> tuple[float, float, float]:
    """Kappa, lower and upper end."""
    value = float(kappa(counts))
    if np.isnan(value) or counts.sum() < KAPPA_SAMPLES:
        return value, np.nan, np.nan
    drawn = kappa(np.random.default_rng(seed).dirichlet(counts + PRIOR, size=draws))
    low, high = np.quantile(drawn, [0.5 - CONFIDENCE / 2, 0.5 + CONFIDENCE / 2])
    # Kappa may be 1 where no sample differs, which no draw is.
    return value, min(value, float(low)), max(value, float(high))
