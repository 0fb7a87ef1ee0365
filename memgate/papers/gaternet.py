"""Configurations of GaterNet's CIFAR rows, and the three trainings of a gated one. Imports no torch.

Chen, Li, Bengio and Si 2019, "You look twice: GaterNet for dynamic filter selection in CNNs", sections 4.2 and 4.4,
tables 1 and 2. Every network is trained by the scheme of its own paper; a gated one starts from two networks that were
trained before: its backbone, and the ResNet-20 that becomes its gater.
"""

from collections.abc import Mapping
from dataclasses import fields, replace

from memgate.config.checks import LARGEST_SEED
from memgate.config.gate import GateConfig
from memgate.config.model import ModelConfig
from memgate.config.names import fitted
from memgate.config.run import DataConfig, RunConfig
from memgate.config.sparsity import SparsityConfig
from memgate.config.training import TrainConfig
from memgate.papers.rows import PaperRow, read_rows

RESNET = TrainConfig(epochs=164, milestones=(82, 123))
"""He et al. 2016: 64,000 steps of 128 images, a tenth of the rate after 32,000 and 48,000."""
PRE_RESNET = replace(RESNET, warmup_iterations=400)
"""He et al. 2016, "Identity mappings": the same after 400 steps at a rate of 0.01."""
DENSENET = TrainConfig(epochs=300, batch_size=64, milestones=(150, 225), nesterov=True)
"""Huang et al. 2017."""
SHAKE_SHAKE = TrainConfig(epochs=1800, lr=0.2, schedule="cosine", nesterov=True)
"""Gastaldi 2017."""

BACKBONES: Mapping[str, tuple[ModelConfig, TrainConfig]] = {
    "resnet20": (ModelConfig("resnet", 20), RESNET),
    "resnet56": (ModelConfig("resnet", 56), RESNET),
    "preresnet164-narrow": (
        ModelConfig("resnet", 164, "bottleneck", activation="pre", first_block="narrow"), PRE_RESNET,
    ),
    "densenet100-12": (ModelConfig("densenet", 100), DENSENET),
    "densenet250-24": (ModelConfig("densenet", 250, growth=24), DENSENET),
    "densenet190-40": (ModelConfig("densenet", 190, growth=40), DENSENET),
    "shake-shake-64": (ModelConfig("shake-shake", 26), SHAKE_SHAKE),
    "shake-shake-96": (ModelConfig("shake-shake", 26, width=1.5), SHAKE_SHAKE),
}  # fmt: skip
"""Backbone in the rows to the network and its training."""

MORE_EPOCHS = {"resnet": 0, "densenet": 20, "shake-shake": 30}
"""Kind of backbone to the epochs that the joint training has in addition; those with any start at :data:`JOINT_LR`."""
JOINT_LR, DROPOUT = 0.05, 0.05

REDUCTION = {"basic": 4, "bottleneck": 8}
"""Kind of unit to the reduction of squeeze-and-excitation that gives the paper's numbers of parameters."""

GATER_SEED = 1000
"""Added to a run's seed for the training of its gater, which would else be the backbone again where both are alike."""

NOT_STATED: tuple[str, ...] = (
    "GaterNet's lambda is not stated, nor the initial bias of the gates: ours take --sparsity.gate-l1 0.1 and 0.",
    "The tables of GaterNet are of its authors' own trainings; of how many runs a number is, is not stated.",
)
"""What holds for every row."""


def gater_row_config(row: PaperRow) -> RunConfig:
    """The configuration of a row; of a gated one that of its joint training, without the runs that it starts from."""
    model, train = BACKBONES[row.backbone]
    data = DataConfig(name="cifar100" if row.dataset == "cifar100" else "cifar10", augment="crop-flip")
    if row.model == "wider":
        model = replace(model, width=row.width)
    elif row.model == "squeeze-excitation":
        model = replace(model, squeeze_excitation=True, reduction=REDUCTION[model.block])
    elif row.model == "gater":
        more = MORE_EPOCHS[model.family]
        gate = GateConfig(gate_dropout=DROPOUT if more else 0.0)
        model = replace(model, name="gater", backbone=model.name, gate=gate)
        if more:
            train = replace(train, epochs=train.epochs + more, lr=JOINT_LR)
    return RunConfig(data=data, model=model, train=train)


def gater_row_of(row: PaperRow) -> PaperRow:
    """The row whose network, trained on the same data, becomes the gater of a gated row: the plain ResNet-20."""
    rows = (other for other in read_rows() if other.document == "paper-gater" and other.model == "baseline")
    return next(other for other in rows if (other.dataset, other.backbone) == (row.dataset, "resnet20"))


def gater_seed(seed: int) -> int:
    """Seed of the training of the gater of a run with this seed."""
    return (seed + GATER_SEED) % (LARGEST_SEED + 1)


def stages(
    config: RunConfig, recipe: RunConfig, backbone: RunConfig, gater: RunConfig
) -> tuple[RunConfig, ...]:
    """The three trainings of a gated network, in their order: backbone, gater, both together.

    Settings that were changed hold for all three.

    Args:
        config: of the joint training, changed or not.
        recipe: of the joint training, unchanged.
        backbone: of the backbone's training.
        gater: of the gater's training.
    """
    model, name = config.model, str(config.resolved().name)
    changed = {
        one.name: getattr(config.train, one.name)
        for one in fields(TrainConfig)
        if getattr(config.train, one.name) != getattr(recipe.train, one.name)
    }

    def before(suffix: str, network: ModelConfig, train: TrainConfig, seed: int) -> RunConfig:
        return replace(
            config,
            name=fitted([name], [suffix]),
            seed=seed,
            model=network,
            train=replace(train, **changed),
            log=replace(config.log, gates="auto"),
            sparsity=SparsityConfig(),
        )

    first = before(
        "backbone",
        replace(model, name=model.backbone, backbone="resnet", gate=GateConfig()),
        backbone.train,
        config.seed,
    )
    second = before(
        "gater",
        ModelConfig("resnet", model.gate.gater_depth, width=model.gate.gater_width),
        gater.train,
        gater_seed(config.seed),
    )
    joint = replace(
        config,
        name=name,
        init_from=str(config.out / str(first.name)),
        init_head="loaded",
        init_gater=str(config.out / str(second.name)),
    )
    return first, second, joint


def gater_caveats(row: PaperRow) -> list[str]:
    """What the paper leaves open about a row, each a sentence."""
    sentences = list(NOT_STATED)
    if row.model == "wider":
        sentences.append(
            f"The width of GaterNet's wider networks is not stated: {row.width:g} gives its number of parameters."
        )
    if row.model == "squeeze-excitation":
        sentences.append(
            "The reduction of GaterNet's squeeze-and-excitation is not stated: 4 for ResNet-20 and -56 gives its "
            "numbers of parameters, and 8 for ResNet-164 gives 0.01 million fewer."
        )
    if row.model == "gater" and not row.backbone.startswith(("resnet", "preresnet")):
        sentences.append(
            "GaterNet's dropout on gates rises to 0.05 gradually: ours linearly, and what is left is divided by 1 "
            "minus the rate. The milestones of DenseNet with 20 more epochs are not stated: ours stay at 150 and 225."
        )
    return sentences
