"""The Beta distribution of logits against scipy's, over the whole range of its parameters."""

import numpy as np
import pytest
import torch
from scipy import special, stats

from memgate.shaping import logit_beta

PARAMETERS = [(0.6, 0.4), (1.0, 1.0), (0.001, 0.001), (0.001, 1e4), (17.0, 0.3), (3.0, 1e4), (1e4, 1e4)]


def logits(a: float, b: float) -> np.ndarray:
    """Far and wide, and densely where the distribution is."""
    centre, width = np.log(a / b), np.sqrt(1 / a + 1 / b)
    near = np.random.default_rng(0).normal(centre, 4 * width, 4000)
    return np.sort(np.concatenate([near, np.linspace(-100, 100, 4001)]))


def scipys_cdf(z: np.ndarray, a: float, b: float) -> np.ndarray:
    p, q = special.expit(z), special.expit(-z)
    return np.where(z < 0, special.betainc(a, b, p), special.betaincc(b, a, q))


@pytest.mark.slow
@pytest.mark.parametrize(("a", "b"), PARAMETERS)
def test_cdf_and_its_reflection_are_scipys(a: float, b: float) -> None:
    for dtype, error in ((torch.float64, 3e-9), (torch.float32, 6e-7)):
        z = torch.as_tensor(logits(a, b)).to(dtype)
        here = logit_beta.cdf(z, a, b)
        assert here.dtype == dtype
        np.testing.assert_allclose(here.double(), scipys_cdf(z.double().numpy(), a, b), rtol=0, atol=error)
        np.testing.assert_allclose(1 - here, logit_beta.cdf(-z, b, a), rtol=0, atol=2 * error)
        assert (here.diff() >= -error).all()


@pytest.mark.parametrize(("a", "b"), [(0.6, 0.4), (5.0, 2.0), (0.01, 30.0)])
def test_pdf_is_scipys_times_the_slope_of_the_sigmoid(a: float, b: float) -> None:
    z = np.linspace(-15, 15, 301)
    p = special.expit(z)
    expected = stats.beta.pdf(p, a, b) * p * special.expit(-z)
    np.testing.assert_allclose(logit_beta.pdf(torch.as_tensor(z), a, b), expected, rtol=1e-8)


def test_pdf_of_the_papers_prior_is_bounded_by_its_value_at_the_mean() -> None:
    z = torch.linspace(-30, 30, 60_001, dtype=torch.float64)
    density = logit_beta.pdf(z, 0.6, 0.4)
    assert density.max().item() == pytest.approx(0.1544, abs=1e-4)
    assert z[density.argmax()].sigmoid().item() == pytest.approx(0.6, abs=1e-3)
    assert torch.trapezoid(density, z).item() == pytest.approx(1, abs=1e-4)  # the tails beyond 30 hold 8e-6


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_no_logit_gives_more_than_a_probability(dtype: torch.dtype) -> None:
    far = torch.finfo(dtype).max
    z = torch.tensor([-torch.inf, -far, -1e4, 1e4, far, torch.inf, torch.nan], dtype=dtype)
    for a, b in PARAMETERS:
        probability, density = logit_beta.cdf(z, a, b), logit_beta.pdf(z, a, b)
        assert probability[[0, 1, 4, 5]].tolist() == [0, 0, 1, 1]
        assert ((probability[:6] >= 0) & (probability[:6] <= 1)).all()
        assert density[[0, 1, 4, 5]].tolist() == [0, 0, 0, 0]
        assert density[:6].isfinite().all()
        assert probability[6].isnan()
        assert density[6].isnan()


def test_a_table_made_in_inference_mode_serves_training() -> None:
    with torch.inference_mode():
        logit_beta.cdf(torch.zeros(1), 0.61, 0.4)  # parameters that no other test has
    z = torch.zeros(1, requires_grad=True)
    (logit_beta.cdf(z, 0.61, 0.4) * z).sum().backward()
    assert z.grad is not None
