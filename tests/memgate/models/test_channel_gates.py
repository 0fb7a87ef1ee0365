"""Gates on channels: when a channel is open, its gradient, and what a closed channel does to the network."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from memgate.config.run import DataConfig, GateConfig, ModelConfig, RunConfig, TrainConfig
from memgate.models import build_model
from memgate.models.draws import keys_of, uniform
from memgate.models.gated.channel_gates import ChannelGate, gate_of
from memgate.models.macs import sample_cost
from memgate.training.gate_vectors import VectorBuffer
from memgate.training.initial import new_state
from tests.helpers.channel_gated import BACKBONES, images_of, made

CHANNELS = 12
LOGITS = torch.randn(9, CHANNELS, generator=torch.Generator().manual_seed(0))
KEYS = keys_of(11, torch.arange(9))


def gate(stream: int = 0, **options: Any) -> ChannelGate:
    return ChannelGate(5, CHANNELS, GateConfig(**options), stream)


def noise(keys: Tensor, stream: int = 0) -> Tensor:
    """The logistic noise of a gate with ``CHANNELS`` channels, from its definition."""
    draw = uniform(keys, stream, CHANNELS).double()
    return draw.log() - (1 - draw).log()


# Open or closed


def test_in_training_a_channel_is_open_where_logit_and_noise_are_above_0():
    opened = gate().train().opened(LOGITS, KEYS)
    assert torch.equal(opened, (LOGITS + noise(KEYS) > 0).float())  # exactly 0 and 1
    assert 0 < opened.mean() < 1
    assert not torch.equal(opened, (LOGITS > 0).float())


def test_in_evaluation_a_channel_is_open_where_its_probability_is_above_one_half():
    logits = torch.tensor([[-1e-6, 0.0, 1e-6, -3, 3] + [0.1] * 7])
    module = gate().eval()
    assert module.opened(logits, KEYS[:1]).tolist() == [[0, 0, 1, 0, 1] + [1] * 7]
    assert torch.equal(module.opened(LOGITS, KEYS), module.opened(LOGITS, None))


def test_a_channel_is_open_as_often_as_its_probability_says():
    keys = keys_of(2, torch.arange(20_000))
    for logit in (-2.0, 0.3, 1.5):
        opened = gate().train().opened(torch.full((len(keys), CHANNELS), logit), keys)
        p = 1 / (1 + math.exp(-logit))
        assert opened.mean().item() == pytest.approx(p, abs=5 * math.sqrt(p * (1 - p) / opened.numel()))
    drawn = gate().train().opened(torch.full((20_000, CHANNELS), 0.3), None)  # from PyTorch's generator
    assert drawn.mean().item() == pytest.approx(1 / (1 + math.exp(-0.3)), abs=0.005)


def test_noise_follows_the_key():
    module, order = gate().train(), torch.tensor([3, 1, 0, 2, 8, 7, 4, 6, 5])
    opened = module.opened(LOGITS, KEYS)
    assert torch.equal(module.opened(LOGITS, KEYS), opened)
    assert torch.equal(module.opened(LOGITS[order], KEYS[order]), opened[order])
    assert torch.equal(module.opened(LOGITS[4:5], KEYS[4:5]), opened[4:5])
    assert not torch.equal(module.opened(LOGITS, keys_of(12, torch.arange(9))), opened)  # another epoch
    assert not torch.equal(gate(stream=1).train().opened(LOGITS, KEYS), opened)  # another gate


def test_the_gates_of_a_network_draw_noise_of_their_own():
    model: Any = build_model(ModelConfig("channel-gate", depth=20), 7, 0, 9)
    streams = [module.stream for module in model.gates.values()]
    assert streams == list(range(9))
    images, keys = images_of(), keys_of(0, torch.arange(5))
    first, again, other = (model(images, one) for one in (keys, keys, keys_of(1, torch.arange(5))))
    assert torch.equal(first.logits, again.logits)
    assert not torch.equal(first.logits, other.logits)


@pytest.mark.parametrize(("opening", "low", "high"), [(0.0, 0.4, 0.6), (2.0, 0.8, 1.0)])
def test_the_initial_bias_says_how_many_channels_start_open(opening, low, high):
    model: Any = build_model(ModelConfig("channel-gate", depth=20, gate=GateConfig(opening=opening)), 7, 0, 9)
    with torch.no_grad():
        gates = model(images_of(n=64), keys_of(0, torch.arange(64))).gates
    share = torch.cat([one.channels for one in gates], dim=1).mean()
    assert low < share < high


# Gradient


@pytest.mark.parametrize("temperature", [2 / 3, 1.5])
def test_the_gradient_is_that_of_the_noisy_sigmoid(temperature):
    logits = LOGITS.double().requires_grad_()
    module = gate(concrete_temperature=temperature).train()
    weight = torch.randn(LOGITS.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    (module.opened(logits, KEYS) * weight).sum().backward()

    def surrogate(shift: float) -> Tensor:
        return torch.sigmoid((LOGITS.double() + shift + noise(KEYS)) / temperature)

    h = 1e-6
    difference = (surrogate(h) - surrogate(-h)) / (2 * h)
    torch.testing.assert_close(logits.grad, weight * difference, rtol=1e-5, atol=1e-9)
    p = surrogate(0)
    torch.testing.assert_close(difference, p * (1 - p) / temperature, rtol=1e-6, atol=1e-9)


def test_evaluation_has_no_gradient():
    assert not gate().eval().opened(LOGITS.clone().requires_grad_(), None).requires_grad


# The record


def test_the_record_of_a_gate():
    opened = gate().train().opened(LOGITS, KEYS)
    record = gate_of("b1u01", LOGITS, opened)
    p = torch.sigmoid(LOGITS.double())
    entropy = -(p * p.log() + (1 - p) * (1 - p).log()).mean(dim=1)
    assert torch.equal(record.value, opened.mean(dim=1))
    torch.testing.assert_close(record.entropy, entropy.float())
    assert record.channel_logits is LOGITS
    weights = opened * torch.rand(opened.shape, generator=torch.Generator().manual_seed(0))
    assert torch.equal(gate_of("b1u01", LOGITS, weights).value, record.value)  # a share, whatever the weights
    certain = gate_of("b1u01", torch.full((1, 3), 1e4), torch.ones(1, 3))
    assert certain.entropy is not None
    assert certain.entropy.item() == 0


# In the network


def seen(model: Any, images: Tensor) -> tuple[Any, dict[str, tuple[Tensor, Tensor]]]:
    """The output, and gate to (input of the gate, input of its unit)."""
    inputs: dict[str, list[Tensor]] = {name: [] for name in model.gates}
    hooks = [
        module.register_forward_pre_hook(lambda _, given, name=name: inputs[name].append(given[0]))
        for (name, gate), unit in zip(model.gates.items(), model.units(), strict=True)
        for module in (gate, unit)
    ]
    forward = model(images)
    for hook in hooks:
        hook.remove()
    return forward, {name: (first, second) for name, (first, second) in inputs.items()}


@pytest.mark.parametrize("backbone", BACKBONES)
def test_a_gate_reads_the_input_of_its_unit_also_where_the_unit_halves_the_map(backbone):
    model = made(backbone)
    forward, inputs = seen(model, images_of())
    assert [one.name for one in forward.gates] == list(inputs)
    for record in forward.gates:
        read, entered = inputs[record.name]
        assert torch.equal(read, entered)
        layers, norm = model.gates[record.name], model.gates[record.name].norm
        hidden = read.mean((2, 3)) @ layers.hidden.weight.T
        hidden = (hidden - norm.running_mean) / (norm.running_var + norm.eps).sqrt() * norm.weight + norm.bias
        logits = torch.relu(hidden) @ layers.output.weight.T + layers.output.bias
        torch.testing.assert_close(record.channel_logits, logits, rtol=1e-4, atol=1e-5)
        assert torch.equal(record.channels, (record.channel_logits > 0).float())


def maps_of(unit: Any, inner: str) -> list[int]:
    """Numbers of the gated maps of a unit, in the order of the gate's channels."""
    numbers = list(range(1, unit.depth))
    return {"both": numbers, "first": numbers[:1], "last": numbers[-1:]}[inner]


