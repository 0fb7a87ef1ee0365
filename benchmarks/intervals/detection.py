"""Corners of average precision, precision at k, FPR95, and the mean AUROC of several OOD sets, all by bootstrap."""

import math
from collections.abc import Iterator
from functools import cache

import numpy as np
from scipy.integrate import trapezoid
from scipy.special import ndtr, ndtri

from probes.scores.detection import detection_figures
from probes.stats.bootstrap import resample_interval, resampled
from probes.stats.ranking import order

from .areas import two_normals
from .measure import Corner, Draw, ends_of

RESAMPLES = 100
"""Bootstrap resamples in the simulations; a report has 200."""


@cache
def true_figures(area: float, m: int, n: int, sd: float) -> tuple[float, float, float]:
    """Average precision, precision at k and FPR95 of infinitely many samples, m of m + n positive."""
    shift, prevalence = ndtri(area) * math.sqrt(1 + sd**2), m / (m + n)
    threshold = np.linspace(max(9, shift + 9 * sd), min(-9, shift - 9 * sd), 100_001)
    recall, false = ndtr((shift - threshold) / sd), ndtr(-threshold)
    taken = prevalence * recall + (1 - prevalence) * false
    precision = prevalence * recall / taken
    return (
        float(trapezoid(precision, recall)),
        float(np.interp(prevalence, taken, recall)),  # as many are taken as are positive
        float(np.interp(0.95, recall, false)),
    )


def detection_draw(figure: int, area: float, m: int, n: int, sd: float) -> Draw:
    """The interval of average precision (0), precision at k (1) or FPR95 (2)."""

    def draw(rng: np.random.Generator) -> tuple[float, float, float]:
        truth = float(true_figures(area, m, n, sd)[figure])
        scores, _ = two_normals(area, m, n, sd, rng)
        seed = int(rng.integers(1 << 30))
        weights = [resampled(m, RESAMPLES, seed, "positive"), resampled(n, RESAMPLES, seed, "negative")]
        figures = detection_figures(scores, np.arange(m + n) < m, np.concatenate(weights, axis=1))
        return *ends_of(figures[figure]), truth

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


def detection_corners() -> Iterator[Corner]:
    """Average precision, precision at k, FPR95, and means over OOD sets."""
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
