"""The table of scores joins stored results of probes by sample id, and none from a later epoch."""

import numpy as np
import pandas as pd
import pytest

from memgate.errors import MemgateError
from probes.dynamics.summary import summary
from probes.result import ProbeResult, probe_path, save_results
from probes.scores.separation import separations
from probes.scores.table import origins, score_table, stored_scores


def result(probe, epoch, variant, ids, split="train", **values):
    ids = np.array(ids, np.int64)
    arrays = {name: np.asarray(value) for name, value in values.items()}
    return ProbeResult(probe, split, epoch, variant, f"epoch_{epoch:03d}", ids, arrays, {}, {})


def test_without_results_of_probes_the_table_is_the_summary(make_run):
    run = make_run(n=20)
    table = score_table(run)
    pd.testing.assert_frame_equal(table, summary(run))
    assert table.attrs["checkpoints"] == {}


@pytest.mark.slow
def test_values_are_joined_by_sample_id(make_run):
    run = make_run(n=20, ids=np.random.default_rng(0).permutation(20) * 5)
    save_results(run, "csr", [result("csr", 3, "first-order", [95, 0, 35], critical_radius=[9.5, 0.0, 3.5])])
    depth = result("difficulty", 2, "knn", [5, 10], prediction_depth=np.array([1, 4], np.int32))
    save_results(run, "difficulty", [depth, result("difficulty", 4, "gradients", [0, 5], grand=[7.0, 8.0])])
    table = score_table(run).set_index("sample_id")
    assert table["critical_radius"].dropna().to_dict() == {0: 0.0, 35: 3.5, 95: 9.5}
    assert table["prediction_depth"].dropna().to_dict() == {5: 1, 10: 4}
    assert table["grand"].dropna().to_dict() == {0: 7, 5: 8}
    assert "input_gradient_norm" not in table
    assert score_table(run).attrs["checkpoints"] == {
        "critical_radius": 3, "grand": 4, "prediction_depth": 2,
    }  # fmt: skip


@pytest.mark.slow
def test_the_latest_checkpoint_up_to_the_last_epoch_is_used(make_run):
    run = make_run(n=20)
    results = [
        result("csr", epoch, "first-order", [0, 1], critical_radius=[epoch, epoch]) for epoch in (1, 3, 4)
    ]
    save_results(run, "csr", results)
    assert score_table(run)["critical_radius"].dropna().tolist() == [4, 4]
    assert score_table(run, until=3)["critical_radius"].dropna().tolist() == [3, 3]
    early = score_table(run, until=2)
    assert early["critical_radius"].dropna().tolist() == [1, 1]
    assert early.attrs["checkpoints"] == {"critical_radius": 1}
    assert set(early["epochs_logged"]) == {2}


def test_results_of_other_splits_and_methods_are_ignored(make_run):
    run = make_run(n=20)
    save_results(run, "csr", [
        result("csr", 4, "pgd", [0], critical_radius=[1.0]),
        result("csr", 4, "first-order", [0], split="test", critical_radius=[2.0]),
    ])  # fmt: skip
    assert "critical_radius" not in score_table(run)
    assert score_table(run, "test")["critical_radius"].dropna().tolist() == [2]


def test_of_two_variants_the_one_with_more_samples_is_used(make_run):
    run = make_run(n=20)
    few = result("difficulty", 4, "z", [0], grand=[1.0], prediction_depth=[2])
    many = result("difficulty", 4, "a", [0, 1], grand=[3.0, 4.0])
    save_results(run, "difficulty", [few, many])
    variants = {stored.score.column: stored.variant for stored in stored_scores(run, "train", 4)[0]}
    assert variants == {"grand": "a", "prediction_depth": "z"}


@pytest.mark.slow
def test_a_damaged_file_gives_a_sentence_and_removes_only_its_columns(make_run):
    run = make_run(n=20)
    save_results(run, "csr", [result("csr", 3, "first-order", [0, 1], critical_radius=[1.0, 2.0])])
    assert score_table(run).attrs["notes"] == []
    probe_path(run, "difficulty").write_text("nothing")
    table = score_table(run)
    assert table["critical_radius"].dropna().tolist() == [1, 2]
    assert "grand" not in table
    (note,) = table.attrs["notes"]
    assert note.startswith(
        "Without input_gradient_norm, grand, grand_last_layer, prediction_depth, input_curvature, "
        "input_curvature_mean: "
    )
    assert "difficulty.h5 is damaged" in note


def test_the_mean_over_checkpoints_is_of_the_samples_that_all_have(make_run):
    run = make_run(n=20)
    save_results(run, "difficulty", [
        result("difficulty", epoch, "input_curvature", ids, input_curvature=values)
        for epoch, ids, values in ((2, [0, 5, 10], [1.0, 2.0, 3.0]), (4, [10, 5, 15], [7.0, 5.0, 0.0]))
    ])  # fmt: skip
    table = score_table(run).set_index("sample_id")
    assert table["input_curvature"].dropna().to_dict() == {5: 5, 10: 7, 15: 0}
    assert table["input_curvature_mean"].dropna().to_dict() == {5: 3.5, 10: 5}
    assert table.attrs["checkpoints"] == {"input_curvature": 4, "input_curvature_mean": 4}
    assert origins(table) == {"input_curvature": "epoch 4", "input_curvature_mean": "epochs 2, 4 (mean)"}
    early = score_table(run, until=3)  # one checkpoint is no mean
    assert "input_curvature" in early
    assert "input_curvature_mean" not in early


def test_until_before_the_first_epoch_is_refused_in_a_sentence(make_run):
    run = make_run(n=20)
    for epoch in (0, -1):
        with pytest.raises(
            MemgateError, match=f"There is no finished epoch up to {epoch}: the first of train is 1"
        ):
            score_table(run, until=epoch)
    assert len(score_table(run, until=99)) == 20


@pytest.mark.parametrize("n", [1, 2])
def test_one_and_two_samples_have_scores_without_intervals_where_none_is_known(make_run, n):
    run = make_run(n=n, gates=("b3",))
    table = score_table(run)
    assert len(table) == n
    for row in separations(table, ("b3",), resamples=5):
        assert row.auroc.low is None
        assert row.average_precision.low is None
