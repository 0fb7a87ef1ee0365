"""The configuration of a run: frozen dataclasses that check their values. Imports no torch.

Each field is a flag of ``memgate train`` (``--train.epochs 24``); the string under it is the flag's help.
:meth:`RunConfig.resolved` replaces ``auto`` and ``None`` by the values that they stand for before a run starts, so
that ``config.json`` holds what was trained.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from memgate.config.checks import LARGEST_SEED, check_types, given_path, in_range
from memgate.config.data import LEFT_RIGHT_MATTERS
from memgate.config.data import DataConfig as DataConfig
from memgate.config.gate import GateConfig as GateConfig
from memgate.config.log import MOST_VECTOR_FILES
from memgate.config.log import LogConfig as LogConfig
from memgate.config.model import GATES_OF_FILTERS
from memgate.config.model import ModelConfig as ModelConfig
from memgate.config.names import fitted, is_name
from memgate.config.sparsity import LOSSES, SPARSITY_OPTIONS
from memgate.config.sparsity import SparsityConfig as SparsityConfig
from memgate.config.subset import SubsetConfig as SubsetConfig
from memgate.config.training import TrainConfig as TrainConfig
from memgate.errors import MemgateError, require
from noise.errors import NoiseError
from noise.files.read import absolute
from noise.spec import parse_specs

NoisySplit = Literal["val", "test"]
Device = Literal["auto", "cpu", "cuda"]


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
    All trunk weights must match; gates start fresh, unless --init-gates loaded."""
    init_head: Literal["fresh", "loaded"] = "fresh"
    """With --init-from: start the head, the last linear layer, fresh (the papers' intention) or load it too."""
    init_gates: Literal["fresh", "loaded"] = "fresh"
    """With --init-from: start the gates fresh, or load them too, from a run with the same gates (skipnet: the stage
    reinforce starts from a supervised run)."""
    init_gater: str | None = None
    """gater: start the gater from the weights of another run: RUN or RUN:CHECKPOINT, of a ResNet of the same depth and
    width as the gater, without its head. (The backbone's are those of --init-from.)"""
    device: Device = "auto"
    """Where to train. auto: CUDA if there is a GPU, else the CPU."""
    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    log: LogConfig = field(default_factory=LogConfig)
    sparsity: SparsityConfig = field(default_factory=SparsityConfig)
    subset: SubsetConfig = field(default_factory=SubsetConfig)

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
            self.init_gates == "fresh" or (self.init_from is not None and bool(self.model.gate_names)),
            f"--init-gates {self.init_gates}: there is no --init-from to load them from, or the network has no gates: "
            "leave it out.",
        )
        require(
            self.init_gater is None or self.model.name in GATES_OF_FILTERS,
            f"--init-gater {self.init_gater}: {self.model.name} has no gater: leave it out, or take --model.name "
            "gater.",
        )
        require(
            self.init_gater is None or self.init_gates == "fresh",
            f"--init-gater {self.init_gater} and --init-gates loaded both give the gater its weights: leave one out.",
        )
        require(
            "val" not in self.noise_on or self.data.val_fraction > 0,
            "--noise-on val: there is no validation split: add --data.val-fraction, or leave it out.",
        )
        require(
            len(set(self.noise_on)) == len(self.noise_on), "--noise-on names a split twice: give it once."
        )
        require(
            self.subset.model is None or self.log.mode == "eval",
            f"--subset.model {self.subset.model} needs --log.mode eval: an online log holds the samples of the "
            "training pass only, and a model of a subset logs those that it is not trained on, too.",
        )
        self._check_gate_training()
        self._check_sparsity()
        self._check_gate_vectors()

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

    def _check_sparsity(self) -> None:
        """Refuse sparsity losses that the gates do not have; an ungated control may keep them."""
        supervised = self.model.gates_are_supervised
        stage = " in its stage supervised" if supervised else ""
        used = () if supervised else SPARSITY_OPTIONS.get(self.model.name, ())
        for option, value in self.sparsity.changed().items():
            require(
                option in used or not self.model.gate_names,
                f"--sparsity.{option.replace('_', '-')} {value} does nothing for {self.model.name}{stage}: leave it "
                f"at {getattr(SparsityConfig(), option)}.",
            )
        rates, units = len(self.sparsity.target_rates), len(self.model.gate_names)
        require(
            "target_rates" not in used or rates in (1, units),
            f"--sparsity.target-rates has {rates} numbers, and the network {units} gated units: give one for all of "
            "them, or one for each.",
        )

    def _check_gate_vectors(self) -> None:
        """Refuse to keep vectors of gates that do not open and close, and more files than a folder should have."""
        require(
            self.log.gates in ("auto", "none") or self.model.hard_gates,
            f"--log.gates {self.log.gates}: the network {self.model.name} has no gates that open or close, so there "
            "are no vectors to keep: leave it out, or take a network such as --model.name channel-gate.",
        )
        count = len(self.log.vector_epochs(self.train.epochs))
        require(
            count <= MOST_VECTOR_FILES,
            f"--log.gates {self.log.gates} would keep the vectors of {count} epochs, a file each, and at most "
            f"{MOST_VECTOR_FILES} are kept: take a larger number.",
        )

    @property
    def penalty_names(self) -> tuple[str, ...]:
        """Names of all terms that are added to the losses of the classifiers; empty for none."""
        return (*self.model.penalty_names, *self.sparsity_losses)

    @property
    def sparsity_losses(self) -> tuple[str, ...]:
        """Names of the losses on gates that open or close; empty for none."""
        return () if self.model.gates_are_supervised else LOSSES.get(self.model.name, ())

    @property
    def starts_from_others(self) -> bool:
        """Whether the initial weights are those of other runs, in part or whole."""
        return self.init_from is not None or self.init_gater is not None

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
            *(f"{loss}-{getattr(self.sparsity, loss):g}" for loss in self.sparsity_losses),
            *self._gate_words,
            *(self.corruptions or ("clean",)),
            *(f"on-{split}" for split in self.noise_on),
            *self.subset.words,
            *(["init"] * (self.init_from is not None)),
            *(["init-gater"] * (self.init_gater is not None)),
        ]
        noise_seed = [f"ns{self.noise_seed}"] if self.noise_seed else []
        return fitted(parts, [f"e{self.train.epochs}", f"s{self.seed}", *noise_seed])

    @property
    def _gate_words(self) -> tuple[str, ...]:
        """Words for the run's name that say what opens and closes its gates; empty for most networks."""
        network, words = self.model, []
        if network.uses("skip_gate"):
            words += [network.gate.skip_gate, *(["reinforce"] if network.gate.stage == "reinforce" else [])]
        if network.uses("density"):
            words.append(f"d{network.gate.density:g}")
        if "target_rates" in SPARSITY_OPTIONS.get(network.name, ()):
            words.append(f"t{'-'.join(f'{rate:g}' for rate in self.sparsity.target_rates)}")
        return tuple(words)

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
        gates = self.log.gates
        if gates == "auto":
            gates = "last" if self.model.hard_gates else "none"
        manifest = self.manifest and given_path("--manifest", self.manifest).absolute()
        scheduled = "l0" in self.sparsity_losses
        return replace(
            self,
            data=data,
            train=train,
            log=replace(self.log, gates=gates),
            sparsity=self.sparsity.resolved(train.epochs) if scheduled else self.sparsity,
            out=given_path("--out", self.out),
            name=self.name or self.default_name,
            noise=tuple(str(absolute(spec)) for spec in parse_specs(self.noise)),
            manifest=manifest,
        )
