"""Gradient norms: closed forms, ten-line loops as reference, and a network left as it was."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from memgate.config.run import GateConfig, ModelConfig
from memgate.errors import MemgateError
from memgate.models import Forward, build_model
from memgate.models.pixels import PixelNetwork
from memgate.training.objective import classification_loss, gate_modules, parameter_groups
from probes.difficulty import gradients
from probes.difficulty.gradients import grand, grand_last_layer, input_gradient_norm, residual
from probes.network.frozen import frozen
from probes.network.layers import trunk_of

Score = Callable[..., NDArray[np.float32]]
EVERY: tuple[Score, ...] = (input_gradient_norm, grand_last_layer, grand)
MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.3, 0.25)

NETWORKS = {
    "two gates": ModelConfig(depth=14, gate=GateConfig(blocks="b2,b3")),
    "gate at o2": ModelConfig(depth=14, gate=GateConfig(tap="o2", curve="stretched")),
    "detached gate": ModelConfig(depth=14, gate=GateConfig(detach_gate=True)),
    "ungated": ModelConfig("resnet", 14, shortcut="pad"),
}


def network_of(config=NETWORKS["two gates"]):
    """A network in training mode, whose BatchNorm and whose gates (H near its largest) are not the initial ones."""
    model = build_model(config, 10, seed=1).train()
    with torch.no_grad():
        for gate in gate_modules(model).values():
            gate.output.weight.mul_(20)
        for _ in range(3):
            model(torch.randn(16, 3, 16, 16, generator=torch.Generator().manual_seed(5)))
    return PixelNetwork(model, MEAN, STD).train()


@pytest.fixture(scope="module")
def samples():
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (13, 3, 16, 16), dtype=torch.uint8, generator=generator)
    return pixels, torch.randint(0, 10, (13,), generator=generator).numpy()


def one_by_one(network, pixels, labels, by):
    """Norms of the gradient of each sample's loss by what ``by`` picks of the model and the image."""
    result = []
    network.eval()
    for image, label in zip(pixels / 255, labels, strict=True):
        image = image[None].requires_grad_()
        loss = classification_loss(network.network(network.normalised(image)), torch.tensor([label]))
        parts = torch.autograd.grad(loss.sum(), by(network.network, image))
        result.append(torch.cat([part.flatten() for part in parts]).norm().item())
    return np.array(result)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_they_are_those_of_single_backward_passes(samples, name):
    network = network_of(NETWORKS[name])
    head = trunk_of(network.network).head
    references: dict[Score, Callable[..., Sequence[torch.Tensor]]] = {
        input_gradient_norm: lambda model, image: [image],
        grand_last_layer: lambda model, image: list(head.parameters()),
        grand: lambda model, image: parameter_groups(model)[0],
    }
    for score, by in references.items():
        result = score(network, *samples, batch_size=4)
        np.testing.assert_allclose(result, one_by_one(network, samples[0], samples[1], by), rtol=1e-4)
        assert result.dtype == np.float32
    assert (grand(network, *samples) >= grand_last_layer(network, *samples)).all()


def test_the_gradient_through_the_gate_counts(samples):
    """The gradient through g is part of the trunk's, and detaching g takes it away."""
    kept, detached = (
        network_of(),
        network_of(ModelConfig(depth=14, gate=GateConfig("b2,b3", detach_gate=True))),
    )
    detached.load_state_dict(kept.state_dict())
    assert not np.allclose(grand(kept, *samples), grand(detached, *samples), rtol=1e-2)
    np.testing.assert_allclose(
        grand_last_layer(kept, *samples), grand_last_layer(detached, *samples), rtol=1e-5
    )


@pytest.mark.slow
@pytest.mark.parametrize("score", EVERY)
def test_neither_batch_size_nor_order_matters(samples, score):
    network, (pixels, labels) = network_of(), samples
    whole = score(network, pixels, labels)
    for size in (1, 5, 256):
        np.testing.assert_allclose(score(network, pixels, labels, batch_size=size), whole, rtol=2e-4)
    order = np.random.default_rng(0).permutation(len(labels))
    turned = score(network, pixels[torch.from_numpy(order)], labels[order], batch_size=3)
    np.testing.assert_allclose(turned, whole[order], rtol=2e-4)
    np.testing.assert_allclose(score(network, pixels / 255, labels), whole, rtol=2e-4)


@pytest.mark.parametrize("score", EVERY)
def test_only_a_samples_own_label_counts(samples, score):
    network, (pixels, labels) = network_of(), samples
    other = labels.copy()
    other[3] = (labels[3] + 1) % 10
    changed = score(network, pixels, labels) != score(network, pixels, other)
    np.testing.assert_array_equal(changed, np.arange(len(labels)) == 3)


