"""memgate probe routing: from the command line to the tables, and one sentence for what a user can get wrong."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.cli import main
from memgate.config.run import DataConfig, GateConfig, ModelConfig
from memgate.errors import MemgateError
from memgate.runs.run import Run
from memgate.training.loop import train
from probes.result import load_results
from probes.routing import run as routing_run
from probes.samples.notes import IDENTITY


def probe(*arguments):
    main.parse(["probe", "routing", *map(str, arguments)]).run()


def like(run: Run, out: Path, **changes) -> Run:
    """Another run like this one, for an epoch."""
    schedule = replace(run.requested.train, epochs=1)
    return train(replace(run.requested, **{"out": out, "train": schedule, **changes}))


@pytest.fixture(scope="module")
def others(trained, tmp_path_factory) -> Path:
    """Runs that are, or just miss being, a control of the trained one."""
    run, out = Run(trained), tmp_path_factory.mktemp("others")
    plain = ModelConfig(name="resnet", depth=14)
    train = replace(run.requested.train, epochs=3)
    like(run, out, name="plain", model=plain, train=train)
    like(run, out, name="seed", model=plain, noise_seed=1)
    like(run, out, name="rate", model=plain, noise=("symmetric:0.3", "randx:0.1"))
    like(run, out, name="deeper", model=replace(plain, depth=20))
    like(run, out, name="data", model=plain, data=replace(run.requested.data, split_seed=1))
    mirrored = replace(run.requested.data, augment="crop-flip")
    like(run, out, name="rates", model=plain, data=mirrored, train=replace(train, lr=0.01))
    shutil.copytree(out / "plain", out / "bare")
    (out / "bare" / "checkpoints" / "best.pt").unlink()
    return out


@pytest.mark.slow
def test_the_whole_way_through_the_command_line(trained_run, others, printed):
    control = ["--control", str(others / "plain")]
    done = printed("probe", "routing", trained_run.path, "--splits", "train", "test", *control)
    for text in (
        "one: routing by intervention, train, epoch 3 (last), 128 of 128 samples",
        "plain: routing by intervention, train, epoch 3 (last), 128 of 128 samples",
        "one and its control plain, train, epoch 3:",
        "one - plain",
        "learned - skip_b3",
        "one and its control plain, test, epoch 3: there are not both clean and corrupted samples",
        "Bonett and Price's",
    ):
        assert text in done
    shown = printed("probe", "show", trained_run.path)
    assert shown.startswith(done.split("plain: routing")[0].strip())
    beside = done[done.index("one and its control plain, train") :].split("learned: g")[0]
    assert beside in shown, "the comparison again, without asking anybody"
    assert shown.count("one - plain") == 6
    for run in (trained_run, Run(others / "plain")):
        assert [result.key for result in load_results(run, "routing")] == [
            ("train", 3, "intervention"), ("test", 3, "intervention"),
        ]  # fmt: skip


@pytest.mark.slow
def test_all_samples_of_all_splits_are_asked_unless_fewer_are_wanted(trained_run, capsys):
    probe(trained_run.path)
    table = {result.split: result for result in load_results(trained_run, "routing")}
    assert {split: len(result.sample_id) for split, result in table.items()} == {
        "train": 128, "val": 32, "test": 60, "test_corrupted": 60,
    }  # fmt: skip
    probe(trained_run.path, "--splits", "val", "--n", "10", "--checkpoints", "1", "last")
    table = {result.key[:2]: result for result in load_results(trained_run, "routing")}
    assert len(table["val", 1].sample_id) == len(table["val", 3].sample_id) == 10
    assert table["val", 1].config["readouts"] != table["val", 3].config["readouts"]
    printed = capsys.readouterr().out
    assert "1,000" not in printed
    assert "This result of 10 samples has replaced one of 32." in printed
    probe(trained_run.path, "--splits", "val", "--n", "20")
    assert "has replaced" not in capsys.readouterr().out


def test_one_sample_is_enough_and_has_no_interval(trained_run, capsys):
    probe(trained_run.path, "--splits", "train", "--n", "1")
    printed = capsys.readouterr().out
    assert "of the probed samples of train " in printed
    assert "Nothing in train" not in printed
    assert ", - of the MACs saved" not in printed
    assert re.search(r"\d% (\[[^]]*\] )?of the MACs saved", printed)


@pytest.mark.slow
def test_a_control_of_other_epochs_and_one_that_is_gone_are_named(trained_run, others, tmp_path, capsys):
    shutil.copytree(others / "plain", tmp_path / "control")
    probe(trained_run.path, "--checkpoints", "3", "--splits", "train", "--control", tmp_path / "control")
    assert "Not compared" not in capsys.readouterr().out
    probe(tmp_path / "control", "--splits", "train", "--n", "5")
    capsys.readouterr()
    main.parse(["probe", "show", str(trained_run.path)]).run()
    printed = capsys.readouterr().out
    assert "Not compared" in printed
    assert "train of one's epoch 3 (epoch_003)" in printed
    shutil.rmtree(tmp_path / "control")
    main.parse(["probe", "show", str(trained_run.path)]).run()
    assert "Without its control control: " in capsys.readouterr().out


@pytest.mark.slow
def test_one_gate_that_reads_o2_saves_nothing(trained, tmp_path, capsys):
    gate = GateConfig(tap="o2", curve="identity", hidden_b3=16)
    run = like(Run(trained), tmp_path, name="late", model=ModelConfig(depth=14, gate=gate))
    probe(run.path, "--splits", "train")
    printed = capsys.readouterr().out
    assert (
        "The gate reads o2, so the block is computed before g is known: hard routing saves nothing."
        in printed
    )
    assert IDENTITY in printed
    assert "learned - skip" in printed
    result = load_results(run, "routing")[0]
    assert list(result.config["routes"]) == [
        "learned",
        "skip",
        "through",
        "hard",
        "read-out o1",
        "read-out end",
    ]
    _, routed = run.sample_log().values("train", "routed")
    np.testing.assert_array_equal(result.values["routed"], routed)


@pytest.mark.slow
def test_a_run_without_noise_has_no_contrast_and_one_without_gates_no_hard_routing(tmp_path, trained, capsys):
    data = DataConfig(name="digits", image_size=8, train_limit=60, test_limit=20)
    plain = ModelConfig(name="resnet", depth=8)
    run = like(Run(trained), tmp_path, name="plain", noise=(), noise_on=(), data=data, model=plain)
    capsys.readouterr()
    probe(run.path)
    printed = capsys.readouterr().out
    assert "None of the probed samples of train is corrupted, so there is nothing to contrast." in printed
    assert "B3 has one unit, so nothing lies beyond its o1, and there is nothing to cut." in printed
    assert not any(name.startswith("memorised") for name in load_results(run, "routing")[0].values)
    for text in (
        "Under hard routing",
        "recovered",
        "clean loses",
        "learned - ",
        "read-out end - ",
        "after b3",
    ):
        assert text not in printed.split("learned: g as it is")[0]


@pytest.mark.slow
def test_interrupted_in_the_middle_keeps_what_is_finished(trained_run, interrupt, capsys):
    interrupt(routing_run, "outputs_along_routes", 2)
    with pytest.raises(SystemExit, match="130"):
        probe(trained_run.path, "--checkpoints", "1", "2", "--splits", "val")
    assert [result.key for result in load_results(trained_run, "routing")] == [("val", 1, "intervention")]
    assert "Stopped: val of epoch 1 finished and kept in" in capsys.readouterr().err


WRONG = [
    (["nothing"], "nothing is no run"),
    (["RUN", "--checkpoints", "9"], "has no checkpoint '9': it has best, epoch_001, epoch_002"),
    (["RUN", "--splits", "dev"], "has no split 'dev': it has train, val, test, test_corrupted"),
    (["RUN", "--batch-size", "0"], "batch_size 0 holds no image"),
    (["RUN", "--n", "-1"], "n -1 is no number of samples"),
    (["RUN", "--control", "nothing"], "nothing is no run"),
    (["RUN", "--control", "RUN"], "--control one has gates: give an ungated run"),
    (["OTHERS/plain", "--control", "OTHERS/plain"], "plain has no gates: it is a control itself"),
    (
        ["RUN", "--control", "OTHERS/seed"],
        "--control seed differs from one in more than the gate: train.epochs",
    ),
    (
        ["RUN", "--control", "OTHERS/rate"],
        "[1, 2]), the noise, or its seed. Train one like it",
    ),
    (["RUN", "--control", "OTHERS/deeper"], "in more than the gate: model.depth (20, not 14), train"),
    (["RUN", "--control", "OTHERS/data"], "in more than the gate: data.split_seed (1, not 0), train"),
    (["RUN", "--control", "OTHERS/rates"], "data.augment (crop-flip, not crop), train.lr (0.01, not 0.05)."),
    (["RUN", "--checkpoints", "best", "--control", "OTHERS/bare"], "bare has no checkpoint 'best'"),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "sentence"), WRONG, ids=[" ".join(arguments) for arguments, _ in WRONG]
)
def test_what_is_wrong_is_said(trained, others, one_sentence, arguments, sentence):
    arguments = [text.replace("RUN", str(trained)).replace("OTHERS", str(others)) for text in arguments]
    assert sentence in one_sentence("probe", "routing", *arguments)


def test_a_run_that_has_no_checkpoint_yet_says_so(make_run):
    run = make_run(epochs=1, n=20, test_n=10)
    with pytest.raises(MemgateError, match="has no checkpoint 'last': it has none yet"):
        probe(run.path)
