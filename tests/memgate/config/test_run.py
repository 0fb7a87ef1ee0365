# pyright: reportArgumentType=false
"""Configurations: JSON and back, what resolving settles, and one sentence for every wrong value."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from memgate.config.json_form import from_json, to_json
from memgate.config.run import (
    DataConfig,
    GateConfig,
    LogConfig,
    ModelConfig,
    RunConfig,
    SparsityConfig,
    TrainConfig,
)
from memgate.errors import MemgateError
from memgate.recipes import RECIPES


@pytest.mark.parametrize("name", list(RECIPES))
def test_every_recipe_goes_through_json(name):
    for config in (RECIPES[name].config, RECIPES[name].config.resolved()):
        assert from_json(RunConfig, json.loads(json.dumps(to_json(config)))) == config


def test_an_unknown_key_is_an_error():
    values = to_json(RunConfig())
    values["train"]["epoch"] = 3
    with pytest.raises(MemgateError, match="config.json: train has the unknown key epoch"):
        from_json(RunConfig, values)


WRONG = [
    (lambda: TrainConfig(epochs=0), "--train.epochs 0"),
    (lambda: TrainConfig(batch_size=1), "--train.batch-size 1"),
    (lambda: TrainConfig(lr=0), "--train.lr 0"),
    (lambda: TrainConfig(lr=float("nan")), "--train.lr nan must be a finite number"),
    (lambda: TrainConfig(momentum=1), "--train.momentum 1"),
    (lambda: TrainConfig(weight_decay=-1), "--train.weight-decay -1"),
    (lambda: TrainConfig(milestones=(5, 3)), "--train.milestones 5 3"),
    (lambda: TrainConfig(gate_iters=0), "--train.gate-iters 0"),
    (lambda: DataConfig(val_fraction=1), "--data.val-fraction 1"),
    (lambda: DataConfig(train_limit=0), "--data.train-limit 0"),
    (lambda: DataConfig(image_size=4), "--data.image-size 4"),
    (lambda: GateConfig(hidden_b3=0), "--model.gate.hidden-b3 0"),
    (lambda: GateConfig(slope=-1), "--model.gate.slope -1"),
    (lambda: LogConfig(every=0), "--log.every 0"),
    (lambda: RunConfig(name="../up"), "--name '../up'"),
    (lambda: RunConfig(seed=-1), "--seed -1"),
    (lambda: RunConfig(noise=("symetric:0.4",)), "symmetric"),
    (lambda: RunConfig(noise=("symmetric:1.4",)), "1.4"),
    (lambda: TrainConfig(epochs=2.5), "--train.epochs is '2.5' and must be a whole number"),
    (lambda: TrainConfig(epochs=True), "--train.epochs is 'True'"),
    (lambda: TrainConfig(epochs=100_001), "--train.epochs 100001 is out of range: from 1 to 100000"),
    (lambda: TrainConfig(batch_size=10**22), "--train.batch-size is a number of 74 bits"),
    (lambda: TrainConfig(batch_size=10**5000), "--train.batch-size is a number of 16610 bits"),
    (lambda: TrainConfig(batch_size=10**7), "--train.batch-size 10000000 is out of range"),
    (lambda: TrainConfig(gate_iters=10**6), "--train.gate-iters 1000000 is out of range"),
    (lambda: TrainConfig(checkpoint_every=1, epochs=10_001), "would keep more than 10000 checkpoints"),
    (lambda: TrainConfig(precision="fp16"), "--train.precision is 'fp16' and must be one of 'auto'"),
    (lambda: DataConfig(name="mnist"), "--data.name is 'mnist' and must be one of 'cifar10'"),
    (lambda: DataConfig(split_seed=-1), "--data.split-seed -1 is out of range"),
    (lambda: LogConfig(mode="sweep"), "--log.mode is 'sweep' and must be one of 'eval', 'online'"),
    (lambda: LogConfig(every=10**9), "--log.every 1000000000 is out of range"),
    (lambda: GateConfig(hidden_b3=10**6), "--model.gate.hidden-b3 1000000 is out of range"),
    (lambda: ModelConfig(depth=6_000_002), "--model.depth 6000002 is out of range"),
    (lambda: ModelConfig(width=64, depth=110), "more than 2,000,000,000 weights"),
    (lambda: ModelConfig(name="vgg"), "--model.name is 'vgg' and must be one of 'resnet'"),
    (lambda: RunConfig(device="tpu"), "--device is 'tpu' and must be one of 'auto', 'cpu', 'cuda'"),
    (lambda: RunConfig(noise="pair:0.1"), "--noise is 'pair:0.1' and must be a list"),
    (lambda: RunConfig(name="a" * 5000), "cannot be a folder's name"),
    (lambda: RunConfig(data="digits"), "--data must be a DataConfig"),
    (
        lambda: RunConfig(out="~nobody-of-this-name/x").resolved(),
        "--out: '~nobody-of-this-name/x' is not a path",
    ),
    (lambda: RunConfig(out="x" * 300).resolved(), "is not a path (File name too long)"),
    (lambda: GateConfig(hidden_unit=0), "--model.gate.hidden-unit 0 is out of range"),
    (
        lambda: GateConfig(concrete_temperature=0),
        "--model.gate.concrete-temperature 0.0 must be a number above 0",
    ),
    (
        lambda: ModelConfig("channel-gate", gate=GateConfig(inner="last")),
        "--model.gate.inner last does nothing for basic units",
    ),
    (
        lambda: ModelConfig("layer-exclusive", gate=GateConfig(opening=2)),
        "--model.gate.opening 2.0 does nothing for layer-exclusive: leave it at 0.0",
    ),
    (
        lambda: ModelConfig("channel-gate", gate=GateConfig(penalty=0.1)),
        "--model.gate.penalty 0.1 does nothing for channel-gate",
    ),
    (lambda: SparsityConfig(l0=-0.1), "--sparsity.l0 -0.1 must be a number from 0"),
    (lambda: SparsityConfig(shaping=float("nan")), "--sparsity.shaping nan must be a finite number"),
    (
        lambda: SparsityConfig(prior=(0, 1)),
        "--sparsity.prior 0 1 is out of range: two numbers from 0.001 to 10000",
    ),
    (lambda: SparsityConfig(prior=(0.6, -0.4)), "--sparsity.prior 0.6 -0.4 is out of range"),
    (lambda: SparsityConfig(prior=(0.6,)), "--sparsity.prior"),
    (
        lambda: SparsityConfig(l0_from=5, l0_until=5),
        "--sparsity.l0-until 5 is not after --sparsity.l0-from 5",
    ),
    (
        lambda: SparsityConfig(l0_from=8).resolved(epochs=10),
        "--sparsity.l0-from 8 is not before epoch 6, at which L0 has its full weight",
    ),
    (
        lambda: SparsityConfig(l0_until=1).resolved(epochs=10),
        "--sparsity.l0-until 1 is not after epoch 2, from which L0 rises",
    ),
    (
        lambda: SparsityConfig(l0_from=10, l0_until=30).resolved(epochs=10),
        "--sparsity.l0-from 10 leaves none of the 10 epochs for L0: take an earlier start or more epochs",
    ),
    (
        lambda: SparsityConfig(shaping_schedule="constant", shaping_until=4),
        "--sparsity.shaping-until 4 does nothing with --sparsity.shaping-schedule constant",
    ),
    (
        lambda: RunConfig(model=ModelConfig("entropy-gate"), sparsity=SparsityConfig(l0=0.1)),
        "--sparsity.l0 0.1 does nothing for entropy-gate: leave it at 0.05",
    ),
    (
        lambda: RunConfig(model=ModelConfig("channel-gate"), train=TrainConfig(gate_iters=2)),
        "--train.gate-iters 2 does nothing for channel-gate",
    ),
]


@pytest.mark.parametrize(("make", "named"), WRONG, ids=[named for _, named in WRONG])
def test_a_wrong_value_is_named_with_its_remedy(make, named):
    with pytest.raises(MemgateError) as caught:
        make()
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_lists_texts_and_numpy_numbers_become_the_types_of_their_fields():
    config = RunConfig(noise=["pair:0.1"], out="runs", train=TrainConfig(epochs=np.int64(3), lr=1))
    assert (config.noise, config.out) == (("pair:0.1",), Path("runs"))
    assert json.dumps(to_json(config.train)["epochs"]) == "3"
    assert repr(config.train.lr) == "1.0"
    assert from_json(RunConfig, json.loads(json.dumps(to_json(config)))) == config


@pytest.mark.parametrize(
    ("name", "augment"),
    [("cifar10", "crop-flip"), ("digits", "crop"), ("svhn", "crop"), ("folder", "crop-flip")],
)
def test_glyphs_are_never_mirrored_by_default(name, augment):
    assert RunConfig(data=DataConfig(name=name)).resolved().data.augment == augment


def test_default_names_tell_runs_apart():
    base = RunConfig(noise=("symmetric:0.4",))
    others = [
        replace(base, seed=1),
        replace(base, noise=()),
        replace(base, model=ModelConfig(depth=14)),
        replace(base, data=DataConfig(name="digits")),
        replace(base, model=ModelConfig(gate=GateConfig(blocks="b2,b3"))),
    ]
    assert len({config.default_name for config in [base, *others]}) == 6
    assert base.default_name == "cifar10-entropy-gate20-b3-symmetric0.4-e60-s0"
    copy = replace(base, noise_on=("test",), noise_seed=3)
    assert copy.default_name == "cifar10-entropy-gate20-b3-symmetric0.4-on-test-e60-s0-ns3"


def test_a_long_default_name_keeps_its_seeds_and_tells_corruptions_apart():
    noise = tuple(
        f"{kind}:0.125:severity=5" for kind in ("gaussian", "shot", "impulse", "speckle", "contrast")
    )
    base = RunConfig(noise=noise)
    others = [replace(base, seed=1), replace(base, noise=(*noise[:-1], "contrast:0.125:severity=4"))]
    names = {config.default_name for config in [base, *others]}
    assert len(names) == 3
    for name in names:
        assert len(name) <= 100
        assert RunConfig(name=name).name == name
    assert others[0].default_name.endswith("-e60-s1")
