"""Where signals come from: a group of models, read block by block; here from arrays, in ``group`` from logs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from memgate.config.subset import block_of
from memgate.log.format import UNKNOWN, Samples
from noise.manifest.manifest import CORRUPTED_CAUSES
from probes.memorisation.signals import Signals, check_members, phi_of


class Source(Protocol):
    """K models of balanced random subsets, whole blocks only, and what they say of the samples of each split."""

    @property
    def fraction(self) -> float:
        """a/B, share of the models that contain a sample."""
        ...

    @property
    def models(self) -> Sequence[int]:
        """[K] numbers of the models, block after block."""
        ...

    @property
    def epochs(self) -> NDArray[np.integer]:
        """[E] epochs that all models have, rising, counted from 1."""
        ...

    @property
    def splits(self) -> Mapping[str, Samples]:
        """Name of a split to its samples [N]; the models were trained on samples of ``train``."""
        ...

    def read(self, place: int, split: str, epochs: NDArray[np.integer], part: slice) -> Signals:
        """What one model says of some samples, with M = 1.

        Args:
            place: of the model among ``models``.
            split: one of ``splits``.
            epochs: which of ``epochs``, rising.
            part: which samples.
        """
        ...


def read_block(
    source: Source, number: int, split: str, epochs: NDArray[np.integer], part: slice = slice(None)
) -> Signals:
    """What the models of a block say, with M = B; ``number`` counts the blocks from 0."""
    size = block_of(source.fraction)[1]
    of = [source.read(place, split, epochs, part) for place in range(number * size, (number + 1) * size)]
    masks = [signals.members for signals in of if signals.members is not None]
    return Signals(
        np.concatenate(masks) if masks else None,
        *(
            np.concatenate([getattr(signals, name) for signals in of])
            for name in ("p_given", "phi", "correct", "known")
        ),
    )


def cause_groups(cause: NDArray[np.str_]) -> dict[str, NDArray[np.bool_]]:
    """Group to its samples, bool [N]: all, clean, corrupted and each cause, as far as there are any.

    Only ``all`` where nothing is corrupted, or it is not known what is.
    """
    groups = {"all": np.ones(len(cause), bool)}
    corrupted = np.isin(cause, CORRUPTED_CAUSES)
    if corrupted.any() and UNKNOWN not in cause:
        groups |= {"clean": ~corrupted, "corrupted": corrupted}
        groups |= {name: cause == name for name in CORRUPTED_CAUSES}
    return {name: mask for name, mask in groups.items() if mask.any()}


@dataclass(frozen=True, eq=False)
class ArraySource:
    """A group of models in memory; made by :func:`from_arrays`."""

    signals: Mapping[str, Signals]
    """Split to the signals [K, E, N]."""
    splits: Mapping[str, Samples]
    epochs: NDArray[np.integer]
    fraction: float = 0.5

    @property
    def models(self) -> Sequence[int]:
        """The numbers from 0 to K - 1."""
        return range(len(self.signals["train"].p_given))

    def read(self, place: int, split: str, epochs: NDArray[np.integer], part: slice) -> Signals:
        """See :meth:`Source.read`."""
        whole, rows = self.signals[split], np.isin(self.epochs, epochs)
        members = None if whole.members is None else whole.members[place : place + 1, part]
        values = (
            getattr(whole, name)[place : place + 1, rows, part]
            for name in ("p_given", "phi", "correct", "known")
        )
        return Signals(members, *values)


def from_arrays(
    members: ArrayLike,
    p_given: ArrayLike,
    correct: ArrayLike,
    samples: Samples,
    *,
    phi: ArrayLike | None = None,
    test: tuple[ArrayLike, ArrayLike, Samples] | None = None,
    epochs: Sequence[int] | None = None,
    fraction: float = 0.5,
) -> ArraySource:
    """A group of models from arrays in memory.

    Args:
        members: [K, N] whether each model was trained on each sample; each sample in exactly a of B models in a row.
        p_given: [K, E, N] probability of the given label; NaN: missing.
        correct: [K, E, N] whether the given label is predicted.
        samples: the N samples.
        phi: [K, E, N] log p - log(1 - p) from the logits; None: from ``p_given``, see :func:`phi_of`.
        test: ``p_given`` and ``correct`` [K, E, M], and the samples, of a split that no model was trained on.
        epochs: [E] their numbers; None: 1 to E.
        fraction: a/B, share of the models that contain a sample.

    Raises:
        MemgateError: the subsets are not balanced.
    """
    mask = check_members(members, fraction)
    signals = {"train": _signals(mask, p_given, correct, phi)}
    splits = {"train": samples}
    if test is not None:
        signals["test"], splits["test"] = _signals(None, test[0], test[1], None), test[2]
    count = signals["train"].p_given.shape[1]
    return ArraySource(signals, splits, np.array(epochs or range(1, count + 1)), fraction)


def _signals(
    members: NDArray[np.bool_] | None, p_given: ArrayLike, correct: ArrayLike, phi: ArrayLike | None
) -> Signals:
    p = np.asarray(p_given, np.float32)
    known = ~np.isnan(p)
    odds = phi_of(p) if phi is None else np.asarray(phi, np.float32)
    return Signals(members, p, odds, np.asarray(correct, bool) & known, known)
