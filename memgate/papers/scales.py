"""Scales of a reproduction: the documents' own, a tenth of the epochs, or minutes on a CPU. Imports no torch."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from memgate.config.run import ModelConfig, RunConfig, SparsityConfig, TrainConfig
from memgate.training.schedule import RESNET34_PHASES

ScaleName = Literal["tiny", "short", "full"]

WIDEST_SMALL = 2.0
"""Factor of the channels of the smallest network of a wider family."""

TRAIN_IMAGES = {"cifar10": 50_000, "cifar100": 50_000}


@dataclass(frozen=True)
class Scale:
    """How much of a documents' run is trained."""

    description: str
    """Short text for messages."""
    fraction: float | None
    """Share of the epochs; None: a fixed number of ``epochs``."""
    epochs: int = 0
    """Number of epochs where ``fraction`` is None."""
    train_limit: int | None = None
    """Number of training images; None: all."""
    test_limit: int | None = None
    """Number of test images; None: all."""
    small: bool = False
    """Whether the network is replaced by the smallest of its family that can be gated."""


SCALES: dict[ScaleName, Scale] = {
    "tiny": Scale(
        "6 epochs of 4,000 images, 2,000 test images, the smallest network of its family", None, 6, 4000, 2000, True
    ),
    "short": Scale("a tenth of the epochs, milestones likewise; all else as at full scale", 0.1),
    "full": Scale("the documents' setting", 1.0),
}  # fmt: skip


def scaled(config: RunConfig, scale: ScaleName) -> RunConfig:
    """The configuration at a scale.

    Milestones and the schedules of the gates' losses keep their share of the epochs, and each phase has an epoch or
    more as far as there are enough. The epochs that the authors' ResNet-34 schedule trains at a rate of 0
    (1 to 82, and from 165 on) are omitted from a shortened run: they change BatchNorm's statistics only.

    Args:
        config: configuration at the full scale.
        scale: name of the scale.
    """
    settings = SCALES[scale]
    if settings.fraction == 1.0:
        return config
    train = _without_zero_rates(config.train)
    epochs = settings.epochs if settings.fraction is None else max(1, round(settings.fraction * train.epochs))
    ratio = epochs / train.epochs
    sparsity = _scaled_losses(config.sparsity, ratio, epochs)
    drops = train.milestones and _scaled_drops(train.milestones, ratio, epochs)
    train = replace(train, epochs=epochs, milestones=drops)
    if settings.small:
        train = replace(train, warmup_iterations=0)  # the papers' networks below 110 layers have none
    data = replace(config.data, train_limit=settings.train_limit, test_limit=settings.test_limit)
    model = _smallest(config.model) if settings.small else config.model
    return replace(config, data=data, model=model, train=train, sparsity=sparsity)


def _scaled_drops(milestones: Sequence[int], ratio: float, epochs: int) -> tuple[int, ...]:
    """The milestones at a share of the epochs, with one epoch or more between them and after the last.

    Where there are too few epochs, the first ones are left out.
    """
    drops: list[int] = []
    latest = epochs - 1
    for milestone in reversed(milestones):
        drops.insert(0, min(max(1, round(ratio * milestone)), latest))
        latest = drops[0] - 1
    return tuple(drop for drop in drops if drop >= 1)


def _scaled_losses(losses: SparsityConfig, ratio: float, epochs: int) -> SparsityConfig:
    """The losses with their epochs at a share of the epochs: shaping and the rise of L0 last one epoch or more.

    Args:
        losses: at the full scale.
        ratio: share of the epochs.
        epochs: of the scaled training.
    """
    until, start, end = (
        None if epoch is None else max(1, round(ratio * epoch))
        for epoch in (losses.shaping_until, losses.l0_from, losses.l0_until)
    )
    if start is not None:
        start = min(start, epochs - 1)
    if start is not None and end is not None:
        end = max(end, start + 1)
    return replace(losses, shaping_until=until, l0_from=start, l0_until=end)


