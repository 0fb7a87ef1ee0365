"""Networks that the batch-shaping paper compares with."""

import math
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from memgate.config.run import GateConfig, ModelConfig, RunConfig, SparsityConfig
from memgate.models import Forward, Gate, build_model
from memgate.models.draws import keys_of
from memgate.models.gated import skipnet
from memgate.models.gated.fbs import kept_of, strongest
from memgate.models.gated.skip_gates import Recurrence
from memgate.models.macs import SampleCost, sample_cost
from memgate.training.objective import plain_gate_parameters
from memgate.training.sparsity import l1, rate, reinforce


def config_of(name: Any, **changes: Any) -> ModelConfig:
    """Eight layers with 4, 8 and 16 channels: one unit in each block."""
    return ModelConfig(**{"name": name, "depth": 8, "width": 0.25, **changes})


def network(config: ModelConfig) -> Any:
    return build_model(config, 10, 0, 8)


def images_of(n: int = 4, side: int = 8) -> Tensor:
    return torch.randn(n, 3, side, side, generator=torch.Generator().manual_seed(0))


def cost_of(config: ModelConfig, side: int = 8) -> SampleCost:
    cost = sample_cost(config, 10, side)
    assert cost is not None
    return cost


def closed(weights: Tensor) -> Tensor:
    return torch.zeros_like(weights)


CONVOLUTIONS = {
    "b1u01": 2 * 9 * 4 * 4 * 64,
    "b2u01": 9 * (4 * 8 + 8 * 8) * 16,
    "b3u01": 9 * (8 * 16 + 16 * 16) * 4,
}
"""MACs of the two convolutions of each unit on images of 8 pixels."""

ALWAYS = 9 * 3 * 4 * 64 + 4 * 8 * 16 + 8 * 16 * 4 + 16 * 10
"""MACs of stem, projections and head."""


@pytest.mark.parametrize(
    ("name", "gate"),
    [("convnet-aig", GateConfig()), ("skipnet", GateConfig(skip_gate="ff-2", stage="reinforce"))],
)
def test_evaluation_draws_nothing_and_training_draws_by_key(name, gate):
    model, images = network(config_of(name, gate=gate)), images_of(32)
    keys = keys_of(5, torch.arange(32))
    for _ in range(3):
        model(images, keys)
    first, state = model(images, keys), torch.get_rng_state()
    torch.manual_seed(1)
    again, others = model(images, keys), model(images, keys + 1)
    model.eval()
    evaluated = model(images), model(images, keys), model(images[:7])
    torch.set_rng_state(state)
    assert torch.equal(first.logits, again.logits)
    assert torch.equal(evaluated[0].logits, evaluated[1].logits)
    torch.testing.assert_close(evaluated[0].logits[:7], evaluated[2].logits)
    assert not torch.equal(first.logits, others.logits)
    for gate in evaluated[0].gates:
        assert set(gate.channels.unique().tolist()) <= {0.0, 1.0}
        assert torch.equal(gate.channels, (gate.channel_logits > 0).float())
        assert torch.equal(gate.value, gate.channels[:, 0])


@pytest.mark.parametrize("name", ["convnet-aig", "skipnet"])
@pytest.mark.parametrize("activation", ["post", "pre"])
def test_a_closed_unit_is_its_shortcut_to_the_bit(name, activation):
    config = config_of(name, depth=14, activation=activation)
    model = network(config).eval()
    images = images_of()
    x = model.trunk.stem(images)
    for unit, unit_name in zip(model.units(), model.names, strict=True):
        if unit_name not in config.gate_names:
            x = unit(x)
            continue
        x = unit.shortcut(x)
        x = x if activation == "pre" else functional.relu(x)
    route = dict.fromkeys(config.gate_names, closed)
    routed = model(images, route=route)
    assert torch.equal(routed.logits, model.trunk.classify(x))
    own = model(images)
    assert torch.equal(routed.gates[0].channels, own.gates[0].channels), (
        "the record holds the gate's own choice"
    )
    assert not torch.equal(routed.logits, own.logits)


def test_convnet_aig_takes_87_percent_of_the_units_at_first():
    """sigmoid(2 - 0.1) = 0.8699; the weights of the last layer hardly matter."""
    model = network(config_of("convnet-aig", width=1))
    keys = keys_of(0, torch.arange(20_000))
    for gate in model.gates.values():
        logits = gate(torch.rand(8, gate.hidden.in_features, 4, 4))
        torch.testing.assert_close(logits, torch.full_like(logits, 1.9), atol=0.03, rtol=0)
        drawn = gate.opened(logits[:1].expand(20_000, 1), keys)
        assert set(drawn.detach().unique().tolist()) == {0.0, 1.0}
        assert drawn.mean().item() == pytest.approx(0.8699, abs=0.008)


