"""AUROC, AUPR and FPR95 of out-of-distribution detectors, per set and as means over sets, with intervals. No torch.

OpenOOD v1.5's convention: out-of-distribution is positive; AUPR is taken by trapezoids; FPR95 is the share of
in-distribution samples above the threshold that 95 % of the out-of-distribution samples exceed; a group's value is the
unweighted mean over its sets.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probes.stats.auroc import auroc_interval
from probes.stats.bootstrap import (
    AP_POSITIVES,
    RESAMPLES,
    fpr95_interval,
    resample_interval,
    resampled,
)
from probes.stats.estimate import Estimate, estimate
from probes.stats.ranking import Ranking, order

IN_DISTRIBUTION = ""
"""Name under which its resamples are drawn; no set has this name."""

Scores = Mapping[str, NDArray[np.floating]]
"""Detector to a score of each sample [n]; high is more out-of-distribution."""


@dataclass(frozen=True)
class OodFigures:
    """How well one detector separates a set, or a group's sets, from the in-distribution samples; all in [0, 1]."""

    auroc: Estimate
    """For a set with the interval of :func:`probes.stats.auroc.auroc_interval`, for a group from the bootstrap."""
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

    Intervals rest on a bootstrap that draws the in-distribution samples and those of each set anew, as many as there
    are (:func:`probes.stats.bootstrap.resample_interval`; percentiles for FPR95). A draw is the same for every
    detector, and its in-distribution samples for every set, so that a group's interval includes the correlation
    between its sets. A set's draws depend on its name and the seed, not on the other sets.

    Args:
        test: scores of the in-distribution samples.
        foreign: set to its scores by the same detectors.
        groups: group to the names of its sets, at least one each.
        resamples: number of draws, at least 1.
        seed: of the draws.
        finished: called with 1 after each detector and set.

    Returns:
        Set or group to detector to figures, without values where a set or the in-distribution has no sample. Few
        samples leave an interval without ends: fewer than two that of AUROC, fewer than
        :data:`probes.stats.bootstrap.AP_POSITIVES` of a class that of AUPR, fewer foreign ones than
        ``FPR95_POSITIVES`` that of FPR95.
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
            if min(count, _size(scores)) == 0:
                plain[name], drawn[name] = np.full(4, np.nan), np.full((resamples, 4), np.nan)
                figures[name][detector] = OodFigures(
                    *_figures(plain[name], drawn[name], (count, _size(scores)))
                )
                finished(1)
                continue
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
    """Estimates of values [4] with the intervals of their draws [resamples, 4]."""
    smallest = min(sizes)
    for_precision = smallest if smallest >= AP_POSITIVES else 0
    ends = [
        resample_interval(value, one, n)
        for value, one, n in zip(values, drawn.T, (smallest, for_precision, for_precision), strict=False)
    ]
    ends.append(fpr95_interval(drawn[:, 3], min(sizes[1:])))
    return [estimate(value, *pair, sum(sizes)) for value, pair in zip(values, ends, strict=True)]
