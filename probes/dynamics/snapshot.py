"""The complete epochs of one split of a run at one moment.

A running training adds epochs between two reads; everything that is computed from one snapshot uses the same epochs.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from memgate.errors import MemgateError, require
from memgate.log.format import EpochRecord, Samples, has_value
from memgate.log.reader import SampleLog
from memgate.runs.checks import check_run
from memgate.runs.run import Run

FAR = 2048
"""Largest gap, in samples, that is read along with its neighbours; above it a second read is faster."""


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The complete epochs of a split, in the sample order of the log."""

    log: SampleLog
    split: str
    epochs: NDArray
    """[E] epoch numbers in ascending order, counted from 1; E >= 1."""
    samples: Samples
    """The N samples of the split."""

    def values(self, name: str, gate: str | None = None, part: slice = slice(None)) -> NDArray:
        """A logged quantity or flag [E, N], or of a part of the samples; see :meth:`SampleLog.values`."""
        logged, values = self.log.values(self.split, name, gate, part)
        kept = np.isin(logged, self.epochs)
        return values if kept.all() else values[kept]

    def known(self, name: str, gate: str | None = None, part: slice = slice(None)) -> NDArray[np.bool_]:
        """Whether a quantity or flag has a value, [E, N]: seen, and not NaN; see :meth:`SampleLog.decider`."""
        return has_value(self.values(self.log.decider(name), gate, part)) & self.samples.can_know(name)

    def values_at(self, places: NDArray[np.integer], name: str, gate: str | None = None) -> NDArray:
        """A logged quantity or flag [E, n] of the samples at n positions, in their order, without reading the rest.

        Args:
            places: [n] positions in the split, each once, in any order.
            name: as in :meth:`values`.
            gate: as in :meth:`values`.
        """
        empty = self.values(name, gate, slice(0, 0))
        result = np.empty((len(self.epochs), len(places)), empty.dtype)
        for part, which in spans(places, len(self.samples)):
            result[:, which] = self.values(name, gate, part)[:, places[which] - part.start]
        return result

    def known_at(self, places: NDArray[np.integer], name: str, gate: str | None = None) -> NDArray[np.bool_]:
        """:meth:`known` of the samples at n positions, [E, n]; arguments as in :meth:`values_at`."""
        known = has_value(self.values_at(places, self.log.decider(name), gate))
        return known & self.samples.can_know(name)

    def until(self, epoch: int) -> "Snapshot":
        """The snapshot without the epochs after ``epoch``.

        Raises:
            MemgateError: that leaves no epoch.
        """
        kept = self.epochs[self.epochs <= epoch]
        require(
            len(kept) > 0,
            f"There is no finished epoch up to {epoch}: the first of {self.split} is {self.epochs[0]}, the last "
            f"{self.epochs[-1]}. Give one of these or a later one.",
        )
        return replace(self, epochs=kept)

    def records(self) -> Iterator[tuple[int, EpochRecord]]:
        """Epoch number and its record, one epoch in memory at a time."""
        return self.log.records(self.split, set(self.epochs.tolist()))


def spans(places: NDArray[np.integer], longest: int) -> Iterator[tuple[slice, NDArray[np.intp]]]:
    """Ranges of the log that together contain given samples; gaps above :data:`FAR` are left out.

    Args:
        places: [n] positions of the samples, each once, in any order.
        longest: samples in a range, at most.

    Yields:
        A range of positions, and the indices into ``places`` of those that it contains.
    """
    order = np.argsort(places, kind="stable")
    ascending = places[order]
    starts = np.flatnonzero(np.diff(ascending, prepend=-FAR - 1) > FAR)
    for cluster, members in zip(np.split(ascending, starts[1:]), np.split(order, starts[1:]), strict=True):
        cuts = np.flatnonzero(np.diff((cluster - cluster[:1]) // longest)) + 1
        for piece, which in zip(np.split(cluster, cuts), np.split(members, cuts), strict=True):
            if len(piece):
                yield slice(int(piece[0]), int(piece[-1]) + 1), which


def take_snapshot(run: Run, split: str, log: SampleLog | None = None) -> Snapshot:
    """A snapshot of the epochs of a split that are complete now.

    Args:
        run: the run.
        split: a split of its log.
        log: its log if it is open already, which saves verifying rows again; None to open it.

    Raises:
        MemgateError: there is no complete epoch yet, every epoch is damaged, or there is no such split.
    """
    check_run(run)
    log = log or run.sample_log()
    epochs = log.epochs(split)
    if len(epochs) == 0 and len(log.torn(split)) > 0:
        raise MemgateError(
            f"Every finished epoch of {split} in the log of {run.name} is damaged, so nothing of it can be read: "
            "train it again."
        )
    if len(epochs) == 0:
        raise MemgateError(
            f"{run.name} has no finished epoch in its log: wait for it, or continue the training "
            f"(memgate resume {run.path})."
        )
    return Snapshot(log, split, epochs, log.samples(split))
