"""Size and first rows of an export, before anything is written."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa

from memgate.log.reader import SampleLog
from memgate.runs.run import Run
from probes.dynamics.snapshot import take_snapshot
from probes.export.files import ARRAYS, list_tables, sample_frame
from probes.export.folders import fiftyone_frame, projector_frame, score_names
from probes.export.gate_arrays import first_patterns, gate_names
from probes.export.map_table import map_names
from probes.export.plan import AT_EPOCH, FIXED, ExportPlan, chosen_columns, for_run
from probes.export.samples import Chosen, choose
from probes.export.shapes import columns_of, long_tables
from probes.export.summary import stored_columns, summary_names
from probes.export.writers import arrow_table, plain_arrays

BYTES: Mapping[str, Mapping[str, float]] = {
    "csv": {"float": 8.8, "bool": 4.7, "int": 2.0, "id": 5.0},
    "jsonl": {"float": 9.5, "bool": 4.9, "int": 2.5, "id": 5.0},
    "parquet": {"float": 4.8, "bool": 0.15, "int": 0.7, "id": 1.5},
}
"""Bytes per value as text or compressed, measured on runs on CIFAR-10; arrays have the size of their dtype."""

PNG = 0.85
"""Bytes of the PNG of a photograph per byte of its pixels."""


@dataclass(frozen=True, eq=False)
class Outlook:
    """Size and first rows of an export."""

    samples: int
    rows: int
    columns: tuple[str, ...]
    bytes: int
    """Estimated size on disk in bytes, including the images of a folder."""
    first: pd.DataFrame
    """The first rows."""


def outlook(run: Run, plan: ExportPlan, n: int = 5, log: SampleLog | None = None, side: int = 32) -> Outlook:
    """Size and first rows of an export.

    Only the first samples are read, except for columns that are computed from all samples at once.

    Args:
        run: the run.
        plan: what to export.
        n: number of rows.
        log: the run's log, if it has been opened already.
        side: side of the run's images in pixels, for the size of a folder with images.

    Raises:
        MemgateError: as :func:`probes.export.export.export_run` does before it writes.
    """
    plan = for_run(plan, run)
    chosen = choose(run, plan, log)
    first = first_rows(run, plan, chosen, n)
    epochs = len(chosen.snapshot.epochs)
    rows = len(chosen) * (epochs if plan.shape == "long" else 1)
    each = epochs * _pattern_bytes(first) if plan.shape == "gates" else _row_bytes(plan, first)
    if plan.schema == "tensorboard":
        each += 11.0 * (epochs * max(1, len(plan.quantities)) if plan.shape == "matrix" else 30)
    if plan.folder:
        each += PNG * 3 * side * side
    return Outlook(len(chosen), rows, tuple(map(str, first.columns)), int(each * rows), first)


def quantity_names(run: Run, plan: ExportPlan, log: SampleLog | None = None) -> list[str]:
    """The names that :attr:`probes.export.plan.ExportPlan.quantities` can hold; none where columns are fixed.

    Raises:
        MemgateError: no finished epoch, no such split, or no gate vectors or maps for the shape that consists of them.
    """
    if plan.schema in FIXED:
        return []
    if plan.shape == "gates":
        return list(run.gate_vectors().gates)
    if plan.shape == "map":
        return map_names(run, choose(run, plan, log), plan.neighbours)
    snapshot = take_snapshot(run, plan.split, log)
    if plan.shape != "summary":
        return list(columns_of(snapshot))
    stored = stored_columns(run, plan.split, plan.epoch or int(snapshot.epochs[-1]))
    names = summary_names(snapshot, stored, run.manifest.header.operations)
    if plan.schema == "tensorboard":
        return score_names(pd.DataFrame(columns=names), snapshot.log.gates)
    return names[1:]


def first_rows(run: Run, plan: ExportPlan, chosen: Chosen, n: int) -> pd.DataFrame:
    """The first n rows of an export; of a matrix one row per sample, with lists over the epochs.

    Of gates one row per sample, with the patterns of the last epoch as text.
    """
    start = chosen.first(n)
    if plan.schema == "fiftyone":
        return fiftyone_frame(run, plan, start)[0]
    if plan.schema == "tensorboard":
        return projector_frame(start)
    if plan.shape in AT_EPOCH:
        return sample_frame(run, plan, start)[0]
    if plan.shape == "gates":
        return first_patterns(run, start, chosen_columns(plan.quantities, gate_names(run, start)))
    names = chosen_columns(plan.quantities, columns_of(chosen.snapshot))
    if plan.shape == "matrix":
        return pd.concat([_frame(table) for table in list_tables(start, names)], ignore_index=True)
    frames: list[pd.DataFrame] = []
    for table in long_tables(start.snapshot, start.places, names):
        frames.append(_frame(table))
        if len(start) * len(frames) >= n:
            break
    return pd.concat(frames, ignore_index=True).head(n)


def _frame(table: pa.Table) -> pd.DataFrame:
    """The table as a DataFrame with nullable types, as the summary has them."""
    kinds = {pa.bool_(): pd.BooleanDtype(), pa.uint16(): pd.UInt16Dtype()}
    return table.to_pandas(types_mapper=kinds.get)


def _row_bytes(plan: ExportPlan, first: pd.DataFrame) -> float:
    """Estimated bytes of one row."""
    form = "csv" if plan.format == "tsv" else str(plan.format)
    if form in ARRAYS and plan.shape in AT_EPOCH:
        return sum(array.nbytes for _, array in plain_arrays(first)) / max(1, len(first))
    table = arrow_table(first)
    each = sum(_value_bytes(form, table[at], field) for at, field in enumerate(table.schema))
    if form in ARRAYS:
        each += 1 if plan.shape == "long" else _length(table)  # the array seen
    return each + 1


def _pattern_bytes(first: pd.DataFrame) -> float:
    """Bytes of one sample's patterns at one epoch, a byte a channel."""
    return float(sum(len(str(first[name].iloc[0])) for name in first.columns if name != "sample_id"))


def _length(table: pa.Table) -> float:
    """Number of epochs in a row of a matrix."""
    lists = [column for column in table.columns if pa.types.is_list(column.type)]
    return float(len(lists[0][0])) if lists else 0.0


def _value_bytes(form: str, column: pa.ChunkedArray, field: pa.Field) -> float:
    """Estimated bytes of one value of a column, with its name (JSON) and separator."""
    kind, times = field.type, 1.0
    if pa.types.is_list(kind):
        kind, times = kind.value_type, float(len(column[0]))
    if form in ARRAYS:
        return times * (1.0 if pa.types.is_boolean(kind) else kind.bit_width / 8)
    frame = {"jsonl": len(field.name) + 6.0, "csv": 1.0}.get(form, 0.0)
    if pa.types.is_string(kind):
        lengths = [len(text or "") for text in column.to_pylist()]
        return frame + (0.2 if form == "parquet" else sum(lengths) / max(1, len(lengths)))
    name = "float" if pa.types.is_floating(kind) else "bool" if pa.types.is_boolean(kind) else "int"
    name = "id" if field.name.startswith(("sample_id", "guid", "index", "nearest_")) else name
    return times * (frame + BYTES[form][name])
