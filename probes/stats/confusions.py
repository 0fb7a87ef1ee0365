"""Pairs of clean and given label: number of samples, and share of them for which a flag holds. No torch."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probes.stats.estimate import Estimate, estimate
from probes.stats.intervals import wilson


@dataclass(frozen=True)
class LabelPair:
    """The samples with one clean and one given label."""

    clean: int
    given: int
    n: int
    hits: Estimate
    """Share of the samples with a known flag for which it holds, with Wilson's interval."""


def label_pairs(
    clean: NDArray[np.integer],
    given: NDArray[np.integer],
    hit: NDArray[np.bool_],
    known: NDArray[np.bool_],
) -> tuple[LabelPair, ...]:
    """Every pair of clean and given label that occurs, the most frequent first.

    Args:
        clean: clean labels [N].
        given: given labels [N].
        hit: a flag [N], such as routed.
        known: whether the flag is known [N].
    """
    labels, pair_of = np.unique(np.stack([clean, given]).astype(np.int64), axis=1, return_inverse=True)
    pair_of = pair_of.ravel()
    n, seen, hits = (
        np.bincount(pair_of[mask], minlength=labels.shape[1]) for mask in (pair_of >= 0, known, known & hit)
    )
    low, high = wilson(hits, seen)
    value = hits / np.where(seen == 0, np.nan, seen)
    pairs = [
        LabelPair(clean_label, given_label, count, estimate(*numbers, n=samples))
        for (clean_label, given_label), count, samples, *numbers in zip(
            labels.T.tolist(), n.tolist(), seen.tolist(), value, low, high, strict=True
        )
    ]
    return tuple(sorted(pairs, key=lambda pair: -pair.n))
