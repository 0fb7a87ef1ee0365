"""Agreement of two boolean values about the same samples, such as their routes in two runs."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from probes.stats.bootstrap import MEAN_RESAMPLES
from probes.stats.estimate import Estimate, estimate, ratio
from probes.stats.intervals import CONFIDENCE


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
    """Cohen's kappa, the agreement in excess of that expected from the two shares: 0 for chance, 1 for equal values;
    percentile interval of the bootstrap over samples. No value where both are constant and equal; no interval where
    that happens in a resample. Cohen 1960, "A coefficient of agreement for nominal scales"."""

    @property
    def n(self) -> int:
        """Number of samples."""
        return self.both + self.first_only + self.second_only + self.neither


def agreement(
    first: ArrayLike, second: ArrayLike, *, seed: int = 0, resamples: int = MEAN_RESAMPLES
) -> Agreement:
    """Agreement of two boolean values about the same n samples.

    Args:
        first: [n] bool, such as the routes in one run.
        second: [n] bool, the other value of the same samples in the same order.
        seed: of the bootstrap.
        resamples: number of bootstrap resamples.

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
        kappa=estimate(*_kappa_interval(counts, seed, resamples), n),
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


def _kappa_interval(counts: NDArray[np.int64], seed: int, resamples: int) -> tuple[float, float, float]:
    """Kappa, lower and upper end. To resample the samples is to resample the four counts (multinomial)."""
    n = int(counts.sum())
    value = float(kappa(counts))
    if np.isnan(value):
        return np.nan, np.nan, np.nan
    drawn = kappa(np.random.default_rng(seed).multinomial(n, counts / n, size=resamples))
    low, high = np.quantile(drawn, [0.5 - CONFIDENCE / 2, 0.5 + CONFIDENCE / 2])
    return value, float(low), float(high)
