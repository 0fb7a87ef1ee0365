"""Do a run's scores rank its samples as somebody else's hardness does? Spearman's rank correlation."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from probes.external.record import External
from probes.scores.separation import score_values
from probes.stats.estimate import Estimate, estimate
from probes.stats.intervals import spearman_interval


@dataclass(frozen=True)
class Correlation:
    """One score against the external hardness; both turned so that high is harder."""

    score: str
    """A key of :data:`probes.scores.catalogue.SCORES`."""
    gate: str | None
    over: str
    """``all`` samples, or the ``clean`` ones only: corrupted samples are hard for another reason."""
    rho: Estimate
    """Spearman's, in [-1, 1]; positive: what is hard for others is hard for the run. No value where fewer than
    two samples have both numbers or one of the two is constant."""
    n_missing: int
    """Samples left out because one of the two numbers is missing."""


@dataclass(frozen=True)
class Joined:
    """One external hardness and every score of a split."""

    name: str
    what: str
    file: str
    split: str
    direction: int
    """Of the external number as its file has it; +1: high is harder."""
    check: str
    """How the order was checked."""
    n: int
    """Samples of the split with an external value."""
    n_missing: int
    """Samples of the split without one."""
    correlations: tuple[Correlation, ...]


def join(
    external: External, values: NDArray[np.float64], check: str, table: pd.DataFrame, gates: Sequence[str]
) -> Joined:
    """Correlate every score of a table with an external hardness.

    Args:
        external: what it is.
        values: [N] its values, in the table's order; see :func:`probes.external.record.aligned`.
        check: how the order was checked.
        table: a table of scores of the same split, see :func:`probes.scores.table.score_table`.
        gates: names of the run's gates.
    """
    hardness = values * external.direction
    clean = ~table["corrupted"].to_numpy(bool)
    groups = {"all": np.ones(len(table), bool)}
    if clean.any() and not clean.all():
        groups["clean"] = clean
    found = []
    for column in score_values(table, gates):
        for over, who in groups.items():
            rho = spearman(column.hardness[who], hardness[who])
            found.append(Correlation(column.name, column.gate, over, rho, int(who.sum()) - rho.n))
    known = int((~np.isnan(values)).sum())
    return Joined(
        external.name,
        external.what,
        external.file,
        external.split,
        external.direction,
        check,
        known,
        len(values) - known,
        tuple(found),
    )


def spearman(first: ArrayLike, second: ArrayLike) -> Estimate:
    """Spearman's rank correlation with a 95 % interval; pairs with a missing value are left out.

    See :func:`probes.stats.intervals.spearman_interval`.

    Args:
        first: [n] numbers, may be infinite; NaN is missing.
        second: [n] likewise.

    Returns:
        In [-1, 1], with the number of pairs; without a value for fewer than two pairs or a constant, and without
        an interval for fewer than four pairs.
    """
    x, y = np.asarray(first, np.float64), np.asarray(second, np.float64)
    there = ~(np.isnan(x) | np.isnan(y))
    x, y, n = x[there], y[there], int(there.sum())
    return estimate(*spearman_interval(x, y), n)
