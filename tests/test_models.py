"""Parameter counts of the papers, and the gate against an independent ten-line formulation."""

import math
from typing import Any

import pytest
import torch
from torch.nn import functional

from memgate.config import GateConfig, ModelConfig
from memgate.errors import MemgateError
from memgate.models import build_model as typed_build_model
from memgate.objective import parameter_groups, total_loss


def build_model(*arguments, **keywords) -> Any:
    """The network as Any: these tests reach into its modules."""
    return typed_build_model(*arguments, **keywords)


COUNTS = [  # spec/gating.md sections 1.1, 4.1 and 12.4, each counted on an instantiated network
    ("resnet", 110, "basic", "projection", "b3", 10, 1_730_714),
    ("resnet", 110, "basic", "projection", "b3", 100, 1_736_564),
    ("resnet", 110, "basic", "pad", "b3", 10, 1_727_962),
    ("resnet", 164, "bottleneck", "projection", "b3", 10, 1_704_154),
    ("resnet", 164, "bottleneck", "projection", "b3", 100, 1_727_284),
    ("resnet", 20, "basic", "projection", "b3", 10, 272_474),
    ("resnet", 20, "basic", "pad", "b3", 10, 269_722),
    ("resnet", 32, "basic", "projection", "b3", 10, 466_906),
    ("entropy-gate", 110, "basic", "projection", "b3", 10, 1_769_124),
    ("entropy-gate", 110, "basic", "projection", "b3", 100, 1_821_144),
    ("entropy-gate", 164, "bottleneck", "projection", "b3", 10, 1_840_868),
    ("entropy-gate", 164, "bottleneck", "projection", "b3", 100, 1_910_168),
    ("entropy-gate", 110, "basic", "projection", "b2,b3", 10, 1_778_422),
]


@pytest.mark.parametrize(("name", "depth", "block", "shortcut", "blocks", "classes", "expected"), COUNTS)
def test_parameter_counts_are_those_of_the_papers(name, depth, block, shortcut, blocks, classes, expected):
    config = ModelConfig(
        name=name, depth=depth, block=block, shortcut=shortcut, gate=GateConfig(blocks=blocks)
    )
    model = build_model(config, classes, seed=0)
    assert sum(parameter.numel() for parameter in model.parameters()) == expected


@pytest.mark.parametrize(("depth", "block"), [(8, "basic"), (11, "bottleneck")])
def test_a_block_of_one_unit_has_nothing_to_gate(depth, block):
    with pytest.raises(MemgateError, match="o1 = o2 and there is nothing to gate"):
        ModelConfig(name="entropy-gate", depth=depth, block=block)
    assert ModelConfig(name="resnet", depth=depth, block=block).units == 1


@pytest.mark.parametrize("depth", [0, 2, 9, 21, 163])
def test_a_wrong_depth_is_refused_with_the_rule(depth):
    with pytest.raises(MemgateError, match=r"6n\+2"):
        ModelConfig(name="resnet", depth=depth)


def independent_forward(model, images, config: GateConfig, classes: int):
    """Model 4 in ten lines, from the paper's equations: probabilities, not log-probabilities."""
    x = model.trunk.stem(images)
    found = []
    for name in ("b1", "b2", "b3"):
        units = list(model.trunk.blocks[name])
        o1 = o2 = units[0](x)
        for unit in units[1:]:
            o2 = unit(o2)
        if name in config.names:
            gate = model.gates[name]
            pooled = (o1 if config.tap == "o1" else o2).mean((2, 3))
            p = torch.softmax(gate.output(gate.hidden(pooled)), 1)
            h = -(p * p.log()).sum(1)
            argument = {
                "normalised": config.slope * (h / math.log(classes) - 0.5),
                "centred": h - math.log(classes) / 2,
                "stretched": ((h - math.log(classes) / 2) + 1.15) * 8 / 2.3 - 4,
                "sigmoid": h,
            }.get(config.curve)
            g = h if argument is None else 1 / (1 + torch.exp(-argument))
            found.append((g, h))
            o2 = g.view(-1, 1, 1, 1) * o2 + (1 - g).view(-1, 1, 1, 1) * o1
        x = o2
    return model.trunk.head(x.mean((2, 3))), found


