"""Reads and writes metrics.csv: one line of means per epoch. No torch."""

import csv
import io
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from memgate.errors import MemgateError
from noise.files.atomic import atomic_write, sync_folder


def metric_names(splits: Sequence[str], gates: Sequence[str], penalties: Sequence[str] = ()) -> list[str]:
    """Columns of metrics.csv for these splits, gates and penalties, in their order."""
    names = ["epoch", "lr", "gate_lr", "trunk_updates", "gate_updates", "seconds"]
    names += [penalty_column(name) for name in penalties]
    for split in splits:
        names += [f"{split}_loss", f"{split}_accuracy", f"{split}_accuracy_clean_label"]
        names += [f"{split}_{what}_{gate}" for gate in gates for what in ("gate", "routed")]
    return names


def penalty_column(name: str) -> str:
    """Name of a penalty's column: what it added to the loss, mean over the samples of an epoch's training pass."""
    return f"train_penalty_{name}"


def last_known(rows: Sequence[Mapping[str, float]], column: str) -> float | None:
    """The last value of a column that is not NaN; None where there is none, or no such column."""
    known = [value for row in rows if not math.isnan(value := row.get(column, math.nan))]
    return known[-1] if known else None


def read(path: Path) -> list[dict[str, float]]:
    """One dict (column to value) per line; NaN for an empty cell. A half-written last line is left out.

    Raises:
        MemgateError: the file holds a value that is not a number.
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
    """Replace all lines by these, which have the same columns; without lines, remove the file."""
    if not rows:
        path.unlink(missing_ok=True)
        return
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(rows[0])
    writer.writerows([_cell(value) for value in row.values()] for row in rows)
    atomic_write(path, lambda stream: stream.write(text.getvalue().encode()))


def append(path: Path, row: Mapping[str, float]) -> None:
    """Add one line and flush it to the disk."""
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
    """A number as text that reads back as the same number: integers without a point, NaN as an empty cell."""
    if value != value:
        return ""
    return str(int(value)) if float(value).is_integer() else repr(float(value))
