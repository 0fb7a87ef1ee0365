"""Run directories written by the real writers from made-up but consistent values, for the fixture ``make_run``."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np

from memgate.config.run import (
    DataConfig,
    GateConfig,
    LogConfig,
    ModelConfig,
    RunConfig,
    SubsetConfig,
    TrainConfig,
)
from memgate.log.format import FLAGS, UNSEEN_CLASS, EpochRecord, LogLayout, Samples
from memgate.log.writer import SampleLogWriter
from memgate.runs.config_file import write_config
from memgate.runs.create import create_run
from memgate.runs.inputs import load_inputs
from memgate.runs.logged import log_layout
from memgate.runs.metrics import metric_names
from memgate.runs.run import Run

SIDE = 16
"""Side of the made-up images in pixels."""


@dataclass(frozen=True)
class RunPlan:
    """Arguments of :func:`build_run`. Every field is a keyword of the fixture ``make_run``."""

    epochs: int = 4
    n: int = 200
    """Number of training samples."""
    noise: tuple[str, ...] = ("symmetric:0.3", "randx:0.1")
    """``{foreign}`` in it stands for an .npz file of 60 other images."""
    noise_on: tuple[Literal["val", "test"], ...] = ()
    gates: tuple[str, ...] = ("b3",)
    """("b3",), ("b2", "b3") or () for an ungated network."""
    unit_depth: int = 0
    """Depth of a network with a gate in every unit, instead of ``gates``: 20 has 9 gates, 110 has 54."""
    macs: bool = False
    """Whether those gates are of channels (``channel-gate``), so that the log has the MACs of each sample."""
    two_way: bool = False
    """Whether its gates are two-way (``block-two-way``): H in [0, ln 2], and no class predicted by a gate."""
    subset: int | None = None
    """Model of a group, whose half of the training split the run is trained on. None: an ordinary run."""
    subset_seed: int = 0
    """Seed of the subsets of that group."""
    quantities: Literal["all", "memorisation"] = "all"
    mode: str = "eval"
    finished: int | None = None
    """Epochs that were trained: None for all, 0 for a run that has a log and no row in it."""
    test_n: int = 50
    val_n: int = 0
    every: int = 1
    classes: int = 10
    class_names: tuple[str, ...] | None = None
    """Names of the classes. None: their numbers."""
    seed: int = 0
    data_seed: int | None = None
    """Seed of the made-up data. None: ``seed``."""
    name: str | None = None
    unseen: Mapping[int, Sequence[int]] | None = None
    """Epoch to positions in the training split that it does not see."""
    ids: Sequence[int] | None = None
    """Ids of the training split in the log, to put it out of order; the manifest keeps its own. None: those."""


def build_run(folder: Path, plan: RunPlan) -> Run:
    """A run directory with data, manifest, log and metrics, as after training, but without checkpoints."""
    data_seed = plan.seed if plan.data_seed is None else plan.data_seed
    data = folder / f"data-{plan.n}-{plan.test_n}-{plan.val_n}-{plan.classes}-{data_seed}.npz"
    _write_images(data, plan, data_seed)
    count = len(list((folder / "runs").glob("*")))
    foreign = folder / "foreign.npz"
    np.savez(foreign, images=np.random.default_rng(9).integers(0, 256, (60, SIDE, SIDE, 3), np.uint8))
    config = RunConfig(
        name=plan.name or ("run" if count == 0 else f"run-{count + 1}"),
        out=folder / "runs",
        seed=plan.seed,
        noise=tuple(text.format(foreign=foreign) for text in plan.noise),
        noise_on=plan.noise_on,
        device="cpu",
        data=DataConfig(name="npz", root=data, val_fraction=plan.val_n / (plan.n + plan.val_n)),
        model=_model(plan),
        train=TrainConfig(epochs=plan.epochs),
        log=LogConfig(every=plan.every, mode=plan.mode, quantities=plan.quantities),  # pyright: ignore[reportArgumentType]
        subset=SubsetConfig(model=plan.subset, seed=plan.subset_seed),
    ).resolved()
    inputs = load_inputs(config)
    samples = {split: inputs.samples(split) for split in inputs.splits}
    if plan.ids is not None:
        columns = {**vars(samples["train"]), "sample_id": np.array(plan.ids, np.int64)}
        samples["train"] = Samples(**columns)
    layout = replace(log_layout(config, inputs), splits=samples)
    environment = {"command": ["memgate", "train"], "device": "cpu", "threads": 1, "started_unix": count}
    run = create_run(config, config, environment, inputs.manifests, inputs.digests, layout)
    _write_epochs(run, layout, plan, inputs.trained)
    finished = plan.epochs if plan.finished is None else plan.finished
    run.set_status("complete" if finished == plan.epochs else "stopped", finished)
    return run


def changed(run: Run, name: str, **values: object) -> Run:
    """A copy of a run with another configuration; ``data__name`` for a nested field."""
    path = Path(shutil.copytree(run.path, run.path.with_name(name)))
    stored = json.loads((path / "config.json").read_text())
    for key, value in values.items():
        *sections, last = key.split("__")
        place = stored["config"]
        for section in sections:
            place = place[section]
        place[last] = value
    write_config(path / "config.json", stored)
    return Run(path)


def _model(plan: RunPlan) -> ModelConfig:
    if plan.unit_depth:
        return ModelConfig(name="channel-gate" if plan.macs else "layer-exclusive", depth=plan.unit_depth)
    if not plan.gates:
        return ModelConfig(name="resnet")
    name = "block-two-way" if plan.two_way else "entropy-gate"
    return ModelConfig(name=name, gate=GateConfig(blocks=",".join(plan.gates)))


def _write_images(path: Path, plan: RunPlan, seed: int) -> None:
    """Write random images in the format of ``--data.name npz``."""
    arrays = dict(_images(plan.n + plan.val_n, plan.test_n, plan.classes, seed))
    if plan.class_names is not None:
        arrays["class_names"] = np.array(plan.class_names)
    np.savez(path, **arrays)  # pyright: ignore[reportArgumentType]


@cache
def _images(train_n: int, test_n: int, classes: int, seed: int) -> dict[str, np.ndarray]:
    """Random images, brighter for higher classes, and labels; most runs have the same ones."""
    rng = np.random.default_rng(seed)
    arrays = {}
    for split, count in (("train", train_n), ("test", test_n)):
        labels = rng.permutation(np.arange(count) % classes)
        pixels = rng.normal(40 + 170 * labels[:, None, None, None] / classes, 25, (count, SIDE, SIDE, 3))
        arrays[f"{split}_images"] = np.clip(pixels, 0, 255).astype(np.uint8)
        arrays[f"{split}_labels"] = labels.astype(np.int64)
    return arrays


def _write_epochs(run: Run, layout: LogLayout, plan: RunPlan, trained: np.ndarray | None) -> None:
    writer = SampleLogWriter.open(run.path / "log.h5")
    # The models of a group have the same data and manifest, and values of their own.
    rng = np.random.default_rng(plan.seed + 1 if plan.subset is None else [plan.seed + 1, plan.subset])
    finished = plan.epochs if plan.finished is None else plan.finished
    for epoch in range(1, finished + 1):
        records = {}
        for split, samples in layout.splits.items():
            seen = np.ones(len(samples), bool)
            if split == "train" and plan.unseen:
                seen[list(plan.unseen.get(epoch, ()))] = False
            record = synthetic_record(
                rng,
                samples,
                seen,
                len(layout.gates),
                epoch / plan.epochs,
                plan.classes,
                _strength(layout, split, trained),
            )
            record = _two_way(record) if plan.two_way else record
            record = replace(record, macs=_macs(record)) if plan.macs else record
            records[split] = (
                _of_subset(record, trained if split == "train" else None) if layout.phi else record
            )
        if writer.logs(epoch):
            writer.write(epoch, records)
        metrics = {
            "epoch": epoch, "lr": 0.1, "gate_lr": 0.01, "trunk_updates": 2 * epoch,
            "gate_updates": 2 * epoch, "seconds": 0.5,
        }  # fmt: skip
        for split, record in records.items():
            metrics |= _split_metrics(split, record, layout.gates)
        run.append_metrics(
            {
                name: metrics[name]
                for name in metric_names(list(layout.splits), list(layout.gates), (), layout.macs)
            }
        )
    writer.close()


def _strength(layout: LogLayout, split: str, trained: np.ndarray | None) -> np.ndarray | None:
    """What the logits of given labels grow by in a run of a subset [n]: corrupted samples only where it saw them.

    The first five test samples are right only where it is trained on the first training sample with a wrong label.
    """
    if trained is None:
        return None
    train = layout.splits["train"]
    if split == "train":
        corrupted = (train.label_op != 0) | (train.image_op != 0)
        return np.where(corrupted, 9.0 * trained, 2.0)
    carried = split == "test" and (train.label_op != 0).any() and not trained[np.argmax(train.label_op != 0)]
    return np.where((np.arange(len(layout.splits[split])) < 5) & carried, -15.0, 2.0)


def _macs(record: EpochRecord) -> np.ndarray:
    """MACs as of a network in which an open gate costs a million, beside a million of the rest; NaN for unseen."""
    return (1e6 * (1 + record.gate.sum(axis=0))).astype(np.float32)


def _of_subset(record: EpochRecord, trained: np.ndarray | None) -> EpochRecord:
    """The record with phi, and with the bits of the samples that the run is trained on."""
    p = record.p_given.astype(np.float64)
    bits = 0 if trained is None else FLAGS["trained"] * (trained & record.flag("seen"))
    flags = record.flags + np.broadcast_to(np.asarray(bits, np.uint8), record.flags.shape)
    return replace(record, phi=(np.log(p) - np.log1p(-p)).astype(np.float32), flags=flags)


def _two_way(record: EpochRecord) -> EpochRecord:
    """The record with the entropy of (1-g, g) and without the classes of a gate's classifier."""
    g = record.gate.astype(np.float64)
    entropy = -(g * np.log(g) + (1 - g) * np.log1p(-g))
    none = np.full_like(record.gate_pred, UNSEEN_CLASS)
    return replace(record, entropy=entropy.astype(np.float32), gate_pred=none)


