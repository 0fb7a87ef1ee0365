"""How well a score ranks positives above negatives, at every threshold at once: AUROC, AUPR, FPR at a TPR.

High means positive, always; a score with the other direction is negated first. Samples with equal scores pass a
threshold together, so nothing depends on the order in which they come.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import trapezoid


@dataclass(frozen=True, eq=False)
class Ranking:
    """How many positives and negatives lie at or above each of m falling thresholds; the last has all of them."""

    positives: NDArray[np.float64]
    """[m], not falling, the last above 0."""
    negatives: NDArray[np.float64]
    """[m], likewise."""

    @property
    def turned(self) -> "Ranking":
        """The ranking of the negated score, with negatives as what is looked for."""
        # Below a threshold is who was not above it, and so lies strictly above the next lower one.
        below = [
            (counts[-1] - np.concatenate([[0.0], counts[:-1]]))[::-1]
            for counts in (self.negatives, self.positives)
        ]
        return Ranking(*below)

    @property
    def roc(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The ROC curve from (0, 0) on, [m + 1] each: shares of the negatives and of the positives that are above."""
        return tuple(  # pyright: ignore[reportReturnType]
            np.concatenate([[0.0], counts / counts[-1]]) for counts in (self.negatives, self.positives)
        )

    @property
    def precision_recall(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Recall and precision [m] at each threshold, from the highest; scikit-learn's, without its added (0, 1)."""
        chosen = self.positives + self.negatives
        # Nobody above a threshold happens where samples have weight 0: such a threshold is not there.
        precision = np.divide(self.positives, chosen, out=np.ones_like(chosen), where=chosen > 0)
        return self.positives / self.positives[-1], precision

    @property
    def auroc(self) -> float:
        """Area under the ROC curve, in [0, 1]: chance that a positive scores above a negative, ties one half."""
        pairs = self.positives[-1] * self.negatives[-1]
        return _area(self.negatives, self.positives, 0.0) / float(pairs)

    @property
    def aupr(self) -> float:
        """Area under precision over recall by the trapezoid rule, in [0, 1]; it begins at precision 1.

        What OpenOOD and pytorch-ood report: ``auc(recall, precision)``. It is not the average precision, which
        takes the precision at the end of each step of recall and interpolates nothing.
        """
        return _area(*self.precision_recall, 1.0)

    def fpr_at_tpr(self, tpr: float = 0.95) -> float:
        """Share of negatives at or above the highest threshold that keeps ``tpr`` of the positives, in [0, 1].

        Low is good. FPR@95 with the positives as what is to be found: OpenOOD v1.5 and pytorch-ood count so, with
        out-of-distribution as positive. The older convention keeps 95 % of the in-distribution samples instead, and
        gives other numbers (those of :attr:`turned`).

        Args:
            tpr: in (0, 1].
        """
        kept = self.positives / self.positives[-1]
        first = int(np.searchsorted(kept, tpr))
        return float(self.negatives[first] / self.negatives[-1])


@dataclass(frozen=True, eq=False)
class Order:
    """Samples in the order of their scores, sorted once and counted with any weights."""

    rows: NDArray[np.intp]
    """[n] from the highest score to the lowest."""
    last: NDArray[np.intp]
    """[m] positions in ``rows`` of the last sample of each distinct score."""
    positive: NDArray[np.bool_]
    """[n] in the order of ``rows``."""

    def ranking(self, weight: ArrayLike | None = None) -> Ranking:
        """The counts at each distinct score.

        Args:
            weight: [n] how often each sample counts, in the samples' own order; None for once each.
        """
        if weight is None:
            positives = np.cumsum(self.positive, dtype=np.float64)[self.last]
            return Ranking(positives, self.last + 1 - positives)
        weights = np.asarray(weight, np.float64)[self.rows]
        positives = np.cumsum(np.where(self.positive, weights, 0.0))[self.last]
        return Ranking(positives, np.cumsum(weights)[self.last] - positives)


def order(score: ArrayLike, positive: ArrayLike) -> Order:
    """Sort samples by their scores.

    Args:
        score: [n] numbers without NaN (infinities are numbers); high means positive.
        positive: [n] bool, with at least one of each kind.

    Raises:
        ValueError: the shapes differ, a score is NaN, or a kind is missing.
    """
    scores, labels = np.asarray(score), np.asarray(positive, bool)
    if scores.ndim != 1 or scores.shape != labels.shape:
        raise ValueError(f"score {scores.shape} and positive {labels.shape} are not both [n]")
    if np.isnan(scores).any():
        raise ValueError(f"{int(np.isnan(scores).sum())} scores are NaN: leave them out first")
    if labels.all() or not labels.any():
        raise ValueError("there must be positives and negatives")
    rows = np.argsort(scores, kind="stable")[::-1]
    falling = scores[rows]
    last = np.append(np.flatnonzero(falling[1:] != falling[:-1]), len(rows) - 1)
    return Order(rows, last, labels[rows])


def _area(x: NDArray[np.float64], y: NDArray[np.float64], start: float) -> float:
    """Area by trapezoids below the curve through (0, start) and the points [m]."""
    return float(trapezoid(np.concatenate([[start], y]), np.concatenate([[0.0], x])))