def test_convnet_aig_has_the_authors_parameters():
    """ResNet-110 and per gate C*16 + 16 (the bias that BatchNorm makes useless), BatchNorm and 16*2 + 2."""
    gate = GateConfig(first_bias=True)
    model = build_model(ModelConfig("convnet-aig", 110, gate=gate), 10, 0)
    plain = build_model(ModelConfig("resnet", 110), 10, 0)
    count, backbone = (sum(one.numel() for one in net.parameters()) for net in (model, plain))
    widths = [16] * 19 + [32] * 18 + [64] * 17
    assert count - backbone == sum(16 * width + 16 + 32 + 34 for width in widths)


def test_the_target_rate_loss_pulls_each_unit_to_its_own_rate():
    logits = torch.tensor([[2.0, -1.0], [0.5, 0.3], [-0.2, 1.5], [1.0, -2.0]], requires_grad=True)
    soft = torch.sigmoid(logits)
    hard = (logits > 0).float() + soft - soft.detach()
    gates = tuple(Gate(f"g{at}", hard[:, at], channels=hard[:, at : at + 1]) for at in range(2))
    loss = rate(Forward(torch.zeros(4, 10), gates), (0.6, 0.9))
    assert loss.item() == pytest.approx(((0.6 - 0.75) ** 2 + (0.9 - 0.5) ** 2) / 2)
    (gradient,) = torch.autograd.grad(loss, logits)
    error = torch.tensor([0.75 - 0.6, 0.5 - 0.9])
    torch.testing.assert_close(gradient, (2 * error / 2 / 4 * soft * (1 - soft)).detach())
    assert rate(Forward(torch.zeros(4, 10), gates), (0.75,)).item() == pytest.approx((0.25**2) / 2)


def test_macs_of_convnet_aig_are_those_of_the_units_that_a_sample_takes():
    cost = cost_of(config_of("convnet-aig"))
    assert cost.fixed == ALWAYS
    assert cost.gate_layers == 16 * (4 + 4 + 8) + 3 * 16 * 2
    assert cost.pooling == 4 * 64 + 4 * 64 + 8 * 16
    taken = {"b1u01": [1.0, 0.0, 0.0], "b2u01": [1.0, 0.0, 1.0], "b3u01": [1.0, 0.0, 0.0]}
    macs = cost.of({name: torch.tensor(values)[:, None] for name, values in taken.items()})
    needed = torch.tensor([sum(CONVOLUTIONS.values()), 0, CONVOLUTIONS["b2u01"]])
    torch.testing.assert_close(macs, cost.always + needed.double())


def test_squeeze_and_excitation_is_part_of_the_skipped_branch():
    plain, excited = (cost_of(config_of("convnet-aig", squeeze_excitation=on)) for on in (False, True))
    assert plain.fixed == excited.fixed
    assert excited.ungated - plain.ungated == 2 * (4 + 8 + 16)


SKIP_GATES: tuple[Any, ...] = ("ff-1", "ff-2", "recurrent")


@pytest.mark.parametrize("kind", SKIP_GATES)
def test_skipnets_gates_are_the_probability_cut_at_one_half(kind):
    config = config_of("skipnet", depth=14, gate=GateConfig(skip_gate=kind))
    assert config.gate_names == ("b1u02", "b2u01", "b2u02", "b3u01", "b3u02"), "the first unit has no gate"
    model, images = network(config), images_of(16)
    forward = model(images)
    logits, channels = (
        torch.cat([getattr(gate, part) for gate in forward.gates], dim=1)
        for part in ("channel_logits", "channels")
    )
    assert torch.equal(channels.detach(), (logits > 0).float())
    gate, upstream = forward.gates[1], torch.randn(16, 1)
    (gradient,) = torch.autograd.grad((gate.channels * upstream).sum(), gate.channel_logits)
    p = torch.sigmoid(gate.channel_logits.detach())
    torch.testing.assert_close(gradient, upstream * p * (1 - p))
    entropy = functional.binary_cross_entropy(p, p, reduction="none")[:, 0]
    torch.testing.assert_close(gate.entropy.detach(), entropy)


