"""Values that a network did not give (NaN) or an epoch did not see: missing everywhere, never skipped or a class."""

import json
import math
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest

from memgate.log.format import UNSEEN_CLASS
from memgate.runs.run import Run
from probes.dynamics.summary import summary
from probes.export.export import export_run
from probes.export.plan import ExportPlan
from probes.export.preview import outlook
from probes.report.report import report
from probes.report.score_sheet import score_sheet
from probes.samples.filters import Filter
from probes.scores.catalogue import SCORES
from probes.scores.table import score_table, snapshot_scores, suspicion, take_snapshot
from tests.helpers.recording import (
    CLEAN,
    GIVEN,
    NO_GATE,
    NO_GATE_LAST,
    NO_LOGITS,
    NO_LOGITS_LAST,
    UNSEEN_LAST,
    N,
    record_gaps,
)

NO_ROUTE_LAST = (NO_GATE, NO_GATE_LAST, UNSEEN_LAST)
NO_CLASS_LAST = (NO_LOGITS, NO_LOGITS_LAST, UNSEEN_LAST)


@pytest.fixture
def gaps(make_recorder) -> Run:
    """The run of :func:`record_gaps`, with clean labels and pictures."""
    images = np.arange(N, dtype=np.uint8)[:, None, None] + np.zeros((N, 8, 8), np.uint8)
    return record_gaps(make_recorder(labels=GIVEN, clean_labels=CLEAN, images=images))


def test_an_unknown_route_is_neither_routed_nor_skipped(gaps):
    table: Any = summary(gaps).set_index("sample_id")
    assert table.loc[[NO_GATE, NO_GATE_LAST], "routed_last"].isna().all()
    assert (
        table.loc[NO_GATE, ["routed_share", "routed_epochs", "first_skip_epoch", "route_flips"]].isna().all()
    )
    # sample 6 was routed in the two epochs in which its g is known
    assert table.loc[NO_GATE_LAST, ["routed_share", "routed_epochs"]].tolist() == [1, 2]
    assert table.loc[NO_GATE_LAST, "first_skip_epoch"] is pd.NA
    assert table.loc[1, ["routed_share", "routed_epochs", "first_skip_epoch"]].tolist() == [0, 0, 1]


def test_an_unknown_prediction_is_no_class_and_neither_right_nor_wrong(gaps):
    table: Any = summary(gaps).set_index("sample_id")
    last = ["pred_last", "correct_given_last", "correct_clean_last"]
    assert table.loc[[NO_LOGITS, NO_LOGITS_LAST], last].isna().to_numpy().all()
    assert table["pred_last"].max() < 4
    assert np.isnan(table.loc[NO_LOGITS, "correctness"])
    # sample 9 has a prediction in two of three epochs: neither of them counts as forgotten in the third
    hits = gaps.log("train")["correct_given"][:2, NO_LOGITS_LAST]
    assert table.loc[NO_LOGITS_LAST, "correctness"] == hits.mean()


def test_an_event_that_could_not_be_observed_does_not_rank_as_the_hardest(gaps):
    table = score_table(gaps)
    skipped = suspicion(table, "first_skip_epoch", SCORES["first_skip_epoch"])
    assert np.isnan(skipped[NO_GATE])
    assert skipped[NO_GATE_LAST] == np.inf  # routed whenever it is known
    assert np.isnan(suspicion(table, "first_learned_epoch", SCORES["first_learned_epoch"])[NO_LOGITS])


@pytest.mark.slow
def test_the_report_counts_only_known_routes_and_predictions_and_says_how_many_are_missing(gaps):
    result = report(gaps, resamples=0)
    everyone = result.groups[0]
    # the last epoch of a sample that it did not see is an earlier one, in which it was seen
    assert everyone.gates[0].routed.n == N - 2
    assert everyone.gates[0].routed.value == 19 / 38
    assert everyone.fits_given.n == N - 2
    text = str(result)
    assert "2 of 40 samples of train have no route through gate (not seen, or its g is NaN)" in text
    assert "2 of 40 samples of train have no prediction (not seen, or NaN in their logits)" in text
    assert report(gaps, over_epochs=True, resamples=0).over_epochs


def test_metrics_leave_out_missing_routes(gaps):
    row = gaps.metrics()[-1]
    assert row["train_routed_gate"] == 19 / 37
    assert row["train_gate_gate"] == pytest.approx((19 * 0.75 + 18 * 0.25) / 37)
    # a network without an answer is not right
    seen = np.delete(np.arange(N), UNSEEN_LAST)
    assert row["train_accuracy"] == gaps.log("train")["correct_given"][-1, seen].mean()


@pytest.mark.parametrize("route", ["routed", "skipped"])
def test_a_filter_by_route_leaves_out_unknown_routes(gaps, route):
    plan = ExportPlan(filter=Filter(route=route), quantities=("gate_last",))
    table = pd.read_csv(export_run(gaps, plan))
    expected = [i for i in range(N) if i % 2 == (route == "skipped") and i not in NO_ROUTE_LAST]
    assert table["sample_id"].tolist() == expected


