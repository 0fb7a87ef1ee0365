"""Configurations by name, for ``memgate train --recipe NAME``; flags override them. Imports no torch."""

from dataclasses import dataclass, replace

from memgate.config.run import DataConfig, GateConfig, ModelConfig, RunConfig, TrainConfig
from memgate.errors import MemgateError, require
from memgate.papers.batch_shaping import bas_config
from memgate.papers.gaternet import gater_row_of, stages
from memgate.papers.rows import PaperRow, baseline_of, read_rows
from memgate.papers.scales import ScaleName, scaled
from memgate.papers.settings import (
    FINAL,
    FINAL_VALIDATED,
    RESNET34_AUTHORS,
    SCHEME_1,
    WARM_UP,
    Reading,
    has_two_readings,
    row_config,
    starts_from_baseline,
)

_PAPER = DataConfig(name="cifar10", normalisation="legacy", augment="crop-flip")
_ENTROPY = ModelConfig(name="entropy-gate", depth=110, gate=GateConfig(curve="centred", tap="o1"))
_PAPER_C10 = RunConfig(data=_PAPER, model=_ENTROPY, train=replace(FINAL, warmup_iterations=WARM_UP))
_RESNET34 = ModelConfig("resnet", 34, layout="imagenet")
_TWO_WAY = RunConfig(
    data=replace(_PAPER, val_fraction=0.1),
    model=ModelConfig("layer-two-way", 110, gate=GateConfig(penalty=0.01)),
    train=replace(SCHEME_1, warmup_iterations=WARM_UP),
)


@dataclass(frozen=True)
class Recipe:
    """A configuration and its purpose."""

    purpose: str
    """Shown by ``memgate recipes``."""
    config: RunConfig
    reproduces: str = ""
    """Row or table of the documents that it reproduces, see :mod:`memgate.papers.rows`; empty for none."""


RECIPES: dict[str, Recipe] = {
    "quickstart": Recipe(
        "handwritten digits, 20 % symmetric label noise and 5 % random images, under 2 minutes on 2 cores",
        RunConfig(
            name="quickstart",
            noise=("symmetric:0.2", "randx:0.05"),
            data=DataConfig(name="digits", augment="none"),
            model=ModelConfig(name="entropy-gate", depth=14),
            train=TrainConfig(epochs=24, milestones=(12, 19)),
        ),
    ),
    "memorise-small": Recipe(
        "2,000 CIFAR-10 images, 40 % symmetric noise, no augmentation, no weight decay: nearly all are fitted",
        RunConfig(
            name="memorise-small",
            noise=("symmetric:0.4",),
            data=DataConfig(name="cifar10", train_limit=2000, test_limit=2000, augment="none"),
            model=ModelConfig(name="entropy-gate", depth=20),
            train=TrainConfig(epochs=60, milestones=(40, 52), weight_decay=0.0, lr=0.05),
        ),
    ),
    "models-small": Recipe(
        "4,000 CIFAR-10 images, 20 % symmetric noise, 3 epochs at depth 14: the base of benchmarks/models.py",
        RunConfig(
            noise=("symmetric:0.2",),
            data=DataConfig(name="cifar10", train_limit=4000, test_limit=1000),
            model=ModelConfig(name="entropy-gate", depth=14),
            train=TrainConfig(epochs=3, milestones=(2,), checkpoint_every=0),
        ),
    ),
    "paper-c10": Recipe(
        "the papers' final scheme: ResNet-110, 300 epochs, lr 0.1 /10 at 120 and 180, warm-up of 391 iterations",
        _PAPER_C10,
        "paper-1-scratch-0.01-constant-text",
    ),
    "paper-c10-val": Recipe(
        "the papers' 45k/5k study: 333 epochs, lr /10 at 133 and 200 (seed and split are ours, and stratified)",
        replace(_PAPER_C10, data=replace(_PAPER, val_fraction=0.1), train=FINAL_VALIDATED),
    ),
    "paper-c10-scheme1": Recipe(
        "the report's training scheme 1: ResNet-110, 250 epochs, lr 0.1 /10 at 82 and 123",
        replace(_PAPER_C10, train=_TWO_WAY.train),
    ),
    "paper-c100": Recipe(
        "the papers' CIFAR-100 network: ResNet-164 of bottleneck units, gate lr /10 every 50 epochs",
        replace(
            _PAPER_C10,
            data=replace(_PAPER, name="cifar100"),
            model=replace(_ENTROPY, depth=164, block="bottleneck"),
            train=replace(_PAPER_C10.train, gate_lr_schedule="step50"),
        ),
        "paper-2-scratch-0.01-step50-text",
    ),
    "paper-resnet34": Recipe(
        "the report's ResNet-34 by its text: scheme 1 (lr /10 at 82 and 123), 164 epochs, He's initialisation",
        RunConfig(data=_PAPER, model=_RESNET34, train=replace(SCHEME_1, epochs=164)),
        "report-text-resnet34-text",
    ),
    "paper-resnet34-authors": Recipe(
        "the report's ResNet-34 by the authors' scripts: lr 0 to epoch 82, 0.01, 0.001; PyTorch's initialisation",
        RunConfig(
            data=_PAPER,
            model=replace(_RESNET34, initialisation="torch"),
            train=replace(RESNET34_AUTHORS, epochs=164),
        ),
        "report-text-resnet34",
    ),
    "paper-two-way": Recipe(
        "the report's two-way layer gates on 45k/5k images, lambda 0.01 (its grid: 0.00001 to 1000; in no table)",
        _TWO_WAY,
    ),
    "paper-two-way-authors": Recipe(
        "two-way layer gates by the authors' code: temperature 10,000, weights by fan-out, g at 1/2; 50,000 images",
        replace(
            _TWO_WAY,
            data=_PAPER,
            model=replace(
                _TWO_WAY.model, gate=GateConfig(penalty=0.01, temperature=10_000, bias=0.0, spread="fan-out")
            ),
        ),
    ),
    "paper-bas-r20-c10": Recipe(
        "the batch-shaping paper: gated ResNet-20, 500 epochs, shaping to epoch 100, then L0 to 300, gamma 0.05",
        bas_config("batch-shaping", 20, gamma=0.05),
        "paper-bas-r20-c10-0.05",
    ),
    "paper-bas-r32-c10": Recipe(
        "the same of ResNet-32",
        bas_config("batch-shaping", 32, gamma=0.05),
        "paper-bas-r32-c10-0.05",
    ),
    "paper-bas-r20-x10-c10": Recipe(
        "the same of ResNet-20 with 10 times the channels",
        bas_config("batch-shaping", 20, width=10.0, gamma=0.05),
        "paper-bas-r20-x10-c10-0.05",
    ),
    "paper-bas-r20-x20-c10": Recipe(
        "the same of ResNet-20 with 20 times the channels",
        bas_config("batch-shaping", 20, width=20.0, gamma=0.05),
        "paper-bas-r20-x20-c10-0.05",
    ),
    "paper-bas-r20-c10-l0-only": Recipe(
        "the same of ResNet-20 without batch shaping (its other rows: -shaping-only, -plain; of ResNet-32 too)",
        bas_config("l0-only", 20, gamma=0.05),
        "paper-bas-r20-c10-l0-only-0.05",
    ),
}