@pytest.mark.parametrize("blocks", ["b3", "b2,b3"])
@pytest.mark.parametrize("tap", ["o1", "o2"])
@pytest.mark.parametrize("curve", ["normalised", "centred", "stretched", "identity", "sigmoid"])
def test_forward_equals_the_independent_formulation(blocks, tap, curve):
    gate = GateConfig(blocks=blocks, tap=tap, curve=curve)
    model = build_model(ModelConfig(depth=14, gate=gate), 7, seed=3).eval()
    images = torch.randn(5, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    forward = model(images)
    logits, found = independent_forward(model, images, gate, 7)
    torch.testing.assert_close(forward.logits, logits, rtol=1e-5, atol=1e-5)
    assert [g.name for g in forward.gates] == list(gate.names)
    for mine, (g, h) in zip(forward.gates, found, strict=True):
        torch.testing.assert_close(mine.value, g, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(mine.entropy, h, rtol=1e-5, atol=1e-6)


def gradients(model, loss):
    """Gradient by parameter name; None where the loss does not reach."""
    named = list(model.named_parameters())
    found = torch.autograd.grad(
        loss, [parameter for _, parameter in named], allow_unused=True, retain_graph=True
    )
    return {name: gradient for (name, _), gradient in zip(named, found, strict=True)}


@pytest.mark.parametrize("blocks", ["b3", "b2,b3"])
@pytest.mark.parametrize("detach", [False, True])
def test_each_loss_leaves_the_other_groups_gradients_untouched(blocks, detach):
    gate = GateConfig(blocks=blocks, detach_gate=detach)
    model = build_model(ModelConfig(depth=14, gate=gate), 10, seed=1)
    images, labels = torch.randn(6, 3, 16, 16), torch.arange(6)
    forward = model(images)
    classification = gradients(model, functional.cross_entropy(forward.logits, labels))
    assert all((gradient is None) == name.startswith("gates.") for name, gradient in classification.items())
    for one in forward.gates:
        own = gradients(model, functional.cross_entropy(one.logits, labels))
        assert all(
            (gradient is not None) == name.startswith(f"gates.{one.name}.") for name, gradient in own.items()
        )


@pytest.mark.parametrize("detach", [False, True])
def test_gradients_equal_those_of_the_independent_formulation(detach):
    gate = GateConfig(detach_gate=detach)
    model = build_model(ModelConfig(depth=14, gate=gate), 10, seed=2).eval()
    images, labels = torch.randn(4, 3, 16, 16), torch.arange(4)
    total_loss(model(images), labels).backward()
    found = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    model.zero_grad()
    trunk, gates = parameter_groups(model)

    x = model.trunk.blocks["b2"](model.trunk.blocks["b1"](model.trunk.stem(images)))
    o1 = model.trunk.blocks["b3"][0](x)
    o2 = model.trunk.blocks["b3"][1](o1)
    one = model.gates["b3"]
    z = one.output(one.hidden(o1.mean((2, 3))))
    p = torch.softmax(z, 1)
    g = torch.sigmoid(8 * (-(p * p.log()).sum(1) / math.log(10) - 0.5))
    g = g.detach() if detach else g
    out = g[:, None, None, None] * o2 + (1 - g[:, None, None, None]) * o1
    loss = functional.cross_entropy(model.trunk.head(out.mean((2, 3))), labels)
    expected = dict(zip(map(id, trunk), torch.autograd.grad(loss, trunk, retain_graph=True), strict=True))
    own = torch.autograd.grad(functional.cross_entropy(z, labels), gates)
    expected |= dict(zip(map(id, gates), own, strict=True))
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(found[name], expected[id(parameter)], rtol=1e-4, atol=1e-6, msg=name)


def test_detach_gate_changes_the_trunks_gradient_and_nothing_else():
    images, labels = torch.randn(4, 3, 16, 16), torch.arange(4)
    found = []
    for detach in (False, True):
        model = build_model(ModelConfig(depth=14, gate=GateConfig(detach_gate=detach)), 10, seed=2)
        forward = model(images)
        total_loss(forward, labels).backward()
        found.append((forward.logits, model.trunk.stem[0].weight.grad, model.gates["b3"].output.weight.grad))
    (logits, trunk, gate), (logits_detached, trunk_detached, gate_detached) = found
    assert torch.equal(logits, logits_detached)
    assert torch.equal(gate, gate_detached)
    assert not torch.allclose(trunk, trunk_detached)


@pytest.mark.parametrize("name", ["resnet", "entropy-gate"])
@pytest.mark.parametrize("block", ["basic", "bottleneck"])
@pytest.mark.parametrize("size", [8, 32, 48])
def test_any_square_size_and_a_batch_of_one(name, block, size):
    depth = 14 if block == "basic" else 20
    model = build_model(ModelConfig(name=name, depth=depth, block=block), 3, seed=0).eval()
    forward = model(torch.zeros(1, 3, size, size))
    assert forward.logits.shape == (1, 3)
    assert [gate.value.shape for gate in forward.gates] == ([(1,)] if name == "entropy-gate" else [])


def test_weights_depend_on_the_seed_alone_and_leave_the_global_generator():
    torch.manual_seed(5)
    expected = torch.randn(3)
    torch.manual_seed(5)
    one, two = (build_model(ModelConfig(depth=14), 10, seed=4) for _ in range(2))
    assert torch.equal(torch.randn(3), expected)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))


def test_convolutions_are_he_normal_by_fan_out():
    model = build_model(ModelConfig(name="resnet", depth=110), 10, seed=0)
    weight = model.get_submodule("blocks.b3.5.conv1").weight
    assert weight.std().item() == pytest.approx(math.sqrt(2 / (9 * 64)), rel=0.03)
    assert abs(weight.mean().item()) < 0.001
