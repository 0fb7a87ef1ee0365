"""Parameter counts of the papers, and the gate against an independent ten-line formulation."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.nn import functional

from memgate.config.run import GateConfig, ModelConfig
from memgate.errors import MemgateError
from memgate.models import build_model as typed_build_model
from memgate.models.gated.block_gated import hard, skip, through
from memgate.models.macs import cost_of
from memgate.training.objective import parameter_groups, total_loss


def build_model(*arguments, **keywords) -> Any:
    """The network as Any, since these tests access its modules."""
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


@pytest.mark.slow
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
    assert ModelConfig(name="resnet", depth=depth, block=block).units == dict.fromkeys(("b1", "b2", "b3"), 1)


@pytest.mark.parametrize("depth", [2, 9, 21, 163])
def test_a_wrong_depth_is_refused_with_the_rule(depth):
    with pytest.raises(MemgateError, match=r"6n\+2"):
        ModelConfig(name="resnet", depth=depth)


def independent_forward(model, images, config: GateConfig, classes: int):
    """Model 4 in ten lines, from the paper's equations: probabilities, not log-probabilities."""
    x = model.trunk.stem(images)
    outputs = []
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
            outputs.append((g, h))
            o2 = g.view(-1, 1, 1, 1) * o2 + (1 - g).view(-1, 1, 1, 1) * o1
        x = o2
    return model.trunk.head(x.mean((2, 3))), outputs


