"""Parameters and operations of the channel-gated networks, compared with the batch-shaping paper."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from memgate.config.run import GateConfig, ModelConfig
from memgate.models import MODELS, macs
from memgate.models.macs import SampleCost


def gated(depth: int, **more: Any) -> ModelConfig:
    return ModelConfig("channel-gate", depth, **more)


def parameters(config: ModelConfig, classes: int = 10) -> tuple[int, int]:
    """Parameters of the backbone and of the gates, counted without storage."""
    with torch.device("meta"):
        model: Any = MODELS[config.name](config, classes, 32)
    gates = sum(one.numel() for one in model.gates.parameters())
    return sum(one.numel() for one in model.parameters()) - gates, gates


@pytest.fixture
def without_values(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Networks are built and counted on tensors without values: large ones cost no memory and little time."""

    def built(config: ModelConfig, classes: int, seed: int, image_size: int) -> torch.nn.Module:
        return MODELS[config.name](config, classes, image_size)

    monkeypatch.setattr(macs, "build_model", built)
    with FakeTensorMode(allow_non_fake_inputs=True):
        yield


def counted(config: ModelConfig, classes: int = 10, side: int = 32) -> SampleCost:
    cost = macs.sample_cost(config, classes, side)
    assert cost is not None
    return cost


COUNTS = [  # depth, parameters A and B, MACs A and B, gates, gate parameters with and without first bias,
    # MACs of the gates' layers, additions of their pooling
    (20, (269_722, 272_474), (40_551_040, 40_813_184), 336, (10_752, 10_608), 9_984, 98_304),
    (32, (464_154, 466_906), (68_862_592, 69_124_736), 560, (18_432, 18_192), 17_152, 155_648),
]


@pytest.mark.slow
@pytest.mark.parametrize(("depth", "trunk", "macs", "gates", "own", "layers", "pooling"), COUNTS)
def test_the_papers_cifar_networks(depth, trunk, macs, gates, own, layers, pooling):
    for shortcut, weights, operations in zip(("pad", "projection"), trunk, macs, strict=True):
        config = gated(depth, shortcut=shortcut)
        assert sum(config.gate_channels.values()) == gates
        assert parameters(config) == (weights, own[1])
        biased = replace(config, gate=GateConfig(first_bias=True))
        assert parameters(biased) == (weights, own[0])
        cost = counted(config)
        assert (cost.ungated, cost.gate_layers, cost.pooling) == (operations, layers, pooling)
        assert cost.total == operations + layers + pooling


@pytest.mark.parametrize(("depth", "percent"), [(20, 98.3), (32, 99.0)])
def test_almost_all_operations_can_be_saved(depth, percent):
    cost = counted(gated(depth))
    assert round(100 * (cost.total - cost.always) / cost.ungated, 1) == percent


@pytest.mark.slow
@pytest.mark.usefixtures("without_values")
@pytest.mark.parametrize(("width", "millions", "giga"), [(10, 27.0, 4.04), (20, 108.0, 16.2)])
def test_the_papers_wide_networks(width, millions, giga):
    config = gated(20, width=width)
    weights, _ = parameters(config)
    assert float(f"{weights / 1e6:.3g}") == millions
    assert float(f"{counted(config).ungated / 1e9:.3g}") == giga


def test_the_gates_of_an_imagenet_resnet_34_have_the_papers_size():
    """Table 1: 21.91 M parameters against 21.80 M."""
    _, gates = parameters(gated(34, layout="imagenet"), 1000)
    assert 0.11e6 < gates < 0.12e6


@pytest.mark.slow
@pytest.mark.usefixtures("without_values")
def test_the_overhead_of_an_imagenet_gate_is_the_papers_with_pooling():
    """Section 4.1: 0.018 % to 0.087 %; maps of 56x56 to 7x7 as behind ImageNet's stem."""
    cost = counted(gated(18, layout="imagenet"), 1000, 56)
    with_pooling = [100 * cost.overhead(f"b{block}u02") for block in range(1, 5)]
    assert with_pooling[0] == pytest.approx(0.0877, abs=5e-5)
    assert with_pooling[-1] == pytest.approx(0.0179, abs=5e-5)
    assert with_pooling == sorted(with_pooling, reverse=True)
    layers_alone = [100 * cost.overhead(f"b{block}u02", pooling=False) for block in range(1, 5)]
    assert [layers_alone[0], layers_alone[-1]] == pytest.approx([0.0009, 0.007], rel=0.02)


