"""The results of a sweep: for each point of its grid, the figures of its complete runs as mean and deviation."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from memgate.errors import MemgateError
from memgate.runs.run import Run
from memgate.sweeps.grid import Sweep, SweepRun, state_of
from probes.report.document import layout
from probes.report.report import report
from probes.report.several_runs import Spread, shown_spread, spread, spreads
from probes.report.tables import Figure, Form, Table
from probes.samples.columns import identity
from probes.samples.groups import members
from probes.stats.estimate import Estimate

SCHEMA = "memgate-sweep-table/1"

NOTHING = Spread(None, None, 0, ())

FEW_GATES = 3
"""With more gates than these, a column for each says little: they are averaged, all of them."""

GROUPS = ("clean", "corrupted")
"""Of the training samples, as :func:`probes.samples.groups.members` calls them."""

NOTES = (
    "Mean ± standard deviation over the runs of a point (sample standard deviation), each at its last epoch.",
    "Corrupted and clean are training samples; fitted: predicted as the given label. AUROC of g and of the loss: "
    "of their means over the epochs, positive is corrupted, high is suspicious; none where nothing is corrupted.",
)
SECONDS = "Seconds an epoch hold evaluation and log too, and depend on what else the machine did."


@dataclass(frozen=True)
class Point:
    """One point of the grid."""

    values: dict[str, str]
    """Flag that is varied to its value."""
    runs: tuple[str, ...]
    """Its complete runs."""
    figures: dict[str, Spread]
    """Column, see :func:`columns`, to what the runs have there."""
    forms: dict[str, Form]
    """Column to how its figures are written."""


@dataclass(frozen=True)
class SweepTable:
    """What came out of a sweep."""

    sweep: str
    points: tuple[Point, ...]
    missing: dict[str, str]
    """Run that is not complete to how far it is."""
    notes: tuple[str, ...]
    schema: str = SCHEMA


@dataclass(frozen=True)
class Measured:
    """What one complete run has."""

    gates: tuple[str, ...]
    """Of its network."""
    figures: dict[str, float | None]
    """Path of a figure of its report, see :mod:`probes.report.tables`, or :func:`_mean_path`, to its value."""
    seconds: float | None
    """Mean of an epoch."""


@dataclass(frozen=True)
class Column:
    """A column of the table."""

    title: str
    path: str
    """A key of :attr:`Measured.figures`."""
    form: Form


def columns(gates: Sequence[str]) -> list[Column]:
    """The columns for points whose networks have these gates."""
    found = [
        Column("test accuracy", "test_accuracy", "percent"),
        Column("corrupted fitted", "groups/corrupted/fits_given", "percent"),
    ]
    if len(gates) > FEW_GATES:
        name = f"mean of {len(gates)} gates"
        found += [Column(f"g {group} ({name})", _mean_path(group, gates), "decimal") for group in GROUPS]
    else:
        for gate in gates:
            found += [
                Column(f"g {group} ({gate})", f"groups/{group}/{gate}/mean", "decimal") for group in GROUPS
            ]
            area = f"scores/gate_mean/{gate}/corrupted/auroc"
            found.append(Column(f"AUROC mean g ({gate})", area, "decimal"))
    return [*found, Column("AUROC mean loss", "scores/loss_mean/corrupted/auroc", "decimal")]


def _mean_path(group: str, gates: Sequence[str]) -> str:
    return f"groups/{group}/mean of {len(gates)} gates"


def sweep_table(sweep: Sweep, out: Path) -> SweepTable:
    """Measure the complete runs of a sweep.

    Args:
        sweep: whose.
        out: folder of its runs.

    Returns:
        The table; a run that is damaged is not in it, and among ``missing``.
    """
    measured: dict[str, Measured] = {}
    missing = {}
    grouped: dict[tuple[str, ...], list[SweepRun]] = {}
    for run in sweep.runs:
        grouped.setdefault(tuple(run.point.values()), []).append(run)
        state = state_of(out, run.name)
        if state != "complete":
            missing[run.name] = how_far(out, run.name, state)
            continue
        try:
            measured[run.name] = _measured(Run(out / run.name))
        except MemgateError as error:
            missing[run.name] = f"damaged: {error}"
    points = tuple(_point(runs, measured) for runs in grouped.values())
    return SweepTable(sweep.name, points, missing, (*NOTES, SECONDS))


def how_far(out: Path, name: str, state: str) -> str:
    """The state of a run that is not complete (``memgate.sweeps.grid.state_of``), with its epoch and its reason."""
    if state == "missing":
        return state
    try:
        status = Run(out / name).status()
    except MemgateError as error:
        return f"{state}: {error}"
    reason = f": {status.message}" if status.message else ""
    return f"{state} after epoch {status.epoch} of {status.epochs}{reason}"


def _measured(run: Run) -> Measured:
    """Raises MemgateError where the run is damaged."""
    found, gates = report(run), run.outline.gates
    figures = {path: one.values[0] for path, one in spreads([found]).items()}
    if len(gates) > FEW_GATES:
        figures |= {_mean_path(group, gates): value for group, value in _mean_gates(run, found.epoch).items()}
    return Measured(gates, figures, _seconds(run))


def _mean_gates(run: Run, epoch: int) -> dict[str, float]:
    """Group to the mean of g over all gates and those of its samples that were seen in an epoch."""
    log = run.sample_log()
    ((_, record),) = log.records("train", {epoch})
    inside = members(pd.DataFrame(identity(log.samples("train"), "train", run.manifest.header.operations)))
    seen = record.flag("seen")
    # Added up in float64: of 54 gates and 50,000 samples there are millions of float32.
    return {
        group: float(record.gate[:, inside[group] & seen].mean(dtype=np.float64))
        for group in GROUPS
        if group in inside and (inside[group] & seen).any()
    }


def _point(runs: Sequence[SweepRun], measured: Mapping[str, Measured]) -> Point:
    complete = tuple(run.name for run in runs if run.name in measured)
    found = [measured[name] for name in complete]
    figures: dict[str, Spread] = {}
    forms: dict[str, Form] = {}
    for column in columns(found[0].gates) if found else ():
        if any(column.path in one.figures for one in found):
            figures[column.title] = spread([one.figures.get(column.path) for one in found])
            forms[column.title] = column.form
    if found:
        figures["s/epoch"], forms["s/epoch"] = spread([one.seconds for one in found]), "decimal"
    return Point(runs[0].point, complete, figures, forms)


def _seconds(run: Run) -> float | None:
    """Mean seconds of an epoch."""
    found = [row["seconds"] for row in run.metrics() if row["seconds"] == row["seconds"]]
    return float(np.mean(found)) if found else None


def to_json(table: SweepTable) -> str:
    """As JSON: each point's values, runs, and every figure's mean, sd and values."""
    content = asdict(table)
    for point in content["points"]:
        del point["forms"]
    return json.dumps(content, indent=2, allow_nan=False)


def to_text(table: SweepTable, style: str) -> str:
    """As text for a terminal, or as GitHub's Markdown.

    Args:
        table: what to write.
        style: ``terminal`` or ``markdown``.
    """
    fullest = sorted(table.points, key=lambda point: -len(point.forms))  # its columns are in their order
    titles: dict[str, Form] = {title: form for point in fullest for title, form in point.forms.items()}
    heads = (*(table.points[0].values), "n")
    found: dict[str, tuple[Spread, int]] = {}
    figures = []
    for number, point in enumerate(table.points):
        row = (*point.values.values(), str(len(point.runs)))
        for title, form in titles.items():
            path = f"{number}/{title}"
            found[path] = point.figures.get(title, NOTHING), len(point.runs)
            figures.append(Figure(path, row, title, Estimate(None, None, None, 0), form))
    complete = sum(len(point.runs) for point in table.points)
    lines = [f"{complete} of {complete + len(table.missing)} runs are complete."]
    lines += [f"Not in the table: {name} ({state})" for name, state in table.missing.items()]
    shown = [Table("By what is varied:", heads, tuple(figures))] if figures else []
    return layout(
        f"Sweep {table.sweep}",
        lines,
        shown,
        table.notes,
        style,
        lambda figure: shown_spread(figure, *found[figure.path]),
    )
