"""A run that this process trains or records: it writes only while the run's folder holds the log that it has locked.

A folder may be renamed while it is trained, and another run be made under its name; paths then lead to the other run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from memgate.errors import MemgateError
from memgate.log.writer import SampleLogWriter
from memgate.runs import metrics
from memgate.runs.run import Run


class RunGoneError(MemgateError):
    """The folder of a run was moved or deleted while the run was trained or recorded."""


@dataclass(frozen=True)
class HeldRun:
    """A run whose log is locked by this process."""

    run: Run
    writer: SampleLogWriter
    """Of the run's log, open."""

    def check(self) -> None:
        """Raise RunGoneError unless the log at the run's path is the one that is locked; before every write."""
        path = self.run.path / "log.h5"
        if self.writer.is_at(path):
            return
        now = "there is another file now" if path.exists() else "it is not there any more"
        raise RunGoneError(
            f"{path} was moved or deleted while this process wrote it ({now}), so nothing more is written: resume the "
            "run where it is, or start it again."
        )

    def set_status(self, state: str, epoch: int, message: str = "") -> None:
        """Write status.json; raises RunGoneError as :meth:`check` does."""
        self.check()
        self.run.set_status(state, epoch, message)

    def append_metrics(self, row: Mapping[str, float]) -> None:
        """Add one epoch to metrics.csv; raises RunGoneError as :meth:`check` does."""
        self.check()
        self.run.append_metrics(row)

    def write_metrics(self, rows: Sequence[Mapping[str, float]]) -> None:
        """Replace all lines of metrics.csv; raises RunGoneError as :meth:`check` does."""
        self.check()
        metrics.write(self.run.path / "metrics.csv", rows)

    def keep_metrics(self, last_epoch: int) -> None:
        """Drop the lines of metrics.csv after ``last_epoch``; raises RunGoneError as :meth:`check` does."""
        self.check()
        self.run.keep_metrics(last_epoch)
