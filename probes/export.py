"""A run as a file to take away: summary, long or matrix; CSV, Parquet or npz. Same run, same bytes."""

import hashlib
import json
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from memgate.errors import MemgateError
from memgate.runs import Run, command
from noise.atomic import atomic_write
from noise.header import Operation
from noise.npz import write_arrays
from probes.shapes import arrow_array, columns, element_type, long_schema, long_tables, matrix_arrays
from probes.snapshot import Snapshot, take_snapshot
from probes.summary import summary_table
from probes.writers import arrow_table, plain_arrays, write_csv, write_parquet

SCHEMA = "memgate-export/1"
CSV_ROWS = 2_000_000
"""Rows above which a long CSV has to be asked for twice: it takes some 100 bytes a row."""
SAMPLES_PER_GROUP = 4096
"""Samples in a row group of the matrix as Parquet."""

Shape = Literal["summary", "long", "matrix"]
Format = Literal["csv", "parquet", "npz"]
Operations = Sequence[Operation]


@dataclass(frozen=True)
class Meta:
    """What stands in ``<file>.meta.json`` beside an export."""

    schema: str
    run: str
    split: str
    shape: str
    format: str
    file: str
    sha256: str
    mode: str
    """``sweep`` or ``online``: how the values of the training split were obtained."""
    epochs: list[int]
    rows: int
    columns: list[str]
    command: str
    """The command that writes the same file."""


def export(
    run: Run,
    shape: Shape = "summary",
    format: Format = "csv",  # noqa: A002 - the name of the flag
    split: str = "train",
    out: Path | None = None,
    yes: bool = False,
) -> Path:
    """Write a run's samples to a file, atomically, with ``<file>.meta.json`` beside it.

    Args:
        run: with at least one finished epoch.
        shape: ``summary`` (row per sample), ``long`` (row per epoch and sample) or ``matrix`` ([E, N]).
        format: ``csv``, ``parquet`` or ``npz``; a matrix has no CSV.
        split: a split of the run's log.
        out: the file, or a folder for it. None: ``<run>/exports/<run>-<split>-<shape>.<format>``.
        yes: write a long CSV of more than :data:`CSV_ROWS` rows.

    Returns:
        Path of the file.

    Raises:
        MemgateError: no finished epoch, no such split, shape or format, too many rows, or disk error.
    """
    write = _writer(shape, format)
    snapshot = take_snapshot(run, split)
    rows = len(snapshot.samples) * (len(snapshot.epochs) if shape == "long" else 1)
    large = (shape, format) == ("long", "csv") and rows > CSV_ROWS
    if large and not yes:
        raise MemgateError(
            f"A long CSV of {run.name} has {rows:,} rows, about {rows / 1e7:.1f} GB: add --yes if you want "
            "that, or take --format parquet."
        )
    path = _destination(run, f"{run.name}-{split}-{shape}.{format}", out)
    names: list[str] = []
    operations = run.manifest.header.operations
    try:
        path.parent.mkdir(exist_ok=True)  # the run's exports/; a folder of the user's own is there already
        atomic_write(path, lambda stream: names.extend(write(stream, snapshot, operations)))
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        again = f"{command('export', run.path)} --split {split} --shape {shape} --format {format}"
        again += "" if out is None else f" --out {shlex.quote(str(path))}"
        meta = Meta(
            SCHEMA, run.name, split, shape, format, path.name, digest, snapshot.log.mode,
            snapshot.epochs.tolist(), rows, names, again + (" --yes" if large else ""),
        )  # fmt: skip
        text = json.dumps(asdict(meta), indent=2) + "\n"
        atomic_write(path.with_name(f"{path.name}.meta.json"), lambda stream: stream.write(text.encode()))
    except OSError as error:
        raise MemgateError(
            f"{path} cannot be written ({error.strerror or error}): choose another place with --out."
        ) from error
    return path


def _destination(run: Run, name: str, out: Path | None) -> Path:
    if out is None:
        return run.path / "exports" / name
    if out.is_dir():
        return out / name
    if not out.parent.is_dir():
        raise MemgateError(f"--out {out}: the folder {out.parent} does not exist: make it first.")
    return out


Writer = Callable[[BinaryIO, Snapshot, Operations], Sequence[str]]
"""Writes one shape in one format and says which columns (or arrays) it wrote."""


