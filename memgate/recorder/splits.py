"""The state of a split while it is recorded: its labels, and the values of the current epoch on the device."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from memgate import console
from memgate.log.format import EpochRecord
from memgate.log.reader import SampleLog
from memgate.recorder.batch import RecordedBatch
from memgate.training.sample_buffer import SampleBuffer


class RecordedSplit:
    """Labels of a split, as far as they are known, and the values of the current epoch."""

    @torch.inference_mode(False)
    def __init__(self, given: NDArray[np.int64], clean: NDArray[np.int64] | None) -> None:
        """Start without values.

        Args:
            given: given labels [N], -1 where one is not known yet.
            clean: clean labels [N]; None where they are the given ones.
        """
        self.given = torch.from_numpy(given.copy())
        self.clean = self.given if clean is None else torch.from_numpy(clean.copy())
        self.buffer: SampleBuffer | None = None

    def move(self, device: torch.device) -> None:
        """Move the labels to the device of an epoch's first batch; later batches of the epoch change nothing."""
        if self.buffer is None and self.given.device != device:
            same = self.clean is self.given
            self.given = self.given.to(device)
            self.clean = self.given if same else self.clean.to(device)

    def add(self, batch: RecordedBatch) -> None:
        """Store a checked batch in the rows of its samples."""
        if self.buffer is None:
            self.buffer = SampleBuffer(self.given, self.clean, batch.gates)
        # The buffer holds this very tensor and reads the labels from it.
        self.given[batch.index] = batch.labels
        self.buffer.update(batch.index, batch.forward)

    @property
    def pending(self) -> int:
        """Number of samples seen in the current epoch."""
        return 0 if self.buffer is None else int((self.buffer.flags[0] > 0).sum())

    def take_record(self) -> EpochRecord | None:
        """The current epoch's values, which are then cleared; None where no sample was seen."""
        if self.buffer is None:
            return None
        record, self.buffer = self.buffer.record(), None
        return record


def splits_of(log: SampleLog) -> dict[str, RecordedSplit]:
    """Split name to the split with the labels of the log, without values."""
    samples = {split: log.samples(split) for split in log.splits}
    return {
        split: RecordedSplit(columns.given_label.astype(np.int64), columns.clean_label.astype(np.int64))
        for split, columns in samples.items()
    }


def drop_pending(splits: Mapping[str, RecordedSplit]) -> None:
    """Clear the values of the current epoch, with a warning where there are any."""
    for split, state in splits.items():
        if state.pending:
            console.warn(
                f"{state.pending} samples of {split} came after the last end_epoch() and are not recorded: call it "
                "after the last batch of each epoch."
            )
            state.buffer = None
