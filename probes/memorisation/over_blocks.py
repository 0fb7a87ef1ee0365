"""Numbers of a group of samples that are measured once a block of models, with intervals over the J blocks. No torch.

Blocks are independent, the models of a block are not; so a mean over samples has one value a block. Two networks that
were trained on the same subsets are compared block by block. Intervals are about other models, on these samples.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from probes.stats.attenuation import Figure
from probes.stats.estimate import Estimate, estimate
from probes.stats.intervals import CONFIDENCE

Floats = NDArray[np.float64]

ROUNDING = 1e-12
"""Influences up to which all blocks are equal."""


def mean_over_blocks(values: ArrayLike) -> Figure:
    """Mean of one value a block [J], with the influence of each block; blocks with NaN are left out."""
    numbers = np.asarray(values, np.float64)
    known = ~np.isnan(numbers)
    if not known.any():
        return Figure(np.nan, np.zeros(len(numbers)), 0)
    mean = float(numbers[known].mean())
    weight = len(numbers) / known.sum()
    return Figure(mean, np.where(known, numbers - mean, 0) * weight, int(known.sum()))


def share_gone(whole: ArrayLike, left: ArrayLike) -> Figure:
    """Share of a mean that is gone, 1 - (mean of ``left``) / (mean of ``whole``), with the influence of each block.

    Args:
        whole: [J] by each block, such as the memorisation of the network as it is; NaN: the block is left out.
        left: [J] what is left of it, such as the memorisation without B3.

    Returns:
        At most 1 where nothing of it has turned round; below 0 where there is more of it. NaN where the mean of
        ``whole`` is not above 0 with its whole interval: a share of what may be nothing says nothing.
    """
    first, second = np.asarray(whole, np.float64), np.asarray(left, np.float64)
    gap = np.isnan(first) | np.isnan(second)
    all_of_it, rest = (mean_over_blocks(np.where(gap, np.nan, values)) for values in (first, second))
    low = with_block_ends(all_of_it, 0).low
    if low is None or low <= 0:
        return Figure(np.nan, np.zeros(len(first)), all_of_it.n)
    ratio = rest.value / all_of_it.value
    return Figure(1 - ratio, -(rest.influence - ratio * all_of_it.influence) / all_of_it.value, all_of_it.n)


def with_block_ends(figure: Figure, samples: int, limit: float = np.inf) -> Estimate:
    """A number with its 95 % interval by the influences of the blocks and Student's t.

    Args:
        figure: its n is the number of blocks.
        samples: that it is about.
        limit: largest possible size, at which the ends are cut.

    Returns:
        No interval with fewer than two blocks, or where all are equal, since their variance is then unknown.
    """
    if np.isnan(figure.value) or figure.n < 2 or np.abs(figure.influence).max() < ROUNDING:
        return estimate(figure.value, np.nan, np.nan, samples)
    # The variance of a Figure is over all of its places; of n blocks that have a value it is this one.
    size = len(figure.influence)
    error = np.sqrt(float((figure.influence**2).sum()) * figure.n / (size**2 * (figure.n - 1)))
    half = float(stdtrit(figure.n - 1, 0.5 + CONFIDENCE / 2)) * error
    low, high = np.clip([figure.value - half, figure.value + half], -limit, limit).tolist()
    return estimate(figure.value, low, high, samples)
