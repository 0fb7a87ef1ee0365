"""RMIA, the robust membership inference attack: is a sample's likelihood ratio above those of other people's samples?

Zarifzadeh et al. 2024, "Low-cost high-power membership inference attacks", offline variant: only models that were not
trained on a sample stand for the world without it, any number of them, which may differ between samples. Each model is
the target in turn, and its whole block is left out, as in :mod:`probes.memorisation.lira`.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from probes.memorisation.lira import moments
from probes.memorisation.signals import blocks, check_members

SLOPE = 0.3
"""a in p(x) = (1 + a) / 2 * mean_out p(x) + (1 - a) / 2, by which the mean over models with and without the sample is
guessed from those without it."""


def likelihood_ratio(
    p_target: NDArray[np.floating], mean_out: NDArray[np.floating], slope: float = SLOPE
) -> NDArray[np.floating]:
    """Ratio of the target's p to the mean p of all models, 0 or above; high says trained on.

    Args:
        p_target: [..., n] probability of the given label by the target.
        mean_out: [n] its mean over models that were not trained on the sample.
        slope: see :data:`SLOPE`.
    """
    return p_target / ((1 + slope) / 2 * mean_out + (1 - slope) / 2)


def rmia_scores(ratio: NDArray[np.floating], population: NDArray[np.floating]) -> NDArray[np.float64]:
    """Share of population samples whose ratio is at most that of each sample, [n] in [0, 1]; high says trained on.

    That is ratio_x / ratio_z >= 1, the paper's gamma.

    Args:
        ratio: [n] of the samples; NaN: missing.
        population: [m] of samples that no model was trained on; NaN is left out.

    Returns:
        NaN where the ratio is missing, or the population is empty.
    """
    ranked = np.sort(population[~np.isnan(population)])
    if not len(ranked):
        return np.full(np.shape(ratio), np.nan)
    # Searched in order, which is several times faster than at random.
    order = np.argsort(ratio)
    shares = np.empty(len(ratio))
    shares[order] = np.searchsorted(ranked, ratio[order], "right") / len(ranked)
    return np.where(np.isnan(ratio), np.nan, shares)


def rmia(
    members: ArrayLike,
    p_given: ArrayLike,
    population: ArrayLike,
    fraction: float = 0.5,
    slope: float = SLOPE,
) -> NDArray[np.float64]:
    """RMIA's score of each model as the target, [K, N] in [0, 1]; high says that the model was trained on the sample.

    Args:
        members: [K, N] whether each model was trained on each sample; each sample in exactly a of B models in a row.
        p_given: [K, N] probability of the given label; NaN: missing.
        population: [K, M] likewise for samples that no model was trained on, such as the test split.
        fraction: a/B, share of the models that contain a sample.
        slope: see :data:`SLOPE`.

    Returns:
        NaN where the target has no value, or no other model lacks the sample.

    Raises:
        MemgateError: the subsets are not balanced.

    Example:
        >>> import numpy as np, probes
        >>> rng = np.random.default_rng(0)
        >>> first = rng.random((8, 500)) < 0.5
        >>> members = np.stack([first, ~first], axis=1).reshape(16, 500)  # in one of each two models
        >>> p_given = np.where(members, 0.9, 0.6) * rng.uniform(0.8, 1, members.shape)
        >>> score = probes.rmia(members, p_given, population=rng.uniform(0.4, 0.6, (16, 200)))
        >>> bool(score[members].mean() > score[~members].mean())
        True
    """
    mask = check_members(members, fraction)
    values, others = np.asarray(p_given, np.float64), np.asarray(population, np.float64)
    if values.shape != mask.shape or others.shape[:1] != mask.shape[:1]:
        raise ValueError(f"p_given {values.shape} or population {others.shape} do not belong to {mask.shape}")
    none = np.zeros((len(mask), 1), bool)
    everyone, everywhere = moments(mask, values), moments(none, others)
    scores = np.empty(values.shape)
    for block in blocks(len(mask), fraction):
        without = everyone - moments(mask[block], values[block])
        elsewhere = everywhere - moments(none[block], others[block])
        for target in range(block.start, block.stop):
            scores[target] = rmia_scores(
                likelihood_ratio(values[target], without.mean[0], slope),
                likelihood_ratio(others[target], elsewhere.mean[0], slope),
            )
    return scores
