"""Configurations of the batch-shaping paper's rows, and of the networks that it compares with. Imports no torch.

Ehteshami Bejnordi, Blankevoort and Welling 2020, "Batch-shaping for learning conditional channel gated networks",
section 5 and appendix B.1. The authors released their loss, but no networks and no training, so there is one reading.
"""

from dataclasses import replace

from memgate.config.model import ModelConfig
from memgate.config.run import DataConfig, RunConfig
from memgate.config.sparsity import SparsityConfig
from memgate.config.training import TrainConfig
from memgate.papers.rows import PaperRow

SCHEME = TrainConfig(epochs=500, batch_size=256, milestones=(300, 375, 450), nesterov=True, weight_decay=5e-4)
"""Training of all CIFAR-10 networks; the gates have no weight decay."""

_DATA = DataConfig(name="cifar10", augment="crop-flip")

SHAPING_THEN_L0 = SparsityConfig(shaping_until=100, l0_from=100, l0_until=300)
"""Batch shaping that falls to 0 at epoch 100, then L0 that rises to epoch 300."""

SKIPNET = TrainConfig(epochs=164, milestones=(82, 123), gate_weight_decay=1e-4)
"""SkipNet's supervised stage in its authors' code: 64,000 steps of 128 images."""

LOSSES = {
    "batch-shaping": SHAPING_THEN_L0,
    "batch-shaping-only": SparsityConfig(shaping_schedule="constant", l0=0.0),
    "l0-only": replace(SHAPING_THEN_L0, shaping=0.0),
}
"""Gated model in the paper to its losses, with the default weights."""

NOT_STATED: tuple[str, ...] = (
    "The batch-shaping paper does not say, and ours take: normalisation by the mean and standard deviation of the "
    "training images; projections where the width changes (option B, which fits its numbers of MACs); He's "
    "initialisation; gates that start half open; L0 as the mean over the gates (eq. 5 has a sum); weights of the "
    "losses that change once an epoch.",
    "How many runs a number or point of the batch-shaping paper is of is not stated.",
)
"""What holds for every trained row."""


def bas_config(model: str, depth: int, width: float = 1.0, gamma: float | None = None) -> RunConfig:
    """The configuration of a CIFAR-10 network of the paper.

    Args:
        model: ``baseline``, or a key of :data:`LOSSES`.
        depth: 20 or 32.
        width: factor of all channels.
        gamma: weight of L0; None for the default of :class:`SparsityConfig`, or for no such loss.
    """
    sparsity = LOSSES.get(model, SparsityConfig())
    return RunConfig(
        data=_DATA,
        model=ModelConfig("resnet" if model == "baseline" else "channel-gate", depth, width=width),
        train=SCHEME,
        sparsity=sparsity if gamma is None else replace(sparsity, l0=gamma),
    )


def bas_row_config(row: PaperRow) -> RunConfig:
    """The configuration of a row that can be trained."""
    depth = int(row.backbone.removeprefix("resnet"))
    if row.model == "skipnet":
        # The paper's other settings are those of all its networks; SkipNet's are of its own authors.
        return RunConfig(data=_DATA, model=ModelConfig("skipnet", depth), train=SKIPNET)
    if row.model == "convnet-aig" and row.target_rate is not None:
        config = bas_config("baseline", depth)
        sparsity = SparsityConfig(target_rates=(row.target_rate,))
        return replace(config, model=replace(config.model, name="convnet-aig"), sparsity=sparsity)
    return bas_config(row.model, depth, row.width, row.gamma)


def bas_caveats(row: PaperRow) -> list[str]:
    """What the paper leaves open about a row that can be trained, each a sentence."""
    sentences = list(NOT_STATED)
    if row.model == "convnet-aig":
        sentences.append(
            "The target rates and the training of ConvNet-AIG in Figure 3 are not stated: ours take 0.4 to 0.7, and "
            "the training of the paper's other networks."
        )
    if row.model == "skipnet":
        sentences.append(
            "SkipNet: ours is the supervised stage, with its authors' settings; its second stage, REINFORCE, which "
            "makes units rarer, is not trained."
        )
    if row.model == "l0-only" or row.width != 1:
        sentences.append(
            "The batch-shaping paper states its grid of gamma for batch shaping at width 1; for L0 only and for the "
            "wider networks ours take the same."
        )
    if row.width != 1:
        sentences.append(
            "Whether the stem of the wider networks is wider too is not stated: ours is, by the same factor."
        )
    return sentences
