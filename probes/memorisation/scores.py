"""The memorisation score mem = P_in - P_out of each sample, with its standard error and interval over blocks.

Feldman 2020, "Does learning require memorization?", and Feldman and Zhang 2020, "What neural networks memorize and
why": of models trained on random subsets, how much more often is a sample's given label predicted by those that were
trained on it? With a probability instead of a prediction it is the counterfactual memorisation of Zhang et al. 2021.

The models of a block have dependent subsets (with a fraction of one half: complementary ones), so that the difference
of a block is one observation, and blocks are independent given the sample.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from memgate.config.subset import block_of
from probes.memorisation.signals import blocks, check_members
from probes.stats.differences import paired_intervals
from probes.stats.intervals import wilson

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class BlockSums:
    """Sums over blocks, which are added one after another; each [..., N] but where it says so."""

    taken: int
    """Models of a block that contain a sample, a."""
    size: int
    """Models of a block, B."""
    count: Floats
    """[2, ..., N] blocks of which every model has a value, of even and of odd number."""
    difference: Floats
    """[2, ..., N] sum of (mean of those trained on the sample) - (mean of the others), likewise."""
    squares: Floats
    """Sum of the squared differences."""
    mean_in: Floats
    """Sum of the means of those trained on the sample."""
    mean_out: Floats
    """Sum of the means of the others."""

    @classmethod
    def none(cls, shape: tuple[int, ...], fraction: float) -> "BlockSums":
        """Sums over no block, for outcomes [..., N] of a shape."""
        halves = [np.zeros((2, *shape)) for _ in range(2)]
        return cls(*block_of(fraction), *halves, *(np.zeros(shape) for _ in range(3)))

    def add(
        self, number: int, members: NDArray[np.bool_], outcome: NDArray[np.floating]
    ) -> NDArray[np.floating]:
        """Add a block to the sums, in place; it counts for a sample where every model of it has a value.

        Args:
            number: of the block, from 0.
            members: [B, N] whether each model was trained on each sample.
            outcome: [B, ..., N] outcome of each model; NaN: missing.

        Returns:
            The differences [..., N] of this block; NaN where it does not count.
        """
        mean_in, mean_out = block_means(members, outcome, self.taken)
        difference = mean_in - mean_out
        known = ~np.isnan(difference)
        where = True if known.all() else known
        half = number % 2
        np.add(self.count[half], where, out=self.count[half])
        for total, values in (
            (self.difference[half], difference),
            (self.squares, difference * difference),
            (self.mean_in, mean_in),
            (self.mean_out, mean_out),
        ):
            np.add(total, values, out=total, where=where)
        return difference

    def scores(self) -> "MemorisationScores":
        """The scores of the blocks so far."""
        count = self.count.sum(axis=0)
        total = self.difference.sum(axis=0)
        mem, low, high = paired_intervals(total, self.squares, count)
        with np.errstate(invalid="ignore", divide="ignore"):
            variance = np.maximum(self.squares - count * mem**2, 0) / (count - 1)
            error = np.where(count > 1, np.sqrt(variance / count), np.nan)
            return MemorisationScores(
                mem, error, low, high, self.mean_in / count, self.mean_out / count,
                self.difference / self.count, count.astype(np.int64), self.taken, self.size,
            )  # fmt: skip


@dataclass(frozen=True, eq=False)
class MemorisationScores:
    """Memorisation of N samples; every array has the shape [..., N] of the outcomes. NaN: missing in every block."""

    mem: Floats
    """P_in - P_out, in [-1, 1]; high is memorised: right only when the sample was trained on."""
    error: Floats
    """Standard error of ``mem`` over blocks; NaN with fewer than two."""
    low: Floats
    """Lower end of the 95 % interval of ``mem``, see :func:`probes.stats.differences.paired_intervals`."""
    high: Floats
    """Upper end."""
    mean_in: Floats
    """P_in: mean outcome of the models that were trained on the sample; of 0 or 1 the share that is right."""
    mean_out: Floats
    """P_out: mean outcome of those that were not; of 0 or 1 the held-out consistency. Low is harder."""
    halves: Floats
    """[2, ..., N] ``mem`` from the blocks of even and of odd number alone, for its reliability."""
    count: NDArray[np.int64]
    """Blocks that the sample has values of."""
    taken: int
    """Models of a block that contain a sample, a."""
    size: int
    """Models of a block, B."""

    @classmethod
    def joined(cls, parts: "Sequence[MemorisationScores]") -> "MemorisationScores":
        """The scores of the samples of all parts, one after another."""
        names = ("mem", "error", "low", "high", "mean_in", "mean_out", "halves", "count")
        columns = [np.concatenate([getattr(part, name) for part in parts], axis=-1) for name in names]
        return cls(**dict(zip(names, columns, strict=True)), taken=parts[0].taken, size=parts[0].size)

    def share_interval(self, trained: bool) -> tuple[Floats, Floats]:
        """Lower and upper end of Wilson's 95 % interval of P_in or P_out, for outcomes of 0 or 1; [..., N].

        With a fraction of one half each block has one model of either kind, and these are independent. The few of a
        larger block are taken for independent: their subsets correlate by -1 / (B - 1).

        Args:
            trained: True for P_in, False for P_out.
        """
        models = self.count * (self.taken if trained else self.size - self.taken)
        shares = self.mean_in if trained else self.mean_out
        return wilson(np.nan_to_num(shares) * models, models)


def block_means(
    members: NDArray[np.bool_], outcome: NDArray[np.floating], taken: int
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Mean outcome of the models of a block that were trained on each sample, and of the others, each [..., N].

    NaN in one of the two, and so in their difference, where a model has no value.

    Args:
        members: [B, N] whether each model was trained on each sample.
        outcome: [B, ..., N] outcome of each model; NaN: missing.
        taken: models of a block that contain a sample, a.
    """
    size = len(members)
    mask = members.reshape(size, *[1] * (outcome.ndim - 2), -1)
    if size == 2:
        return np.where(mask[0], outcome[0], outcome[1]), np.where(mask[0], outcome[1], outcome[0])
    total = outcome.sum(axis=0)
    inner = np.where(mask, outcome, 0).sum(axis=0)
    return inner / taken, (total - inner) / (size - taken)


