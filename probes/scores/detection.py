"""How well a score detects corrupted samples: AUROC, average precision, precision at k, FPR at 95 % TPR.

Samples with equal scores pass a threshold together, so no figure depends on the order of the samples. The intervals
of all but the AUROC rest on a bootstrap, in which a resample is a weight for every sample, the number of times that it
was drawn: a score is sorted once for all resamples.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from memgate.errors import require
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


@dataclass(frozen=True)
class Separation:
    """One AUROC with its 95 % interval, or the reason why there is none."""

    value: float | None
    """In [0, 1]: chance that a corrupted sample scores as more suspicious than a clean one, ties one half."""
    low: float | None
    high: float | None
    """Ends of its interval (:func:`probes.stats.auroc.auroc_interval`); None where a group has a single sample."""
    n_positive: int
    """Corrupted samples with a score."""
    n_negative: int
    """Clean samples with a score."""
    n_missing: int
    """Samples left out because their score is missing (NaN)."""
    reason: str = ""
    """Why ``value`` is None."""


@dataclass(frozen=True)
class Detection:
    """The detection figures of one score against one set of corrupted samples, which are the positives."""

    auroc: Separation
    average_precision: Estimate
    """In [0, 1], see :func:`average_precision`; chance is ``prevalence``."""
    precision_at_k: Estimate
    """In [0, 1], see :func:`precision_at_k`, k = number of corrupted samples; chance is ``prevalence``."""
    fpr95: Estimate
    """In [0, 1], see :func:`fpr95`; low is good, chance is 0.95."""
    prevalence: float | None
    """Share of the corrupted among the samples with a score, in [0, 1]; None where no sample has one."""


def detection(
    score: ArrayLike,
    corrupted: ArrayLike,
    direction: int = 1,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Detection:
    """AUROC, average precision, precision at k and FPR at 95 % TPR of a score, each with its 95 % interval.

    Args:
        score: [N] numbers; NaN is missing and left out, infinities are ranked.
        corrupted: [N] bool, the samples to detect.
        direction: +1 if a high score is suspicious, -1 if a low one is.
        resamples: bootstrap resamples for the intervals of all but the AUROC, each class resampled by itself; 0 for
            no interval.
        seed: of the resamples.

    Returns:
        The figures, without values where one of the two classes has no score. Of a score without
        missing values the same as the row ``corrupted`` of :func:`probes.scores.separation.separations` for the same
        samples, resamples and seed. (There, a score that times an event ranks samples to which it never happened as
        hardest; here, they are missing.)

    Raises:
        MemgateError: score and mask have different shapes, ``direction`` is neither 1 nor -1, or ``resamples`` is
            negative.

    Example:
        >>> import probes
        >>> loss = [0.1, 2.3, 0.2, 1.9, 0.4, 0.3]
        >>> corrupted = [False, True, False, True, False, True]
        >>> figures = probes.detection(loss, corrupted)
        >>> round(figures.auroc.value, 3), round(figures.precision_at_k.value, 3)
        (0.889, 0.667)
    """
    require(
        direction in (1, -1), f"direction {direction!r} is neither 1 (high is suspicious) nor -1 (low is)."
    )
    require(resamples >= 0, f"resamples {resamples} is no number of resamples: 0 for no intervals, or more.")
    values, positive = np.asarray(score, np.float64) * direction, np.asarray(corrupted, bool)
    require(
        values.ndim == 1 and values.shape == positive.shape,
        f"score {values.shape} and corrupted {positive.shape} are not both [N]: give one value for each sample.",
    )
    weights = np.empty((resamples, len(positive)), np.uint16)
    for name, members in (("corrupted", positive), ("clean", ~positive)):
        weights[:, members] = resampled(int(members.sum()), resamples, seed, name)
    return weighted_detection(values, positive, weights)


def weighted_detection(
    suspicion: NDArray[np.float64], corrupted: NDArray[np.bool_], weights: NDArray[np.integer]
) -> Detection:
    """:func:`detection` with given resamples, so that several scores see the same ones.

    Args:
        suspicion: [N] the score, high is suspicious; NaN is missing.
        corrupted: [N].
        weights: [B, N] resamples of all samples, those without the score too; B may be 0.
    """
    area = auroc(suspicion, corrupted, 1)
    n = area.n_positive + area.n_negative
    figures = detection_figures(suspicion, corrupted, weights)
    return Detection(area, *figures, prevalence=area.n_positive / n if n else None)


def auroc(score: ArrayLike, corrupted: ArrayLike, direction: int) -> Separation:
    """Area under the ROC curve of a score against corruption, with its 95 % interval.

    Args:
        score: [n] numbers; NaN is missing and left out.
        corrupted: [n] bool, the positive class.
        direction: +1 if a high score is suspicious, -1 if a low one is.

    Returns:
        The AUROC in [0, 1], never flipped: below 0.5 the score is worse than chance. Without a value where a class
        is empty.
    """
    values = np.asarray(score, np.float64) * direction
    known = ~np.isnan(values)
    values, positive = values[known], np.asarray(corrupted, bool)[known]
    n_positive = int(positive.sum())
    counts = n_positive, len(values) - n_positive, int((~known).sum())
    if 0 in counts[:2]:
        group = "corrupted" if n_positive == 0 else "clean"
        return Separation(None, None, None, *counts, reason=f"no {group} sample has this score")
    low, high = auroc_interval(values, positive)
    return Separation(
        order(values, positive).ranking().auroc,
        None if np.isnan(low) else low,
        None if np.isnan(high) else high,
        *counts,
    )


def average_precision(ranking: Ranking) -> float:
    """Sum over the thresholds of (gain in recall) x precision, in [0, 1].

    Equal to scikit-learn's ``average_precision_score``: equal scores are one threshold, and nothing is interpolated.
    A random score has the prevalence of the positives.
    """
    selected = ranking.positives + ranking.negatives
    # Above a threshold a resample may have drawn no sample: recall gains nothing there, whatever the precision.
    precision = ranking.positives / np.maximum(selected, 1)
    gain = np.diff(ranking.positives, prepend=0.0) / ranking.positives[-1]
    return float((gain * precision).sum())


def precision_at_k(ranking: Ranking) -> float:
    """Share of positives among the k samples with the highest scores, k = number of positives; in [0, 1].

    With this k it equals the recall at k. Where samples with equal scores cover the k-th place, the value is the
    expectation over random orders of these samples. Chance is the prevalence.
    """
    k = ranking.positives[-1]
    selected = ranking.positives + ranking.negatives
    tied = int(np.searchsorted(selected, k))
    hits, before = (0.0, 0.0) if tied == 0 else (ranking.positives[tied - 1], selected[tied - 1])
    # Share of positives among the tied samples, of which k - before are selected at random.
    share = (ranking.positives[tied] - hits) / (selected[tied] - before)
    return float((hits + (k - before) * share) / k)


def fpr95(ranking: Ranking) -> float:
    """Share of the negatives that are flagged where 95 % of the positives are; low is good, chance is 0.95."""
    return ranking.fpr_at_tpr(0.95)


FIGURES = (average_precision, precision_at_k, fpr95)
"""The figures of :func:`detection_figures`, in order."""


def detection_figures(score: ArrayLike, positive: ArrayLike, weights: NDArray[np.integer]) -> list[Estimate]:
    """The :data:`FIGURES` of a score, each with its 95 % interval over samples.

    Args:
        score: [n] numbers, high is suspicious; NaN is missing and left out.
        positive: [n] bool; corrupted.
        weights: [B, n] resamples of all samples, those without the score too; B may be 0.

    Returns:
        An estimate for each figure. The ends for average precision and precision at k are those of
        :func:`probes.stats.bootstrap.resample_interval`, for FPR95 percentiles of the resamples. No ends where there
        are no resamples or a class has a single sample, no value where a class is empty. Average precision has no ends
        below :data:`probes.stats.bootstrap.AP_POSITIVES` positives, FPR95 below ``FPR95_POSITIVES``.
    """
    values, labels = np.asarray(score, np.float64), np.asarray(positive, bool)
    known = ~np.isnan(values)
    labels = labels[known]
    n, positives = len(labels), int(labels.sum())
    smaller = min(positives, n - positives)
    if smaller == 0:
        return [Estimate(None, None, None, n) for _ in FIGURES]
    in_order = order(values[known], labels)
    unweighted = in_order.ranking()
    figures = [figure(unweighted) for figure in FIGURES]
    drawn = []
    for weight in weights if smaller > 1 else ():
        ranking = in_order.ranking(weight[known])
        # With many values missing, a resample may hold no sample of one class.
        if ranking.positives[-1] > 0 and ranking.negatives[-1] > 0:
            drawn.append([figure(ranking) for figure in FIGURES])
    if not drawn:
        return [Estimate(value, None, None, n) for value in figures]
    by_figure = np.array(drawn).T
    ends = [
        resample_interval(figures[0], by_figure[0], smaller if positives >= AP_POSITIVES else 0),
        resample_interval(figures[1], by_figure[1], smaller),
        fpr95_interval(by_figure[2], positives),
    ]
    return [estimate(value, *pair, n) for value, pair in zip(figures, ends, strict=True)]
