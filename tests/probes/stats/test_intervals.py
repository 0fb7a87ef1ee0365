import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, quantile_test, spearmanr, t
from sklearn.metrics import roc_auc_score

from probes.stats.intervals import auroc_interval, mean_interval, median_interval, spearman_interval, wilson


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_equals_scipy(counts):
    hits, n = counts
    expected = binomtest(hits, n).proportion_ci(method="wilson")
    low, high = wilson(hits, n)
    assert low == pytest.approx(expected.low, abs=1e-12)
    assert high == pytest.approx(expected.high, abs=1e-12)
    assert 0 <= low <= hits / n <= high <= 1


def test_wilson_takes_arrays_and_has_no_interval_for_n_0():
    low, high = wilson(np.array([0, 3, 5]), np.array([0, 5, 5]))
    assert np.isnan([low[0], high[0]]).all()
    assert high[2] == 1
    assert low.shape == (3,)
    wide, narrow = wilson(3, 5, 0.99), wilson(3, 5, 0.5)
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_mean_interval_equals_student():
    values = np.random.default_rng(0).normal(3, 2, 25)
    mean, low, high = mean_interval(values)
    expected = t.interval(0.95, 24, loc=values.mean(), scale=values.std(ddof=1) / 5)
    assert mean == pytest.approx(values.mean())
    assert (low, high) == pytest.approx(expected)
    assert np.isnan(mean_interval([])).all()
    assert mean_interval([2.0])[0] == 2
    assert np.isnan(mean_interval([2.0])[1:]).all()


def delong_by_pairs(score: np.ndarray, positive: np.ndarray) -> float:
    """Standard error by its definition over all pairs."""
    high, low = score[positive], score[~positive]
    wins = (high[:, None] > low[None]) + 0.5 * (high[:, None] == low[None])
    return float(np.sqrt(wins.mean(1).var(ddof=1) / len(high) + wins.mean(0).var(ddof=1) / len(low)))


@pytest.mark.slow
@pytest.mark.parametrize("decimals", [8, 0])
def test_delong_equals_its_definition_and_is_close_to_a_bootstrap(decimals):
    rng = np.random.default_rng(1)
    positive = np.arange(300) < 90
    score = np.round(rng.normal(positive * 1.0, 1), decimals)
    low, high = auroc_interval(score, positive)
    assert (low + high) / 2 == pytest.approx(roc_auc_score(positive, score))
    assert (high - low) / 2 == pytest.approx(1.959964 * delong_by_pairs(score, positive), rel=1e-6)
    picks = [
        np.concatenate([rng.choice(np.flatnonzero(group), group.sum()) for group in (positive, ~positive)])
        for _ in range(1000)
    ]
    areas = [roc_auc_score(positive[pick], score[pick]) for pick in picks]
    assert (low, high) == pytest.approx(tuple(np.quantile(areas, [0.025, 0.975])), abs=0.012)


def test_delong_has_its_coverage():
    rng = np.random.default_rng(2)
    positive = np.arange(120) < 40
    truth = 0.7602499  # of two unit normals with means 0 and 1: Phi(1 / sqrt 2)
    covered = 0
    for _ in range(400):
        low, high = auroc_interval(rng.normal(positive * 1.0, 1), positive)
        covered += low <= truth <= high
    assert 0.91 <= covered / 400 <= 0.98


def test_delong_stays_in_range_and_is_undefined_for_one_sample():
    positive = np.array([True, True, False, False, False])
    assert auroc_interval([5, 6, 1, 2, 3], positive) == (1, 1)
    assert auroc_interval([5, 3, 1, 4, 3], positive)[1] == 1
    assert np.isnan(auroc_interval([1, 2, 3], [True, False, False])).all()


@given(st.integers(1, 300), st.sampled_from([0.8, 0.9, 0.95]))
def test_median_interval_equals_scipy(n, confidence):
    values = np.random.default_rng(n).normal(size=n)
    middle, low, high = median_interval(values, confidence)
    assert middle == pytest.approx(np.median(values))
    expected = quantile_test(values).confidence_interval(confidence)
    np.testing.assert_array_equal([low, high], [expected.low, expected.high])


def test_median_interval_ranks_infinite_values_and_is_undefined_for_few():
    assert median_interval([1, 2, 3] * 5 + [np.inf] * 20) == (np.inf, 3, np.inf)
    assert np.isnan(median_interval([])).all()
    assert median_interval([4, 2])[0] == 3
    assert np.isnan(median_interval([4, 2])[1:]).all()


def test_spearman_interval_has_its_coverage_and_is_the_correlation_of_ranks():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 9, 300)
    y = x + rng.normal(0, 5, 300)
    rho, low, high = spearman_interval(x, y)
    expected, _ = spearmanr(x, y)
    assert rho == pytest.approx(expected)
    assert low < rho < high
    # The rank correlation of a bivariate normal with correlation r is 6/pi asin(r/2).
    true, hits = 6 / np.pi * np.arcsin(0.6 / 2), 0
    for _ in range(400):
        first, noise = rng.normal(size=(2, 60))
        _, low, high = spearman_interval(first, 0.6 * first + 0.8 * noise)
        hits += low <= true <= high
    assert 0.92 <= hits / 400 <= 0.98


def test_spearman_interval_of_few_or_constant_values():
    for x, y in (([], []), ([1], [2]), ([1, 1, 1, 1, 1], [1, 2, 3, 4, 5]), ([1, 2, 3], [7, 7, 7])):
        assert np.isnan(spearman_interval(x, y)).all()
    rho, low, high = spearman_interval([1, 2, 3], [1, 3, 2])
    assert rho == pytest.approx(0.5)
    assert np.isnan([low, high]).all()
    assert spearman_interval([1, 2, 3, 4], [8, 7, 6, 5]) == (-1, -1, -1)
