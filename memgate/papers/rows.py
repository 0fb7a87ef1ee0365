"""The rows of the documents' tables: on gating, batch shaping, SkipNet and GaterNet. Imports no torch.

Settings and results as the documents state them, in ``paper_results.csv`` in this folder. A point that a document
shows in a figure only is a row too, without a number.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, fields
from difflib import get_close_matches
from fnmatch import fnmatchcase
from importlib import resources
from typing import Literal

from memgate.errors import MemgateError

DOCUMENTS = ("paper-bas", "paper-skipnet", "paper-gater", "report", "paper")
"""Beginnings of the tables' names, one for each document; of two that fit, the first counts."""


@dataclass(frozen=True)
class PaperCost:
    """What a document says about the cost of a network; None where it says nothing."""

    macs: float | None
    """Multiply-accumulates (MACs) of one image, of gated networks the mean over the images."""
    full_macs: float | None
    """MACs with every gate open."""
    macs_share: float | None
    """MACs as a share of those of the network without gates, in [0, 1]."""
    parameters: float | None
    """Number of parameters, of gated networks the mean over the images of those that are used."""
    full_parameters: float | None
    """Number of all parameters of a gated network."""
    gpu_ms: float | None
    """Milliseconds an image on a GPU, in batches of 128."""
    gpu_ms_sd: float | None
    """What follows its ±."""
    cpu_ms: float | None
    """Milliseconds an image on a CPU, one by one."""
    cpu_ms_sd: float | None
    """What follows its ±."""


@dataclass(frozen=True)
class PaperRow:
    """One result of the documents, with their names of models and backbones."""

    row: str
    """Name of the row, such as ``report-2.1-0.01``: the table, and the settings that distinguish its rows."""
    table: str
    """``report-1.1`` to ``report-3.7``, ``report-text`` (from the report's text), ``paper-1`` to ``paper-4``;
    ``paper-bas-1``, ``paper-bas-text`` and ``paper-bas-figure-3`` (of the batch-shaping paper);
    ``paper-skipnet-cifar10``; ``paper-gater-1`` and ``paper-gater-2``."""
    dataset: str
    """``cifar10``, ``cifar100``, ``imagenet`` or ``cityscapes``."""
    backbone: str
    """``resnet110``, ``preresnet164``, ``resnet34``, ``densenet100-12``, ..."""
    width: float
    """Factor of the backbone's channels."""
    model: str
    """``baseline`` or a gated network, such as ``layer-exclusive``."""
    init: Literal["scratch", "baseline"]
    """Initialisation by the documents; the authors' loader of ``baseline`` loaded nothing."""
    penalty: float | None
    """Weight (lambda) of the gate's penalty in the loss, or of batch shaping; None where the row states none."""
    gamma: float | None
    """Weight (gamma) of the L0 loss on the gates; None where there is no such loss, or the row does not state it."""
    target_rate: float | None
    """ConvNet-AIG: share of the samples that is to take a unit; None where the row states none."""
    gate_lr: float | None
    """Learning rate of the gate; None where the row states none."""
    gate_lr_schedule: Literal["constant", "step50"] | None
    """Schedule of the gate's rate: constant, or divided by 10 every 50 epochs."""
    accuracy: float | None
    """Test accuracy in [0, 1], the mean of several runs; for Cityscapes that of pixels. None where the document has
    no number, only a point in a figure."""
    sd: float | None
    """Standard deviation of the accuracy over the runs; None where the documents state none."""
    runs: int
    """Number of runs; 0 without a number."""
    iou: float | None
    """Mean intersection over union in [0, 1], of segmentation."""
    cost: PaperCost
    """What the network costs."""
    note: str
    """Remark on this number; empty for none."""

    @property
    def document(self) -> str:
        """The document that the row is from, one of :data:`DOCUMENTS`."""
        return next(name for name in DOCUMENTS if self.table.startswith(f"{name}-"))

    @property
    def counts_macs(self) -> bool:
        """Whether the document compares networks by their MACs."""
        return self.document in ("paper-bas", "paper-skipnet")


def read_rows() -> tuple[PaperRow, ...]:
    """All rows, in the order of the documents."""
    text = resources.files("memgate.papers").joinpath("paper_results.csv").read_text("utf-8")
    return tuple(_row(line) for line in csv.DictReader(text.splitlines()))


def _row(line: dict[str, str]) -> PaperRow:
    """The row of a line of the CSV file; percentages become shares."""
    number = {name: float(line[name]) if line[name] else None for name in _NUMBERS}
    share = {name: None if (value := number[name]) is None else value / 100 for name in _PERCENTAGES}
    return PaperRow(
        row=line["row"],
        table=line["table"],
        dataset=line["dataset"],
        backbone=line["backbone"],
        width=number["width"] or 1.0,
        model=line["model"],
        init="baseline" if line["init"] == "baseline" else "scratch",
        penalty=number["penalty"],
        gamma=number["gamma"],
        target_rate=number["target_rate"],
        gate_lr=number["gate_lr"],
        gate_lr_schedule=_SCHEDULES[line["gate_lr_schedule"]],
        accuracy=share["accuracy"],
        sd=share["sd"],
        runs=int(line["runs"] or 0),
        iou=number["iou"],
        cost=PaperCost(**{name: number[name] for name in _COSTS}),
        note=line["note"],
    )


_COSTS = tuple(field.name for field in fields(PaperCost))
_PERCENTAGES = ("accuracy", "sd")
_NUMBERS = ("width", "penalty", "gamma", "target_rate", "gate_lr", "iou", *_PERCENTAGES, *_COSTS)
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
    return min(baselines, key=lambda baseline: baseline.document != row.document)


def described(rows: Sequence[PaperRow]) -> str:
    """The settings of rows as a short text; settings that differ are given as a range or a list."""
    parts = []
    for name in ("dataset", "backbone", "model", "init"):
        parts.append("/".join(dict.fromkeys(str(getattr(row, name)) for row in rows)))
    for name, symbol in (("penalty", "lambda"), ("gamma", "gamma"), ("target_rate", "rate")):
        weights = sorted({value for row in rows if (value := getattr(row, name)) is not None})
        if weights:
            span = f"{weights[0]:g}" if len(weights) == 1 else f"{weights[0]:g} to {weights[-1]:g}"
            parts.append(f"{symbol} {span}")
    rates = sorted({row.gate_lr for row in rows if row.gate_lr is not None})
    if rates:
        parts.append(f"gate lr {'/'.join(f'{rate:g}' for rate in rates)}")
    schedules = dict.fromkeys(row.gate_lr_schedule for row in rows if row.gate_lr_schedule)
    return " ".join([*parts, "/".join(schedules)]).strip()
