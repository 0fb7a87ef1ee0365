"""Spearman's rank correlation against scipy; its coverage is in test_interval_coverage.py."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from probes.stats.rank_correlation import SPEARMAN_PAIRS, spearman_interval


def test_rho_is_the_correlation_of_ranks_and_lies_in_its_interval():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 9, 300)
    y = x + rng.normal(0, 5, 300)
    rho, low, high = spearman_interval(x, y)
    expected, _ = spearmanr(x, y)
    assert rho == pytest.approx(expected)
    assert low < rho < high
    assert spearman_interval(x, -y) == pytest.approx((-rho, -high, -low))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["normal", "mixed", "tied"])
def test_the_width_is_that_of_a_bootstrap(kind):
    rng = np.random.default_rng(3)
    x, noise = rng.normal(size=(2, 500))
    y = {
        "normal": x + noise,
        "mixed": np.where(rng.random(500) < 0.2, noise, x),
        "tied": np.round(x + noise / 3),
    }[kind]
    x = np.round(x) if kind == "tied" else x
    drawn = []
    for _ in range(300):
        rows = rng.integers(0, 500, 500)
        drawn.append(np.arctanh(np.asarray(spearmanr(x[rows], y[rows]))[0]))
    _, low, high = spearman_interval(x, y)
    assert np.arctanh(high) - np.arctanh(low) == pytest.approx(2 * 1.96 * np.std(drawn), rel=0.2)


def test_few_constant_or_equal_values_have_no_interval():
    for x, y in (([], []), ([1], [2]), ([1, 1, 1, 1, 1], [1, 2, 3, 4, 5]), ([1, 2, 3], [7, 7, 7])):
        assert np.isnan(spearman_interval(x, y)).all()
    for n in (3, SPEARMAN_PAIRS - 1):
        rho, low, high = spearman_interval(np.arange(n), np.roll(np.arange(n), 1))
        assert -1 < rho < 1
        assert np.isnan([low, high]).all()
    rho, low, high = spearman_interval(np.arange(100), -np.arange(100))
    assert rho == -1
    assert np.isnan([low, high]).all()
