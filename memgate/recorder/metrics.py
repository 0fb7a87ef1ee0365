"""Lines of metrics.csv of a recorded run: everything but the seconds is computed from its log."""

from collections.abc import Iterable, Mapping, Sequence

from memgate.log.format import EpochRecord
from memgate.log.reader import SampleLog
from memgate.runs.held import HeldRun
from memgate.runs.metrics import metric_names, read
from memgate.training.evaluate import summarise


def metrics_row(
    epoch: int,
    records: Mapping[str, EpochRecord],
    splits: Sequence[str],
    gates: tuple[str, ...],
    seconds: float = float("nan"),
    *,
    excluded: bool = False,
) -> dict[str, float]:
    """One epoch's line; NaN for splits without values in this epoch and for columns that only a trained run has.

    Args:
        epoch: from 1.
        records: split to its values.
        splits: all splits.
        gates: names of the gates.
        seconds: that the epoch took.
        excluded: whether it is a run of a subset.
    """
    row = {name: float("nan") for name in metric_names(splits, gates, excluded=excluded)}
    row |= {"epoch": epoch, "seconds": seconds}
    for split, record in records.items():
        row |= summarise(record, split, gates)
    return row


def repair(held: HeldRun, log: SampleLog, *new: Mapping[str, float]) -> None:
    """Write metrics.csv of a recorded run anew, with a line for each epoch of its log.

    Args:
        held: the run.
        log: its log.
        new: further lines that are known, of epochs that the file lacks.

    Raises:
        MemgateError: the file is damaged otherwise, the log is, or the run's folder was moved.
        OSError: the disk is full.
    """
    held.write_metrics(repaired_rows(log, [*read(held.run.path / "metrics.csv"), *new]))


def repaired_rows(log: SampleLog, known: Iterable[Mapping[str, float]]) -> list[Mapping[str, float]]:
    """One line for each epoch of the log; lines that a crash or a full disk left out are computed.

    Args:
        log: the run's log.
        known: the lines of metrics.csv; those of epochs that are not in the log are dropped.
    """
    rows = {int(row["epoch"]): row for row in known}
    epochs = {split: log.epochs(split).tolist() for split in log.splits}
    for epoch in epochs["train"]:
        if epoch not in rows:
            splits = [split for split in log.splits if epoch in epochs[split]]
            records = {split: dict(log.records(split, [epoch]))[epoch] for split in splits}
            rows[epoch] = metrics_row(epoch, records, log.splits, log.gates)
    return [rows[epoch] for epoch in epochs["train"]]
