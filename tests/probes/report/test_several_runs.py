"""Several runs as one: mean and standard deviation of every figure, and which runs may be averaged."""

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from app.cli import main
from memgate.errors import MemgateError
from memgate.runs.run import Run
from probes.report.report import Report
from probes.report.report import report as full_report
from probes.report.several_runs import SeveralRuns, check_alike, several, spread
from tests.helpers.made_runs import RunPlan, build_run, changed

pytestmark = pytest.mark.slow

report = partial(full_report, resamples=0)
"""The report without the bootstrap, which takes most of its time."""


@pytest.fixture(scope="module")
def seeds(tmp_path_factory) -> list[Run]:
    """Three runs of one setting, ``run``, ``run-2`` and ``run-3``, which no test changes."""
    folder = tmp_path_factory.mktemp("seeds")
    return [build_run(folder, RunPlan(seed=seed, data_seed=0, n=120)) for seed in (0, 1, 2)]


@pytest.fixture(scope="module")
def result(seeds) -> SeveralRuns:
    """The report over the three runs."""
    return several(seeds, report)


@pytest.mark.parametrize("values", [[0.5, 0.7, 0.9], [0.5, None, 0.9], [0.5], [None, 0.25], [None]])
def test_mean_and_sd_are_numpys(values):
    result = spread(values)
    known = [value for value in values if value is not None]
    assert result.n == len(known)
    assert result.values == tuple(values)
    assert result.mean == (pytest.approx(np.mean(known)) if known else None)
    assert result.sd == (pytest.approx(np.std(known, ddof=1)) if len(known) > 1 else None)


def test_every_figure_is_the_mean_of_the_runs_own(result):
    own = result.reports
    assert [one.run for one in own] == ["run", "run-2", "run-3"]

    def check(path: str, values: list[float | None]) -> None:
        assert result.spreads[path].values == tuple(values)
        assert result.spreads[path].mean == pytest.approx(np.mean(np.array(values, float)))
        assert result.spreads[path].sd == pytest.approx(np.std(np.array(values, float), ddof=1))

    check("test_accuracy", [r.test_accuracy.value for r in own if r.test_accuracy])
    check("groups/clean/fits_given", [r.groups[1].fits_given.value for r in own])
    check("groups/clean/b3/routed", [r.groups[1].gates[0].routed.value for r in own])
    for row in range(len(own[0].scores)):
        score = own[0].scores[row]
        path = "/".join(filter(None, ("scores", score.score, score.gate, score.against)))
        check(f"{path}/auroc", [r.scores[row].auroc.value for r in own])
        check(f"{path}/average_precision", [r.scores[row].average_precision.value for r in own])
        check(f"{path}/precision_at_k", [r.scores[row].precision_at_k.value for r in own])
        check(f"{path}/fpr95", [r.scores[row].fpr95.value for r in own])
    assert result.seeds == ((0, 0), (1, 0), (2, 0))


def test_a_figure_that_a_run_lacks_says_over_how_many(seeds, result):
    def without_last_group(run: Run) -> Report:
        own = result.reports[seeds.index(run)]
        return replace(own, groups=own.groups[:-1]) if run is seeds[0] else own

    incomplete = several(seeds, without_last_group)
    spread_of_two = incomplete.spreads["groups/label+image/fits_given"]
    assert spread_of_two.values[0] is None
    assert spread_of_two.n == 2
    assert "(n = 2)" in str(incomplete)


def test_what_is_known_without_measuring_has_no_spread(seeds, result):
    text = str(result)
    chance = [line.split() for line in text.splitlines() if line.startswith("(chance)")]
    prevalence = result.spreads["chance/label/AP"]
    assert prevalence.sd == pytest.approx(0)
    assert ["(chance)", "0.500", *[f"{prevalence.mean:.3f}"] * 2, "0.950"] in chance
    assert "Noise symmetric:0.3: requested 30.00%, realised 30.00%\n" in text
    # What is measured and happens to agree has one.
    agreeing = several(seeds, lambda run: replace(result.reports[0], run=run.name))
    accuracy = agreeing.spreads["test_accuracy"].mean
    assert accuracy is not None
    assert f"Test accuracy: {100 * accuracy:.2f} ± 0.00%" in str(agreeing)


def test_joins_and_epochs_are_averaged_too(seeds):
    result = several(seeds, lambda run: report(run, over_epochs=True))
    curves = [curve for curve in report(seeds[1], over_epochs=True).over_epochs if curve.quantity == "loss"]
    spreads = result.spreads["epochs/loss/corrupted/mean"]
    assert spreads.values[1] == curves[0].mean.value
    assert result.spreads["epochs/entropy/b3/label/oracle_epoch"].n == 3


