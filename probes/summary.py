"""The summary table: one row per sample, what was done to it and what its training looked like."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from memgate.logformat import Samples
from memgate.runs import Run
from noise.header import Operation
from probes import dynamics
from probes.snapshot import Snapshot, take_snapshot


def gate_column(quantity: str, gate: str, gates: Sequence[str]) -> str:
    """Column name of one gate's number: the gate follows the quantity's name when there are several gates.

    ``gate_last`` becomes ``gate_b2_last``, and ``route_flips``, which has no reduction in its name,
    ``route_flips_b2``.
    """
    if len(gates) == 1:
        return quantity
    head, _, tail = quantity.partition("_")
    return f"{head}_{gate}_{tail}" if head in ("gate", "entropy", "routed") else f"{quantity}_{gate}"


def summary(run: Run, split: str = "train") -> pd.DataFrame:
    """What the log says of every sample of a split, one row each, sorted by ``sample_id``.

    "Last" is the last epoch in which the sample was seen; everything else is over the epochs in which it was
    seen. What a never seen sample cannot have is missing (NaN or pandas' NA). Numbers that come from the
    log's float32 stay float32. An ungated network has no gate columns.

    Args:
        run: with at least one finished epoch.
        split: a split of its log.

    Returns:
        A table [N rows] with nullable types where an integer or bool can be missing.

    Raises:
        MemgateError: no finished epoch, or no such split.
    """
    return summary_table(take_snapshot(run, split), run.manifest.header.operations)


def summary_table(snapshot: Snapshot, operations: Sequence[Operation]) -> pd.DataFrame:
    """:func:`summary` of a snapshot; ``operations`` are those of the run's manifest."""
    gates = snapshot.log.gates
    seen = snapshot.values("seen")
    columns = identity(snapshot.samples, snapshot.split, operations)
    columns |= {"epochs_logged": dynamics.count(seen).astype(np.int32)}
    columns |= _predictions(snapshot, seen)
    for gate in gates:
        found = _routing(snapshot, gate, seen)
        columns |= {gate_column(name, gate, gates): column for name, column in found.items()}
    columns |= _fit(snapshot, seen)
    order = np.argsort(snapshot.samples.sample_id, kind="stable")
    return pd.DataFrame(columns).iloc[order].reset_index(drop=True)


def identity(samples: Samples, split: str, operations: Sequence[Operation]) -> dict[str, Any]:
    """Who the samples of a split are and what was done to them: the first columns of every table.

    Args:
        samples: as the log has them.
        split: its name.
        operations: those of the run's manifest, which ``label_op`` and ``image_op`` count from 1.

    Returns:
        Column name to [N] values, in the order of ``samples``.
    """
    cause = samples.cause
    kinds = np.array([None, *(operation.kind for operation in operations)], object)
    return {
        "sample_id": samples.sample_id.astype(np.int64),
        "split": pd.array([split] * len(samples), dtype="string"),
        "given_label": samples.given_label.astype(np.int32),
        "clean_label": samples.clean_label.astype(np.int32),
        "corrupted": cause != "clean",
        "cause": pd.array(cause.tolist(), dtype="string"),
        "label_kind": pd.array(kinds[samples.label_op], dtype="string"),
        "image_kind": pd.array(kinds[samples.image_op], dtype="string"),
    }


def _predictions(snapshot: Snapshot, seen: NDArray) -> dict[str, Any]:
    """What the network last said."""

    def last(name: str) -> NDArray:
        return dynamics.last(snapshot.values(name), seen)

    return {
        "pred_last": _integers(last("pred")),
        "correct_given_last": _bools(last("correct_given")),
        "correct_clean_last": _bools(last("correct_clean")),
    }


def _routing(snapshot: Snapshot, gate: str, seen: NDArray) -> dict[str, Any]:
    """What one gate did, under the names that the only gate's columns have."""
    g = snapshot.values("gate", gate)
    routed = snapshot.values("routed", gate)
    entropy = snapshot.values("entropy", gate)
    return {
        "gate_last": _floats(dynamics.last(g, seen)),
        "gate_mean": _floats(dynamics.mean(g, seen)),
        "gate_std": _floats(dynamics.std(g, seen)),
        "gate_max": _floats(dynamics.largest(g, seen)),
        "routed_last": _bools(dynamics.last(routed, seen)),
        "routed_share": _floats(dynamics.mean(routed, seen)),
        "routed_epochs": _integers(dynamics.routed_epochs(routed, seen)),
        "first_skip_epoch": _integers(dynamics.first_skip_epoch(routed, seen, snapshot.epochs)),
        "last_skip_epoch": _integers(dynamics.last_skip_epoch(routed, seen, snapshot.epochs)),
        "route_flips": _integers(dynamics.changes(routed, seen)),
        "entropy_last": _floats(dynamics.last(entropy, seen)),
        "entropy_mean": _floats(dynamics.mean(entropy, seen)),
    }


def _fit(snapshot: Snapshot, seen: NDArray) -> dict[str, Any]:
    """How the sample was learned."""
    loss, margin = (snapshot.values(name) for name in ("loss", "margin"))
    p_given, correct = (snapshot.values(name) for name in ("p_given", "correct_given"))
    confidence = dynamics.mean(p_given, seen)
    return {
        "loss_last": _floats(dynamics.last(loss, seen)),
        "loss_mean": _floats(dynamics.mean(loss, seen)),
        "margin_last": _floats(dynamics.last(margin, seen)),
        "aum": _floats(dynamics.mean(margin, seen)),
        "confidence": _floats(confidence),
        "variability": _floats(dynamics.std(p_given, seen)),
        "correctness": _floats(dynamics.mean(correct, seen)),
        "forgetfulness": _integers(dynamics.forgetfulness(correct, seen)),
        "threshold_closeness": _floats(dynamics.threshold_closeness(confidence)),
    }


def _floats(values: NDArray) -> NDArray:
    return values.astype(np.float32)


def _integers(values: NDArray) -> Any:
    """Whole numbers with NaN as nullable Int32."""
    missing = np.isnan(values)
    return pd.arrays.IntegerArray(np.where(missing, 0, values).astype(np.int32), missing)


def _bools(values: NDArray) -> Any:
    """0, 1 and NaN as nullable boolean."""
    missing = np.isnan(values)
    return pd.arrays.BooleanArray(np.where(missing, 0, values).astype(bool), missing)
