"""Training dynamics of samples as events: the epochs in which a sample was learned, forgotten or skipped the block.

As in :mod:`probes.dynamics.reductions`, matrices [E, N] (epochs in ascending order, one column per sample) and
``seen`` [E, N] give [N] in float64; epochs in which a sample was not seen are ignored. An event that never happened is
NaN, not epoch 0 and not a large number; :attr:`probes.scores.catalogue.Score.never` defines how it ranks.
"""

import numpy as np
from numpy.typing import NDArray

from probes.dynamics.reductions import Bools, Floats


def changes(state: Bools, seen: Bools, downward_only: bool = False) -> Floats:
    """Number of changes of a boolean state between the epochs in which the sample was seen, in [0, E - 1].

    Args:
        state: [E, N], such as ``routed``.
        seen: [E, N].
        downward_only: count only changes from true to false.
    """
    total = np.zeros(seen.shape[1])
    before = np.zeros(seen.shape[1], bool)
    known = np.zeros(seen.shape[1], bool)
    for now, seen_now in zip(state, seen, strict=True):
        changed = before & ~now if downward_only else before != now
        total += changed & known & seen_now
        before = np.where(seen_now, now, before)
        known = known | seen_now
    return np.where(known, total, np.nan)


def turns(state: Bools, seen: Bools, epochs: NDArray) -> tuple[NDArray, Bools]:
    """The epochs in which one sample's boolean state changed, and the state from each of them on.

    Their number is that of :func:`changes`.

    Args:
        state: [E].
        seen: [E].
        epochs: [E] epoch numbers.
    """
    states = state[seen]
    changed = np.flatnonzero(states[1:] != states[:-1]) + 1
    return epochs[seen][changed], states[changed]


def forgetfulness(correct: Bools, seen: Bools) -> Floats:
    """Number of forgetting events, changes from correct to wrong, in [0, E / 2]; NaN for a never learned sample.

    Toneva et al. 2019 (arXiv 1812.05159), who count in the training passes (log mode ``online``); high is harder, but
    weakly so: in short runs corrupted samples are rarely learned and thus rarely forgotten. Codes differ for never
    learned samples: the number of presentations (Toneva), 1000 (cartography), infinity (data_diet). NaN cannot be
    mistaken for a count.

    Args:
        correct: [E, N] whether the given label was predicted.
        seen: [E, N].
    """
    return np.where((correct & seen).any(axis=0), changes(correct, seen, downward_only=True), np.nan)


def first_learned_epoch(correct: Bools, seen: Bools, epochs: NDArray) -> Floats:
    """First epoch in which the given label was predicted; NaN if it never was. Late is harder.

    Toneva et al. 2019; their code counts epochs from 0.

    Args:
        correct: [E, N] whether the given label was predicted.
        seen: [E, N].
        epochs: [E] epoch numbers, counted from 1, with gaps where nothing was logged.
    """
    return _epoch_where_any(correct & seen, epochs)


def stable_learned_epoch(correct: Bools, seen: Bools, epochs: NDArray) -> Floats:
    """First epoch from which the given label was always predicted; NaN if it was not when last seen. Late is harder.

    "Iteration learned": the epoch after the last wrong one, ``presentations_needed_to_learn`` in the code of
    Toneva et al. 2019, which counts from 0 and gives E for a sample that is wrong at the end.

    Args:
        correct: [E, N] whether the given label was predicted.
        seen: [E, N].
        epochs: [E] epoch numbers, as above.
    """
    correct_from_here = np.logical_and.accumulate((correct | ~seen)[::-1])[::-1]
    return _epoch_where_any(correct_from_here & seen, epochs)


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
    """Epoch of the first true row of each column; NaN where there is none, for which argmax alone gives 0."""
    if len(epochs) == 0:
        return np.full(condition.shape[1], np.nan)
    return np.where(condition.any(axis=0), epochs[np.argmax(condition, axis=0)], np.nan)
