"""TensorBoard as an extra: the scalars of metrics.csv, and the histograms of g that the papers' authors logged."""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from memgate import console
from memgate.errors import MemgateError
from memgate.log.format import EpochRecord


def check_installed(enabled: bool) -> None:
    """Raise MemgateError if TensorBoard is asked for and the extra is not installed."""
    if not enabled:
        return
    try:
        import torch.utils.tensorboard  # noqa: F401
    except ImportError as error:
        raise MemgateError(
            "--log.tensorboard needs the package tensorboard: pip install -e '.[tensorboard]'."
        ) from error


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
        check_installed(enabled)
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder / "tensorboard"), purge_step=finished_epochs + 1)

    def write(
        self, row: Mapping[str, float], records: Mapping[str, EpochRecord], gates: tuple[str, ...]
    ) -> None:
        """Add one epoch: a scalar for each column, and for each split and gate the histogram of g.

        A disk that refuses costs the events and not the training.
        """
        if self._writer is None:
            return
        try:
            self._add(row, records, gates)
        except OSError as error:
            console.warn(f"TensorBoard's events cannot be written any more ({error}); the training goes on.")
            self.close()

    def _add(
        self, row: Mapping[str, float], records: Mapping[str, EpochRecord], gates: tuple[str, ...]
    ) -> None:
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
        """Close the event file; what its writer still complains of has been said, or is too late."""
        writer, self._writer = self._writer, None
        if writer is not None:
            with contextlib.suppress(OSError):
                writer.close()