def test_long_tables_are_empty_where_a_value_is_missing(gaps, tmp_path):
    readers: dict[Any, Any] = {"csv": pd.read_csv, "parquet": pd.read_parquet}
    for form, read in readers.items():
        table = read(export_run(gaps, ExportPlan("long", form), tmp_path / f"a.{form}"))
        last = table[table["epoch"] == 3].set_index("sample_id")
        assert last.index[last["routed"].isna()].tolist() == sorted(NO_ROUTE_LAST)
        for column in ("pred", "correct_given", "correct_clean", "loss"):
            assert last.index[last[column].isna()].tolist() == sorted(NO_CLASS_LAST), column
    frame = gaps.log("train").to_frame(["routed", "pred", "correct_given", "gate_pred"])
    assert frame["routed"].isna().sum() == 5
    assert frame[["pred", "correct_given", "gate_pred"]].isna().sum().tolist() == [5, 5, 5]
    lines = export_run(gaps, ExportPlan("long", "jsonl"), tmp_path / "a.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["sample_id"] for row in rows[-N:] if row["routed"] is None] == sorted(NO_ROUTE_LAST)
    assert [row["sample_id"] for row in rows[-N:] if row["pred"] is None] == sorted(NO_CLASS_LAST)


@pytest.mark.slow
def test_arrays_say_where_a_flag_is_known(gaps, tmp_path):
    plan = ExportPlan("matrix", quantities=("routed", "pred"))
    path = export_run(gaps, plan, tmp_path / "a.npz")
    with np.load(path) as arrays:
        assert list(arrays) == ["sample_id", "epochs", "seen", "routed", "routed_known", "pred"]
        assert np.flatnonzero(~arrays["routed_known"][-1]).tolist() == sorted(NO_ROUTE_LAST)
        assert np.flatnonzero(arrays["pred"][-1] == UNSEEN_CLASS).tolist() == sorted(NO_CLASS_LAST)
    meta = json.loads((tmp_path / "a.npz.meta.json").read_text())
    assert meta["columns"] == ["sample_id", "epochs", "seen", "routed", "routed_known", "pred"]
    assert "routed is unknown in 4 cells" in meta["notes"][0]
    file: Any
    with h5py.File(export_run(gaps, ExportPlan("long", "h5"), tmp_path / "a.h5")) as file:
        assert int((~file["correct_given_known"][:]).sum()) == 5
    lists = pd.read_parquet(export_run(gaps, ExportPlan("matrix", "parquet"), tmp_path / "b.parquet"))
    assert [value is None for value in lists["routed"][NO_GATE]] == [True] * 3
    assert [value is None for value in lists["routed"][NO_GATE_LAST]] == [False, False, True]


@pytest.mark.slow
def test_the_files_of_other_tools_have_empty_cells(gaps, tmp_path):
    table = pd.read_csv(export_run(gaps, ExportPlan(schema="cleanlab"), tmp_path / "a.csv"))
    assert (
        table.loc[[NO_LOGITS, NO_LOGITS_LAST], ["is_label_issue", "label_score", "predicted_label"]]
        .isna()
        .all(axis=None)
    )
    folder = export_run(gaps, ExportPlan(schema="fiftyone"), tmp_path / "fiftyone")
    labels: Any = pd.read_csv(folder / "labels.csv")
    assert labels.index[labels["prediction"].isna()].tolist() == [NO_LOGITS, NO_LOGITS_LAST]
    lines = export_run(gaps, ExportPlan(schema="cartography"), tmp_path / "a.jsonl").read_text().splitlines()
    kept = [json.loads(line)["guid"] for line in lines]
    assert kept == [i for i in range(N) if i not in (NO_LOGITS, NO_LOGITS_LAST)]
    export_run(gaps, ExportPlan("matrix", schema="tensorboard"), tmp_path / "projector")
    points = np.loadtxt(tmp_path / "projector" / "tensors.tsv")
    assert len(points) == N - 3
    for plan in (ExportPlan(), ExportPlan("long"), ExportPlan("matrix"), ExportPlan(schema="fiftyone")):
        first = outlook(gaps, plan, n=12).first.astype(str)
        assert not first.apply(lambda column: column.str.contains(str(UNSEEN_CLASS))).to_numpy().any()


@pytest.mark.slow
def test_a_gate_without_a_classifier_has_no_signed_entropy(make_run):
    """Its sign would always be negative: the entropy under another name. Its H is that of two choices."""
    run = make_run(n=60, two_way=True)
    snapshot = take_snapshot(run, "train")
    table: Any = snapshot_scores(run, snapshot)
    assert table["entropy_mean"].notna().all()
    assert table["gate_signed_entropy_mean"].isna().all()
    rows = {row.column: row for row in score_sheet(run, snapshot, table, 0, "loss_mean").rows}
    assert rows["gate_signed_entropy_mean"].missing == 60
    assert rows["entropy_mean"].range == "[0, ln 2] nats"
    assert table["entropy_mean"].max() <= SCORES["entropy_mean"].bounds(10, 4, two_way=True)[1] == math.log(2)
    curves = {curve.quantity: curve for curve in report(run, over_epochs=True, resamples=0).over_epochs}
    assert curves["entropy"].last.value is not None
    assert set(curves["signed_entropy"].auroc) == {None}


def test_the_score_sheet_names_missing_values(gaps):
    snapshot = take_snapshot(gaps, "train")
    sheet = score_sheet(gaps, snapshot, snapshot_scores(gaps, snapshot), 10, "first_skip_epoch")
    rows = {row.column: row for row in sheet.rows}
    assert rows["routed_share"].missing == 1
    assert rows["first_skip_epoch"].missing == 1
    assert rows["correctness"].missing == 1
    assert NO_GATE not in [sample.sample_id for sample in sheet.hardest]