@pytest.mark.slow
@pytest.mark.parametrize("blocks", ["b3", "b2,b3"])
@pytest.mark.parametrize("tap", ["o1", "o2"])
@pytest.mark.parametrize("curve", ["normalised", "centred", "stretched", "identity", "sigmoid"])
def test_forward_equals_the_independent_formulation(blocks, tap, curve):
    gate = GateConfig(blocks=blocks, tap=tap, curve=curve)
    model = build_model(ModelConfig(depth=14, gate=gate), 7, seed=3).eval()
    images = torch.randn(5, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    forward = model(images)
    logits, outputs = independent_forward(model, images, gate, 7)
    torch.testing.assert_close(forward.logits, logits, rtol=1e-5, atol=1e-5)
    assert [g.name for g in forward.gates] == list(gate.names)
    for mine, (g, h) in zip(forward.gates, outputs, strict=True):
        torch.testing.assert_close(mine.value, g, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(mine.entropy, h, rtol=1e-5, atol=1e-6)


def gradients(model, loss):
    """Parameter name to gradient; None where the loss does not depend on it."""
    named = list(model.named_parameters())
    gradients = torch.autograd.grad(
        loss, [parameter for _, parameter in named], allow_unused=True, retain_graph=True
    )
    return {name: gradient for (name, _), gradient in zip(named, gradients, strict=True)}


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
    gradients = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
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
        torch.testing.assert_close(gradients[name], expected[id(parameter)], rtol=1e-4, atol=1e-6, msg=name)


def test_detach_gate_changes_the_trunks_gradient_and_nothing_else():
    images, labels = torch.randn(4, 3, 16, 16), torch.arange(4)
    results = []
    for detach in (False, True):
        model = build_model(ModelConfig(depth=14, gate=GateConfig(detach_gate=detach)), 10, seed=2)
        forward = model(images)
        total_loss(forward, labels).backward()
        results.append(
            (forward.logits, model.trunk.stem[0].weight.grad, model.gates["b3"].output.weight.grad)
        )
    (logits, trunk, gate), (logits_detached, trunk_detached, gate_detached) = results
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


def test_only_convolutions_and_all_of_them_are_he_normal():
    """Heads and gates over blocks keep PyTorch's linear layers, as in the authors' code; gates in units do not."""
    he = build_model(ModelConfig("layer-exclusive", 14, width=4), 10, seed=0)
    default = build_model(ModelConfig("layer-exclusive", 14, width=4, initialisation="torch"), 10, seed=0)
    for name, module in he.named_modules():
        if not isinstance(module, torch.nn.Conv2d) or module.weight.numel() < 2000:
            continue
        area = module.kernel_size[0] ** 2
        spread = math.sqrt(2 / (area * module.out_channels))
        assert module.weight.std().item() == pytest.approx(spread, rel=0.1), name
        weight = default.get_submodule(name).weight
        bound = 1 / math.sqrt(area * module.in_channels)  # uniform by fan-in, what PyTorch does of itself
        assert bound * 0.9 < weight.abs().max() <= bound, name
        assert weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.1), name
    gated = build_model(ModelConfig("entropy-gate", 14), 10, seed=0)
    for linear in (gated.trunk.head, gated.gates["b3"].hidden, gated.gates["b3"].output):
        bound = 1 / math.sqrt(linear.in_features)
        assert bound * 0.9 < linear.weight.abs().max() <= bound
        assert 0 < linear.bias.abs().max() <= bound


@pytest.mark.parametrize(("spread", "fan"), [("fan-in", "in_channels"), ("fan-out", "out_channels")])
def test_two_way_gates_start_by_fan_in_or_as_the_authors_by_fan_out(spread, fan):
    gate = GateConfig(window="tube-3x3", spread=spread)
    model = build_model(ModelConfig("layer-two-way", 14, width=4, gate=gate), 10, seed=0)
    conv = model.gates["b3u02"].conv
    assert conv.weight.std().item() == pytest.approx(math.sqrt(2 / (9 * getattr(conv, fan))), rel=0.05)


def test_option_a_takes_every_second_pixel_and_pads_with_zeros_on_both_sides():
    unit = build_model(ModelConfig("resnet", 14, shortcut="pad"), 10, seed=0).get_submodule("blocks.b2.0")
    x = torch.randn(2, 16, 5, 5)
    padded = unit.shortcut(x)
    assert padded.shape == (2, 32, 3, 3)
    assert torch.equal(padded[:, 8:24], x[:, :, [0, 2, 4]][..., [0, 2, 4]])
    assert not padded[:, :8].any()
    assert not padded[:, 24:].any()


@pytest.mark.parametrize("activation", ["post", "pre"])
def test_squeeze_and_excitation_weighs_the_branch_before_the_addition(activation):
    """Hu et al. 2018, equations 2 to 4: s = sigmoid(W2 relu(W1 z)), z the mean over positions."""
    config = ModelConfig("resnet", 14, width=2, squeeze_excitation=True, activation=activation)
    model = build_model(config, 10, seed=0).eval()
    unit = model.get_submodule("blocks.b3.1")
    x = torch.randn(3, 128, 4, 4)
    if activation == "post":
        branch = unit.bn2(unit.conv2(torch.relu(unit.bn1(unit.conv1(x)))))
    else:
        branch = unit.conv2(torch.relu(unit.bn2(unit.conv1(torch.relu(unit.bn1(x))))))
    w1, w2 = unit.excitation.squeeze.weight, unit.excitation.excite.weight
    assert w1.shape == (8, 128)
    z = branch.flatten(2).mean(2)
    s = 1 / (1 + torch.exp(-(torch.clamp(z @ w1.T, min=0) @ w2.T)))
    out = s[:, :, None, None] * branch + x
    torch.testing.assert_close(unit(x), torch.relu(out) if activation == "post" else out)


def forced_forward(model, images, weights):
    """The network with each gated block's output written out: ``weights`` maps o1 and o2 of a block to a mixture."""
    x = model.trunk.stem(images)
    for name in ("b1", "b2", "b3"):
        units = list(model.trunk.blocks[name])
        o1 = o2 = units[0](x)
        for unit in units[1:]:
            o2 = unit(o2)
        x = weights[name](o1, o2) if name in weights else o2
    return model.trunk.head(x.mean((2, 3)))


@pytest.mark.parametrize("tap", ["o1", "o2"])
def test_a_forced_gate_puts_out_o1_or_o2_and_nothing_of_the_other(tap):
    config = ModelConfig(depth=20, gate=GateConfig(blocks="b2,b3", tap=tap))
    model = build_model(config, 7, seed=3).eval()
    images = torch.randn(5, 3, 16, 16, generator=torch.Generator().manual_seed(0))

    def first(o1, _):
        return o1

    def last(_, o2):
        return o2

    for forced in ({"b2": skip, "b3": skip}, {"b2": through, "b3": skip}, {"b2": through, "b3": through}):
        weights = {name: first if mixing is skip else last for name, mixing in forced.items()}
        expected = forced_forward(model, images, weights)
        torch.testing.assert_close(model(images, forced).logits, expected, rtol=1e-6, atol=1e-6)
    g = independent_forward(model, images, config.gate, 7)[1][0][0]
    share = g.view(-1, 1, 1, 1)
    alone = forced_forward(model, images, {"b2": lambda o1, o2: share * o2 + (1 - share) * o1, "b3": first})
    torch.testing.assert_close(model(images, {"b3": skip}).logits, alone, rtol=1e-5, atol=1e-5)


def test_hard_routing_sends_each_sample_one_way():
    model = build_model(ModelConfig(depth=14), 7, seed=3).eval()
    with torch.no_grad():
        model.gates["b3"].output.weight.mul_(12)
    images = torch.randn(64, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    images *= torch.linspace(0.1, 3, 64)[:, None, None, None]  # entropies on both sides of the middle
    forwards = model.along(images, {"hard": {"b3": hard}, "skip": {"b3": skip}, "through": {"b3": through}})
    routed = forwards["hard"].gates[0].value > 0.5
    assert 5 < routed.sum() < 59
    expected = torch.where(routed[:, None], forwards["through"].logits, forwards["skip"].logits)
    assert torch.equal(forwards["hard"].logits, expected)


@pytest.mark.parametrize("training", [False, True])
def test_routes_together_are_the_routes_one_by_one(training):
    model = build_model(ModelConfig(depth=14, gate=GateConfig(blocks="b2,b3")), 7, seed=3).eval()
    images = torch.randn(6, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    mixings = (None, skip, through, hard)
    routes = {
        f"{one}{two}": {name: m for name, m in (("b2", mixings[one]), ("b3", mixings[two])) if m}
        for one in range(4)
        for two in range(4)
    }
    with torch.set_grad_enabled(training):
        together = model.along(images, routes)
        assert list(together) == list(routes)
        for name, route in routes.items():
            alone = model(images, route)
            assert torch.equal(together[name].logits, alone.logits)
            for mine, other in zip(together[name].gates, alone.gates, strict=True):
                assert torch.equal(mine.value, other.value)
        assert torch.equal(model(images).logits, together["00"].logits)
    second = [forward.gates[1].value for forward in together.values()]
    assert not torch.equal(second[0], second[4]), "the gate of B3 reads what B2's let through"


def test_macs_are_those_of_a_loop_over_the_layers():
    """40 813 184 and 40 551 040: spec/gating.md section 12.4, options B and A at 32x32."""
    for config, expected in (
        (ModelConfig("resnet", 20), 40_813_184),
        (ModelConfig("resnet", 20, shortcut="pad"), 40_551_040),
    ):
        macs, size, channels = 3 * 16 * 9 * 32 * 32, 32, 16
        later = 0
        for width in (16, 32, 64):
            for unit in range(3):
                size //= 2 if width > 16 and unit == 0 else 1
                mine = 9 * width * size**2 * (channels + width)
                mine += (
                    channels * width * size**2 if channels != width and config.shortcut == "projection" else 0
                )
                later += mine if width == 64 and unit > 0 else 0
                macs, channels = macs + mine, width
        macs += 64 * 10
        plain = cost_of(config, 10, 32)
        assert plain.total == macs == expected
        assert (plain.after_o1["b3"], plain.gates, plain.saved) == (later, {}, {})
        gate = GateConfig(blocks="b2,b3", hidden_b2=8, hidden_b3=16)
        gated = cost_of(replace(config, name="entropy-gate", gate=gate), 10, 32)
        assert gated.gates == {"b2": 32 * 8 + 8 * 10, "b3": 64 * 16 + 16 * 10}
        assert gated.total == macs + sum(gated.gates.values())
        assert gated.saved == {"b2": plain.after_o1["b2"], "b3": later}


def test_nothing_is_saved_where_the_gate_reads_the_whole_blocks_output():
    cost = cost_of(ModelConfig(depth=14, gate=GateConfig(tap="o2")), 10, 32)
    assert cost.saved == {"b3": 0}
    assert cost.after_o1["b3"] == 2 * 9 * 64 * 64 * 8 * 8
    assert cost_of(ModelConfig("resnet", 164, "bottleneck"), 10, 32).total == 247_646_720