def halves(channels: Tensor) -> Tensor:
    """Every second channel open."""
    return (torch.arange(channels.shape[1]) % 2 == 0).to(channels).expand_as(channels)


@pytest.mark.slow
@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("training", [True, False])
def test_a_closed_channel_has_no_gradient(backbone, training):
    """Nor have the weights that make it or read it, whatever its BatchNorm adds: it is closed behind the ReLU."""
    model = made(backbone).train(training)
    name, unit = "b2u01", next(iter(model.trunk.blocks.b2))
    images, keys = images_of(), keys_of(0, torch.arange(5))
    model(images, keys, {name: halves}).logits.square().sum().backward()
    closed = slice(1, None, 2)
    for number in maps_of(unit, model.config.inner):
        making, reading = unit.get_submodule(f"conv{number}"), unit.get_submodule(f"conv{number + 1}")
        norm = unit.get_submodule(f"bn{number + unit.pre}")
        for gradient in (
            making.weight.grad,
            reading.weight.grad.transpose(0, 1),
            norm.weight.grad,
            norm.bias.grad,
        ):
            assert not gradient[closed].any()
            assert gradient[::2].any()


@pytest.mark.parametrize("backbone", BACKBONES)
def test_a_closed_channel_has_no_influence(backbone):
    model = made(backbone)
    name, unit = "b2u01", next(iter(model.trunk.blocks.b2))
    with torch.no_grad():
        before = model(images_of(), route={name: halves})
        for number in maps_of(unit, model.config.inner):
            making, reading = unit.get_submodule(f"conv{number}"), unit.get_submodule(f"conv{number + 1}")
            norm = unit.get_submodule(f"bn{number + unit.pre}")
            for weight in (making.weight, reading.weight.transpose(0, 1), norm.weight, norm.bias):
                weight[1::2] += 100
        after = model(images_of(), route={name: halves})
        assert torch.equal(before.logits, after.logits)
        model.get_submodule("trunk.blocks.b2.0.conv1").weight[::2] += 1
        if 1 in maps_of(unit, model.config.inner):
            assert not torch.equal(before.logits, model(images_of(), route={name: halves}).logits)


