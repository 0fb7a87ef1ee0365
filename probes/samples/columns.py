"""The columns that identify a sample in every table, and the column names of several gates."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from memgate.log.format import Samples
from noise.manifest.header import Operation

SHOWN_GATES = 4
"""Up to this number of gates a printed table shows all of them."""


def gate_column(quantity: str, gate: str, gates: Sequence[str]) -> str:
    """Column name of a gate's quantity; with several gates the gate's name follows the quantity.

    ``gate_last`` becomes ``gate_b2_last``, and ``route_flips``, which has no reduction in its name,
    ``route_flips_b2``.

    Args:
        quantity: the column's name in a run with one gate.
        gate: name of the gate.
        gates: names of all gates of the run.
    """
    if len(gates) == 1:
        return quantity
    head, _, tail = quantity.partition("_")
    return f"{head}_{gate}_{tail}" if head in ("gate", "entropy", "routed") else f"{quantity}_{gate}"


def shown_gates(gates: Sequence[str]) -> tuple[str, ...]:
    """The gates that printed tables show; exports have all of them.

    Args:
        gates: names of a run's gates.

    Returns:
        All gates up to :data:`SHOWN_GATES`; of more, the last gate of each block, or the last :data:`SHOWN_GATES`.
    """
    if len(gates) <= SHOWN_GATES:
        return tuple(gates)
    last = {re.sub(r"u\d+$", "", gate): gate for gate in gates}
    return tuple(last.values() if 1 < len(last) <= SHOWN_GATES else gates[-SHOWN_GATES:])


def identity(samples: Samples, split: str, operations: Sequence[Operation]) -> dict[str, Any]:
    """The first columns of every table: id, split, labels and corruption of each sample.

    Args:
        samples: the log's record of a split's N samples.
        split: its name.
        operations: those of the run's manifest, which ``label_op`` and ``image_op`` count from 1.

    Returns:
        Column name to values [N], in the order of ``samples``. Where it is not known which samples are corrupted, the
        cause is ``unknown``, and ``clean_label`` and ``corrupted`` are missing.
    """
    cause, known = samples.cause, samples.truth_known
    kinds = np.array([None, *(operation.kind for operation in operations)], object)
    return {
        "sample_id": samples.sample_id.astype(np.int64),
        "split": pd.array([split] * len(samples), dtype="string"),
        "given_label": samples.given_label.astype(np.int32),
        "clean_label": samples.clean_label.astype(np.int32)
        if known
        else pd.array([pd.NA] * len(samples), "Int32"),
        "corrupted": cause != "clean" if known else pd.array([pd.NA] * len(samples), "boolean"),
        "cause": pd.array(cause.tolist(), dtype="string"),
        "label_kind": pd.array(kinds[samples.label_op], dtype="string"),
        "image_kind": pd.array(kinds[samples.image_op], dtype="string"),
    }
