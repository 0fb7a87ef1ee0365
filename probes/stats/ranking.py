"""Ranking of positives and negatives by a score, counted at every threshold: AUROC, AUPR, FPR at a TPR.

High always means positive; a score with the other direction is negated first. Samples with equal scores pass a
threshold together, so that nothing depends on the order of the samples.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import trapezoid


@dataclass(frozen=True, eq=False)
class Ranking:
    """Number of positives and negatives at or above each of m descending thresholds; the last includes all of them."""

    positives: NDArray[np.float64]
    """[m] in ascending order, the last above 0."""
    negatives: NDArray[np.float64]
    """[m] likewise."""

    @property
    def turned(self) -> "Ranking":
        """The ranking of the negated score, in which the negatives are the samples to detect."""
        # A score is <= t for all samples but those at or above the next higher threshold.
        below = [
            (counts[-1] - np.concatenate([[0.0], counts[:-1]]))[::-1]
            for counts in (self.negatives, self.positives)
        ]
        return Ranking(*below)

    @property
    def roc(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """FPR and TPR [m + 1] of the ROC curve, which begins at (0, 0)."""
        return tuple(  # pyright: ignore[reportReturnType]
            np.concatenate([[0.0], counts / counts[-1]]) for counts in (self.negatives, self.positives)
        )

    @property
    def precision_recall(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Recall and precision [m] at each threshold from the highest, as scikit-learn without its added (0, 1)."""
        selected = self.positives + self.negatives
        # No sample is above a threshold only where samples have weight 0; precision 1 leaves the curve unchanged.
        precision = np.divide(self.positives, selected, out=np.ones_like(selected), where=selected > 0)
        return self.positives / self.positives[-1], precision

    @property
    def auroc(self) -> float:
        """Area under the ROC curve, in [0, 1]: probability that a positive scores above a negative, ties one half."""
        pairs = self.positives[-1] * self.negatives[-1]
        return _area(self.negatives, self.positives, 0.0) / float(pairs)

    @property
    def aupr(self) -> float:
        """Area under the precision-recall curve by the trapezoid rule, in [0, 1]; the curve begins at precision 1.

        As in OpenOOD and pytorch-ood: ``auc(recall, precision)``. It differs from the average precision, which takes
        the precision at the end of each step of recall without interpolation.
        """
        return _area(*self.precision_recall, 1.0)

    def fpr_at_tpr(self, tpr: float = 0.95) -> float:
        """Share of negatives at or above the highest threshold with at least this TPR, in [0, 1]; low is good.

        With out-of-distribution as positive it is the FPR@95 of OpenOOD v1.5 and pytorch-ood. The older convention
        keeps 95 % of the in-distribution samples instead and gives different numbers (those of :attr:`turned`).

        Args:
            tpr: share of the positives to keep, in (0, 1].
        """
        kept = self.positives / self.positives[-1]
        first = int(np.searchsorted(kept, tpr))
        return float(self.negatives[first] / self.negatives[-1])

    def tpr_at_fpr(self, fpr: float) -> float:
        """Largest share of positives above a threshold with at most this FPR, in [0, 1]; high is good.

        NaN where a single negative is more than this share of them: so few negatives do not show so low an FPR.

        Args:
            fpr: share of the negatives, in [0, 1].
        """
        allowed = fpr * self.negatives[-1] + 1e-9  # 0.001 of 1,000 is to be 1
        if allowed < 1:
            return np.nan
        last = int(np.searchsorted(self.negatives, allowed, "right"))
        return float(self.positives[last - 1] / self.positives[-1]) if last else 0.0


@dataclass(frozen=True, eq=False)
class Order:
    """n samples sorted by score, which can be counted with any weights."""

    rows: NDArray[np.intp]
    """[n] from the highest score to the lowest."""
    last: NDArray[np.intp]
    """[m] positions in ``rows`` of the last sample with each distinct score."""
    positive: NDArray[np.bool_]
    """[n] the classes in the order of ``rows``."""

    def ranking(self, weight: ArrayLike | None = None) -> Ranking:
        """The weighted numbers of positives and negatives at each distinct score.

        Args:
            weight: [n] weight of each sample in the original order; None for 1.
        """
        if weight is None:
            positives = np.cumsum(self.positive, dtype=np.float64)[self.last]
            return Ranking(positives, self.last + 1 - positives)
        weights = np.asarray(weight, np.float64)[self.rows]
        positives = np.cumsum(np.where(self.positive, weights, 0.0))[self.last]
        return Ranking(positives, np.cumsum(weights)[self.last] - positives)


def order(score: ArrayLike, positive: ArrayLike) -> Order:
    """Samples sorted by score.

    Args:
        score: [n] numbers without NaN, may be infinite; high means positive.
        positive: [n] bool, with at least one sample of each class.

    Raises:
        ValueError: the shapes differ, a score is NaN, or a class is empty.
    """
    scores, labels = np.asarray(score), np.asarray(positive, bool)
    if scores.ndim != 1 or scores.shape != labels.shape:
        raise ValueError(f"score {scores.shape} and positive {labels.shape} are not both [n]")
    if np.isnan(scores).any():
        raise ValueError(f"{int(np.isnan(scores).sum())} scores are NaN: leave them out first")
    if labels.all() or not labels.any():
        raise ValueError("there must be positives and negatives")
    rows = np.argsort(scores, kind="stable")[::-1]
    descending = scores[rows]
    last = np.append(np.flatnonzero(descending[1:] != descending[:-1]), len(rows) - 1)
    return Order(rows, last, labels[rows])


def _area(x: NDArray[np.float64], y: NDArray[np.float64], start: float) -> float:
    """Area under the curve through (0, start) and the points [m], by the trapezoid rule."""
    return float(trapezoid(np.concatenate([[start], y]), np.concatenate([[0.0], x])))
