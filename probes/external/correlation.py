"""Spearman's rank correlation between a run's scores and an external hardness."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from probes.external.record import External
from probes.scores.separation import score_values
from probes.stats.estimate import Estimate, estimate
from probes.stats.rank_correlation import spearman_interval


@dataclass(frozen=True)
class Correlation:
    """Rank correlation of one score with the external hardness, both turned so that high is harder."""

    score: str
    """A key of :data:`probes.scores.catalogue.SCORES`."""
    gate: str | None
    over: str
    """``all`` samples or only the ``clean`` ones, since corrupted samples are hard for another reason."""
    rho: Estimate
    """Spearman's rho in [-1, 1]; positive: samples that are externally hard are hard for the run. No value where fewer
    than two samples have both values or one of the two is constant."""
    n_missing: int
    """Samples left out because one of the two values is missing."""


@dataclass(frozen=True)
class Joined:
    """Correlations of one external hardness with every score of a split."""

    name: str
    what: str
    file: str
    split: str
    direction: int
    """Direction of the external values in their file; +1: high is harder, -1: low is."""
    check: str
    """How it was checked that both mean the same samples, in words."""
    order_checked: bool
    """Whether labels in the file show that its rows belong to the run's samples; otherwise they may be others'."""
    n: int
    """Samples of the split with an external value."""
    n_missing: int
    """Samples of the split without one."""
    correlations: tuple[Correlation, ...]
    title: str
    """The name, marked where the order could not be checked."""


def join(
    external: External, values: NDArray[np.float64], check: str, table: pd.DataFrame, gates: Sequence[str]
) -> Joined:
    """Rank correlations of every score of a table with an external hardness.

    Args:
        external: the external hardness.
        values: [N] its values in the table's order, see :func:`probes.external.record.aligned`.
        check: how the order was checked, in words.
        table: a table of scores of the same split, see :func:`probes.scores.table.score_table`.
        gates: names of the run's gates.
    """
    hardness = values * external.direction
    clean = (table["cause"] == "clean").to_numpy(bool)
    groups = {"all": np.ones(len(table), bool)}
    if clean.any() and not clean.all():
        groups["clean"] = clean
    correlations = []
    for score in score_values(table, gates):
        for over, mask in groups.items():
            rho = spearman(score.hardness[mask], hardness[mask])
            correlations.append(Correlation(score.name, score.gate, over, rho, int(mask.sum()) - rho.n))
    known = int((~np.isnan(values)).sum())
    return Joined(
        external.name,
        external.what,
        external.file,
        external.split,
        external.direction,
        check,
        external.order_checked,
        known,
        len(values) - known,
        tuple(correlations),
        external.title,
    )


def spearman(first: ArrayLike, second: ArrayLike) -> Estimate:
    """Spearman's rank correlation in [-1, 1] with its 95 % interval; pairs with a missing value are left out.

    See :func:`probes.stats.rank_correlation.spearman_interval`.

    Args:
        first: [n] numbers, may be infinite; NaN is missing.
        second: [n] likewise.

    Returns:
        The correlation, with ``n`` the number of pairs; no value for fewer than two pairs or a constant, no interval
        for fewer than four pairs.
    """
    x, y = np.asarray(first, np.float64), np.asarray(second, np.float64)
    known = ~(np.isnan(x) | np.isnan(y))
    x, y, n = x[known], y[known], int(known.sum())
    return estimate(*spearman_interval(x, y), n)
