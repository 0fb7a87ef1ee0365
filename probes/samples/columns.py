"""TODO."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from memgate.log.format import Samples
from noise.manifest.header import Operation

SHOWN_GATES = 4
"""Most gates of which tables for people tell every figure."""


def gate_column(quantity: str, gate: str, gates: Sequence[str]) -> str:
    """Column name of one gate's number: the gate follows the quantity's name when there are several gates.

    ``gate_last`` becomes ``gate_b2_last``, and ``route_flips``, which has no reduction in its name,
    ``route_flips_b2``.
    """
    if len(gates) == 1:
        return quantity
    head, _, tail = quantity.partition("_")
    return f"{head}_{gate}_{tail}" if head in ("gate", "entropy", "routed") else f"{quantity}_{gate}"


def shown_gates(gates: Sequence[str]) -> tuple[str, ...]:
    """The gates that tables for people show: all where they are few, else the last of each block, or the last ones.

    Exports have all of them.

    Args:
        gates: names of a run's gates.
    """
    if len(gates) <= SHOWN_GATES:
        return tuple(gates)
    last = {re.sub(r"u\d+$", "", gate): gate for gate in gates}
    return tuple(last.values() if 1 < len(last) <= SHOWN_GATES else gates[-SHOWN_GATES:])


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
