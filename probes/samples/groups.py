"""What became of clean and of corrupted samples: which labels they fit, and whether the block holds them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from noise.manifest.manifest import CORRUPTED_CAUSES
from probes.dynamics.summary import gate_column
from probes.stats.bootstrap import paired_bootstrap
from probes.stats.intervals import mean_interval, wilson


@dataclass(frozen=True)
class Estimate:
    """A share or a mean with its 95 % interval."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    """Samples behind it."""


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


def share(hits: ArrayLike) -> Estimate:
    """Share of true values with Wilson's interval; missing values are left out."""
    known = pd.Series(hits).dropna().to_numpy(bool)
    return ratio(int(known.sum()), len(known))


def ratio(count: int, n: int) -> Estimate:
    """A share as count of n, with Wilson's interval; without a value where n is 0."""
    low, high = wilson(count, n)
    return estimate(count / n if n else np.nan, float(low), float(high), n)


def average(values: ArrayLike) -> Estimate:
    """Mean with its t interval; missing values are left out."""
    known = pd.Series(values).dropna().to_numpy(np.float64)
    return estimate(*mean_interval(known), len(known))


def estimate(value: float, low: float, high: float, n: int) -> Estimate:
    """A number of n samples with the ends of its interval; NaN is what is undefined."""
    found = [None if np.isnan(number) else float(number) for number in (value, low, high)]
    return Estimate(*found, n=n)


def difference(values: ArrayLike, others: ArrayLike | None = None) -> Estimate:
    """Mean of per-sample differences, or how much larger it is than that of ``others``, with the bootstrap's interval.

    See :func:`probes.stats.bootstrap.paired_bootstrap`.
    """
    n = len(np.asarray(values)) + (0 if others is None else len(np.asarray(others)))
    return estimate(*paired_bootstrap(values, others), n)


def percent(found: Estimate) -> str:
    """A share as text with its interval; ``-`` where it is undefined."""
    if found.value is None or found.low is None or found.high is None:
        return "-"
    return f"{found.value:.1%} [{100 * found.low:.1f}, {100 * found.high:.1f}]"


def points(found: Estimate) -> str:
    """A difference of shares in percentage points with its interval; ``-`` where it is undefined."""
    if found.value is None or found.low is None or found.high is None:
        return "-"
    return f"{100 * found.value:+.1f} [{100 * found.low:.1f}, {100 * found.high:.1f}]"


class Interval(Protocol):
    """A number with the ends of its interval; None where it is undefined."""

    @property
    def value(self) -> float | None: ...  # noqa: D102
    @property
    def low(self) -> float | None: ...  # noqa: D102
    @property
    def high(self) -> float | None: ...  # noqa: D102


def decimal(found: Interval) -> str:
    """A number as text with its interval, where it has one; ``-`` where it is undefined."""
    if found.value is None:
        return "-"
    if found.low is None or found.high is None:
        return f"{found.value:.3f}"
    return f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]"


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
