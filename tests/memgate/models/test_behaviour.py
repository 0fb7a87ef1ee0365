"""One suite over every network: shapes, gradients, overfitting, a run trained and resumed, and its probes."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch.nn import functional

import memgate.training.loop
import memgate.training.step
from app.cli import main
from memgate.config.run import DataConfig, GateConfig, LogConfig, ModelConfig, RunConfig, TrainConfig
from memgate.console import epoch_line
from memgate.errors import MemgateError
from memgate.models import MODELS
from memgate.models import build_model as typed_build_model
from memgate.models.draws import keys_of
from memgate.models.macs import cost_of
from memgate.runs.inputs import inputs_of
from memgate.runs.metrics import metric_names
from memgate.runs.run import Run
from memgate.training.ending import Stopped
from memgate.training.evaluate import load_network, pixel_network
from memgate.training.initial import new_state
from memgate.training.loader import Batch
from memgate.training.loop import resume, train
from memgate.training.objective import gate_modules, parameter_groups, total_loss
from memgate.training.schedule import trunk_lr
from memgate.training.step import train_step
from probes.csr.config import CsrOptions
from probes.csr.run import probe_run as probe_csr
from probes.difficulty.config import DifficultyConfig
from probes.difficulty.run import probe_run as probe_difficulty
from probes.export.export import export_run
from probes.export.plan import ExportPlan
from probes.gates.config import GatesConfig
from probes.gates.run import probe_run as probe_gates
from probes.network.plan import Plan
from probes.ood.config import OodConfig
from probes.ood.run import probe_run as probe_ood
from probes.ood.sets import parse_sets, read_set
from probes.report.report import report
from probes.result import load_results
from probes.routing.run import probe_run as probe_routing
from probes.samples.columns import shown_gates
from probes.scores.hardness import hardness_of
from tests.helpers.same_runs import assert_same_run

pytestmark = pytest.mark.slow

GATES = {
    "resnet": GateConfig(),
    "densenet": GateConfig(),
    "shake-shake": GateConfig(),
    "entropy-gate": GateConfig("b2,b3", 16, 8),
    "block-scalar": GateConfig("b2,b3", 16, 8, penalty=0.1, input="flatten"),
    "block-displacement": GateConfig("b3", 16, penalty=0.001),
    "block-entropy": GateConfig("b1,b3", 16, hidden_b1=8, curve="centred", input="flatten"),
    "block-two-way": GateConfig("b3", 16, penalty=0.1, target_loss="bce"),
    "layer-exclusive": GateConfig(penalty=0.01, bias=-1),
    "layer-shortcut-only": GateConfig(penalty=0.01),
    "layer-two-way": GateConfig(penalty=0.01, window="tube-3x3"),
    "channel-gate": GateConfig(hidden_unit=8, first_bias=True),
    "convnet-aig": GateConfig(hidden_unit=8),
    "skipnet": GateConfig(skip_gate="recurrent", opening=2),
    "fbs": GateConfig(density=0.6),
    "gater": GateConfig(gater_depth=8, gater_width=0.5),
}
"""Network to a configuration in which all of its losses are on."""


SMALL: dict[str, dict[str, Any]] = {
    "densenet": {"depth": 16, "growth": 6},
    "shake-shake": {"depth": 14, "width": 0.25},
}
"""Backbone to the options that make it small."""

RESNETS = [name for name in MODELS if name not in SMALL]

NETWORKS = [*MODELS, *(f"gater on {backbone}" for backbone in SMALL)]
"""Every network, and the gater on every backbone."""


def depth_of(name: Any) -> int:
    """The depth of a small network: where a probe cuts a block it needs two units, with gates in its units one."""
    config = config_of(name)
    return 8 if config.gate_names and not config.block_gated else config.depth


def config_of(name: Any, **changes: Any) -> ModelConfig:
    """A small network; of another backbone than a ResNet without the options that it does not have."""
    name, _, backbone = name.partition(" on ")
    if backbone:
        return ModelConfig(name, backbone=backbone, gate=GATES[name], **SMALL[backbone])
    if name in SMALL:
        return ModelConfig(name, gate=GATES[name], **SMALL[name])
    return ModelConfig(**{"name": name, "depth": 14, "gate": GATES[name], **changes})


def build_model(*arguments: Any, **keywords: Any) -> Any:
    return typed_build_model(*arguments, **keywords)


def images_of(side: int, n: int = 4) -> torch.Tensor:
    return torch.randn(n, 3, side, side, generator=torch.Generator().manual_seed(0))


def test_every_model_is_in_the_suite():
    assert set(GATES) == set(MODELS)


VARIANTS: dict[str, dict[str, Any]] = {
    "odd 17": {"side": 17},
    "odd 33, bottleneck": {"side": 33, "depth": 20, "block": "bottleneck"},
    "pre, pad": {"side": 8, "activation": "pre", "shortcut": "pad"},
    "wide, excited": {"side": 9, "width": 1.3, "squeeze_excitation": True, "depth": 14},
    "pre, bottleneck, excited": {
        "side": 11, "depth": 20, "block": "bottleneck", "activation": "pre", "squeeze_excitation": True,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_any_backbone_size_and_a_batch_of_one(name, variant):
    changes = dict(VARIANTS[variant])
    side = changes.pop("side")
    config = config_of(name, **changes)
    model, images = build_model(config, 3, 0, side), images_of(side)
    trained = model(images)  # in training mode: BatchNorm's statistics move
    assert trained.logits.isfinite().all()
    total_loss(model(images[:1]), torch.zeros(1, dtype=torch.int64)).backward()
    model.eval()
    forward, again, alone = model(images), model(images), model(images[2:3])
    assert forward.logits.shape == (4, 3)
    assert torch.equal(forward.logits, again.logits)
    torch.testing.assert_close(alone.logits, forward.logits[2:3], rtol=1e-4, atol=1e-5)
    assert tuple(gate.name for gate in forward.gates) == config.gate_names
    assert tuple(forward.penalties) == config.penalty_names
    for gate in forward.gates:
        assert gate.value.shape == (4,)
        assert ((gate.value >= 0) & (gate.value <= 1)).all()
        assert gate.entropy is None or gate.entropy.shape == (4,)


@pytest.mark.parametrize("name", RESNETS)
def test_resnet_34_takes_every_gate(name):
    gate = GateConfig("b3,b4", 4, hidden_b4=4) if config_of(name).block_gated else GateConfig()
    config = ModelConfig(name, 34, gate=gate, layout="imagenet", width=0.1)
    forward = build_model(config, 5, 0, 16).eval()(images_of(16, 2))
    assert forward.logits.shape == (2, 5)
    assert tuple(one.name for one in forward.gates) == config.gate_names


@pytest.mark.parametrize("name", NETWORKS)
def test_in_16_bits_what_is_logged_is_of_32(name):
    model, labels = build_model(config_of(name), 10, 0, 9), torch.arange(4)
    with torch.autocast("cpu", torch.bfloat16):
        forward = model(images_of(9))
    total_loss(forward, labels).backward()
    logged = [forward.logits, *forward.penalties.values()]
    for gate in forward.gates:
        logged += [part for part in (gate.value, gate.entropy, gate.logits) if part is not None]
    assert {part.dtype for part in logged} == {torch.float32}
    assert all(parameter.grad is not None for parameter in model.parameters())


def reached(model, loss):
    """Names of the parameters with a gradient of a loss that is not zero."""
    named = dict(model.named_parameters())
    gradients = torch.autograd.grad(loss, list(named.values()), allow_unused=True, retain_graph=True)
    return {
        name
        for name, gradient in zip(named, gradients, strict=True)
        if gradient is not None and gradient.any()
    }


@pytest.mark.parametrize("name", NETWORKS)
def test_every_parameter_gets_the_gradients_that_it_should_and_no_other(name):
    config = config_of(name)
    model, labels = build_model(config, 10, 1, 9), torch.arange(6)
    forward = model(images_of(9, 6))
    everything = {parameter for parameter, _ in model.named_parameters()}
    gates = {parameter for parameter in everything if parameter.startswith("gates.")}
    classification = reached(model, functional.cross_entropy(forward.logits, labels))
    own = gates if name == "entropy-gate" else set()
    assert classification == everything - own
    assert reached(model, total_loss(forward, labels)) == everything
    assert {id(one) for one in parameter_groups(model)[1]} == {id(model.get_parameter(one)) for one in own}
    assert list(gate_modules(model)) == (list(config.gate_names) if own else [])
    for penalty in forward.penalties.values():
        trained = reached(model, penalty)
        assert gates <= trained
        assert not {name for name in trained if name.startswith("trunk.head")}
        behind = {name for name in trained if name.startswith("trunk.blocks.b3.1")}
        assert bool(behind) == (name == "block-displacement"), "o2 is in no penalty but the displacement"
        assert {name for name in everything if name.startswith("trunk.stem")} <= trained


BACKBONES: dict[str, dict[str, Any]] = {
    "bottleneck": {"depth": 20, "block": "bottleneck"},
    "pre, wide, pad": {"activation": "pre", "width": 1.5, "shortcut": "pad"},
    "pre, bottleneck, excited": {
        "depth": 20, "block": "bottleneck", "activation": "pre", "squeeze_excitation": True,
    },
    "imagenet": {"depth": 18, "layout": "imagenet", "width": 0.125},
    "imagenet, bottleneck": {"depth": 50, "block": "bottleneck", "layout": "imagenet", "width": 0.125},
}  # fmt: skip


# Every network on three backbones, and every backbone under a half of the networks.
@pytest.mark.parametrize(
    ("name", "backbone"),
    [
        (name, backbone)
        for at, name in enumerate(RESNETS)
        for part, backbone in enumerate(BACKBONES)
        if part == 1 or part in ((0, 4) if at % 2 else (2, 3))
    ],
)
def test_on_any_backbone_every_parameter_gets_the_gradients_that_it_should_and_no_other(name, backbone):
    """Also with a gate over every block, and with images of odd sides."""
    config = config_of(name, **BACKBONES[backbone])
    if config.block_gated:
        hidden = {f"hidden_{block}": 4 for block in config.units}
        config = replace(config, gate=replace(config.gate, blocks=",".join(config.units), **hidden))
    model, labels = build_model(config, 10, 1, 19), torch.arange(6)
    forward = model(images_of(19, 6))
    named = dict(model.named_parameters())
    # All units of a small squeeze-and-excitation layer may be inactive: then its gradient is 0.
    alive = {name for name in named if "excitation" not in name}
    own = {name for name in named if name.startswith("gates.")} if config.has_gate_classifier else set()
    classification = reached(model, functional.cross_entropy(forward.logits, labels))
    assert not classification & own
    assert classification >= alive - own
    assert reached(model, total_loss(forward, labels)) >= alive
    for gate in forward.gates:
        if gate.logits is not None:
            trained = reached(model, functional.cross_entropy(gate.logits, labels))
            assert trained == {name for name in own if name.startswith(f"gates.{gate.name}.")}
    copy = build_model(config, 10, 2, 19)
    copy.load_state_dict(model.state_dict())
    assert torch.equal(copy.eval()(images_of(19)).logits, model.eval()(images_of(19)).logits)


@pytest.mark.parametrize("name", MODELS)
def test_it_learns_64_digits_by_heart(name):
    digits: Any = load_digits()
    images = torch.from_numpy(digits.images[:64].astype(np.float32) / 8 - 1)[:, None].repeat(1, 3, 1, 1)
    labels = torch.from_numpy(digits.target[:64]).long()
    model = config_of(name, depth=depth_of(name))
    # Networks that draw in training take longer, and so does a DenseNet of 6 maps a layer.
    epochs = 60 if model.hard_gates or name in SMALL else 25
    settings = TrainConfig(epochs=epochs, lr=0.05, milestones=(epochs - 5,), precision="float32")
    config = RunConfig(model=model, train=settings)
    train: Any = type("Train", (), {"class_count": 10, "side": 8})
    state = new_state(config, train, torch.device("cpu"))
    for epoch in range(1, settings.epochs + 1):
        keys = keys_of(epoch, torch.arange(64))
        batches = [
            Batch(images[at : at + 32], labels[at : at + 32], torch.arange(32), keys[at : at + 32])
            for at in (0, 32)
        ]
        for group in state.trunk_optimiser.param_groups:
            group["lr"] = trunk_lr(settings, epoch, state.step)
        for number, batch in enumerate(batches, start=1):
            train_step(state, batch, number, settings)
        if epoch % 5 == 0 and (state.model.eval()(images).logits.argmax(1) == labels).all():
            return
        state.model.train()
    pytest.fail("it has not learned them")


def small(out: Path, run: str, model: ModelConfig | str) -> RunConfig:
    schedule = TrainConfig(epochs=2, batch_size=32, lr=0.05, milestones=(1,))
    return RunConfig(
        name=run, out=out, noise=("symmetric:0.3",), device="cpu",
        data=DataConfig(name="digits", image_size=9, train_limit=81, test_limit=40),
        model=config_of(model, depth=depth_of(model)) if isinstance(model, str) else model,
        train=schedule, log=LogConfig(mode="online"),
    )  # fmt: skip


@pytest.fixture(scope="module", params=NETWORKS)
def watched(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Run, list[tuple[dict[str, float], int]]]:
    """A run of every network: two epochs, the last batch of 17 images; and each batch's penalties and size."""
    name, batches = request.param.replace(" ", "-"), []
    original = memgate.training.step.total_loss

    def total_loss(forward: Any, labels: torch.Tensor) -> torch.Tensor:
        batches.append(({name: value.item() for name, value in forward.penalties.items()}, len(labels)))
        return original(forward, labels)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memgate.training.step, "total_loss", total_loss)
        return train(small(tmp_path_factory.mktemp("runs"), name, request.param)), batches


