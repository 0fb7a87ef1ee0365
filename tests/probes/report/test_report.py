import dataclasses
import itertools
import json
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score

from memgate.errors import MemgateError
from memgate.runs.config_file import write_config
from memgate.runs.run import Run
from probes.report.report import report as full_report
from probes.result import ProbeResult, save_results

report = partial(full_report, resamples=0)
"""The report without the bootstrap, which takes most of its time."""


def strict(text: str):
    def refuse(word: str):
        raise ValueError(word)

    return json.loads(text, parse_constant=refuse)


def damage(run: Run, split: str, row: int) -> None:
    """Change one stored value of a committed epoch."""
    with h5py.File(run.path / "log.h5", "r+") as handle:
        loss = handle[f"{split}/loss"]
        assert isinstance(loss, h5py.Dataset)
        loss[row, 0] = 77


@pytest.mark.slow
def test_numbers_are_those_of_the_log(make_run):
    run = make_run(val_n=20)
    result, log, manifest = report(run), run.sample_log(), run.manifest
    assert (result.epoch, result.planned, result.state, result.mode) == (4, 4, "complete", "eval")
    groups = {group.name: group for group in result.groups}
    assert list(groups) == ["all", "clean", "corrupted", "label", "image", "label+image"]
    given, clean, routed = (
        log.values("train", name)[1][-1] for name in ("correct_given", "correct_clean", "routed")
    )
    g = log.values("train", "gate")[1]
    for name in ("label", "clean"):
        masks = manifest.cause == name
        group = groups[name]
        assert group.n == masks.sum()
        assert group.fits_given.value == pytest.approx(given[masks].mean())
        assert group.fits_clean.value == pytest.approx(clean[masks].mean())
        use = group.gates[0]
        assert use.mean.value == pytest.approx(g[-1][masks].mean(), rel=1e-6)
        assert use.routed.value == pytest.approx(routed[masks].mean())
        bounds = binomtest(int(routed[masks].sum()), int(masks.sum())).proportion_ci(method="wilson")
        assert (use.routed.low, use.routed.high) == pytest.approx((bounds.low, bounds.high))
    test = log.values("test", "correct_given")[1][-1]
    assert result.test_accuracy is not None
    assert (result.test_accuracy.value, result.test_accuracy.n) == (pytest.approx(test.mean()), 50)
    assert result.val_accuracy is not None
    scores = {(row.score, row.against): row.auroc for row in result.scores}
    loss = log.values("train", "loss")[1].astype(float)
    expected = roc_auc_score(manifest.corrupted, loss.mean(0))
    assert scores["loss_mean", "corrupted"].value == pytest.approx(expected, abs=1e-5)
    margin = log.values("train", "margin")[1][-1]
    expected = roc_auc_score(manifest.corrupted, -margin)
    assert scores["margin_last", "corrupted"].value == pytest.approx(expected)
    assert [(n.text, n.requested) for n in result.noise] == [("symmetric:0.3", 0.3), ("randx:0.1", 0.1)]
    assert result.noise[0].realised == pytest.approx(manifest.label_corrupted.mean())


@pytest.mark.slow
@pytest.mark.parametrize("gates", [(), ("b3",), ("b2", "b3")])
@pytest.mark.parametrize("noise", [(), ("symmetric:0.3",)])
def test_every_run_has_all_three_forms(make_run, gates, noise):
    result = report(make_run(gates=gates, noise=noise))
    parsed = strict(result.text("json"))
    assert parsed["schema"] == "memgate-report/1"
    assert len(parsed["groups"]) == len(result.groups)
    for text in (str(result), result.text("markdown")):
        assert ("routed to B3" in text) == ("b3" in gates)
        assert ("routed to B2" in text) == ("b2" in gates)
        assert ("AUROC is undefined" in text) == (not noise)
        assert "nan" not in text.lower()
    assert "| samples" in result.text("markdown")


