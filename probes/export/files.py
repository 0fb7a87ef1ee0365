"""Exports that are one file: contents and writer."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from memgate.log.format import DECIDED_BY, has_value
from memgate.runs.run import Run
from noise.files.json_form import json_text
from noise.files.npz import write_arrays
from probes.export.gate_arrays import gate_arrays, gate_names, unknown_vectors
from probes.export.map_table import map_table
from probes.export.plan import AT_EPOCH, ExportPlan, chosen_columns
from probes.export.samples import Chosen
from probes.export.schemas import TABLES
from probes.export.shapes import (
    arrow_array,
    columns_of,
    element_type,
    known_name,
    long_schema,
    long_tables,
    matrix_arrays,
    unknown_flags,
)
from probes.export.summary import export_summary
from probes.export.writers import WRITERS, arrow_table, plain_arrays, without_formulas, write_h5

SAMPLES_PER_GROUP = 4096
"""Samples per row group of a matrix as Parquet."""

ARRAYS: dict[str, Callable[[BinaryIO, Iterable[tuple[str, NDArray]]], None]] = {
    "npz": write_arrays,
    "h5": write_h5,
}
"""Formats of named arrays to their writers; the other formats are tables."""


@dataclass(frozen=True, eq=False)
class Content:
    """A file to write."""

    columns: Sequence[str]
    """Columns of the table, or names of the arrays."""
    rows: int
    write: Callable[[BinaryIO], None]
    notes: tuple[str, ...] = ()
    """Sentences about values that could not be read."""


def file_content(run: Run, plan: ExportPlan, chosen: Chosen, for_program: bool = False) -> Content:
    """The file of an export.

    Args:
        run: the run.
        plan: what to export, of a schema that is no folder, with its format.
        chosen: its samples and epochs.
        for_program: whether a program reads it, and no spreadsheet, see
            :func:`probes.export.writers.without_formulas`.

    Raises:
        MemgateError: a quantity is not known.
    """
    if plan.shape in AT_EPOCH:
        table, notes = sample_frame(run, plan, chosen)
        people = plan.schema == "memgate" and plan.format == "csv" and not for_program
        return _frame(table, str(plan.format), notes, people)
    if plan.shape == "gates":
        return _gates(run, chosen, chosen_columns(plan.quantities, gate_names(run, chosen)), str(plan.format))
    names = chosen_columns(plan.quantities, columns_of(chosen.snapshot))
    return (_long if plan.shape == "long" else _matrix)(chosen, names, str(plan.format))


def sample_frame(run: Run, plan: ExportPlan, chosen: Chosen) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The table of a shape with one row per sample in the plan's schema, and sentences about what is missing."""
    if plan.shape == "map":
        return map_table(run, chosen, plan.quantities, plan.neighbours)
    if plan.schema in TABLES:
        return TABLES[plan.schema](run, chosen)
    return export_summary(run, chosen, plan.quantities)


def _frame(table: pd.DataFrame, form: str, notes: tuple[str, ...], people: bool) -> Content:
    def write(stream: BinaryIO) -> None:
        if form in ARRAYS:
            ARRAYS[form](stream, plain_arrays(table))
        else:
            content = without_formulas(arrow_table(table)) if people else arrow_table(table)
            WRITERS[f".{form}"](stream, content.schema, [content])

    return Content([str(name) for name in table.columns], len(table), write, notes)


def _long(chosen: Chosen, names: Sequence[str], form: str) -> Content:
    snapshot, places = chosen.snapshot, chosen.places
    rows = len(chosen) * len(snapshot.epochs)
    if form in ARRAYS:
        unknown = unknown_flags(chosen.snapshot, chosen.places, names)
        arrays, (listed, notes) = _flat(chosen, names, unknown), _listed(chosen, names, unknown)
        every = ["sample_id", "epoch", "seen", *listed]
        return Content(every, rows, lambda stream: ARRAYS[form](stream, arrays), notes)
    schema = long_schema(snapshot, names)
    return Content(
        schema.names,
        rows,
        lambda stream: WRITERS[f".{form}"](stream, schema, long_tables(snapshot, places, names)),
    )


