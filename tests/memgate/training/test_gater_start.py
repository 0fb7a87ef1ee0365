"""A gater's training: from the weights of two other runs, and with gates that are closed by chance."""

from dataclasses import replace

import pytest
import torch

import memgate.training.loop
from memgate.config.run import DataConfig, GateConfig, ModelConfig, RunConfig, TrainConfig
from memgate.errors import MemgateError
from memgate.runs.inputs import inputs_of
from memgate.runs.run import open_run
from memgate.training.ending import Stopped
from memgate.training.initial import new_state
from memgate.training.loop import train
from tests.helpers.trained_runs import train_one_epoch

GATED = ModelConfig("gater", depth=8, gate=GateConfig(gater_depth=8))


@pytest.fixture(scope="module")
def resnet(tmp_path_factory):
    """A ResNet-8, which is backbone and gater of :data:`GATED` without its gates."""
    return train_one_epoch(tmp_path_factory.mktemp("runs"), "resnet", ModelConfig("resnet", depth=8))


def gated(out, **changes):
    data = DataConfig(name="digits", image_size=8, train_limit=60, test_limit=20)
    schedule = TrainConfig(epochs=2, batch_size=32)
    config = RunConfig("gated", out, device="cpu", data=data, model=GATED, train=schedule)
    return replace(config, **changes)


def weights(run):
    return torch.load(run.checkpoint("last"), weights_only=True)["model"]


@pytest.mark.slow
def test_backbone_and_gater_start_from_the_weights_of_other_runs(resnet, tmp_path, interrupt, capsys):
    interrupt(torch.optim.SGD, "step", 1)  # stops before the first update
    with pytest.raises(Stopped):
        train(
            gated(tmp_path, init_from=str(resnet.path), init_head="loaded", init_gater=f"{resnet.path}:last")
        )
    run = open_run(tmp_path / "gated")
    loaded, source = weights(run), weights(resnet)
    assert all(torch.equal(loaded[f"trunk.{name}"], tensor) for name, tensor in source.items())
    parts = {name: tensor for name, tensor in source.items() if not name.startswith("head.")}
    assert all(torch.equal(loaded[f"gater.cnn.{name}"], tensor) for name, tensor in parts.items())
    scratch = new_state(run.config, inputs_of(run).clean.train, torch.device("cpu")).model.state_dict()
    others = [name for name in scratch if not name.startswith(("trunk.", "gater.cnn."))]
    assert all(torch.equal(loaded[name], scratch[name]) for name in others)
    counts = run.environment["gater_initialisation"]
    # Linear, BatchNorm, and a linear layer for each of three units.
    assert (counts["loaded"], counts["fresh"], counts["left"]) == (
        len(parts),
        {"gates": 2 + 5 + 6},
        {"head": 2},
    )
    assert run.config.init_gater == f"{resnet.path.absolute()}:last"
    assert "init-gater" in replace(run.config, name=None).default_name
    assert f"checkpoint last (the gater) (epoch 1): {len(parts)} tensors loaded" in capsys.readouterr().out


def test_a_run_that_does_not_fit_the_gater_is_refused(resnet, tmp_path):
    wide = ModelConfig("gater", depth=8, gate=GateConfig(gater_depth=14))
    with pytest.raises(
        MemgateError, match=r"a resnet of depth 8 and width 1 and does not fit the gater: it lacks"
    ):
        train(gated(tmp_path, model=wide, init_gater=str(resnet.path)))
    assert not (tmp_path / "gated").exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"model": ModelConfig("resnet", 8)},
            "resnet has no gater: leave it out, or take --model.name gater",
        ),
        ({"init_from": "y", "init_gates": "loaded"}, "both give the gater its weights"),
    ],
)
def test_what_init_gater_does_not_go_with(changes, words):
    with pytest.raises(MemgateError, match=words):
        RunConfig(**{"model": GATED, "init_gater": "x", **changes})


@pytest.mark.slow
def test_dropout_rises_from_step_to_step(tmp_path, monkeypatch):
    rates = []
    step = memgate.training.loop.train_step

    def watched(state, *arguments):
        rates.append(state.model.dropout)
        step(state, *arguments)

    monkeypatch.setattr(memgate.training.loop, "train_step", watched)
    gate = GateConfig(gater_depth=8, gate_dropout=0.4)
    train(gated(tmp_path, model=replace(GATED, gate=gate)))
    assert rates == pytest.approx([0.0, 0.1, 0.2, 0.3])