def test_the_text_has_the_layout_of_one_run(result):
    text = str(result)
    value = result.spreads["scores/loss_mean/corrupted/auroc"]
    assert f"{value.mean:.3f} ± {value.sd:.3f}" in text
    accuracy = result.spreads["test_accuracy"]
    assert accuracy.mean is not None
    assert accuracy.sd is not None
    assert f"Test accuracy: {100 * accuracy.mean:.2f} ± {100 * accuracy.sd:.2f}%" in text
    assert "3 runs at epoch 4 of 4" in text
    assert "run-2 (seed 1, noise seed 0)" in text
    assert "DeLong" not in text
    assert "nan" not in text.lower()
    assert "| samples" in result.text("markdown")


def test_the_json_has_each_runs_values_and_report(result):
    stored = json.loads(result.text("json"))
    assert [run["run"] for run in stored["runs"]] == ["run", "run-2", "run-3"]
    assert len(stored["figures"]["scores/aum/label/auroc"]["values"]) == 3
    assert stored["reports"][2]["scores"][0]["auroc"]["low"] is not None


def test_seeds_and_places_may_differ(seeds):
    other = changed(
        seeds[0], "elsewhere", seed=9, noise_seed=4, out="/else", device="cuda", data__root="/data/x.npz",
        train__checkpoint_every=3, data__split_seed=5,
    )  # fmt: skip
    check_alike([seeds[0], other])


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"train__lr": 0.5}, r"train\.lr \(0\.1, 0\.5\)"),
        ({"model__gate__slope": 4.0}, r"model\.gate\.slope \(8\.0, 4\.0\)"),
        ({"train__epochs": 9}, r"train\.epochs \(4, 9\)"),
        ({"log__mode": "online"}, r"log\.mode \(eval, online\)"),
    ],
)
def test_other_settings_are_refused_by_name(seeds, values, field):
    other = changed(seeds[0], f"other-{next(iter(values))}", **values)
    with pytest.raises(MemgateError, match=f"more than their seeds.*{field}.*one by one"):
        several([seeds[0], other], report)


def test_other_noise_and_other_data_are_refused_by_name(make_run):
    one = make_run()
    with pytest.raises(MemgateError, match=r"noise \(symmetric:0.3 randx:0.1, symmetric:0.2\)"):
        check_alike([one, make_run(noise=("symmetric:0.2",))])
    with pytest.raises(MemgateError, match="images and labels of train at split seed 0"):
        check_alike([one, make_run(data_seed=1)])


def test_the_same_run_twice_and_the_same_seeds(seeds, result):
    with pytest.raises(MemgateError, match="run-2 is given twice"):
        check_alike([seeds[0], seeds[1], Run(seeds[1].path.parent / "." / "run-2")])
    alike = several([seeds[0], changed(seeds[0], "copy")], report)
    assert any("same seeds" in note for note in alike.notes)
    assert not any("same seeds" in note for note in result.notes)


def test_runs_that_are_not_equally_far_are_refused(make_run):
    runs = [make_run(epochs=4), make_run(epochs=4, finished=3, seed=1, data_seed=0)]
    with pytest.raises(MemgateError, match="run is at epoch 4, run-2 is at epoch 3"):
        several(runs, report)


def test_the_command_takes_one_run_several_and_none(seeds, capsys, monkeypatch):
    monkeypatch.setattr("probes.stats.bootstrap.RESAMPLES", 10)  # the default
    paths = [str(run.path) for run in seeds]
    main.parse(["report", *paths, "--format", "json"]).run()
    stored = json.loads(capsys.readouterr().out)
    assert len(stored["figures"]["scores/aum/label/auroc"]["values"]) == 3
    # Each run's own report has the bootstrap's intervals there.
    assert stored["reports"][0]["scores"][0]["average_precision"]["low"] is not None
    main.parse(["report", paths[0], "--over-epochs", "--bootstrap", "10"]).run()
    shown = capsys.readouterr().out
    assert "10 bootstrap resamples" in shown
    assert "best epoch (oracle)" in shown
    assert "chosen by the clean labels" in shown
    main.parse(["report", *paths]).run()
    assert "Mean ± standard deviation over 3 runs" in capsys.readouterr().out
    main.parse(["report", *paths, "--bootstrap", "0"]).run()
    for form in ("terminal", "markdown"):
        with pytest.raises(MemgateError, match="--bootstrap 10 .* several runs does not show.*--format json"):
            main.parse(["report", *paths, "--bootstrap", "10", "--format", form]).run()
    with pytest.raises(MemgateError, match="needs a run"):
        main.parse(["report"]).run()
    with pytest.raises(MemgateError, match="--bootstrap -1 is out of range"):
        main.parse(["report", paths[0], "--bootstrap", "-1"]).run()
    with pytest.raises(MemgateError, match="--join is given twice"):
        main.parse(["report", paths[0], "--join", "a=b", "--join", "c=d"])