def recipe(name: str, scale: ScaleName = "full") -> RunConfig:
    """The configuration of a recipe, or of a row of the documents' tables.

    Args:
        name: a key of :data:`RECIPES`; or the name of a row: ``report-2.1-0.01`` is what the authors' code did,
            ``report-2.1-0.01-text`` what the document says. A row that starts from a trained baseline still
            needs ``init_from``.
        scale: of a row: ``full``, ``short`` (a tenth of the epochs) or ``tiny`` (minutes on a CPU).

    Raises:
        MemgateError: there is no recipe of this name, or it has no scales.

    Example:
        >>> import memgate
        >>> config = memgate.recipe("quickstart")
        >>> config.noise, config.train.epochs
        (('symmetric:0.2', 'randx:0.05'), 24)
    """
    if name in RECIPES:
        require(
            scale == "full",
            f"--scale {scale} does nothing for the recipe {name}, which is no row of a document: leave it out.",
        )
        return RECIPES[name].config
    row, reading = _row(name)
    if row is None:
        raise MemgateError(
            f"--recipe {name!r} is unknown: there are {', '.join(RECIPES)}, and every row that 'memgate reproduce "
            "--list' lists."
        )
    return scaled(row_config(row, reading), scale)


def staged(name: str | None, scale: ScaleName, config: RunConfig) -> tuple[RunConfig, ...]:
    """The trainings of a recipe that is trained in stages, in their order; empty for any other.

    Args:
        name: of the recipe that ``config`` was made from; None for none.
        scale: of the recipe.
        config: of the last stage, with what the user changed; one that starts from other runs already has no stages.
    """
    row, reading = _row(name or "")
    if row is None or row.model != "gater" or config.starts_from_others:
        return ()
    joint, backbone, gater = (
        scaled(row_config(one, reading), scale) for one in (row, baseline_of(row), gater_row_of(row))
    )
    return stages(config, joint, backbone, gater)


def check_start(name: str | None, config: RunConfig) -> None:
    """Check that a run starts from a trained baseline where its recipe does.

    Args:
        name: of the recipe that the run was made from; None for none.
        config: of the run.

    Raises:
        MemgateError: the recipe starts from a baseline and the run has no ``init_from``.
    """
    row, reading = _row(name or "")
    require(
        row is None or config.starts_from_others or not starts_from_baseline(row, reading),
        f"--recipe {name} starts from a trained baseline: add --init-from RUN, or take 'memgate reproduce "
        f"{row and row.row} --reading text', which trains one first.",
    )


def _row(name: str) -> tuple[PaperRow | None, Reading]:
    """The row that a recipe's name stands for (None for none), and its reading: by the code or by the text."""
    row_name = name.removesuffix("-text")
    reading: Reading = "code" if row_name == name else "text"
    row = next((row for row in read_rows() if row.row == row_name), None)
    return row if row is None or reading == "code" or has_two_readings(row) else None, reading
