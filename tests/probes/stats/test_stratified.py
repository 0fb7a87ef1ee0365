"""Differences and rank correlations within strata: known answers, invariances and coverage by simulation."""

import numpy as np
import pytest
from scipy.stats import spearmanr, ttest_ind

from probes.stats.rank_correlation import STRATUM_PAIRS, spearman_interval, stratified_spearman
from probes.stats.stratified import FREEDOM, stratified_difference


def test_what_depends_on_the_class_alone_differs_by_nothing_within_classes():
    rng = np.random.default_rng(0)
    strata = rng.integers(0, 10, 2000)
    group = rng.random(2000) < np.linspace(0.05, 0.6, 10)[strata]  # the classes are corrupted unevenly
    cost = 100.0 + 10 * strata
    change = stratified_difference(cost, group, ~group, strata)
    assert change.value == pytest.approx(0, abs=1e-9)
    assert cost[group].mean() - cost[~group].mean() > 10
    hardness = strata + rng.normal(size=2000)
    noisy = cost + rng.normal(size=2000)
    assert spearman_interval(noisy, hardness)[0] > 0.8
    rho, low, high = stratified_spearman(noisy, hardness, strata)
    assert low < 0 < high
    assert abs(rho) < 0.1
    assert np.isnan(stratified_spearman(cost, hardness, strata)).all(), (
        "the cost never differs within a class"
    )


def test_with_one_stratum_the_difference_is_that_of_welch():
    rng = np.random.default_rng(1)
    values, group = rng.normal(size=300), np.arange(300) < 80
    change = stratified_difference(values, group, ~group, np.zeros(300))
    welch = ttest_ind(values[group], values[~group], equal_var=False).confidence_interval(0.95)
    assert (change.value, change.n) == (pytest.approx(values[group].mean() - values[~group].mean()), 80)
    assert (change.low, change.high) == pytest.approx(tuple(welch), rel=2e-3)


def test_the_difference_is_the_mean_over_the_group_of_the_differences_in_its_classes():
    strata = np.array([0, 0, 0, 1, 1, 2])
    group = np.array([1, 1, 0, 1, 0, 1], bool)
    values = np.array([4.0, 6.0, 1.0, 10.0, 7.0, 99.0])
    change = stratified_difference(values, group, ~group, strata)
    assert (change.value, change.n) == (
        pytest.approx((2 * (5 - 1) + (10 - 7)) / 3),
        3,
    )  # class 2 has no reference
    assert change.low is None
    values[0] = np.nan
    assert stratified_difference(values, group, ~group, strata).value == pytest.approx((5 + 3) / 2)
    assert stratified_difference(values, group, np.zeros(6, bool), strata).value is None


def test_the_unbiased_correlation_of_one_large_stratum_is_that_of_scipy():
    rng = np.random.default_rng(2)
    x = rng.normal(size=3000)
    y = x + rng.normal(size=3000)
    rho, low, high = stratified_spearman(x, y, np.zeros(3000))
    assert rho == pytest.approx(np.asarray(spearmanr(x, y))[0], abs=1e-3)
    assert (low, high) == pytest.approx(spearman_interval(x, y)[1:], abs=2e-3)


def test_only_ranks_within_strata_count():
    rng = np.random.default_rng(3)
    x, strata = rng.normal(size=400), rng.integers(0, 8, 400)
    y = x + rng.normal(size=400)
    first = stratified_spearman(x, y, strata)
    assert stratified_spearman(np.exp(x) + 50 * strata, y**3 - 9 * strata, strata) == pytest.approx(first)
    order = rng.permutation(400)
    assert stratified_spearman(x[order], y[order], strata[order]) == pytest.approx(first)
    assert stratified_spearman(x, -y, strata) == pytest.approx((-first[0], -first[2], -first[1]))


def test_few_pairs_and_constant_strata_are_left_out():
    few = STRATUM_PAIRS - 1
    x = np.arange(few, dtype=float)
    assert np.isnan(stratified_spearman(x, x, np.zeros(few))).all()
    assert np.isnan(stratified_spearman([], [], [])).all()
    rho, low, high = stratified_spearman(np.arange(40), np.roll(np.arange(40), 3), np.repeat([0, 1], 20))
    assert -1 < rho < 1
    assert np.isnan([low, high]).all(), "too few pairs for an interval"
    values = np.random.default_rng(4).normal(size=FREEDOM + 40)
    group = np.arange(len(values)) < FREEDOM
    assert stratified_difference(values, group, ~group, np.zeros(len(values))).low is None


@pytest.mark.slow
@pytest.mark.parametrize(("n", "classes", "rho"), [(100, 10, 0.5), (200, 20, 0.9)])
def test_the_interval_of_the_correlation_contains_the_true_one(n, classes, rho):
    rng = np.random.default_rng(5)
    true = 6 / np.pi * np.arcsin(rho / 2)  # Spearman's of two normal variables
    hits = estimates = 0
    for _ in range(100):
        strata = rng.integers(0, classes, n)
        x, noise = rng.normal(size=(2, n))
        y = rho * x + np.sqrt(1 - rho**2) * noise
        value, low, high = stratified_spearman(x + strata, y - strata, strata)
        hits += low <= true <= high or np.isnan(low)
        estimates += value
    assert hits / 100 >= 0.91
    assert estimates / 100 == pytest.approx(true, abs=0.02)


@pytest.mark.slow
@pytest.mark.parametrize(("corrupted", "clean", "classes"), [(32, 100, 10), (60, 2000, 30), (300, 3000, 100)])
def test_the_interval_of_the_difference_contains_the_true_one(corrupted, clean, classes):
    rng = np.random.default_rng(6)
    n, hits = corrupted + clean, 0
    group = np.arange(n) < corrupted
    for _ in range(400):
        strata = rng.integers(0, classes, n)
        strata[group] = np.minimum(strata[group], rng.integers(0, classes, corrupted))
        values = strata + (rng.exponential(size=n) - 1) * np.where(group, 2, 1) + 0.3 * group
        change = stratified_difference(values, group, ~group, strata)
        hits += change.low is None or change.low <= 0.3 <= (change.high or 0)
    assert hits / 400 >= 0.91
