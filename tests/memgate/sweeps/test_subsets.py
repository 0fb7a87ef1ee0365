"""Groups of subset runs: their plan, what may grow, what is refused, and a small group that is stopped and goes on."""

import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import memgate.training.loop
from memgate.config.checks import LARGEST_SEED
from memgate.config.run import RunConfig, SubsetConfig, TrainConfig
from memgate.data.subset_masks import members
from memgate.errors import MemgateError
from memgate.runs.run import Run
from memgate.sweeps import grid
from memgate.sweeps.run_size import run_bytes
from memgate.sweeps.subsets import check_group, plan_group
from memgate.sweeps.time_left import duration, time_left

SMALL = (
    "--data.image-size 8 --data.train-limit 40 --data.test-limit 20 --train.epochs 1 --model.name resnet "
    "--model.depth 8 --noise symmetric:0.2 --device cpu"
).split()

BASE = RunConfig(name="g", seed=7, noise_seed=3)


def test_models_differ_in_subset_and_seed_only():
    group, configs = plan_group("quickstart", BASE, 20, (0.5, 0.7))
    assert group.name == "g"
    assert group.varied == ("subset.fraction", "subset.model")
    assert len({config.name for config in configs}) == 40
    assert Counter(config.subset.fraction for config in configs) == {0.5: 20, 0.7: 20}
    for run, config in zip(group.runs, configs, strict=True):
        assert (run.name, run.seed) == (config.name, 7 + int(run.point["subset.model"]))
        assert config.subset == SubsetConfig(
            int(run.point["subset.model"]), float(run.point["subset.fraction"])
        )
        assert replace(config, name="g", seed=7, subset=SubsetConfig()) == BASE
    assert [run.name for run in plan_group("quickstart", BASE, 40, (0.5,))[0].runs[:20]] == [
        run.name for run in group.runs[:20]
    ]


def test_the_largest_seed_is_followed_by_zero():
    _, configs = plan_group("quickstart", replace(BASE, seed=LARGEST_SEED), 2, (0.5,))
    assert [config.seed for config in configs] == [LARGEST_SEED, 0]


def test_a_group_grows_by_models_and_by_nothing_else(tmp_path):
    small, large = (plan_group("quickstart", BASE, models, (0.5,))[0] for models in (4, 8))
    check_group(small, tmp_path)
    assert grid.record(small, tmp_path) == small
    check_group(large, tmp_path)
    assert grid.record(large, tmp_path).runs == large.runs
    check_group(small, tmp_path)
    assert grid.record(small, tmp_path).runs == large.runs
    assert grid.find_sweep("g", tmp_path)[0].runs == large.runs
    others = {
        "another base .subset.fraction 0.5, not 0.7": plan_group("quickstart", BASE, 10, (0.7,)),
        "the seed 7, and not 8": plan_group("quickstart", replace(BASE, seed=8), 4, (0.5,)),
        "the fractions 0.5, and not 0.5 0.1": plan_group("quickstart", BASE, 10, (0.5, 0.1)),
        "another base .train.lr": plan_group("quickstart", replace(BASE, train=TrainConfig(lr=0.3)), 4, (0.5,)),
        "another base .subset.seed": plan_group("quickstart", replace(BASE, subset=SubsetConfig(seed=1)), 4, (0.5,)),
        "another base .noise_seed": plan_group("quickstart", replace(BASE, noise_seed=1), 4, (0.5,)),
    }  # fmt: skip
    for sentence, (other, _) in others.items():
        with pytest.raises(MemgateError, match=f"{sentence}.*choose another --name"):
            check_group(other, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--models", "3"], "3 models with a fraction of 0.5 cannot be balanced"),
        (["--models", "8", "--fraction", "0.7"], "take a multiple of 10, such as 10"),
        (["--fraction", "0.33"], "The fraction 0.33 of a subset is no a/B with B up to 20"),
        (["--fraction", "0.5", "--fractions", "0.1", "0.5"], "--fraction and --fractions both say which"),
        (["--fraction", "0.5", "--subset.fraction", "0.7"], "--subset.fraction 0.7 would have no effect"),
        (["--fractions", "0.1", "0.1", "--models", "10"], "names a fraction twice"),
        (["--models", "20000"], "This group has 20000 models, and may have 10000"),
        (["--subset.model", "2"], "--subset.model 2: the models of a group are numbered from 0"),
        (["--log.mode", "online"], "needs --log.mode eval"),
        (["--cpus-per-run", "2"], "is about Ray: add --engine ray"),
    ],
)
def test_what_is_typed_wrong_is_one_sentence(tmp_path, one_sentence, arguments, sentence):
    assert sentence in one_sentence("subsets", "quickstart", *SMALL, "--out", tmp_path / "runs", *arguments)
    assert not (tmp_path / "runs").exists()


def test_a_group_needs_a_recipe(one_sentence):
    assert "needs the recipe first" in one_sentence("subsets", "--models", "4")


def test_the_disk_is_printed_first_and_a_full_one_refused(tmp_path, exit_code, capsys, monkeypatch):
    typed = ["subsets", "quickstart", *SMALL, "--out", tmp_path / "runs", "--models", "4"]
    assert exit_code(*typed, "--dry-run") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("4 models of ")
    assert sum("missing" in line for line in lines) == 4
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1000, 0, 1000))  # pyright: ignore
    assert exit_code(*typed) == 2
    assert "1.0 kB are free" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_a_group_is_stopped_goes_on_and_grows_and_is_what_a_whole_one_is(
    tmp_path, exit_code, capsys, interrupt
):
    typed = ["subsets", "quickstart", *SMALL, "--out", tmp_path / "runs", "--name", "g"]
    interrupt(memgate.training.loop, "train_step", 2)  # a run has one step: in the second run
    assert exit_code(*typed, "--models", "2") == 130
    out = capsys.readouterr().out
    assert "Go on with: memgate subsets quickstart" in out
    assert "[2/2] g-f0.5-m1-s1, about" in out
    assert exit_code(*typed, "--models", "2") == 0
    assert "g: 2 of 2 models are complete." in capsys.readouterr().out
    before = [run_values(tmp_path, model) for model in range(2)]
    assert exit_code(*typed, "--models", "4") == 0
    assert "of which" in capsys.readouterr().out
    runs = [Run(tmp_path / "runs" / run.name) for run in grid.find_sweep("g", tmp_path / "runs")[0].runs]
    for model, values in enumerate(before):
        for name, array in run_values(tmp_path, model).items():
            np.testing.assert_array_equal(values[name], array)
    logs = [run.log("train") for run in runs]
    trained = np.stack([log["trained"][0] for log in logs])
    assert (trained == members(logs[0]["sample_id"], 4, 0.5, seed=0)).all()
    assert len({run.manifest.header.source_digest for run in runs}) == 1
    assert len({log["given_label"].tobytes() for log in logs}) == 1
    sizes = run_bytes(runs[0].requested)
    written = sum(path.stat().st_size for path in runs[0].path.rglob("*") if path.is_file())
    assert written == pytest.approx(sum(sizes.values()), rel=0.1)


def run_values(folder: Path, model: int) -> dict[str, np.ndarray]:
    log = Run(folder / "runs" / f"g-f0.5-m{model}-s{model}").log("train")
    return {name: log[name] for name in ("p_given", "phi", "trained")}


def test_times_left():
    assert time_left([], 5) == ""
    assert time_left([3.0], 0) == ""
    assert time_left([2.0, 4.0], 100) == ", about 5 min left"
    assert [duration(seconds) for seconds in (59.4, 3599, 7260)] == ["59 s", "1 h 0 min", "2 h 1 min"]
