"""The score sheet of a run: the median of each score in each group of samples, and the hardest samples."""

import difflib
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from memgate.console import Form
from memgate.errors import MemgateError
from memgate.log.format import UNKNOWN
from memgate.runs.run import Run, command
from noise.files.json_form import json_text
from probes.dynamics.snapshot import Snapshot
from probes.report.document import Block, Lines, layout, table_of
from probes.samples.columns import gate_column, shown_gates
from probes.samples.groups import members
from probes.samples.notes import (
    IDENTITY,
    TRUTH_UNKNOWN,
    damaged_epochs,
    epochs_not_logged,
    of_subset,
    passes_of,
)
from probes.scores.catalogue import SCORES
from probes.scores.table import ScoreColumn, origins, score_columns, suspicion
from probes.stats.estimate import short
from probes.stats.intervals import median_interval

SCHEMA = "memgate-scores/1"
QUANTILES = (0.05, 0.25, 0.75, 0.95)
MEDIANS = "Medians; in brackets their 95 % intervals over samples (order statistics)."
NEVER = "never: a sample without the event ranks as harder than any epoch or count; 'missing' counts these samples."


@dataclass(frozen=True)
class Median:
    """The median of one score in one group."""

    group: str
    """A group of :func:`probes.samples.groups.members`."""
    n: int
    """Number of ranked samples."""
    value: float | None
    """None where no sample is ranked; inf where the median sample was never learned, or its loss is infinite."""
    low: float | None
    high: float | None


@dataclass(frozen=True)
class ScoreRow:
    """One score of a run."""

    column: str
    title: str
    gate: str | None
    """Gate of the score; None for a score without gate."""
    harder: str
    """``high`` or ``low``."""
    range: str
    needs: str
    missing: int
    """Number of samples that are not ranked: never seen, not probed, or undefined."""
    never: int
    """Number of samples without a value that rank as hardest, since the event that is timed or counted never
    happened."""
    never_what: str
    """Name of that event; see :class:`probes.scores.catalogue.Score`."""
    medians: tuple[Median, ...]
    """One for each group; only ``all`` where no sample is corrupted, or all are by the same cause."""
    quantiles: tuple[float, ...]
    """At :data:`QUANTILES`, where ``all`` is the only group; else empty."""


@dataclass(frozen=True)
class HardSample:
    """One of the hardest samples by one score."""

    sample_id: int
    given_label: str
    clean_label: str
    cause: str
    value: float | None
    """None: never learned, or never skipped."""


@dataclass(frozen=True)
class ScoreSheet:
    """The scores of a split of a run, as plain values; ``str(sheet)`` is the text of ``memgate score``."""

    run: str
    split: str
    state: str
    epoch: int
    """The last evaluated epoch."""
    planned: int
    logged: int
    """Number of evaluated epochs."""
    mode: str
    """``eval`` or ``online``."""
    groups: dict[str, int]
    """Group to its number of samples."""
    rows: tuple[ScoreRow, ...]
    by: str
    """Column by which the samples below are the hardest."""
    hardest: tuple[HardSample, ...]
    notes: tuple[str, ...]
    schema: str = SCHEMA

    def text(self, form: Form = "terminal") -> str:
        """The sheet as plain text, Markdown or JSON, in which undefined, infinite and "never" are null."""
        return json_text(asdict(self), indent=2) if form == "json" else layout(*_parts(self), form)

    def __str__(self) -> str:
        return self.text()


