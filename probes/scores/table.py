"""The table of scores: the summary of the log, and the scores that probes have computed from checkpoints."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce

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
"""Variant that is the score, for probes in which the variants give a value different meanings."""


@dataclass(frozen=True)
class ScoreColumn:
    """A score in a table."""

    column: str
    """Name of the column; with several gates it contains the gate's name."""
    score: Score
    gate: str | None


@dataclass(frozen=True, eq=False)
class StoredScore:
    """Values of a score that a probe has stored."""

    score: Score
    probe: str
    variant: str
    epoch: int
    """Epoch of the checkpoint; of a mean over checkpoints, of the last."""
    sample_id: NDArray[np.int64]
    """[n] ids of the probed samples."""
    values: NDArray
    """[n]."""
    averaged: tuple[int, ...] = ()
    """Epochs of the checkpoints over which the values are a mean; () for those of one checkpoint."""

    @property
    def by_id(self) -> pd.Series:
        """The values as float32, indexed by sample id."""
        return pd.Series(self.values.astype(np.float32), index=self.sample_id)


def score_table(run: Run, split: str = "train", until: int | None = None) -> pd.DataFrame:
    """Table of N rows with every available score of the samples of a split, sorted by ``sample_id``.

    Args:
        run: with at least one finished epoch.
        split: a split of its log.
        until: last epoch considered, counted from 1; None for all.

    Returns:
        The columns of :func:`probes.dynamics.summary.summary` and a column for each score that probes have stored,
        from the latest probed checkpoint that is not after the table's last epoch; NaN for a sample that was not
        probed. ``attrs["checkpoints"]`` has the epoch of the checkpoint by column (the last, of a mean over several,
        whose epochs are in ``attrs["averaged"]``), ``attrs["gates"]`` the names of the gates, and ``attrs["notes"]`` a
        sentence for each damaged file of results.

    Raises:
        MemgateError: no finished epoch (until ``until``), or no such split.

    Example:
        >>> import probes
        >>> table = probes.score_table(run)
        >>> hardest = table.nlargest(5, "loss_mean")
        >>> hardest["loss_mean"].is_monotonic_decreasing, table.attrs["checkpoints"]
        (True, {})
    """
    snapshot = take_snapshot(run, split)
    return snapshot_scores(run, snapshot if until is None else snapshot.until(until))


def snapshot_scores(run: Run, snapshot: Snapshot) -> pd.DataFrame:
    """:func:`score_table` of a snapshot."""
    table = summary_table(snapshot, run.manifest.header.operations)
    stored, notes = stored_scores(run, snapshot.split, int(snapshot.epochs[-1]))
    for values in stored:
        table[values.score.column] = values.by_id.reindex(table["sample_id"]).to_numpy()
    table.attrs["checkpoints"] = {values.score.column: values.epoch for values in stored}
    table.attrs["averaged"] = {values.score.column: values.averaged for values in stored if values.averaged}
    table.attrs["notes"] = list(notes)
    table.attrs["gates"] = list(snapshot.log.gates)
    return table


def stored_scores(run: Run, split: str, until: int) -> tuple[tuple[StoredScore, ...], tuple[str, ...]]:
    """The checkpoint scores that the run's probes have stored.

    Args:
        run: the run.
        split: the split of the samples.
        until: last epoch of a checkpoint to consider. The latest checkpoint is taken; of two variants of the same
            epoch that both have the score, the one with more samples. A mean over checkpoints is of the samples that
            all of them have, and needs two.

    Returns:
        The scores, and a sentence for each damaged file of results; its scores are left out.
    """
    probes, notes = {}, []
    for probe in dict.fromkeys(score.probe for score in CHECKPOINT):
        try:
            probes[probe] = load_results(run, probe)
        except MemgateError as error:
            probes[probe] = ()
            lost = ", ".join(score.column for score in CHECKPOINT if score.probe == probe)
            notes.append(f"Without {lost}: {error}")
    stored = []
    for score in CHECKPOINT:
        name = score.mean_of or score.column
        usable = [r for r in probes[score.probe] if r.split == split and r.epoch <= until and _has(r, name)]
        if score.mean_of:
            stored += _averaged(score, usable)
        elif usable:
            best = max(usable, key=lambda result: (result.epoch, len(result.sample_id)))
            values = best.values[name]
            stored.append(StoredScore(score, best.probe, best.variant, best.epoch, best.sample_id, values))
    return tuple(stored), tuple(notes)


def _has(result: ProbeResult, name: str) -> bool:
    wanted = VARIANTS.get(result.probe, result.variant)
    return result.variant == wanted and name in result.values


def _averaged(score: Score, results: Sequence[ProbeResult]) -> list[StoredScore]:
    """The mean of a stored value over checkpoints, of the samples that all have; [] for fewer than two of them.

    Args:
        score: the score.
        results: with the value, by rising epochs; of two of an epoch the one with more samples counts.
    """
    by_epoch = {one.epoch: one for one in sorted(results, key=lambda result: len(result.sample_id))}
    results = [by_epoch[epoch] for epoch in sorted(by_epoch)]
    ids = reduce(np.intersect1d, (result.sample_id for result in results)) if results else np.arange(0)
    if len(results) < 2 or len(ids) == 0:
        return []
    columns = [
        pd.Series(result.values[score.mean_of], index=result.sample_id).reindex(ids).to_numpy()
        for result in results
    ]
    last = results[-1]
    mean = np.stack(columns).mean(axis=0, dtype=np.float64)
    epochs = tuple(result.epoch for result in results)
    return [StoredScore(score, last.probe, last.variant, last.epoch, ids, mean, epochs)]


def origins(table: pd.DataFrame) -> dict[str, str]:
    """Column of a score from checkpoints to the epoch that it is of, in words: ``epoch 30``, ``epochs 10, 20 (mean)``.

    Args:
        table: of :func:`score_table`.
    """
    averaged = table.attrs["averaged"]
    return {
        column: f"epochs {', '.join(map(str, averaged[column]))} (mean)"
        if column in averaged
        else f"epoch {epoch}"
        for column, epoch in table.attrs["checkpoints"].items()
    }


def score_columns(
    table: pd.DataFrame, gates: Sequence[str], scores: Sequence[Score]
) -> Iterator[ScoreColumn]:
    """The columns of a table that are one of ``scores``, in their order; gate scores once for each gate."""
    for score in scores:
        for gate in gates if score.needs == "gate" else (None,):
            column = score.column if gate is None else gate_column(score.column, gate, gates)
            if column in table:
                yield ScoreColumn(column, score, gate)


def suspicion(table: pd.DataFrame, column: str, score: Score) -> NDArray[np.float64]:
    """A column of a table of scores turned so that high is harder, [N].

    See :meth:`probes.scores.catalogue.Score.suspicion`.
    """
    values = table[column].to_numpy(np.float64, na_value=np.nan)
    seen = (table["epochs_logged"] > 0).to_numpy(bool)
    # Of a gate's event, the gate's name follows in both.
    observed = column.replace(score.column, score.observed)
    if score.never and observed in table:
        seen = seen & table[observed].notna().to_numpy(bool)
    return score.suspicion(values, seen)
