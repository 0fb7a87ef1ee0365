"""Average precision, precision at k and FPR at 95 % TPR of a score, for the samples and for resamples of them.

A resample is a weight for every sample, the number of times it was drawn, so that a score is sorted once for all
resamples. Equal scores are kept together: no figure depends on the order of the samples.
"""

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probes.groups import Estimate
from probes.intervals import CONFIDENCE

RESAMPLES = 200
"""Bootstrap resamples unless told otherwise: enough for the two digits of an interval that one reads."""

TPR = 0.95
"""Share of the corrupted samples that "FPR at 95 % TPR" asks to be found."""

Floats = NDArray[np.float64]
Weights = NDArray[np.int32]


def resampled(count: int, resamples: int, seed: int, name: str) -> NDArray[np.uint16]:
    """The samples once as they are, then resamples with replacement of the same size.

    Args:
        count: n samples of one class. Each class is resampled by itself, so that the prevalence stays as it is.
        resamples: B, from 0.
        seed: of the resamples.
        name: of the class; its resamples do not depend on which other classes there are.

    Returns:
        How often each sample was drawn, [n, 1 + B]; 1 everywhere in the first column.
    """
    random = np.random.default_rng([seed, zlib.crc32(name.encode())])
    weights = np.ones((1 + resamples, count), np.uint16)
    for row in weights[1:]:
        row[:] = np.bincount(random.integers(count, size=count), minlength=count)
    return np.ascontiguousarray(weights.T)


@dataclass(frozen=True, eq=False)
class Ranked:
    """The samples of one class in the order of a score, with their weights summed up."""

    values: Floats
    """[n] rising; high is suspicious."""
    below: Weights
    """[n + 1, R] weight of the first i samples in each of R resamples."""

    @property
    def total(self) -> Weights:
        """[R] weight of all."""
        return self.below[-1]

    def above(self, thresholds: Floats) -> tuple[Weights, Weights]:
        """Weight of the samples above each of [T] thresholds, and of those at or above it, each [T, R]."""
        after = np.searchsorted(self.values, thresholds, "right")
        before = np.searchsorted(self.values, thresholds, "left")
        strictly = self.total - self.below[after]
        # Without a tie, as with most scores that are not counts, there is nothing new to look up.
        return strictly, strictly if (after == before).all() else self.total - self.below[before]


def ranked(values: Floats, weights: NDArray[np.integer]) -> Ranked:
    """Sort the samples of one class; those whose score is missing (NaN) are left out.

    Args:
        values: [n]; may be infinite.
        weights: [n, R].
    """
    there = np.flatnonzero(~np.isnan(values))
    order = there[np.argsort(values[there], kind="stable")]
    below = np.zeros((len(order) + 1, weights.shape[1]), np.int32)
    np.cumsum(weights[order], axis=0, out=below[1:])
    return Ranked(values[order], below)


@dataclass(frozen=True, eq=False)
class Thresholds:
    """What is found as the threshold falls over the T scores that positive samples have, in R resamples."""

    hits_before: Weights
    """[T, R] positive samples above the threshold."""
    hits: Weights
    """[T, R] positive samples at or above it."""
    false_before: Weights
    """[T, R] negative samples above it."""
    false: Weights
    """[T, R] negative samples at or above it."""
    positives: Weights
    """[R]"""
    negatives: Weights
    """[R]"""


def thresholds(positive: Ranked, negative: Ranked) -> Thresholds:
    """Count over the thresholds; ``positive`` has at least one sample."""
    falling = np.unique(positive.values)[::-1]
    return Thresholds(*positive.above(falling), *negative.above(falling), positive.total, negative.total)


def average_precision(found: Thresholds) -> Floats:
    """Sum over the thresholds of (gain in recall) x precision, in [0, 1]; [R].

    Equal to scikit-learn's ``average_precision_score``: equal scores are one threshold. A score that knows
    nothing has the prevalence of the positive class.
    """
    # A threshold below which a resample has drawn nobody gains no recall, whatever its precision is said to be.
    precision = found.hits / np.maximum(found.hits + found.false, 1)
    return _share(((found.hits - found.hits_before) * precision).sum(axis=0), found.positives)


def precision_at_k(found: Thresholds) -> Floats:
    """Share of positive samples among the k most suspicious, k = number of positive samples; in [0, 1]; [R].

    With this k it is the recall at k as well. Where equal scores stand across the k-th place, the value is the
    expected one when such ties are broken at random.
    """
    k = found.positives
    before, after = found.hits_before + found.false_before, found.hits + found.false
    first, last, low, high = _at(after < k, before, after, found.hits_before, found.hits)
    # The k-th place may lie above the threshold, among negative samples only: then none of its samples counts.
    taken = np.clip(k - first, 0, None) / np.maximum(last - first, 1)
    return _share(low + (high - low) * taken, k)


def fpr_at_tpr(found: Thresholds, tpr: float = TPR) -> Floats:
    """Share of the negative samples at or above the highest threshold that finds ``tpr`` of the positive; [R].

    Positive is corrupted. Equal scores are found together or not at all, and no point between two thresholds
    is interpolated.
    """
    (false,) = _at(_share(found.hits, found.positives) < tpr, found.false)
    return _share(false, found.negatives)


def with_interval(found: Floats, n: int) -> Estimate:
    """The samples' own value with the percentiles of the resamples as its 95 % interval.

    Args:
        found: [1 + B], the samples' own first; NaN where a resample had no sample with a score.
        n: samples behind it.
    """
    spread = found[1:][~np.isnan(found[1:])]
    value = None if np.isnan(found[0]) else float(found[0])
    if len(spread) == 0 or value is None:
        return Estimate(value, None, None, n)
    low, high = np.quantile(spread, [0.5 - CONFIDENCE / 2, 0.5 + CONFIDENCE / 2])
    return Estimate(value, float(low), float(high), n)


def _at(too_early: NDArray[np.bool_], *counted: Weights) -> list[Weights]:
    """Values [R] of [T, R] counts at the first threshold that is not too early."""
    place = too_early.sum(axis=0)[None]
    return [np.take_along_axis(numbers, place, axis=0)[0] for numbers in counted]


def _share(part: NDArray, whole: Weights) -> Floats:
    """Part of whole; NaN where there is nothing."""
    return part / np.where(whole == 0, np.nan, whole)