def memorisation_scores(members: ArrayLike, outcome: ArrayLike, fraction: float = 0.5) -> MemorisationScores:
    """Memorisation of each sample, from models trained on balanced random subsets.

    Args:
        members: [K, N] whether each model was trained on each sample; each sample in exactly a of B models in a row.
        outcome: [K, N] or [K, E, N]: whether each model predicts the given label, or its probability in [0, 1]; NaN:
            missing.
        fraction: a/B, share of the models that contain a sample.

    Returns:
        Scores [N] or [E, N], with standard errors and 95 % intervals over blocks.

    Raises:
        MemgateError: the subsets are not balanced.

    Example:
        >>> import numpy as np, probes
        >>> members = np.array([[1, 0], [0, 1], [0, 1], [1, 0]], bool)
        >>> right = np.where(members, 1, [0, 1])  # the first sample is right only where it was trained on
        >>> probes.memorisation_scores(members, right).mem.tolist()
        [1.0, 0.0]
    """
    mask = check_members(members, fraction)
    values = np.asarray(outcome, np.float64)
    if values.shape[:1] != mask.shape[:1] or values.shape[-1:] != mask.shape[1:]:
        raise ValueError(f"outcome {values.shape} does not belong to members {mask.shape}")
    sums = BlockSums.none(values.shape[1:], fraction)
    for number, block in enumerate(blocks(len(mask), fraction)):
        sums.add(number, mask[block], values[block])
    return sums.scores()


def c_score(consistency: ArrayLike, error: ArrayLike | None = None) -> tuple[Floats, Floats]:
    """C-score [...]: mean held-out consistency over fractions, in [0, 1], and its standard error. Low is harder.

    Jiang et al. 2021, "Characterizing structural regularities of labeled data in overparameterized models".

    Args:
        consistency: [F, ...] P_out at each of F fractions.
        error: [F, ...] its standard errors, of independent groups of models; None: the error is NaN.

    Example:
        >>> import probes
        >>> mean, error = probes.c_score([[0.2, 1.0], [0.6, 1.0]], [[0.03, 0.0], [0.04, 0.0]])
        >>> mean.tolist(), error.round(3).tolist()
        ([0.4, 1.0], [0.025, 0.0])
    """
    values = np.asarray(consistency, np.float64)
    errors = np.full(values.shape, np.nan) if error is None else np.asarray(error, np.float64)
    return values.mean(axis=0), np.sqrt((errors**2).sum(axis=0)) / len(values)
