"""Probes on a network that is not memgate's: torchvision's ResNet-18 with random weights, by plain autograd."""

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier
from torch import nn
from torchvision.models import resnet18

from memgate.config.run import GateConfig, ModelConfig
from memgate.errors import MemgateError
from memgate.models import build_model
from memgate.models.pixels import PixelNetwork
from probes.difficulty.curvature import input_curvature
from probes.difficulty.depth import Support, coarse, depth_of, prediction_depths
from probes.difficulty.gradients import grand, grand_last_layer, input_gradient_norm
from probes.network.features import features
from probes.network.layers import points

LAYERS = ("layer1", "layer2.0", "layer4.1.bn2", "penultimate")


@pytest.fixture(scope="module")
def model():
    """In training mode, with BatchNorm statistics that are not the initial ones and two switches set by hand."""
    torch.manual_seed(0)
    network = resnet18(num_classes=7).train()
    with torch.no_grad():
        network(torch.rand(8, 3, 32, 32))
    network.layer2.eval()
    network.fc.bias.requires_grad_(False)
    return network


@pytest.fixture(scope="module")
def samples():
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (5, 3, 32, 32), dtype=torch.uint8, generator=generator)
    return images, torch.tensor([0, 6, 2, 2, 5])


@pytest.fixture
def unchanged(model):
    """The module after the test: modes, weights, buffers, gradients, hooks."""
    before = {name: value.clone() for name, value in model.state_dict().items()}
    modes = {name: module.training for name, module in model.named_modules()}
    trained = {name: parameter.requires_grad for name, parameter in model.named_parameters()}
    yield
    assert {name: module.training for name, module in model.named_modules()} == modes
    assert {name: parameter.requires_grad for name, parameter in model.named_parameters()} == trained
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


@pytest.mark.slow
@pytest.mark.usefixtures("unchanged")
def test_features_are_the_pooled_outputs_of_the_named_layers(model, samples):
    images, _ = samples
    values = features(model, images, LAYERS, batch_size=2)
    assert {name: array.shape for name, array in values.items()} == {
        "layer1": (5, 64), "layer2.0": (5, 128), "layer4.1.bn2": (5, 512), "penultimate": (5, 512),
    }  # fmt: skip
    assert {array.dtype for array in values.values()} == {np.dtype(np.float32)}
    state = {name: module.training for name, module in model.named_modules()}
    with torch.no_grad():
        model.eval()
        x = model.maxpool(model.relu(model.bn1(model.conv1(images / 255))))
        x = model.layer1(x)
        np.testing.assert_allclose(values["layer1"], x.mean((2, 3)), rtol=1e-4, atol=1e-6)
        x = model.layer2[0](x)
        np.testing.assert_allclose(values["layer2.0"], x.mean((2, 3)), rtol=1e-4, atol=1e-6)
        x = model.layer3(model.layer2[1](x))
        block = model.layer4[1]
        x = model.layer4[0](x)
        inner = block.bn2(block.conv2(block.relu(block.bn1(block.conv1(x)))))
        # The block adds to this output in place; the features are those of the layer itself.
        np.testing.assert_allclose(values["layer4.1.bn2"], inner.mean((2, 3)), rtol=1e-4, atol=1e-5)
        x = block(x)
        np.testing.assert_allclose(values["penultimate"], x.mean((2, 3)), rtol=1e-4, atol=1e-5)
        for name, module in model.named_modules():
            module.training = state[name]


def one_by_one(model, samples, by):
    """Norm of the gradient of each sample's loss by the tensors that ``by`` picks."""
    norms, modes = [], {module: module.training for module in model.modules()}
    model.eval().requires_grad_(True)
    for image, label in zip(samples[0] / 255, samples[1], strict=True):
        image = image[None].requires_grad_()
        loss = nn.functional.cross_entropy(model(image), label[None])
        parts = torch.autograd.grad(loss, by(model, image))
        norms.append(torch.cat([part.flatten() for part in parts]).double().norm().item())
    for module, mode in modes.items():
        module.training = mode
    model.fc.bias.requires_grad_(False)
    return np.array(norms)