@pytest.fixture(scope="module")
def run(watched: tuple[Run, Any]) -> Run:
    return watched[0]


def test_a_run_is_logged_whole(run):
    model, log = run.config.model, run.sample_log()
    assert log.gates == model.gate_names
    rows = run.metrics()
    assert list(rows[0]) == metric_names(
        ["train", "test"], model.gate_names, run.config.penalty_names, model.hard_gates
    )
    gate_steps = 6 if model.name == "entropy-gate" else 0
    assert [row["gate_updates"] for row in rows] == [gate_steps / 2, gate_steps]
    assert np.isfinite([row["gate_lr"] for row in rows]).all() == (model.name == "entropy-gate")
    for name in model.penalty_names:
        assert all(row[f"train_penalty_{name}"] > 0 for row in rows)
    for gate in log.gates:
        _, g = log.values("train", "gate", gate)
        _, routed = log.values("train", "routed", gate)
        np.testing.assert_array_equal(routed, g > 0.5)
        _, h = log.values("train", "entropy", gate)
        has_entropy = (model.hard_gates and model.name != "fbs") or model.name in (
            "entropy-gate",
            "block-entropy",
            "block-two-way",
            "layer-two-way",
        )
        assert np.isfinite(h).all() if has_entropy else np.isnan(h).all()
        _, predicted = log.values("train", "gate_pred", gate)
        assert (predicted < 10).all() if model.name == "entropy-gate" else (predicted == 65535).all()


