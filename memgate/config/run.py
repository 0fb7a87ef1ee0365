"""The configuration of a run: frozen dataclasses that check their values. Imports no torch.

Each field is a flag of ``memgate train`` (``--train.epochs 24``); the string under it is the flag's help.
:meth:`RunConfig.resolved` replaces ``auto`` and ``None`` by the values that they stand for before a run starts, so
that ``config.json`` holds what was trained.
"""

import math
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Literal

from memgate.config.checks import check_types, given_path, in_range
from memgate.config.model import GateConfig as GateConfig
from memgate.config.model import ModelConfig as ModelConfig
from memgate.config.names import fitted, is_name
from memgate.errors import MemgateError, require
from noise.errors import NoiseError
from noise.files.read import absolute
from noise.spec import parse_specs

DataName = Literal["cifar10", "cifar100", "svhn", "digits", "npz", "folder"]
OWN_FILES = ("npz", "folder")
"""Data sets that are the user's own files: whether their labels are right is not known."""
NoisySplit = Literal["val", "test"]
Augment = Literal["auto", "none", "crop", "crop-flip"]
Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "float32", "bf16"]

MIN_SIDE = 8
"""Smallest side of an image in pixels: three blocks reduce it to a map of 2x2."""

LARGEST_SEED, MOST_IMAGES, MOST_EPOCHS, MOST_CHECKPOINTS = 2**63 - 1, 1_000_000_000, 100_000, 10_000
"""Bounds of numbers that size something, so that a slip of the keyboard ends in a sentence."""

LEFT_RIGHT_MATTERS = ("digits", "svhn")
"""Data sets of glyphs: a mirrored 2 is not a 2, so ``augment=auto`` does not flip them."""


@dataclass(frozen=True)
class DataConfig:
    """Data set, subset, validation split and augmentation.

    Example:
        >>> from memgate import DataConfig
        >>> DataConfig(name="digits", train_limit=500, val_fraction=0.1).augment
        'auto'
    """

    name: DataName = "cifar10"
    """Data set. cifar10, cifar100 and svhn are downloaded by torchvision; digits come with scikit-learn; npz and
    folder are your own images."""
    root: Path = Path("data")
    """Folder of the data and of its cache NAME.npz; for 'npz' the file; for 'folder' the folder that holds
    train/CLASS/ and test/CLASS/ with pictures."""
    image_size: int = 32
    """Side in pixels to which 'digits' and 'folder' images are resized (square; 8 to 1024)."""
    train_limit: int | None = None
    """Number of training images to keep, balanced over classes and drawn by --data.split-seed; sample ids do not
    change. None: all."""
    test_limit: int | None = None
    """Number of test images to keep, in the same way. None: all."""
    val_fraction: float = 0.0
    """Share of the training images held out for validation, never corrupted; in [0, 1)."""
    split_seed: int = 0
    """Seed of the subset and of the validation split, independent of --seed."""
    augment: Augment = "auto"
    """Training augmentation: random crop after padding by 4 pixels, random mirror image. auto: crop-flip, but crop
    for digits and svhn."""
    normalisation: Literal["dataset", "legacy"] = "dataset"
    """Mean and standard deviation of each channel: those of the data set, or the CIFAR-10 constants that the papers'
    code used for every data set."""

    @property
    def place(self) -> Path:
        """The root with ``~`` replaced by the home folder; raises MemgateError where it is no path."""
        return given_path("--data.root", self.root)

    def __post_init__(self) -> None:
        check_types(self, "data.")
        in_range("--data.image-size", self.image_size, MIN_SIDE, 1024, " pixels")
        in_range("--data.train-limit", self.train_limit, 1, MOST_IMAGES)
        in_range("--data.test-limit", self.test_limit, 1, MOST_IMAGES)
        in_range("--data.split-seed", self.split_seed, 0, LARGEST_SEED)
        require(
            0 <= self.val_fraction < 1,
            f"--data.val-fraction {self.val_fraction} is out of range: in [0, 1), such as 0.1.",
        )


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
    weight_decay: float = 1e-4
    """Weight decay of every parameter, BatchNorm and biases included, as in the papers; 0 or more."""
    schedule: Literal["milestones", "resnet34-authors"] = "milestones"
    """Learning rate of the trunk. milestones: multiplied by --train.lr-decay at each milestone; resnet34-authors: what
    the authors' ResNet-34 scripts did: 0 in epochs 1-82, then lr times the decay, from 124 times its square, and 0
    from epoch 165."""
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
            0 < self.lr_decay <= 1,
            f"--train.lr-decay {self.lr_decay} is out of range: in (0, 1], such as 0.1.",
        )
        milestones = self.milestones or ()
        require(
            self.schedule == "milestones" or self.milestones is None,
            f"--train.schedule {self.schedule} has epochs of its own: leave --train.milestones "
            f"{' '.join(map(str, milestones))} out, or take --train.schedule milestones.",
        )
        require(
            all(early < late for early, late in pairwise(milestones))
            and all(milestone >= 1 for milestone in milestones),
            f"--train.milestones {' '.join(map(str, milestones))} must be rising epoch numbers from 1.",
        )


