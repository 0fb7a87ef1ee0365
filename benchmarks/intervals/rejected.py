"""Intervals of an AUROC that were tried and not taken, in the same corners."""

import math
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from .areas import AREAS, SCORES
from .measure import Corner, Draw, Floats


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


def rejected_corners() -> Iterator[Corner]:
    """Other intervals of an AUROC in the same corners."""
    for name in REJECTED:
        for m, n in ((5, 1100), (14, 1092), (58, 1092), (300, 1092)):
            for kind in ("two normals", "two exponentials"):
                draws = tuple(rejected_draw(name, SCORES[kind], area, m, n) for area in AREAS)
                yield Corner(f"(not used) {name}", kind, f"{m} of {m + n}", draws)
