"""Every gate against an independent formulation, and which options each network refuses."""

import math
from dataclasses import replace
from typing import Any, get_args

import pytest
import torch
from torch.nn import functional

from memgate.config.model import ModelName
from memgate.config.run import GateConfig, ModelConfig, RunConfig, TrainConfig
from memgate.errors import MemgateError
from memgate.models import MODELS, build_model
from memgate.runs.outline import outline_of
from memgate.training.objective import total_loss


def images_of(side=9, n=5):
    return torch.randn(n, 3, side, side, generator=torch.Generator().manual_seed(0))


def made(config: ModelConfig, classes=7, side=9) -> Any:
    """A network in evaluation mode whose gates differ between samples, with random BatchNorm statistics."""
    model: Any = build_model(config, classes, 3, side)
    with torch.no_grad():
        model.train()(images_of(side, 16) * 2)
        for name, parameter in model.named_parameters():
            if name.startswith("gates."):
                parameter.mul_(3)
    return model.eval()


def unit_by_hand(unit, x, pre, depth):
    """Branch and shortcut of a residual unit."""
    branch = x
    for number in range(1, depth + 1):
        conv, norm = getattr(unit, f"conv{number}"), getattr(unit, f"bn{number}")
        if pre:
            branch = conv(torch.relu(norm(branch)))
        else:
            branch = norm(conv(branch))
            branch = torch.relu(branch) if number < depth else branch
    return branch, unit.shortcut(x)


def block_by_hand(model, images, config: ModelConfig, classes):
    """Logits, g, H and the penalty from the report's equations, with probabilities instead of logarithms of them."""
    gate, x, outputs, penalty = config.gate, model.trunk.stem(images), [], 0
    for name, units in model.trunk.blocks.items():
        o1 = o2 = units[0](x)
        for unit in list(units)[1:]:
            o2 = unit(o2)
        x = o2
        if name not in gate.names:
            continue
        tapped = o1 if gate.tap == "o1" else o2
        v = tapped.mean((2, 3)) if gate.input == "pooled" else tapped.reshape(len(images), -1)
        module = model.gates[name]
        z = (v @ module.hidden.weight.T + module.hidden.bias) @ module.output.weight.T + module.output.bias
        p = torch.exp(z) / torch.exp(z).sum(1, keepdim=True)
        h = -(p * p.log()).sum(1)
        if config.name in ("block-entropy", "entropy-gate"):
            half = math.log(classes) / 2
            g = {
                "identity": h, "sigmoid": 1 / (1 + torch.exp(-h)), "centred": 1 / (1 + torch.exp(half - h)),
                "normalised": 1 / (1 + torch.exp(-gate.slope * (h / math.log(classes) - 0.5))),
            }[gate.curve]  # fmt: skip
        elif config.name == "block-two-way":
            g = p[:, 1]
        else:
            g, h = 1 / (1 + torch.exp(-z[:, 0])), None
        outputs.append((g, h))
        g4 = g.reshape(-1, 1, 1, 1)
        x = g4 * o2 + (1 - g4) * o1
        if config.name == "block-scalar":
            penalty += gate.penalty * (g**2).mean()
        if config.name == "block-displacement":
            distance = ((o2 - o1) ** 2).sum((1, 2, 3))
            penalty += gate.penalty * (g**2 * distance).mean()
        if config.name == "block-two-way" and gate.target_loss == "ce":
            penalty += gate.penalty * -p[:, 0].log().mean()
        if config.name == "block-two-way" and gate.target_loss == "bce":
            s = 1 / (1 + torch.exp(-z))
            penalty += gate.penalty * -(s[:, 0].log() + (1 - s[:, 1]).log()).mean() / 2
    return model.trunk.head(x.mean((2, 3))), outputs, penalty


