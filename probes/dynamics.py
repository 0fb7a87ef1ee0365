"""Training dynamics: everything about a sample that is a reduction over the log's epochs.

Every function takes matrices [E, N] (epochs in rising order, one column per sample) and ``seen`` [E, N] bool,
and gives [N]. What was not seen is left out of that sample's reduction, never counted as 0; a sample that was
never seen gets NaN. Results are float64 so that NaN can say "missing"; nothing here warns or reads files.
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
      Defined on the values of the training pass: compare only logs of one mode.
    - Of ``p_given`` and ``correct_given``: confidence and correctness of dataset cartography (Swayamdipta
      et al. 2020, arXiv 2009.10795); low is harder. Correctness is a count in their code, a share here.

    Args:
        values: [E, N] numbers or bools.
        seen: [E, N].
    """
    # 0/0 would warn: divide by NaN where nothing was seen.
    total = np.where(seen, values, 0).sum(axis=0, dtype=np.float64)
    epochs = count(seen)
    return total / np.where(epochs == 0, np.nan, epochs)


def std(values: NDArray, seen: Bools) -> Floats:
    """Population standard deviation over the epochs seen; 0 for a single epoch.

    Of ``p_given``: variability of dataset cartography (Swayamdipta et al. 2020); high is ambiguous.
    """
    # A diverged run has infinite losses: inf - inf is NaN, which is the answer, and no reason to warn.
    with np.errstate(invalid="ignore"):
        centred = np.where(seen, values, 0).astype(np.float64) - mean(values, seen)
    return np.sqrt(mean(centred * centred, seen))


def largest(values: NDArray, seen: Bools) -> Floats:
    """Largest value over the epochs seen."""
    top = np.where(seen, values, -np.inf).max(axis=0, initial=-np.inf)
    return np.where(seen.any(axis=0), top, np.nan).astype(np.float64)


def last(values: NDArray, seen: Bools) -> Floats:
    """Value at the last epoch in which the sample was seen (with every sample seen: the last epoch)."""
    if len(seen) == 0:
        return np.full(seen.shape[1], np.nan)
    row = len(seen) - 1 - np.argmax(seen[::-1], axis=0)
    picked = np.take_along_axis(values, row[None], axis=0)[0]
    return np.where(seen.any(axis=0), picked, np.nan).astype(np.float64)


def threshold_closeness(confidence: Floats) -> Floats:
    """Product c(1-c) of the confidence c, in [0, 0.25]; high is ambiguous (cartography's code)."""
    return confidence * (1 - confidence)


def changes(state: Bools, seen: Bools, downward_only: bool = False) -> Floats:
    """How often a yes/no state changes between the epochs in which the sample was seen, in [0, E - 1].

    Args:
        state: [E, N], such as ``routed``.
        seen: [E, N].
        downward_only: count only changes from true to false.
    """
    total = np.zeros(seen.shape[1])
    before = np.zeros(seen.shape[1], bool)
    known = np.zeros(seen.shape[1], bool)
    for now, there in zip(state, seen, strict=True):
        changed = before & ~now if downward_only else before != now
        total += changed & known & there
        before = np.where(there, now, before)
        known = known | there
    return np.where(known, total, np.nan)


def forgetfulness(correct: Bools, seen: Bools) -> Floats:
    """Forgetting events: transitions from right to wrong, in [0, E / 2]; NaN for a never learned sample.

    Toneva et al. 2019 (arXiv 1812.05159); high is harder, weakly: in short runs corrupted samples are rarely
    learned and so rarely forgotten. For the never learned the conventions clash: the number of presentations
    (Toneva's code), 1000 (cartography's), infinity (data_diet's). Missing cannot be mistaken for a count.

    Args:
        correct: [E, N] whether the given label was predicted.
        seen: [E, N].
    """
    return np.where((correct & seen).any(axis=0), changes(correct, seen, downward_only=True), np.nan)


def routed_epochs(routed: Bools, seen: Bools) -> Floats:
    """Number of epochs in which the sample was routed through the block, in [0, E]; NaN if never seen."""
    return np.where(seen.any(axis=0), (routed & seen).sum(axis=0), np.nan)


def first_skip_epoch(routed: Bools, seen: Bools, epochs: NDArray) -> Floats:
    """First epoch in which the sample was seen and not routed; NaN if it never skipped the block.

    Args:
        routed: [E, N].
        seen: [E, N].
        epochs: [E] epoch numbers, counted from 1, with gaps where nothing was logged.
    """
    skipped = seen & ~routed
    return _epoch_where_any(skipped, epochs)


def last_skip_epoch(routed: Bools, seen: Bools, epochs: NDArray) -> Floats:
    """Last epoch in which the sample was seen and not routed; NaN if it never skipped the block."""
    skipped = seen & ~routed
    return _epoch_where_any(skipped[::-1], epochs[::-1])


def _epoch_where_any(condition: Bools, epochs: NDArray) -> Floats:
    """Epoch of the first true row of each column, NaN where there is none (argmax alone would say 0)."""
    if len(epochs) == 0:
        return np.full(condition.shape[1], np.nan)
    return np.where(condition.any(axis=0), epochs[np.argmax(condition, axis=0)], np.nan)