def test_skipnets_recurrent_gates_share_one_lstm_that_remembers():
    config = config_of("skipnet", depth=14, gate=GateConfig(skip_gate="recurrent"))
    model = network(config).eval()
    lstm = 4 * 10 * (10 + 10) + 2 * 4 * 10
    embeddings = {
        name: 10 * channels + 10 for name, channels in zip(config.gate_names, (4, 4, 8, 8, 16), strict=True)
    }
    assert sum(one.numel() for one in plain_gate_parameters(model)) == lstm + 11 + sum(embeddings.values())
    assert len({id(one) for one in plain_gate_parameters(model)}) == 6 + 2 * 5
    # The state goes from gate to gate: the embedding of the first changes the logits of the last ones.
    images = images_of()
    open_all = dict.fromkeys(config.gate_names, torch.ones_like)
    before = model(images, route=open_all).gates
    with torch.no_grad():
        model.gates["b1u02"].embedding.bias += 1
    after = model(images, route=open_all).gates
    assert not torch.equal(before[-1].channel_logits, after[-1].channel_logits)
    forward_gates = network(config_of("skipnet", depth=14)).eval()
    before = forward_gates(images, route=open_all).gates
    with torch.no_grad():
        forward_gates.gates["b1u02"].output.bias += torch.tensor([0.0, 1.0])
    after = forward_gates(images, route=open_all).gates
    torch.testing.assert_close(before[0].channel_logits + 1, after[0].channel_logits)
    assert torch.equal(before[-1].channel_logits, after[-1].channel_logits)


def test_the_shared_lstm_is_pytorchs():
    ours, theirs = Recurrence(GateConfig()), torch.nn.LSTMCell(10, 10)
    weights = {
        "weight_ih": ours.read.weight, "bias_ih": ours.read.bias,
        "weight_hh": ours.recall.weight, "bias_hh": ours.recall.bias,
    }  # fmt: skip
    theirs.load_state_dict(weights)
    state, expected = (), None
    for x in torch.randn(3, 5, 10):
        logits, state = ours(x, state)
        expected = theirs(x, expected)
        torch.testing.assert_close(state, expected)
        torch.testing.assert_close(logits, ours.output(expected[0]))


SKIP_GATE_MACS = {
    "ff-1": 9 * 4 * 4 * (16 + 4) + 9 * 8 * 8 * (4 + 1) + 2 * (4 + 8),
    "ff-2": 9 * 4 * 4 * 16 + 9 * 8 * 8 * 4 + 2 * (4 + 8),
    "recurrent": 10 * (4 + 8) + 2 * (4 * 10 * 20 + 10),
}
"""MACs of the gates of b2u01, which reads 4 channels of 8x8 pixels, and of b3u01, which reads 8 of 4x4."""


@pytest.mark.parametrize("kind", SKIP_GATES)
def test_macs_of_skipnet_count_the_layers_of_its_gates(kind):
    cost = cost_of(config_of("skipnet", gate=GateConfig(skip_gate=kind)))
    assert cost.fixed == ALWAYS + CONVOLUTIONS["b1u01"]
    assert cost.gate_layers == SKIP_GATE_MACS[kind]
    averaged = {"ff-1": 4 * 4 + 8, "ff-2": 4 * 16 + 8 * 4, "recurrent": 4 * 64 + 8 * 16}
    assert cost.pooling == averaged[kind]
    macs = cost.of({"b2u01": torch.tensor([[1.0], [0.0]]), "b3u01": torch.tensor([[0.0], [0.0]])})
    assert (macs - cost.always).tolist() == [CONVOLUTIONS["b2u01"], 0]


@pytest.mark.parametrize("kind", SKIP_GATES)
def test_the_reinforce_stage_draws_units_by_their_probability(kind):
    model = network(config_of("skipnet", gate=GateConfig(skip_gate=kind, stage="reinforce")))
    images = images_of(4).repeat(500, 1, 1, 1)
    gate = model(images, keys_of(3, torch.arange(2000))).gates[0]
    p = torch.sigmoid(gate.channel_logits)[:4]
    assert not gate.channels.requires_grad
    drawn = gate.channels.reshape(500, 4).mean(dim=0)
    torch.testing.assert_close(drawn, p[:, 0].detach(), atol=4 * 0.5 / 500**0.5, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["ff-2", "recurrent"])
