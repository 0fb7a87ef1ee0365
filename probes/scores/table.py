"""The table of scores: the summary of the log beside what probes have found out from checkpoints."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from memgate.errors import MemgateError
from memgate.runs.run import Run
from probes.dynamics.snapshot import Snapshot, take_snapshot
from probes.dynamics.summary import summary_table
from probes.result import ProbeResult, load_results
from probes.samples.columns import gate_column
from probes.scores.catalogue import CHECKPOINT, Score

VARIANTS = {"csr": "first-order"}
"""Of a probe whose variants mean different things by one value: the one that is a score."""


@dataclass(frozen=True)
class ScoreColumn:
    """A score in a table."""

    column: str
    """As the table has it: of several gates, the gate's name is in it."""
    score: Score
    gate: str | None


@dataclass(frozen=True, eq=False)
class StoredScore:
    """A score that a probe has stored."""

    score: Score
    probe: str
    variant: str
    epoch: int
    """Of the checkpoint."""
    sample_id: NDArray[np.int64]
    """[n]: who was probed."""
    values: NDArray
    """[n]."""

    @property
    def by_id(self) -> pd.Series:
        """The values as float32 under their samples' ids."""
        return pd.Series(self.values.astype(np.float32), index=self.sample_id)


def score_table(run: Run, split: str = "train", until: int | None = None) -> pd.DataFrame:
    """Every score of a run that exists, one row per sample, sorted by ``sample_id``.

    The columns of :func:`probes.dynamics.summary.summary`, and beside them those of :func:`stored_scores`: each from
    the latest checkpoint that was probed and is not after the table's last epoch; which one that is, is in the
    table's ``attrs["checkpoints"]`` (column to epoch). NaN for a sample that was not probed; what nobody has
    been probed for has no column. ``attrs["notes"]`` lists, a sentence each, what a damaged file has cost.

    Args:
        run: with at least one finished epoch.
        split: a split of its log.
        until: leave out later epochs. None: all.

    Raises:
        MemgateError: no finished epoch, or no such split.
    """
    snapshot = take_snapshot(run, split)
    return snapshot_scores(run, snapshot if until is None else snapshot.until(until))


def snapshot_scores(run: Run, snapshot: Snapshot) -> pd.DataFrame:
    """:func:`score_table` of a snapshot."""
    table = summary_table(snapshot, run.manifest.header.operations)
    stored, notes = stored_scores(run, snapshot.split, int(snapshot.epochs[-1]))
    for found in stored:
        table[found.score.column] = found.by_id.reindex(table["sample_id"]).to_numpy()
    table.attrs["checkpoints"] = {found.score.column: found.epoch for found in stored}
    table.attrs["notes"] = list(notes)
    return table


def stored_scores(run: Run, split: str, until: int) -> tuple[tuple[StoredScore, ...], tuple[str, ...]]:
    """The scores from checkpoints that the run's probes have stored.

    Args:
        run: whose.
        split: the samples.
        until: no checkpoint after this epoch counts. Of those that do, the latest has the word; of two
            variants of one epoch that both have the score, the one with more samples.

    Returns:
        The scores, and a sentence for each damaged file of results: what it would have had is left out.
    """
    probes, notes = {}, []
    for probe in dict.fromkeys(score.probe for score in CHECKPOINT):
        try:
            probes[probe] = load_results(run, probe)
        except MemgateError as error:
            probes[probe] = ()
            lost = ", ".join(score.column for score in CHECKPOINT if score.probe == probe)
            notes.append(f"Without {lost}: {error}")
    found = []
    for score in CHECKPOINT:
        usable = [r for r in probes[score.probe] if r.split == split and r.epoch <= until and _has(r, score)]
        if usable:
            best = max(usable, key=lambda result: (result.epoch, len(result.sample_id)))
            values = best.values[score.column]
            found.append(StoredScore(score, best.probe, best.variant, best.epoch, best.sample_id, values))
    return tuple(found), tuple(notes)


def _has(result: ProbeResult, score: Score) -> bool:
    wanted = VARIANTS.get(result.probe, result.variant)
    return result.variant == wanted and score.column in result.values


def score_columns(
    table: pd.DataFrame, gates: Sequence[str], scores: Sequence[Score]
) -> Iterator[ScoreColumn]:
    """The scores that a table has, in the order of ``scores``; those of the gate for each gate."""
    for score in scores:
        for gate in gates if score.needs == "gate" else (None,):
            column = score.column if gate is None else gate_column(score.column, gate, gates)
            if column in table:
                yield ScoreColumn(column, score, gate)


def suspicion(table: pd.DataFrame, column: str, score: Score) -> NDArray[np.float64]:
    """A score of a table turned so that high is harder, [N]; see :meth:`probes.scores.catalogue.Score.suspicion`."""
    values = table[column].to_numpy(np.float64, na_value=np.nan)
    return score.suspicion(values, (table["epochs_logged"] > 0).to_numpy(bool))
