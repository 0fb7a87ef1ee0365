"""The documents' numbers and ours side by side, with what stands between them."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tabulate import tabulate

from memgate.config.run import RunConfig
from memgate.papers.reproduction import Reproduction
from memgate.papers.rows import PaperRow
from memgate.runs.metrics import last_known
from memgate.runs.outline import outline_of
from memgate.runs.run import Run
from memgate.sweeps.grid import state_of
from probes.report.document import STYLES
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
class Compared:
    """A row, theirs and ours."""

    paper: PaperRow
    setting: str
    """Ours: network and epochs."""
    ours: Spread
    """Test accuracy as a share, of the complete runs."""
    runs: tuple[str, ...]
    """The complete ones."""

    @property
    def difference(self) -> float | None:
        """Ours less theirs, as a share; None without a run."""
        return None if self.ours.mean is None else self.ours.mean - self.paper.accuracy


@dataclass(frozen=True)
class Comparison:
    """The rows of a reproduction."""

    name: str
    rows: tuple[Compared, ...]
    missing: dict[str, str]
    """Run that is not complete to how far it is."""
    comparable: bool
    """Whether the scale is the documents' own; otherwise a difference says nothing about them."""
    notes: tuple[str, ...]
    schema: str = SCHEMA


def compare(plan: Reproduction, out: Path) -> Comparison:
    """Hold what is complete against the documents.

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
        mine = [run.name for run in plan.sweep.runs if run.point == {"row": row.row}]
        complete = tuple(name for name in mine if states[name] == "complete")
        rows.append(
            Compared(
                row,
                settings[mine[0]],
                spread([last_known(Run(out / name).metrics(), "test_accuracy") for name in complete]),
                complete,
            )
        )
    missing = {name: how_far(out, name, state) for name, state in states.items() if state != "complete"}
    return Comparison(plan.sweep.name, tuple(rows), missing, plan.comparable, plan.notes)


def _setting(config: RunConfig) -> str:
    return f"{outline_of(config).model}, {config.train.epochs} epochs"


def to_json(found: Comparison) -> str:
    """As JSON: each row's settings and numbers, ours with the value of every run."""
    content = asdict(found)
    for entry, row in zip(content["rows"], found.rows, strict=True):
        entry["difference"] = row.difference
    content["notes"] = [JSON_NOTE, *found.notes]
    return json.dumps(content, indent=2, allow_nan=False)


def to_text(found: Comparison, style: str) -> str:
    """As text.

    Args:
        found: what to write.
        style: a key of :data:`probes.report.document.STYLES`.
    """
    table_format, heading, bullet = STYLES[style]
    rows = [_cells(row, found.comparable) for row in found.rows]
    table = tabulate(rows, headers="keys", tablefmt=table_format, disable_numparse=True)
    lines = [f"Not in the table: {name} ({state})" for name, state in found.missing.items()]
    parts = [heading.format(f"Reproduction: {found.name}"), table]
    parts += [
        "\n".join(bullet + line for line in some) for some in (lines, (TEXT_NOTE, *found.notes)) if some
    ]
    return "\n\n".join(parts)


def _cells(row: Compared, comparable: bool) -> dict[str, str]:
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


def listed(rows: Sequence[PaperRow], form: str) -> str:
    """Rows of the documents.

    Args:
        rows: which.
        form: ``json``, with shares; or a key of :data:`probes.report.document.STYLES`, with percentages.
    """
    if form == "json":
        return json.dumps([asdict(row) for row in rows], indent=2, allow_nan=False)
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
    return tabulate(cells, headers="keys", tablefmt=STYLES[form][0], disable_numparse=True)
