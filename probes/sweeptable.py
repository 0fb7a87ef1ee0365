"""The results of a sweep: for each point of its grid, the figures of its complete runs as mean and deviation."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from memgate.runs import Run
from memgate.sweep import Sweep, SweepRun, state_of
from probes.groups import Estimate
from probes.report import Report, report
from probes.reporttables import Figure, Form, Table
from probes.reporttext import layout
from probes.severalruns import Spread, shown_spread, spread, spreads

SCHEMA = "memgate-sweep-table/1"

NOTHING = Spread(None, None, 0, ())

FEW_GATES = 3
"""With more gates than these, a column for each says little: their means are averaged."""

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
class Column:
    """A column of the table."""

    title: str
    paths: tuple[str, ...]
    """Figures of a report, see :mod:`probes.reporttables`; with several, their mean."""
    form: Form


def columns(gates: Sequence[str]) -> list[Column]:
    """The columns for points whose networks have these gates."""
    found = [
        Column("test accuracy", ("test_accuracy",), "percent"),
        Column("corrupted fitted", ("groups/corrupted/fits_given",), "percent"),
    ]
    together = [(gate, (gate,)) for gate in gates]
    if len(gates) > FEW_GATES:
        together = [(f"mean of {len(gates)} gates", tuple(gates))]
    for name, some in together:
        for group in ("clean", "corrupted"):
            paths = tuple(f"groups/{group}/{gate}/mean" for gate in some)
            found.append(Column(f"g {group} ({name})", paths, "decimal"))
        if len(some) == 1:
            found.append(
                Column(f"AUROC mean g ({name})", (f"scores/gate_mean/{name}/corrupted/auroc",), "decimal")
            )
    return [*found, Column("AUROC mean loss", ("scores/loss_mean/corrupted/auroc",), "decimal")]


def sweep_table(sweep: Sweep, out: Path) -> SweepTable:
    """Measure the complete runs of a sweep.

    Args:
        sweep: whose.
        out: folder of its runs.

    Raises:
        MemgateError: a run is damaged.
    """
    states = {run.name: state_of(out, run.name) for run in sweep.runs}
    grouped: dict[tuple[str, ...], list[SweepRun]] = {}
    for run in sweep.runs:
        grouped.setdefault(tuple(run.point.values()), []).append(run)
    points = tuple(
        _point(runs, [run.name for run in runs if states[run.name] == "complete"], out)
        for runs in grouped.values()
    )
    missing = {name: how_far(out, name, state) for name, state in states.items() if state != "complete"}
    return SweepTable(sweep.name, points, missing, (*NOTES, SECONDS))


def how_far(out: Path, name: str, state: str) -> str:
    """The state of a run that is not complete (see :func:`memgate.sweep.state_of`), with its epoch and its reason."""
    if state == "missing":
        return state
    status = Run(out / name).status()
    reason = f": {status.message}" if status.message else ""
    return f"{state} after epoch {status.epoch} of {status.epochs}{reason}"


def _point(runs: Sequence[SweepRun], complete: Sequence[str], out: Path) -> Point:
    found = [Run(out / name) for name in complete]
    reports = [report(run) for run in found]
    known = spreads(reports)
    figures: dict[str, Spread] = {}
    forms: dict[str, Form] = {}
    for column in columns(_gates(reports)) if reports else ():
        parts = [known[path].values for path in column.paths if path in known]
        if len(parts) == len(column.paths):
            figures[column.title] = spread([_mean(values) for values in zip(*parts, strict=True)])
            forms[column.title] = column.form
    if found:
        figures["s/epoch"], forms["s/epoch"] = spread([_seconds(run) for run in found]), "decimal"
    return Point(runs[0].point, tuple(complete), figures, forms)


def _gates(reports: Sequence[Report]) -> list[str]:
    return [use.gate for use in reports[0].groups[0].gates]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if len(known) == len(values) else None


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
    titles: dict[str, Form] = {title: form for point in table.points for title, form in point.forms.items()}
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
