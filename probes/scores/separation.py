"""How well a score tells corrupted samples from clean ones.

Positive means corrupted. A score declares its direction, and every figure here is given with the score turned
so that high means suspicious: below one half is worse than chance, and never silently flipped.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from memgate import console
from probes.samples.groups import members
from probes.scores.catalogue import SCORES, Score
from probes.scores.detection import detection_figures
from probes.scores.table import score_columns, suspicion
from probes.stats.bootstrap import resampled
from probes.stats.estimate import Estimate
from probes.stats.intervals import auroc_interval
from probes.stats.ranking import order


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
        order(values, positive).ranking().auroc,
        None if np.isnan(low) else low,
        None if np.isnan(high) else high,
        *counts,
    )


@dataclass(frozen=True, eq=False)
class Column:
    """One score of every sample."""

    name: str
    """A key of :data:`probes.scores.catalogue.SCORES`."""
    gate: str | None
    score: Score
    hardness: NDArray[np.float64]
    """[n] the score, turned so that high is harder and more suspicious; NaN is missing, and inf where what it
    counts or times never happened (:attr:`probes.scores.catalogue.Score.never`)."""


def columns(table: pd.DataFrame, gates: Sequence[str]) -> list[Column]:
    """Every score that a table has, those of the gate for each gate.

    Args:
        table: a table of scores, see :func:`probes.scores.table.score_table`; those that it lacks are left out.
        gates: names of the run's gates.
    """
    return [
        Column(found.score.column, found.gate, found.score, suspicion(table, found.column, found.score))
        for found in score_columns(table, gates, tuple(SCORES.values()))
    ]


@dataclass(frozen=True)
class ScoreSeparation:
    """How well one score finds one kind of corrupted samples among the clean ones; positive is corrupted."""

    score: str
    """A key of :data:`probes.scores.catalogue.SCORES`."""
    gate: str | None
    direction: int
    against: str
    """A group of :func:`probes.samples.groups.members`, against the clean samples."""
    auroc: Separation
    average_precision: Estimate
    """:func:`probes.scores.detection.average_precision`; chance is ``prevalence``."""
    precision_at_k: Estimate
    """:func:`probes.scores.detection.precision_at_k`, k = number of corrupted samples that have the score; chance is
    ``prevalence``."""
    fpr95: Estimate
    """:func:`probes.scores.detection.fpr95`; low is good, chance is 0.95."""
    prevalence: float | None
    """Share of the corrupted among those of both groups that have the score."""


def separations(
    table: pd.DataFrame, gates: Sequence[str], resamples: int = 0, seed: int = 0
) -> tuple[ScoreSeparation, ...]:
    """How well every score finds the corruption, pooled and per cause; nothing if all samples are of one kind.

    Args:
        table: a table of scores, see :func:`probes.scores.table.score_table`; those that it lacks are left out.
        gates: names of the run's gates; the scores of the gate are given for each.
        resamples: bootstrap resamples for the intervals of all but AUROC, which needs none; 0 for no interval.
            Every score sees the same ones, so that two scores can be compared.
        seed: of the resamples.
    """
    inside = members(table)
    targets = [name for name in inside if name not in ("all", "clean")]
    if not targets or "clean" not in inside:
        return ()
    weights = {
        name: resampled(int(inside[name].sum()), resamples, seed, name) for name in ("clean", *targets)
    }
    scores = columns(table, gates)
    # Without resamples it is done at once, and the dashboard asks for it.
    shown = console.progress(scores, len(scores), "bootstrap") if resamples else scores
    return tuple(found for column in shown for found in _separations_of(column, inside, targets, weights))


def _separations_of(
    column: Column,
    inside: Mapping[str, NDArray[np.bool_]],
    targets: Sequence[str],
    weights: Mapping[str, NDArray[np.uint16]],
) -> Iterator[ScoreSeparation]:
    """One score against every target; a cause that is all of the corruption has the pooled figures."""
    clean = column.hardness[inside["clean"]]
    pooled: ScoreSeparation | None = None
    for target in targets:
        if pooled is not None and (inside[target] == inside["corrupted"]).all():
            yield replace(pooled, against=target)
            continue
        corrupted = column.hardness[inside[target]]
        hardness = np.concatenate([corrupted, clean])
        positive = np.arange(len(hardness)) < len(corrupted)
        area = auroc(hardness, positive, 1)
        n = area.n_positive + area.n_negative
        found = detection_figures(
            hardness, positive, np.concatenate([weights[target], weights["clean"]], axis=1)
        )
        prevalence = area.n_positive / n if n else None
        row = ScoreSeparation(
            column.name, column.gate, column.score.direction, target, area, *found, prevalence=prevalence
        )
        pooled = pooled or row
        yield row