def _writer(shape: str, form: str) -> Writer:
    if (shape, form) in WRITERS:
        return WRITERS[shape, form]
    shapes, forms = ({pair[position]: None for pair in WRITERS} for position in (0, 1))
    if shape not in shapes:
        raise MemgateError(f"There is no shape {shape!r} to export: take {', '.join(shapes)}.")
    if form not in forms:
        raise MemgateError(f"There is no format {form!r} to export to: take {', '.join(forms)}.")
    raise MemgateError("A matrix has no CSV, which is flat: take --format npz or parquet, or --shape long.")


def _summary_csv(stream: BinaryIO, snapshot: Snapshot, operations: Operations) -> Sequence[str]:
    table = arrow_table(summary_table(snapshot, operations))
    write_csv(stream, table.schema, [table])
    return table.column_names


def _summary_parquet(stream: BinaryIO, snapshot: Snapshot, operations: Operations) -> Sequence[str]:
    table = arrow_table(summary_table(snapshot, operations))
    write_parquet(stream, table.schema, [table])
    return table.column_names


def _summary_npz(stream: BinaryIO, snapshot: Snapshot, operations: Operations) -> Sequence[str]:
    table = summary_table(snapshot, operations)
    write_arrays(stream, plain_arrays(table))
    return list(table.columns)


def _long_csv(stream: BinaryIO, snapshot: Snapshot, _: Operations) -> Sequence[str]:
    schema = long_schema(snapshot.log.gates)
    write_csv(stream, schema, long_tables(snapshot))
    return schema.names


def _long_parquet(stream: BinaryIO, snapshot: Snapshot, _: Operations) -> Sequence[str]:
    schema = long_schema(snapshot.log.gates)
    write_parquet(stream, schema, long_tables(snapshot))
    return schema.names


def _long_npz(stream: BinaryIO, snapshot: Snapshot, _: Operations) -> Sequence[str]:
    """The matrices flattened, row by row: the order (epoch, sample_id) of the other formats, and ``seen``."""
    samples, epochs = len(snapshot.samples), len(snapshot.epochs)

    def arrays() -> Iterator[tuple[str, NDArray]]:
        for name, array in matrix_arrays(snapshot):
            if name == "sample_id":
                yield name, np.tile(array, epochs)
            elif name == "epochs":
                yield "epoch", np.repeat(array, samples)
            else:
                yield name, array.reshape(-1)

    write_arrays(stream, arrays())
    return ["sample_id", "epoch", "seen", *columns(snapshot.log.gates)]


def _matrix_npz(stream: BinaryIO, snapshot: Snapshot, _: Operations) -> Sequence[str]:
    write_arrays(stream, matrix_arrays(snapshot))
    return ["sample_id", "epochs", "seen", *columns(snapshot.log.gates)]


def _matrix_parquet(stream: BinaryIO, snapshot: Snapshot, _: Operations) -> Sequence[str]:
    """A row per sample with a list over the epochs; the file's metadata names the epochs.

    A row group needs all quantities of its samples, so the whole log is in memory: 41 bytes x E x N.
    """
    quantities = {name: what for name, (what, _) in columns(snapshot.log.gates).items()}
    kinds = [(name, pa.list_(element_type(what))) for name, what in quantities.items()]
    epochs = json.dumps(snapshot.epochs.tolist())
    schema = pa.schema([("sample_id", pa.int64()), *kinds], metadata={"epochs": epochs})
    arrays = dict(matrix_arrays(snapshot))
    length = len(snapshot.epochs)

    def tables() -> Iterator[pa.Table]:
        for start in range(0, len(snapshot.samples), SAMPLES_PER_GROUP):
            group = slice(start, start + SAMPLES_PER_GROUP)
            hidden = ~arrays["seen"][:, group].T.reshape(-1)
            offsets = pa.array(np.arange(0, len(hidden) + 1, length, dtype=np.int32))
            lists = [
                pa.ListArray.from_arrays(
                    offsets, arrow_array(arrays[name][:, group].T.reshape(-1), what, hidden)
                )
                for name, what in quantities.items()
            ]
            yield pa.table([pa.array(arrays["sample_id"][group]), *lists], schema=schema)

    write_parquet(stream, schema, tables())
    return schema.names


WRITERS: dict[tuple[str, str], Writer] = {
    ("summary", "csv"): _summary_csv,
    ("summary", "parquet"): _summary_parquet,
    ("summary", "npz"): _summary_npz,
    ("long", "csv"): _long_csv,
    ("long", "parquet"): _long_parquet,
    ("long", "npz"): _long_npz,
    ("matrix", "npz"): _matrix_npz,
    ("matrix", "parquet"): _matrix_parquet,
}
