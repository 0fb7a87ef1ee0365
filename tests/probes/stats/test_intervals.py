"""Intervals of shares, means and medians against scipy; their coverage is in test_interval_coverage.py."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, chi2, quantile_test, t

from probes.stats.intervals import mean_interval, median_interval, score_interval, wilson


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_equals_scipy_but_for_the_end_after_few_hits_or_misses(counts):
    hits, n = counts
    expected = binomtest(hits, n).proportion_ci(method="wilson")
    low, high = wilson(hits, n)
    # Garwood's interval of a Poisson count, with the whole error at one end.
    lowest, highest = (chi2.ppf(0.05, 2 * max(count, 1)) / 2 / n for count in (hits, n - hits))
    assert low == pytest.approx(min(expected.low, lowest) if 0 < hits <= 3 else expected.low, abs=1e-12)
    few = 0 < n - hits <= 3
    assert high == pytest.approx(max(expected.high, 1 - highest) if few else expected.high, abs=1e-12)
    assert 0 <= low <= hits / n <= high <= 1


def test_wilson_takes_arrays_and_has_no_interval_for_n_0():
    low, high = wilson(np.array([0, 3, 5]), np.array([0, 5, 5]))
    assert np.isnan([low[0], high[0]]).all()
    assert high[2] == 1
    assert low.shape == (3,)
    wide, narrow = wilson(3, 5, 0.99), wilson(3, 5, 0.5)
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_the_interval_of_a_share_is_that_of_a_number_with_its_variance():
    for hits in range(11):
        assert score_interval(hits / 10, 10, 1.0) == pytest.approx(tuple(map(float, wilson(hits, 10))))
    # A tenth of the variance is ten times the samples, where many samples speak for and against it.
    assert score_interval(0.5, 10_000, 0.1) == pytest.approx(tuple(map(float, wilson(5e4, 1e5))), abs=1e-5)
    # Where few do, it counts little.
    low, _ = score_interval(0.999, 14, 0.1)
    assert low == pytest.approx(float(wilson(14 * 0.999, 14)[0]), abs=0.01)


def test_the_mean_of_values_in_a_range_lies_in_it_and_of_many_is_students():
    assert mean_interval([1.0] * 5, (0, 1)) == (1, pytest.approx(float(wilson(5, 5)[0])), 1)
    assert mean_interval([3.0], (-1, 3))[0] == 3
    values = np.random.default_rng(0).beta(2, 3, 4000)
    assert mean_interval(values, (0, 1)) == pytest.approx(mean_interval(values), abs=1e-4)
    shifted = mean_interval(7 * values - 2, (-2, 5))
    assert shifted == pytest.approx([7 * number - 2 for number in mean_interval(values, (0, 1))])


def test_mean_interval_equals_student():
    values = np.random.default_rng(0).normal(3, 2, 120)
    mean, low, high = mean_interval(values)
    expected = t.interval(0.95, 119, loc=values.mean(), scale=values.std(ddof=1) / 120**0.5)
    assert mean == pytest.approx(values.mean())
    assert (low, high) == pytest.approx(expected)


def test_few_or_equal_values_without_a_range_have_no_interval():
    assert np.isnan(mean_interval([])).all()
    assert np.isnan(mean_interval([], (0, 1))).all()
    for values in ([2.0], np.arange(99.0), np.full(200, 2.0)):
        mean, low, high = mean_interval(values)
        assert mean == np.mean(values)
        assert np.isnan([low, high]).all()


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
