"""Reads the training curves that the authors of the entropy gate published, one per run. Imports no torch.

The name of a run has its settings, in one of two forms:

    vc10_resnet_gate_classifier110_4770_scratch_it1g-2cm-1[_lr1by34770|_lr1by347last]
    c10_resnet_gate_classifier110_scit1g-2cm-1_4770_5e-1

- ``c10``, ``c100``: CIFAR-10, CIFAR-100
- ``110``, ``164``: depth of the ResNet, of basic or bottleneck units
- ``3248``, ``4770``: steps in thousands after which the trunk's rate drops, 32 and 48 or 47 and 70
- ``bi``: baseline initialisation (which loaded nothing); ``scratch``, ``sc``: from scratch
- ``it3``: the trunk is updated on every third batch
- ``g-2``: gate rate 1e-2, constant with ``c``, else divided by 10 every 50 epochs; ``m-1``: trunk rate 1e-1
- ``lr1by3``: the trunk's rate is divided by 3 instead of 10; with ``47last``, at the first drop only
- ``5e-1``: share of the training images held out for validation; 0.1 (45,000/5,000) without it
"""

import csv
import gzip
import math
import re
import zlib
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from memgate.errors import MemgateError, require

SPLITS = ("train", "val", "test")

_NAME = re.compile(
    r"v?c(?P<classes>100?)_resnet_gate_classifier(?P<depth>110|164)_"
    r"(?:(?P<drops>3248|4770)_(?P<init>bi|scratch)_)?(?P<short>sc)?"
    r"it(?P<iters>\d+)g-(?P<gate>\d)(?P<constant>c?)m-(?P<trunk>\d)"
    r"(?:_(?P<late_drops>3248|4770)_(?P<held>\d)e-(?P<tens>\d))?"
    r"(?:_lr1by3(?P<thirds>4770|47last))?"
)
_COLUMNS = (
    "run", "epoch", "lr", "gate_lr",
    *(f"{split}_{what}" for split in SPLITS for what in ("accuracy", "loss_cls", "loss_gatecel")),
)  # fmt: skip


@dataclass(frozen=True)
class AuthorSettings:
    """The settings in the name of a run."""

    dataset: Literal["cifar10", "cifar100"]
    depth: int
    """110 or 164."""
    block: Literal["basic", "bottleneck"]
    drops: tuple[int, int]
    """Planned drops of the trunk's rate, in steps of a full training set (391 batches per epoch)."""
    init: Literal["scratch", "baseline"]
    """``baseline`` is the intention only: the authors' loader loaded nothing, so these runs are from scratch too."""
    gate_iters: int
    """Gate steps for each trunk step, in the mode ``starve``."""
    lr: float
    """Learning rate of the trunk, after the first epoch's warm-up."""
    gate_lr: float
    gate_lr_schedule: Literal["constant", "step50"]
    lr_decay: float
    """Factor of the trunk's rate at each drop."""
    val_fraction: float
    """Share of the 50,000 training images held out."""


@dataclass(frozen=True, eq=False)
class AuthorRun:
    """The curves of one of the authors' runs; every array is [E], one value per epoch."""

    name: str
    settings: AuthorSettings
    epoch: NDArray[np.int64]
    """Epoch numbers, from 1; the last epoch of the training is usually missing."""
    accuracy: dict[str, NDArray[np.float64]]
    """Split to its accuracy in [0, 1], in evaluation mode; training images are augmented."""
    loss: dict[str, NDArray[np.float64]]
    """Split to the mean cross-entropy per sample in nats, see :func:`per_sample`."""
    gate_loss: dict[str, NDArray[np.float64]]
    """Split to the mean cross-entropy of the gate's own classifier per sample in nats."""
    lr: NDArray[np.float64]
    """Learning rate of the trunk."""
    gate_lr: NDArray[np.float64]
    """Learning rate of the gate."""

    @property
    def milestones(self) -> tuple[int, ...]:
        """Epochs after which the trunk's rate dropped, by its recorded values and not by the run's name."""
        return tuple(
            int(epoch)
            for epoch, (rate, following) in zip(self.epoch, pairwise(self.lr), strict=False)
            if following < rate
        )