def test_reinforce_is_unbiased(kind, monkeypatch):
    """Over all choices, the mean of its gradient is the gradient of the expected reward."""
    config = config_of("skipnet", depth=14, gate=GateConfig(skip_gate=kind, stage="reinforce"))
    model = network(config).double()
    image, label = images_of(1).double(), torch.tensor([3])
    model(images_of(8).double())
    for module in model.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.eval()
    parameters = list(model.parameters())
    units, skip_reward = len(config.gate_names), 0.7
    expected, mean_of_estimates, mass = torch.zeros(()), [torch.zeros_like(one) for one in parameters], 0.0
    for choices in product((0.0, 1.0), repeat=units):
        remaining = iter(choices)
        monkeypatch.setattr(
            skipnet,
            "_drawn",
            lambda logits, keys, stream, left=remaining: torch.full_like(logits, next(left)).detach(),
        )
        forward = model(image)
        probability = torch.ones(())
        for gate, taken in zip(forward.gates, choices, strict=True):
            p = torch.sigmoid(gate.channel_logits[0, 0])
            probability = probability * (p if taken else 1 - p)
        loss = reinforce(forward, label, skip_reward)
        reward = (units - sum(choices)) / units * skip_reward - functional.cross_entropy(
            forward.logits, label
        ).detach()
        torch.testing.assert_close(loss.detach(), -reward)
        gradients = torch.autograd.grad(loss, parameters, allow_unused=True, retain_graph=True)
        for total, gradient in zip(mean_of_estimates, gradients, strict=True):
            if gradient is not None:
                total += probability.detach() * gradient
        expected = expected - probability * reward
        mass += probability.item()
    assert mass == pytest.approx(1)
    exact = torch.autograd.grad(expected, parameters, allow_unused=True)
    reached = [at for at, gradient in enumerate(exact) if gradient is not None]
    assert len(reached) > len(parameters) / 2
    for at in reached:
        torch.testing.assert_close(mean_of_estimates[at], exact[at])


def test_the_classification_loss_does_not_train_gates_whose_choices_are_drawn():
    model = network(config_of("skipnet", gate=GateConfig(stage="reinforce", skip_gate="recurrent")))
    forward = model(images_of())
    labels = torch.arange(4)
    gates = plain_gate_parameters(model)
    by_class = functional.cross_entropy(forward.logits, labels)
    assert all(
        one is None for one in torch.autograd.grad(by_class, gates, allow_unused=True, retain_graph=True)
    )
    rewarded = torch.autograd.grad(reinforce(forward, labels, 0.1), gates)
    assert all(gradient.any() for gradient in rewarded)


def test_the_supervised_stage_has_no_loss_on_its_gates(one_sentence):
    supervised, reinforced = (
        RunConfig(model=config_of("skipnet", gate=GateConfig(stage=stage, skip_gate="recurrent")))
        for stage in ("supervised", "reinforce")
    )
    assert (supervised.penalty_names, reinforced.penalty_names) == ((), ("reinforce",))
    assert "reinforce-1.28-recurrent-reinforce" in reinforced.default_name
    message = one_sentence("train", "--model.name", "skipnet", "--sparsity.skip-reward", "1")
    assert "--sparsity.skip-reward 1.0 does nothing for skipnet in its stage supervised" in message


def test_fbs_keeps_the_share_of_most_salient_channels_of_each_map():
    config = config_of("fbs", depth=11, block="bottleneck", gate=GateConfig(density=0.3, saliency="plain"))
    forward = network(config)(images_of(16))
    for gate, width in zip(forward.gates, (4, 8, 16), strict=True):
        for values, kept in zip(
            gate.saliency.split(width, dim=1), gate.channels.split(width, dim=1), strict=True
        ):
            count = math.ceil(0.3 * width)
            least = values.topk(count, dim=1).values[:, -1:]
            assert torch.equal(kept, values.where(values >= least, 0.0))
            assert (
                (kept > 0).sum(dim=1) == torch.minimum((values > 0).sum(dim=1), torch.tensor(count))
            ).all()


def test_saliencies_of_mean_1_do_not_change_with_the_scale_of_the_input():
    plain, scaled = (
        network(config_of("fbs", gate=GateConfig(saliency=kind))) for kind in ("plain", "mean-1")
    )
    x = torch.rand(8, 4, 4, 4)
    for model, factor in ((plain, 10), (scaled, 1)):
        gate = model.gates["b2u01"]
        with torch.no_grad():
            gate.output.bias.zero_()
        torch.testing.assert_close(gate.kept(gate(10 * x)), factor * gate.kept(gate(x)))
    weights = scaled.gates["b2u01"].kept(torch.tensor([[1.0, 2, 3, 4, 5, 6, 7, 8], [0.0] * 8]))
    torch.testing.assert_close(weights[0], torch.tensor([0.0, 0, 0, 0, 5, 6, 7, 8]) / 4.5)
    assert not weights[1].any()


def test_fbs_breaks_ties_and_survives_what_is_not_finite():
    assert strongest(torch.tensor([[1.0, 2.0, 1.0, 1.0]]), 2).tolist() == [[1.0, 2.0, 0.0, 0.0]]
    infinite = torch.tensor([[torch.inf, torch.inf, 1.0]], requires_grad=True)
    assert strongest(infinite, 1).tolist() == [[torch.inf, 0.0, 0.0]]
    assert [kept_of(channels, 0.1) for channels in (10, 16, 30)] == [1, 2, 3]
    assert kept_of(10, 0.7) == 7
    assert kept_of(3, 0.01) == 1


