"""Influence of training samples on test samples and on each other: which predictions does a sample carry?

Feldman and Zhang 2020: infl(i -> j) = P(j right | i trained on) - P(j right | i not trained on). Of the N x M pairs
only those above a threshold are kept, tile by tile.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from memgate.config.subset import block_of
from memgate.errors import require
from probes.memorisation.config import MOST, THRESHOLD
from probes.memorisation.signals import check_members
from probes.stats.differences import difference_intervals, paired_intervals
from probes.stats.intervals import wilson

ROWS, COLUMNS = 256, 8192
"""Pairs of a tile: 8 MiB as float32, few enough for the allocator to give the same memory to the next tile."""

ROUNDING = 1e-6
"""How far an influence in float32 may be below the threshold that it is exactly at."""

BUFFER = 1 << 20
"""Pairs that are collected before all but the largest are dropped, at least."""

GATHERED = 1 << 24
"""Entries of [K, pairs] that are in memory at once where kept pairs are counted."""


@dataclass(frozen=True, eq=False)
class InfluencePairs:
    """Pairs of samples with an influence of at least a threshold, by falling influence; arrays [P]."""

    source: NDArray[np.int64]
    """Position of the sample that was trained on or not."""
    target: NDArray[np.int64]
    """Position of the sample that is predicted."""
    influence: NDArray[np.float32]
    """P(target right | source trained on) - P(target right | it was not), in [-1, 1]."""
    low: NDArray[np.float32]
    """Lower end of the 95 % interval."""
    high: NDArray[np.float32]
    """Upper end."""
    above: int
    """Pairs at or above the threshold, of which the P largest are kept."""
    below: int
    """Pairs at or below minus the threshold. Chance makes as many of either sign: of ``above`` pairs about ``below``
    are chance, where few influences are really negative."""
    pairs: int
    """Pairs that were looked at."""

    def at(self, sources: NDArray[np.integer], targets: NDArray[np.integer]) -> "InfluencePairs":
        """The same pairs with other names of the samples, such as their ids.

        Args:
            sources: [N] new name of each training sample.
            targets: [M] new name of each target.
        """
        return replace(self, source=sources[self.source], target=targets[self.target])


def of_pairs(pairs: InfluencePairs, members: NDArray[np.bool_]) -> InfluencePairs:
    """Some of the pairs that are kept.

    Args:
        pairs: P of them.
        members: which of them, bool [P].
    """
    arrays = {
        name: getattr(pairs, name)[members] for name in ("source", "target", "influence", "low", "high")
    }
    return replace(pairs, **arrays)


def influence_pairs(
    members: NDArray[np.bool_],
    right: NDArray[np.bool_],
    fraction: float = 0.5,
    *,
    among: bool = False,
    sources: NDArray[np.integer] | None = None,
    threshold: float = THRESHOLD,
    most: int = MOST,
) -> InfluencePairs:
    """Pairs of a training sample and a predicted sample with large influence.

    Of test samples the influence is the mean over blocks of paired differences. Among training samples
    (``among=True``) only models count that were not trained on the target: does the source help the target where the
    target itself is not known? (A target that is memorised is right where it was trained on, whatever the source.)
    Then each block of two has one such model, and in-models and out-models are independent.

    Memory: K (N + M) bytes for the arguments, 60 MiB for tiles, 60 bytes for each pair of up to a
    million or 2 ``most``.

    Args:
        members: [K, N] whether each model was trained on each sample; each sample in exactly a of B models in a row.
        right: [K, M] whether each model predicts the given label of each target; with ``among`` M = N.
        fraction: a/B, share of the models that contain a sample.
        among: whether the targets are the training samples themselves; a sample's own pair is left out, since its
            influence is ``mem``.
        sources: positions of the training samples whose influence is wanted, such as those with mem above 0.25;
            None: all.
        threshold: least influence of a pair, above 0.
        most: pairs that are kept, the largest.

    Returns:
        The pairs with Bonett and Price's interval over blocks (test samples, fraction one half) or else Newcombe's.

    Raises:
        MemgateError: the subsets are not balanced, or a number is out of its range.

    Example:
        >>> import numpy as np, probes
        >>> members = np.array([[1, 0], [0, 1], [0, 1], [1, 0]], bool)
        >>> pairs = probes.influence_pairs(members, right=members[:, :1])
        >>> pairs.source.tolist(), pairs.target.tolist(), pairs.influence.tolist()
        ([0], [0], [1.0])
    """
    mask, correct = check_members(members, fraction), np.asarray(right, bool)
    if len(correct) != len(mask) or (among and correct.shape != mask.shape):
        raise ValueError(f"right {correct.shape} does not belong to members {mask.shape}")
    require(0 < threshold <= 1, f"An influence of {threshold:g} is no threshold: above 0 and up to 1.")
    require(most >= 1, f"{most} pairs cannot be kept: 1 or more.")
    rows = np.arange(mask.shape[1]) if sources is None else np.asarray(sources, np.int64)
    kept = _Largest(most)
    above = below = looked = 0
    for source, columns, tile in _tiles(mask, correct, fraction, rows, among):
        hits = tile >= threshold - ROUNDING
        looked += tile.size - np.count_nonzero(np.isnan(tile))
        above += np.count_nonzero(hits)
        below += np.count_nonzero(tile <= ROUNDING - threshold)
        row, column = np.divmod(np.flatnonzero(hits), tile.shape[1])
        kept.add(source[row], column + columns, tile[hits])
    largest = kept.pairs()
    low, high = _ends(mask, correct, fraction, among, *largest[:2])
    return InfluencePairs(*largest, low, high, int(above), int(below), int(looked))


def _tiles(
    mask: NDArray[np.bool_], correct: NDArray[np.bool_], fraction: float, rows: NDArray[np.int64], among: bool
) -> Iterator[tuple[NDArray[np.int64], int, NDArray[np.float32]]]:
    """The sources of each tile, its first target, and the influences [r, c]; NaN for a sample's own pair."""
    taken, size = block_of(fraction)
    trained = len(mask) // size * taken
    for first in range(0, correct.shape[1], COLUMNS):
        part = slice(first, first + COLUMNS)
        targets = correct[:, part].astype(np.float32)
        outside = ~mask[:, part] if among else None
        if outside is not None:
            targets *= outside
        total = targets.sum(axis=0)
        for start in range(0, len(rows), ROWS):
            source = rows[start : start + ROWS]
            inner = mask[:, source].astype(np.float32).T
            hits = inner @ targets
            if outside is None:  # hits / trained - (total - hits) / others, in place
                others = len(mask) - trained
                tile = hits
                tile *= 1 / trained + 1 / others
                tile -= total / others
            else:
                models = inner @ outside.astype(np.float32)
                rest = total - hits
                with np.errstate(invalid="ignore", divide="ignore"):
                    rest /= outside.sum(axis=0, dtype=np.float32) - models
                    tile = np.divide(hits, models, out=hits)
                tile -= rest
                own = np.flatnonzero((source >= first) & (source < first + tile.shape[1]))
                tile[own, source[own] - first] = np.nan
            yield source, first, tile


