"""Features inside a network: the ones that its own forward pass computes, and the network left as it was."""

import numpy as np
import pytest
import torch

from memgate.config.run import GateConfig, ModelConfig
from memgate.models import build_model
from memgate.models.pixels import PixelNetwork
from probes.network.features import features
from probes.network.layers import PENULTIMATE, points, trunk_of


@pytest.mark.parametrize(
    "config", [ModelConfig(depth=14, gate=GateConfig(blocks="b2,b3")), ModelConfig("resnet", 14)]
)
def test_they_are_those_of_the_forward_pass(config):
    model = build_model(config, 10, seed=1).train()
    network = PixelNetwork(model, (0.5, 0.5, 0.5), (0.2, 0.3, 0.2))
    pixels = torch.randint(
        0, 256, (11, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    names = points(model)
    assert names == ("stem", "b1.1", "b1.2", "b2.1", "b2.2", "b3.1", "b3.2", PENULTIMATE)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    result = features(network, pixels, names, batch_size=4)
    whole = features(network, pixels, ["stem", PENULTIMATE])
    for name, values in whole.items():
        np.testing.assert_allclose(values, result[name], rtol=1e-4, atol=1e-5)
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    trunk = trunk_of(model)
    model.eval()
    with torch.no_grad():
        stem = trunk.stem(network.normalised(pixels / 255))
        logits = network(pixels / 255)
    np.testing.assert_allclose(result["stem"], stem.mean((2, 3)).numpy(), rtol=1e-4, atol=1e-5)
    from_head = torch.from_numpy(result[PENULTIMATE]) @ trunk.head.weight.T + trunk.head.bias
    np.testing.assert_allclose(from_head.detach().numpy(), logits.numpy(), rtol=1e-3, atol=1e-4)
    assert {name: values.shape[1] for name, values in result.items()} == {
        "stem": 16, "b1.1": 16, "b1.2": 16, "b2.1": 32, "b2.2": 32, "b3.1": 64, "b3.2": 64, PENULTIMATE: 64,
    }  # fmt: skip
