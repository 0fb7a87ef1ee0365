"""DenseNet-BC and Shake-Shake: parameters of the papers, order of the maps, coefficients of both passes."""

from typing import cast

import pytest
import torch
from torch import nn

from memgate.config.run import ModelConfig
from memgate.errors import MemgateError
from memgate.models import MODELS, build_model
from memgate.models.backbones.densenet import DenseLayer, DenseNet, Transition
from memgate.models.backbones.shake_shake import ShakeShake, ShakeUnit, TwoPathShortcut
from memgate.models.draws import uniform


def parameters(config: ModelConfig, classes: int) -> int:
    with torch.device("meta"):
        return sum(one.numel() for one in MODELS[config.name](config, classes, 32).parameters())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("depth", "growth", "cifar10", "cifar100"),
    [(100, 12, 769_162, 800_032), (250, 24, 15_324_406, 15_480_556), (190, 40, 25_624_430, 25_821_620)],
)
def test_densenets_have_the_papers_parameters(depth, growth, cifar10, cifar100):
    """Huang et al. 2017, table 2: 0.8, 15.3 and 25.6 million; GaterNet's table 2: 0.77, 15.32 and 25.62."""
    config = ModelConfig("densenet", depth, growth=growth)
    assert (parameters(config, 10), parameters(config, 100)) == (cifar10, cifar100)


@pytest.mark.parametrize(("width", "millions"), [(1, 11.65), (1.5, 26.19)])
def test_shake_shake_has_half_a_percent_fewer_parameters_than_gaternets_table(width, millions):
    """GaterNet's table 2 has 11.71 and 26.33: its shortcut, which it does not describe, is a little larger."""
    counted = parameters(ModelConfig("shake-shake", 26, width=width), 10) / 1e6
    assert counted == pytest.approx(millions, abs=0.005)


def test_a_dense_layer_appends_its_maps_behind_those_before_it():
    torch.manual_seed(0)
    layer, x = DenseLayer(6, 4).eval(), torch.randn(2, 6, 5, 5)
    result = layer(x)
    assert torch.equal(result[:, :6], x)
    assert torch.equal(result[:, 6:], layer.new_maps(x))


def test_a_transition_halves_channels_and_side_also_an_odd_one():
    torch.manual_seed(0)
    transition = Transition(8, 4).eval()
    assert transition(torch.randn(2, 8, 7, 7)).shape == (2, 4, 4, 4)
    # The last pixel of an odd side is a mean of the pixels that exist: a constant map stays one.
    constant = transition(torch.ones(1, 8, 7, 7))
    torch.testing.assert_close(constant, constant[:, :, :1, :1].expand_as(constant))


def test_a_densenets_blocks_are_the_sequence_of_its_layers():
    model = cast(DenseNet, build_model(ModelConfig("densenet", 22, growth=4), 10, 0, 16))
    assert [len(cast(nn.Sequential, block)) for block in model.blocks.values()] == [3, 3, 3]
    assert model.channels == {"b1": 8 + 12, "b2": 10 + 12, "b3": 11 + 12}


def test_forward_and_backward_coefficients_are_drawn_apart_for_each_image():
    torch.manual_seed(0)
    unit, keys = ShakeUnit(8, 8, 1, number=3).train(), torch.arange(5)
    first, second = torch.randn(2, 5, 8, 4, 4).requires_grad_().unbind(0)
    first.retain_grad()
    second.retain_grad()
    forward, backward = uniform(keys, 3, 2)[:, :, None, None, None].unbind(1)
    assert (forward - backward).abs().min() > 1e-3
    mixed = unit.mixed(first, second, keys)
    torch.testing.assert_close(mixed, forward * first + (1 - forward) * second)
    mixed.sum().backward()
    assert first.grad is not None
    assert second.grad is not None
    torch.testing.assert_close(first.grad, backward.expand_as(first))
    torch.testing.assert_close(second.grad, (1 - backward).expand_as(second))


def test_a_sample_draws_the_same_in_any_batch_and_evaluation_takes_the_mean():
    torch.manual_seed(0)
    unit, keys = ShakeUnit(4, 4, 1, number=0).train(), torch.tensor([11, 12, 13])
    first, second = torch.randn(2, 3, 4, 2, 2)
    order = torch.tensor([2, 0, 1])
    mixed = unit.mixed(first, second, keys)
    assert torch.equal(mixed[order], unit.mixed(first[order], second[order], keys[order]))
    assert not torch.equal(mixed, unit.mixed(first, second, keys + 10))
    torch.testing.assert_close(unit.eval().mixed(first, second, keys), (first + second) / 2)


def test_the_two_paths_of_the_shortcut_see_pixels_of_even_and_of_odd_places():
    shortcut = TwoPathShortcut(1, 2, 2).eval()
    nn.init.ones_(shortcut.even.weight)
    nn.init.ones_(shortcut.odd.weight)
    pixels = torch.arange(1.0, 26).reshape(1, 1, 5, 5)
    even, odd = shortcut(pixels)[0]
    torch.testing.assert_close(even, pixels[0, 0, ::2, ::2], rtol=1e-4, atol=1e-4)
    expected = torch.zeros(3, 3)
    expected[:2, :2] = pixels[0, 0, 1::2, 1::2]
    torch.testing.assert_close(odd, expected, rtol=1e-4, atol=1e-4)


def test_every_unit_of_a_shake_shake_network_draws_coefficients_of_its_own():
    model = cast(ShakeShake, build_model(ModelConfig("shake-shake", 26, width=0.1), 10, 0))
    units = [unit for block in model.blocks.values() for unit in block.children()]
    assert [cast(ShakeUnit, unit).number for unit in units] == list(range(12))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": "densenet", "depth": 20}, "--model.depth 20 is not a depth of a densenet: it must be 6n.4"),
        ({"name": "shake-shake", "depth": 25}, "--model.depth 25 is not a depth of a shake-shake"),
        ({"name": "densenet", "depth": 40, "width": 2.0}, "--model.width 2.0 does nothing for densenet"),
        (
            {"name": "shake-shake", "block": "bottleneck", "depth": 26},
            "--model.block bottleneck does nothing",
        ),
        ({"name": "resnet", "growth": 24}, "--model.growth 24 does nothing for resnet"),
        ({"name": "densenet", "depth": 1996, "growth": 256}, "--model.growth 256 and --model.depth 1996"),
    ],
)
def test_options_of_another_backbone_are_refused(options, words):
    with pytest.raises(MemgateError, match=words):
        ModelConfig(**options)
