"""Groups of samples by corruption: share that fits the given or the clean label, and routing by each gate."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from noise.manifest.manifest import CORRUPTED_CAUSES
from probes.samples.columns import gate_column
from probes.stats.estimate import Estimate, average, gate_range, share


@dataclass(frozen=True)
class GateUse:
    """Gate value and routing of a group at one gate and the last epoch."""

    gate: str
    mean: Estimate
    """Mean gate value g, in [0, 1] (entropy in nats where the gate's curve is ``identity``)."""
    routed: Estimate
    """Share routed through the block (g > 0.5)."""


@dataclass(frozen=True)
class Group:
    """Fit and routing of one group of samples at the last epoch."""

    name: str
    """``all``, ``clean``, ``corrupted`` (every cause), one cause, or one kind of corruption."""
    n: int
    fits_given: Estimate
    """Share predicted as its given label."""
    fits_clean: Estimate
    """Share predicted as its clean label."""
    gates: tuple[GateUse, ...]


@dataclass(frozen=True)
class CostedGroup(Group):
    """A group of a network whose gates close, so that its samples need different numbers of multiply-accumulates."""

    millions_of_macs: Estimate
    """Mean number of multiply-accumulates of a sample, in millions."""


def members(table: pd.DataFrame) -> dict[str, NDArray[np.bool_]]:
    """Group name to membership, bool [N], for the groups of a summary table that are not empty.

    Where it is not known which samples are corrupted, ``all`` is the only group.

    Where several operations corrupt labels, or several corrupt images (not counting open-set noise), each kind is a
    group as well: the samples that it corrupted, whatever other corruption they have.
    """
    cause = table["cause"].to_numpy(str)
    wrong_label = (table["given_label"] != table["clean_label"]).fillna(value=False).to_numpy(bool)
    masks = {
        "all": np.ones(len(table), bool),
        "clean": cause == "clean",
        "corrupted": np.isin(cause, CORRUPTED_CAUSES),
        **{name: cause == name for name in CORRUPTED_CAUSES},
        **_by_kind(table["label_kind"].fillna("").to_numpy(str), wrong_label),
        **_by_kind(table["image_kind"].fillna("").to_numpy(str), cause != "open"),
    }
    return {name: mask for name, mask in masks.items() if mask.any()}


def _by_kind(kinds: NDArray[np.str_], corrupted: NDArray[np.bool_]) -> dict[str, NDArray[np.bool_]]:
    """Kind to the samples that it corrupted, bool [N], if there are at least two kinds; a missing kind is ``""``."""
    names = np.where(corrupted, kinds, "")
    present = sorted(set(names.tolist()) - {""})
    return {kind: names == kind for kind in present} if len(present) > 1 else {}


def groups(table: pd.DataFrame, gates: Sequence[str]) -> tuple[Group, ...]:
    """Fit and routing of every group that is not empty.

    Args:
        table: a summary table, see :func:`probes.dynamics.summary.summary`.
        gates: names of the run's gates; none for an ungated network.
    """
    ranges = {gate: gate_range(table[gate_column("gate_last", gate, gates)]) for gate in gates}
    result = []
    for name, mask in members(table).items():
        rows = table[mask]
        uses = [
            GateUse(
                gate,
                average(rows[gate_column("gate_last", gate, gates)], ranges[gate]),
                share(rows[gate_column("routed_last", gate, gates)]),
            )
            for gate in gates
        ]
        fits = share(rows["correct_given_last"]), share(rows["correct_clean_last"])
        figures = name, len(rows), *fits, tuple(uses)
        if "macs_last" in rows:
            result.append(CostedGroup(*figures, average(rows["macs_last"].astype(np.float64) / 1e6)))
        else:
            result.append(Group(*figures))
    return tuple(result)
