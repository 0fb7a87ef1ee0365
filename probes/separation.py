"""How well a score tells corrupted samples from clean ones.

Positive means corrupted. A score declares its direction, and every figure here is given with the score turned
so that high means suspicious: below one half is worse than chance, and never silently flipped.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import rankdata
from sklearn.metrics import roc_auc_score

from probes.groups import members
from probes.intervals import auroc_interval
from probes.scores import PROBES
from probes.summary import gate_column


@dataclass(frozen=True)
class Separation:
    """One AUROC with its 95 % interval, or the reason why there is none."""

    value: float | None
    """In [0, 1]: chance that a corrupted sample scores as more suspicious than a clean one, ties one half."""
    low: float | None
    high: float | None
    """Ends of DeLong's interval; None where a group has a single sample."""
    n_positive: int
    """Corrupted samples with a score."""
    n_negative: int
    """Clean samples with a score."""
    n_missing: int
    """Samples left out because their score is missing (NaN)."""
    reason: str = ""
    """Why ``value`` is None."""


def auroc(score: ArrayLike, corrupted: ArrayLike, direction: int) -> Separation:
    """Area under the ROC curve of a score against corruption.

    Args:
        score: [n] numbers; NaN is missing and left out.
        corrupted: [n] bool, the positive class.
        direction: +1 if a high score is suspicious, -1 if a low one is.

    Returns:
        The AUROC with DeLong's 95 % interval; without a value where a group is empty.
    """
    values = np.asarray(score, np.float64) * direction
    there = ~np.isnan(values)
    values, positive = values[there], np.asarray(corrupted, bool)[there]
    n_positive = int(positive.sum())
    counts = n_positive, len(values) - n_positive, int((~there).sum())
    if 0 in counts[:2]:
        group = "corrupted" if n_positive == 0 else "clean"
        return Separation(None, None, None, *counts, reason=f"no {group} sample has this score")
    low, high = auroc_interval(values, positive)
    return Separation(
        # Ranks order as the values do, and the loss of a diverged run may be infinite, which it refuses.
        float(roc_auc_score(positive, rankdata(values))),
        None if np.isnan(low) else low,
        None if np.isnan(high) else high,
        *counts,
    )


@dataclass(frozen=True)
class ScoreSeparation:
    """How well one score tells one kind of corrupted samples from the clean ones."""

    score: str
    """A key of :data:`probes.scores.PROBES`."""
    gate: str | None
    direction: int
    against: str
    """A group of :func:`probes.groups.members`, against the clean samples."""
    auroc: Separation


def separations(table: pd.DataFrame, gates: Sequence[str]) -> tuple[ScoreSeparation, ...]:
    """AUROC of every score against corruption, pooled and per cause; none if all samples are of one kind.

    Args:
        table: a summary table, see :func:`probes.summary.summary`; scores that it lacks are left out.
        gates: names of the run's gates; the scores of the gate are given for each.
    """
    inside = members(table)
    targets = [name for name in inside if name not in ("all", "clean")]
    if not targets or "clean" not in inside:
        return ()
    found = []
    for name, score in PROBES.items():
        for gate in gates if score.needs == "gate" else (None,):
            column = score.column if gate is None else gate_column(score.column, gate, gates)
            if column not in table:
                continue
            for target in targets:
                rows = inside[target] | inside["clean"]
                result = auroc(table[column][rows], inside[target][rows], score.direction)
                found.append(ScoreSeparation(name, gate, score.direction, target, result))
    return tuple(found)
