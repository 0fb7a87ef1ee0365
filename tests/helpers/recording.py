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