@pytest.mark.parametrize("score", EVERY)
def test_the_network_is_left_as_it_was(samples, score):
    network = network_of()
    gate_modules(network.network)["b3"].eval()
    trunk_of(network.network).head.weight.requires_grad_(False)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    modes = {name: module.training for name, module in network.named_modules()}
    trained = {name: parameter.requires_grad for name, parameter in network.named_parameters()}
    counted = []
    with torch.no_grad():
        score(network, *samples, batch_size=6, finished=counted.append)
    assert sum(counted) == 13
    assert {name: module.training for name, module in network.named_modules()} == modes
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
    assert {name: parameter.requires_grad for name, parameter in network.named_parameters()} == trained


class Linear(nn.Module):
    """Logits W x + b of the flattened image."""

    def __init__(self):
        super().__init__()
        self.stem, self.blocks = nn.Identity(), nn.ModuleDict()
        self.head = nn.Linear(12, 4)

    def forward(self, images):
        return Forward(self.head(images.flatten(1)))


def test_closed_forms_of_a_linear_network():
    torch.manual_seed(0)
    model = Linear()
    network = PixelNetwork(model, (0.0, 0.0, 0.0), (0.5, 0.5, 0.5))
    pixels, labels = torch.rand(6, 3, 2, 2), np.array([0, 1, 2, 3, 0, 1])
    with torch.no_grad():
        seen = pixels.flatten(1) / 0.5
        error = model.head(seen).softmax(1) - torch.eye(4)[labels]
        by_input = (error @ model.head.weight / 0.5).norm(dim=1)
        by_weights = error.norm(dim=1) * (seen.square().sum(1) + 1).sqrt()
    np.testing.assert_allclose(input_gradient_norm(network, pixels, labels), by_input, rtol=1e-5)
    np.testing.assert_allclose(grand_last_layer(network, pixels, labels), by_weights, rtol=1e-5)
    np.testing.assert_allclose(grand(network, pixels, labels), by_weights, rtol=1e-5)


def test_well_fitted_samples_keep_their_order():
    """At a margin of 40 nats 1 - p is 0 in float32 and in float64; p of the others is not."""
    logits = torch.tensor([[40.0, 0.0, 0.0], [41.0, 0.0, 0.0], [80.0, 0.0, 0.0]])
    result = residual(logits, torch.zeros(3, dtype=torch.int64))
    small = torch.exp(-logits[:, 0])
    torch.testing.assert_close(result, torch.stack([-2 * small, small, small], 1), rtol=1e-5, atol=0)
    logits = torch.randn(50, 7, dtype=torch.float64, requires_grad=True)
    labels = torch.arange(50) % 7
    (expected,) = torch.autograd.grad(nn.functional.cross_entropy(logits, labels, reduction="sum"), logits)
    torch.testing.assert_close(residual(logits.detach(), labels), expected)


def test_a_large_network_takes_fewer_at_a_time(samples, monkeypatch):
    network = network_of()
    whole = grand(network, *samples)
    weights = sum(parameter.nbytes for parameter in parameter_groups(network.network)[0])
    monkeypatch.setattr(gradients, "GRAND_BYTES", 3 * weights)
    counted = []
    np.testing.assert_allclose(grand(network, *samples, finished=counted.append), whole, rtol=2e-4)
    assert counted == [3, 3, 3, 3, 1]
    monkeypatch.setattr(gradients, "GRAND_BYTES", 1)
    grand(network, samples[0][:2], samples[1][:2], finished=counted.append)
    assert counted[-2:] == [1, 1]


@pytest.mark.parametrize("score", EVERY)
def test_wrong_batch_sizes_and_diverged_networks_are_refused(samples, score):
    with pytest.raises(MemgateError, match="batch_size 0 holds no image"):
        score(network_of(), *samples, batch_size=0)
    diverged = network_of()
    with torch.no_grad():
        trunk_of(diverged.network).head.weight.fill_(float("nan"))
    with pytest.raises(MemgateError, match="not finite: its training has diverged"):
        score(diverged, *samples)


@pytest.mark.parametrize("precision", ["medium", "high", "highest"])
def test_matrix_products_are_exact_inside_and_as_before_outside(precision):
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    allowed = torch.backends.cuda.matmul.allow_tf32
    assert allowed == (precision != "highest")
    try:
        with frozen(torch.nn.Linear(3, 2)):
            assert not torch.backends.cuda.matmul.allow_tf32
            assert torch.get_float32_matmul_precision() == "highest"
        assert torch.backends.cuda.matmul.allow_tf32 == allowed
        assert torch.get_float32_matmul_precision() == precision
    finally:
        torch.set_float32_matmul_precision(before)
