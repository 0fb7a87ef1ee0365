"""Corners of AUROCs, of their differences and of their means over epochs, on scores whose true AUROC is known."""

import math
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from scipy.special import ndtr, ndtri

from probes.scores.over_epochs import EPOCH_QUANTITIES, _curves
from probes.stats.auroc import auroc_difference, auroc_interval

from .measure import Corner, Draw, Floats, ends_of

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
        return *ends_of(curve.mean), area

    return draw


def area_corners() -> Iterator[Corner]:
    """AUROCs, differences of two, and means over epochs."""
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