def test_the_penalty_of_an_epoch_is_the_mean_over_its_samples(watched):
    run, batches = watched
    model = run.config.model
    if not model.penalty_names:
        assert not GATES[model.name].penalty
        return
    (name,) = model.penalty_names
    values, counts = np.array([(penalties[name], count) for penalties, count in batches]).T.reshape(2, 2, 3)
    assert counts.sum(axis=1).tolist() == [81, 81]
    logged = [row[f"train_penalty_{name}"] for row in run.metrics()]
    assert logged == pytest.approx((values * counts).sum(axis=1) / 81, rel=1e-5)


def test_stopped_and_resumed_equals_uninterrupted(run, tmp_path, interrupt):
    interrupt(memgate.training.loop, "train_step", 5)
    with pytest.raises(Stopped):
        train(small(tmp_path, "stopped", run.config.model))
    assert_same_run(run, resume(Run(tmp_path / "stopped")))


SHOWN = (
    "resnet",
    "entropy-gate",
    "block-scalar",
    "layer-two-way",
    "channel-gate",
    "convnet-aig",
    "fbs",
    "gater",
)
"""A network of every layout of gates and every kind of log: what is printed depends on no more of a network."""


def test_every_probe_runs(run, tmp_path, exit_code, capsys):
    np.savez(tmp_path / "noise.npz", images=np.random.default_rng(0).integers(0, 256, (8, 9, 9, 3), np.uint8))
    (foreign,) = parse_sets([f"noise={tmp_path / 'noise.npz'}"], "digits")
    layered = bool(run.config.model.gate_names) and not run.config.model.block_gated
    few, routed = Plan(splits=("test",), n=4, device="cpu"), Plan(splits=("train",), n=9, device="cpu")
    scores = DifficultyConfig(("input_gradient_norm", "grand_last_layer", "grand", "prediction_depth"))
    for probe, results in {
        "csr": probe_csr(run, CsrOptions().resolved(), few),
        "difficulty": probe_difficulty(run, scores, few),
        "ood": probe_ood(run, OodConfig(n=9, k=3), [read_set(foreign, 9)], replace(few, n=9)),
        "gates" if layered else "routing": probe_gates(
            run, GatesConfig(), routed, hardness_of=partial(hardness_of, run)
        )
        if layered
        else probe_routing(run, routed),
    }.items():
        assert {len(result.sample_id) for result in results} <= {4, 8, 9}
        assert load_results(run, probe)
    if layered:
        with pytest.raises(MemgateError, match="there is none to skip"):
            list(probe_routing(run, routed))
    assert run.config.model.name in str(report(run, resamples=0))
    assert export_run(run, ExportPlan("summary", "csv")).exists()
    if run.name in SHOWN:
        assert exit_code("probe", "show", run.path) == 0
        assert capsys.readouterr().err == ""


