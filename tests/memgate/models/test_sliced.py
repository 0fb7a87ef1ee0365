"""Networks that compute only open channels: the same logits, and nothing of what is closed."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from memgate.config.gate import GATE_OPTIONS
from memgate.config.run import ModelConfig
from memgate.models import MODELS
from memgate.models.gated.folded import folded
from memgate.models.gated.sliced import sliced
from memgate.models.macs import sample_cost
from tests.helpers.channel_gated import (
    BACKBONES,
    OTHER_BACKBONES,
    SIDE,
    config_of,
    fixed,
    images_of,
    made,
)

NETWORKS = [name for name in MODELS if name in GATE_OPTIONS and ModelConfig(name).hard_gates]  # type: ignore[arg-type]


def patterns(config: ModelConfig, share: float, samples: int) -> dict[str, Tensor]:
    """Gate to weights [samples, C]: each channel, or unit, of each sample is open with a probability."""
    generator = torch.Generator().manual_seed(0)
    return {
        name: (torch.rand(samples, channels, generator=generator) < share).float()
        for name, channels in config.gate_channels.items()
    }


def assert_same(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=1e-5, atol=2e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "backbone"),
    [("channel-gate", backbone) for backbone in BACKBONES]
    + [(name, backbone) for name in NETWORKS[1:] for backbone in list(BACKBONES)[:2]]
    + [("gater", backbone) for backbone in OTHER_BACKBONES],
)
@torch.no_grad()
def test_the_logits_are_those_of_the_whole_network(name, backbone):
    config, model, images = config_of(backbone, name), made(backbone, name), images_of(n=12)
    own = sliced(model)
    whole, together = model(images), own(images)
    assert_same(together.logits, whole.logits)
    for gate, reference in zip(together.gates, whole.gates, strict=True):
        assert torch.equal(gate.channels > 0, reference.channels > 0)
        assert_same(gate.channels, reference.channels)
        assert_same(gate.value, reference.value)
    alone = torch.cat([own(image).logits for image in images.split(1)])
    assert_same(alone, whole.logits)
    # Some of 12 random patterns are alike: as few groups as in a trained network, with a closed unit among them.
    for share in (0.0, 0.03, 0.5, 1.0):
        route = fixed(patterns(config, share, 12))
        assert_same(own(images, route=route).logits, model(images, route=route).logits)
    assert_same(folded(model).trunk(images).logits, model.trunk(images).logits)


@torch.no_grad()
def test_groups_keep_the_order_of_the_samples():
    model = made("basic")
    images, few = images_of(n=12), torch.tensor([0, 1, 2, 1, 0, 0, 2, 1, 0, 2, 2, 1])
    route = fixed({name: drawn[few] for name, drawn in patterns(config_of("basic"), 0.5, 3).items()})
    own = sliced(model)
    runs: list[int] = []
    branch = own.trunk.blocks.b1[1].branch
    original = branch._of_one_pattern

    def counted(x: Tensor, inner: Any) -> Tensor:
        runs.append(len(x))
        return original(x, inner)

    branch._of_one_pattern = counted
    assert_same(own(images, route=route).logits, model(images, route=route).logits)
    assert sorted(runs) == [4, 4, 4]


@torch.no_grad()
def test_weights_other_than_1_scale_the_channels():
    model, images = made("bottleneck"), images_of(n=4)
    scales = torch.tensor([[0.3], [1.7], [1.0], [0.9]])
    route = fixed({name: scales * drawn for name, drawn in patterns(config_of("bottleneck"), 0.5, 4).items()})
    assert_same(sliced(model)(images, route=route).logits, model(images, route=route).logits)


def flops(network: Any, *arguments: Any, **options: Any) -> int:
    with FlopCounterMode(display=False) as counter:
        network(*arguments, **options)
    return counter.get_total_flops() // 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "backbone"),
    [("channel-gate", backbone) for backbone in BACKBONES]
    + [(name, "basic") for name in NETWORKS[1:]]
    + [("gater", backbone) for backbone in OTHER_BACKBONES],
)
@torch.no_grad()
def test_what_is_computed_is_what_is_counted(name, backbone):
    """The operations of the sliced network are the MACs of the sample, without the additions of pooling."""
    config, model, image = config_of(backbone, name), made(backbone, name), images_of(n=1)
    cost = sample_cost(config, 7, SIDE)
    assert cost is not None
    own = sliced(model)
    for share in (0.3, 0.7, 1.0):
        opened = patterns(config, share, 1)
        expected = cost.of(opened).item() - cost.pooling
        assert flops(own, image, route=fixed(opened)) == pytest.approx(expected, rel=1e-9)
    closed = dict.fromkeys(model.gates, torch.zeros_like)
    assert flops(own, image, route=closed) <= cost.always - cost.pooling  # less before an empty last map


@torch.no_grad()
def test_the_network_itself_is_not_changed():
    model, images = made("basic, pre, pad, excited"), images_of()
    before, names = model(images).logits, list(model.state_dict())
    own = sliced(model.train())
    assert model.training
    assert not own.training
    assert list(model.state_dict()) == names
    with torch.no_grad():
        own.trunk.head.weight.zero_()
    assert torch.equal(model.eval()(images).logits, before)


@pytest.mark.slow
@torch.no_grad()
def test_in_float64_the_logits_agree_to_its_precision():
    model, images = made("bottleneck").double(), images_of().double()
    assert (sliced(model)(images).logits - model(images).logits).abs().max() < 1e-12
