"""Balanced random subsets of a data set: which models of a group are trained on which samples. Imports no torch.

The models are dealt out in blocks of B, where the fraction is a/B in lowest terms. In each block a sample is in
exactly a of the B models; which a is drawn for (seed, fraction, block, sample id) alone. So every sample is in the
same number of models, a larger group keeps the subsets of a smaller one, and the order of the samples does not matter.
With a fraction of one half, the two models of a block have complementary subsets.
"""

import itertools
import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

from memgate.config.subset import SubsetConfig, block_of
from memgate.errors import require
from noise.streams import below, sample_words


def members(sample_id: NDArray[np.integer], models: int, fraction: float, seed: int) -> NDArray[np.bool_]:
    """Whether each sample is in the subset of each model, bool [K, N].

    Args:
        sample_id: [N] ids, 0 or above, in any order.
        models: K, a multiple of B.
        fraction: a/B, share of the models that contain a sample.
        seed: of the subsets.

    Returns:
        [K, N]; each column has exactly ``fraction * K`` true values. Row k is :func:`member` of model k.

    Raises:
        MemgateError: the fraction is no a/B with B up to 20, or K no multiple of B.

    Example:
        >>> mask = members(np.arange(5), models=4, fraction=0.5, seed=0)
        >>> mask.sum(axis=0).tolist(), bool((mask[0] != mask[1]).all())
        ([2, 2, 2, 2, 2], True)
    """
    taken, size = block_of(fraction)
    check_models(models, fraction)
    blocks = models // size
    mask = np.empty((models, len(sample_id)), bool)
    words = _words(sample_id, blocks, fraction, seed)
    for block in range(blocks):
        mask[block * size : (block + 1) * size] = _combination(words[:, block], taken, size).T
    return mask


def member(sample_id: NDArray[np.integer], model: int, fraction: float, seed: int) -> NDArray[np.bool_]:
    """Whether each sample is in the subset of one model, bool [N]; arguments and errors as for :func:`members`.

    Example:
        >>> ids = np.arange(100)
        >>> bool((member(ids, 3, 0.5, seed=0) == members(ids, 4, 0.5, seed=0)[3]).all())
        True
    """
    taken, size = block_of(fraction)
    block, place = divmod(model, size)
    word = _words(sample_id, block + 1, fraction, seed)[:, block]
    return _combination(word, taken, size)[:, place]


def trained_on(subset: SubsetConfig, sample_id: NDArray[np.integer]) -> NDArray[np.bool_] | None:
    """Whether a run is trained on each of its training samples, bool [N]; None for a run that is trained on all.

    Raises:
        MemgateError: the subset has no sample, or all of them.
    """
    if subset.model is None:
        return None
    mask = member(sample_id, subset.model, subset.fraction, subset.seed)
    require(
        0 < mask.sum() < len(mask),
        f"--subset.model {subset.model} would be trained on {int(mask.sum())} of {len(mask)} samples: take more "
        "samples, another --subset.fraction or another --subset.seed.",
    )
    return mask


def check_models(models: int, fraction: float) -> None:
    """Raise MemgateError unless the number of models K is a multiple of B."""
    size = block_of(fraction)[1]
    require(
        models > 0 and models % size == 0,
        f"{models} models with a fraction of {fraction:g} cannot be balanced, since each sample must be in the same "
        f"number of them: take a multiple of {size}, such as {size * max(1, -(-models // size))}.",
    )


def _words(sample_id: NDArray[np.integer], blocks: int, fraction: float, seed: int) -> NDArray[np.uint64]:
    """A random word for each sample and block [N, blocks]; more blocks only add columns."""
    taken, size = block_of(fraction)
    return sample_words(sample_id, blocks, "subsets", seed, f"{taken} of {size}")


def _combination(words: NDArray[np.uint64], taken: int, size: int) -> NDArray[np.bool_]:
    """For each random word a combination of ``taken`` of ``size`` models, each equally probable, bool [N, size]."""
    return _combinations(taken, size)[below(words, math.comb(size, taken))]


@cache
def _combinations(taken: int, size: int) -> NDArray[np.bool_]:
    """All combinations of ``taken`` of ``size`` models in lexicographic order, bool [C, size]."""
    chosen = np.array(list(itertools.combinations(range(size), taken)))
    table = np.zeros((len(chosen), size), bool)
    np.put_along_axis(table, chosen, True, axis=1)
    return table