def test_a_route_replaces_what_a_gate_chose_but_not_its_record():
    model = made("basic")
    own = model(images_of())
    closed = model(images_of(), route={"b1u01": torch.zeros_like})
    assert torch.equal(own.gates[0].channels, closed.gates[0].channels)
    assert not torch.equal(own.logits, closed.logits)
    unchanged = model(images_of(), route=dict.fromkeys(model.gates, lambda channels: channels))
    assert torch.equal(own.logits, unchanged.logits)


def test_of_everything_open_the_network_is_its_backbone():
    model = made("bottleneck")
    opened = model(images_of(), route=dict.fromkeys(model.gates, torch.ones_like))
    assert torch.equal(opened.logits, model.trunk(images_of()).logits)


def test_everything_closed_the_branch_is_what_its_last_batch_norm_makes_of_zeros():
    model = made("basic")
    unit = list(model.units())[1]
    x = torch.rand(2, 16, 9, 9)
    shift = (
        unit.bn2.bias - unit.bn2.running_mean / (unit.bn2.running_var + unit.bn2.eps).sqrt() * unit.bn2.weight
    )
    expected = torch.relu(x + shift[:, None, None])
    torch.testing.assert_close(unit(x, inner={1: torch.zeros(2, 16)}), expected, rtol=1e-5, atol=1e-6)


# Weight decay


@pytest.mark.parametrize(("asked", "expected"), [(None, 0.0), (1e-3, 1e-3)])
def test_gates_have_a_weight_decay_of_their_own(asked, expected):
    train = TrainConfig(weight_decay=5e-4, gate_weight_decay=asked, nesterov=True)
    config = RunConfig(data=DataConfig(name="digits"), model=ModelConfig("channel-gate", 14), train=train)
    state = new_state(config, type("Train", (), {"class_count": 10, "side": 8}), torch.device("cpu"))  # type: ignore[arg-type]
    trunk, gates = state.trunk_optimiser.param_groups
    model: Any = state.model
    assert {id(one) for one in gates["params"]} == {id(one) for one in model.gates.parameters()}
    assert {id(one) for one in trunk["params"]} == {id(one) for one in model.trunk.parameters()}
    assert (trunk["weight_decay"], gates["weight_decay"]) == (5e-4, expected)
    assert trunk["nesterov"]
    assert gates["nesterov"]
    assert state.gate_optimiser is None


def test_other_gates_decay_as_everything_does():
    config = RunConfig(model=ModelConfig("layer-exclusive", 14), train=TrainConfig(weight_decay=5e-4))
    state = new_state(config, type("Train", (), {"class_count": 10, "side": 8}), torch.device("cpu"))  # type: ignore[arg-type]
    (group,) = state.trunk_optimiser.param_groups
    assert group["weight_decay"] == 5e-4


@pytest.mark.parametrize("name", ["channel-gate", "convnet-aig", "skipnet", "fbs"])
def test_what_a_sample_of_nan_opens_is_not_known(name):
    config = ModelConfig(name, depth=14)
    model = build_model(config, 7, 0, 9).eval()
    images = torch.randn(3, 3, 9, 9, generator=torch.Generator().manual_seed(0))
    images[1] = torch.nan
    with torch.no_grad():
        forward = model(images)
    cost, known = sample_cost(config, 7, 9), torch.tensor([True, False, True])
    assert cost is not None
    assert torch.equal(cost.of_gates(forward.gates).isfinite(), known)
    buffer = VectorBuffer(config.gate_channels, 3, images.device)
    buffer.update(torch.arange(3), forward)
    for gate in forward.gates:
        assert torch.equal(gate.value.isfinite(), known)
    assert (buffer.vectors().known == known.numpy()).all()
