"""What became of clean and of corrupted samples: which labels they fit, and whether the block holds them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from noise.manifest.manifest import CORRUPTED_CAUSES
from probes.samples.columns import gate_column
from probes.stats.estimate import Estimate, average, share


@dataclass(frozen=True)
class GateUse:
    """What one gate does with a group at the last epoch."""

    gate: str
    mean: Estimate
    """Mean gate value g."""
    routed: Estimate
    """Share routed through the block."""


@dataclass(frozen=True)
class Group:
    """The samples to which one thing was done, at the last epoch."""

    name: str
    """``all``, ``clean``, ``corrupted`` (every cause), one cause, or one kind of corruption."""
    n: int
    fits_given: Estimate
    """Share predicted as its given label."""
    fits_clean: Estimate
    """Share predicted as its clean label."""
    gates: tuple[GateUse, ...]


def members(table: pd.DataFrame) -> dict[str, NDArray[np.bool_]]:
    """Group name to who is in it, [N] bool, for the groups of a summary table that are not empty.

    Where several corruptions act on labels, or several on images (open-set noise apart), each kind is a group
    as well: those of its samples that it corrupted, whatever else was done to them.
    """
    cause = table["cause"].to_numpy(str)
    wrong_label = (table["given_label"] != table["clean_label"]).to_numpy(bool)
    found = {
        "all": np.ones(len(table), bool),
        "clean": cause == "clean",
        "corrupted": cause != "clean",
        **{name: cause == name for name in CORRUPTED_CAUSES},
        **_by_kind(table["label_kind"].fillna("").to_numpy(str), wrong_label),
        **_by_kind(table["image_kind"].fillna("").to_numpy(str), cause != "open"),
    }
    return {name: inside for name, inside in found.items() if inside.any()}


def _by_kind(kinds: NDArray[np.str_], corrupted: NDArray[np.bool_]) -> dict[str, NDArray[np.bool_]]:
    """Kind to who is corrupted by it, where there is more than one; no kind is empty text."""
    names = np.where(corrupted, kinds, "")
    present = sorted(set(names.tolist()) - {""})
    return {kind: names == kind for kind in present} if len(present) > 1 else {}


def groups(table: pd.DataFrame, gates: Sequence[str]) -> tuple[Group, ...]:
    """Fit and routing of every group that is not empty.

    Args:
        table: a summary table, see :func:`probes.dynamics.summary.summary`.
        gates: names of the run's gates; none for an ungated network.
    """
    found = []
    for name, inside in members(table).items():
        rows = table[inside]
        uses = [
            GateUse(
                gate,
                average(rows[gate_column("gate_last", gate, gates)]),
                share(rows[gate_column("routed_last", gate, gates)]),
            )
            for gate in gates
        ]
        fits = share(rows["correct_given_last"]), share(rows["correct_clean_last"])
        found.append(Group(name, len(rows), *fits, gates=tuple(uses)))
    return tuple(found)