@dataclass(frozen=True)
class LogConfig:
    """When and how the values of every sample are logged.

    Example:
        >>> from memgate import LogConfig
        >>> LogConfig(every=5).mode
        'eval'
    """

    every: int = 1
    """Evaluate and log every N epochs and after the last; best.pt is the best of these."""
    mode: Literal["eval", "online"] = "eval"
    """Training split. eval: an evaluation pass over the images without augmentation; online: the values of the
    training pass, augmented and in training mode, at no extra cost. Other splits always get an evaluation pass."""
    tensorboard: bool = False
    """Write scalars and histograms of g for TensorBoard (needs the extra: pip install -e '.[tensorboard]')."""

    def __post_init__(self) -> None:
        check_types(self, "log.")
        in_range("--log.every", self.every, 1, MOST_EPOCHS)


@dataclass(frozen=True)
class RunConfig:
    """One training run: what :func:`memgate.train` needs.

    Raises:
        MemgateError: a value is out of its range, or two do not go together.

    Example:
        >>> from memgate import DataConfig, ModelConfig, RunConfig
        >>> config = RunConfig(
        ...     noise=("symmetric:0.2",), data=DataConfig(name="digits"), model=ModelConfig(depth=14)
        ... )
        >>> config.resolved().name
        'digits-entropy-gate14-b3-symmetric0.2-e60-s0'
    """

    name: str | None = None
    """Name of the run and of its folder. None: made from data, model, noise and seed."""
    out: Path = Path("runs")
    """Folder that holds the runs."""
    seed: int = 0
    """Seed of the initial weights, the order of the images and the augmentation (0 to 2^63-1)."""
    noise: tuple[str, ...] = ()
    """Corruptions of the training split as KIND:RATE[:KEY=VALUE...], such as symmetric:0.4 randx:0.05; 'memgate
    corrupt kinds' lists the kinds."""
    noise_seed: int = 0
    """Seed of the corruption, also on copies; independent of --seed."""
    noise_on: tuple[NoisySplit, ...] = ()
    """Splits to copy, corrupt in the same way, evaluate and log as test_corrupted or val_corrupted; the splits
    themselves stay clean."""
    manifest: Path | None = None
    """Corrupt by this manifest (see 'memgate corrupt') instead of --noise. Its samples must be those of the run, so
    limits and validation split must agree; its noise seed is used."""
    init_from: str | None = None
    """Start from another run's trunk weights: RUN or RUN:CHECKPOINT (last, best or an epoch's number; default last).
    All trunk weights must match; gates start fresh."""
    init_head: Literal["fresh", "loaded"] = "fresh"
    """With --init-from: start the head, the last linear layer, fresh (the papers' intention) or load it too."""
    device: Device = "auto"
    """Where to train. auto: CUDA if there is a GPU, else the CPU."""
    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    log: LogConfig = field(default_factory=LogConfig)

    def __post_init__(self) -> None:
        check_types(self)
        require(
            self.name is None or is_name(self.name),
            f"--name {(self.name or '')[:40]!r} cannot be a folder's name: letters, digits, '.', '_' and '-' "
            "only, up to 100.",
        )
        in_range("--seed", self.seed, 0, LARGEST_SEED)
        in_range("--noise-seed", self.noise_seed, 0, LARGEST_SEED)
        try:
            parse_specs(self.noise)
        except NoiseError as error:
            raise MemgateError(f"--noise: {error}") from error
        require(
            not (self.noise and self.manifest),
            "--noise and --manifest both say what to corrupt: give one of them.",
        )
        require(
            not (self.noise_seed and self.manifest),
            f"--noise-seed {self.noise_seed} has no effect with --manifest, which has its own seed: leave it out.",
        )
        require(
            bool(not self.noise_on or self.noise or self.manifest),
            f"--noise-on {' '.join(self.noise_on)}: there is no --noise to apply to it: add --noise, or leave it out.",
        )
        require(
            self.init_head == "fresh" or self.init_from is not None,
            f"--init-head {self.init_head}: there is no --init-from to load it from: add one, or leave it out.",
        )
        require(
            "val" not in self.noise_on or self.data.val_fraction > 0,
            "--noise-on val: there is no validation split: add --data.val-fraction, or leave it out.",
        )
        require(
            len(set(self.noise_on)) == len(self.noise_on), "--noise-on names a split twice: give it once."
        )
        self._check_gate_training()

    def _check_gate_training(self) -> None:
        """Refuse settings of the gates' own optimiser for gates without one; an ungated control may keep them."""
        if self.model.has_gate_classifier or not self.model.gate_names:
            return
        default = TrainConfig()
        for option in ("gate_lr", "gate_lr_schedule", "gate_iters", "gate_iters_mode"):
            value, usual = getattr(self.train, option), getattr(default, option)
            require(
                value == usual,
                f"--train.{option.replace('_', '-')} {value} does nothing for {self.model.name}, whose gates are "
                f"trained with the rest: leave it at {usual}.",
            )

    @property
    def copies(self) -> dict[str, NoisySplit]:
        """Name of a corrupted copy (``test_corrupted``) to the split that it copies."""
        return {f"{split}_corrupted": split for split in self.noise_on}

    @property
    def corruptions(self) -> tuple[str, ...]:
        """The corruptions of the training split as short text (``symmetric:0.2``); files by their names."""
        if self.manifest is not None:
            return (f"manifest {self.manifest.name}",)
        return tuple(spec.short for spec in parse_specs(self.noise))

    @property
    def default_name(self) -> str:
        """Name for a run without one, made from data, model, noise, epochs and seeds."""
        network = self.model
        size = "" if self.data.train_limit is None else f"-n{self.data.train_limit}"
        parts = [
            f"{self.data.name}{size}",
            f"{network.name}{network.depth}{'b' if network.block == 'bottleneck' else ''}",
            *network.variant,
            *(network.gate_names if network.block_gated else ()),
            *([f"penalty{network.gate.penalty:g}"] if network.penalty_names else []),
            *(self.corruptions or ("clean",)),
            *(f"on-{split}" for split in self.noise_on),
            *(["init"] * (self.init_from is not None)),
        ]
        noise_seed = [f"ns{self.noise_seed}"] if self.noise_seed else []
        return fitted(parts, [f"e{self.train.epochs}", f"s{self.seed}", *noise_seed])

    def resolved(self) -> "RunConfig":
        """The same configuration with explicit values for ``auto`` and ``None``, and absolute input paths.

        Paths are absolute because a run may be resumed and read from another folder than it was started in.
        """
        data, train = replace(self.data, root=self.data.place.absolute()), self.train
        if data.augment == "auto":
            data = replace(data, augment="crop" if data.name in LEFT_RIGHT_MATTERS else "crop-flip")
        if train.milestones is None and train.schedule == "milestones":
            drops = sorted({train.epochs // 2, train.epochs * 3 // 4} - {0})
            train = replace(train, milestones=tuple(drops))
        manifest = self.manifest and given_path("--manifest", self.manifest).absolute()
        return replace(
            self,
            data=data,
            train=train,
            out=given_path("--out", self.out),
            name=self.name or self.default_name,
            noise=tuple(str(absolute(spec)) for spec in parse_specs(self.noise)),
            manifest=manifest,
        )
