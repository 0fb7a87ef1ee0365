"""How well each score of a table separates corrupted from clean samples.

Positive means corrupted. Every figure is that of the score turned by its direction, so that high is suspicious: an
AUROC below 0.5 is worse than chance and is never flipped silently.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from memgate import console
from memgate.errors import require
from probes.samples.groups import members
from probes.scores.catalogue import SCORES, Score
from probes.scores.detection import Separation, weighted_detection
from probes.scores.table import score_columns, suspicion
from probes.stats.bootstrap import resampled
from probes.stats.estimate import Estimate


@dataclass(frozen=True, eq=False)
class ScoreValues:
    """The values of one score for n samples."""

    name: str
    """A key of :data:`probes.scores.catalogue.SCORES`."""
    gate: str | None
    score: Score
    hardness: NDArray[np.float64]
    """[n] the score, turned so that high is harder and more suspicious; NaN is missing, and inf where the event that
    it counts or times never happened (:attr:`probes.scores.catalogue.Score.never`)."""


def score_values(table: pd.DataFrame, gates: Sequence[str]) -> list[ScoreValues]:
    """Every score that a table has, the gate scores once for each gate.

    Args:
        table: a table of scores, see :func:`probes.scores.table.score_table`; scores that it lacks are left out.
        gates: names of the run's gates.
    """
    return [
        ScoreValues(
            column.score.column, column.gate, column.score, suspicion(table, column.column, column.score)
        )
        for column in score_columns(table, gates, tuple(SCORES.values()))
    ]


@dataclass(frozen=True)
class ScoreSeparation:
    """How well one score finds one kind of corrupted samples among the clean ones; positive is corrupted."""

    score: str
    """A key of :data:`probes.scores.catalogue.SCORES`."""
    gate: str | None
    direction: int
    """+1: high is suspicious; -1: low is."""
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
    """How well every score finds the corrupted samples, all of them and those of each cause and kind.

    Args:
        table: a table of scores, see :func:`probes.scores.table.score_table`; scores that it lacks are left out.
        gates: names of the run's gates; the gate scores are given for each.
        resamples: bootstrap resamples for the intervals of all but AUROC, which needs none; 0 for no interval.
            Every score sees the same resamples, so that two scores can be compared.
        seed: of the resamples.

    Returns:
        A row for each score, gate and group; () where the table has no corrupted or no clean samples.

    Raises:
        MemgateError: the run has no such gate.

    Example:
        >>> import probes
        >>> rows = probes.separations(probes.score_table(run), run.sample_log().gates)
        >>> loss = next(row for row in rows if row.score == "loss_mean" and row.against == "corrupted")
        >>> 0 <= loss.auroc.low <= loss.auroc.value <= loss.auroc.high <= 1
        True
    """
    known = table.attrs.get("gates")
    wrong = [gate for gate in gates if known is not None and gate not in known]
    require(
        not wrong,
        f"The table has no gate {wrong[0] if wrong else ''!r}: the run has {', '.join(known or ()) or 'none'}.",
    )
    groups = members(table)
    targets = [name for name in groups if name not in ("all", "clean")]
    if not targets or "clean" not in groups:
        return ()
    weights = {
        name: resampled(int(groups[name].sum()), resamples, seed, name) for name in ("clean", *targets)
    }
    scores = score_values(table, gates)
    # No progress bar without resamples: it takes no time, and the dashboard calls it.
    shown = console.progress(scores, len(scores), "bootstrap") if resamples else scores
    return tuple(row for values in shown for row in _separations_of(values, groups, targets, weights))


def _separations_of(
    values: ScoreValues,
    groups: Mapping[str, NDArray[np.bool_]],
    targets: Sequence[str],
    weights: Mapping[str, NDArray[np.uint16]],
) -> Iterator[ScoreSeparation]:
    """A row of one score for each target group; a group that is all of the corruption repeats the pooled figures."""
    clean = values.hardness[groups["clean"]]
    pooled: ScoreSeparation | None = None
    for target in targets:
        if pooled is not None and (groups[target] == groups["corrupted"]).all():
            yield replace(pooled, against=target)
            continue
        corrupted = values.hardness[groups[target]]
        hardness = np.concatenate([corrupted, clean])
        positive = np.arange(len(hardness)) < len(corrupted)
        figures = weighted_detection(
            hardness, positive, np.concatenate([weights[target], weights["clean"]], axis=1)
        )
        row = ScoreSeparation(values.name, values.gate, values.score.direction, target, **vars(figures))
        pooled = pooled or row
        yield row
