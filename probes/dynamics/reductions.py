"""Training dynamics of samples as reductions over the log's epochs.

Events, such as the epoch in which a sample was learned, are in :mod:`probes.dynamics.events`.

Every function takes matrices [E, N] (epochs in ascending order, one column per sample) and ``seen`` [E, N] bool, and
returns [N]. Epochs in which a sample was not seen are left out of its reduction, not counted as 0; a sample that was
never seen gets NaN. For predictions and routes, ``seen`` means the epochs in which they are known. Results are
float64, in which NaN means missing. No function warns or reads files.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def count(seen: Bools) -> NDArray[np.int64]:
    """Number of epochs in which each sample was seen: int64 [N], in [0, E]."""
    return seen.sum(axis=0)


def mean(values: NDArray, seen: Bools) -> Floats:
    """Mean over the epochs seen.

    - Of ``loss``: CSL / E, the cumulative sample loss (Ravikumar et al. 2025) per epoch; high is harder.
    - Of ``margin``: AUM, the area under the margin (Pleiss et al. 2020, arXiv 2001.10528); low is harder.
      Defined on the values of the training pass; in a log of mode ``eval`` it is of evaluation passes. Compare only
      logs of one mode.
    - Of ``el2n``: norm of the error vector (Paul et al. 2021, arXiv 2107.07075); high is harder. Some codes average
      its square, which weights the epochs differently.
    - Of ``p_given`` and ``correct_given``: confidence and correctness of dataset cartography (Swayamdipta
      et al. 2020, arXiv 2009.10795); low is harder. Correctness is a count in their code, a share here.

    Args:
        values: [E, N] numbers or bools.
        seen: [E, N].
    """
    # Division by NaN where nothing was seen, since 0/0 would warn.
    total = np.where(seen, values, 0).sum(axis=0, dtype=np.float64)
    epochs = count(seen)
    return total / np.where(epochs == 0, np.nan, epochs)


def std(values: NDArray, seen: Bools) -> Floats:
    """Population standard deviation over the epochs seen; 0 for a single epoch.

    Of ``p_given``: variability of dataset cartography (Swayamdipta et al. 2020); high is ambiguous.
    """
    # A diverged run has infinite losses; inf - inf is NaN, which is the correct result and needs no warning.
    with np.errstate(invalid="ignore"):
        centred = np.where(seen, values, 0).astype(np.float64) - mean(values, seen)
    return np.sqrt(mean(centred * centred, seen))


def quantile_range(values: NDArray, seen: Bools, low: float, high: float) -> Floats:
    """Distance between two quantiles of the values over the epochs seen, in the unit of ``values``; 0 for one epoch.

    Of ``loss`` between the quartiles 0.25 and 0.75: LT-IQR, the interquartile range of the loss trace (Pollock et al.
    2024, arXiv 2411.05743), in [0, inf) nats; high is more vulnerable to membership inference. Quantiles are
    interpolated linearly, as in their code. Its traces are of the training passes; in a log of mode ``eval`` they are
    of evaluation passes.

    Args:
        values: [E, N] numbers.
        seen: [E, N].
        low: lower quantile, in [0, 1].
        high: upper quantile, from ``low`` to 1.
    """
    # NaN is sorted last: epochs not seen come after those seen, and a value that is NaN is found at the end of these.
    ascending = np.sort(np.where(seen, values, np.nan).astype(np.float64), axis=0)
    epochs = count(seen)
    if len(seen) == 0:
        return np.full(seen.shape[1], np.nan)
    # A diverged run has infinite losses; inf - inf is NaN, which is the correct result and needs no warning.
    with np.errstate(invalid="ignore"):
        return _quantile(ascending, epochs, high) - _quantile(ascending, epochs, low)


def _quantile(ascending: Floats, epochs: NDArray[np.int64], level: float) -> Floats:
    """A quantile of the first ``epochs`` [N] values of each column of [E, N], NaN where one of them is NaN."""
    end = np.maximum(epochs - 1, 0)
    place = level * end
    below = np.floor(place).astype(np.int64)
    left, right, top = (
        np.take_along_axis(ascending, row[None], axis=0)[0]
        for row in (below, np.minimum(below + 1, end), end)
    )
    share = place - below
    # Without the condition 0 * inf would make NaN of a quantile that is a value itself.
    between = np.where(share > 0, left + share * (right - left), left)
    return np.where((epochs == 0) | np.isnan(top), np.nan, between)


def largest(values: NDArray, seen: Bools) -> Floats:
    """Largest value over the epochs seen."""
    top = np.where(seen, values, -np.inf).max(axis=0, initial=-np.inf)
    return np.where(seen.any(axis=0), top, np.nan).astype(np.float64)


def last(values: NDArray, seen: Bools) -> Floats:
    """Value at the last epoch in which the sample was seen."""
    if len(seen) == 0:
        return np.full(seen.shape[1], np.nan)
    row = len(seen) - 1 - np.argmax(seen[::-1], axis=0)
    picked = np.take_along_axis(values, row[None], axis=0)[0]
    return np.where(seen.any(axis=0), picked, np.nan).astype(np.float64)


def first_from(values: NDArray, seen: Bools, epochs: NDArray, epoch: float) -> Floats:
    """Value at the first epoch from ``epoch`` on in which the sample was seen; NaN if there is none.

    Args:
        values: [E, N] numbers.
        seen: [E, N].
        epochs: [E] epoch numbers in ascending order.
        epoch: first epoch considered; need not be one of ``epochs``.
    """
    after = epochs >= epoch
    return last(values[after][::-1], seen[after][::-1])


def signed(values: NDArray, agrees: Bools, predicted: Bools) -> NDArray:
    """The values [E, N], negative where the prediction is not the given label, NaN where there is no prediction.

    Of the output's entropy, its mean over the epochs is the signed entropy integral (SEI, arXiv 2605.31090) divided by
    their number, in [-ln K, ln K] nats; low is harder. Without the sign, entropy does not depend on the label.

    Args:
        values: [E, N] numbers >= 0, such as entropies.
        agrees: [E, N] whether the given label was predicted.
        predicted: [E, N] whether any class was predicted: a gate without a classifier predicts none.
    """
    return np.where(predicted, np.where(agrees, values, -values), np.float32(np.nan))


def normalised_margin(p_given: Floats, loss: Floats, margin: Floats) -> Floats:
    """Normalised margin (1 + p(given label) - largest other p) / 2, in [0, 1]; low is harder.

    The label quality score of that name in cleanlab (Northcutt et al. 2021, arXiv 1911.00068). The largest other
    probability is computed from the logged values: its logit is ``margin`` below that of the given label, which has
    the log-probability ``-loss``.

    Args:
        p_given: [N] probability of the given label.
        loss: [N] cross-entropy against it in nats.
        margin: [N] logit of the given label minus the largest other.
    """
    # Diverged values become NaN without a warning; the minimum keeps rounding from a probability above 1.
    with np.errstate(invalid="ignore"):
        p_other = np.exp(np.minimum(-loss - margin, 0))
    return (p_given - p_other + 1) / 2


def threshold_closeness(confidence: Floats) -> Floats:
    """Product c(1-c) of the confidence c, in [0, 0.25]; high is ambiguous (cartography's code)."""
    return confidence * (1 - confidence)


def routed_epochs(routed: Bools, seen: Bools) -> Floats:
    """Number of epochs in which the sample was routed through the block, in [0, E]; NaN if never seen."""
    return np.where(seen.any(axis=0), (routed & seen).sum(axis=0), np.nan)
