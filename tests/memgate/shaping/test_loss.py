"""The batch-shaping loss: eq. (2) against scipy, gradients, ties, orders, precisions, and what it moves."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from memgate import Beta, MemgateError, Normal, Prior, Uniform, batch_shaping_loss
from memgate.shaping.loss import ranks
from memgate.shaping.priors import Distribution

PAPER = Beta(0.6, 0.4)

CASES = [
    (PAPER, stats.beta(0.6, 0.4)),
    (Uniform(-1.0, 2.0), stats.uniform(-1.0, 3.0)),
    (Normal(0.5, 2.0), stats.norm(0.5, 2.0)),
    (Prior.from_numpy(stats.expon.cdf, stats.expon.pdf), stats.expon()),
]


def equation_2(values: np.ndarray, probability: np.ndarray) -> float:
    """Eq. (2) of the paper with lambda 1, summed over the columns, from values and their probabilities [N, F]."""
    n = len(values)
    ordered = np.take_along_axis(probability, values.argsort(axis=0), axis=0)
    return (((np.arange(1, n + 1) / (n + 1))[:, None] - ordered) ** 2).mean(axis=0).sum().item()


def loss_and_gradient(values: torch.Tensor, prior: Distribution) -> tuple[float, torch.Tensor]:
    values = values.clone().requires_grad_()
    loss = batch_shaping_loss(values, prior)
    (gradient,) = torch.autograd.grad(loss, values)
    return loss.item(), gradient


def central_differences(values: torch.Tensor, prior: Distribution, step: float = 1e-4) -> torch.Tensor:
    """Gradient of values in float64; a smaller step would see the rounding of the interpolation."""
    result = torch.zeros_like(values)
    for position in np.ndindex(*values.shape):
        moved = torch.zeros_like(values)
        moved[position] = step
        high, low = (batch_shaping_loss(values + sign * moved, prior) for sign in (1, -1))
        result[position] = (high - low) / (2 * step)
    return result


@pytest.mark.parametrize(("prior", "scipys"), CASES)
def test_value_and_gradient(prior: Distribution, scipys: stats.rv_continuous) -> None:
    values = np.asarray(scipys.rvs((12, 3), random_state=1))
    if isinstance(prior, Beta):
        values = values.clip(0.01, 0.99)  # so that central differences stay inside
    x = torch.as_tensor(values)
    loss, gradient = loss_and_gradient(x, prior)
    assert loss == pytest.approx(equation_2(values, scipys.cdf(values)), abs=1e-8)
    torch.testing.assert_close(gradient, central_differences(x, prior, 1e-6), rtol=1e-4, atol=1e-7)
    ranks = stats.rankdata(values, axis=0) / 13
    np.testing.assert_allclose(
        gradient, 2 / 12 * (scipys.cdf(values) - ranks) * scipys.pdf(values), rtol=1e-6, atol=1e-9
    )
    loss_32, gradient_32 = loss_and_gradient(x.float(), prior)
    assert loss_32 == pytest.approx(loss, abs=3e-6)
    torch.testing.assert_close(gradient_32.double(), gradient, rtol=1e-3, atol=1e-5)


def test_logits_have_the_loss_of_their_sigmoid() -> None:
    z = torch.linspace(-6, 6, 30, dtype=torch.float64).reshape(10, 3)[torch.randperm(10)]
    loss, gradient = loss_and_gradient(z, PAPER.of_logits())
    p = special.expit(z.numpy())
    assert loss == pytest.approx(equation_2(p, stats.beta.cdf(p, 0.6, 0.4)), abs=1e-8)
    torch.testing.assert_close(gradient, central_differences(z, PAPER.of_logits()), rtol=1e-6, atol=1e-9)
    by_values = z.clone().requires_grad_()
    batch_shaping_loss(by_values.sigmoid(), PAPER).backward()
    torch.testing.assert_close(by_values.grad, gradient, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("prior", [PAPER.of_logits(), Beta(4.0, 0.5).of_logits(), Normal(0.0, 1.5)])
def test_gradcheck_once_and_twice(prior: Distribution) -> None:
    z = torch.linspace(-4, 4, 8, dtype=torch.float64).reshape(4, 2).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: batch_shaping_loss(x, prior), (z,), eps=1e-4, atol=1e-6)
    assert torch.autograd.gradgradcheck(lambda x: batch_shaping_loss(x, prior), (z,), eps=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("gates", "expected"),
    [
        (torch.zeros(256), 0.3327),
        (torch.ones(256), 0.3327),
        (torch.full((256,), 0.5), 0.0961),
        ((torch.arange(256) + 0.5) / 256, 0.0172),
    ],
    ids=["closed", "open", "half", "uniform"],
)
def test_known_values_of_the_papers_prior(gates: torch.Tensor, expected: float) -> None:
    assert batch_shaping_loss(gates, PAPER).item() == pytest.approx(expected, abs=1e-4)
    logits = torch.logit(gates).clamp(-100, 100)
    assert batch_shaping_loss(logits, PAPER.of_logits()).item() == pytest.approx(expected, abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("n", [1, 80, 256])
def test_draws_of_the_prior_have_the_same_expectation_for_every_prior(n: int) -> None:
    """It is 1 / (6 (N + 1)), also of a smaller last batch; 2,000 features, so that 5 standard errors are 10 %."""
    p = np.random.default_rng(0).beta(0.6, 0.4, (n, 2000))
    drawn = [
        (torch.as_tensor(special.logit(p.clip(1e-12, 1 - 1e-12))), PAPER.of_logits()),
        (torch.as_tensor(np.random.default_rng(1).normal(2, 3, (n, 2000))), Normal(2, 3)),
    ]
    for values, prior in drawn:
        mean = batch_shaping_loss(values, prior, reduction="mean").item()
        assert mean == pytest.approx(1 / (6 * (n + 1)), rel=0.1)


@pytest.mark.parametrize("logit", [17.0, 30.0, 100.0, 1e30, torch.inf])
def test_saturated_gates_in_float32_have_finite_gradients(logit: float) -> None:
    """sigmoid(17) is 1 in float32: the density is infinite there, the slope of the sigmoid 0, their product NaN."""
    z = torch.tensor([-logit, -1.0, 0.0, 2.0, logit])
    _, gradient = loss_and_gradient(z, PAPER.of_logits())
    assert gradient.isfinite().all()
    through = z.clone().requires_grad_()
    batch_shaping_loss(through.sigmoid(), PAPER).backward()
    assert through.grad is not None
    assert through.grad.isfinite().all()
    _, of_ends = loss_and_gradient(torch.tensor([0.0, 0.0, 1e-45, 0.3, 1.0, 1.0]), PAPER)
    assert of_ends.isfinite().all()
    _, far = loss_and_gradient(z, Normal(0, 1))
    assert far.isfinite().all()


@pytest.mark.parametrize("steps", [1, 8, 1e9], ids=["many ties", "ties", "no ties"])
def test_ranks_are_scipys_mean_ranks(steps: float) -> None:
    rows = (torch.randn(5, 97, generator=torch.Generator().manual_seed(0)) * steps).round() / steps
    rows[0, :3], rows[1, :2] = torch.inf, -torch.inf
    rows[2, :2] = torch.tensor([0.0, -0.0])
    rank, ties = ranks(rows.T.contiguous().T)
    np.testing.assert_array_equal(rank, stats.rankdata(rows, axis=1))
    np.testing.assert_array_equal(ties, (rows[:, :, None] == rows[:, None, :]).sum(dim=2))


def test_tied_values_share_the_gradient_from_both_sides() -> None:
    x = torch.tensor([0.3, 0.7, 0.3, 0.9, 0.3, 0.7], dtype=torch.float64)
    loss, gradient = loss_and_gradient(x, Normal(0, 1))
    assert loss == pytest.approx(equation_2(x[:, None].numpy(), stats.norm.cdf(x)[:, None]), abs=1e-12)
    assert len({round(value, 12) for value in gradient.tolist()}) == 3
    torch.testing.assert_close(gradient, central_differences(x, Normal(0, 1), 1e-6), rtol=1e-5, atol=1e-8)


@settings(max_examples=30)
@given(st.data())
def test_neither_value_nor_gradient_depends_on_the_order(data: st.DataObject) -> None:
    values = data.draw(st.lists(st.sampled_from([-3.0, -0.5, 0.0, 0.5, 8.0, 40.0]), min_size=2, max_size=9))
    order = data.draw(st.permutations(range(len(values))))
    x = torch.tensor(values)
    loss, gradient = loss_and_gradient(x, PAPER.of_logits())
    other_loss, other_gradient = loss_and_gradient(x[order], PAPER.of_logits())
    assert other_loss == pytest.approx(loss, abs=1e-7)
    torch.testing.assert_close(other_gradient, gradient[order], rtol=0, atol=0)


def test_features_are_summed_or_averaged_whatever_their_shape() -> None:
    maps = torch.randn(16, 3, 2, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    prior = Normal(0, 1)
    whole = batch_shaping_loss(maps, prior).item()
    alone = sum(batch_shaping_loss(maps[:, c, h, w], prior).item() for c, h, w in np.ndindex(3, 2, 5))
    assert whole == pytest.approx(alone, rel=1e-12)
    channels_last = maps.to(memory_format=torch.channels_last)
    assert batch_shaping_loss(channels_last, prior).item() == pytest.approx(whole, rel=1e-12)
    assert batch_shaping_loss(maps, prior, reduction="mean").item() == pytest.approx(whole / 30, rel=1e-12)
    assert batch_shaping_loss(maps, prior, weight=0.75).item() == pytest.approx(0.75 * whole, rel=1e-12)
    assert batch_shaping_loss(maps, prior, weight=0).item() == 0


def test_a_single_sample_is_pulled_to_the_median() -> None:
    loss, gradient = loss_and_gradient(torch.tensor([[-1.0, 0.0, 1.0]]), Normal(0, 1))
    assert loss == pytest.approx(2 * (stats.norm.cdf(1) - 0.5) ** 2, abs=1e-6)
    assert gradient.sign().tolist() == [[-1, 0, 1]]


def test_sixteen_bits_are_computed_in_float32() -> None:
    torch.manual_seed(0)
    layer, images = torch.nn.Linear(8, 4), torch.randn(512, 8)
    with torch.autocast("cpu", torch.bfloat16):
        logits = layer(images)
        assert logits.dtype == torch.bfloat16
        assert len(logits[:, 0].unique()) < 512  # ties
        loss = batch_shaping_loss(logits, PAPER.of_logits())
    assert loss.dtype == torch.float32
    assert loss.item() == batch_shaping_loss(logits.float(), PAPER.of_logits()).item()
    loss.backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.isfinite().all()
    assert layer.weight.grad.abs().sum() > 0


def test_a_network_that_has_diverged_has_the_loss_nan() -> None:
    assert batch_shaping_loss(torch.tensor([0.1, torch.nan, 0.3]), PAPER.of_logits()).isnan()
    assert batch_shaping_loss(torch.tensor([0.1, torch.nan, 0.3]), PAPER).isnan()


def test_the_loss_waits_for_no_device() -> None:
    """On the device without memory anything that reads a value back to the host is an error."""
    for prior in (PAPER.of_logits(), Normal(0, 1), Uniform(0, 1)):
        z = torch.empty(256, 16, device="meta", requires_grad=True)
        loss = batch_shaping_loss(z, prior)
        loss.backward()
        assert (loss.device.type, loss.shape) == ("meta", ())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("prior", "cdf", "rate"),
    [
        (PAPER.of_logits(), lambda z: stats.beta.cdf(special.expit(z), 0.6, 0.4), 20.0),
        (Normal(2.3, 0.5), stats.norm(2.3, 0.5).cdf, 0.5),
        (Uniform(-2.0, 2.0), stats.uniform(-2, 4).cdf, 5.0),
    ],
)
def test_descent_moves_a_distribution_to_the_prior(
    prior: Distribution, cdf: Callable[[np.ndarray], np.ndarray], rate: float
) -> None:
    """Kolmogorov-Smirnov distance of 200 values from the prior: 1/200 is the least for values without ties."""
    values = torch.nn.Parameter(torch.rand(200, generator=torch.Generator().manual_seed(0)) + 1.0)

    def distance() -> float:
        return stats.kstest(values.detach().numpy(), cdf).statistic.item()

    assert distance() > 0.5
    optimiser = torch.optim.SGD([values], lr=rate * len(values))
    for _ in range(400):
        optimiser.zero_grad()
        batch_shaping_loss(values, prior).backward()
        optimiser.step()
    assert distance() < 0.02


@pytest.mark.parametrize(
    ("values", "options", "sentence"),
    [
        (torch.zeros(0, 4), {}, "Values of the shape (0, 4) have no distribution over a batch"),
        (torch.zeros(4, 0), {}, "(4, 0)"),
        (torch.tensor(0.5), {}, "()"),
        (torch.zeros(4), {"weight": -1.0}, "weight -1.0 is out of range: 0 or more."),
        (torch.zeros(4), {"weight": float("nan")}, "weight nan is out of range"),
        (torch.zeros(4), {"reduction": "max"}, "reduction 'max' must be 'sum' or 'mean'."),
    ],
)
def test_what_cannot_be_shaped_is_one_sentence(values: torch.Tensor, options: dict, sentence: str) -> None:
    with pytest.raises(MemgateError) as error:
        batch_shaping_loss(values, Normal(0, 1), **options)
    assert sentence in str(error.value)
