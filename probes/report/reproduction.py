"""The papers' numbers and ours side by side."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from memgate.config.run import ModelConfig, RunConfig
from memgate.console import Form
from memgate.papers.reproduction import Reproduction
from memgate.papers.rows import PaperRow, read_rows
from memgate.runs.metrics import last_known
from memgate.runs.outline import outline_of
from memgate.runs.run import Run
from memgate.sweeps.grid import state_of
from noise.files.json_form import json_text
from probes.report.document import Lines, layout, table_of
from probes.report.several_runs import Spread, shown_spread, spread
from probes.report.sweep import how_far
from probes.report.trade_off import Published, mean_macs, millions, network_macs

SCHEMA = "memgate-reproduction/1"

TEXT_NOTE = (
    "Test accuracy in percent at the last epoch, mean ± sample standard deviation over runs that differ in their "
    "seeds. Difference: ours less theirs, in percentage points; in brackets where it says nothing."
)

MACS_NOTE = (
    "MACs: multiply-accumulates of one test image at the last epoch, in millions, of gated networks the mean over the "
    "images, with the gates' own layers and pooling; the papers' own count where they state one."
)

FIGURE_ONLY = "figure only, no number in the text"

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
    macs: Spread
    """Mean MACs of a test image in the complete runs; without values where the row's document counts none."""
    runs: tuple[str, ...]
    """Names of the complete runs."""

    @property
    def difference(self) -> float | None:
        """Our accuracy minus the paper's, as a share; None without a run, or without a number of the paper."""
        if self.ours.mean is None or self.paper.accuracy is None:
            return None
        return self.ours.mean - self.paper.accuracy


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
        macs_note = [MACS_NOTE] * any(row.paper.counts_macs for row in self.rows)
        notes = Lines((TEXT_NOTE, *macs_note, *self.notes))
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
        complete = [Run(out / name) for name in names if states[name] == "complete"]
        rows.append(
            ReproducedRow(
                row,
                settings[names[0]] if names else "-",
                spread([last_known(run.metrics(), "test_accuracy") for run in complete]),
                spread([mean_macs(run) for run in complete] if row.counts_macs else []),
                tuple(run.name for run in complete),
            )
        )
    missing = {name: how_far(out, name, state) for name, state in states.items() if state != "complete"}
    return Comparison(plan.sweep.name, tuple(rows), missing, plan.comparable, plan.notes)


def published(plan: Reproduction) -> list[Published]:
    """Numbers of the documents that stand beside our runs: CIFAR-10 networks with accuracy and MACs known.

    None at a smaller scale, with which they cannot be compared.
    """
    points = []
    for row in read_rows() if plan.comparable else ():
        share = row.cost.macs_share
        if row.dataset == "cifar10" and row.accuracy is not None and share is not None:
            whole = network_macs(ModelConfig("resnet", int(row.backbone.removeprefix("resnet"))), 10, 32)
            points.append(Published(row.row, row.accuracy, share * whole))
    return points


def _setting(config: RunConfig) -> str:
    """Network and epochs of a configuration, as text."""
    return f"{outline_of(config).model}, {config.train.epochs} epochs"


def _cells(row: ReproducedRow, comparable: bool) -> dict[str, str]:
    paper, ours = row.paper, row.ours
    difference = "-" if row.difference is None else f"{100 * row.difference:+.2f}"
    if not comparable and row.difference is not None:
        difference = f"({difference})"
    cells = {
        "row": paper.row,
        "theirs": " ".join([paper.dataset, _backbone(paper), paper.model]),
        "paper": _published(paper),
        "ours is": row.setting,
        "ours": "-" if ours.mean is None else _mean(ours.mean, ours.sd, ours.n),
        "difference": difference,
    }
    if paper.counts_macs:
        cells |= {
            "MACs, paper": _published_macs(paper) or "-",
            "MACs, ours": shown_spread(millions(row.macs), ours.n, "decimal", exact=True),
        }
    return cells


def _published(row: PaperRow) -> str:
    """The document's number of a row as text."""
    return FIGURE_ONLY if row.accuracy is None else _mean(row.accuracy, row.sd, row.runs)


def _published_macs(row: PaperRow) -> str:
    """The document's MACs of a row as text, in millions, or as a share; empty for none."""
    if row.cost.macs_share is not None:
        return f"{row.cost.macs_share:.1%} of the ungated"
    return _of_full(row.cost.macs, row.cost.full_macs)


def _of_full(used: float | None, full: float | None) -> str:
    """A number in millions, and that with every gate open; empty for none."""
    if used is None:
        return _number(full, 1e6)
    return _number(used, 1e6) + ("" if full is None else f" of {_number(full, 1e6)}")


def _backbone(row: PaperRow) -> str:
    return row.backbone if row.width == 1 else f"{row.backbone} x{row.width:g}"


def _mean(mean: float, sd: float | None, n: int) -> str:
    return f"{100 * mean:.2f}" + (f" ± {100 * sd:.2f}" if sd is not None else "") + f" (n = {n})"


def listed(rows: Sequence[PaperRow], form: Form) -> str:
    """Rows of the papers' tables as a table with percentages, or as JSON with shares."""
    if form == "json":
        return json_text([asdict(row) for row in rows], indent=2)
    columns: dict[str, list[str]] = {
        "row": [row.row for row in rows],
        "data": [row.dataset for row in rows],
        "backbone": [_backbone(row) for row in rows],
        "model": [row.model for row in rows],
        "init": [row.init for row in rows],
        "lambda": [_number(row.penalty) for row in rows],
        "gamma": [_number(row.gamma) for row in rows],
        "rate": [_number(row.target_rate) for row in rows],
        "gate lr": ["" if row.gate_lr is None else f"{row.gate_lr:g} {row.gate_lr_schedule}" for row in rows],
        "paper": [_published(row) for row in rows],
        "IoU": [_number(row.iou) for row in rows],
        "MACs (millions)": [_published_macs(row) for row in rows],
        "parameters (millions)": [_of_full(row.cost.parameters, row.cost.full_parameters) for row in rows],
        "GPU ms": [_number(row.cost.gpu_ms) for row in rows],
        "CPU ms": [_number(row.cost.cpu_ms) for row in rows],
    }
    shown = {title: cells for title, cells in columns.items() if any(cells)}
    cells = [dict(zip(shown, row, strict=True)) for row in zip(*shown.values(), strict=True)]
    return layout("", [table_of("", cells)], form)


def _number(value: float | None, unit: float = 1.0) -> str:
    return "" if value is None else f"{value / unit:g}"