def tables_of(run: Run) -> dict[str, list[dict[str, str]]]:
    """Title of a table of the terminal's report to its rows."""
    parts = str(report(run)).split("\n\n")
    result = {}
    for title, text in itertools.pairwise(parts):
        if title.endswith(":"):
            head, rule, *rows = text.splitlines()
            cuts = np.cumsum([0, *(len(dashes) + 2 for dashes in rule.split())])
            cells = [
                [line[a:b].strip() for a, b in itertools.pairwise([*cuts[:-1], None])]
                for line in (head, *rows)
            ]
            result[title] = [dict(zip(cells[0], row, strict=True)) for row in cells[1:]]
    return result


@pytest.mark.slow
@pytest.mark.parametrize("form", ["terminal", "markdown", "json"])
def test_the_text_of_a_report_is_what_the_command_prints(make_run, exit_code, capsys, form):
    run = make_run(n=60)
    # The default number of resamples, which take most of the time, in one of the forms.
    typed: list[str] = [] if form == "json" else ["--bootstrap", "20"]
    assert exit_code("report", run.path, "--format", form, *typed) == 0
    expected = full_report(run, resamples=20) if typed else full_report(run)
    assert capsys.readouterr().out == expected.text(form) + "\n"
    if form == "terminal":
        assert str(expected) == expected.text(form)


@pytest.mark.slow
def test_every_figure_stands_per_cause_and_pooled(make_run):
    run = make_run()
    result = tables_of(run)
    titles = {
        "corrupted": "How well a score finds all that is corrupted (positive: corrupted):",
        **{
            cause: f"How well a score finds {cause} corruption among the clean (positive: {cause}):"
            for cause in ("label", "image", "label+image")
        },
    }
    assert [title for title in result if "finds" in title] == list(titles.values())
    whole = report(run)
    groups = {group.name: group.n for group in whole.groups}
    for cause, title in titles.items():
        *rows, chance = result[title]
        own = [row for row in whole.scores if row.against == cause]
        for row, figures in zip(rows, own, strict=True):
            assert row["AP"] == f"{figures.average_precision.value:.3f}"
            assert row["P@k"] == f"{figures.precision_at_k.value:.3f}"
            assert row["FPR95"] == f"{figures.fpr95.value:.3f}"
            assert row["AUROC"].startswith(f"{figures.auroc.value:.3f} [")
        assert chance["AP"] == f"{groups[cause] / (groups[cause] + groups['clean']):.3f}"


def test_a_single_cause_is_not_shown_twice(make_run):
    result = tables_of(make_run(noise=("symmetric:0.3",)))
    groups, scores = result.values()
    assert [row["samples"] for row in groups] == ["all", "clean", "corrupted"]
    assert list(scores[0]) == ["score", "suspicious", "AUROC", "AP", "P@k", "FPR95"]


@pytest.mark.slow
def test_a_score_that_no_sample_has_is_a_dash_and_a_note(make_run):
    run = make_run(epochs=40, finished=3)  # EL2N is early after 4 epochs
    for title, rows in tables_of(run).items():
        if "score" in rows[0]:
            row = next(row for row in rows if row["score"] == "early EL2N")
            assert set(row.values()) == {"early EL2N", "high", "-"}, title
    assert any("early EL2N of all 200 samples" in note for note in report(run).notes)


def test_undefined_intervals_are_null(make_run):
    parsed = strict(report(make_run(n=10, noise=("symmetric:0.1",))).text("json"))
    assert parsed["scores"][0]["auroc"]["value"] is not None
    assert parsed["scores"][0]["auroc"]["low"] is None


def test_all_corrupted_says_so(make_run):
    assert "none is clean" in str(report(make_run(noise=("symmetric:1.0",))))


@pytest.mark.slow
def test_online_values_are_marked(make_run):
    assert "augmented training passes" in str(report(make_run(mode="online")))
    evaluated = str(report(make_run()))
    assert "augmented training passes" not in evaluated
    assert "AUM and forgetting events are defined on the training passes" in evaluated


