"""Average precision, precision at k and FPR at 95 % TPR: against scikit-learn, pytorch-ood and slow loops."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch_ood.metrics import OODMetrics
from sklearn.metrics import average_precision_score, roc_curve

from memgate.errors import MemgateError
from probes.scores.catalogue import SCORES
from probes.scores.detection import (
    FIGURES,
    auroc,
    average_precision,
    detection,
    detection_figures,
    fpr95,
    precision_at_k,
)
from probes.scores.separation import separations
from probes.scores.table import score_table
from probes.stats.bootstrap import AP_POSITIVES, FPR95_POSITIVES, resample_interval, resampled
from probes.stats.ranking import order


@st.composite
def labelled(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Scores with many ties, and two classes that are not empty."""
    n = draw(st.integers(2, 30))
    score = draw(st.lists(st.integers(-3, 3), min_size=n, max_size=n))
    positive = draw(st.lists(st.booleans(), min_size=n, max_size=n).filter(lambda kinds: 0 < sum(kinds) < n))
    return np.array(score, float), np.array(positive)


def values(score, positive) -> list[float]:
    return [figure(order(score, positive).ranking()) for figure in FIGURES]


def loop_fpr95(score, positive) -> float:
    """The highest threshold with a TPR of at least 95 %, by trying one after the other."""
    for threshold in sorted(set(score), reverse=True):
        if 100 * (score[positive] >= threshold).sum() >= 95 * positive.sum():
            return float((score[~positive] >= threshold).mean())
    raise AssertionError


def loop_precision_at_k(score, positive) -> float:
    """Mean over all orders of samples with equal scores."""
    k = int(positive.sum())
    ways = [
        positive[list(way)][:k].mean()
        for way in itertools.permutations(range(len(score)))
        if all(score[a] >= score[b] for a, b in itertools.pairwise(way))
    ]
    return float(np.mean(ways))


@pytest.mark.slow
@given(labelled())
def test_average_precision_equals_scikit_learn(sample):
    score, positive = sample
    result = average_precision(order(score, positive).ranking())
    assert result == pytest.approx(average_precision_score(positive, score))


@pytest.mark.slow
@given(labelled())
def test_fpr95_equals_a_loop_and_scikit_learns_curve(sample):
    score, positive = sample
    result = fpr95(order(score, positive).ranking())
    assert result == pytest.approx(loop_fpr95(score, positive))
    fpr, tpr, _ = roc_curve(positive, score, drop_intermediate=False)
    assert result == pytest.approx(fpr[np.argmax(tpr >= 0.95)])


def test_19_of_20_are_95_percent():
    score = np.append(np.arange(20), [0.5, 1.5])
    positive = np.arange(22) < 20
    assert fpr95(order(score, positive).ranking()) == 0.5


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_precision_at_k_is_the_mean_over_all_orders_of_ties(data):
    n = data.draw(st.integers(2, 7))
    score = np.array(data.draw(st.lists(st.integers(0, 2), min_size=n, max_size=n)))
    kinds = st.lists(st.booleans(), min_size=n, max_size=n).filter(lambda kinds: 0 < sum(kinds) < n)
    positive = np.array(data.draw(kinds))
    result = precision_at_k(order(score, positive).ranking())
    assert result == pytest.approx(loop_precision_at_k(score, positive))


@pytest.mark.parametrize("decimals", [8, 1, 0])
def test_pytorch_ood_gives_the_same(decimals):
    rng = np.random.default_rng(0)
    positive = rng.random(500) < 0.3
    score = np.round(rng.normal(positive, 1), decimals)
    # Negative: out-of-distribution, the samples to detect.
    labels = torch.from_numpy(np.where(positive, -1, 0))
    theirs = OODMetrics().update(torch.from_numpy(score), labels).compute()
    assert auroc(score, positive, 1).value == pytest.approx(theirs["AUROC"])
    assert fpr95(order(score, positive).ranking()) == pytest.approx(theirs["FPR95TPR"])


@pytest.mark.slow
@given(labelled(), st.randoms(use_true_random=False))
def test_figures_depend_only_on_the_ranking(sample, random):
    score, positive = sample
    rows = list(range(len(score)))
    random.shuffle(rows)
    expected = values(score, positive)
    assert values(score[rows], positive[rows]) == pytest.approx(expected)
    assert values(np.exp(score) - 7, positive) == pytest.approx(expected)


@pytest.mark.slow
@given(labelled(), st.integers(2, 4))
def test_repeating_every_sample_changes_nothing(sample, times):
    score, positive = sample
    assert values(np.tile(score, times), np.tile(positive, times)) == pytest.approx(values(score, positive))


@pytest.mark.slow
@given(labelled(), st.data())
def test_a_weight_equals_that_many_copies(sample, data):
    score, positive = sample
    counts = st.lists(st.integers(0, 3), min_size=len(score), max_size=len(score))
    weight = np.array(
        data.draw(counts.filter(lambda w: np.array(w)[positive].any() and np.array(w)[~positive].any()))
    )
    ranking = order(score, positive).ranking(weight)
    result = [figure(ranking) for figure in FIGURES]
    assert result == pytest.approx(values(np.repeat(score, weight), np.repeat(positive, weight)))


