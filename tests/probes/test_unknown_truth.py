"""Runs of which it is not known which samples are corrupted: nothing calls a sample clean."""

import json

import numpy as np
import pandas as pd
import pytest

from memgate.config.json_form import from_json, to_json
from memgate.runs.outline import Outline
from memgate.runs.run import Run
from probes.export.export import export_run
from probes.export.plan import ExportPlan
from probes.report.report import report
from probes.report.score_sheet import score_sheet
from probes.scores.table import score_table, snapshot_scores, take_snapshot
from tests.helpers.recording import CLEAN, GIVEN, N, feed


@pytest.fixture
def unknown(make_recorder) -> Run:
    """A recorded run without clean labels."""
    with make_recorder(epochs=1) as recorder:
        feed(recorder, 1)
    return Run(recorder.path)


def test_only_clean_labels_noise_or_a_public_data_set_tell_the_truth(make_recorder, make_run, unknown):
    assert not unknown.outline.truth_known
    with make_recorder(epochs=1, clean_labels=GIVEN, name="told") as recorder:
        feed(recorder, 1)
    assert Run(recorder.path).outline.truth_known  # every label is known to be right
    with make_recorder(epochs=1, clean_labels=CLEAN, name="wrong") as recorder:
        feed(recorder, 1)
    assert Run(recorder.path).outline.truth_known
    assert not make_run(n=20, noise=()).outline.truth_known  # the user's own file
    assert make_run(n=20).outline.truth_known


def test_a_run_that_was_recorded_before_counts_as_unknown_without_wrong_labels(unknown):
    stored = to_json(unknown.outline)
    del stored["clean_labels_known"]
    assert not from_json(Outline, stored, "config.json").truth_known
    assert from_json(Outline, {**stored, "noise": ["label-list:given_labels.csv"]}, "config.json").truth_known


def test_report_and_scores_say_unknown(unknown):
    result = report(unknown, resamples=0)
    assert [group.name for group in result.groups] == ["all"]
    assert result.groups[0].fits_given.n == N
    assert result.groups[0].fits_clean.value is None
    text = str(result)
    assert "Noise: unknown" in text
    assert "It is not known which samples of this run are corrupted" in text
    table = score_table(unknown)
    assert set(table["cause"]) == {"unknown"}
    assert table[["clean_label", "corrupted", "correct_clean_last"]].isna().to_numpy().all()
    snapshot = take_snapshot(unknown, "train")
    sheet = score_sheet(unknown, snapshot, snapshot_scores(unknown, snapshot), 3, "loss_mean")
    assert list(sheet.groups) == ["all"]
    assert {(sample.cause, sample.clean_label) for sample in sheet.hardest} == {("unknown", "unknown")}
    assert any("not known which samples" in note for note in sheet.notes)
    # a recorded training pass: whether its images were augmented is not known either
    assert any("whether with augmented images is not known" in note for note in sheet.notes)


def test_exports_leave_the_truth_empty(unknown, tmp_path):
    table = pd.read_csv(export_run(unknown, ExportPlan(schema="cleanlab"), tmp_path / "a.csv"))
    assert table["is_corrupted"].isna().to_numpy().all()
    assert table["is_label_issue"].notna().to_numpy().all()
    summary = pd.read_csv(export_run(unknown, ExportPlan(), tmp_path / "b.csv"))
    assert summary[["clean_label", "corrupted"]].isna().to_numpy().all()
    long = pd.read_csv(export_run(unknown, ExportPlan("long"), tmp_path / "c.csv"))
    assert long["correct_clean"].isna().to_numpy().all()
    with np.load(export_run(unknown, ExportPlan("matrix"), tmp_path / "d.npz")) as arrays:
        assert not arrays["correct_clean_known"].any()
    meta = json.loads((tmp_path / "d.npz.meta.json").read_text())
    assert "the clean labels of this run are not known" in meta["notes"][0]
