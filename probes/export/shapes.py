"""The log in the two shapes that keep every epoch: long (one row per sample and epoch) and matrices [E, N]."""

from collections.abc import Collection, Iterator, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from memgate.log.format import DECIDED_BY, FLAGS, EpochRecord
from memgate.log.table import table_columns
from probes.dynamics.snapshot import Snapshot


def element_type(quantity: str) -> pa.DataType:
    """Arrow type of one value of a quantity."""
    if quantity in FLAGS:
        return pa.bool_()
    return pa.uint16() if quantity == "pred" else pa.float32()


def columns_of(snapshot: Snapshot) -> dict[str, tuple[str, str | None]]:
    """Column name to (quantity, gate or None) of what the log has, see :func:`memgate.log.table.table_columns`."""
    return table_columns(snapshot.log.gates, absent=snapshot.log.absent(snapshot.split))


def long_schema(snapshot: Snapshot, names: Sequence[str] | None = None) -> pa.Schema:
    """Names and types of the long table with the columns ``names`` of :func:`columns_of`; None: all."""
    kinds = [("sample_id", pa.int64()), ("epoch", pa.int32())]
    return pa.schema(
        kinds + [(name, element_type(quantity)) for name, (quantity, _) in _selected(snapshot, names).items()]
    )


def _selected(snapshot: Snapshot, names: Sequence[str] | None) -> dict[str, tuple[str, str | None]]:
    known = columns_of(snapshot)
    return {name: known[name] for name in (known if names is None else names)}


def long_tables(
    snapshot: Snapshot, places: NDArray[np.integer] | None = None, names: Sequence[str] | None = None
) -> Iterator[pa.Table]:
    """One table per whole epoch, in the order of the epochs, with one row per sample; holds one at a time.

    A sample that an epoch has not seen has a row in which every value is missing (null). A value that the network did
    not give (NaN, a class of logits without a softmax, a flag decided by them) is null too.

    Args:
        snapshot: epochs and samples of a split.
        places: [n] indices of the samples in the log, by rising ids; None for all.
        names: columns of :func:`columns_of`; None for all.
    """
    gates = snapshot.log.gates
    schema, selected = long_schema(snapshot, names), _selected(snapshot, names)
    order = by_id(snapshot) if places is None else places
    sample_id = snapshot.samples.sample_id[order].astype(np.int64)
    for epoch, record in snapshot.records():
        arrays: list[pa.Array] = [pa.array(sample_id), pa.array(np.full(len(order), epoch, np.int32))]
        for quantity, gate in selected.values():
            values, known = _row(record, quantity, None if gate is None else gates.index(gate))
            known = known & snapshot.samples.can_know(quantity)
            arrays.append(arrow_array(values[order], quantity, known[order]))
        yield pa.table(arrays, schema=schema)


def by_id(snapshot: Snapshot) -> NDArray[np.intp]:
    """Indices of the samples in the log [N], by rising ids."""
    return np.argsort(snapshot.samples.sample_id, kind="stable")


def arrow_array(values: NDArray, quantity: str, known: NDArray[np.bool_]) -> pa.Array:
    """Values [n] of a quantity as an Arrow array: null where they are not known."""
    return pa.array(values, element_type(quantity), mask=~known)


def _row(record: EpochRecord, quantity: str, gate_row: int | None) -> tuple[NDArray, NDArray[np.bool_]]:
    """One quantity [N] of one epoch, and whether each sample has it."""
    values = record.flag(quantity) if quantity in FLAGS else getattr(record, quantity)
    known = record.known(quantity)
    return (values, known) if gate_row is None else (values[gate_row], known[gate_row])


def matrix_arrays(
    snapshot: Snapshot,
    places: NDArray[np.integer] | None = None,
    names: Sequence[str] | None = None,
    unknown: Collection[str] | None = None,
) -> Iterator[tuple[str, NDArray]]:
    """Names and arrays of the matrix export; holds one array at a time.

    ``sample_id`` [N] int64 (rising), ``epochs`` [E] int32, ``seen`` [E, N] bool, then each column of
    :func:`columns_of` as [E, N] in the log's own type. Missing values are NaN in floats and 65535 in ``pred``. A
    bool has no such value: it is false where ``seen`` is, and where a network gave NaN for what decides it. An array
    of a name in :func:`unknown_flags` is therefore followed by ``<name>_known`` [E, N] bool.

    Arguments as in :func:`long_tables`; ``unknown`` are the names in :func:`unknown_flags`, None to compute them.
    """
    order = by_id(snapshot) if places is None else places
    yield "sample_id", snapshot.samples.sample_id[order].astype(np.int64)
    yield "epochs", snapshot.epochs.astype(np.int32)
    unknown = unknown_flags(snapshot, order, names) if unknown is None else unknown
    for name, (quantity, gate) in {"seen": ("seen", None), **_selected(snapshot, names)}.items():
        yield name, snapshot.values_at(order, quantity, gate)
        if name in unknown:
            yield known_name(name), snapshot.known_at(order, quantity, gate)


def known_name(flag: str) -> str:
    """Name of the array that says where a flag is known."""
    return f"{flag}_known"


def unknown_flags(
    snapshot: Snapshot, places: NDArray[np.integer], names: Sequence[str] | None = None
) -> dict[str, int]:
    """Columns of flags that are unknown of a sample that was seen, to the number of such cells (sample and epoch).

    Arguments as in :func:`long_tables`.
    """
    flags = {key: source for key, source in _selected(snapshot, names).items() if source[0] in DECIDED_BY}
    if not flags:
        return {}
    seen = snapshot.values_at(places, "seen")
    counts = {name: int((seen & ~snapshot.known_at(places, *source)).sum()) for name, source in flags.items()}
    return {name: count for name, count in counts.items() if count}