BLOCK_CASES = [
    ModelConfig("block-scalar", 14, gate=GateConfig("b2,b3", 11, 10, penalty=0.3, input="flatten")),
    ModelConfig("block-scalar", 20, "bottleneck", gate=GateConfig("b3", penalty=10, tap="o2", hidden_b3=5)),
    ModelConfig("block-displacement", 14, gate=GateConfig("b1,b2,b3", 11, 10, hidden_b1=9, penalty=0.1)),
    ModelConfig("block-displacement", 14, gate=GateConfig("b1", penalty=0.1, tap="o2", input="flatten")),
    ModelConfig("block-two-way", 14, gate=GateConfig("b1,b3", penalty=0.2, input="flatten", hidden_b1=4)),
    ModelConfig("block-two-way", 20, "bottleneck", gate=GateConfig(penalty=2, target_loss="bce")),
    ModelConfig("entropy-gate", 14, gate=GateConfig("b1,b3", input="flatten", curve="centred", hidden_b1=4)),
    *(
        ModelConfig("block-entropy", 14, gate=GateConfig("b2,b3", curve=curve, input=read))
        for curve in ("identity", "sigmoid", "centred", "normalised")
        for read in ("pooled", "flatten")
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize("config", BLOCK_CASES)
def test_block_gates_equal_the_independent_formulation(config):
    model, images = made(config), images_of()
    forward = model(images)
    logits, outputs, penalty = block_by_hand(model, images, config, 7)
    torch.testing.assert_close(forward.logits, logits, rtol=1e-4, atol=1e-5)
    assert tuple(one.name for one in forward.gates) == config.gate.names
    for mine, (g, h) in zip(forward.gates, outputs, strict=True):
        torch.testing.assert_close(mine.value, g, rtol=1e-4, atol=1e-6)
        assert g.std() > 1e-4, "the samples must differ"
        assert (mine.logits is None) == (mine.features is None) == (config.name != "entropy-gate")
        if h is None:
            assert mine.entropy is None
        else:
            torch.testing.assert_close(mine.entropy, h, rtol=1e-4, atol=1e-5)
    assert tuple(forward.penalties) == config.penalty_names
    if config.penalty_names:
        torch.testing.assert_close(sum(forward.penalties.values()), penalty, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("config", [one for one in BLOCK_CASES if one.name != "entropy-gate"])
def test_gradients_of_block_gates_are_those_of_the_independent_formulation(config):
    """Nothing is detached: the whole loss trains all parameters."""
    model, images, labels = made(config), images_of(), torch.arange(5)
    total_loss(model(images), labels).backward()
    logits, _, penalty = block_by_hand(model, images, config, 7)
    named = dict(model.named_parameters())
    expected = torch.autograd.grad(functional.cross_entropy(logits, labels) + penalty, list(named.values()))
    for (name, parameter), gradient in zip(named.items(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-3, atol=1e-5, msg=name)


def layer_by_hand(model, images, config: ModelConfig):
    """Logits, mean g, mean H and the penalty, unit by unit."""
    pre, depth = config.activation == "pre", 2 if config.block == "basic" else 3
    x, outputs, penalties = model.trunk.stem(images), [], []
    gates = iter(model.gates.values())
    for number, units in enumerate(model.trunk.blocks.values()):
        for index, unit in enumerate(units):
            branch, shortcut = unit_by_hand(unit, x, pre, depth)
            conv = next(gates).conv
            stride = 2 if number > 0 and index == 0 else 1
            z = functional.conv2d(x, conv.weight, conv.bias, stride, conv.weight.shape[-1] // 2)
            if config.name == "layer-two-way":
                half = z.shape[1] // 2
                a = torch.stack([z[:, :half], z[:, half:]])
                g = torch.softmax(a / config.gate.temperature, 0)
                x = g[0] * branch + g[1] * shortcut
                outputs.append((g[0].mean((1, 2, 3)), -(g * g.log()).sum(0).mean((1, 2, 3))))
                penalties.append(-(torch.exp(a[1]) / torch.exp(a).sum(0)).log().mean())
            else:
                g = 1 / (1 + torch.exp(-z))
                x = (g * branch if config.name == "layer-exclusive" else branch) + (1 - g) * shortcut
                outputs.append((g.mean((1, 2, 3)), None))
                penalties.append((g**2).mean())
            x = x if pre else torch.relu(x)
    x = torch.relu(model.trunk.last[0](x)) if pre else x
    return model.trunk.head(x.mean((2, 3))), outputs, config.gate.penalty * sum(penalties) / len(penalties)


BACKBONES: Any = ((14, "basic", "post"), (11, "bottleneck", "post"), (20, "bottleneck", "pre"))
LAYER_GATES: Any = (
    ("layer-exclusive", GateConfig(penalty=0.01, bias=-1)),
    ("layer-shortcut-only", GateConfig(penalty=0.5, bias=0.3)),
    ("layer-two-way", GateConfig(penalty=1e-3)),
    ("layer-two-way", GateConfig(penalty=3, window="tube-3x3", temperature=5)),
    ("layer-two-way", GateConfig(penalty=3, window="element-1x1", temperature=0.5)),
)
LAYER_CASES = [
    ModelConfig(name, depth, block, gate=gate, activation=activation)
    for depth, block, activation in BACKBONES
    for name, gate in LAYER_GATES
]


@pytest.mark.slow
@pytest.mark.parametrize("config", LAYER_CASES)
def test_layer_gates_equal_the_independent_formulation(config):
    model, images = made(config), images_of()
    forward = model(images)
    logits, outputs, penalty = layer_by_hand(model, images, config)
    torch.testing.assert_close(forward.logits, logits, rtol=1e-4, atol=1e-5)
    assert len(forward.gates) == sum(config.units.values())
    for mine, (g, h) in zip(forward.gates, outputs, strict=True):
        torch.testing.assert_close(mine.value, g, rtol=1e-4, atol=1e-6)
        assert mine.logits is None
        if h is None:
            assert mine.entropy is None
        else:
            torch.testing.assert_close(mine.entropy, h, rtol=1e-4, atol=1e-5)
    (mine,) = forward.penalties.values()
    torch.testing.assert_close(mine, penalty, rtol=1e-4, atol=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize(
    "config", [one for one in LAYER_CASES if (one.depth, one.activation) != (11, "post")]
)
def test_gradients_of_layer_gates_are_those_of_the_independent_formulation(config):
    """Nothing is detached, neither g nor the input of the gate."""
    model, images, labels = made(config), images_of(), torch.arange(5)
    total_loss(model(images), labels).backward()
    logits, _, penalty = layer_by_hand(model, images, config)
    named = dict(model.named_parameters())
    expected = torch.autograd.grad(functional.cross_entropy(logits, labels) + penalty, list(named.values()))
    for (name, parameter), gradient in zip(named.items(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-3, atol=1e-5, msg=name)


def test_the_papers_bias_starts_the_gates_near_the_shortcut():
    fresh: Any = build_model(ModelConfig("layer-exclusive", 20), 10, seed=0).eval()
    assert {gate.conv.bias.unique().item() for gate in fresh.gates.values()} == {-6.0}
    assert all(one.value.mean() < 0.2 for one in fresh(images_of()).gates)


@pytest.mark.slow
@pytest.mark.parametrize("window", ["tube-1x1", "tube-3x3", "element-1x1"])
@pytest.mark.parametrize(("depth", "block"), [(110, "basic"), (164, "bottleneck")])
def test_two_way_gates_start_a_deep_network_with_its_shortcuts_open(window, depth, block):
    """Starting at one half, or with the logits of He's rule by fan-out, the gradient's norm is 10^5 to 10^13."""
    model = build_model(
        ModelConfig("layer-two-way", depth, block, gate=GateConfig(window=window)), 10, seed=0
    )
    forward = model(images_of())
    assert all(one.value.mean() < 0.2 for one in forward.gates)
    total_loss(forward, torch.arange(5)).backward()
    assert torch.nn.utils.clip_grad_norm_(model.parameters(), 1) < 10


def test_the_authors_temperature_leaves_two_way_gates_at_one_half():
    model = made(ModelConfig("layer-two-way", 14, gate=GateConfig(temperature=1e4, bias=0.0)))
    for one in model(images_of()).gates:
        torch.testing.assert_close(one.value, torch.full((5,), 0.5), atol=1e-2, rtol=0)
        torch.testing.assert_close(one.entropy, torch.full((5,), math.log(2)), atol=1e-4, rtol=0)


def test_names_of_units_sort_as_the_units_follow_each_other():
    names = ModelConfig("layer-exclusive", 110).gate_names
    assert (len(names), names[0], names[17], names[-1]) == (54, "b1u01", "b1u18", "b3u18")
    many = ModelConfig("layer-exclusive", 6 * 120 + 2).gate_names
    assert list(many) == sorted(many)
    assert many[0] == "b1u001"


def test_configuration_and_models_name_the_same_networks():
    assert set(get_args(ModelName)) == set(MODELS)


REFUSED = [  # configuration, the sentence
    (lambda: ModelConfig("block-scalar", gate=GateConfig(curve="centred")),
     "--model.gate.curve centred does nothing for block-scalar: leave it at normalised."),
    (lambda: ModelConfig("entropy-gate", gate=GateConfig(penalty=0.1)), "penalty 0.1 does nothing for entropy-gate"),
    (lambda: ModelConfig("block-entropy", gate=GateConfig(penalty=0.1)), "penalty 0.1 does nothing for block-entropy"),
    (lambda: ModelConfig("layer-exclusive", gate=GateConfig(blocks="b2")), "blocks b2 does nothing for layer-exc"),
    (lambda: ModelConfig("layer-exclusive", gate=GateConfig(temperature=2)), "temperature 2.0 does nothing"),
    (lambda: ModelConfig("block-two-way", gate=GateConfig(bias=2)), "bias 2.0 does nothing for block-two-way"),
    (lambda: ModelConfig("block-scalar", gate=GateConfig(hidden_b2=9)), "hidden-b2 9 does nothing without a gate"),
    (lambda: ModelConfig("block-two-way", gate=GateConfig(detach_gate=True)), "detach-gate True does nothing"),
    (lambda: ModelConfig(gate=GateConfig(blocks="b3,b4")), "--model.layout cifar has no block b4, only b1, b2, b3"),
    (lambda: GateConfig(blocks="b3,b2"), "--model.gate.blocks 'b3,b2' must name some of b1, b2, b3, b4 in this order"),
    (lambda: GateConfig(blocks="b3,b3"), "must name some of"),
    (lambda: GateConfig(blocks=""), "must name some of"),
    (lambda: GateConfig(penalty=-1), "--model.gate.penalty -1.0 must be a number from 0"),
    (lambda: GateConfig(penalty=math.nan), "--model.gate.penalty nan must be a finite number"),
    (lambda: GateConfig(temperature=0), "--model.gate.temperature 0.0 must be a number above 0"),
    (lambda: GateConfig(bias=math.inf), "--model.gate.bias inf must be a finite number"),
    (lambda: ModelConfig(width=0), "--model.width 0.0 is out of range"),
    (lambda: ModelConfig("resnet", 20, layout="imagenet"), "--model.layout imagenet: there are 18, 34"),
    (lambda: ModelConfig("resnet", 34, "bottleneck", layout="imagenet"), "there are 50, 101, 152"),
    (lambda: RunConfig(model=ModelConfig("layer-two-way"), train=TrainConfig(gate_iters=3)),
     "--train.gate-iters 3 does nothing for layer-two-way"),
    (lambda: RunConfig(model=ModelConfig("block-scalar"), train=TrainConfig(gate_lr=0.1)), "--train.gate-lr 0.1 does"),
    (lambda: build_model(ModelConfig("resnet", 34, layout="imagenet"), 10, 0, image_size=8),
     "Images of 8 pixels leave b4"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "message"), REFUSED)
def test_what_does_nothing_or_cannot_be_is_refused_in_one_sentence(make, message):
    with pytest.raises(MemgateError) as caught:
        make()
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_ungated_control_may_keep_the_options_of_the_gated_run():
    gated = RunConfig(
        model=ModelConfig(gate=GateConfig(curve="centred", slope=3)), train=TrainConfig(gate_iters=3)
    )
    assert replace(gated, model=replace(gated.model, name="resnet")).model.gate_names == ()


def test_names_say_what_a_network_is():
    gate = GateConfig("b3,b4", penalty=1e-5)
    model = ModelConfig("block-scalar", 34, layout="imagenet", activation="pre", gate=gate)
    config = RunConfig(model=model)
    assert config.default_name == "cifar10-block-scalar34-imagenet-pre-b3-b4-penalty1e-05-clean-e60-s0"
    assert outline_of(config).model == "block-scalar-34-imagenet-pre"
    assert "b1u01" not in RunConfig(model=ModelConfig("layer-exclusive")).default_name


@pytest.mark.parametrize(
    ("name", "expected"), [("entropy-gate", True), ("block-entropy", True), ("resnet", False)]
)
def test_outline_knows_when_the_gate_value_is_the_entropy(name, expected):
    config = RunConfig(model=ModelConfig(name, gate=GateConfig(curve="identity")))
    assert outline_of(config).gate_is_entropy is expected
