"""Networks in float64, for audits: nothing on the way is rounded to float32."""

import numpy as np
import pytest
import torch

from memgate.config.gate import GATE_OPTIONS
from memgate.config.model import GateConfig
from memgate.config.run import ModelConfig
from memgate.models import MODELS, build_model
from memgate.training.objective import total_loss
from memgate.training.sample_buffer import SampleBuffer

BATCH = torch.randn(4, 3, 9, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
LABELS = torch.arange(4)


def network_config(name):
    gate = GateConfig(penalty=0.01 if "penalty" in GATE_OPTIONS.get(name, ()) else 0)
    return ModelConfig(name, 16 if name == "densenet" else 14, gate=gate)


def network_of(name):
    return build_model(network_config(name), classes=10, seed=0, image_size=9)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_a_network_in_float64_gives_float64_and_the_numbers_of_float32(name):
    single = network_of(name).eval()(BATCH.float())
    network = network_of(name).double().eval()
    forward = network(BATCH)
    pairs = [(forward.logits, single.logits)]
    for gate, other in zip(forward.gates, single.gates, strict=True):
        pairs += [(gate.entropy, other.entropy), (gate.logits, other.logits)]
        # The share of open channels is the same number in both precisions.
        pairs += [] if network_config(name).hard_gates else [(gate.value, other.value)]
    for double, rounded in pairs:
        if double is not None:
            assert double.dtype == torch.float64
            np.testing.assert_allclose(double.detach(), rounded.detach(), rtol=1e-4, atol=1e-5)
            # float32 on the way would leave float32's numbers
            assert not torch.equal(double, double.float().double()), name
    total_loss(forward, LABELS).backward()
    assert {part.grad.dtype for part in network.parameters() if part.grad is not None} == {torch.float64}


def test_what_is_logged_of_a_network_in_float64_is_float32():
    forward = network_of("entropy-gate").double().eval()(BATCH)
    buffer = SampleBuffer(LABELS, LABELS, ("b3",))
    buffer.update(torch.arange(4), forward)
    record = buffer.record()
    assert record.gate.dtype == record.loss.dtype == np.float32
    np.testing.assert_allclose(record.gate[0], forward.gates[0].value.detach(), rtol=1e-6)
