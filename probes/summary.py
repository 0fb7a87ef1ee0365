"""The summary table: one row per sample, what was done to it and what its training looked like."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from memgate import console
from memgate.logformat import Samples
from memgate.runs import Run
from noise.header import Operation
from probes import dynamics, events
from probes.mixture import low_loss_probability
from probes.snapshot import Snapshot, take_snapshot

SAMPLES_PER_BLOCK = 4096
"""Samples whose whole training is in memory at once: so a log of any size fits."""
EARLY = 0.1
"""Share of the planned epochs that must be done before "early" EL2N is taken."""


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
    n = len(snapshot.samples)
    starts = range(0, max(n, 1), SAMPLES_PER_BLOCK)
    rows = [
        _rows(_Block(snapshot, slice(start, min(start + SAMPLES_PER_BLOCK, n))))
        for start in console.progress(starts, len(starts), f"{snapshot.split}: reading the log")
    ]
    who = pd.DataFrame(identity(snapshot.samples, snapshot.split, operations))
    table = pd.concat([who, pd.concat(rows, ignore_index=True)], axis=1)
    place = list(table).index("aum")
    for which in ("last", "mean"):  # of all samples at once, and so not by block
        column = _floats(low_loss_probability(table[f"loss_{which}"].to_numpy()))
        table.insert(place, f"loss_gmm_{which}", column)
    order = np.argsort(snapshot.samples.sample_id, kind="stable")
    return table.iloc[order].reset_index(drop=True)


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


@dataclass(frozen=True, eq=False)
class _Block:
    """Some samples with all their epochs."""

    snapshot: Snapshot
    part: slice
    """Which samples, in the log's order."""

    def read(self, name: str, gate: str | None = None) -> NDArray:
        """One logged quantity or flag, [E, n]."""
        return self.snapshot.values(name, gate, self.part)

    @cached_property
    def seen(self) -> NDArray:
        return self.read("seen")

    def last(self, name: str) -> NDArray:
        """One logged quantity or flag when each sample was last seen, [n]."""
        return dynamics.last(self.read(name), self.seen)


def _rows(block: _Block) -> pd.DataFrame:
    """What the log says of the samples in a block, in its order."""
    gates = block.snapshot.log.gates
    columns = {"epochs_logged": dynamics.count(block.seen).astype(np.int32)}
    columns |= {
        "pred_last": _integers(block.last("pred")),
        "correct_given_last": _bools(block.last("correct_given")),
        "correct_clean_last": _bools(block.last("correct_clean")),
    }
    for gate in gates:
        found = _routing(block, gate)
        columns |= {gate_column(name, gate, gates): column for name, column in found.items()}
    return pd.DataFrame(columns | _fit(block) | _learning(block))


def _routing(block: _Block, gate: str) -> dict[str, Any]:
    """What one gate did, under the names that the only gate's columns have."""
    seen, epochs = block.seen, block.snapshot.epochs
    g, routed, entropy = (block.read(name, gate) for name in ("gate", "routed", "entropy"))
    agrees = block.read("gate_pred", gate) == block.snapshot.samples.given_label[block.part]
    return {
        "gate_last": _floats(dynamics.last(g, seen)),
        "gate_mean": _floats(dynamics.mean(g, seen)),
        "gate_std": _floats(dynamics.std(g, seen)),
        "gate_max": _floats(dynamics.largest(g, seen)),
        "routed_last": _bools(dynamics.last(routed, seen)),
        "routed_share": _floats(dynamics.mean(routed, seen)),
        "routed_epochs": _integers(dynamics.routed_epochs(routed, seen)),
        "first_skip_epoch": _integers(events.first_skip_epoch(routed, seen, epochs)),
        "last_skip_epoch": _integers(events.last_skip_epoch(routed, seen, epochs)),
        "route_flips": _integers(events.changes(routed, seen)),
        "entropy_last": _floats(dynamics.last(entropy, seen)),
        "entropy_mean": _floats(dynamics.mean(entropy, seen)),
        "gate_signed_entropy_mean": _floats(dynamics.signed_mean(entropy, agrees, seen)),
    }


def _fit(block: _Block) -> dict[str, Any]:
    """How well the network's answers fit the given label."""
    seen, epochs = block.seen, block.snapshot.epochs
    loss, margin, el2n = (block.read(name) for name in ("loss", "margin", "el2n"))
    last_loss, last_margin = dynamics.last(loss, seen), dynamics.last(margin, seen)
    last_p = block.last("p_given")
    early = EARLY * block.snapshot.log.planned[-1]
    return {
        "loss_last": _floats(last_loss),
        "loss_mean": _floats(dynamics.mean(loss, seen)),
        "margin_last": _floats(last_margin),
        "aum": _floats(dynamics.mean(margin, seen)),
        "p_given_last": _floats(last_p),
        "normalised_margin_last": _floats(dynamics.normalised_margin(last_p, last_loss, last_margin)),
        "el2n_last": _floats(dynamics.last(el2n, seen)),
        "el2n_mean": _floats(dynamics.mean(el2n, seen)),
        "el2n_early": _floats(dynamics.first_from(el2n, seen, epochs, early)),
    }


def _learning(block: _Block) -> dict[str, Any]:
    """When and how surely it was learned."""
    seen, epochs = block.seen, block.snapshot.epochs
    p_given, correct, entropy = (block.read(name) for name in ("p_given", "correct_given", "out_entropy"))
    confidence = dynamics.mean(p_given, seen)
    return {
        "out_entropy_mean": _floats(dynamics.mean(entropy, seen)),
        "signed_entropy_mean": _floats(dynamics.signed_mean(entropy, correct, seen)),
        "confidence": _floats(confidence),
        "variability": _floats(dynamics.std(p_given, seen)),
        "correctness": _floats(dynamics.mean(correct, seen)),
        "forgetfulness": _integers(events.forgetfulness(correct, seen)),
        "first_learned_epoch": _integers(events.first_learned_epoch(correct, seen, epochs)),
        "stable_learned_epoch": _integers(events.stable_learned_epoch(correct, seen, epochs)),
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
