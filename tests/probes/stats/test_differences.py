"""Differences of numbers with intervals; their coverage is in test_interval_coverage.py."""

import numpy as np
import pytest
from scipy.stats import multinomial

from probes.stats.differences import (
    cautious_correlation,
    difference_interval,
    paired_interval,
    paired_intervals,
    paired_shares,
)
from probes.stats.estimate import Estimate, difference, excess


def test_the_paired_interval_is_bonett_and_prices():
    values = np.array([1] * 12 + [-1] * 3 + [0] * 35)
    gained, lost = 13 / 52, 4 / 52
    half = 1.959964 * np.sqrt((gained + lost - (gained - lost) ** 2) / 52)
    expected = 9 / 50, gained - lost - half, gained - lost + half
    assert paired_interval(values) == pytest.approx(expected)
    assert paired_interval(2 * values, 2) == pytest.approx([2 * number for number in expected])


def test_equal_differences_have_an_interval_within_the_range():
    assert paired_interval(np.zeros(9)) == pytest.approx((0, -0.252, 0.252), abs=1e-3)
    mean, low, high = paired_interval(np.ones(4))
    assert (mean, high) == (1, 1)
    assert 0 < low < 0.5
    assert np.isnan(paired_interval([])).all()
    assert difference([]) == Estimate(None, None, None, 0)


@pytest.mark.parametrize("n", [8, 16, 32, 64])
def test_paired_intervals_cover_whatever_the_probabilities(n):
    gained, lost = (counts.ravel() for counts in np.meshgrid(np.arange(n + 1), np.arange(n + 1)))
    gained, lost = gained[gained + lost <= n], lost[gained + lost <= n]
    _, low, high = paired_intervals(gained - lost, gained + lost, n)
    grid = (0, 0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 0.99, 1)
    coverage = []
    for up, down in ((up, down) for up in grid for down in grid if up + down <= 1):
        chance = multinomial.pmf(
            np.stack([gained, lost, n - gained - lost], 1), n, [up, down, max(0, 1 - up - down)]
        )
        coverage.append(chance[(low <= up - down + 1e-9) & (high >= up - down - 1e-9)].sum())
    assert np.min(coverage) > 0.92
    assert 0.95 < np.mean(coverage) < 0.99


def test_a_difference_is_square_and_add():
    # Newcombe 1998, table II, example (a) of independent proportions: 56 / 70 and 48 / 80, without continuity.
    first, second = (0.8, 0.6919, 0.8770), (0.6, 0.4904, 0.7005)
    assert difference_interval(first, second) == pytest.approx((0.2, 0.0525, 0.3339), abs=1e-3)
    narrow = difference_interval(first, second, 0.9)
    assert narrow[2] - narrow[1] < 0.6 * (0.3339 - 0.0525)
    assert np.isnan(difference_interval(first, (np.nan, np.nan, np.nan))).all()


def test_an_excess_has_no_value_where_a_part_has_none():
    known = Estimate(0.5, 0.4, 0.6, 10)
    assert excess(known, Estimate(None, None, None, 0)) == Estimate(None, None, None, 10)
    assert excess(known, Estimate(0.25, None, None, 1)) == Estimate(0.25, None, None, 11)


def test_a_correlation_counts_where_samples_show_it():
    assert cautious_correlation(0.8, 100) == pytest.approx(0.8, abs=0.005)
    assert cautious_correlation(0.8, 0.5) == pytest.approx(0.4)
    assert [cautious_correlation(value, 9) for value in (-0.5, 0.0, np.nan)] == [0, 0, 0]


def test_paired_shares_are_like_resampled_rows():
    rng = np.random.default_rng(3)
    of = rng.random((2, 300)) < [[0.8], [0.7]]
    common = rng.random(300)
    hits = of & (np.where(rng.random((2, 300)) < 0.7, common, rng.random((2, 300))) < [[0.3], [0.5]])

    def gap(rows):
        first, second = hits[:, rows].sum(axis=1) / of[:, rows].sum(axis=1)
        return first - second

    drawn = [gap(rng.integers(300, size=300)) for _ in range(2000)]
    value, low, high = paired_shares((hits, of))
    assert value == pytest.approx(gap(slice(None)))
    np.testing.assert_allclose([low, high], np.quantile(drawn, [0.025, 0.975]), atol=0.012)
    assert np.isnan(paired_shares((hits, of & False))).all()
    assert np.isnan(paired_shares((hits[:, :0], of[:, :0]))).all()