def score_sheet(run: Run, snapshot: Snapshot, table: pd.DataFrame, top: int, by: str) -> ScoreSheet:
    """The score sheet of a table of scores.

    Args:
        run: the run.
        snapshot: the epochs from which the table was made.
        table: see :func:`probes.scores.table.snapshot_scores`.
        top: number of hardest samples to list.
        by: column of the score by which they are the hardest.

    Raises:
        MemgateError: the table has no such score.
    """
    log = snapshot.log
    scores = list(score_columns(table, log.gates, tuple(SCORES.values())))
    groups = _shown_groups(table)
    chosen = {score.column: score for score in scores}.get(by)
    if chosen is None:
        raise MemgateError(_reason_without(by, run, snapshot))
    two_way = run.outline.gate_is_two_way
    rows = tuple(_row(score, table, groups, two_way) for score in scores)
    return ScoreSheet(
        run=run.name,
        split=snapshot.split,
        state=run.status().state,
        epoch=int(snapshot.epochs[-1]),
        planned=int(log.planned[-1]),
        logged=len(snapshot.epochs),
        mode=log.mode,
        groups={name: int(mask.sum()) for name, mask in groups.items()},
        rows=rows,
        by=by,
        hardest=_hardest(chosen, table, top, log.class_names),
        notes=_notes(run, snapshot, table, rows),
    )


def _shown_groups(table: pd.DataFrame) -> dict[str, NDArray[np.bool_]]:
    """Group to its mask [N], without groups that repeat another one."""
    groups = members(table)
    if len(groups) <= 2 or ("clean" not in groups and len(groups) == 3):  # all of one kind
        return {"all": groups["all"]}
    del groups["all"]
    alike = [name for name in groups if name != "corrupted" and (groups[name] == groups["corrupted"]).all()]
    if alike:
        del groups["corrupted"]
    return groups


def _row(
    column: ScoreColumn, table: pd.DataFrame, groups: dict[str, NDArray[np.bool_]], two_way: bool
) -> ScoreRow:
    score, turned = column.score, suspicion(table, column.column, column.score)
    known = ~np.isnan(turned)
    never = table[column.column].isna().to_numpy(bool) & known
    medians = []
    for name, mask in groups.items():
        ranked = turned[mask & known] * score.direction
        estimate = [None if math.isnan(value) else value for value in median_interval(ranked)]
        medians.append(Median(name, len(ranked), *estimate))
    quantiles = ()
    if list(groups) == ["all"] and known.any():
        levels = np.quantile(turned[known] * score.direction, QUANTILES, method="inverted_cdf")
        quantiles = tuple(levels.tolist())
    title = score.title if column.column == score.column else f"{score.title} ({column.gate})"
    return ScoreRow(
        column=column.column,
        title=title,
        gate=column.gate,
        harder=score.suspicious,
        range=score.range_of(two_way),
        needs=score.needs,
        missing=int((~known).sum()),
        never=int(never.sum()),
        never_what=score.never,
        medians=tuple(medians),
        quantiles=quantiles,
    )


def _hardest(
    column: ScoreColumn, table: pd.DataFrame, top: int, names: Sequence[str]
) -> tuple[HardSample, ...]:
    """The hardest samples, ties by rising ids; samples without the score are left out."""
    turned = suspicion(table, column.column, column.score)
    order = np.argsort(-turned, kind="stable")
    rows = table.iloc[order[~np.isnan(turned[order])][:top]]
    values = rows[column.column].to_numpy(np.float64, na_value=np.nan)
    labels = [
        [UNKNOWN if pd.isna(label) else names[int(label)] for label in rows[which]]
        for which in ("given_label", "clean_label")
    ]
    return tuple(
        HardSample(sample, given, clean, cause, None if math.isnan(value) else value)
        for sample, given, clean, cause, value in zip(
            rows["sample_id"].tolist(), *labels, rows["cause"].tolist(), values.tolist(), strict=True
        )
    )


def _reason_without(by: str, run: Run, snapshot: Snapshot) -> str:
    """One sentence that says why a table lacks a score."""
    score, gates = SCORES.get(by), snapshot.log.gates
    if score is None:
        close = difflib.get_close_matches(by, SCORES)
        guess = f" Did you mean {close[0]}?" if close else ""
        return f"There is no score {by!r}.{guess} 'memgate scores' lists them."
    if score.needs == "checkpoint":
        return (
            f"{run.name} has no {by} of its {snapshot.split} samples up to epoch {snapshot.epochs[-1]}: "
            f"ask its network first, {command(f'probe {score.probe}', run.path)}."
        )
    if score.needs == "macs":
        return f"{run.name} has no {by}: no gate of its network closes, so every sample needs the same MACs."
    if not gates:
        return f"{run.name} has no {by}: its network has no gate."
    return (
        f"{run.name} has {len(gates)} gates, and {by} is of one: put the gate in its name, such as "
        f"{gate_column(by, gates[-1], gates)}."
    )


