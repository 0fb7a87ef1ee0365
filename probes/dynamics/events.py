"""Training dynamics that are events: when a sample was learned, forgotten, or sent past the block.

As in :mod:`probes.dynamics.reductions`: matrices [E, N] (epochs in rising order, one column per sample) and ``seen``
[E, N] give [N] in float64; an epoch in which a sample was not seen counts as if it had not been. What never happened
is missing (NaN), never epoch 0 and never a large number: how that ranks, :class:`probes.scores.catalogue.Score` says.
"""

import numpy as np
from numpy.typing import NDArray

from probes.dynamics.reductions import Bools, Floats


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


def turns(state: Bools, seen: Bools, epochs: NDArray) -> tuple[NDArray, Bools]:
    """When one sample's yes/no state changed: the epochs, and the state from each of them on.

    As many as :func:`changes` counts.

    Args:
        state: [E].
        seen: [E].
        epochs: [E] epoch numbers.
    """
    states = state[seen]
    changed = np.flatnonzero(states[1:] != states[:-1]) + 1
    return epochs[seen][changed], states[changed]


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


def first_learned_epoch(correct: Bools, seen: Bools, epochs: NDArray) -> Floats:
    """First epoch in which the sample was right; NaN if it never was. Late is harder.

    Toneva et al. 2019, whose code counts it from 0.

    Args:
        correct: [E, N] whether the given label was predicted.
        seen: [E, N].
        epochs: [E] epoch numbers, counted from 1, with gaps where nothing was logged.
    """
    return _epoch_where_any(correct & seen, epochs)


def stable_learned_epoch(correct: Bools, seen: Bools, epochs: NDArray) -> Floats:
    """First epoch from which the sample was right to the end; NaN if it was wrong when last seen. Late is harder.

    "Iteration learned": the epoch after the last wrong one, ``presentations_needed_to_learn`` in the code of
    Toneva et al. 2019, which counts from 0 and gives E for a sample that is wrong at the end.

    Args:
        correct: [E, N] whether the given label was predicted.
        seen: [E, N].
        epochs: [E] epoch numbers, as above.
    """
    right_from_here = np.logical_and.accumulate((correct | ~seen)[::-1])[::-1]
    return _epoch_where_any(right_from_here & seen, epochs)


def first_skip_epoch(routed: Bools, seen: Bools, epochs: NDArray) -> Floats:
    """First epoch in which the sample was seen and not routed; NaN if it never skipped the block.

    Args:
        routed: [E, N].
        seen: [E, N].
        epochs: [E] epoch numbers, as above.
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
