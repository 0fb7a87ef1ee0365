"""The models of a group from the logs of their runs: complete, incomplete, damaged, and what is no group."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from memgate.config.run import SubsetConfig
from memgate.data.subset_masks import members
from memgate.errors import MemgateError
from memgate.runs.run import Run
from memgate.sweeps.grid import Sweep, SweepRun, record
from memgate.sweeps.subsets import FRACTION, MODEL
from probes.memorisation.config import MemorisationConfig
from probes.memorisation.group import open_group
from probes.memorisation.run import probe_group
from probes.memorisation.source import from_arrays
from probes.memorisation.stored import memorisation_result

MODELS = 6


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """Folder of a group of six runs with made-up logs, of every quantity or only of those that estimates need."""
    from tests.helpers.made_runs import RunPlan, build_run

    folder = tmp_path_factory.mktemp("group")
    made = []
    for model in range(MODELS):
        plan = RunPlan(
            epochs=3, n=60, test_n=20, gates=(), subset=model, seed=model, data_seed=0, name=f"m{model}",
            quantities="memorisation" if model % 2 else "all",
        )  # fmt: skip
        made.append(build_run(folder, plan))
    runs = tuple(
        SweepRun(f"m{model}", {FRACTION: "0.5", MODEL: str(model)}, model) for model in range(MODELS)
    )
    base = replace(made[0].requested, name="mine", subset=SubsetConfig(), seed=0)
    record(Sweep("mine", "quickstart", base, runs), folder / "runs")
    return folder / "runs"


@pytest.fixture
def group(made: Path, tmp_path: Path) -> Path:
    """A copy of it, to be changed."""
    return Path(shutil.copytree(made, tmp_path / "runs"))


@pytest.mark.slow
def test_estimates_are_those_of_the_logs(group):
    path = probe_group("mine", group, MemorisationConfig(memorised=-1))[1]
    assert path == group / "mine.memorisation.h5"
    again = memorisation_result("mine", group)
    assert (again.group, again.fraction, again.models.tolist()) == ("mine", 0.5, list(range(MODELS)))
    logs = [Run(group / f"m{model}").log("train") for model in range(MODELS)]
    ids = logs[0]["sample_id"]
    mask = members(ids, MODELS, 0.5, 0)
    assert (again.sample_id == ids).all()
    for row in range(3):
        right = np.array([log["correct_given"][row] for log in logs], float)
        p = np.array([log["p_given"][row] for log in logs])
        for name, values in (("mem", right), ("mem_p", p)):
            expected = np.ma.masked_array(values, ~mask).mean(0) - np.ma.masked_array(values, mask).mean(0)
            assert again.values[name][row] == pytest.approx(np.asarray(expected), abs=1e-6)
    assert again.config["planned"] == {"0.5": MODELS}
    assert again.config["left_out"] == {}
    assert set(again.figures) == {"lira", "lira_sample", "rmia"}
    assert set(again.influence) == {"train", "test"}
    assert set(again.influence["train"].source) <= set(ids)


def test_a_log_gives_what_its_arrays_give(group):
    (source,), _ = open_group("mine", group)
    logs = [Run(group / f"m{model}").log("train") for model in range(MODELS)]
    arrays = from_arrays(
        members(logs[0]["sample_id"], MODELS, 0.5, 0),
        np.array([log["p_given"] for log in logs]),
        np.array([log["correct_given"] for log in logs]),
        source.splits["train"],
        phi=np.array([log["phi"] for log in logs]),
    )
    for place in range(MODELS):
        from_log = source.read(place, "train", np.array([1, 3]), slice(5, 40))
        from_array = arrays.read(place, "train", np.array([1, 3]), slice(5, 40))
        for name, values in vars(from_log).items():
            np.testing.assert_array_equal(values, getattr(from_array, name))
    assert source.read(0, "test", source.epochs, slice(None)).members is None


@pytest.mark.slow
def test_blocks_that_are_not_complete_are_left_out_and_named(group, printed):
    shutil.rmtree(group / "m3")
    Run(group / "m0").set_status("stopped", 2)
    Run(group / "m0").set_status("complete", 3)
    text = printed("probe", "memorisation", "mine", "--out", str(group))
    assert "from 4 of 6 models, each trained on 50% of them" in text
    assert "Left out with its block: m2 (complete)\nLeft out with its block: m3 (missing)" in text
    assert str(group / "mine.memorisation.h5") in text
    again = printed("probe", "show", str(group / "mine.sweep.json"))
    assert again.strip() == text[: text.index("\nStored in")].strip()
    result = memorisation_result("mine", group)
    assert result.models.tolist() == [0, 1, 4, 5]
    Run(group / "m4").set_status("failed", 1)
    with pytest.raises(
        MemgateError, match="has 4 of 6 models with a fraction of 0.5 complete, and 1 whole blocks of 2"
    ):
        open_group("mine", group)
    assert memorisation_result("mine", group).models.tolist() == [0, 1, 4, 5]


def test_what_is_no_group_is_a_sentence(group, one_sentence):
    flags = ("--out", str(group))
    assert "There is no sweep yours under" in one_sentence("probe", "memorisation", "yours", *flags)
    assert "m1 is a single run" in one_sentence("probe", "memorisation", "m1", *flags)
    sweep = Sweep(
        "plain", "quickstart", Run(group / "m0").requested, (SweepRun("m0", {"train.lr": "0.1"}, 0),)
    )
    record(replace(sweep, base=replace(sweep.base, name="plain")), group)
    sentence = one_sentence("probe", "memorisation", "plain", *flags)
    assert "plain is an ordinary sweep, whose runs were trained on all samples" in sentence
    assert "memgate subsets RECIPE --models 32" in sentence
    sentence = one_sentence("probe", "memorisation", "mine", "--fraction", "0.7", *flags)
    assert sentence.endswith("--fraction 0.7 is no fraction of mine: it has 0.5.\n")
    assert "--influence 2" in one_sentence("probe", "memorisation", "mine", "--influence", "2", *flags)


def test_models_that_do_not_fit_together_are_refused(group):
    shutil.rmtree(group / "m1")
    shutil.copytree(group / "m0", group / "m1")
    with pytest.raises(MemgateError, match="The logs of mine do not fit together: members is not balanced"):
        probe_group("mine", group, MemorisationConfig())


def test_models_of_other_data_are_refused(group):
    from tests.helpers.made_runs import RunPlan, build_run

    shutil.rmtree(group / "m5")
    plan = RunPlan(epochs=3, n=60, test_n=20, gates=(), subset=5, seed=5, data_seed=1, name="m5")
    build_run(group.parent, plan)
    with pytest.raises(MemgateError, match="m5 has other samples or given labels in train than m0"):
        open_group("mine", group)


def test_epochs_are_those_that_all_models_have(group):
    path = group / "m2" / "log.h5"
    log = Run(group / "m2").sample_log()
    assert log.seal is not None
    with log.opened() as handle:
        offset = handle["train"]["p_given"].id.get_offset() + log.seal.start
        width = handle["train"]["p_given"].shape[1] * 4
    content = bytearray(path.read_bytes())
    content[offset + width] ^= 1  # in the second epoch, whose checksum then fails
    path.write_bytes(content)
    (source,), _ = open_group("mine", group)
    assert source.epochs.tolist() == [1, 3]
