"""How well an attack tells members from others: AUC and TPR of each target model, and each sample's vulnerability."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from memgate.config.subset import block_of
from probes.memorisation.signals import blocks, check_members
from probes.stats.estimate import Estimate, estimate
from probes.stats.intervals import student_interval, wilson
from probes.stats.ranking import order

RATES = (0.001, 0.01)
"""False positive rates at which the true positive rate is taken."""

FIGURES = ("auc", *(f"tpr_at_{rate:g}" for rate in RATES))
"""Names of the figures of a target model."""


def target_figures(score: NDArray[np.floating], members: NDArray[np.bool_]) -> tuple[float, ...]:
    """AUC, and TPR at each of :data:`RATES`, of the scores of one target model; in [0, 1], high: the attack works.

    Args:
        score: [N] high says trained on; NaN is left out.
        members: [N] whether the target was trained on the sample.

    Returns:
        In the order of :data:`FIGURES`; all NaN without members or without others, a TPR NaN with too few others
        for its FPR (fewer than 1,000 for 0.1 %).
    """
    known = ~np.isnan(score)
    positive = members[known]
    if positive.all() or not positive.any():
        return (np.nan,) * len(FIGURES)
    ranking = order(score[known], positive).ranking()
    return ranking.auroc, *(ranking.tpr_at_fpr(rate) for rate in RATES)


def over_models(figures: ArrayLike, fraction: float = 0.5) -> Estimate:
    """Mean of a figure over target models with its 95 % interval over blocks of them, in [0, 1].

    The models of a block are one observation, since their subsets depend on each other; blocks get Student's t. The
    interval is about other models on the same samples, and not about other samples.

    Args:
        figures: [K] of each target model; NaN is left out with its block.
        fraction: a/B, share of the models that contain a sample.
    """
    of_block = np.asarray(figures, np.float64).reshape(-1, block_of(fraction)[1]).mean(axis=1)
    known = of_block[~np.isnan(of_block)]
    if not len(known):
        return estimate(np.nan, np.nan, np.nan, 0)
    low, high = np.clip(student_interval(known), 0, 1)
    return estimate(float(known.mean()), low, high, len(known))


@dataclass(frozen=True, eq=False)
class Vulnerability:
    """How often an attack names, of two models of a block, the one that was trained on the sample; each [N]."""

    share: NDArray[np.float64]
    """In [0, 1]; 0.5: it guesses; 1: always right. High is more vulnerable. NaN: no block has values."""
    low: NDArray[np.float64]
    """Lower end of Wilson's 95 % interval over blocks."""
    high: NDArray[np.float64]
    """Upper end."""
    gap: NDArray[np.float64]
    """Mean score of models trained on the sample minus that of the others, in the unit of the score; 0: none. It is
    finer than ``share``, which has as many steps as there are blocks."""


@dataclass(frozen=True, eq=False)
class VulnerabilitySums:
    """Sums over blocks for :class:`Vulnerability`, float64 [N] each."""

    hits: NDArray[np.float64]
    gap: NDArray[np.float64]
    count: NDArray[np.float64]

    @classmethod
    def none(cls, samples: int) -> "VulnerabilitySums":
        """Sums over no block."""
        return cls(*(np.zeros(samples) for _ in range(3)))

    def add(self, members: NDArray[np.bool_], score: NDArray[np.floating]) -> None:
        """Add a block in place; it counts where every model of it has a score.

        Args:
            members: [B, N] whether each model was trained on each sample.
            score: [B, N] high says trained on; NaN: missing.
        """
        size, taken = len(members), int(members[:, 0].sum())
        hits = np.zeros(score.shape[1])
        for trained in range(size):
            for other in range(size):
                if trained != other:
                    pair = members[trained] & ~members[other]
                    difference = score[trained] - score[other]
                    hits += pair * ((difference > 0) + 0.5 * (difference == 0))
        known = ~np.isnan(score).any(axis=0)
        inner = np.where(members, score, 0).sum(axis=0)
        gap = inner / taken - (score.sum(axis=0) - inner) / (size - taken)
        self.hits[known] += (hits / (taken * (size - taken)))[known]
        self.gap[known] += gap[known]
        self.count[known] += 1

    def result(self) -> Vulnerability:
        """The vulnerability by the blocks so far."""
        count = np.where(self.count > 0, self.count, np.nan)
        low, high = wilson(self.hits, self.count)
        return Vulnerability(self.hits / count, low, high, self.gap / count)


def vulnerability(members: ArrayLike, score: ArrayLike, fraction: float = 0.5) -> Vulnerability:
    """How vulnerable each sample is to an attack: how often it names the right model of two of a block.

    Both scores of a block come from the same shadows, none of which is in it, so that an attack that knows nothing is
    right in half of the blocks on average, with any number of models. (An AUC over all targets of a sample is then
    below one half: leaving a target out moves the others' mean away from it.)

    Args:
        members: [K, N] whether each model was trained on each sample; each sample in exactly a of B models in a row.
        score: [K, N] of :func:`probes.lira` or :func:`probes.rmia`; NaN: missing.
        fraction: a/B, share of the models that contain a sample.

    Raises:
        MemgateError: the subsets are not balanced.

    Example:
        >>> import numpy as np, probes
        >>> members = np.array([[1, 0], [0, 1], [0, 1], [1, 0]], bool)
        >>> probes.vulnerability(members, [[2.0, 1.0], [1.0, 1.0], [1.0, 1.0], [2.0, 1.0]]).share.tolist()
        [1.0, 0.5]
    """
    mask, scores = check_members(members, fraction), np.asarray(score, np.float64)
    sums = VulnerabilitySums.none(mask.shape[1])
    for block in blocks(len(mask), fraction):
        sums.add(mask[block], scores[block])
    return sums.result()