def test_fbs_without_any_salient_channel_is_the_shortcut_and_trains():
    model = network(config_of("fbs")).train()
    with torch.no_grad():
        for gate in model.gates.values():
            gate.output.weight.zero_()
            gate.output.bias.fill_(-1)
    forward = model(images_of())
    assert all((gate.value == 0).all() for gate in forward.gates)
    functional.cross_entropy(forward.logits, torch.arange(4)).backward()
    gradients = [one.grad for one in model.parameters() if one.grad is not None]
    assert all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("activation", ["post", "pre"])
def test_fbs_weights_the_normalised_map_in_place_of_batchnorms_scale(activation):
    config = config_of("fbs", activation=activation, gate=GateConfig(density=1))
    model = network(config)
    unit = model.trunk.blocks["b2"][0]
    scales = {name for name, _ in unit.named_parameters() if "bn" in name and name.endswith("weight")}
    gated = "bn1" if activation == "post" else "bn2"
    assert scales == {"bn1.weight", "bn2.weight"} - {f"{gated}.weight"}
    x = torch.randn(4, 4, 8, 8)
    saliency = model.gates["b2u01"](x)
    g = model.gates["b2u01"].kept(saliency)
    torch.testing.assert_close(g, saliency / saliency.mean(dim=1, keepdim=True))
    torch.testing.assert_close(
        saliency, functional.relu(model.gates["b2u01"].output(x.abs().mean(dim=(2, 3))))
    )
    before = functional.relu(unit.bn1(x)) if activation == "pre" else x
    normalised = functional.batch_norm(
        unit.conv1(before), None, None, None, unit.get_submodule(gated).bias, True
    )
    inner = functional.relu(g[:, :, None, None] * normalised)
    branch = unit.conv2(inner)
    branch = branch if activation == "pre" else unit.bn2(branch)
    expected = branch + unit.shortcut(x)
    expected = expected if activation == "pre" else functional.relu(expected)
    torch.testing.assert_close(model.through(unit, x, g, None), expected)


def test_fbs_costs_every_sample_the_same():
    config = config_of("fbs", gate=GateConfig(density=0.5))
    cost, model = cost_of(config), network(config).eval()
    macs = cost.of_gates(model(images_of(32)).gates)
    positive = torch.stack(
        [(gate.saliency > 0).sum(dim=1) * 2 >= gate.saliency.shape[1] for gate in model(images_of(32)).gates]
    ).all(dim=0)
    assert positive.sum() > 16
    assert cost.gate_layers == 4 * 4 + 4 * 8 + 8 * 16
    assert cost.pooling == 4 * 64 + 4 * 64 + 8 * 16
    assert (macs[positive] == cost.always + sum(CONVOLUTIONS.values()) / 2).all()
    assert (macs[~positive] < macs.max()).all()


def test_the_l1_loss_is_the_sum_of_the_saliencies_before_the_choice():
    values = torch.tensor([[1.0, 2.0, 0.5], [0.0, 4.0, 1.5]])
    gates = (Gate("a", values[:, 0], saliency=values[:, :1]), Gate("b", values[:, 0], saliency=values[:, 1:]))
    assert l1(Forward(torch.zeros(2, 10), gates)).item() == 4.5


def test_a_density_outside_its_range_is_one_sentence(one_sentence):
    assert "density 0.0 is out of range" in one_sentence(
        "train", "--model.name", "fbs", "--model.gate.density", "0"
    )


def test_a_wrong_number_of_target_rates_is_one_sentence(one_sentence):
    settings = ("train", "--model.name", "convnet-aig", "--model.depth", "14", "--sparsity.target-rates")
    assert "has 2 numbers, and the network 6 gated units" in one_sentence(*settings, "0.5", "0.6")
    assert "must be shares of the samples in [0, 1]" in one_sentence(*settings, "1.5")
    assert "does nothing for channel-gate" in one_sentence(
        "train", "--model.name", "channel-gate", "--sparsity.rate", "1"
    )


def test_the_target_rate_is_in_the_name_of_a_run():
    run = RunConfig(model=config_of("convnet-aig"), sparsity=SparsityConfig(target_rates=(0.4,)))
    assert "convnet-aig8" in run.default_name
    assert "rate-2-t0.4" in run.default_name
    resolved = run.resolved()
    assert replace(resolved) == resolved, "what is stored with the run can be read again"