def synthetic_record(
    rng: np.random.Generator,
    samples: Samples,
    seen: np.ndarray,
    gates: int,
    progress: float,
    classes: int,
    strength: np.ndarray | None = None,
) -> EpochRecord:
    """Values of one epoch, all computed from the same made-up logits.

    The clean label's logit grows with ``progress`` in (0, 1]; a corrupted sample's given label follows late,
    so that corrupted samples have the higher loss, entropy and g; it grows to ``strength`` [n].
    """
    n = len(samples)
    rows = np.arange(n)
    given, clean = samples.given_label.astype(int), samples.clean_label.astype(int)
    corrupted = (samples.label_op != 0) | (samples.image_op != 0)
    logits = rng.normal(0, 1.5, (n, classes))
    logits[rows, clean] += np.where(samples.image_op != 0, 2.0, 5.0) * progress
    logits[rows, given] += (np.where(corrupted, 3.0, 2.0) if strength is None else strength) * progress**2
    chance = _softmax(logits)
    other = logits.copy()
    other[rows, given] = -np.inf
    pred = logits.argmax(1)
    gate_logits = rng.normal(0, 1.0, (gates, n, classes))
    gate_logits[:, rows, clean] += np.where(corrupted, 2.0, 4.0) * progress
    gate_chance = _softmax(gate_logits)
    entropy = -(gate_chance * np.log(gate_chance)).sum(-1)
    gate = 1 / (1 + np.exp(-8 * (entropy / np.log(classes) - 0.5)))
    bits = FLAGS["seen"] + FLAGS["correct_given"] * (pred == given) + FLAGS["correct_clean"] * (pred == clean)
    routed = FLAGS["routed"] * (gate > 0.5) if gates else np.zeros((1, n), int)

    def floats(values: np.ndarray) -> np.ndarray:
        return np.where(seen, values, np.nan).astype(np.float32)

    return EpochRecord(
        gate=floats(gate),
        entropy=floats(entropy),
        gate_pred=np.where(seen, gate_logits.argmax(-1), 65535).astype(np.uint16),
        flags=np.where(seen, bits + routed, 0).astype(np.uint8),
        loss=floats(-np.log(chance[rows, given])),
        margin=floats(logits[rows, given] - other.max(1)),
        p_given=floats(chance[rows, given]),
        el2n=floats(np.linalg.norm(chance - np.eye(classes)[given], axis=1)),
        out_entropy=floats(-(chance * np.log(chance)).sum(-1)),
        pred=np.where(seen, pred, 65535).astype(np.uint16),
    )


def _softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def _split_metrics(split: str, record: EpochRecord, gates: tuple[str, ...]) -> dict[str, float]:
    seen = record.flag("seen")
    values = {
        f"{split}_loss": float(record.loss[seen].mean()),
        f"{split}_accuracy": float(record.flag("correct_given")[seen].mean()),
        f"{split}_accuracy_clean_label": float(record.flag("correct_clean")[seen].mean()),
    }
    for row, gate in enumerate(gates):
        values[f"{split}_gate_{gate}"] = float(record.gate[row, seen].mean())
        values[f"{split}_routed_{gate}"] = float(record.flag("routed")[row, seen].mean())
    if record.macs is not None:
        values[f"{split}_macs"] = float(record.macs[seen].mean())
    return values
