"""Configuration of the optimisation. Imports no torch."""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from memgate.config.checks import MOST_EPOCHS, check_types, in_range
from memgate.errors import require

Precision = Literal["auto", "float32", "bf16"]

MOST_CHECKPOINTS = 10_000
"""So that a slip of the keyboard does not fill the disk."""


@dataclass(frozen=True)
class TrainConfig:
    """Optimisation by SGD with momentum, as in the papers.

    Example:
        >>> from memgate import TrainConfig
        >>> TrainConfig(epochs=24, milestones=(12, 19), lr=0.05).lr_decay
        0.1
    """

    epochs: int = 60
    """Passes over the training set (1 to 100000)."""
    batch_size: int = 128
    """Images per step (2 to 1000000); the last, partial batch is kept."""
    lr: float = 0.1
    """Learning rate of the trunk, and of gates without a classifier of their own; above 0."""
    momentum: float = 0.9
    """Momentum of trunk and gates; in [0, 1)."""
    nesterov: bool = False
    """Nesterov's momentum (batch-shaping paper)."""
    weight_decay: float = 1e-4
    """Weight decay of every parameter, BatchNorm and biases included, as in the papers; 0 or more."""
    gate_weight_decay: float | None = None
    """Weight decay of the gates. None: 0 for gates of channels and whole units (channel-gate: as in its paper), that
    of all other parameters for other gates and for a gater."""
    schedule: Literal["milestones", "cosine", "resnet34-authors"] = "milestones"
    """Learning rate of the trunk. milestones: multiplied by --train.lr-decay at each milestone; cosine: half a cosine
    from --train.lr towards 0, by epochs (Shake-Shake); resnet34-authors: what the authors' ResNet-34 scripts did: 0 in
    epochs 1-82, then lr times the decay, from 124 times its square, and 0 from epoch 165."""
    milestones: tuple[int, ...] | None = None
    """Epochs after which the learning rate decays, rising. None: at 50 % and 75 % of the epochs."""
    lr_decay: float = 0.1
    """Factor of the learning rate at each milestone, in (0, 1] (papers: 0.1; some of the authors' extra runs: 1/3)."""
    warmup_iterations: int = 0
    """Steps at --train.warmup-lr before the schedule begins (papers, depth 110 or more: 391)."""
    warmup_lr: float = 0.01
    """Learning rate of the warm-up; above 0."""
    gate_lr: float = 0.01
    """entropy-gate: learning rate of the gate's classifier; above 0."""
    gate_lr_schedule: Literal["constant", "step50"] = "constant"
    """entropy-gate: constant, or divided by 10 every 50 epochs."""
    gate_iters: int = 1
    """entropy-gate: gate steps per trunk step (1 to 10000)."""
    gate_iters_mode: Literal["extra", "starve"] = "extra"
    """entropy-gate, gate-iters k above 1. extra: k gate steps on each batch (the papers' text); starve: the trunk
    steps on every k-th batch only (the authors' code)."""
    precision: Precision = "auto"
    """Arithmetic of the trunk. auto: bf16 autocast on CUDA, float32 on the CPU."""
    checkpoint_every: int = 50
    """Keep epoch_NNN.pt every N epochs and after the last. 0: only last.pt and best.pt."""

    def __post_init__(self) -> None:
        check_types(self, "train.")
        in_range("--train.epochs", self.epochs, 1, MOST_EPOCHS)
        in_range("--train.batch-size", self.batch_size, 2, 1_000_000, "; BatchNorm needs more than one image")
        in_range("--train.warmup-iterations", self.warmup_iterations, 0, 1_000_000_000)
        in_range("--train.gate-iters", self.gate_iters, 1, 10_000)
        in_range("--train.checkpoint-every", self.checkpoint_every, 0, MOST_EPOCHS)
        require(
            not self.checkpoint_every or self.epochs // self.checkpoint_every <= MOST_CHECKPOINTS,
            f"--train.checkpoint-every {self.checkpoint_every} would keep more than {MOST_CHECKPOINTS} checkpoints in "
            f"{self.epochs} epochs: take a larger number.",
        )
        for flag, rate in (("lr", self.lr), ("warmup-lr", self.warmup_lr), ("gate-lr", self.gate_lr)):
            require(0 < rate < math.inf, f"--train.{flag} {rate} must be a number above 0, such as 0.1.")
        require(0 <= self.momentum < 1, f"--train.momentum {self.momentum} is out of range: in [0, 1).")
        require(
            0 <= self.weight_decay < math.inf,
            f"--train.weight-decay {self.weight_decay} must be a number from 0, such as 0.0001.",
        )
        require(
            self.gate_weight_decay is None or 0 <= self.gate_weight_decay < math.inf,
            f"--train.gate-weight-decay {self.gate_weight_decay} must be a number from 0, such as 0.0001.",
        )
        require(
            not self.nesterov or self.momentum > 0,
            "--train.nesterov needs a momentum: leave it out, or take --train.momentum 0.9.",
        )
        require(
            0 < self.lr_decay <= 1,
            f"--train.lr-decay {self.lr_decay} is out of range: in (0, 1], such as 0.1.",
        )
        milestones = self.milestones or ()
        require(
            self.schedule == "milestones" or self.milestones is None,
            f"--train.schedule {self.schedule} has no milestones: leave --train.milestones "
            f"{' '.join(map(str, milestones))} out, or take --train.schedule milestones.",
        )
        require(
            all(early < late for early, late in pairwise(milestones))
            and all(milestone >= 1 for milestone in milestones),
            f"--train.milestones {' '.join(map(str, milestones))} must be rising epoch numbers from 1.",
        )
