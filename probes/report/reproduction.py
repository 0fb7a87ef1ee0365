"""The papers' numbers and ours side by side."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from memgate.config.run import RunConfig
from memgate.console import Form
from memgate.papers.reproduction import Reproduction
from memgate.papers.rows import PaperRow
from memgate.runs.metrics import last_known
from memgate.runs.outline import outline_of
from memgate.runs.run import Run
from memgate.sweeps.grid import state_of
from noise.files.json_form import json_text
from probes.report.document import Lines, layout, table_of
from probes.report.several_runs import Spread, spread
from probes.report.sweep import how_far

SCHEMA = "memgate-reproduction/1"

TEXT_NOTE = (
    "Test accuracy in percent at the last epoch, mean ± sample standard deviation over runs that differ in their "
    "seeds. Difference: ours less theirs, in percentage points; in brackets where it says nothing."
)

JSON_NOTE = (
    "Test accuracy as a share at the last epoch, sd the sample standard deviation over runs that differ in their "
    "seeds. Difference: ours less theirs; unless comparable, it says nothing."
)


@dataclass(frozen=True)
class ReproducedRow:
    """A row of a paper's table with its number and ours."""

    paper: PaperRow
    setting: str
    """Network and epochs of our runs."""
    ours: Spread
    """Test accuracy of the complete runs, as a share."""
    runs: tuple[str, ...]
    """Names of the complete runs."""

    @property
    def difference(self) -> float | None:
        """Our accuracy minus the paper's, as a share; None without a run."""
        return None if self.ours.mean is None else self.ours.mean - self.paper.accuracy


@dataclass(frozen=True)
class Comparison:
    """The rows of a reproduction; ``str(comparison)`` is the text of ``memgate reproduce``."""

    name: str
    rows: tuple[ReproducedRow, ...]
    missing: dict[str, str]
    """Name of a run that is not complete to its state."""
    comparable: bool
    """Whether the scale is that of the papers; at other scales a difference says nothing about them."""
    notes: tuple[str, ...]
    schema: str = SCHEMA

    def text(self, form: Form = "terminal") -> str:
        """The comparison as plain text, Markdown or JSON with the settings, numbers and runs of each row."""
        if form == "json":
            content = asdict(self)
            for entry, row in zip(content["rows"], self.rows, strict=True):
                entry["difference"] = row.difference
            return json_text({**content, "notes": [JSON_NOTE, *self.notes]}, indent=2)
        table = table_of("", [_cells(row, self.comparable) for row in self.rows])
        missing = [f"Not in the table: {name} ({state})" for name, state in self.missing.items()]
        notes = Lines((TEXT_NOTE, *self.notes))
        return layout(f"Reproduction: {self.name}", [table, Lines(missing), notes], form)

    def __str__(self) -> str:
        return self.text()


def compare(plan: Reproduction, out: Path) -> Comparison:
    """The complete runs of a reproduction compared with the papers.

    Args:
        plan: the rows and their runs.
        out: folder of the runs.

    Raises:
        MemgateError: a run is damaged.
    """
    states = {run.name: state_of(out, run.name) for run in plan.sweep.runs}
    settings = {str(config.name): _setting(config) for config in plan.configs}
    rows = []
    for row in plan.rows:
        names = [run.name for run in plan.sweep.runs if run.point == {"row": row.row}]
        complete = tuple(name for name in names if states[name] == "complete")
        rows.append(
            ReproducedRow(
                row,
                settings[names[0]],
                spread([last_known(Run(out / name).metrics(), "test_accuracy") for name in complete]),
                complete,
            )
        )
    missing = {name: how_far(out, name, state) for name, state in states.items() if state != "complete"}
    return Comparison(plan.sweep.name, tuple(rows), missing, plan.comparable, plan.notes)


def _setting(config: RunConfig) -> str:
    """Network and epochs of a configuration, as text."""
    return f"{outline_of(config).model}, {config.train.epochs} epochs"


def _cells(row: ReproducedRow, comparable: bool) -> dict[str, str]:
    paper, ours = row.paper, row.ours
    difference = "-" if row.difference is None else f"{100 * row.difference:+.2f}"
    if not comparable and row.difference is not None:
        difference = f"({difference})"
    return {
        "row": paper.row,
        "theirs": " ".join([paper.dataset, paper.backbone, paper.model]),
        "paper": _mean(paper.accuracy, paper.sd, paper.runs),
        "ours is": row.setting,
        "ours": "-" if ours.mean is None else _mean(ours.mean, ours.sd, ours.n),
        "difference": difference,
    }


def _mean(mean: float, sd: float | None, n: int) -> str:
    return f"{100 * mean:.2f}" + (f" ± {100 * sd:.2f}" if sd is not None else "") + f" (n = {n})"


def listed(rows: Sequence[PaperRow], form: Form) -> str:
    """Rows of the papers' tables as a table with percentages, or as JSON with shares."""
    if form == "json":
        return json_text([asdict(row) for row in rows], indent=2)
    cells = [
        {
            "row": row.row,
            "data": row.dataset,
            "backbone": row.backbone,
            "model": row.model,
            "init": row.init,
            "lambda": "" if row.penalty is None else f"{row.penalty:g}",
            "gate lr": "" if row.gate_lr is None else f"{row.gate_lr:g} {row.gate_lr_schedule}",
            "paper": _mean(row.accuracy, row.sd, row.runs),
        }
        for row in rows
    ]
    return layout("", [table_of("", cells)], form)
