"""memgate report GROUP --against memorisation: a group of made runs, its estimates, and the league of its models."""

import json

import numpy as np
import pytest

from memgate.config.json_form import to_json
from memgate.config.run import RunConfig
from memgate.runs.json_files import write_json
from memgate.sweeps.grid import Sweep, SweepRun, sweep_path
from probes.memorisation.config import MemorisationConfig
from probes.memorisation.run import probe_group
from probes.report.league_sources import group_league
from probes.scores.league import WITHIN


@pytest.fixture
def group(make_run, tmp_path):
    """Path of a group of four models of random subsets of 120 samples, whose memorisation was estimated."""
    runs = [
        make_run(name=f"m{model}", seed=model, data_seed=0, subset=model, n=120, epochs=2, test_n=20)
        for model in range(4)
    ]
    models = [
        SweepRun(run.name, {"subset.fraction": "0.5", "subset.model": str(model)}, model)
        for model, run in enumerate(runs)
    ]
    sweep = Sweep("mine", "quickstart", RunConfig(name="mine"), tuple(models))
    out = tmp_path / "runs"
    write_json(sweep_path(out, "mine"), to_json(sweep))
    probe_group("mine", out, MemorisationConfig(pairs=0))
    return out / "mine"


@pytest.mark.slow
def test_the_models_of_a_group_are_compared_with_what_they_measured(group, printed):
    report = group_league(str(group))
    assert report.runs == ("m0", "m1", "m2", "m3")
    assert (report.models, report.epoch, report.samples) == (4, 2, 120)
    assert set(report.targets) == {"mem", "lira"}
    assert {row.group for row in report.ceilings} >= {"all", "clean", "corrupted", WITHIN}
    assert all(row.rho.n <= 63 for row in report.of("mem"))  # the largest of the four subsets has 63 samples
    plot = group.parent / "plot.html"
    text = printed("report", group, "--against", "memorisation", "--over-epochs", "--out", plot)
    assert "mine: scores of 4 runs against 4 models at epoch 2 (120 training samples)" in text
    assert "best epoch (oracle)" in text
    assert plot.read_text().startswith("<!doctype html>")
    assert json.loads(report.text("json"))["schema"] == "memgate-league/1"


@pytest.mark.slow
def test_an_ordinary_run_of_the_same_data_has_all_its_samples(group, make_run):
    run = make_run(name="whole", seed=9, data_seed=0, n=120, epochs=2, test_n=20)
    report = group_league(f"{group}.sweep.json", run)
    assert report.runs == ("whole",)
    assert np.max([row.rho.n for row in report.of("mem")]) == 120
    assert "that is not one of the group's models" in report.text()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("a", "b", "--against", "memorisation"), "is about one group, and 2 names were given"),
        (("a", "--against", "memorisation", "--join", "x=y.csv:z"), "--join and --bootstrap have no meaning"),
        (("a", "--against", "memorisation", "--out", "x.png"), "is no HTML page"),
        (("a", "--scores-of", "b"), "--scores-of b belongs to --against memorisation"),
        (("nothing", "--against", "memorisation"), "There is no sweep nothing under runs"),
    ],
)
def test_what_is_mistyped_is_a_sentence(one_sentence, arguments, sentence):
    assert sentence in one_sentence("report", *arguments)
