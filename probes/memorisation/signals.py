"""What models of random subsets say of each sample: the input of every estimator. No torch.

A group has K models in blocks of B, where a/B is the share of the models that contain a sample: see
:mod:`memgate.data.subset_masks`. Blocks are independent of each other, and the models of a block are not.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from memgate.config.subset import block_of
from memgate.errors import require

PHI_ENDS = 2.0**-24
"""Distance from 0 and 1 to which p(given label) is cut before :func:`phi_of`: float32 is no finer near 1."""


@dataclass(frozen=True, eq=False)
class Signals:
    """Outputs of M models for n samples of one split at E epochs."""

    members: NDArray[np.bool_] | None
    """[M, n] whether each model was trained on each sample; None for a split that no model was trained on."""
    p_given: NDArray[np.float32]
    """[M, E, n] softmax probability of the given label; NaN: missing."""
    phi: NDArray[np.float32]
    """[M, E, n] log p - log(1 - p) of the given label, in nats; low is harder; NaN: missing."""
    correct: NDArray[np.bool_]
    """[M, E, n] whether the given label is predicted; false where it is not known."""
    known: NDArray[np.bool_]
    """[M, E, n] whether there is a prediction."""

    @property
    def right(self) -> NDArray[np.float32]:
        """``correct`` as 1, 0, or NaN where it is not known, [M, E, n]."""
        values = self.correct.astype(np.float32)
        if not self.known.all():
            values[~self.known] = np.nan
        return values


def phi_of(p_given: ArrayLike) -> NDArray[np.float32]:
    """Log p - log(1 - p) of probabilities of the given label, in nats, of the same shape.

    For models that give no logits. Near 1 a probability in float32 says too little: it ends at about 16.6 nats.

    Args:
        p_given: in [0, 1]; NaN is kept.
    """
    p = np.clip(np.asarray(p_given, np.float64), PHI_ENDS, 1 - PHI_ENDS)
    return (np.log(p) - np.log1p(-p)).astype(np.float32)


def check_members(members: ArrayLike, fraction: float) -> NDArray[np.bool_]:
    """The membership [K, N] as bool, if it is balanced: each sample is in exactly a of the B models of each block.

    Args:
        members: whether each model was trained on each sample.
        fraction: a/B, share of the models that contain a sample.

    Raises:
        MemgateError: it is not balanced, or there are fewer than two blocks.
    """
    taken, size = block_of(fraction)
    mask = np.asarray(members)
    require(
        mask.ndim == 2 and (mask.dtype == bool or bool(np.isin(mask, (0, 1)).all())),
        f"members {mask.shape} is not a table of models and samples [K, N] of true and false.",
    )
    mask = mask.astype(bool)
    require(
        len(mask) >= 2 * size and len(mask) % size == 0,
        f"members has {len(mask)} models, and a fraction of {fraction:g} needs a multiple of {size}, at least "
        f"{2 * size}.",
    )
    counts = mask.reshape(-1, size, mask.shape[1]).sum(axis=1)
    require(
        bool((counts == taken).all()),
        f"members is not balanced: with a fraction of {fraction:g} each sample is in {taken} of each {size} models in "
        f"a row, and {int((counts != taken).any(axis=0).sum())} samples are not (memgate.data.subset_masks.members "
        "makes such a table).",
    )
    return mask


def blocks(models: int, fraction: float) -> Iterator[slice]:
    """The models of each block, one after another.

    Args:
        models: K, a multiple of B.
        fraction: a/B, share of the models that contain a sample.
    """
    size = block_of(fraction)[1]
    return (slice(first, first + size) for first in range(0, models, size))