def test_a_control_of_another_cut_or_for_gates_in_units_is_refused(tmp_path, one_sentence):
    def trained(name: str, model: ModelConfig) -> Run:
        config = small(tmp_path, name, "resnet")
        schedule = TrainConfig(epochs=1, batch_size=64)
        return train(replace(config, model=model, train=schedule, data=replace(config.data, image_size=16)))

    shape: Any = {"depth": 18, "layout": "imagenet", "width": 0.125}
    gated = trained("gated", config_of("block-two-way", **shape))
    layered = trained("layered", config_of("layer-exclusive", **shape))
    control = trained("control", config_of("resnet", **shape))
    message = one_sentence("probe", "routing", gated.path, "--control", control.path)
    assert "control can only be cut in its last block, b4, and gated is gated up to b3" in message
    assert "gates in every unit" in one_sentence("probe", "routing", layered.path, "--control", control.path)
    main.parse(["probe", "routing", str(control.path), "--n", "9"]).run()
    (result, *_) = load_results(control, "routing")
    assert result.config["readouts"]["read-out o1"]["point"] == "b4.1"
    assert "memorised_by_b4" in result.values


def test_skip_of_an_ungated_pre_resnet_goes_through_its_last_batchnorm(tmp_path):
    config = small(tmp_path, "pre", "resnet")
    run = train(replace(config, model=config_of("resnet", activation="pre")))
    main.parse(["probe", "routing", str(run.path), "--n", "0", "--splits", "test"]).run()
    (result,) = load_results(run, "routing")
    inputs = inputs_of(run)
    model: Any = load_network(run, "last", torch.device("cpu"))[0].eval()
    pixels = torch.from_numpy(inputs.image_set("test").images).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        x = model.blocks["b2"](
            model.blocks["b1"](model.stem(pixel_network(model, inputs).normalised(pixels)))
        )
        o1 = torch.relu(model.last[0](model.blocks["b3"][0](x)))
        expected = model.head(o1.mean((2, 3))).argmax(1).numpy()
    skipped = result.values["prediction"][list(result.config["routes"]).index("skip")]
    np.testing.assert_array_equal(skipped, expected)