def test_intervals_equal_a_slow_bootstrap_with_the_same_resamples():
    rng = np.random.default_rng(1)
    positive = np.arange(250) < 110
    score = np.round(rng.normal(positive, 1), 1)
    weights = np.concatenate([resampled(110, 50, 0, "a"), resampled(140, 50, 0, "b")], axis=1)
    slow = []
    for weight in weights:
        scores, labels = np.repeat(score, weight), np.repeat(positive, weight)
        top = np.sort(scores)[::-1][labels.sum() - 1]
        above, tied = scores > top, scores == top
        hits = labels[above].sum() + (labels.sum() - above.sum()) * labels[tied].mean()
        slow.append(
            [average_precision_score(labels, scores), hits / labels.sum(), loop_fpr95(scores, labels)]
        )
    result = detection_figures(score, positive, weights)
    for estimate, drawn, value in zip(result, np.transpose(slow), values(score, positive), strict=True):
        assert estimate.value == pytest.approx(value)
        percentiles = tuple(np.quantile(drawn, [0.025, 0.975]))
        ends = percentiles if estimate is result[2] else resample_interval(value, drawn, 110)
        assert (estimate.low, estimate.high) == pytest.approx(ends)
        # With this many samples the two hardly differ.
        assert (estimate.low, estimate.high) == pytest.approx(percentiles, abs=0.025)
        assert estimate.n == 250


@pytest.mark.parametrize("positives", [AP_POSITIVES - 1, AP_POSITIVES, FPR95_POSITIVES - 1, FPR95_POSITIVES])
def test_few_positives_leave_out_the_intervals_that_would_not_hold(positives):
    rng = np.random.default_rng(1)
    positive = np.append(np.arange(300) < positives, True)
    score = np.append(rng.normal(positive[:300], 1), np.nan)  # a sample without a score is not counted
    precise, at_k, fpr = detection_figures(score, positive, rng.integers(0, 3, (20, 301)))
    assert None not in (precise.value, at_k.low, fpr.value)
    assert (precise.low is None, precise.high is None) == (positives < AP_POSITIVES,) * 2
    assert (fpr.low is None, fpr.high is None) == (positives < FPR95_POSITIVES,) * 2


def test_missing_scores_are_left_out_of_value_and_resamples():
    rng = np.random.default_rng(2)
    positive = rng.random(60) < 0.5
    score = rng.normal(positive, 1)
    weights = rng.integers(0, 3, (20, 60))
    there = np.arange(60) % 3 > 0
    result = detection_figures(np.where(there, score, np.nan), positive, weights)
    assert result == detection_figures(score[there], positive[there], weights[:, there])
    assert result[0].n == 40


def test_resamples_without_a_score_of_one_class_are_ignored():
    score, positive = np.array([3.0, np.nan, 2, 1, 0]), np.array([True, True, True, False, False])
    weights = np.array([[0, 3, 0, 1, 1], [1, 1, 1, 2, 0], [2, 0, 1, 1, 1]])
    result = detection_figures(score, positive, weights)
    # Both figures are 1 in each of the two resamples left; the interval is that of 2 of 2.
    ends = [(estimate.low, estimate.high) for estimate in result]
    assert ends == [(None, None), (pytest.approx(0.1777, abs=1e-4), 1), (None, None)]


@pytest.mark.parametrize("positives", [0, 6])
def test_without_one_of_the_classes_there_is_no_figure(positives):
    result = detection_figures(np.arange(6.0), np.arange(6) < positives, np.ones((4, 6), int))
    assert {(estimate.value, estimate.low, estimate.n) for estimate in result} == {(None, None, 6)}


def test_a_single_sample_of_a_class_has_a_value_and_no_interval():
    result = detection_figures(np.arange(6.0), np.arange(6) == 5, np.ones((4, 6), int))
    assert [(estimate.value, estimate.low) for estimate in result] == [(1, None), (1, None), (0, None)]


def test_infinite_losses_rank_highest():
    assert values(np.array([np.inf, 1, 2]), np.array([True, False, False])) == [1, 1, 0]


@pytest.mark.slow
@pytest.mark.parametrize("resamples", [0, 20])
def test_detection_gives_the_same_figures_as_the_table_of_separations(make_run, resamples):
    table = score_table(make_run(n=400, gates=()))
    rows = separations(table, (), resamples, seed=3)
    row = next(row for row in rows if (row.score, row.against) == ("aum", "corrupted"))
    figures = detection(
        table["aum"], table["corrupted"], SCORES["aum"].direction, resamples=resamples, seed=3
    )
    assert figures.prevalence == row.prevalence
    assert dataclasses.astuple(figures.auroc) == pytest.approx(dataclasses.astuple(row.auroc))
    for name in ("average_precision", "precision_at_k", "fpr95"):
        assert dataclasses.astuple(getattr(figures, name)) == pytest.approx(
            dataclasses.astuple(getattr(row, name))
        )


def test_detection_refuses_a_mask_of_another_length():
    with pytest.raises(MemgateError, match=r"score \(3,\) and corrupted \(2,\) are not both \[N\]"):
        detection([1.0, 2, 3], [True, False])
