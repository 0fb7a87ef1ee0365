"""The rows of the tables in the report on gating and in the soft-gating paper. Imports no torch.

Settings and results as the two documents state them, in ``paper_results.csv`` in this folder.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from importlib import resources
from typing import Literal

from memgate.errors import MemgateError


@dataclass(frozen=True)
class PaperRow:
    """One result of the documents, with their names of models and backbones."""

    row: str
    """Name of the row, such as ``report-2.1-0.01``: the table, and the settings that distinguish its rows."""
    table: str
    """``report-1.1`` to ``report-3.7``, ``report-text`` (from the report's text), ``paper-1`` to ``paper-4``."""
    dataset: Literal["cifar10", "cifar100"]
    backbone: str
    """``resnet110``, ``preresnet164``, ``resnet34``, ..."""
    model: str
    """``baseline`` or a gated network, such as ``layer-exclusive``."""
    init: Literal["scratch", "baseline"]
    """Initialisation by the documents; the authors' loader of ``baseline`` loaded nothing."""
    penalty: float | None
    """Weight (lambda) of the gate's penalty in the loss; None where the row states none."""
    gate_lr: float | None
    """Learning rate of the gate; None where the row states none."""
    gate_lr_schedule: Literal["constant", "step50"] | None
    """Schedule of the gate's rate: constant, or divided by 10 every 50 epochs."""
    accuracy: float
    """Test accuracy in [0, 1]; the mean of several runs."""
    sd: float | None
    """Standard deviation of the accuracy over the runs; None where the documents state none."""
    runs: int
    """Number of runs."""
    note: str
    """Remark on this number; empty for none."""


def read_rows() -> tuple[PaperRow, ...]:
    """All rows, in the order of the documents."""
    text = resources.files("memgate.papers").joinpath("paper_results.csv").read_text("utf-8")
    return tuple(_row(line) for line in csv.DictReader(text.splitlines()))


def _row(line: dict[str, str]) -> PaperRow:
    """The row of a line of the CSV file; percentages become shares."""
    number = {name: float(line[name]) if line[name] else None for name in ("penalty", "gate_lr", "sd")}
    return PaperRow(
        row=line["row"],
        table=line["table"],
        dataset="cifar100" if line["dataset"] == "cifar100" else "cifar10",
        backbone=line["backbone"],
        model=line["model"],
        init="baseline" if line["init"] == "baseline" else "scratch",
        penalty=number["penalty"],
        gate_lr=number["gate_lr"],
        gate_lr_schedule=_SCHEDULES[line["gate_lr_schedule"]],
        accuracy=float(line["accuracy"]) / 100,
        sd=None if number["sd"] is None else number["sd"] / 100,
        runs=int(line["runs"]),
        note=line["note"],
    )


_SCHEDULES: dict[str, Literal["constant", "step50"] | None] = {
    "constant": "constant",
    "step50": "step50",
    "": None,
}


def find_rows(text: str) -> list[PaperRow]:
    """The rows of a name.

    Args:
        text: name of a row, name of a table (all its rows), or a pattern of row names with ``*`` and ``?``.

    Raises:
        MemgateError: no row has this name.
    """
    rows = read_rows()
    matches = (
        [row for row in rows if row.row == text]
        or [row for row in rows if row.table == text]
        or [row for row in rows if fnmatchcase(row.row, text)]
    )
    if not matches:
        near = get_close_matches(
            text, dict.fromkeys(name for row in rows for name in (row.table, row.row)), 1
        )
        raise MemgateError(
            f"{text!r} is not a row or table of the documents{f': perhaps {near[0]} is meant' if near else ''}; "
            "'memgate reproduce --list' lists them."
        )
    return matches


def baseline_of(row: PaperRow) -> PaperRow:
    """The row of the ungated network with the same data set and backbone, of the same document where it has one."""
    baselines = [
        other
        for other in read_rows()
        if other.model == "baseline" and (other.dataset, other.backbone) == (row.dataset, row.backbone)
    ]
    document = row.table.partition("-")[0]
    return min(baselines, key=lambda baseline: not baseline.table.startswith(document))


def described(rows: Sequence[PaperRow]) -> str:
    """The settings of rows as a short text; settings that differ are given as a range or a list."""
    parts = []
    for name in ("dataset", "backbone", "model", "init"):
        parts.append("/".join(dict.fromkeys(str(getattr(row, name)) for row in rows)))
    weights = sorted({row.penalty for row in rows if row.penalty is not None})
    if weights:
        parts.append(
            "lambda " + (f"{weights[0]:g}" if len(weights) == 1 else f"{weights[0]:g} to {weights[-1]:g}")
        )
    rates = sorted({row.gate_lr for row in rows if row.gate_lr is not None})
    if rates:
        parts.append(f"gate lr {'/'.join(f'{rate:g}' for rate in rates)}")
    schedules = dict.fromkeys(row.gate_lr_schedule for row in rows if row.gate_lr_schedule)
    return " ".join([*parts, "/".join(schedules)]).strip()