def test_tables_show_the_last_gate_of_each_block_where_there_are_many():
    layered = config_of("layer-exclusive", depth=56).gate_names
    assert shown_gates(layered) == ("b1u09", "b2u09", "b3u09")
    assert shown_gates(("b2", "b3")) == ("b2", "b3")
    assert shown_gates(tuple("abcdef")) == tuple("cdef")
    row = {"epoch": 1, "lr": 0.1, "seconds": 1.0}
    row |= {f"train_gate_{gate}": 0.25 for gate in layered} | {
        f"train_routed_{gate}": 0.5 for gate in layered
    }
    assert "27 gates: g 0.250, routed  50%" in epoch_line(row, 3, layered)


@pytest.mark.parametrize("name", NETWORKS)
def test_costs_are_the_backbones_and_the_gates(name):
    backbone = name.rpartition(" on ")[2]
    plain = cost_of(config_of(backbone if backbone in SMALL else "resnet"), 10, 16)
    gated = cost_of(config_of(name), 10, 16)
    assert gated.total == plain.total + sum(gated.gates.values()) + gated.shared
    assert bool(gated.shared) == name.startswith("gater")
    assert gated.after_o1 == plain.after_o1
    assert tuple(gated.gates) == tuple(gated.saved) == config_of(name).gate_names
    if name == "layer-two-way":
        assert gated.gates["b2u01"] == 9 * 16 * 2 * 8 * 8  # 3x3, 16 to 2 channels, stride 2 on 16 pixels
    if name == "block-scalar":
        assert gated.gates["b3"] == 64 * 4 * 4 * 16 + 16
        assert gated.saved["b3"] == gated.after_o1["b3"] > 0
