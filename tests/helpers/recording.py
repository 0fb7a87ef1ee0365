"""A deterministic training of 40 samples for tests of the Recorder: labels, logits, and a loop that records them."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from memgate.log.format import EpochRecord
from memgate.recorder.recorder import Recorder
from memgate.runs.run import Run

N, K = 40, 4
GIVEN = np.arange(N) % K
CLEAN = np.where(np.arange(N) < 8, (GIVEN + 1) % K, GIVEN)
"""Clean labels; the first eight differ from the given ones."""


def logits_of(epoch: int, n: int = N) -> Tensor:
    """Logits [n, K] that depend on the epoch only."""
    return torch.randn(n, K, generator=torch.Generator().manual_seed(epoch)) * epoch


def feed(recorder: Recorder, epoch: int, order: Any = None, **columns: Any) -> None:
    """Record one epoch in batches of 7.

    Args:
        recorder: receives the batches.
        epoch: number of the epoch, which determines the logits.
        order: order of the samples [N]; None: ascending.
        columns: further arguments of update(), [N, ...] or gate name to [N, ...].
    """
    logits = logits_of(epoch)
    order = np.arange(N) if order is None else order
    for start in range(0, N, 7):
        rows = order[start : start + 7]
        batch: dict[str, Any] = {
            key: {name: values[rows] for name, values in column.items()}
            if isinstance(column, dict)
            else column[rows]
            for key, column in columns.items()
        }
        recorder.update(torch.from_numpy(rows), logits[rows], torch.from_numpy(GIVEN)[rows], **batch)
    recorder.end_epoch()


def recorded(recorder: Recorder, epoch: int, split: str = "train") -> EpochRecord:
    """The log's values of one epoch."""
    return dict(Run(recorder.path).sample_log().records(split, [epoch]))[epoch]


NO_GATE, NO_GATE_LAST, NO_LOGITS, NO_LOGITS_LAST, UNSEEN_LAST = 3, 6, 4, 9, 7
"""Samples of :func:`record_gaps`: without g in any epoch, or in the last; likewise logits; not seen in the last."""


def record_gaps(recorder: Recorder, epochs: int = 3) -> Run:
    """A run of 40 samples and a gate, in which a network gave NaN for some values.

    g alternates between 0.75 (routed) and 0.25; it is NaN of :data:`NO_GATE` in every epoch, and so on. The logits of
    the other samples are those of :func:`logits_of`.
    """
    for epoch in range(1, epochs + 1):
        last = epoch == epochs
        logits, gate = logits_of(epoch), torch.where(torch.arange(N) % 2 == 0, 0.75, 0.25)
        gate[[NO_GATE, NO_GATE_LAST] if last else [NO_GATE]] = torch.nan
        logits[[NO_LOGITS, NO_LOGITS_LAST] if last else [NO_LOGITS]] = torch.nan
        index = np.delete(np.arange(N), UNSEEN_LAST) if last else np.arange(N)
        recorder.update(index, logits[index], GIVEN[index], gate[index], gate_logits=logits[index])
        recorder.end_epoch()
    recorder.close()
    return Run(recorder.path)
