"""Configurations of the rows in the documents' tables, in two readings. Imports no torch.

The reading ``code`` is what the authors' released code did, which produced the numbers; ``text`` is what the documents
say:

                                code                                  text
    "baseline initialisation"   from scratch (the loader took         a trained baseline's stem and blocks
                                an empty dict)
    ResNet-34's learning rate   0 in epochs 1-82, then 0.01, 0.001    0.1, a tenth of it after epochs 82 and 123
    ResNet-34's convolutions    PyTorch's initialisation              He normal
    Model 4 over B3 reads       o2, the block's last unit             o1, its first unit

The batch-shaping paper, SkipNet's and GaterNet's have one reading (:mod:`memgate.papers.batch_shaping`,
:mod:`memgate.papers.gaternet`).
"""

from dataclasses import replace
from typing import Literal

from memgate.config.model import ModelName
from memgate.config.run import DataConfig, GateConfig, ModelConfig, RunConfig, TrainConfig
from memgate.errors import require
from memgate.papers.batch_shaping import bas_caveats, bas_row_config
from memgate.papers.gaternet import gater_caveats, gater_row_config
from memgate.papers.rows import PaperRow

Reading = Literal["code", "text"]

WARM_UP = 391
"""Warm-up steps of networks with 110 layers or more: an epoch of 50,000 images (the report says 390)."""

SCHEME_1 = TrainConfig(epochs=250, milestones=(82, 123))
"""Training scheme 1 of the report."""
FINAL = TrainConfig(epochs=300, milestones=(120, 180))
"""Training scheme of the soft-gating paper."""
FINAL_VALIDATED = TrainConfig(epochs=333, milestones=(133, 200), warmup_iterations=352)
"""Training scheme of the soft-gating paper with 5,000 of the 50,000 images held out: about as many steps."""
RESNET34_AUTHORS = TrainConfig(epochs=250, schedule="resnet34-authors")
"""What the ResNet-34 scripts did in place of scheme 1; from epoch 165 on, the rate is 0 again."""

_BACKBONES = {
    "resnet110": ModelConfig("resnet", 110),
    "preresnet110": ModelConfig("resnet", 110, activation="pre"),
    "resnet164": ModelConfig("resnet", 164, "bottleneck"),
    "preresnet164": ModelConfig("resnet", 164, "bottleneck", activation="pre"),
    "resnet34": ModelConfig("resnet", 34, layout="imagenet"),
}

_UNSTATED = {"layer-exclusive-l2": 0.01, "layer-shortcut-only-l2": 0.01, "block-scalar-displacement": 1e-4}
"""Model to the weight of its penalty where the table states none; the rows' notes say so."""

_FLATTEN = GateConfig(input="flatten")
_GATED: dict[str, tuple[ModelName, GateConfig]] = {
    "baseline": ("resnet", GateConfig()),
    "layer-exclusive": ("layer-exclusive", GateConfig()),
    "layer-exclusive-l2": ("layer-exclusive", GateConfig()),
    "layer-shortcut-only": ("layer-shortcut-only", GateConfig()),
    "layer-shortcut-only-l2": ("layer-shortcut-only", GateConfig()),
    "block-scalar-l2": ("block-scalar", _FLATTEN),
    "block-scalar-displacement": ("block-displacement", _FLATTEN),
    "block-entropy-sigmoid": ("block-entropy", replace(_FLATTEN, curve="centred")),
    "block-entropy-raw": ("block-entropy", replace(_FLATTEN, curve="identity")),
    "block-twoway-bce": ("block-two-way", replace(_FLATTEN, target_loss="bce")),
    "block-twoway-ce": ("block-two-way", _FLATTEN),
    "entropy-classifier-b3": ("entropy-gate", GateConfig(curve="centred")),
    "entropy-classifier-b2b3": ("entropy-gate", GateConfig("b2,b3", curve="centred")),
}
"""Model name in the documents to memgate's network and gate."""


_NO_DATA = {"imagenet": "ImageNet", "cityscapes": "Cityscapes"}
"""Data sets of rows that memgate does not have."""


def obstacle(row: PaperRow) -> str:
    """Why memgate cannot train a row, as a clause; empty where it can."""
    if row.dataset in _NO_DATA:
        return f"{_NO_DATA[row.dataset]} is no data set of memgate yet"
    if row.model == "sgad":
        return "SGAD has no public code, and is no network of memgate"
    if row.document == "paper-skipnet":
        return "SkipNet's numbers are of its second stage, REINFORCE, which memgate does not train yet"
    return ""


def has_two_readings(row: PaperRow) -> bool:
    """Whether the readings ``code`` and ``text`` of a row can differ."""
    return row.document in ("report", "paper")


