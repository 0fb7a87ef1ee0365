"""Do two runs send the same samples through the block? Agreement of two yes-or-no answers about the same samples."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from probes.stats.bootstrap import MEAN_RESAMPLES
from probes.stats.estimate import Estimate, estimate, ratio
from probes.stats.intervals import CONFIDENCE


@dataclass(frozen=True)
class Agreement:
    """Two answers about the same samples, counted against each other, with 95 % intervals over samples."""

    both: int
    """Samples that both answers say yes to: routed by both gates."""
    first_only: int
    second_only: int
    neither: int
    same: Estimate
    """Share of the samples about which the two agree, in [0, 1], with Wilson's interval. Where nearly all samples, or
    nearly none, are routed, it is high by chance alone."""
    jaccard: Estimate
    """Of the samples that either says yes to, the share that both do, in [0, 1]; Wilson's interval, given how many
    either says yes to. No value where nobody is routed by either. Jaccard 1912."""
    kappa: Estimate
    """Cohen's kappa: agreement beyond what the two shares alone would give, 0 for chance and 1 for the same answers;
    percentile interval of the bootstrap over samples. No value where both answer the same to everybody; no interval
    where that happens in a resample. Cohen 1960, "A coefficient of agreement for nominal scales"."""

    @property
    def n(self) -> int:
        """Samples that both have answered about."""
        return self.both + self.first_only + self.second_only + self.neither


def agreement(
    first: ArrayLike, second: ArrayLike, *, seed: int = 0, resamples: int = MEAN_RESAMPLES
) -> Agreement:
    """How far two answers about the same samples agree.

    Args:
        first: [n] bool, such as who is routed by the gate of one run.
        second: [n] bool, the other answer about the same samples in the same order.
        seed: of the bootstrap.
        resamples: B of the bootstrap.

    Raises:
        ValueError: the two are not about equally many samples.
    """
    one, other = np.asarray(first, bool), np.asarray(second, bool)
    if one.shape != other.shape or one.ndim != 1:
        raise ValueError(f"the answers have the shapes {one.shape} and {other.shape}, not one [n]")
    counts = np.array([(a & b).sum() for a in (one, ~one) for b in (other, ~other)], np.int64)
    both, first_only, second_only, neither = (int(count) for count in counts)
    n = len(one)
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
    """Cohen's kappa of tables of two by two.

    Args:
        counts: [..., 4] samples that both say yes to, only the first, only the second, neither.

    Returns:
        In [-1, 1], [...]; NaN where both say the same to everybody, or there is nobody.
    """
    both, first_only, second_only, neither = np.moveaxis(np.asarray(counts, np.float64), -1, 0)
    n = both + first_only + second_only + neither
    with np.errstate(invalid="ignore", divide="ignore"):
        observed = (both + neither) / n
        first, second = (both + first_only) / n, (both + second_only) / n
        chance = first * second + (1 - first) * (1 - second)
        return np.where(chance < 1, (observed - chance) / (1 - chance), np.nan)


def _kappa_interval(counts: NDArray[np.int64], seed: int, resamples: int) -> tuple[float, float, float]:
    """Kappa, lower and upper end. Drawing samples anew is drawing the four counts anew (multinomial)."""
    n = int(counts.sum())
    value = float(kappa(counts))
    if np.isnan(value):
        return np.nan, np.nan, np.nan
    drawn = kappa(np.random.default_rng(seed).multinomial(n, counts / n, size=resamples))
    low, high = np.quantile(drawn, [0.5 - CONFIDENCE / 2, 0.5 + CONFIDENCE / 2])
    return value, float(low), float(high)
