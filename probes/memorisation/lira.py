"""LiRA, the likelihood-ratio attack: was a model trained on a sample, by its logit, beside those of shadow models.

Carlini et al. 2022, "Membership inference attacks from first principles", online variant, Algorithm 1. Each model is
the target in turn, and the models of the *other* blocks are its shadows. The target's whole block is left out: with
balanced subsets the memberships of its partners give the target's own (with a fraction of one half they are its
complement), and a partner's logit would enter the in- or the out-distribution accordingly. Without the block every
sample has as many shadows of either kind, whether the target was trained on it or not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from probes.memorisation.signals import blocks, check_members

Variance = Literal["fixed", "sample"]
"""``fixed``: one variance of the in-signals and one of the out-signals, pooled over samples, which is better with few
models (below some 64); ``sample``: each sample has its own two."""

LEAST_VARIANCE = 1e-6
"""Smallest variance of phi in nats squared; float32 is no finer at 16 nats."""


@dataclass(frozen=True, eq=False)
class Moments:
    """Sums over models of the out-signals (row 0) and the in-signals (row 1) of each sample, each float64 [2, N]."""

    count: NDArray[np.float64]
    total: NDArray[np.float64]
    squares: NDArray[np.float64]

    @classmethod
    def none(cls, samples: int) -> "Moments":
        """Sums over no model."""
        return cls(*(np.zeros((2, samples)) for _ in range(3)))

    @classmethod
    def joined(cls, parts: "Sequence[Moments]") -> "Moments":
        """The sums of the samples of all parts, one after another."""
        return cls(
            *(
                np.concatenate([getattr(part, name) for part in parts], axis=1)
                for name in ("count", "total", "squares")
            )
        )

    def add(self, other: "Moments") -> None:
        """Add the sums over other models, in place."""
        for name in ("count", "total", "squares"):
            total = getattr(self, name)
            total += getattr(other, name)

    def __sub__(self, other: "Moments") -> "Moments":
        return Moments(self.count - other.count, self.total - other.total, self.squares - other.squares)

    @property
    def mean(self) -> NDArray[np.float64]:
        """[2, N]; NaN where there is no signal."""
        return self.total / np.where(self.count > 0, self.count, np.nan)

    @property
    def deviations(self) -> NDArray[np.float64]:
        """Sum of squared deviations from the sample's own mean, [2, N], 0 or above; NaN where there is no signal."""
        return np.maximum(self.squares - self.total * self.mean, 0)

    def variance(self, kind: Variance) -> NDArray[np.float64]:
        """Unbiased variance, [2, N] or, pooled over samples, [2, 1]; NaN with fewer than two signals.

        The pooled variance of the in-signals is that of in-signals only, and likewise of the out-signals.
        """
        free = self.count - 1
        enough = free > 0
        if kind == "fixed":
            degrees = np.where(enough, free, 0).sum(axis=1, keepdims=True)
            pooled = np.where(enough, self.deviations, 0).sum(axis=1, keepdims=True)
            variance = pooled / np.where(degrees > 0, degrees, np.nan)
        else:
            variance = self.deviations / np.where(enough, free, np.nan)
        return np.maximum(variance, LEAST_VARIANCE)


def moments(members: NDArray[np.bool_], values: NDArray[np.floating]) -> Moments:
    """Sums over models [M, N] of a signal; values that are not finite are left out.

    Args:
        members: [M, N] whether each model was trained on each sample; it may be false for all, [M, 1].
        values: [M, N] signal of each model.
    """
    finite = np.isfinite(values)
    numbers = np.where(finite, values, 0).astype(np.float64)
    sides = [finite & (members == trained) for trained in (False, True)]
    return Moments(
        np.array([side.sum(axis=0) for side in sides], np.float64),
        np.array([np.where(side, numbers, 0).sum(axis=0) for side in sides]),
        np.array([np.where(side, numbers * numbers, 0).sum(axis=0) for side in sides]),
    )


def lira_scores(phi: NDArray[np.floating], shadows: Moments, variance: Variance) -> NDArray[np.float64]:
    """Log N(phi; in) - log N(phi; out) of target models of one block, [B, N] in nats; high says trained on.

    Args:
        phi: [B, N] of the targets.
        shadows: of the models of all other blocks.
        variance: see :data:`Variance`.

    Returns:
        NaN where the target or the shadows lack values.
    """
    mean, spread = shadows.mean, shadows.variance(variance)
    with np.errstate(invalid="ignore"):
        squares = [(phi - mean[side]) ** 2 / spread[side] + np.log(spread[side]) for side in (0, 1)]
        return (squares[0] - squares[1]) / 2


def lira(
    members: ArrayLike, phi: ArrayLike, fraction: float = 0.5, variance: Variance = "fixed"
) -> NDArray[np.float64]:
    """LiRA's score of each model as the target, [K, N] in nats; high says that the model was trained on the sample.

    The means and variances are those of the models of the other blocks (see the module). Distributions have their
    means as centres, as in the paper; TensorFlow Privacy takes medians.

    Args:
        members: [K, N] whether each model was trained on each sample; each sample in exactly a of B models in a row.
        phi: [K, N] log p - log(1 - p) of the given label, see :func:`phi_of`; NaN: missing.
        fraction: a/B, share of the models that contain a sample.
        variance: ``fixed`` or ``sample``, see :data:`Variance`.

    Returns:
        NaN where the target has no value, or there are too few others.

    Raises:
        MemgateError: the subsets are not balanced.

    Example:
        >>> import numpy as np, probes
        >>> rng = np.random.default_rng(0)
        >>> first = rng.random((8, 500)) < 0.5
        >>> members = np.stack([first, ~first], axis=1).reshape(16, 500)  # in one of each two models
        >>> phi = rng.normal(2.0 * members)
        >>> score = probes.lira(members, phi)
        >>> bool(score[members].mean() > 0 > score[~members].mean())
        True
    """
    mask = check_members(members, fraction)
    values = np.asarray(phi, np.float64)
    if values.shape != mask.shape:
        raise ValueError(f"phi {values.shape} does not belong to members {mask.shape}")
    everyone = moments(mask, values)
    scores = np.empty(values.shape)
    for block in blocks(len(mask), fraction):
        shadows = everyone - moments(mask[block], values[block])
        scores[block] = lira_scores(values[block], shadows, variance)
    return scores
