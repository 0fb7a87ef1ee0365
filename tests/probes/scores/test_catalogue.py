"""Column, range, direction and missing values of every score are as SCORES declares them."""

import math

import numpy as np
import pandas as pd
import pytest

from probes.dynamics.snapshot import take_snapshot
from probes.dynamics.summary import summary, summary_table
from probes.report.report import report
from probes.samples.columns import gate_column
from probes.samples.groups import CostedGroup
from probes.scores.catalogue import CHECKPOINT, GATE, LOG, MACS, SCORES, Score
from probes.scores.table import score_columns, score_table, suspicion

UNSEEN = {1: [0, 3], 2: [3], 3: [3, 5], 4: [3]}


def test_every_score_is_listed_once_with_its_own_title():
    assert list(SCORES) == [score.column for score in (*LOG, *GATE, *MACS, *CHECKPOINT)]
    assert len(SCORES) == len({s.title for s in SCORES.values()})
    for needs, scores in (("log", LOG), ("gate", GATE), ("macs", MACS), ("checkpoint", CHECKPOINT)):
        assert {score.needs for score in scores} == {needs}
    assert all(bool(score.probe) == (score.needs == "checkpoint") for score in SCORES.values())


@pytest.mark.slow
@pytest.mark.parametrize("gates", [(), ("b3",), ("b2", "b3")])
def test_the_summary_has_every_score_of_the_log_and_its_gates(make_run, gates):
    table = summary(make_run(n=20, gates=gates))
    wanted = [score.column for score in LOG]
    wanted += [gate_column(score.column, gate, gates) for score in GATE for gate in gates]
    assert [
        score_column.column for score_column in score_columns(table, gates, tuple(SCORES.values()))
    ] == wanted


@pytest.mark.slow
def test_macs_are_columns_where_gates_close(make_run):
    run = make_run(n=20, unit_depth=8, macs=True, unseen=UNSEEN)
    log = run.sample_log()
    table = score_table(run)
    names = list(table)
    assert names.index("macs_last") == names.index("loss_last") - 2
    macs = log.values("train", "macs")[1].astype(np.float64)
    np.testing.assert_allclose(
        table["macs_mean"].dropna(), np.nanmean(np.delete(macs, 3, axis=1), axis=0), rtol=1e-6
    )
    assert np.isnan(table["macs_mean"][3])
    assert np.isnan(table["macs_last"][3])
    np.testing.assert_array_equal(table["macs_last"][4:], macs[3, 4:].astype(np.float32))
    figures = report(run, over_epochs=True, resamples=0)
    corrupted = figures.groups[2]
    expected = table["macs_last"][table["corrupted"]].mean() / 1e6
    assert isinstance(corrupted, CostedGroup)
    assert corrupted.millions_of_macs.value == pytest.approx(expected, rel=1e-6)
    assert "MACs (millions)" in figures.text()
    assert {row.score for row in figures.scores} >= {"macs_mean", "macs_last"}
    assert "macs" in {curve.quantity for curve in figures.over_epochs}


def within(table, gates, classes, epochs):
    for score_column in score_columns(table, gates, tuple(SCORES.values())):
        low, high = score_column.score.bounds(classes, epochs)
        values = table[score_column.column].dropna().to_numpy(np.float64)
        assert ((values >= low - 1e-6) & (values <= high + 1e-6)).all(), score_column.column


@pytest.mark.slow
def test_the_declared_range_holds_on_synthetic_and_trained_runs(make_run, trained_run):
    within(score_table(make_run(gates=("b2", "b3"), unseen=UNSEEN)), ("b2", "b3"), 10, 4)
    for split in trained_run.sample_log().splits:
        within(score_table(trained_run, split), trained_run.sample_log().gates, 10, 3)


def test_ranges_as_text_and_as_numbers():
    assert SCORES["aum"].range == "(-inf, inf) logits"
    assert SCORES["signed_entropy_mean"].range == "[-ln K, ln K] nats"
    assert SCORES["entropy_mean"].range == "[0, ln K (two-way gates: ln 2)] nats"
    assert SCORES["entropy_mean"].range_of(two_way=False) == "[0, ln K] nats"
    assert SCORES["signed_entropy_mean"].bounds(10, 4) == (-math.log(10), math.log(10))
    assert SCORES["first_learned_epoch"].range == "[1, E] epoch"
    assert SCORES["prediction_depth"].range == "[0, L] points"
    assert SCORES["first_learned_epoch"].bounds(10, 4) == (1, 4)
    assert SCORES["el2n_last"].range == "[0, 1.41]"


