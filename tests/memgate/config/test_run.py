"""Configurations: JSON and back, what resolving settles, and one sentence for every wrong value."""

import json
from dataclasses import replace

import pytest

from memgate.config.json_form import from_json, to_json
from memgate.config.run import DataConfig, GateConfig, LogConfig, ModelConfig, RunConfig, TrainConfig
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
    (lambda: TrainConfig(lr=float("nan")), "--train.lr nan"),
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
]


@pytest.mark.parametrize(("make", "named"), WRONG, ids=[named for _, named in WRONG])
def test_a_wrong_value_is_named_with_its_remedy(make, named):
    with pytest.raises(MemgateError) as caught:
        make()
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


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
