"""TensorBoard as an extra: the scalars of metrics.csv, and the histograms of g that the papers' authors logged."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from memgate.errors import MemgateError
from memgate.logformat import EpochRecord


class TensorBoard:
    """Writes event files into the run directory; does nothing when it is off."""

    def __init__(self, folder: Path, enabled: bool, finished_epochs: int) -> None:
        """Open the writer.

        Args:
            folder: the run directory.
            enabled: ``--log.tensorboard``.
            finished_epochs: later events of a stopped run are dropped, since those epochs are trained again.

        Raises:
            MemgateError: the extra is not installed.
        """
        self._writer: Any = None
        if not enabled:
            return
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise MemgateError(
                "--log.tensorboard needs the package tensorboard: pip install -e '.[tensorboard]'."
            ) from error
        self._writer = SummaryWriter(str(folder / "tensorboard"), purge_step=finished_epochs + 1)

    def write(
        self, row: Mapping[str, float], records: Mapping[str, EpochRecord], gates: tuple[str, ...]
    ) -> None:
        """Add one epoch: a scalar for each column, and for each split and gate the histogram of g."""
        if self._writer is None:
            return
        epoch = int(row["epoch"])
        for name, value in row.items():
            if name != "epoch" and not np.isnan(value):
                self._writer.add_scalar(name, value, epoch)
        for split, record in records.items():
            seen = record.flag("seen")
            for index, gate in enumerate(gates):
                self._writer.add_histogram(f"g_{gate}/{split}", record.gate[index][seen], epoch)
        self._writer.flush()

    def close(self) -> None:
        """Close the event file."""
        if self._writer is not None:
            self._writer.close()
