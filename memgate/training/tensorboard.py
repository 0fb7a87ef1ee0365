"""Optional TensorBoard events: the columns of metrics.csv as scalars, and histograms of g as in the authors' code."""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from memgate import console
from memgate.errors import MemgateError
from memgate.log.format import EpochRecord


def check_installed(enabled: bool) -> None:
    """Raise MemgateError where TensorBoard is enabled and not installed."""
    if not enabled:
        return
    try:
        import torch.utils.tensorboard  # noqa: F401
    except ImportError as error:
        raise MemgateError(
            "--log.tensorboard needs the package tensorboard: pip install -e '.[tensorboard]'."
        ) from error


class TensorBoard:
    """Writer of event files in the run directory; does nothing where it is disabled."""

    def __init__(self, folder: Path, enabled: bool, finished_epochs: int) -> None:
        """Open the writer.

        Args:
            folder: the run directory.
            enabled: ``--log.tensorboard``.
            finished_epochs: number of finished epochs; events of later epochs, which are trained again, are dropped.

        Raises:
            MemgateError: tensorboard is not installed.
        """
        self._writer: Any = None
        if not enabled:
            return
        check_installed(enabled)
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder / "tensorboard"), purge_step=finished_epochs + 1)

    def write(
        self, row: Mapping[str, float], records: Mapping[str, EpochRecord], gates: tuple[str, ...]
    ) -> None:
        """Write one epoch: a scalar for each column, and a histogram of g for each split and gate.

        Where the disk is full, no more events are written and the training continues.
        """
        if self._writer is None:
            return
        try:
            self._add(row, records, gates)
        except OSError as error:
            console.warn(f"TensorBoard events can no longer be written ({error}); the training continues.")
            self.close()

    def _add(
        self, row: Mapping[str, float], records: Mapping[str, EpochRecord], gates: tuple[str, ...]
    ) -> None:
        """Write one epoch; raises OSError where the disk is full."""
        epoch = int(row["epoch"])
        for name, value in row.items():
            if name != "epoch" and not np.isnan(value):
                self._writer.add_scalar(name, value, epoch)
        for split, record in records.items():
            for index, gate in enumerate(gates):
                values = record.gate[index][record.known("gate")[index]]
                if len(values):  # TensorBoard has no histogram of nothing
                    self._writer.add_histogram(f"g_{gate}/{split}", values, epoch)
        self._writer.flush()

    def close(self) -> None:
        """Close the event file; an error of the disk is ignored, because :meth:`write` has reported it."""
        writer, self._writer = self._writer, None
        if writer is not None:
            with contextlib.suppress(OSError):
                writer.close()
