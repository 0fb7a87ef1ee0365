"""--init-from: the trunk of another run is loaded completely or not at all, and every tensor is counted."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from app.cli import main
from memgate.config.run import DataConfig, GateConfig, ModelConfig, RunConfig, TrainConfig
from memgate.errors import MemgateError
from memgate.models import build_model
from memgate.runs.inputs import inputs_of
from memgate.runs.run import open_run
from memgate.training.ending import Stopped
from memgate.training.initial import new_state
from memgate.training.loop import resume, train
from tests.helpers.same_runs import assert_same_run


def small(out: Path, name: str, **changes) -> RunConfig:
    config = RunConfig(
        name=name,
        out=out,
        device="cpu",
        data=DataConfig(name="digits", image_size=8, train_limit=120, test_limit=40, val_fraction=0.2),
        model=ModelConfig(name="resnet", depth=14),
        train=TrainConfig(epochs=2, batch_size=32, lr=0.05, checkpoint_every=1),
    )
    return replace(config, **changes)


GATED = ModelConfig(depth=14, gate=GateConfig(hidden_b3=8))


@pytest.fixture(scope="module")
def baseline(tmp_path_factory):
    return train(small(tmp_path_factory.mktemp("baseline"), "base"))


def network(config: ModelConfig) -> Any:
    return build_model(config, 10, seed=9).eval()


def weights(run, which="last"):
    return torch.load(run.checkpoint(which), weights_only=True)["model"]


@pytest.mark.slow
def test_the_gated_networks_trunk_equals_the_baselines_bit_by_bit(baseline, tmp_path, interrupt, capsys):
    interrupt(torch.optim.SGD, "step", 1)  # stops before the first update
    with pytest.raises(Stopped):
        train(small(tmp_path, "gated", model=GATED, init_from=str(baseline.path)))
    run = open_run(tmp_path / "gated")
    state = torch.load(run.checkpoint("last"), weights_only=True)
    assert (state["epoch"], state["step"]) == (0, 0)
    images = torch.rand(5, 3, 8, 8)
    started = network(run.config.model)
    started.load_state_dict(state["model"])
    source = network(baseline.config.model)
    source.load_state_dict(weights(baseline))
    x, y = started.trunk.stem(images), source.stem(images)
    for block in ("b1", "b2", "b3"):
        x, y = started.trunk.blocks[block](x), source.blocks[block](y)
        assert torch.equal(x, y)
    # Head and gates equal those of a run from scratch.
    scratch = new_state(run.config, inputs_of(run).clean.train, torch.device("cpu")).model.state_dict()
    assert all(torch.equal(state["model"][name], scratch[name]) for name in scratch if "head" in name)
    assert torch.equal(state["model"]["gates.b3.hidden.weight"], scratch["gates.b3.hidden.weight"])
    counts = run.environment["initialisation"]
    total = len(weights(baseline))
    assert counts["loaded"] == total - 2
    assert (counts["fresh"], counts["left"], counts["epoch"]) == ({"gates": 4, "head": 2}, {"head": 2}, 2)
    assert f"{total - 2} tensors loaded; fresh: head 2, gates 4" in capsys.readouterr().out


@pytest.mark.slow
def test_with_the_head_loaded_the_network_equals_the_baseline(baseline, tmp_path):
    config = small(tmp_path, "all", init_from=f"{baseline.path}:1", init_head="loaded")
    # A rate of 0: no weight changes.
    schedule = TrainConfig(epochs=1, batch_size=32, schedule="resnet34-authors")
    run = train(replace(config, train=schedule))
    before, after = weights(baseline, "1"), weights(run)
    batch_norm_statistics = ("running_mean", "running_var", "num_batches_tracked")
    assert all(
        torch.equal(before[name], after[name]) for name in before if not name.endswith(batch_norm_statistics)
    )
    counts = run.environment["initialisation"]
    assert (counts["loaded"], counts["fresh"], counts["left"]) == (len(before), {}, {})
    assert run.config.init_from == f"{baseline.path.absolute()}:1"


@pytest.mark.slow
@pytest.mark.parametrize("which", ["best", "last", "1"])
def test_any_checkpoint_can_be_loaded(baseline, tmp_path, which, interrupt):
    interrupt(torch.optim.SGD, "step", 1)
    with pytest.raises(Stopped):
        train(small(tmp_path, "x", model=GATED, init_from=f"{baseline.path}:{which}"))
    loaded, expected = weights(open_run(tmp_path / "x")), weights(baseline, which)
    name = "blocks.b3.1.conv2.weight"
    assert torch.equal(loaded[f"trunk.{name}"], expected[name])


@pytest.mark.slow
def test_a_run_that_stopped_in_its_first_epoch_resumes_from_the_baselines_weights(
    baseline, tmp_path, monkeypatch, interrupt
):
    copied = tmp_path / "copy"
    copied.mkdir()
    (copied / "checkpoints").mkdir()
    for name in ("config.json", "manifest.npz"):
        (copied / name).write_bytes((baseline.path / name).read_bytes())
    (copied / "checkpoints" / "last.pt").write_bytes(baseline.checkpoint("last").read_bytes())
    uninterrupted = train(small(tmp_path, "uninterrupted", model=GATED, init_from=str(copied)))
    with monkeypatch.context():
        interrupt(torch.optim.SGD, "step", 4)
        with pytest.raises(Stopped):
            train(small(tmp_path, "stopped", model=GATED, init_from=str(copied)))
    (copied / "checkpoints" / "last.pt").unlink()  # the resumed run must not read it
    resumed = resume(open_run(tmp_path / "stopped"))
    first, second = weights(uninterrupted), weights(resumed)
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("init", "changes", "sentence"),
    [
        ("{base}", {"model": ModelConfig(depth=20)}, "is of a resnet of depth 14 .* and does not fit this network"),
        ("{base}", {"model": ModelConfig(depth=14, shortcut="pad")}, "in addition .*--model.shortcut"),
        ("{base}:7", {}, "base has no checkpoint '7': it has best, epoch_001, epoch_002, last"),
        ("{base}x", {}, "basex is no run"),
    ],
)  # fmt: skip
def test_a_baseline_that_does_not_fit_raises_before_a_run_is_created(
    baseline, tmp_path, init, changes, sentence
):
    with pytest.raises(MemgateError, match=sentence):
        train(small(tmp_path, "new", init_from=init.format(base=baseline.path), **changes))
    assert list(tmp_path.iterdir()) == []


def test_a_head_with_another_number_of_classes_is_fresh_or_raises(baseline, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 3), np.uint8)
    labels = np.arange(60) % 3
    arrays: dict[str, Any] = {"train_images": pixels, "train_labels": labels}
    arrays |= {"test_images": pixels, "test_labels": labels}
    np.savez(tmp_path / "three.npz", **arrays)
    data = DataConfig(name="npz", root=tmp_path / "three.npz", augment="none")
    config = small(tmp_path / "runs", "three", data=data, init_from=str(baseline.path))
    config = replace(config, train=replace(config.train, epochs=1))
    with pytest.raises(MemgateError, match="in another shape 2, such as head.weight.*or --init-head fresh"):
        train(replace(config, init_head="loaded"))
    assert train(config).environment["initialisation"]["fresh"] == {"head": 2}


def skipping(stage: Any, **changes: Any) -> ModelConfig:
    return ModelConfig("skipnet", 14, gate=GateConfig(skip_gate="recurrent", stage=stage, **changes))


@pytest.mark.slow
def test_reinforce_starts_from_the_gates_of_a_supervised_run_and_resumes(
    tmp_path, interrupt, capsys, monkeypatch
):
    first = train(small(tmp_path, "supervised", model=skipping("supervised")))
    settings: dict[str, Any] = {
        "model": skipping("reinforce"), "init_from": str(first.path), "init_head": "loaded",
        "init_gates": "loaded", "train": TrainConfig(epochs=2, batch_size=32, lr=1e-3, momentum=0),
    }  # fmt: skip
    with monkeypatch.context():
        interrupt(torch.optim.SGD, "step", 1)
        with pytest.raises(Stopped):
            train(small(tmp_path, "stopped", **settings))
    stopped = open_run(tmp_path / "stopped")
    before, after = weights(first), weights(stopped)
    assert list(before) == list(after)
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert stopped.environment["initialisation"]["fresh"] == {}
    assert f"{len(before)} tensors loaded; fresh: nothing" in capsys.readouterr().out
    monkeypatch.undo()
    resumed = resume(stopped)
    whole = train(small(tmp_path, "whole", **settings))
    assert_same_run(resumed, whole)
    names = [name for name in before if name.startswith(("gates.", "recurrent."))]
    assert any(not torch.equal(before[name], weights(whole)[name]) for name in names)
    assert all(-0.2 < row["train_penalty_reinforce"] / 1.28 < 4 for row in whole.metrics())


def test_gates_that_do_not_fit_are_refused_in_a_sentence(baseline, tmp_path, one_sentence):
    settings: dict[str, Any] = {"init_from": str(baseline.path), "init_gates": "loaded"}
    with pytest.raises(MemgateError, match="and the same gates, or --init-gates fresh"):
        train(small(tmp_path, "new", model=skipping("reinforce"), **settings))
    assert list(tmp_path.iterdir()) == []
    assert "no --init-from to load them from" in one_sentence("train", "--init-gates", "loaded")


def test_flags_of_the_initialisation(baseline, one_sentence):
    assert "no --init-from to load it from" in one_sentence("train", "--init-head", "loaded")
    config = main.parse(["train", "--init-from", "runs/base:best"]).config
    assert config.init_from == "runs/base:best"
    assert "-init-" in config.resolved().name