def _without_zero_rates(train: TrainConfig) -> TrainConfig:
    """The training with the authors' ResNet-34 schedule replaced by milestones, without the epochs at a rate of 0."""
    if train.schedule != "resnet34-authors":
        return train
    start = next(last for last, decays in RESNET34_PHASES if decays is None)
    ends = [last - start for last, decays in RESNET34_PHASES if decays is not None]
    first = next(decays for _, decays in RESNET34_PHASES if decays is not None)
    return replace(
        train,
        schedule="milestones",
        lr=train.lr * train.lr_decay**first,
        epochs=ends[-1],
        milestones=tuple(ends[:-1]),
    )


def _smallest(model: ModelConfig) -> ModelConfig:
    """The smallest network of the same family whose every block can be gated; of a wider one, twice as wide."""
    model = replace(model, width=min(model.width, WIDEST_SMALL))
    model = replace(model, gate=replace(model.gate, gater_depth=14)) if model.uses("gater_depth") else model
    if model.layout == "imagenet":
        return replace(model, depth=18, width=0.25)
    if model.family == "densenet":
        return replace(model, depth=22, growth=12)
    if model.family == "shake-shake":
        return replace(model, depth=14, width=0.25)
    return replace(model, depth=14 if model.block == "basic" else 20)


@dataclass(frozen=True)
class Workload:
    """The computation that runs still need."""

    runs: int
    """Number of runs."""
    epochs: int
    """Epochs of all runs."""
    steps: int
    """Batches of all runs."""
    images: int
    """Forward and backward passes of single images; evaluation is not counted."""

    @property
    def sentence(self) -> str:
        """All numbers in one phrase."""
        runs = f"{self.runs} runs" if self.runs != 1 else "1 run"
        epochs = f"{self.epochs:,} epochs" if self.epochs != 1 else "1 epoch"
        return f"{runs}, {epochs}, {self.steps:,} steps in all, {self.images:,} images forward and backward"


def workload(runs: Iterable[tuple[RunConfig, int]]) -> Workload:
    """The computation that runs on CIFAR still need.

    Args:
        runs: configuration and number of finished epochs of each run.
    """
    total = Workload(0, 0, 0, 0)
    for config, done in runs:
        n = config.data.train_limit or TRAIN_IMAGES[config.data.name]
        n -= round(config.data.val_fraction * n)
        epochs = config.train.epochs - done
        steps = epochs * -(-n // config.train.batch_size)
        total = Workload(
            total.runs + 1, total.epochs + epochs, total.steps + steps, total.images + epochs * n
        )
    return total


def scale_caveats(scale: ScaleName, configs: Iterable[RunConfig]) -> list[str]:
    """Reasons why runs of a scale cannot be compared with the documents' numbers, each a sentence."""
    if scale == "full":
        return []
    configs = list(configs)
    sentences = [f"Scale {scale} ({SCALES[scale].description}): not comparable with the documents' numbers."]
    if any(config.train.schedule == "resnet34-authors" for config in configs):
        sentences.append(
            "Of the authors' ResNet-34 schedule the epochs at a rate of 0 are left out at this scale."
        )
    if any(config.train.gate_lr_schedule == "step50" for config in configs):
        sentences.append(
            "A gate's rate that falls every 50 epochs does not fall in a run of fewer: rows of step50 are the same "
            "as those of constant at this scale."
        )
    if any("l0" in config.sparsity_losses and config.sparsity.l0 for config in configs):
        sentences.append(
            "L0 closes gates little by little: with the documents' gamma and a share of their steps few channels "
            "close, so the MACs hardly depend on gamma at this scale."
        )
    if SCALES[scale].small and any(config.model.width > WIDEST_SMALL for config in configs):
        sentences.append(f"Wider networks have {WIDEST_SMALL:g} times the channels at this scale.")
    return sentences
