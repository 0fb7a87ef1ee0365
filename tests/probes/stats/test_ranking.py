"""AUROC, AUPR and FPR at a TPR from one ranking, against scikit-learn and pytorch-ood; ties, weights, negation."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pytorch_ood.metrics import OODMetrics
from sklearn.metrics import auc, precision_recall_curve, roc_auc_score, roc_curve

from probes.stats.ranking import Ranking, order


@st.composite
def scored(draw):
    """Scores with many ties, and labels of both classes."""
    n = draw(st.integers(2, 60))
    score = np.array(draw(st.lists(st.integers(-6, 6), min_size=n, max_size=n)), float)
    positive = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    positive[:2] = [True, False]
    return score, positive


def ranked(score, positive) -> Ranking:
    return order(score, positive).ranking()


def continuous(seed, n=3000):
    rng = np.random.default_rng(seed)
    positive = rng.random(n) < 0.3
    return rng.normal(positive * 1.2, 1.0), positive


@pytest.mark.slow
@given(scored())
def test_the_figures_equal_scikit_learn(case):
    score, positive = case
    ranking = order(score, positive).ranking()
    fpr, tpr, _ = roc_curve(positive, score, drop_intermediate=False)
    for result, labels, values in (
        (ranking.aupr, positive, score),
        (ranking.turned.aupr, ~positive, -score),
    ):
        precision, recall, _ = precision_recall_curve(labels, values)
        assert result == pytest.approx(auc(recall, precision), abs=1e-12)
    assert ranking.auroc == pytest.approx(roc_auc_score(positive, score), abs=1e-12)
    for wanted in (0.5, 0.95, 1.0):
        assert ranking.fpr_at_tpr(wanted) == fpr[np.argmax(tpr >= wanted)]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:AUTC")  # a metric of theirs that equal scores have not
@given(scored())
def test_the_figures_equal_pytorch_ood(case):
    score, positive = case
    theirs = (
        OODMetrics().update(torch.from_numpy(score), torch.from_numpy(np.where(positive, -1, 0))).compute()
    )
    ranking = order(score, positive).ranking()
    assert ranking.auroc == pytest.approx(theirs["AUROC"], abs=1e-9)
    assert ranking.aupr == pytest.approx(theirs["AUPR-OUT"], abs=1e-9)
    assert ranking.turned.aupr == pytest.approx(theirs["AUPR-IN"], abs=1e-9)
    assert ranking.fpr_at_tpr() == pytest.approx(theirs["FPR95TPR"], abs=1e-9)


@pytest.mark.slow
@given(scored(), st.randoms(use_true_random=False))
def test_figures_depend_only_on_the_order_of_the_scores(case, random):
    score, positive = case
    mixed = list(range(len(score)))
    random.shuffle(mixed)
    ranking = order(score, positive).ranking()
    for other, labels in ((np.exp(score) - 7, positive), (score[mixed], positive[mixed])):
        again = order(other, labels).ranking()
        np.testing.assert_array_equal(again.positives, ranking.positives)
        np.testing.assert_array_equal(again.negatives, ranking.negatives)


@pytest.mark.slow
@given(scored())
def test_turned_is_the_ranking_of_the_negated_score(case):
    score, positive = case
    ranking, turned = order(score, positive).ranking(), order(-score, ~positive).ranking()
    np.testing.assert_array_equal(ranking.turned.positives, turned.positives)
    np.testing.assert_array_equal(ranking.turned.negatives, turned.negatives)
    assert turned.auroc == pytest.approx(ranking.auroc, abs=1e-12)


@pytest.mark.slow
@given(scored(), st.data())
def test_a_weight_equals_that_many_copies(case, data):
    score, positive = case
    weight = np.array(data.draw(st.lists(st.integers(0, 3), min_size=len(score), max_size=len(score))))
    weight[:2] = np.maximum(weight[:2], 1)
    weighted = order(score, positive).ranking(weight)
    copied = order(np.repeat(score, weight), np.repeat(positive, weight)).ranking()
    for one, other in ((weighted, copied), (weighted.turned, copied.turned)):
        assert one.auroc == pytest.approx(other.auroc, abs=1e-12)
        assert one.aupr == pytest.approx(other.aupr, abs=1e-12)
        assert one.fpr_at_tpr(0.95) == other.fpr_at_tpr(0.95)


def test_the_threshold_is_the_highest_with_the_wanted_tpr():
    positive = np.arange(40) >= 20
    score = np.arange(40.0)
    score[[20, 21]] = 0.5, 1.5  # the two lowest positives lie among the negatives 0, 1, 2, ...
    assert ranked(score, positive).fpr_at_tpr(0.9) == 0
    assert ranked(score, positive).fpr_at_tpr(0.95) == 18 / 20  # 19 of 20 are exactly 95 %
    assert ranked(score, positive).fpr_at_tpr(1.0) == 19 / 20
    assert ranked(score, positive).turned.fpr_at_tpr(0.95) == 2 / 20  # the older convention: another number
    assert ranked(np.zeros(40), positive).fpr_at_tpr() == 1


def test_infinite_scores_rank_first_and_last():
    score, positive = continuous(1)
    ends = np.clip(score, np.quantile(score, 0.1), np.quantile(score, 0.9))
    infinite = np.where(ends == ends.max(), np.inf, np.where(ends == ends.min(), -np.inf, ends))
    assert ranked(infinite, positive).aupr == ranked(ends, positive).aupr
    assert ranked(infinite, positive).fpr_at_tpr() == ranked(ends, positive).fpr_at_tpr()


@pytest.mark.parametrize(
    ("score", "positive", "message"),
    [
        ([1.0, np.nan], [True, False], "1 scores are NaN"),
        ([1.0, 2.0], [True, True], "positives and negatives"),
        ([1.0, 2.0], [False, False], "positives and negatives"),
        ([], [], "positives and negatives"),
        ([1.0, 2.0], [True], "are not both"),
    ],
)
def test_invalid_scores_and_labels_are_refused(score, positive, message):
    with pytest.raises(ValueError, match=message):
        order(score, positive)


def test_the_curves_equal_scikit_learn():
    rng = np.random.default_rng(3)
    positive = rng.random(500) < 0.3
    score = np.round(rng.normal(size=500) + positive, 1)
    result = order(score, positive).ranking()
    for mine, theirs in zip(result.roc, roc_curve(positive, score, drop_intermediate=False)[:2], strict=True):
        np.testing.assert_allclose(mine, theirs)
    recall, precision = result.precision_recall
    theirs = precision_recall_curve(positive, score)
    np.testing.assert_allclose(precision[::-1], theirs[0][:-1])
    np.testing.assert_allclose(recall[::-1], theirs[1][:-1])


def test_the_tpr_at_a_low_fpr_is_the_highest_at_or_below_it():
    score, positive = continuous(3)
    ranking = ranked(score, positive)
    fpr, tpr, _ = roc_curve(positive, score, drop_intermediate=False)
    for limit in (0.001, 0.01, 0.5, 1.0):
        assert ranking.tpr_at_fpr(limit) == tpr[fpr <= limit + 1e-12].max()
    # 1 of 1,000 negatives is allowed; of 999 a single one is too many to show so low a rate.
    line = np.arange(1002)
    assert ranked(line, line % 1001 == 1000).tpr_at_fpr(0.001) == 1
    assert ranked(line, line < 2).tpr_at_fpr(0.001) == 0
    assert np.isnan(ranked(line[:1000], line[:1000] < 1).tpr_at_fpr(0.001))
