"""metrics.csv: one line of means per epoch. No torch."""

import csv
import io
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from memgate.errors import MemgateError
from noise.files.atomic import atomic_write, sync_folder


def metric_names(splits: Sequence[str], gates: Sequence[str], penalties: Sequence[str] = ()) -> list[str]:
    """Columns of metrics.csv for a run with these splits, gates and penalties, in order."""
    names = ["epoch", "lr", "gate_lr", "trunk_updates", "gate_updates", "seconds"]
    names += [penalty_column(name) for name in penalties]
    for split in splits:
        names += [f"{split}_loss", f"{split}_accuracy", f"{split}_accuracy_clean_label"]
        names += [f"{split}_{what}_{gate}" for gate in gates for what in ("gate", "routed")]
    return names


def penalty_column(name: str) -> str:
    """Column of what a penalty added to the loss, in the mean over the samples of an epoch's training pass."""
    return f"train_penalty_{name}"


def last_known(rows: Sequence[Mapping[str, float]], column: str) -> float | None:
    """The last value of a column that is there: epochs may go without, and a recorded run without the column."""
    known = [value for row in rows if not math.isnan(value := row.get(column, math.nan))]
    return known[-1] if known else None


def read(path: Path) -> list[dict[str, float]]:
    """One dict per line; a half-written last one is left out, and NaN stands for what is empty.

    Raises:
        MemgateError: the file holds something else than numbers.
    """
    if not path.exists():
        return []
    text = path.read_text()
    whole = text[: text.rfind("\n") + 1]
    try:
        return [
            {key: float(value) if value else float("nan") for key, value in row.items()}
            for row in csv.DictReader(io.StringIO(whole))
        ]
    except (TypeError, ValueError) as error:
        raise MemgateError(
            f"{path} holds something that is no number ({error}): the run is damaged."
        ) from error


def write(path: Path, rows: Sequence[Mapping[str, float]]) -> None:
    """Put these lines, which have the same columns, in the place of all others; no file where there are none."""
    if not rows:
        path.unlink(missing_ok=True)
        return
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(rows[0])
    writer.writerows([_cell(value) for value in row.values()] for row in rows)
    atomic_write(path, lambda stream: stream.write(text.getvalue().encode()))


def append(path: Path, row: Mapping[str, float]) -> None:
    """Add one line and put it on the disk."""
    with path.open("a", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        first = stream.tell() == 0
        if first:
            writer.writerow(row)
        writer.writerow([_cell(value) for value in row.values()])
        stream.flush()
        os.fsync(stream.fileno())
    if first:
        sync_folder(path.parent)


def _cell(value: float) -> str:
    """A number as it is read back: whole numbers without a point, the rest to full precision."""
    if value != value:
        return ""
    return str(int(value)) if float(value).is_integer() else repr(float(value))
