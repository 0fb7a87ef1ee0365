"""The rows of the tables of the report on gating and of the soft-gating paper: settings and results. No torch.

They are facts out of the two documents, in ``paper_results.csv`` beside this module.
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
    """One result of the documents, in their words for models and backbones."""

    row: str
    """Our name of it, such as ``report-2.1-0.01``: the table, and what tells its rows apart."""
    table: str
    """``report-1.1`` to ``report-3.7``, ``report-text`` (in running text), ``paper-1`` to ``paper-4``."""
    dataset: Literal["cifar10", "cifar100"]
    backbone: str
    model: str
    init: Literal["scratch", "baseline"]
    """``baseline`` is what the documents say; their loader loaded nothing."""
    penalty: float | None
    """Weight (lambda) of what the gate adds to the loss."""
    gate_lr: float | None
    gate_lr_schedule: Literal["constant", "step50"] | None
    accuracy: float
    """On the test set, as a share; the mean where there are several runs."""
    sd: float | None
    """Standard deviation over the runs, as a share."""
    runs: int
    note: str
    """What is known of this number alone."""


def read_rows() -> tuple[PaperRow, ...]:
    """Every row, in the order of the documents."""
    text = resources.files("memgate.papers").joinpath("paper_results.csv").read_text("utf-8")
    return tuple(_row(line) for line in csv.DictReader(text.splitlines()))


def _row(line: dict[str, str]) -> PaperRow:
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
    """The rows that a name means: a row's own, a table's (all its rows), or a pattern with ``*`` and ``?``.

    Raises:
        MemgateError: it means none.
    """
    rows = read_rows()
    found = [row for row in rows if row.row == text] or [row for row in rows if row.table == text]
    found = found or [row for row in rows if fnmatchcase(row.row, text)]
    if not found:
        near = get_close_matches(
            text, dict.fromkeys(name for row in rows for name in (row.table, row.row)), 1
        )
        raise MemgateError(
            f"{text!r} is no row or table of the documents{f': perhaps {near[0]} is meant' if near else ''}; 'memgate "
            "reproduce --list' lists them."
        )
    return found


def baseline_of(row: PaperRow) -> PaperRow:
    """The ungated network that a row was to start from: of its own document, where that has one."""
    alike = [
        one
        for one in read_rows()
        if one.model == "baseline" and (one.dataset, one.backbone) == (row.dataset, row.backbone)
    ]
    document = row.table.partition("-")[0]
    return min(alike, key=lambda one: not one.table.startswith(document))


def described(rows: Sequence[PaperRow]) -> str:
    """What rows have in common, in a few words: what differs is given as a range or a list."""
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