def row_config(row: PaperRow, reading: Reading) -> RunConfig:
    """The configuration of a row's run.

    Args:
        row: a row of the documents.
        reading: ``code`` or ``text``. For ``text`` and a row of baseline initialisation, ``init_from`` is not set,
            because that baseline has to be trained first.

    Raises:
        MemgateError: memgate cannot train the row.
    """
    reason = obstacle(row)
    require(
        not reason,
        f"{row.row} cannot be trained: {reason}. 'memgate reproduce {row.row} --list' shows the document's number.",
    )
    if row.document == "paper-gater":
        return gater_row_config(row)
    if not has_two_readings(row):
        return bas_row_config(row)
    return RunConfig(
        data=DataConfig(
            name="cifar100" if row.dataset == "cifar100" else "cifar10",
            normalisation="legacy",
            augment="crop-flip",
        ),
        model=_model(row, reading),
        train=_train(row, reading),
    )


def starts_from_baseline(row: PaperRow, reading: Reading) -> bool:
    """Whether a baseline has to be trained before the row's run."""
    return row.init == "baseline" and (reading == "text" or not has_two_readings(row))


def _model(row: PaperRow, reading: Reading) -> ModelConfig:
    """The network of a row."""
    name, gate = _GATED[row.model]
    penalty = row.penalty if row.penalty is not None else _UNSTATED.get(row.model, 0.0)
    gate = replace(gate, penalty=penalty)
    if row.model == "entropy-classifier-b3" and reading == "code":
        gate = replace(gate, tap="o2")
    if row.model == "block-entropy-sigmoid" and row.backbone == "resnet34":
        gate = replace(gate, curve="sigmoid")  # the authors' code of this network does not centre the entropy
    initialisation = "torch" if row.backbone == "resnet34" and reading == "code" else "he"
    return replace(_BACKBONES[row.backbone], name=name, gate=gate, initialisation=initialisation)


def _train(row: PaperRow, reading: Reading) -> TrainConfig:
    """The training settings of a row."""
    scheme = SCHEME_1 if row.table.startswith("report") else FINAL
    if row.model == "block-scalar-displacement":
        return replace(SCHEME_1, milestones=())  # the report: "constant lr 0.1"
    if row.backbone == "resnet34":
        scheme = RESNET34_AUTHORS if reading == "code" else SCHEME_1
        return replace(scheme, epochs=164) if row.model == "baseline" else scheme
    scheme = replace(scheme, warmup_iterations=WARM_UP)
    if row.gate_lr is None or row.gate_lr_schedule is None:
        return scheme
    return replace(scheme, gate_lr=row.gate_lr, gate_lr_schedule=row.gate_lr_schedule)


def caveats(row: PaperRow, reading: Reading) -> list[str]:
    """Known differences between a row's result and a run at the full scale, each a sentence.

    Of a row that cannot be trained: the reason.
    """
    sentences = []
    if row.note:
        sentences.append(f"{row.row}: {row.note}.")
    reason = obstacle(row)
    if reason:
        return [*sentences, f"{reason}: such rows have no runs."]
    if row.document == "paper-gater":
        return [*sentences, *gater_caveats(row)]
    if not has_two_readings(row):
        return [*sentences, *bas_caveats(row)]
    if row.init == "baseline":
        done = "so are ours (--reading code)" if reading == "code" else "ours do load one (--reading text)"
        sentences.append(
            "Baseline initialisation: the authors' loader loaded nothing, so their rows of that name are runs from "
            f"scratch; {done}."
        )
    if row.backbone == "resnet34" and row.model != "block-scalar-displacement":
        sentences.append(
            "ResNet-34: the authors' scripts trained at a rate of 0 up to epoch 82, then at 0.01 and 0.001, and not "
            + ("at 0.1, as the report says; so do ours (--reading code)." if reading == "code" else
               "as the report says; ours follow the report (--reading text), and start by He's initialisation.")
        )  # fmt: skip
    if row.model == "entropy-classifier-b3":
        reads = "o2, and so does ours" if reading == "code" else "o2; ours reads o1, as the paper says"
        sentences.append(f"Model 4 over B3: the gate of the authors' published code reads {reads}.")
    if row.model == "block-entropy-sigmoid" and row.dataset == "cifar100":
        sentences.append(
            "Model 2 on CIFAR-100: the authors' code centres H by the constant of 10 classes; ours by that of 100."
        )
    if row.model == "block-twoway-bce":
        sentences.append(
            "Model 3 with binary cross-entropy: the code is not released; our gate is the softmax of the two."
        )
    if row.row == "report-1.4-layer-exclusive" or row.table == "report-3.2":
        sentences.append(
            f"{row.table}, {row.model}: the authors' released code of this network cannot run on ResNet-164, so what "
            "made the number is not known."
        )
    if row.runs == 1:
        sentences.append("A number of the documents with n = 1 is of a single run.")
    return sentences