@pytest.mark.slow
@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    ("score", "by"),
    [
        (input_gradient_norm, lambda model, image: [image]),
        (grand_last_layer, lambda model, image: list(model.fc.parameters())),
        (grand, lambda model, image: list(model.parameters())),
    ],
)
def test_gradient_norms_are_those_of_single_backward_passes(model, samples, score, by):
    values = score(model, *samples, batch_size=3)
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, one_by_one(model, samples, by), rtol=1e-4)
    with torch.no_grad():
        np.testing.assert_allclose(score(model, samples[0] / 255, samples[1].numpy()), values, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.usefixtures("unchanged")
def test_prediction_depth_at_named_layers(model):
    generator = torch.Generator().manual_seed(2)
    images, labels = torch.rand(30, 3, 32, 32, generator=generator), torch.arange(30) % 7
    own = np.array([0, 1, -1, -1])
    queries = torch.cat([images[:2], images[28:]])
    for layers in (("layer1", "layer3", "penultimate"), ("layer1", "layer3")):
        depths = prediction_depths(
            model, queries, Support(images[:25], labels[:25]), 5, layers=layers, own=own, batch_size=9
        )
        assert depths.points == layers
        modes = {module: module.training for module in model.modules()}
        with torch.no_grad():
            np.testing.assert_array_equal(depths.prediction, model.eval()(queries).argmax(1))
        for module, mode in modes.items():
            module.training = mode
        maps = features(model, torch.cat([queries, images[:25]]), layers, reduce=coarse)
        votes = np.empty((len(layers), 4), np.int64)
        for row, name in enumerate(layers):
            for column, left_out in enumerate(own):
                rest = np.flatnonzero(np.arange(25) != left_out)
                nearest = KNeighborsClassifier(5).fit(maps[name][4:][rest], labels[rest])
                votes[row, column] = nearest.predict(maps[name][[column]])[0]
        np.testing.assert_array_equal(depths.knn_prediction, votes)
        np.testing.assert_array_equal(depths.depth, depth_of(votes, depths.prediction))


def test_a_memgate_network_by_its_units_and_by_its_submodules():
    model = build_model(ModelConfig(depth=14, gate=GateConfig(blocks="b3")), 10, seed=1)
    network = PixelNetwork(model, (0.5, 0.5, 0.5), (0.2, 0.3, 0.2))
    images = torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    assert tuple(features(network, images)) == points(network) == points(model)
    stem = next(name for name, _ in network.named_modules() if name.endswith("stem"))
    values = features(network, images, ["stem", stem])
    np.testing.assert_array_equal(values["stem"], values[stem])


class Tokens(nn.Module):
    """A layer that gives tokens [b, T, C], one that gives a pair, one that is not used, and log-probabilities."""

    def __init__(self):
        super().__init__()
        self.tokens = nn.Linear(3, 6)
        self.pair = nn.LSTM(6, 6, batch_first=True)
        self.flat = nn.Flatten(0)
        self.head = nn.Linear(6, 4)
        self.unused = nn.Linear(6, 4)

    def forward(self, images):
        tokens = self.tokens(images.flatten(2).transpose(1, 2))
        self.flat(tokens)
        return self.head(self.pair(tokens)[0].mean(1))


def test_tokens_are_averaged_and_layers_without_features_are_refused():
    torch.manual_seed(0)
    model, images = Tokens(), torch.rand(4, 3, 2, 5)
    with torch.no_grad():
        tokens = model.tokens(images.flatten(2).transpose(1, 2))
    np.testing.assert_allclose(features(model, images, ["tokens"])["tokens"], tokens.mean(1), rtol=1e-5)
    for layers, sentence in (
        (["pair"], "layer 'pair' returns tuple and no tensor"),
        (["unused"], "layer 'unused' takes no part in the forward pass"),
        (["flat"], r"gives \(240,\): only \[b, C\]"),
        (["nothing"], "no layer 'nothing': it has tokens, pair, flat, head, unused, penultimate"),
        (["head", "head"], "names 'head' twice"),
        ([], "layers names none: name submodules of the model, such as tokens"),
        (None, "layers names none"),
    ):
        with pytest.raises(MemgateError, match=sentence):
            features(model, images, layers)
    labels = torch.arange(4)
    with pytest.raises(
        MemgateError, match=r"not the output of its last linear layer: name the layer .* head="
    ):
        grand_last_layer(model, images, labels, head="tokens")
    with pytest.raises(MemgateError, match="layer 'penultimate' takes no part"):
        grand_last_layer(model, images, labels)
    with pytest.raises(MemgateError, match="head 'pair' is no linear layer"):
        grand_last_layer(model, images, labels, head="pair")
    assert grand_last_layer(model, images, labels, head="head").shape == (4,)


@pytest.mark.parametrize("score", [input_gradient_norm, grand_last_layer, grand, input_curvature])
def test_images_and_labels_are_checked(score):
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 4))
    images, labels = torch.rand(3, 3, 2, 2), [0, 1, 2]
    for wrong, sentence in (
        ((images * 2 - 1, labels), r"not within \[0, 1\]"),
        ((images[:0], []), "n at least 1"),
        ((images, [0, 1]), r"labels int64 of the shape \(2,\) must be 3 class numbers"),
        ((images, [0.0, 1.0, 2.0]), "labels float64"),
        ((images, [0, -1, 2]), "0 or above"),
        ((images, [0, 4, 2]), "labels hold the class 4, and the network has the 4 classes from 0 to 3"),
    ):
        with pytest.raises(MemgateError, match=sentence):
            score(model, *wrong)
    with pytest.raises(MemgateError, match="no logits"):
        score(nn.Sequential(nn.Flatten(), nn.Linear(12, 1)), images, labels)


def test_a_head_without_bias():
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 4, bias=False))
    images, labels = torch.rand(3, 3, 2, 2, generator=torch.Generator().manual_seed(0)), torch.arange(3)
    np.testing.assert_allclose(
        grand(model, images, labels), grand_last_layer(model, images, labels), rtol=1e-5
    )


def test_a_model_without_linear_layer_or_parameters():
    model = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    images, labels = torch.rand(3, 3, 2, 2, generator=torch.Generator().manual_seed(0)), torch.arange(3)
    assert features(model, images, ["1"])["1"].shape == (3, 3)
    with pytest.raises(MemgateError, match="no linear layer, so that 'penultimate'"):
        grand_last_layer(model, images, labels)
    with pytest.raises(MemgateError, match="no parameter"):
        grand(model, images, labels)
    depths = prediction_depths(model, images, Support(images, labels), 2, layers=["1"])
    assert depths.depth.shape == (3,)
