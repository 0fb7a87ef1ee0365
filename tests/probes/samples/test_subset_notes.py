"""What reports and exports say of a run that is trained on a subset, and of a log with few quantities."""

import pyarrow.parquet as parquet
import pytest

from probes.export.export import export_run
from probes.export.plan import ExportPlan
from probes.report.report import report
from probes.samples.notes import of_subset


def test_the_note_counts_samples_trained_on_and_excluded(make_run):
    run = make_run(subset=0, n=40, epochs=2)
    log = run.log("train")
    trained, right = log["trained"][-1], log["correct_given"][-1]
    (note,) = of_subset(run.sample_log())
    assert f"{trained.sum()} of the 40 training samples" in note
    assert f"{right[trained].mean():.1%} of the {trained.sum()} trained on" in note
    assert f"{right[~trained].mean():.1%} of the {(~trained).sum()} excluded" in note
    assert of_subset(make_run(n=20, epochs=1).sample_log()) == ()


@pytest.mark.slow
def test_report_and_export_of_a_reduced_log_have_what_it_keeps(make_run):
    run = make_run(subset=1, n=60, epochs=2, quantities="memorisation")
    made = report(run)
    assert sum("trained on a subset" in note for note in made.notes) == 1
    assert sum("--log.quantities memorisation" in note for note in made.notes) == 1
    table = parquet.read_table(export_run(run, ExportPlan("long", "parquet")))
    expected = "gate entropy routed p_given correct_given correct_clean phi trained".split()
    assert table.column_names == ["sample_id", "epoch", *expected]
    assert not any(column.null_count for column in table.columns)
    summary = run.scores()
    assert summary["loss_mean"].isna().all()
    assert summary["confidence"].notna().all()
