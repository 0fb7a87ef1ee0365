import dataclasses

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from probes.dynamics.summary import summary
from probes.scores.catalogue import SCORES
from probes.scores.detection import auroc
from probes.scores.separation import separations


@pytest.mark.parametrize("direction", [1, -1])
def test_auroc_equals_scikit_learn_with_ties_and_direction(direction):
    rng = np.random.default_rng(0)
    corrupted = rng.random(200) < 0.3
    score = np.round(rng.normal(corrupted, 1), 1)
    result = auroc(score, corrupted, direction)
    assert result.value is not None
    assert result.value == pytest.approx(roc_auc_score(corrupted, direction * score))
    assert result.low is not None
    assert result.high is not None
    assert result.low < result.value < result.high
    assert (result.n_positive, result.n_negative) == (corrupted.sum(), (~corrupted).sum())


def test_auroc_is_the_share_of_correctly_ordered_pairs():
    score, corrupted = np.array([3.0, 1, 2, 2]), np.array([True, True, False, False])
    assert auroc(score, corrupted, 1).value == 0.5
    assert auroc([5, 2, 2, 1], corrupted, 1).value == pytest.approx(3.5 / 4)


def test_missing_scores_are_left_out_and_counted():
    result = auroc([np.nan, 3, np.nan, 1, 0], [True, True, False, False, False], 1)
    assert (result.value, result.n_positive, result.n_negative, result.n_missing) == (1, 1, 2, 2)
    assert result.low is None
    assert result.high is None


@pytest.mark.parametrize(("corrupted", "word"), [([True, True], "clean"), ([False, False], "corrupted")])
def test_without_one_of_the_classes_there_is_a_reason_and_no_value(corrupted, word):
    result = auroc([1, 2], corrupted, 1)
    assert result.value is None
    assert result.reason == f"no {word} sample has this score"


def test_infinite_losses_rank_highest():
    assert auroc([np.inf, 1, 2], [True, False, False], 1).value == 1


@pytest.mark.slow
def test_every_score_gate_and_cause_has_a_row(make_run):
    table = summary(make_run(gates=("b2", "b3")))
    rows = separations(table, ("b2", "b3"))
    log, gate = (sum(score.needs == needs for score in SCORES.values()) for needs in ("log", "gate"))
    assert len(rows) == (log + gate * 2) * 4  # corrupted, label, image, label+image
    row = next(r for r in rows if (r.score, r.gate, r.against) == ("gate_mean", "b2", "image"))
    kept = table[table["cause"].isin(["clean", "image"])]
    expected = roc_auc_score(kept["cause"] == "image", kept["gate_b2_mean"])
    assert row.auroc.value == pytest.approx(expected)


@pytest.mark.slow
def test_no_gate_no_gate_scores_and_no_noise_no_scores(make_run):
    assert {row.score for row in separations(summary(make_run(gates=())), ())} == {
        name for name, score in SCORES.items() if score.needs == "log"
    }
    assert separations(summary(make_run(noise=())), ("b3",)) == ()


@pytest.mark.slow
def test_figures_of_each_target_equal_scikit_learn_with_paired_intervals(make_run):
    table = summary(make_run())
    rows = separations(table, ("b3",), resamples=20, seed=3)
    corrupted = table["cause"] != "clean"
    row = next(r for r in rows if (r.score, r.against) == ("aum", "corrupted"))
    assert row.average_precision.value == pytest.approx(average_precision_score(corrupted, -table["aum"]))
    assert row.prevalence == pytest.approx(corrupted.mean())
    top = np.argsort(table["aum"].to_numpy())[: corrupted.sum()]
    assert row.precision_at_k.value == pytest.approx(corrupted.to_numpy()[top].mean())
    assert row.average_precision.low is not None
    assert row.average_precision.high is not None
    assert row.average_precision.low < row.average_precision.high
    # Resamples depend only on seed and group, so a score's interval does not depend on the other columns.
    alone = separations(table.drop(columns=["loss_mean", "loss_last"]), ("b3",), resamples=20, seed=3)
    assert row in alone
    assert row not in separations(table, ("b3",), resamples=20, seed=4)


def test_without_resamples_there_is_no_bootstrap_interval(make_run):
    row = separations(summary(make_run()), ("b3",))[0]
    assert row.average_precision.value is not None
    assert row.average_precision.low is None
    assert row.auroc.low is not None


def test_a_cause_that_is_all_of_the_corruption_has_its_figures(make_run):
    rows = separations(summary(make_run(noise=("symmetric:0.3",))), ("b3",), resamples=5)
    pooled = [row for row in rows if row.against == "corrupted"]
    assert [dataclasses.replace(row, against="label") for row in pooled] == [
        row for row in rows if row.against == "label"
    ]