@pytest.mark.slow
def test_identity_curve_is_marked(make_run):
    run = make_run()
    path = run.path / "config.json"
    stored = json.loads(path.read_text())
    stored["config"]["model"]["gate"]["curve"] = "identity"
    write_config(path, stored)
    Run(run.path).set_status("complete", 4)  # it names the configuration that it belongs to
    assert any("identity" in note for note in report(Run(run.path)).notes)


@pytest.mark.slow
def test_stopped_run_reports_its_last_logged_epoch(make_run):
    result = report(make_run(epochs=6, finished=5, every=2))
    assert (result.epoch, result.planned, result.state) == (4, 6, "stopped")


@pytest.mark.slow
def test_damaged_epoch_is_left_out_everywhere_and_named(make_run):
    run = make_run(epochs=3)
    before = report(make_run(epochs=3, finished=2))
    damage(run, "test", 2)
    result = report(run)
    assert result.epoch == 2
    assert any("epoch 3" in note for note in result.notes)
    assert dataclasses.replace(result.groups[0]).n == before.groups[0].n
    last = run.sample_log().values("train", "correct_given")[1][1]
    assert result.groups[0].fits_given.value == pytest.approx(last.mean())


def test_no_finished_epoch_is_a_sentence(make_run):
    with pytest.raises(MemgateError, match="no finished epoch"):
        report(make_run(finished=0))


@pytest.mark.slow
def test_a_log_of_which_nothing_is_whole_is_called_damaged(make_run):
    run = make_run(epochs=2)
    damage(run, "train", 0)
    assert report(run).epoch == 2
    damage(run, "test", 1)
    with pytest.raises(MemgateError, match="no epoch that is whole in every split: its log is damaged, so"):
        report(run)
    damage(run, "train", 1)
    with pytest.raises(
        MemgateError, match="Every finished epoch of train in the log of run is damaged.*again"
    ):
        report(run)


@pytest.mark.slow
def test_unlogged_epochs_are_counted(make_run):
    text = "4 of 10 epochs are logged"
    assert any(text in note for note in report(make_run(n=40, epochs=10, every=3)).notes)
    assert any(
        "2 of 6 epochs" in note for note in report(make_run(n=40, epochs=10, every=3, finished=8)).notes
    )
    assert not any("are logged" in note for note in report(make_run(n=40, epochs=10, finished=8)).notes)


def test_no_log_is_a_sentence(make_run):
    run = make_run()
    Path(run.path / "log.h5").unlink()
    with pytest.raises(MemgateError, match="does not exist"):
        report(run)


def test_unseen_samples_are_not_counted_as_wrong(make_run):
    run = make_run(n=50, epochs=2, noise=(), unseen={1: [0, 1, 2], 2: [0, 1, 2]})
    group = report(run).groups[0]
    assert (group.n, group.fits_given.n) == (50, 47)
    correct = run.sample_log().values("train", "correct_given")[1][1][3:]
    assert group.fits_given.value == pytest.approx(np.mean(correct))


@pytest.mark.slow
def test_scores_from_checkpoints_are_in_it_with_their_epoch(make_run):
    run = make_run()
    radius = {"critical_radius": np.linspace(0, 1, 150, dtype=np.float32)}
    ids = run.manifest.sample_id[:150]
    result = ProbeResult("csr", "train", 4, "first-order", "last", ids, radius, {})
    save_results(run, "csr", [result])
    table = report(run)
    row = next(r for r in table.scores if (r.score, r.against) == ("critical_radius", "corrupted"))
    expected = roc_auc_score(run.manifest.corrupted[:150], -np.linspace(0, 1, 150))
    assert row.auroc.value == pytest.approx(expected)
    assert row.auroc.n_missing == 50
    assert any("critical radius: of the network at epoch 4" in note for note in table.notes)
    prevalence = run.manifest.corrupted[:150].mean()
    assert f"{prevalence:.3f}" != f"{run.manifest.corrupted.mean():.3f}"
    text = f"critical radius of 50 samples (its chance of AP and P@k is {prevalence:.3f} and not 0.370)"
    assert any(text in note for note in table.notes)
