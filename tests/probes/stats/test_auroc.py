"""Intervals of AUROCs and of their differences; their coverage is in test_interval_coverage.py."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from probes.stats.auroc import auroc_difference, auroc_interval, components
from probes.stats.intervals import wilson


def delong_by_pairs(score: np.ndarray, positive: np.ndarray) -> float:
    """Standard error by its definition over all pairs."""
    high, low = score[positive], score[~positive]
    wins = (high[:, None] > low[None]) + 0.5 * (high[:, None] == low[None])
    return float(np.sqrt(wins.mean(1).var(ddof=1) / len(high) + wins.mean(0).var(ddof=1) / len(low)))


@pytest.mark.parametrize("decimals", [8, 0])
def test_the_components_are_shares_of_won_pairs(decimals: int) -> None:
    rng = np.random.default_rng(1)
    positive = rng.permutation(60) < 20
    score = np.round(rng.normal(positive * 1.0, 1), decimals)
    high, low = score[positive], score[~positive]
    wins = (high[:, None] > low[None]) + 0.5 * (high[:, None] == low[None])
    beaten, beating = components(score, positive)
    np.testing.assert_allclose(beaten, wins.mean(1))
    np.testing.assert_allclose(beating, wins.mean(0))


@pytest.mark.slow
@pytest.mark.parametrize("decimals", [8, 0])
def test_with_many_samples_it_is_delongs_interval(decimals: int) -> None:
    rng = np.random.default_rng(1)
    positive = np.arange(9000) < 3000
    score = np.round(rng.normal(positive * 1.0, 1), decimals)
    area = roc_auc_score(positive, score)
    half = 1.959964 * delong_by_pairs(score, positive)
    assert auroc_interval(score, positive) == pytest.approx((area - half, area + half), abs=2e-4)


@pytest.mark.slow
@given(st.integers(2, 40), st.integers(2, 60), st.floats(-3, 6), st.sampled_from([8, 0]), st.integers(0, 999))
def test_it_contains_the_auroc_and_turns_with_the_score(m, n, shift, decimals, seed):
    rng = np.random.default_rng(seed)
    positive = np.arange(m + n) < m
    score = np.round(rng.normal(positive * shift, 1), decimals)
    low, high = auroc_interval(score, positive)
    assert 0 <= low <= roc_auc_score(positive, score) + 1e-12
    assert roc_auc_score(positive, score) - 1e-12 <= high <= 1
    assert auroc_interval(-score, positive) == pytest.approx((1 - high, 1 - low))
    assert auroc_interval(-score, ~positive) == pytest.approx((low, high))
    assert auroc_interval(np.exp(score), positive) == pytest.approx((low, high))


def test_an_auroc_of_1_is_known_as_well_as_a_share_of_1() -> None:
    positive = np.arange(1106) < 14
    low, high = auroc_interval(positive * 1.0, positive)
    size = 1 / (1 / 14 + 1 / 1092)
    assert high == 1
    assert low == pytest.approx(wilson(size, size)[0])
    assert low < 0.8
    assert auroc_interval(-1.0 * positive, positive) == pytest.approx((0, 1 - low))


def test_a_class_of_one_sample_has_no_interval() -> None:
    assert np.isnan(auroc_interval([1, 2, 3], [True, False, False])).all()


def test_infinite_scores_are_ranked() -> None:
    assert auroc_interval([np.inf, np.inf, 1, 2, -np.inf], [1, 1, 0, 0, 0]) == auroc_interval(
        [9, 9, 1, 2, 0], [1, 1, 0, 0, 0]
    )


@pytest.fixture
def scores() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    positive = rng.random(400) < 0.3
    common = rng.normal(size=400) + positive
    return common, common + rng.normal(0, 0.4, 400), positive


@pytest.mark.slow
def test_a_difference_of_aurocs_is_paired(scores: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    first, second, positive = scores
    value, low, high = auroc_difference(first, second, positive)
    assert value == pytest.approx(roc_auc_score(positive, first) - roc_auc_score(positive, second))
    ends = [auroc_interval(one, positive) for one in (first, second)]
    assert high - low < sum(end[1] - end[0] for end in ends) / 2
    drawn = []
    rng = np.random.default_rng(1)
    groups = np.flatnonzero(positive), np.flatnonzero(~positive)
    for _ in range(400):
        rows = np.concatenate([rng.choice(group, len(group)) for group in groups])
        drawn.append(roc_auc_score(positive[rows], first[rows]) - roc_auc_score(positive[rows], second[rows]))
    np.testing.assert_allclose([low, high], np.quantile(drawn, [0.025, 0.975]), atol=0.01)


def test_a_difference_turns_with_its_order(scores: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    value, low, high = auroc_difference(*scores)
    assert auroc_difference(scores[1], scores[0], scores[2]) == pytest.approx((-value, -high, -low))


def test_two_perfect_scores_are_not_known_to_be_equal() -> None:
    positive = np.arange(40) < 5
    value, low, high = auroc_difference(positive * 1.0, positive * 2.0, positive)
    assert value == 0
    assert (low, high) == pytest.approx((-0.46, 0.46), abs=0.02)


def test_a_difference_of_aurocs_without_a_group_is_nan() -> None:
    one = np.arange(4.0)
    assert np.isnan(auroc_difference(one, one, np.zeros(4, bool))).all()
    value, low, high = auroc_difference(one, one[::-1], np.array([True, False, False, False]))
    assert value == -1
    assert np.isnan([low, high]).all()
