"""The lines of metrics.csv of a recorded run: all of them but their seconds follow from its log."""

from collections.abc import Iterable, Mapping, Sequence

from memgate.log.format import EpochRecord
from memgate.log.reader import SampleLog
from memgate.runs.metrics import metric_names
from memgate.training.evaluate import summarise


def metrics_row(
    epoch: int,
    records: Mapping[str, EpochRecord],
    splits: Sequence[str],
    gates: tuple[str, ...],
    seconds: float = float("nan"),
) -> dict[str, float]:
    """One epoch's line; NaN for splits that it did not see, and for what only memgate's own training knows."""
    row = {name: float("nan") for name in metric_names(splits, gates)}
    row |= {"epoch": epoch, "seconds": seconds}
    for split, record in records.items():
        row |= summarise(record, split, gates)
    return row


def mended_rows(log: SampleLog, known: Iterable[Mapping[str, float]]) -> list[Mapping[str, float]]:
    """A line for each epoch of the log, where a kill or a full disk came between the log and metrics.csv.

    Args:
        log: what was recorded.
        known: lines that there are; those of other epochs are left out.
    """
    rows = {int(row["epoch"]): row for row in known}
    seen = {split: log.epochs(split).tolist() for split in log.splits}
    for epoch in seen["train"]:
        if epoch not in rows:
            found = [split for split in log.splits if epoch in seen[split]]
            records = {split: dict(log.records(split, [epoch]))[epoch] for split in found}
            rows[epoch] = metrics_row(epoch, records, log.splits, log.gates)
    return [rows[epoch] for epoch in seen["train"]]
