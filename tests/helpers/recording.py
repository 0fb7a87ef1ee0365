"""A made-up training that tests of the recorder write down."""

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
"""Eight wrong labels."""


def logits_of(epoch: int, n: int = N) -> Tensor:
    """The same logits [n, K] for the same epoch."""
    return torch.randn(n, K, generator=torch.Generator().manual_seed(epoch)) * epoch


def feed(recorder: Recorder, epoch: int, order: Any = None, **more: Any) -> None:
    """One epoch in batches of 7, in some order."""
    logits = logits_of(epoch)
    order = np.arange(N) if order is None else order
    for start in range(0, N, 7):
        rows = order[start : start + 7]
        extra: dict[str, Any] = {
            key: {name: value[rows] for name, value in found.items()}
            if isinstance(found, dict)
            else found[rows]
            for key, found in more.items()
        }
        recorder.update(torch.from_numpy(rows), logits[rows], torch.from_numpy(GIVEN)[rows], **extra)
    recorder.end_epoch()


def recorded(recorder: Recorder, epoch: int, split: str = "train") -> EpochRecord:
    return dict(Run(recorder.path).sample_log().records(split, [epoch]))[epoch]
