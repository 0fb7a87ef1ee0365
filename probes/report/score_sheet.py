"""What the scores of a run are in each group of its samples, and which samples are hardest, for people."""

import difflib
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tabulate import tabulate

from memgate.errors import MemgateError
from memgate.runs.run import Run, command
from probes.dynamics.snapshot import Snapshot
from probes.samples.columns import gate_column, shown_gates
from probes.samples.groups import members
from probes.samples.notes import IDENTITY, ONLINE, damaged_epochs, epochs_not_logged
from probes.scores.catalogue import SCORES
from probes.scores.table import ScoreColumn, score_columns, suspicion
from probes.stats.intervals import median_interval

SCHEMA = "memgate-scores/1"
QUANTILES = (0.05, 0.25, 0.75, 0.95)
MEDIANS = "Medians; in brackets their 95 % intervals over samples (order statistics)."
NEVER = (
    "never: what never happened ranks as harder than any epoch or count; how many samples that are stands under "
    "'missing'."
)


@dataclass(frozen=True)
class Median:
    """The middle of one score in one group."""

    group: str
    """As in :func:`probes.samples.groups.members`."""
    n: int
    """Samples that are ranked."""
    value: float | None
    """None where nothing is ranked; inf where the middle sample never was learned, or its loss is infinite."""
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Row:
    """One score."""

    column: str
    title: str
    gate: str | None
    """Whose score it is; None where it is no gate's."""
    harder: str
    """``high`` or ``low``."""
    range: str
    needs: str
    missing: int
    """Samples that are not ranked: never seen, not probed, or undefined."""
    never: int
    """Samples that rank as hardest without a number: what it is the time or count of never happened."""
    never_what: str
    """What, in a word; see :class:`probes.scores.catalogue.Score`."""
    medians: tuple[Median, ...]
    """Of each group; only of ``all`` where nothing was done to any sample, or the same to every one."""
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
    """The scores of a split of a run, as plain values."""

    run: str
    split: str
    state: str
    epoch: int
    """The last epoch that counts."""
    planned: int
    logged: int
    """Epochs that count."""
    mode: str
    """``eval`` or ``online``."""
    groups: dict[str, int]
    """Group to its number of samples."""
    rows: tuple[Row, ...]
    by: str
    """Column by which the samples below are the hardest."""
    hardest: tuple[HardSample, ...]
    notes: tuple[str, ...]
    schema: str = SCHEMA


def score_sheet(run: Run, snapshot: Snapshot, table: pd.DataFrame, top: int, by: str) -> ScoreSheet:
    """Look at a table of scores.

    Args:
        run: whose.
        snapshot: what the table was made from.
        table: see :func:`probes.scores.table.snapshot_scores`.
        top: how many of the hardest samples to list.
        by: by which score: a column of the table.

    Raises:
        MemgateError: the table has no such score.
    """
    log = snapshot.log
    found = list(score_columns(table, log.gates, tuple(SCORES.values())))
    inside = _shown_groups(table)
    chosen = {one.column: one for one in found}.get(by)
    if chosen is None:
        raise MemgateError(_without(by, run, snapshot))
    rows = tuple(_row(one, table, inside) for one in found)
    return ScoreSheet(
        run=run.name,
        split=snapshot.split,
        state=run.status().shown,
        epoch=int(snapshot.epochs[-1]),
        planned=int(log.planned[-1]),
        logged=len(snapshot.epochs),
        mode=log.mode,
        groups={name: int(who.sum()) for name, who in inside.items()},
        rows=rows,
        by=by,
        hardest=_hardest(chosen, table, top, log.class_names),
        notes=_notes(run, snapshot, table, rows),
    )


def _shown_groups(table: pd.DataFrame) -> dict[str, NDArray[np.bool_]]:
    """The groups to compare; without those that repeat another."""
    inside = members(table)
    if len(inside) <= 2 or ("clean" not in inside and len(inside) == 3):  # all of one kind
        return {"all": inside["all"]}
    del inside["all"]
    alike = [name for name in inside if name != "corrupted" and (inside[name] == inside["corrupted"]).all()]
    if alike:
        del inside["corrupted"]
    return inside


