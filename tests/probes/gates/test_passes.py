"""Patterns and forced routes of small networks that were never trained."""

from typing import cast

import numpy as np
import pytest
import torch

from memgate.config.gate import GateConfig
from memgate.config.model import ModelConfig
from memgate.models import build_model
from memgate.models.gated.channel_gates import ChannelGate, LogitGate
from memgate.models.gated.hard_gated import HardGatedNetwork
from memgate.models.macs import sample_cost
from memgate.models.pixels import PixelNetwork
from probes.gates.passes import (
    Labels,
    cost_of_patterns,
    forced_answers,
    own_patterns,
    with_pattern,
)
from probes.gates.patterns import unpacked

N = 11
LABELS = Labels(np.arange(N) % 4, np.arange(N) % 3)
NETWORKS = {
    "basic": ModelConfig("channel-gate", depth=14),
    "bottleneck": ModelConfig("channel-gate", depth=29, block="bottleneck", width=0.5),
    "units": ModelConfig("convnet-aig", depth=14, gate=GateConfig()),
}


@pytest.fixture(scope="module", params=list(NETWORKS))
def probed(request):
    """A network, its gates' sizes, images, packed patterns and answers."""
    config = NETWORKS[request.param]
    model = build_model(config, classes=4, seed=1, image_size=8)
    for gate in cast(
        HardGatedNetwork, model
    ).gates.children():  # otherwise a new gate of units takes all of them
        output = cast(LogitGate, gate).output
        torch.nn.init.normal_(output.weight, generator=torch.Generator().manual_seed(0))
        torch.nn.init.zeros_(output.bias)
    network = PixelNetwork(model, [0.5] * 3, [0.2] * 3)
    pixels = torch.randint(
        0, 256, (N, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    sizes = config.gate_channels
    return config, network, sizes, pixels, *own_patterns(network, sizes, pixels, LABELS, threshold=0.5)


def forced(probed, opened, **more):
    _, network, sizes, pixels, *_ = probed
    return forced_answers(network, sizes, pixels, LABELS, lambda rows: opened[:, rows], **more)


def equal(first, second, tolerance=1e-5):
    assert (first.prediction == second.prediction).all()
    for name in ("p_given", "p_clean", "margin"):
        np.testing.assert_allclose(getattr(first, name), getattr(second, name), atol=tolerance)


def test_patterns_are_the_channels_of_the_forward_pass(probed):
    _, network, sizes, pixels, packed, answers = probed
    network.eval()
    with torch.no_grad():
        forward = network.network(network.normalised(pixels / 255))
    channels = torch.cat([gate.channels for gate in forward.gates], dim=1).numpy()
    opened = unpacked(packed, sum(sizes.values()))
    assert (opened == (channels > 0).T).all()
    assert opened.any()
    assert not opened.all()
    logits = forward.logits.numpy()
    assert (answers.prediction == logits.argmax(axis=1)).all()
    chance = torch.softmax(forward.logits, dim=1).numpy()
    np.testing.assert_allclose(answers.p_clean, chance[np.arange(N), LABELS.clean], atol=1e-6)
    rest = [np.delete(row, given).max() for row, given in zip(logits, LABELS.given, strict=True)]
    np.testing.assert_allclose(answers.margin, logits[np.arange(N), LABELS.given] - rest, atol=1e-5)


@pytest.mark.slow
def test_a_sample_s_own_pattern_changes_nothing(probed):
    *_, sizes, _, packed, answers = probed
    own = unpacked(packed, sum(sizes.values()))
    equal(forced(probed, own), answers)
    equal(forced(probed, own, batch_size=1), answers)


def test_all_open_is_the_network_whose_gates_say_one(probed, monkeypatch):
    _, network, sizes, pixels, *_ = probed
    everything = forced(probed, np.ones((sum(sizes.values()), N), bool))
    monkeypatch.setattr(ChannelGate, "opened", lambda _self, logits, _keys: torch.ones_like(logits))
    _, answers = own_patterns(network, sizes, pixels, LABELS, threshold=0.5)
    equal(everything, answers)


def test_another_sample_s_pattern_is_that_of_its_own_pass(probed):
    _, network, sizes, _, packed, _ = probed
    opened = unpacked(packed, sum(sizes.values()))
    order = np.roll(np.arange(N), 1)
    swapped = forced(probed, opened[:, order])
    # A network that is given the donors' images opens these filters for them; here it computes other images with them.
    alone = forced(probed, np.repeat(opened[:, order[:1]], N, axis=1))
    assert swapped.p_given[0] == pytest.approx(alone.p_given[0], abs=1e-6)
    assert network.training is False or not any(module.training for module in network.modules())


def test_costs_are_those_of_the_gates(probed):
    config, network, sizes, pixels, packed, _ = probed
    cost = sample_cost(config, 4, 8)
    assert cost is not None
    opened = unpacked(packed, sum(sizes.values()))
    with torch.no_grad():
        gates = network.eval().network(network.normalised(pixels / 255)).gates
    np.testing.assert_array_equal(cost_of_patterns(cost, sizes, opened), cost.of_gates(gates).numpy())
    for fill, expected in ((np.ones_like, cost.total), (np.zeros_like, cost.always)):
        assert cost_of_patterns(cost, sizes, fill(opened)) == pytest.approx(np.full(N, expected))


def test_the_network_is_left_as_it_was(probed):
    _, network, sizes, pixels, packed, _ = probed
    network.train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    again, _ = own_patterns(network, sizes, pixels, LABELS, threshold=0.5, batch_size=3)
    assert (again == packed).all()
    assert network.training
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_a_channel_opened_by_force_gets_the_mean_weight_of_the_open_ones():
    channels = torch.tensor([[0.0, 2.0, 4.0], [0.0, 0.0, 0.0]])
    wanted = torch.tensor([[True, True, False], [True, False, False]])
    assert with_pattern(channels, wanted).tolist() == [[3, 2, 0], [1, 0, 0]]
    assert with_pattern(channels, channels > 0).tolist() == channels.tolist()