@pytest.mark.slow
def test_scores_that_depend_on_the_label_rank_wrong_labels_as_harder(make_run):
    """The synthetic runs learn wrong labels late, so scores that depend on the label must rank them as harder."""
    table = summary(make_run(n=1500, epochs=6, noise=("symmetric:0.4",)))
    label_free_or_weak = {
        "variability",
        "out_entropy_mean",
        "gate_max",
        "route_flips",
        "first_skip_epoch",
        "forgetfulness",
    }
    wrong = table["corrupted"].to_numpy(bool)
    for score_column in score_columns(table, ("b3",), (*LOG, *GATE)):
        turned = suspicion(table, score_column.column, score_column.score)
        if score_column.column not in label_free_or_weak:
            assert np.mean(turned[wrong][:, None] > turned[~wrong]) > np.mean(
                turned[wrong][:, None] < turned[~wrong]
            ), score_column.column


def test_events_that_never_happened_rank_last_and_unseen_samples_are_missing():
    epochs = pd.array([3, None, 1, None], dtype="Int32")
    table = pd.DataFrame({"first_learned_epoch": epochs, "epochs_logged": [4, 4, 4, 0]})
    score = SCORES["first_learned_epoch"]
    np.testing.assert_array_equal(suspicion(table, score.column, score), [3, np.inf, 1, np.nan])
    table["aum"] = np.array([3, np.nan, -1, np.nan], np.float32)
    np.testing.assert_array_equal(suspicion(table, "aum", SCORES["aum"]), [-3, np.nan, 1, np.nan])


def test_never_is_set_for_the_scores_of_events():
    named = {score.column: score.never for score in SCORES.values() if score.never}
    assert named == {
        "forgetfulness": "learned", "first_learned_epoch": "learned",
        "stable_learned_epoch": "learned to stay", "first_skip_epoch": "skipped",
    }  # fmt: skip
    assert isinstance(SCORES["aum"], Score)


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 7, 59])
def test_blocks_of_any_size_give_the_same_table(make_run, size):
    ids = np.random.default_rng(0).permutation(60) * 3
    run = make_run(gates=("b2", "b3"), unseen=UNSEEN, n=60, ids=ids, epochs=9, every=2)
    snapshot, operations = take_snapshot(run, "train"), run.manifest.header.operations
    result = summary_table(snapshot, operations, size)
    pd.testing.assert_frame_equal(result, summary_table(snapshot, operations, 60), check_exact=True)
    pd.testing.assert_frame_equal(result, summary(run), check_exact=True)


def test_early_is_the_first_logged_epoch_after_a_tenth(make_run):
    run = make_run(n=20, epochs=50, every=2, finished=8, unseen={6: [4]})
    epochs, el2n = run.sample_log().values("train", "el2n")
    assert epochs.tolist() == [2, 4, 6, 8]
    table = summary(run)
    # A tenth of 50 is 5; sample 4 was next seen in 8.
    expected = np.where(np.arange(20) == 4, el2n[3], el2n[2])
    np.testing.assert_array_equal(table["el2n_early"], expected)
    too_early = summary(make_run(n=20, epochs=50, every=2, finished=4))["el2n_early"]
    assert np.isnan(too_early.to_numpy()).all()


@pytest.mark.slow
def test_the_report_has_the_new_scores_too(make_run):
    assert {row.score for row in report(make_run(), resamples=0).scores} == {
        score.column for score in (*LOG, *GATE)
    }


@pytest.mark.slow
@pytest.mark.parametrize("gates", [("b3",), ("b2", "b3"), ()])
def test_a_single_column_equals_that_of_the_whole_table(gates, make_run):
    run = make_run(gates=gates, n=40, ids=list(range(39, -1, -1)), unseen={2: [0, 5]})
    snapshot, operations = take_snapshot(run, "train"), run.manifest.header.operations
    whole = summary_table(snapshot, operations)
    names = list(whole)[8:]
    for name in names:
        alone = summary_table(snapshot, operations, samples_per_chunk=16, only=(name,))
        pd.testing.assert_frame_equal(alone, whole.loc[:, [*whole.columns[:8], name]])
