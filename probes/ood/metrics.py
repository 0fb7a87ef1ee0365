"""AUROC, AUPR and FPR95 of out-of-distribution detectors, per set and as means over sets, with intervals. No torch.

OpenOOD v1.5's convention: out-of-distribution is positive; AUPR is taken by trapezoids; FPR95 is the share of
in-distribution samples above the threshold that 95 % of the out-of-distribution samples exceed; a group's value is the
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
"""Name under which its resamples are drawn; no set has this name."""

Scores = Mapping[str, NDArray[np.floating]]
"""Detector to a score of each sample [n]; high is more out-of-distribution."""


@dataclass(frozen=True)
class OodFigures:
    """How well one detector separates a set, or a group's sets, from the in-distribution samples; all in [0, 1]."""

    auroc: Estimate
    """DeLong's interval for a set, the bootstrap's for a group."""
    aupr_in: Estimate
    """With in-distribution as the positive class and the negated score."""
    aupr_out: Estimate
    """With out-of-distribution as the positive class."""
    fpr95: Estimate
    """Low is good."""


def ood_figures(
    test: Scores,
    foreign: Mapping[str, Scores],
    groups: Mapping[str, Sequence[str]],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    finished: Callable[[int], object] = lambda _: None,
) -> dict[str, dict[str, OodFigures]]:
    """AUROC, AUPR and FPR95 of every detector on every set and group.

    Intervals are percentiles of a bootstrap that draws the in-distribution samples and those of each set anew,
    as many as there are. A draw is the same for every detector, and its in-distribution samples for every set, so
    that a group's interval includes the correlation between its sets. A set's draws depend on its name and the seed,
    not on the other sets.

    Args:
        test: scores of the in-distribution samples.
        foreign: set to its scores by the same detectors.
        groups: group to the names of its sets, at least one each.
        resamples: number of draws, at least 1.
        seed: of the draws.
        finished: called with 1 after each detector and set.

    Returns:
        Set or group to detector to figures. With fewer than two samples an interval has no ends.
    """
    count = len(next(iter(test.values())))
    drawn_in = resampled(count, resamples, seed, IN_DISTRIBUTION)
    draws = {
        name: np.concatenate([drawn_in, resampled(_size(scores), resamples, seed, name)], axis=1)
        for name, scores in foreign.items()
    }
    figures: dict[str, dict[str, OodFigures]] = {name: {} for name in (*foreign, *groups)}
    for detector, own in test.items():
        plain, drawn = {}, {}
        for name, scores in foreign.items():
            score = np.concatenate([own, scores[detector]])
            positive = np.arange(len(score)) >= count
            sorted_ = order(score, positive)
            plain[name] = _measured(sorted_.ranking())
            drawn[name] = np.array([_measured(sorted_.ranking(weight)) for weight in draws[name]])
            sizes = count, _size(scores)
            of_set = _figures(plain[name], drawn[name], sizes)
            low, high = auroc_interval(score, positive)
            of_set[0] = estimate(plain[name][0], low, high, sum(sizes))
            figures[name][detector] = OodFigures(*of_set)
            finished(1)
        for group, names in groups.items():
            sizes = count, *(_size(foreign[name]) for name in names)
            value, values = (np.mean([of[name] for name in names], axis=0) for of in (plain, drawn))
            figures[group][detector] = OodFigures(*_figures(value, values, sizes))
    return figures


def _size(scores: Scores) -> int:
    return len(next(iter(scores.values())))


def _measured(ranking: Ranking) -> NDArray[np.float64]:
    """AUROC, AUPR in, AUPR out and FPR95, [4]."""
    return np.array([ranking.auroc, ranking.turned.aupr, ranking.aupr, ranking.fpr_at_tpr(0.95)])


def _figures(values: NDArray[np.float64], drawn: NDArray[np.float64], sizes: Sequence[int]) -> list[Estimate]:
    """Estimates of values [4] with the percentiles of their draws [resamples, 4]."""
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(drawn, [tail, 100 - tail], axis=0)
    known = min(sizes) > 1
    ends = zip(values, low, high, strict=True)
    return [estimate(value, *((a, b) if known else (np.nan, np.nan)), sum(sizes)) for value, a, b in ends]
