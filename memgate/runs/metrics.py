"""Reads and writes metrics.csv: one line of means per epoch. No torch."""

import csv
import hashlib
import io
import math
import os
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from memgate.errors import MemgateError
from noise.files.atomic import atomic_write, sync_folder

REMEDY = "it is damaged; put a copy of it back, or remove it to go on without its lines."

REPAIRABLE = (
    "lines are missing, as after a full disk; free some space, then open and close the run by "
    "Recorder(..., resume=True), which writes them from its log."
)
"""Remedy for a recorded run, whose metrics are means of its log."""


EXCLUDED = "excluded"
"""Prefix of the columns of the training samples that a run of a subset is not trained on; those of ``train`` are then
means over the others."""


def metric_names(
    splits: Sequence[str],
    gates: Sequence[str],
    penalties: Sequence[str] = (),
    macs: bool = False,
    excluded: bool = False,
) -> list[str]:
    """Columns of metrics.csv for these splits, gates and penalties, in their order.

    Args:
        splits: names of the splits.
        gates: names of the gates.
        penalties: names of the terms that are added to the loss.
        macs: whether the samples need different numbers of MACs, whose mean has a column.
        excluded: whether it is a run of a subset, with columns of the samples that it is not trained on.
    """
    names = ["epoch", "lr", "gate_lr", "trunk_updates", "gate_updates", "seconds"]
    names += [penalty_column(name) for name in penalties]
    for split in (*splits, *[EXCLUDED] * excluded):
        names += [f"{split}_loss", f"{split}_accuracy", f"{split}_accuracy_clean_label"]
        names += [f"{split}_{what}_{gate}" for gate in gates for what in ("gate", "routed")]
        names += [f"{split}_macs"] * macs
    return names


def penalty_column(name: str) -> str:
    """Name of a penalty's column: what it added to the loss, mean over the samples of an epoch's training pass."""
    return f"train_penalty_{name}"


def last_known(rows: Sequence[Mapping[str, float]], column: str) -> float | None:
    """The last value of a column that is not NaN; None where there is none, or no such column."""
    known = [value for row in rows if not math.isnan(value := row.get(column, math.nan))]
    return known[-1] if known else None


def read(path: Path, finished: int = 0, digest: str = "", recorded: bool = False) -> list[dict[str, float]]:
    """One dict (column to value) per line, by rising epoch; NaN for an empty cell.

    A half-written last line is left out. Without a file there are no lines.

    Args:
        path: of metrics.csv.
        finished: number of finished epochs, which a file must have where it exists.
        digest: of :func:`digest_of` these epochs; empty where it is not known.
        recorded: whether the run is a recorded one, whose missing lines can be computed from its log.

    Raises:
        MemgateError: the file cannot be read, holds a value that is not a number, its epochs do not rise, the last
            ones are missing, or it is not the file of the digest.
    """
    if not path.exists():
        return []
    try:
        lines = _whole_lines(path)
        rows = [
            {key: float(value) if value != "" else float("nan") for key, value in row.items()}
            for row in csv.DictReader(io.StringIO(lines.decode()))
        ]
        epochs = [row["epoch"] for row in rows]
    except (OSError, TypeError, ValueError, KeyError, csv.Error) as error:
        reason = f"it has no column {error}" if isinstance(error, KeyError) else error
        raise MemgateError(f"{path} cannot be read as numbers ({reason}): {REMEDY}") from error
    if any(not epoch.is_integer() for epoch in epochs) or any(a >= b for a, b in pairwise([0.0, *epochs])):
        raise MemgateError(f"{path} has epochs that do not rise from 1: {REMEDY}")
    last = int(epochs[-1]) if epochs else 0
    if last < finished:
        remedy = REPAIRABLE if recorded else REMEDY
        raise MemgateError(f"{path} ends at epoch {last}, and {finished} epochs are finished: {remedy}")
    if digest and _digest(lines, finished) != digest:
        raise MemgateError(f"{path} was changed, or is of another run (status.json has its digest): {REMEDY}")
    return rows


def digest_of(path: Path, finished: int) -> str:
    """SHA-256 of the header and the lines of the first epochs; empty where there is no header or it cannot be read.

    Args:
        path: of metrics.csv.
        finished: the last of these epochs; a training may add lines meanwhile.
    """
    try:
        return _digest(_whole_lines(path), finished)
    except OSError:
        return ""


def _whole_lines(path: Path) -> bytes:
    """The file without a half-written last line, as a crash or a full disk leaves it; raises OSError."""
    if not path.is_file():
        raise OSError("it is no file")  # reading a named pipe would wait for ever
    content = path.read_bytes()
    return content[: content.rfind(b"\n") + 1]


def _digest(lines: bytes, finished: int) -> str:
    """The digest of :func:`digest_of`, of the file's lines."""
    if not lines:
        return ""
    stream = io.BytesIO(lines)
    digest = hashlib.sha256(stream.readline())
    for line in stream:
        epoch = line.partition(b",")[0]
        if not epoch.isdigit() or int(epoch) > finished:
            break
        digest.update(line)
    return digest.hexdigest()


def last_epoch(path: Path) -> int:
    """The last epoch of a metrics.csv; 0 where there is no line; raises as :func:`read` does."""
    return int(next((row["epoch"] for row in reversed(read(path))), 0))


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


def keep(path: Path, last: int) -> None:
    """Drop the lines after a finished epoch; raises as :func:`read` does, also where its line is missing."""
    write(path, [row for row in read(path, last) if row["epoch"] <= last])


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