Pairs = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]
"""Source, target and influence of pairs."""


@dataclass
class _Largest:
    """The pairs with the largest influence of those that were added."""

    most: int

    def __post_init__(self) -> None:
        self._parts: list[Pairs] = []
        self._size = 0
        self._least = -np.inf
        """Influence below which a pair is no more among the largest."""

    def add(self, source: NDArray[np.int64], target: NDArray[np.int64], value: NDArray[np.float32]) -> None:
        large = value >= self._least
        self._parts.append((source[large], target[large], value[large]))
        self._size += len(self._parts[-1][2])
        if self._size > max(2 * self.most, BUFFER):
            self._parts = [self.pairs()]
            self._size = len(self._parts[0][2])
            self._least = self._parts[0][2][-1]

    def pairs(self) -> Pairs:
        """Source, target and influence, by falling influence; of equal ones by rising source and target."""
        none = np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32)
        source, target, value = (np.concatenate(arrays) for arrays in zip(none, *self._parts, strict=True))
        return _first(source, target, value, self.most)


def _first(
    source: NDArray[np.int64], target: NDArray[np.int64], value: NDArray[np.float32], most: int
) -> Pairs:
    """The ``most`` pairs with the largest influence, in the order of :meth:`_Largest.pairs`."""
    if len(value) > most:  # fewer to sort
        large = np.flatnonzero(value >= np.partition(value, -most)[-most])
        source, target, value = source[large], target[large], value[large]
    order = np.lexsort((target, source, -value))[:most]
    return source[order], target[order], value[order]


def _ends(
    mask: NDArray[np.bool_],
    correct: NDArray[np.bool_],
    fraction: float,
    among: bool,
    source: NDArray[np.int64],
    target: NDArray[np.int64],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Lower and upper ends [P] of the intervals of kept pairs."""
    low, high = np.empty(len(source), np.float32), np.empty(len(source), np.float32)
    step = max(1, GATHERED // len(mask))
    paired = not among and block_of(fraction)[1] == 2
    for start in range(0, len(source), step):
        part = slice(start, start + step)
        inner, right = mask[:, source[part]], correct[:, target[part]]
        if paired:
            pairs = len(mask) // 2
            differences = np.where(inner[::2], 1, -1) * (right[::2].astype(np.int8) - right[1::2])
            squares = (differences != 0).sum(axis=0)
            ends = paired_intervals(differences.sum(axis=0), squares, pairs)[1:]
        else:
            counted = ~mask[:, target[part]] if among else np.ones_like(inner)
            sides = []
            for side in (inner & counted, ~inner & counted):
                models, hits = side.sum(axis=0), (side & right).sum(axis=0)
                sides.append((hits / models, *wilson(hits, models)))
            ends = difference_intervals(sides[0], sides[1])[1:]
        low[part], high[part] = ends
    return low, high