def test_the_overhead_of_a_cifar_gate():
    cost = counted(gated(20))
    assert [100 * cost.overhead(f"b{block}u02") for block in (1, 3)] == pytest.approx([0.36, 0.13], abs=5e-3)
    assert cost.overhead("b1u02") == (16 * 32 + 16 * 32**2) / (2 * 9 * 16**2 * 32**2)


BACKBONES: dict[str, dict[str, Any]] = {
    "basic": {"depth": 14},
    "basic, pre, pad, excited": {"depth": 14, "activation": "pre", "shortcut": "pad", "squeeze_excitation": True},
    "bottleneck": {"depth": 20, "block": "bottleneck"},
    "bottleneck, first": {"depth": 20, "block": "bottleneck", "gate": GateConfig(inner="first")},
    "bottleneck, last, pre": {
        "depth": 20, "block": "bottleneck", "activation": "pre", "gate": GateConfig(inner="last"),
    },
    "imagenet": {"depth": 18, "layout": "imagenet", "width": 0.25},
}  # fmt: skip


def shares(config: ModelConfig, opened: dict[str, int], n: int = 1) -> dict[str, torch.Tensor]:
    """Gate to weights [n, C] of which the first ``opened`` channels are open; all channels of other gates."""
    return {
        name: (torch.arange(channels) < opened.get(name, channels)).double().expand(n, -1)
        for name, channels in config.gate_channels.items()
    }


@pytest.mark.slow
@pytest.mark.parametrize("backbone", BACKBONES)
def test_everything_open_costs_what_the_flop_counter_counts(backbone):
    config = gated(**BACKBONES[backbone])
    cost = counted(config, side=16)
    plain = macs.cost_of(replace(config, name="resnet", gate=GateConfig()), 10, 16).total
    whole = macs.cost_of(config, 10, 16).total  # the counter does not see the gates' pooling
    assert cost.ungated == plain
    assert cost.total - cost.pooling == whole
    assert cost.of(shares(config, {})).tolist() == [cost.total]
    assert cost.of(shares(config, dict.fromkeys(config.gate_channels, 0))).tolist() == [cost.always]


@pytest.mark.slow
@pytest.mark.parametrize("backbone", BACKBONES)
def test_each_closed_channel_saves_what_its_convolutions_cost(backbone):
    """Of the first unit of B2, from the sizes of its maps."""
    config = gated(**BACKBONES[backbone])
    cost, width = counted(config, side=16), config.widths["b2"]
    name, expansion = "b2u01", 4 if config.block == "bottleneck" else 1
    outer_in, outer_out = expansion * config.widths["b1"], expansion * width
    small, large = 8**2, 16**2  # the unit halves the map: a bottleneck unit in its second convolution
    if config.block == "basic":
        saved = 9 * (outer_in + outer_out) * small
    else:
        saved = {
            "both": outer_in * large + 9 * width * small,  # of the first map; the second is open
            "first": outer_in * large + 9 * width * small,
            "last": 9 * width * small + outer_out * small,
        }[config.gate.inner]
    channels = shares(config, {})
    channels[name] = channels[name].clone()
    channels[name][0, 3] = 0
    assert cost.total - cost.of(channels).item() == pytest.approx(saved, rel=1e-9)


def test_samples_cost_more_the_more_channels_are_open():
    config = gated(20, block="bottleneck")
    cost = counted(config, side=16)
    generator = torch.Generator().manual_seed(0)
    draws = {name: torch.rand(64, count, generator=generator) for name, count in config.gate_channels.items()}
    limits = torch.linspace(0, 1, 9)
    macs = torch.stack(
        [cost.of({name: (draw < limit).float() for name, draw in draws.items()}) for limit in limits]
    )
    assert (macs.diff(dim=0) > 0).all()
    assert (macs >= cost.always).all()
    assert (macs <= cost.total).all()
    assert (macs[0] == cost.always).all()
    assert (macs[-1] == cost.total).all()
    # Weights other than 1 count as open.
    assert torch.equal(cost.of({name: 0.3 * (draw < 0.5).float() for name, draw in draws.items()}), macs[4])


def test_gates_that_mix_have_no_cost_of_samples():
    assert macs.sample_cost(ModelConfig("layer-exclusive", depth=14), 10, 8) is None
    assert macs.sample_cost(ModelConfig("resnet", depth=14), 10, 8) is None
