"""The report of the league of proxies: made runs beside a memorisation that is one of their scores with noise."""

import json

import numpy as np
import pytest

from memgate.errors import MemgateError
from probes.report.league import Measured, ScoredRun, league_report
from probes.report.league_plot import figure
from probes.scores.league import WITHIN, Target
from probes.scores.table import score_table
from tests.helpers.estimates import ends


def measured_of(run, noise=0.3, column="aum"):
    """A group that memorises as a score of the run says (low AUM is memorised), up to noise."""
    table = score_table(run)
    generator = np.random.default_rng(0)
    truth = -table[column].to_numpy(np.float64)
    halves = truth + truth.std() * noise * generator.normal(size=(2, len(table)))
    targets = Target("mem", "memorisation", halves.mean(0), halves), Target("lira", "LiRA", -halves[0])
    ids, labels = table["sample_id"].to_numpy(), table["given_label"].to_numpy()
    return Measured("group", 32, 4, ids, labels, targets)


@pytest.mark.slow
def test_the_best_proxy_is_named_with_its_numbers(make_run):
    run = make_run(ids=np.random.default_rng(1).permutation(200))
    report = league_report(measured_of(run), [ScoredRun(run)], over_epochs=True)
    best = report.of("mem")[0]
    assert (best.score, best.gate) == ("aum", None)
    assert ends(best.rho)[0] > 0.8
    assert ends(best.corrected)[0] > ends(best.rho)[0]
    assert report.of("lira")[-1].score == "aum"
    assert report.conclusion.startswith("The best proxy of memorisation is mean margin (AUM) (Spearman 0.")
    text = report.text()
    assert f"group: scores of {run.name} against 32 models at epoch 4 (200 training samples)" in text
    for shown in ("memorisation, all samples (reliability 0.9", "behind the best", "LiRA, Spearman within groups:",
                  WITHIN, "best epoch (oracle)", "that is not one of the group's models"):  # fmt: skip
        assert shown in text
    assert "class 3" not in text
    stored = json.loads(report.text("json"))
    assert stored["schema"] == "memgate-league/1"
    assert {row["group"] for row in stored["ceilings"]} >= {"all", "clean", "corrupted", WITHIN, "class 3"}
    curve = next(row for row in report.over_epochs if (row.score, row.target) == ("aum", "mem"))
    assert curve.epochs == (1, 2, 3, 4)
    assert curve.rho[-1] == best.rho.value
    assert "### group: scores" in report.text("markdown")


@pytest.mark.slow
def test_the_figure_has_every_score_and_the_curves(make_run):
    run = make_run()
    report = league_report(measured_of(run), [ScoredRun(run)], over_epochs=True)
    plot = figure(report).to_plotly_json()
    traces = {trace["name"]: trace for trace in plot["data"]}
    assert {"all", "clean", "corrupted", WITHIN} <= set(traces)
    assert len(traces["all"]["y"]) == len(report.of("mem"))
    assert traces["all"]["y"][0] == "mean margin (AUM)" == plot["layout"]["yaxis"]["categoryarray"][-1]
    without = figure(league_report(measured_of(run), [ScoredRun(run)])).to_plotly_json()
    assert len(without["data"]) == 4


@pytest.mark.slow
def test_models_of_the_group_count_with_the_samples_that_they_were_trained_on(make_run):
    runs = [make_run(name=f"model{number}", seed=5) for number in range(2)]
    measured = measured_of(runs[0])
    half = np.arange(200) % 2 == 0
    report = league_report(measured, [ScoredRun(runs[0], half), ScoredRun(runs[1], ~half)])
    assert report.runs == ("model0", "model1")
    assert report.of("mem")[0].rho.n == 100
    assert "each of the samples that it was trained on" in report.text()


@pytest.mark.slow
def test_other_data_is_refused_in_a_sentence(make_run):
    run = make_run()
    measured = measured_of(run)
    with pytest.raises(MemgateError, match=r"other training samples than group \(60 and 200\)"):
        league_report(measured, [ScoredRun(make_run(n=60, name="few"))])
    other = make_run(name="other", noise=("symmetric:0.5",))
    with pytest.raises(MemgateError, match="other has other given labels than group for .* of 200 samples"):
        league_report(measured, [ScoredRun(other)])
