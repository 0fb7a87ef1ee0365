"""Priors against scipy.stats, their ranges, and values at the ends of them."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import stats

from memgate import Beta, MemgateError, Normal, Prior, Uniform, batch_shaping_loss
from memgate.shaping.priors import MARGIN, Distribution

PAIRS = [
    (Beta(0.6, 0.4), stats.beta(0.6, 0.4)),
    (Beta(2.0, 5.0), stats.beta(2.0, 5.0)),
    (Uniform(-1.5, 2.0), stats.uniform(-1.5, 3.5)),
    (Normal(0.3, 0.7), stats.norm(0.3, 0.7)),
    (Prior.from_numpy(stats.gumbel_r.cdf, stats.gumbel_r.pdf), stats.gumbel_r()),
]


@pytest.mark.parametrize(("prior", "scipys"), PAIRS)
def test_cdf_and_pdf_are_scipys(prior: Distribution, scipys: stats.rv_continuous) -> None:
    values = scipys.rvs(2000, random_state=0)
    for dtype, error in ((torch.float64, 1e-8), (torch.float32, 2e-6)):
        x = torch.as_tensor(values).to(dtype)
        x = x[(x > 1e-4) & (x < 1 - 1e-4)] if isinstance(prior, Beta) else x
        exact = x.double().numpy()
        assert prior.cdf(x).dtype == prior.pdf(x).dtype == dtype
        np.testing.assert_allclose(prior.cdf(x).double(), scipys.cdf(exact), rtol=0, atol=error)
        np.testing.assert_allclose(prior.pdf(x).double(), scipys.pdf(exact), rtol=10 * error)


def test_beta_takes_both_ends_of_its_range() -> None:
    x = torch.tensor([0.0, 1e-30, MARGIN, 0.5, 1 - MARGIN, 1.0])
    probability, density = Beta(0.6, 0.4).cdf(x), Beta(0.6, 0.4).pdf(x)
    assert probability[[0, -1]].tolist() == [0, 1]
    assert density[0] == density[1] == density[2]
    assert density[-1] == density[-2]
    assert 150 < density[0] < 200
    assert 4000 < density[-1] < 4500
    flat = Beta(1.0, 1.0)
    np.testing.assert_allclose(flat.cdf(x), x, atol=1e-6)
    np.testing.assert_allclose(flat.pdf(x), torch.ones(6), rtol=1e-6)


def test_a_value_that_rounding_put_above_one_counts_as_one() -> None:
    x = torch.tensor([1.0, 1.0 + 2**-23, -1e-9])
    assert Beta(0.6, 0.4).cdf(x).tolist() == [1, 1, 0]
    assert Beta(0.6, 0.4).pdf(x)[0] == Beta(0.6, 0.4).pdf(x)[1]


def test_uniform_has_no_density_outside() -> None:
    x = torch.tensor([-3.0, -2.0, 0.0, 4.0, 5.0])
    assert Uniform(-2, 4).cdf(x).tolist() == pytest.approx([0, 0, 1 / 3, 1, 1])
    assert Uniform(-2, 4).pdf(x).tolist() == pytest.approx([0, 1 / 6, 1 / 6, 1 / 6, 0])


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Beta(0, 0.4), "Beta(0, 0.4) is no prior: a must be from 0.001 to 10000."),
        (lambda: Beta(0.6, float("nan")), "Beta(0.6, nan) is no prior: b must be"),
        (lambda: Uniform(1, 1), "Uniform(1, 1) is no prior: low must be below high"),
        (lambda: Uniform(0, float("inf")), "both must be finite"),
        (lambda: Normal(0, 0), "Normal(0, 0) is no prior: std must be above 0"),
        (lambda: Normal(float("nan"), 1), "Normal(nan, 1) is no prior"),
        (lambda: Beta(2, 2).cdf(torch.tensor([-0.5, 1.0])), "A value of -0.5 does not fit Beta(2, 2)"),
        (
            lambda: batch_shaping_loss(torch.rand(3), Prior(stats.norm.cdf, stats.norm.pdf)),  # pyright: ignore[reportArgumentType]
            "The prior's cdf gave a ndarray instead of a tensor: functions of numpy or scipy need Prior.from_numpy",
        ),
        (
            lambda: batch_shaping_loss(torch.rand(3), Prior(torch.sum, torch.ones_like)),
            "The prior's cdf gave the shape () for values (1, 3)",
        ),
    ],
)
def test_a_wrong_prior_is_one_sentence(make: Callable[[], object], sentence: str) -> None:
    with pytest.raises(MemgateError) as error:
        make()
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)
