"""AUROC, AUPR and FPR95 of out-of-distribution detectors, per set and as means over sets, with intervals. No torch.

OpenOOD v1.5's convention: out-of-distribution is positive; AUPR is taken by trapezoids; FPR95 is the share of
in-distribution samples that are taken for foreign where 95 % of the foreign ones are found; a group's value is the
unweighted mean over its sets.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probes.stats.bootstrap import RESAMPLES, resampled
from probes.stats.estimate import Estimate, estimate
from probes.stats.intervals import CONFIDENCE, auroc_interval
from probes.stats.ranking import Ranking, order

IN_DISTRIBUTION = ""
"""What its resamples are drawn under: no set has this name."""

Scores = Mapping[str, NDArray[np.floating]]
"""Detector to a score of each sample [n], high for foreign."""


@dataclass(frozen=True)
class OodFigures:
    """How well one detector tells a set, or the sets of a group, from the in-distribution samples; all in [0, 1]."""

    auroc: Estimate
    """DeLong's interval for a set, the bootstrap's for a group."""
    aupr_in: Estimate
    """In-distribution is looked for, in the order of the negated score."""
    aupr_out: Estimate
    """Out-of-distribution is looked for."""
    fpr95: Estimate
    """Low is good."""


def ood_figures(
    inside: Scores,
    outside: Mapping[str, Scores],
    groups: Mapping[str, Sequence[str]],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    finished: Callable[[int], object] = lambda _: None,
) -> dict[str, dict[str, OodFigures]]:
    """The figures of every detector.

    Intervals are percentiles of a bootstrap that draws the in-distribution samples and those of each set anew,
    as many as there are. A draw is the same for every detector, and its in-distribution samples for every set, so
    that a group's interval knows what its sets share. A set's draws depend on its name and the seed, not on the
    other sets.

    Args:
        inside: scores of the in-distribution samples.
        outside: set to its scores by the same detectors.
        groups: group to the names of its sets, at least one each.
        resamples: number of draws, at least 1.
        seed: of the draws.
        finished: called with 1 whenever a detector is done on a set.

    Returns:
        Set or group to detector to figures. Where samples are fewer than two an interval has no ends.
    """
    count = len(next(iter(inside.values())))
    drawn_in = resampled(count, resamples, seed, IN_DISTRIBUTION)
    draws = {
        name: np.concatenate([drawn_in, resampled(_size(scores), resamples, seed, name)], axis=1)
        for name, scores in outside.items()
    }
    found: dict[str, dict[str, OodFigures]] = {name: {} for name in (*outside, *groups)}
    for detector, own in inside.items():
        plain, drawn = {}, {}
        for name, scores in outside.items():
            score = np.concatenate([own, scores[detector]])
            foreign = np.arange(len(score)) >= count
            sorted_ = order(score, foreign)
            plain[name] = _measured(sorted_.ranking())
            drawn[name] = np.array([_measured(sorted_.ranking(weight)) for weight in draws[name]])
            sizes = count, _size(scores)
            of_set = _figures(plain[name], drawn[name], sizes)
            low, high = auroc_interval(score, foreign)
            of_set[0] = estimate(plain[name][0], low, high, sum(sizes))
            found[name][detector] = OodFigures(*of_set)
            finished(1)
        for group, names in groups.items():
            sizes = count, *(_size(outside[name]) for name in names)
            value, values = (np.mean([of[name] for name in names], axis=0) for of in (plain, drawn))
            found[group][detector] = OodFigures(*_figures(value, values, sizes))
    return found


def _size(scores: Scores) -> int:
    return len(next(iter(scores.values())))


def _measured(ranking: Ranking) -> NDArray[np.float64]:
    """AUROC, AUPR in, AUPR out and FPR95, [4]."""
    return np.array([ranking.auroc, ranking.turned.aupr, ranking.aupr, ranking.fpr_at_tpr(0.95)])


def _figures(values: NDArray[np.float64], drawn: NDArray[np.float64], sizes: Sequence[int]) -> list[Estimate]:
    """Values [4] with the percentiles of their draws [resamples, 4]."""
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(drawn, [tail, 100 - tail], axis=0)
    known = min(sizes) > 1
    ends = zip(values, low, high, strict=True)
    return [estimate(value, *((a, b) if known else (np.nan, np.nan)), sum(sizes)) for value, a, b in ends]
