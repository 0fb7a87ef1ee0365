"""Which clean label became which given one, how often, and what a flag says of those samples. No torch."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probes.stats.estimate import Estimate, estimate
from probes.stats.intervals import wilson


@dataclass(frozen=True)
class LabelPair:
    """The samples of one clean and one given label."""

    clean: int
    given: int
    n: int
    hits: Estimate
    """Share of those for whom the flag is known and holds, with Wilson's interval."""


def label_pairs(
    clean: NDArray[np.integer],
    given: NDArray[np.integer],
    hit: NDArray[np.bool_],
    known: NDArray[np.bool_],
) -> tuple[LabelPair, ...]:
    """Every pair of a clean and a given label that occurs, the most frequent first.

    Args:
        clean: clean labels [N].
        given: given labels [N].
        hit: a flag [N], such as routed.
        known: whether the flag is known [N].
    """
    pairs, of = np.unique(np.stack([clean, given]).astype(np.int64), axis=1, return_inverse=True)
    of = of.ravel()
    n, seen, hits = (np.bincount(of[who], minlength=pairs.shape[1]) for who in (of >= 0, known, known & hit))
    low, high = wilson(hits, seen)
    value = hits / np.where(seen == 0, np.nan, seen)
    found = [
        LabelPair(one, other, count, estimate(*numbers, n=samples))
        for (one, other), count, samples, *numbers in zip(
            pairs.T.tolist(), n.tolist(), seen.tolist(), value, low, high, strict=True
        )
    ]
    return tuple(sorted(found, key=lambda pair: -pair.n))
