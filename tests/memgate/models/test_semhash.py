"""Improved SemHash: its values and gradients from a formulation of its own, and which samples get binary gates."""

import math

import numpy as np
import pytest
import torch

from memgate.models.draws import keys_of, normal, uniform
from memgate.models.gated.semhash import dropped, hashed, of_noisy

LOGITS = 2 * torch.randn(40, 30, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
KEYS = keys_of(7, torch.arange(40))
STREAM = 5


def reference(x: np.ndarray) -> np.ndarray:
    """The saturating sigmoid in three pieces: 0, then 1.1 - 1.2 / (1 + e^x), then 1."""
    middle = 1.1 - 1.2 / (1 + np.exp(x))
    return np.where(x <= -math.log(11), 0.0, np.where(x >= math.log(11), 1.0, middle))


def noisy() -> np.ndarray:
    return (LOGITS + normal(KEYS, STREAM, 30).double()).numpy()


def binary() -> np.ndarray:
    return uniform(KEYS, STREAM + 1, 1).numpy() < 0.5


def test_half_of_the_samples_use_the_saturating_sigmoid_of_all_their_gates_and_the_others_its_sign():
    expected = np.where(binary(), (noisy() > 0).astype(float), reference(noisy()))
    np.testing.assert_allclose(hashed(LOGITS, KEYS, STREAM).numpy(), expected, rtol=1e-12, atol=1e-15)
    assert set(expected[binary()[:, 0]].ravel()) == {0.0, 1.0}
    soft = expected[~binary()[:, 0]]
    assert ((soft > 0) & (soft < 1)).any(axis=1).all()


def test_both_have_the_gradient_of_the_saturating_sigmoid():
    logits = LOGITS.clone().requires_grad_()
    weight = torch.randn(LOGITS.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    (hashed(logits, KEYS, STREAM) * weight).sum().backward()
    h = 1e-6
    difference = (reference(noisy() + h) - reference(noisy() - h)) / (2 * h)
    assert logits.grad is not None
    np.testing.assert_allclose(logits.grad.numpy(), weight.numpy() * difference, rtol=1e-5, atol=1e-8)
    beyond = np.abs(noisy()) > math.log(11)
    assert beyond.any(axis=1).all()
    assert not logits.grad.numpy()[beyond].any()  # exactly 0
    assert logits.grad.numpy()[~beyond].all()


@pytest.mark.parametrize("side", [-1, 1])
@pytest.mark.parametrize("chosen", [True, False])
def test_the_gradient_ends_at_the_logarithm_of_11(side, chosen):
    x = (side * (math.log(11) + torch.tensor([[-1e-3, 1e-3, 10.0]], dtype=torch.float64))).requires_grad_()
    of_noisy(x, torch.tensor([[chosen]])).sum().backward()
    assert x.grad is not None
    # 1.2 s (1 - s) with s = 11 / 12
    assert x.grad[0].tolist() == [pytest.approx(1.2 * 11 / 144, rel=2e-3), 0, 0]


def test_the_draws_of_a_sample_depend_on_its_key_alone():
    order = torch.randperm(40, generator=torch.Generator().manual_seed(2))
    whole = hashed(LOGITS, KEYS, STREAM)
    assert torch.equal(hashed(LOGITS[order], KEYS[order], STREAM), whole[order])
    assert torch.equal(hashed(LOGITS[3:4], KEYS[3:4], STREAM), whole[3:4])
    assert not torch.equal(hashed(LOGITS, keys_of(8, torch.arange(40)), STREAM), whole)  # another epoch


def test_binary_samples_are_a_half_and_gates_open_as_often_as_the_normal_distribution_says():
    keys = keys_of(3, torch.arange(20_000))
    weights = hashed(torch.full((20_000, 4), 0.5), keys, STREAM)
    whole = ((weights == 0) | (weights == 1)).all(dim=1)
    # A soft sample has four saturated gates with a probability below 0.01.
    assert whole.double().mean().item() == pytest.approx(0.5, abs=0.015)
    own = uniform(keys, STREAM + 1, 1)[:, 0] < 0.5
    assert weights[own].mean().item() == pytest.approx(0.5 * (1 + math.erf(0.5 / math.sqrt(2))), abs=0.01)


def test_without_keys_pytorchs_generator_draws():
    torch.manual_seed(0)
    first, second = hashed(LOGITS, None, STREAM), hashed(LOGITS, None, STREAM)
    torch.manual_seed(0)
    assert torch.equal(hashed(LOGITS, None, STREAM), first)
    assert not torch.equal(first, second)


def test_dropout_closes_its_share_and_keeps_the_mean():
    keys, weights = keys_of(3, torch.arange(2_000)), torch.rand(2_000, 50, dtype=torch.float64)
    some = dropped(weights, keys, STREAM, 0.05)
    closed = some == 0
    assert closed.double().mean().item() == pytest.approx(0.05, abs=0.004)
    torch.testing.assert_close(some[~closed], weights[~closed] / 0.95)
    assert some.mean().item() == pytest.approx(weights.mean().item(), abs=0.005)
    assert torch.equal(dropped(weights[7:8], keys[7:8], STREAM, 0.05), some[7:8])