def _row(one: ScoreColumn, table: pd.DataFrame, inside: dict[str, NDArray[np.bool_]]) -> Row:
    score, turned = one.score, suspicion(table, one.column, one.score)
    known = ~np.isnan(turned)
    never = table[one.column].isna().to_numpy(bool) & known
    medians = []
    for name, who in inside.items():
        ranked = turned[who & known] * score.direction
        middle = [None if math.isnan(end) else end for end in median_interval(ranked)]
        medians.append(Median(name, len(ranked), *middle))
    quantiles = ()
    if list(inside) == ["all"] and known.any():
        levels = np.quantile(turned[known] * score.direction, QUANTILES, method="inverted_cdf")
        quantiles = tuple(levels.tolist())
    title = score.title if one.column == score.column else f"{score.title} ({one.gate})"
    return Row(
        one.column, title, one.gate, score.suspicious, score.range, score.needs, int((~known).sum()), int(never.sum()),
        score.never, tuple(medians), quantiles,
    )  # fmt: skip


def _hardest(one: ScoreColumn, table: pd.DataFrame, top: int, names: Sequence[str]) -> tuple[HardSample, ...]:
    """Ties in the order of the sample ids; samples without the score are left out."""
    turned = suspicion(table, one.column, one.score)
    order = np.argsort(-turned, kind="stable")
    rows = table.iloc[order[~np.isnan(turned[order])][:top]]
    values = rows[one.column].to_numpy(np.float64, na_value=np.nan)
    labels = [[names[int(label)] for label in rows[which]] for which in ("given_label", "clean_label")]
    return tuple(
        HardSample(sample, given, clean, cause, None if math.isnan(value) else value)
        for sample, given, clean, cause, value in zip(
            rows["sample_id"].tolist(), *labels, rows["cause"].tolist(), values.tolist(), strict=True
        )
    )


def _without(by: str, run: Run, snapshot: Snapshot) -> str:
    """Why a table lacks a score, in a sentence."""
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
    if not gates:
        return f"{run.name} has no {by}: its network has no gate."
    return (
        f"{run.name} has {len(gates)} gates, and {by} is of one: put the gate in its name, such as "
        f"{gate_column(by, gates[-1], gates)}."
    )


def _notes(run: Run, snapshot: Snapshot, table: pd.DataFrame, rows: Sequence[Row]) -> tuple[str, ...]:
    """What the reader must know to read the numbers right."""
    log, notes = snapshot.log, [MEDIANS]
    if any(row.never for row in rows):
        notes.append(NEVER)
    if log.mode == "online" and snapshot.split == "train":
        notes.append(ONLINE)
    if run.outline.gate_is_entropy:
        notes.append(IDENTITY)
    for column, epoch in table.attrs["checkpoints"].items():
        n = np.count_nonzero(table[column].notna())
        notes.append(f"{column}: from the checkpoint of epoch {epoch}, {n} of {len(table)} samples probed.")
    last = int(snapshot.epochs[-1])
    return (
        *notes,
        *table.attrs["notes"],
        *epochs_not_logged(log, last),
        *damaged_epochs(log, [snapshot.split]),
    )


def to_json(sheet: ScoreSheet) -> str:
    """The sheet as JSON; what is undefined, infinite or never is null."""
    return json.dumps(_plain(asdict(sheet)), indent=2, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def to_terminal(sheet: ScoreSheet) -> str:
    """The sheet as text for a terminal."""
    return _said(sheet, "simple", "{}", "")


def to_markdown(sheet: ScoreSheet) -> str:
    """The sheet as GitHub's Markdown."""
    return _said(sheet, "github", "### {}", "- ")


def _said(sheet: ScoreSheet, style: str, heading: str, bullet: str) -> str:
    title = (
        f"{sheet.run}: scores of {sheet.split} at epoch {sheet.epoch} of {sheet.planned} "
        f"({sheet.logged} logged epochs, {sheet.state}, log mode {sheet.mode})"
    )
    sizes = ", ".join(f"{name} {n}" for name, n in sheet.groups.items())
    gates = tuple(dict.fromkeys(row.gate for row in sheet.rows if row.gate is not None))
    shown = shown_gates(gates)
    cells = [_cells(row) for row in sheet.rows if row.gate is None or row.gate in shown]
    parts = [heading.format(title), f"Samples: {sizes}.", _table(cells, style)]
    if len(shown) < len(gates):
        parts.append(
            f"Of the {len(gates)} gates {', '.join(shown)} are shown; --format json and --out have them all."
        )
    if sheet.hardest:
        parts.append(f"The hardest {len(sheet.hardest)} by {sheet.by}:")
        parts.append(_table([_sample_cells(sample, sheet.by) for sample in sheet.hardest], style))
    parts.append("\n".join(bullet + note for note in sheet.notes))
    return "\n\n".join(parts)


def _cells(row: Row) -> dict[str, str]:
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
    return infinite if math.isinf(value) else f"{value:.3g}"


def _table(rows: list[dict[str, str]], style: str) -> str:
    return tabulate(rows, headers="keys", tablefmt=style, disable_numparse=True)
