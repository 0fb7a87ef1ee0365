"""The results of a sweep: mean and standard deviation over the complete runs of each point of its grid."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from memgate.console import Form
from memgate.errors import MemgateError
from memgate.runs.run import Run
from memgate.sweeps.grid import Sweep, SweepRun, state_of
from noise.files.json_form import json_text
from probes.report.document import Lines, layout, table_of
from probes.report.report import report
from probes.report.several_runs import Spread, shown_spread, spread, spreads
from probes.report.tables import NumberForm
from probes.samples.columns import identity
from probes.samples.groups import members

SCHEMA = "memgate-sweep-table/1"

NOTHING = Spread(None, None, 0, ())

FEW_GATES = 3
"""Up to this number each gate has columns of its own; of more gates the mean over all gates is shown."""

GROUPS = ("clean", "corrupted")
"""Groups of the training samples, named as by :func:`probes.samples.groups.members`."""

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
    """Varied flag to its value."""
    runs: tuple[str, ...]
    """Names of its complete runs."""
    figures: dict[str, Spread]
    """Title of a column, see :func:`columns`, to its values in the runs."""
    forms: dict[str, NumberForm]
    """Title of a column to how its numbers are written."""


@dataclass(frozen=True)
class SweepResults:
    """The results of a sweep."""

    sweep: str
    points: tuple[Point, ...]
    missing: dict[str, str]
    """Name of a run that is not complete to its state."""
    notes: tuple[str, ...]
    schema: str = SCHEMA

    def text(self, form: Form = "terminal") -> str:
        """The results as plain text, as GitHub's Markdown, or as JSON with every number's mean, sd and values."""
        if form == "json":
            content = asdict(self)
            for point in content["points"]:
                del point["forms"]
            return json_text(content, indent=2)
        complete = sum(len(point.runs) for point in self.points)
        lines = [f"{complete} of {complete + len(self.missing)} runs are complete."]
        lines += [f"Not in the table: {name} ({state})" for name, state in self.missing.items()]
        rows = _rows(self.points)
        tables = [table_of("By what is varied:", rows)] if rows else []
        return layout(f"Sweep {self.sweep}", [Lines(lines), *tables, Lines(self.notes)], form)

    def __str__(self) -> str:
        return self.text()


@dataclass(frozen=True)
class Measured:
    """The numbers of one complete run."""

    gates: tuple[str, ...]
    """Gates of its network."""
    figures: dict[str, float | None]
    """Path of a number of its report, see :attr:`probes.report.tables.Figure.path`, or :func:`_mean_path`, to its
    value."""
    seconds: float | None
    """Mean seconds of an epoch."""


@dataclass(frozen=True)
class SweepColumn:
    """A column of the table."""

    title: str
    path: str
    """A key of :attr:`Measured.figures`."""
    form: NumberForm


def columns(gates: Sequence[str]) -> list[SweepColumn]:
    """The columns of points whose networks have these gates."""
    result = [
        SweepColumn("test accuracy", "test_accuracy", "percent"),
        SweepColumn("corrupted fitted", "groups/corrupted/fits_given", "percent"),
    ]
    if len(gates) > FEW_GATES:
        name = f"mean of {len(gates)} gates"
        result += [
            SweepColumn(f"g {group} ({name})", _mean_path(group, gates), "decimal") for group in GROUPS
        ]
    else:
        for gate in gates:
            result += [
                SweepColumn(f"g {group} ({gate})", f"groups/{group}/{gate}/mean", "decimal")
                for group in GROUPS
            ]
            area = f"scores/gate_mean/{gate}/corrupted/auroc"
            result.append(SweepColumn(f"AUROC mean g ({gate})", area, "decimal"))
    return [*result, SweepColumn("AUROC mean loss", "scores/loss_mean/corrupted/auroc", "decimal")]


def _mean_path(group: str, gates: Sequence[str]) -> str:
    return f"groups/{group}/mean of {len(gates)} gates"


def sweep_table(sweep: Sweep, out: Path) -> SweepResults:
    """The results of the complete runs of a sweep; a damaged run is listed among the missing ones.

    Args:
        sweep: the sweep.
        out: folder of its runs.
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
    return SweepResults(sweep.name, points, missing, (*NOTES, SECONDS))


def how_far(out: Path, name: str, state: str) -> str:
    """State, epoch and reason of a run that is not complete, as text; see :func:`memgate.sweeps.grid.state_of`."""
    if state == "missing":
        return state
    try:
        status = Run(out / name).status()
    except MemgateError as error:
        return f"{state}: {error}"
    reason = f": {status.message}" if status.message else ""
    return f"{state} after epoch {status.epoch} of {status.epochs}{reason}"


def _measured(run: Run) -> Measured:
    """The numbers of a complete run; raises MemgateError where it is damaged."""
    measured, gates = report(run, resamples=0), run.outline.gates
    figures = {path: spread.values[0] for path, spread in spreads([measured]).items()}
    if len(gates) > FEW_GATES:
        figures |= {
            _mean_path(group, gates): value for group, value in _mean_gates(run, measured.epoch).items()
        }
    return Measured(gates, figures, _seconds(run))


def _mean_gates(run: Run, epoch: int) -> dict[str, float]:
    """Group to the mean of g over all gates and over its samples that have one in an epoch."""
    log = run.sample_log()
    ((_, record),) = log.records("train", {epoch})
    groups = members(pd.DataFrame(identity(log.samples("train"), "train", run.manifest.header.operations)))
    known = record.known("gate")
    # Summed in float64: 54 gates and 50,000 samples are millions of float32 values.
    return {
        group: float(record.gate[known & groups[group]].mean(dtype=np.float64))
        for group in GROUPS
        if group in groups and (known & groups[group]).any()
    }


def _point(runs: Sequence[SweepRun], measured: Mapping[str, Measured]) -> Point:
    """The point of these runs, with the spread of every number over its complete ones."""
    complete = tuple(run.name for run in runs if run.name in measured)
    results = [measured[name] for name in complete]
    figures: dict[str, Spread] = {}
    forms: dict[str, NumberForm] = {}
    for column in columns(results[0].gates) if results else ():
        if any(column.path in result.figures for result in results):
            figures[column.title] = spread([result.figures.get(column.path) for result in results])
            forms[column.title] = column.form
    if results:
        figures["s/epoch"], forms["s/epoch"] = spread([result.seconds for result in results]), "decimal"
    return Point(runs[0].point, complete, figures, forms)


def _seconds(run: Run) -> float | None:
    """Mean seconds of an epoch, None if no epoch has a time."""
    seconds = [row["seconds"] for row in run.metrics() if row["seconds"] == row["seconds"]]
    return float(np.mean(seconds)) if seconds else None


def _rows(points: Sequence[Point]) -> list[dict[str, str]]:
    """One row of the table for each point; none where no point has numbers."""
    fullest = sorted(points, key=lambda point: -len(point.forms))  # its columns are in their order
    forms: dict[str, NumberForm] = {title: form for point in fullest for title, form in point.forms.items()}
    if not forms:
        return []
    return [
        {**point.values, "n": str(len(point.runs))}
        | {
            title: shown_spread(point.figures.get(title, NOTHING), len(point.runs), form)
            for title, form in forms.items()
        }
        for point in points
    ]
