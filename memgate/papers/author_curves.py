"""The training curves that the authors of the entropy gate left, read and told apart. Imports no torch.

A name says the setting, in two forms:

    vc10_resnet_gate_classifier110_4770_scratch_it1g-2cm-1[_lr1by34770|_lr1by347last]
    c10_resnet_gate_classifier110_scit1g-2cm-1_4770_5e-1

``c10``/``c100``: CIFAR; 110: ResNet of basic units, 164: of bottleneck units; 3248, 4770: the trunk's rate falls after
32k and 48k, or 47k and 70k steps; ``bi``: baseline initialisation (which loaded nothing), ``scratch``/``sc``; ``it3``:
the trunk steps on every third batch; ``g-2``: gate rate 1e-2; ``c``: constant, else a tenth every 50 epochs; ``m-1``:
trunk rate 1e-1; ``lr1by3``: divided by 3 in place of 10, ``47last`` at the first drop only; ``5e-1``: share of the
training images held out for validation, a tenth (45k/5k) where none is named.
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
class Setting:
    """What a run's name says of it."""

    dataset: Literal["cifar10", "cifar100"]
    depth: int
    """110 or 164."""
    block: Literal["basic", "bottleneck"]
    drops: tuple[int, int]
    """Steps (of a full training set of 391 batches an epoch) after which the trunk's rate was to fall."""
    init: Literal["scratch", "baseline"]
    """``baseline`` is what they meant: their loader loaded nothing, so these runs are from scratch too."""
    gate_iters: int
    """Gate steps for each trunk step, in the mode ``starve``."""
    lr: float
    """Of the trunk, after the first epoch's warm-up."""
    gate_lr: float
    gate_lr_schedule: Literal["constant", "step50"]
    lr_decay: float
    """Factor of the trunk's rate at a drop."""
    val_fraction: float
    """Share of the 50,000 training images held out."""


@dataclass(frozen=True, eq=False)
class Curve:
    """One run of the authors', epoch by epoch; every array is [E]."""

    name: str
    setting: Setting
    epoch: NDArray[np.int64]
    """Counted from 1; the last one is usually missing from their files."""
    accuracy: dict[str, NDArray[np.float64]]
    """``train``, ``val``, ``test`` to the share of right answers, in evaluation mode; train images are augmented."""
    loss: dict[str, NDArray[np.float64]]
    """Split to the mean cross-entropy of a sample in nats: see :func:`per_sample`."""
    gate_loss: dict[str, NDArray[np.float64]]
    """Likewise of the gate's own classifier."""
    lr: NDArray[np.float64]
    gate_lr: NDArray[np.float64]

    @property
    def milestones(self) -> tuple[int, ...]:
        """Epochs after which the trunk's rate really fell: what the rates say, whatever the name does."""
        return tuple(
            int(epoch)
            for epoch, (rate, following) in zip(self.epoch, pairwise(self.lr), strict=False)
            if following < rate
        )


def per_sample(split: str, val_fraction: float) -> float:
    """What turns their losses into the mean of a sample in nats.

    They add up the means of all batches of 128 and divide by the number of *samples*. So a mean over samples is
    their number times samples per batch: about 128, exactly N / ceil(N / 128), which is 126.6 for the test images
    and only 50 for a validation split of 50. (A smaller last batch weighs as much as the others; that remains.)
    """
    held = round(val_fraction * 50_000)
    samples = {"train": 50_000 - held, "val": held, "test": 10_000}[split]
    return samples / math.ceil(samples / 128)


def parse_name(name: str) -> Setting:
    """The setting of a run by its name.

    Raises:
        MemgateError: it does not follow the authors' grammar, which this module's text explains.
    """
    found = _NAME.fullmatch(name)
    # Drops and initialisation stand in front, or behind in the short form: once, in either.
    if found is None or (found["drops"] is None) != (
        found["short"] is not None and found["held"] is not None
    ):
        raise MemgateError(
            f"{name!r} is no run name of the authors', such as vc10_resnet_gate_classifier110_4770_scratch_it1g-2cm-1."
        )
    drops = (32_000, 48_000) if "3248" in (found["drops"], found["late_drops"]) else (47_000, 70_000)
    return Setting(
        dataset="cifar100" if found["classes"] == "100" else "cifar10",
        depth=int(found["depth"]),
        block="bottleneck" if found["depth"] == "164" else "basic",
        drops=drops,
        init="baseline" if found["init"] == "bi" else "scratch",
        gate_iters=int(found["iters"]),
        lr=float(f"1e-{found['trunk']}"),
        gate_lr=float(f"1e-{found['gate']}"),
        gate_lr_schedule="constant" if found["constant"] else "step50",
        lr_decay=1 / 3 if found["thirds"] else 0.1,
        val_fraction=float(f"{found['held']}e-{found['tens']}") if found["held"] else 0.1,
    )


def load_curves(path: Path) -> dict[str, Curve]:
    """Every run of a file, by its name, in the file's order.

    Args:
        path: CSV, packed by gzip if it ends in ``.gz``; a line per run and epoch (``../shared/reference/README.md``).

    Raises:
        MemgateError: the file is missing, damaged or another; a name is outside the grammar; epochs do not rise; a
            number is impossible.
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
        not missing, f"{path} is no file of the authors' curves: it has no column {', '.join(missing[:3])}."
    )
    runs: dict[str, list[dict[str, str]]] = {}
    for line in lines:
        runs.setdefault(line["run"], []).append(line)
    return {name: _curve(name, found, path) for name, found in runs.items()}


def _curve(name: str, lines: list[dict[str, str]], path: Path) -> Curve:
    setting = parse_name(name)
    try:
        columns = {column: np.array([line[column] for line in lines], np.float64) for column in _COLUMNS[1:]}
    except (TypeError, ValueError) as error:
        raise MemgateError(f"{path}: {name} holds something that is no number ({error}).") from error
    for column, values in columns.items():
        highest = 100 if column.endswith("accuracy") else np.inf
        wrong = ~(np.isfinite(values) & (values >= 0) & (values <= highest))
        require(
            not wrong.any(),
            f"{path}: {name} has {column} {values[wrong][:1].sum():g}, which no training can have.",
        )
    epoch = columns["epoch"].astype(np.int64)
    require(
        bool((columns["epoch"] == epoch).all() and epoch[0] >= 1),
        f"{path}: the epochs of {name} are no whole numbers from 1.",
    )
    require(bool((np.diff(epoch) > 0).all()), f"{path}: the epochs of {name} do not rise.")
    scale = {split: per_sample(split, setting.val_fraction) for split in SPLITS}
    return Curve(
        name=name,
        setting=setting,
        epoch=epoch,
        accuracy={split: columns[f"{split}_accuracy"] / 100 for split in SPLITS},
        loss={split: columns[f"{split}_loss_cls"] * scale[split] for split in SPLITS},
        gate_loss={split: columns[f"{split}_loss_gatecel"] * scale[split] for split in SPLITS},
        lr=columns["lr"],
        gate_lr=columns["gate_lr"],
    )
