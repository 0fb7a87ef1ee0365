"""The whole epochs of one split of a run, fixed at the moment of asking.

A training that is still going on adds epochs between two reads; everything that is computed from one snapshot
uses the same epochs.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from memgate.errors import MemgateError
from memgate.log.format import EpochRecord, Samples
from memgate.log.reader import SampleLog
from memgate.runs.run import Run

FAR = 2048
"""Samples of the log that are rather read for nothing than left out by a second look at the disk."""


@dataclass(frozen=True, eq=False)
class Snapshot:
    """What can be read of a split, in the log's own sample order."""

    log: SampleLog
    split: str
    epochs: NDArray
    """[E] rising epoch numbers, counted from 1, at least one."""
    samples: Samples

    def values(self, name: str, gate: str | None = None, part: slice = slice(None)) -> NDArray:
        """One logged quantity or flag, [E, N], or of a part of the samples; see :meth:`SampleLog.values`."""
        found, values = self.log.values(self.split, name, gate, part)
        kept = np.isin(found, self.epochs)
        return values if kept.all() else values[kept]

    def values_at(self, places: NDArray[np.integer], name: str, gate: str | None = None) -> NDArray:
        """One logged quantity or flag [E, n] of the samples at some places, in their order; few are read fast."""
        first = self.values(name, gate, slice(0, 0))
        found = np.empty((len(self.epochs), len(places)), first.dtype)
        for part, which in spans(places, len(self.samples)):
            found[:, which] = self.values(name, gate, part)[:, places[which] - part.start]
        return found

    def until(self, epoch: int) -> "Snapshot":
        """The same without the epochs after ``epoch``."""
        return replace(self, epochs=self.epochs[self.epochs <= epoch])

    def records(self) -> Iterator[tuple[int, EpochRecord]]:
        """Epoch and all its rows, one epoch in memory at a time."""
        return self.log.records(self.split, set(self.epochs.tolist()))


def spans(places: NDArray[np.integer], longest: int) -> Iterator[tuple[slice, NDArray[np.intp]]]:
    """Parts of the log that together hold some samples.

    Args:
        places: [n] where the samples stand, each once, in any order.
        longest: samples in a part, at most.

    Yields:
        The part, and which of ``places`` lie in it.
    """
    order = np.argsort(places, kind="stable")
    rising = places[order]
    starts = np.flatnonzero(np.diff(rising, prepend=-FAR - 1) > FAR)
    for one, group in zip(np.split(rising, starts[1:]), np.split(order, starts[1:]), strict=True):
        cuts = np.flatnonzero(np.diff((one - one[:1]) // longest)) + 1
        for piece, which in zip(np.split(one, cuts), np.split(group, cuts), strict=True):
            if len(piece):
                yield slice(int(piece[0]), int(piece[-1]) + 1), which


def take_snapshot(run: Run, split: str, log: SampleLog | None = None) -> Snapshot:
    """The epochs of a split that are whole now.

    Args:
        run: the run.
        split: a split of its log.
        log: its log, if it has been opened already: a reader remembers which rows it has verified.

    Raises:
        MemgateError: there is none yet, every one is damaged_epochs, or there is no such split.
    """
    log = log or run.sample_log()
    epochs = log.epochs(split)
    if len(epochs) == 0 and len(log.torn(split)) > 0:
        raise MemgateError(
            f"Every finished epoch of {split} in the log of {run.name} is damaged, so nothing of it can be read: "
            "train it again."
        )
    if len(epochs) == 0:
        raise MemgateError(
            f"{run.name} has no finished epoch in its log: wait for it, or go on with the training "
            f"(memgate resume {run.path})."
        )
    return Snapshot(log, split, epochs, log.samples(split))
