"""How much of a paper's run is carried out: all, a tenth of its epochs, or minutes on a CPU. Imports no torch."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from memgate.config.run import ModelConfig, RunConfig, TrainConfig
from memgate.training.schedule import RESNET34_AUTHORS

ScaleName = Literal["tiny", "short", "full"]

TRAIN_IMAGES = {"cifar10": 50_000, "cifar100": 50_000}


@dataclass(frozen=True)
class Scale:
    """A part of a paper's run."""

    words: str
    """What it is, for people."""
    fraction: float | None
    """Of the epochs; None: ``epochs`` of them."""
    epochs: int = 0
    train_limit: int | None = None
    test_limit: int | None = None
    small: bool = False
    """Whether the network is the smallest of its family that can be gated."""


SCALES: dict[ScaleName, Scale] = {
    "tiny": Scale(
        "6 epochs of 4,000 images, 2,000 test images, the smallest network of its family", None, 6, 4000, 2000, True
    ),
    "short": Scale("a tenth of the epochs, milestones likewise; all else as at full scale", 0.1),
    "full": Scale("the documents' setting", 1.0),
}  # fmt: skip


def scaled(config: RunConfig, scale: ScaleName) -> RunConfig:
    """A full run, cut down.

    Milestones move with the number of epochs. What the ResNet-34 authors had without any rate, epochs 1 to 82 and 165
    on, is left out of a shortened run: it moves nothing but BatchNorm's statistics.

    Args:
        config: at the full scale.
        scale: to which.
    """
    how = SCALES[scale]
    if how.fraction == 1.0:
        return config
    train = _with_rates(config.train)
    epochs = how.epochs if how.fraction is None else max(1, round(how.fraction * train.epochs))
    ratio = epochs / train.epochs
    drops = sorted({max(1, round(ratio * milestone)) for milestone in train.milestones or ()})
    train = replace(train, epochs=epochs, milestones=tuple(drop for drop in drops if drop < epochs))
    if how.small:
        train = replace(train, warmup_iterations=0)  # the papers' networks below 110 layers have none
    data = replace(config.data, train_limit=how.train_limit, test_limit=how.test_limit)
    return replace(
        config, data=data, model=_smallest(config.model) if how.small else config.model, train=train
    )


def _with_rates(train: TrainConfig) -> TrainConfig:
    """The authors' ResNet-34 schedule without its epochs at a rate of 0, as milestones."""
    if train.schedule != "resnet34-authors":
        return train
    start = next(last for last, decays in RESNET34_AUTHORS if decays is None)
    ends = [last - start for last, decays in RESNET34_AUTHORS if decays is not None]
    first = next(decays for _, decays in RESNET34_AUTHORS if decays is not None)
    return replace(
        train,
        schedule="milestones",
        lr=train.lr * train.lr_decay**first,
        epochs=ends[-1],
        milestones=tuple(ends[:-1]),
    )


def _smallest(model: ModelConfig) -> ModelConfig:
    """The smallest network of the same family whose every block can be gated."""
    if model.layout == "imagenet":
        return replace(model, depth=18, width=0.25)
    return replace(model, depth=14 if model.block == "basic" else 20)


@dataclass(frozen=True)
class Cost:
    """What runs have before them."""

    runs: int
    epochs: int
    steps: int
    """Batches."""
    images: int
    """Forward and backward passes of one image; evaluation is not counted."""

    @property
    def sentence(self) -> str:
        """The cost for people."""
        each = f"{self.runs} runs" if self.runs != 1 else "1 run"
        epochs = f"{self.epochs:,} epochs" if self.epochs != 1 else "1 epoch"
        return f"{each}, {epochs}, {self.steps:,} steps in all, {self.images:,} images forward and backward"


def cost(runs: Iterable[tuple[RunConfig, int]]) -> Cost:
    """Count what runs on CIFAR have before them.

    Args:
        runs: each with its epochs that are done.
    """
    found = Cost(0, 0, 0, 0)
    for config, done in runs:
        n = config.data.train_limit or TRAIN_IMAGES[config.data.name]
        n -= round(config.data.val_fraction * n)
        epochs = config.train.epochs - done
        steps = epochs * -(-n // config.train.batch_size)
        found = Cost(found.runs + 1, found.epochs + epochs, found.steps + steps, found.images + epochs * n)
    return found


def scale_caveats(scale: ScaleName, configs: Iterable[RunConfig]) -> list[str]:
    """What keeps runs of a scale from being compared with the documents' numbers, each a sentence."""
    if scale == "full":
        return []
    found = [f"Scale {scale} ({SCALES[scale].words}): not comparable with the documents' numbers."]
    if any(config.train.schedule == "resnet34-authors" for config in configs):
        found.append(
            "Of the authors' ResNet-34 schedule the epochs at a rate of 0 are left out at this scale."
        )
    if any(config.train.gate_lr_schedule == "step50" for config in configs):
        found.append(
            "A gate's rate that falls every 50 epochs does not fall in a run of fewer: rows of step50 are the same "
            "as those of constant at this scale."
        )
    return found
