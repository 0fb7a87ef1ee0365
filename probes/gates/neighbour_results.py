"""Whether samples with similar patterns, or similar features, have the same class, label or corruption. No torch."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from memgate.log.format import Samples
from probes.gates.stored import GatesResult
from probes.stats.estimate import Estimate, estimate
from probes.stats.intervals import CONFIDENCE, score_interval

FREEDOM = 20
"""Fewest samples with which the difference of two shares gets an interval."""


@dataclass(frozen=True)
class NeighbourShare:
    """Share of the nearest neighbours that have something in common with a sample."""

    of: str
    """The samples whose neighbours are looked at."""
    same: str
    """What is in common: ``class``, ``given label``, or that both are ``corrupted`` or ``wrongly labelled``."""
    n: int
    """Samples whose neighbours are looked at."""
    gates: Estimate
    """Share of the neighbours by patterns."""
    features: Estimate
    """Share of the neighbours by features."""
    minus: Estimate
    """``gates`` minus ``features``."""
    chance: float
    """Share among all other samples."""


@dataclass(frozen=True)
class Neighbours:
    """The neighbourhoods of samples in gate space and in feature space."""

    k: int
    """Neighbours of a sample in each."""
    n: int
    """Samples whose neighbours are looked at."""
    shares: tuple[NeighbourShare, ...]
    overlap: Estimate
    """Share of the neighbours by patterns that are among those by features."""
    overlap_chance: float
    """That share of k samples drawn at random."""


def neighbours(whole: GatesResult, shown: NDArray[np.bool_] | None = None) -> Neighbours | None:
    """What the nearest neighbours of samples have in common with them; None where none are stored.

    Args:
        whole: a result with all of its samples, which may be neighbours.
        shown: samples [n] whose neighbours are looked at; None for all.
    """
    values = whole.result.values
    if "near_gates" not in values:
        return None
    members = values["near_gates"][0] >= 0
    ids = whole.result.sample_id[members]
    order = np.argsort(ids)
    near = [
        order[np.searchsorted(ids[order], values[name][:, members])]
        for name in ("near_gates", "near_features")
    ]
    queries = np.ones(len(ids), bool) if shown is None else shown[members]
    if not queries.any():
        return None
    k, samples = len(near[0]), whole.samples.take(np.flatnonzero(members))
    shares = tuple(_share(near, *row) for row in _rows(samples, queries))
    both = (near[0][:, None] == near[1][None]).any(axis=1)
    overlap = _Edges(near[0], both, queries)
    return Neighbours(k, int(queries.sum()), shares, overlap.estimate, k / (len(ids) - 1))


def _rows(
    samples: Samples, queries: NDArray[np.bool_]
) -> Iterator[tuple[str, str, NDArray, NDArray[np.bool_]]]:
    """Name of the samples, what is in common, its value for each sample [m], and which samples are looked at [m]."""
    given, clean = samples.given_label.astype(np.int64), samples.clean_label.astype(np.int64)
    if not samples.truth_known:
        yield "all", "given label", given, queries
        return
    corrupted, wrong = samples.cause != "clean", given != clean
    yield "all", "class", clean, queries
    if wrong.any():
        yield "all", "given label", given, queries
    if (corrupted & queries).any():
        yield "corrupted", "corrupted", corrupted, corrupted & queries
    if (wrong & queries).any():
        yield "wrongly labelled", "class", clean, wrong & queries
        yield "wrongly labelled", "given label", given, wrong & queries
        if (corrupted != wrong).any():
            yield "wrongly labelled", "wrongly labelled", wrong, wrong & queries


def _share(
    near: list[NDArray[np.int64]], of: str, same: str, value: NDArray, queries: NDArray[np.bool_]
) -> NeighbourShare:
    gates, features = (_Edges(places, value[places] == value, queries) for places in near)
    _, number, count = np.unique(value, return_inverse=True, return_counts=True)
    others = (count[number.ravel()] - 1) / (len(value) - 1)
    return NeighbourShare(
        of, same, int(queries.sum()), gates.estimate, features.estimate, gates.minus(features),
        float(others[queries].mean()),
    )  # fmt: skip


class _Edges:
    """From each sample that is looked at to its neighbours, and the share of these edges with some property.

    A sample is at the end of many edges, its own and those of the samples near to it, so edges are not independent.
    The variance is the jackknife's: each sample is left out with all of its edges. It is up to twice too large where
    neighbours have the property by chance, so that the interval is up to 1.4 times wider than needed.
    """

    def __init__(self, near: NDArray[np.int64], holds: NDArray[np.bool_], queries: NDArray[np.bool_]) -> None:
        """Args: neighbours' places [k, m]; whether each edge has the property [k, m]; samples looked at [m]."""
        self.n = int(queries.sum())
        count = queries * len(near) + self._arriving(near, np.broadcast_to(queries, near.shape))
        good = queries * holds.sum(axis=0) + self._arriving(near, holds & queries)
        edges, total = self.n * len(near), float((holds & queries).sum())
        self.value = total / edges
        left = edges - count
        # Where all edges touch one sample, nothing is left without it.
        self.without = np.where(left > 0, (total - good) / np.maximum(left, 1), self.value)

    @staticmethod
    def _arriving(near: NDArray[np.int64], edges: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Number of some edges [k, m] that arrive at each sample [m]."""
        return np.bincount(near.ravel(), edges.ravel(), near.shape[1]).astype(np.float64)

    @property
    def estimate(self) -> Estimate:
        """The share with its interval."""
        value, variance = self.value, _jackknife(self.without)
        ratio = variance * self.n / (value * (1 - value)) if 0 < value < 1 else 1.0
        return estimate(value, *score_interval(value, self.n, ratio), n=self.n)

    def minus(self, other: "_Edges") -> Estimate:
        """This share minus that of other edges of the same samples."""
        value = self.value - other.value
        if self.n < FREEDOM:
            return estimate(value, np.nan, np.nan, self.n)
        half = float(ndtri(0.5 + CONFIDENCE / 2)) * np.sqrt(_jackknife(self.without - other.without))
        return estimate(value, max(-1.0, value - half), min(1.0, value + half), self.n)


def _jackknife(without: NDArray[np.float64]) -> float:
    """Variance of an estimate, from its values without each of m samples [m]."""
    m = len(without)
    return (m - 1) / m * float(((without - without.mean()) ** 2).sum())
