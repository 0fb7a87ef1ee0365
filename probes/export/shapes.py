"""The log in the two shapes that keep every epoch: long (one row per sample and epoch) and matrices [E, N]."""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from memgate.log.format import FLAGS, EpochRecord, table_columns
from probes.dynamics.snapshot import Snapshot


def element_type(quantity: str) -> pa.DataType:
    """Arrow type of one value of a quantity."""
    if quantity in FLAGS:
        return pa.bool_()
    return pa.uint16() if quantity == "pred" else pa.float32()


def long_schema(gates: tuple[str, ...], names: Sequence[str] | None = None) -> pa.Schema:
    """Names and types of the long table with the columns ``names`` of :func:`table_columns`; None: all."""
    kinds = [("sample_id", pa.int64()), ("epoch", pa.int32())]
    return pa.schema(
        kinds + [(name, element_type(quantity)) for name, (quantity, _) in _selected(gates, names).items()]
    )


def _selected(gates: tuple[str, ...], names: Sequence[str] | None) -> dict[str, tuple[str, str | None]]:
    known = table_columns(gates)
    return {name: known[name] for name in (known if names is None else names)}


def long_tables(
    snapshot: Snapshot, places: NDArray[np.integer] | None = None, names: Sequence[str] | None = None
) -> Iterator[pa.Table]:
    """One table per whole epoch, in the order of the epochs, with one row per sample; holds one at a time.

    A sample that an epoch has not seen has a row in which every value is missing (null); a NaN is null too.

    Args:
        snapshot: epochs and samples of a split.
        places: [n] indices of the samples in the log, by rising ids; None for all.
        names: columns of :func:`table_columns`; None for all.
    """
    gates = snapshot.log.gates
    schema, selected = long_schema(gates, names), _selected(gates, names)
    order = by_id(snapshot) if places is None else places
    sample_id = snapshot.samples.sample_id[order].astype(np.int64)
    for epoch, record in snapshot.records():
        hidden = ~record.flag("seen")[order]
        arrays: list[pa.Array] = [pa.array(sample_id), pa.array(np.full(len(order), epoch, np.int32))]
        for quantity, gate in selected.values():
            values = _row(record, quantity, None if gate is None else gates.index(gate))
            arrays.append(arrow_array(values[order], quantity, hidden))
        yield pa.table(arrays, schema=schema)


def by_id(snapshot: Snapshot) -> NDArray[np.intp]:
    """Indices of the samples in the log [N], by rising ids."""
    return np.argsort(snapshot.samples.sample_id, kind="stable")


def arrow_array(values: NDArray, quantity: str, hidden: NDArray) -> pa.Array:
    """Values [n] of a quantity as an Arrow array: null where hidden, and where the training diverged (NaN)."""
    missing = hidden | np.isnan(values) if values.dtype.kind == "f" else hidden
    return pa.array(values, element_type(quantity), mask=missing)


def _row(record: EpochRecord, quantity: str, gate_row: int | None) -> NDArray:
    """One quantity [N] of one epoch."""
    values = record.flag(quantity) if quantity in FLAGS else getattr(record, quantity)
    return values if gate_row is None else values[gate_row]


def matrix_arrays(
    snapshot: Snapshot, places: NDArray[np.integer] | None = None, names: Sequence[str] | None = None
) -> Iterator[tuple[str, NDArray]]:
    """Names and arrays of the matrix export; holds one array at a time.

    ``sample_id`` [N] int64 (rising), ``epochs`` [E] int32, ``seen`` [E, N] bool, then each column of
    :func:`table_columns` as [E, N] in the log's own type. Where ``seen`` is false, a float is NaN, ``pred`` is
    65535 and a bool false. Arguments as in :func:`long_tables`.
    """
    order = by_id(snapshot) if places is None else places
    yield "sample_id", snapshot.samples.sample_id[order].astype(np.int64)
    yield "epochs", snapshot.epochs.astype(np.int32)
    for name, (quantity, gate) in {"seen": ("seen", None), **_selected(snapshot.log.gates, names)}.items():
        yield name, snapshot.values_at(order, quantity, gate)