def _notes(run: Run, snapshot: Snapshot, table: pd.DataFrame, rows: Sequence[ScoreRow]) -> tuple[str, ...]:
    """Sentences that are needed to read the numbers correctly."""
    log, notes = snapshot.log, [MEDIANS]
    if not snapshot.samples.truth_known:
        notes.append(TRUTH_UNKNOWN)
    if any(row.never for row in rows):
        notes.append(NEVER)
    notes.append(passes_of(run, log, snapshot.split))
    if run.outline.gate_is_entropy:
        notes.append(IDENTITY)
    for column, epoch in origins(table).items():
        n = np.count_nonzero(table[column].notna())
        notes.append(f"{column}: from the checkpoint of {epoch}, {n} of {len(table)} samples probed.")
    last = int(snapshot.epochs[-1])
    return (
        *notes,
        *(of_subset(log) if snapshot.split == "train" else ()),
        *table.attrs["notes"],
        *epochs_not_logged(log, last),
        *damaged_epochs(log, [snapshot.split]),
    )


def _parts(sheet: ScoreSheet) -> tuple[str, list[Block]]:
    """Title and blocks of the document."""
    title = (
        f"{sheet.run}: scores of {sheet.split} at epoch {sheet.epoch} of {sheet.planned} "
        f"({sheet.logged} logged epochs, {sheet.state}, log mode {sheet.mode})"
    )
    sizes = ", ".join(f"{name} {n}" for name, n in sheet.groups.items())
    gates = tuple(dict.fromkeys(row.gate for row in sheet.rows if row.gate is not None))
    shown = shown_gates(gates)
    cells = [_cells(row) for row in sheet.rows if row.gate is None or row.gate in shown]
    blocks: list[Block] = [f"Samples: {sizes}.", table_of("", cells)]
    if len(shown) < len(gates):
        blocks.append(
            f"Of the {len(gates)} gates {', '.join(shown)} are shown; --format json and --out have them all."
        )
    if sheet.hardest:
        hardest = [_sample_cells(sample, sheet.by) for sample in sheet.hardest]
        blocks.append(table_of(f"The hardest {len(sheet.hardest)} by {sheet.by}:", hardest))
    return title, [*blocks, Lines(sheet.notes)]


def _cells(row: ScoreRow) -> dict[str, str]:
    cells = {
        "column": row.column,
        "score": row.title,
        "harder": row.harder,
        "range": row.range,
        "needs": row.needs,
    }
    word = "never" if row.never_what else "inf"
    for median in row.medians:
        name = "median" if median.group == "all" else median.group
        cells[name] = _number(median.value, word)
        if median.low is not None:
            cells[name] += f" [{_number(median.low, word)}, {_number(median.high, word)}]"
    for level, value in zip(QUANTILES, row.quantiles, strict=False):
        cells[f"{level:.0%}"] = _number(value, word)
    cells["missing"] = str(row.missing)
    if row.never:
        cells["missing"] += f" (+{row.never} never {row.never_what})"
    return cells


def _sample_cells(sample: HardSample, by: str) -> dict[str, str]:
    return {
        "sample": str(sample.sample_id),
        "given label": sample.given_label,
        "clean label": sample.clean_label,
        "cause": sample.cause,
        by: "never" if sample.value is None else _number(sample.value, "inf"),
    }


def _number(value: float | None, infinite: str) -> str:
    if value is None:
        return "-"
    return infinite if math.isinf(value) else short(value)