def _listed(
    chosen: Chosen, names: Sequence[str], unknown: Mapping[str, int]
) -> tuple[list[str], tuple[str, ...]]:
    """Names of the arrays of these columns, and a sentence for each flag in ``unknown`` (:func:`unknown_flags`)."""

    def reason(name: str) -> str:
        can_know = chosen.snapshot.samples.can_know(name)
        return "the network gave NaN" if can_know else "the clean labels of this run are not known"

    notes = [
        f"{name} is unknown in {count:,} cells ({reason(name)}): {known_name(name)} says where it is known."
        for name, count in unknown.items()
    ]
    pairs = ([name, known_name(name)] if name in unknown else [name] for name in names)
    return [name for pair in pairs for name in pair], tuple(notes)


def _flat(chosen: Chosen, names: Sequence[str], unknown: Mapping[str, int]) -> Iterator[tuple[str, NDArray]]:
    """Names and arrays [E n] of the long shape in the order (epoch, sample_id), with ``seen``."""
    for name, array in matrix_arrays(chosen.snapshot, chosen.places, names, unknown):
        if name == "sample_id":
            yield name, np.tile(array, len(chosen.snapshot.epochs))
        elif name == "epochs":
            yield "epoch", np.repeat(array, len(chosen))
        else:
            yield name, array.reshape(-1)


def _matrix(chosen: Chosen, names: Sequence[str], form: str) -> Content:
    if form in ARRAYS:
        unknown = unknown_flags(chosen.snapshot, chosen.places, names)
        arrays = matrix_arrays(chosen.snapshot, chosen.places, names, unknown)
        listed, notes = _listed(chosen, names, unknown)
        every = ["sample_id", "epochs", "seen", *listed]
        return Content(every, len(chosen), lambda stream: ARRAYS[form](stream, arrays), notes)
    schema = _list_schema(chosen, names)
    return Content(
        schema.names,
        len(chosen),
        lambda stream: WRITERS[f".{form}"](stream, schema, list_tables(chosen, names)),
    )


def _gates(run: Run, chosen: Chosen, names: Sequence[str], form: str) -> Content:
    unknown = unknown_vectors(run, chosen, names)
    notes = tuple(
        f"The channels of {name} are unknown of {count:,} vectors (not seen, or the network gave NaN): "
        f"{known_name(name)} says where they are known."
        for name, count in unknown.items()
    )
    pairs = ([name, known_name(name)] if name in unknown else [name] for name in names)
    every = ["sample_id", "epochs", *(name for pair in pairs for name in pair)]
    arrays = gate_arrays(run, chosen, names, unknown)
    return Content(every, len(chosen), lambda stream: ARRAYS[form](stream, arrays), notes)


def _list_schema(chosen: Chosen, names: Sequence[str]) -> pa.Schema:
    known = columns_of(chosen.snapshot)
    kinds = [(name, pa.list_(element_type(known[name][0]))) for name in names]
    epochs = json_text(chosen.snapshot.epochs)
    return pa.schema([("sample_id", pa.int64()), *kinds], metadata={"epochs": epochs})


def list_tables(chosen: Chosen, names: Sequence[str]) -> Iterator[pa.Table]:
    """Tables of one row per sample with lists over the epochs, a group of samples each; metadata: the epochs."""
    schema, known = _list_schema(chosen, names), columns_of(chosen.snapshot)
    length = len(chosen.snapshot.epochs)
    for start in range(0, len(chosen), SAMPLES_PER_GROUP):
        group = chosen.places[start : start + SAMPLES_PER_GROUP]
        arrays = dict(matrix_arrays(chosen.snapshot, group, names))
        offsets = pa.array(np.arange(0, len(group) * length + 1, length, dtype=np.int32))
        lists = [
            pa.ListArray.from_arrays(offsets, _flattened(arrays, name, known[name][0])) for name in names
        ]
        yield pa.table([pa.array(arrays["sample_id"]), *lists], schema=schema)


def _flattened(arrays: Mapping[str, NDArray], name: str, quantity: str) -> pa.Array:
    """A column [E, n] of :func:`matrix_arrays` sample by sample, [n E]: null where it has no value."""
    values, seen = arrays[name], arrays["seen"]
    known = arrays.get(known_name(name), seen) if quantity in DECIDED_BY else has_value(values)
    return arrow_array(values.T.reshape(-1), quantity, known.T.reshape(-1))