def per_sample(split: str, val_fraction: float) -> float:
    """The factor that turns the authors' losses into means per sample in nats.

    Their losses are the sum over batches of 128 of the batch's mean, divided by the number of *samples*. The mean per
    sample is therefore that value times the mean batch size N / ceil(N / 128): 126.6 for the test images, and only 50
    for a validation split of 50. (A smaller last batch still has the weight of a full one.)

    Args:
        split: ``train``, ``val`` or ``test``.
        val_fraction: share of the 50,000 training images held out.
    """
    held = round(val_fraction * 50_000)
    samples = {"train": 50_000 - held, "val": held, "test": 10_000}[split]
    return samples / math.ceil(samples / 128)


def parse_name(name: str) -> AuthorSettings:
    """The settings in a run's name, whose form the module's docstring explains.

    Raises:
        MemgateError: the name has another form.
    """
    match = _NAME.fullmatch(name)
    # Drops are named once: before the rates in the long form, after them in the short form.
    if match is None or (match["drops"] is None) != (
        match["short"] is not None and match["held"] is not None
    ):
        raise MemgateError(
            f"{name!r} is not a run name of the authors, such as "
            "vc10_resnet_gate_classifier110_4770_scratch_it1g-2cm-1."
        )
    drops = (32_000, 48_000) if "3248" in (match["drops"], match["late_drops"]) else (47_000, 70_000)
    return AuthorSettings(
        dataset="cifar100" if match["classes"] == "100" else "cifar10",
        depth=int(match["depth"]),
        block="bottleneck" if match["depth"] == "164" else "basic",
        drops=drops,
        init="baseline" if match["init"] == "bi" else "scratch",
        gate_iters=int(match["iters"]),
        lr=float(f"1e-{match['trunk']}"),
        gate_lr=float(f"1e-{match['gate']}"),
        gate_lr_schedule="constant" if match["constant"] else "step50",
        lr_decay=1 / 3 if match["thirds"] else 0.1,
        val_fraction=float(f"{match['held']}e-{match['tens']}") if match["held"] else 0.1,
    )


def load_curves(path: Path) -> dict[str, AuthorRun]:
    """Run name to the run, in the order of a file.

    Args:
        path: CSV file with one line per run and epoch, compressed by gzip where it ends in ``.gz``
            (``../shared/reference/README.md``).

    Raises:
        MemgateError: the file is missing, damaged or lacks a column; a name has another form; epochs do not
            increase; a number is out of range.
    """
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", newline="", encoding="utf-8-sig") as stream:
            lines = list(csv.DictReader(stream))
    except FileNotFoundError as error:
        raise MemgateError(f"{path} does not exist: give the file of the authors' curves.") from error
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise MemgateError(f"{path} cannot be read ({error}): copy it again.") from error
    missing = [column for column in _COLUMNS if not lines or column not in lines[0]]
    require(
        not missing,
        f"{path} is not a file of the authors' curves: it has no column {', '.join(missing[:3])}.",
    )
    runs: dict[str, list[dict[str, str]]] = {}
    for line in lines:
        runs.setdefault(line["run"], []).append(line)
    return {name: _author_run(name, run_lines, path) for name, run_lines in runs.items()}


def _author_run(name: str, lines: list[dict[str, str]], path: Path) -> AuthorRun:
    """The run of a name and its lines; raises MemgateError where a number is out of range."""
    settings = parse_name(name)
    try:
        columns = {column: np.array([line[column] for line in lines], np.float64) for column in _COLUMNS[1:]}
    except (TypeError, ValueError) as error:
        raise MemgateError(f"{path}: {name} has a value that is not a number ({error}).") from error
    for column, values in columns.items():
        highest = 100 if column.endswith("accuracy") else np.inf
        wrong = ~(np.isfinite(values) & (values >= 0) & (values <= highest))
        require(
            not wrong.any(),
            f"{path}: {name} has {column} {values[wrong][:1].sum():g}, which is out of range.",
        )
    epoch = columns["epoch"].astype(np.int64)
    require(
        bool((columns["epoch"] == epoch).all() and epoch[0] >= 1),
        f"{path}: the epochs of {name} are not whole numbers from 1.",
    )
    require(bool((np.diff(epoch) > 0).all()), f"{path}: the epochs of {name} do not increase.")
    scale = {split: per_sample(split, settings.val_fraction) for split in SPLITS}
    return AuthorRun(
        name=name,
        settings=settings,
        epoch=epoch,
        accuracy={split: columns[f"{split}_accuracy"] / 100 for split in SPLITS},
        loss={split: columns[f"{split}_loss_cls"] * scale[split] for split in SPLITS},
        gate_loss={split: columns[f"{split}_loss_gatecel"] * scale[split] for split in SPLITS},
        lr=columns["lr"],
        gate_lr=columns["gate_lr"],
    )
