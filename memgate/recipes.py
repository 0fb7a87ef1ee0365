"""Ready-made runs by name: ``memgate train --recipe NAME``, every flag still open to change."""

from dataclasses import dataclass, replace

from memgate.config import DataConfig, GateConfig, ModelConfig, RunConfig, TrainConfig
from memgate.errors import MemgateError

_PAPER_GATE = GateConfig(curve="centred", tap="o1")
_PAPER_C10 = RunConfig(
    data=DataConfig(name="cifar10", normalisation="legacy", augment="crop-flip"),
    model=ModelConfig(name="entropy-gate", depth=110, gate=_PAPER_GATE),
    train=TrainConfig(
        epochs=300, milestones=(120, 180), warmup_iterations=391, gate_lr=0.01, gate_lr_schedule="constant"
    ),
)


@dataclass(frozen=True)
class Recipe:
    """A configuration and what it is for."""

    purpose: str
    config: RunConfig


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
        "2,000 CIFAR-10 images, 40 % symmetric noise, no augmentation, no weight decay: nearly all of it is fitted",
        RunConfig(
            name="memorise-small",
            noise=("symmetric:0.4",),
            data=DataConfig(name="cifar10", train_limit=2000, test_limit=2000, augment="none"),
            model=ModelConfig(name="entropy-gate", depth=20),
            train=TrainConfig(epochs=60, milestones=(40, 52), weight_decay=0.0, lr=0.05),
        ),
    ),
    "paper-c10": Recipe(
        "the papers' final scheme: ResNet-110, 300 epochs, lr 0.1 /10 at 120 and 180, warm-up of 391 iterations",
        _PAPER_C10,
    ),
    "paper-c10-val": Recipe(
        "the papers' 45k/5k study: 333 epochs, lr /10 at 133 and 200 (seed and split are ours, and stratified)",
        replace(
            _PAPER_C10,
            data=replace(_PAPER_C10.data, val_fraction=0.1),
            train=replace(_PAPER_C10.train, epochs=333, milestones=(133, 200), warmup_iterations=352),
        ),
    ),
    "paper-c10-scheme1": Recipe(
        "the report's training scheme 1: ResNet-110, 250 epochs, lr 0.1 /10 at 82 and 123",
        replace(_PAPER_C10, train=replace(_PAPER_C10.train, epochs=250, milestones=(82, 123))),
    ),
    "paper-c100": Recipe(
        "the papers' CIFAR-100 network: ResNet-164 of bottleneck units, gate lr /10 every 50 epochs",
        replace(
            _PAPER_C10,
            data=replace(_PAPER_C10.data, name="cifar100"),
            model=replace(_PAPER_C10.model, depth=164, block="bottleneck"),
            train=replace(_PAPER_C10.train, gate_lr_schedule="step50"),
        ),
    ),
}


def recipe(name: str) -> RunConfig:
    """The configuration of a recipe.

    Raises:
        MemgateError: there is no recipe of this name.
    """
    if name not in RECIPES:
        raise MemgateError(f"--recipe {name!r} is unknown: there are {', '.join(RECIPES)}.")
    return RECIPES[name].config
