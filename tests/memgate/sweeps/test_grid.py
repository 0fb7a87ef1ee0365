"""Sweeps: the runs of a grid, continuing after a stop, and the table compared with the runs' reports."""

import json
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import memgate.training.loop
from memgate.config.json_form import to_json as to_json_config
from memgate.config.run import DataConfig, GateConfig, ModelConfig, RunConfig, TrainConfig
from memgate.errors import MemgateError
from memgate.runs.create import make_folder
from memgate.runs.run import open_run
from memgate.sweeps import grid
from probes.report.report import report
from probes.report.sweep import sweep_table

SMALL = (
    "--data.image-size 8 --data.train-limit 160 --data.test-limit 60 --train.epochs 2 --train.milestones 1 "
    "--model.gate.hidden-b3 8 --device cpu"
).split()


def base(out: Path, **changes: Any) -> RunConfig:
    config = RunConfig(
        name="grid",
        out=out,
        noise=("symmetric:0.3",),
        device="cpu",
        data=DataConfig(name="digits", image_size=8, train_limit=160, test_limit=60, augment="none"),
        model=ModelConfig(depth=14, gate=GateConfig(hidden_b3=8)),
        train=TrainConfig(epochs=2, milestones=(1,), batch_size=64),
    )
    return replace(config, **changes)


def test_a_grid_is_the_product_of_its_values_and_seeds(tmp_path):
    over = ["train.lr=0.1,0.05", "--model.gate.curve=centred,normalised"]
    sweep, configs = grid.plan("quickstart", base(tmp_path), over, (0, 3))
    assert len(sweep.runs) == 8
    assert {(c.train.lr, c.model.gate.curve, c.seed) for c in configs} == {
        (lr, curve, seed) for lr in (0.1, 0.05) for curve in ("centred", "normalised") for seed in (0, 3)
    }
    assert sweep.runs[1].name == "grid-train.lr_0.1-model.gate.curve_centred-s3"
    assert [run.name for run in sweep.runs] == [config.name for config in configs]
    for config in configs:  # everything else equals the base
        gate = replace(config.model.gate, curve="normalised")
        same = replace(config, name="grid", seed=0, model=replace(config.model, gate=gate))
        assert replace(same, train=replace(same.train, lr=0.1)) == base(tmp_path)


def test_a_sweep_may_vary_the_seed_only(tmp_path):
    sweep, _ = grid.plan("quickstart", base(tmp_path, name=None), [], (0, 1))
    assert [run.name for run in sweep.runs] == ["quickstart-s0", "quickstart-s1"]
    assert sweep.varied == ()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "read", "expected"),
    [
        ("train.milestones=30 45,40 50,", lambda c: c.train.milestones, [(30, 45), (40, 50), ()]),
        ('model.gate.blocks=b3,"b2,b3"', lambda c: c.model.gate.blocks, ["b3", "b2,b3"]),
        ("train.milestones=", lambda c: c.train.milestones, [()]),
        ("noise=,symmetric:0.4 randx:0.1", lambda c: c.noise, [(), ("symmetric:0.4", "randx:0.1")]),
        ("model.gate.detach-gate=true,false", lambda c: c.model.gate.detach_gate, [True, False]),
        ("train.weight_decay=1e-4, 0", lambda c: c.train.weight_decay, [1e-4, 0.0]),
        ("init_from=None,'runs/a b:best'", lambda c: c.init_from, [None, "runs/a b:best"]),
    ],
)
def test_values_are_parsed_as_on_the_command_line(tmp_path, text, read, expected):
    _, configs = grid.plan("quickstart", base(tmp_path), [text], (0,))
    assert [read(config) for config in configs] == expected


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--over", "train.lrr=1"], "--train.lrr is no flag of 'memgate train': perhaps --train.lr is meant"),
        (["--over", "train.lr=fast"], "--train.lr: could not convert string to float: 'fast'"),
        (["--over", "train.lr=0.1,-1"], "--train.lr -1.0 must be a number above 0"),
        (["--over", "model.depth=14,21"], "--model.depth 21 is not a depth"),
        (["--over", "train.lr"], "has another form than FLAG=V1,V2"),
        (["--over", "seed=1,2"], "give the seeds by --seeds 0,1,2"),
        (["--over", "train.lr=0.1,0.10"], "give each value once"),
        (["--over", "train.lr=1", "--over", "train.lr=2"], "--over train.lr is given twice"),
        (["--over", 'noise="symmetric:0.2'], "close the quotation mark"),
        (["--over", "train.lr="], "Missing value for argument '--train.lr'"),
        (["--over", "data.root=a/b,ab"], "no two that differ only in signs that a folder's name cannot hold"),
        (["--over", "train.lr=0.1", "--train.lr", "0.3"], "--train.lr 0.3 would have no effect, because --over"),
        (["--seed", "5", "--seeds", "0,1"], "--seed 5 would have no effect, because --seeds 0,1 replaces it"),
        (["--seeds", "0,x"], "--seeds '0,x' is not a list of seeds"),
        (["--seeds", "1,1"], "names a seed twice"),
        (["--gpus-per-run", "1"], "is about Ray: add --engine ray"),
        (["--engine", "ray", "--gpus-per-run", "1.5"], "--gpus-per-run 1.5 is out of range"),
        (["--engine", "ray", "--ray-address", "127.0.0.1:1"], "127.0.0.1:1 cannot be reached"),
    ],
)  # fmt: skip
def test_wrong_arguments_raise_before_a_run_starts(tmp_path, one_sentence, arguments, sentence):
    if "--ray-address" in arguments:
        pytest.importorskip("ray", reason="Ray is not installed: pip install -e '.[ray]'")
    assert sentence in one_sentence("sweep", "quickstart", *SMALL, "--out", tmp_path, *arguments)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []


def test_a_sweep_needs_a_recipe(one_sentence):
    assert "needs the recipe first" in one_sentence("sweep", "--over", "train.lr=1")
    assert "needs the recipe first" in one_sentence("sweep", "run")
    assert "'nothing' is unknown" in one_sentence("sweep", "nothing", "--over", "train.lr=1")


def test_missing_ray_raises(tmp_path, one_sentence, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    message = one_sentence("sweep", "quickstart", *SMALL, "--out", tmp_path, "--engine", "ray")
    assert "pip install -e '.[ray]'" in message


@pytest.mark.slow
def test_a_sweep_continues_after_a_stop_and_after_failed_runs(tmp_path, exit_code, capsys, interrupt):
    typed = ["sweep", "quickstart", *SMALL, "--out", tmp_path, "--name", "s"]
    typed += ["--over", "init_from=None,nowhere", "--over", "train.lr=0.1,0.05"]
    assert exit_code(*typed, "--dry-run") == 0
    assert capsys.readouterr().out.count("missing") == 4
    assert list(tmp_path.iterdir()) == []
    interrupt(memgate.training.loop, "train_step", 7)  # a run has four steps: the second run's second epoch
    assert exit_code(*typed) == 130
    assert f"Go on with: memgate {' '.join(map(str, typed))}" in capsys.readouterr().out
    first, second = (f"s-init_from_none-train.lr_{lr}-s0" for lr in (0.1, 0.05))
    assert [grid.state_of(tmp_path, name) for name in (first, second)] == ["complete", "stopped"]
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / first).iterdir()}
    assert exit_code(*typed) == 1
    printed = capsys.readouterr()
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert [grid.state_of(tmp_path, name) for name in (first, second)] == ["complete"] * 2
    failed = [f"s-init_from_nowhere-train.lr_{lr}-s0" for lr in (0.1, 0.05)]
    for name in failed:
        assert f"{name} failed: nowhere is no run" in printed.err.splitlines()[-1 - (name == failed[0])]
    assert "2 of 4 runs are complete" in printed.out
    assert f"Not in the table: {failed[0]} (missing)" in printed.out


def test_a_sweep_can_grow_and_its_base_cannot_change(tmp_path, monkeypatch, one_sentence):
    sweep, _ = grid.plan("quickstart", base(tmp_path), ["train.lr=0.1"], (0,))
    grid.record(sweep, tmp_path)
    more, _ = grid.plan("quickstart", base(tmp_path), ["train.lr=0.05,0.1"], (0, 1))
    grown = grid.record(more, tmp_path)
    assert [run.seed for run in grown.runs] == [0, 0, 1, 1]
    assert grown == grid.find_sweep("grid", tmp_path)[0] == grid.read_sweep(tmp_path / "grid.sweep.json")
    assert grid.record(sweep, tmp_path) == grown
    changed = replace(base(tmp_path), noise=())
    with pytest.raises(
        MemgateError, match="another base \\(noise symmetric:0.3, not none\\): choose another"
    ):
        grid.record(grid.plan("quickstart", changed, ["train.lr=0.1"], (0,))[0], tmp_path)
    with pytest.raises(MemgateError, match="is a sweep over train.lr, and not over train.momentum"):
        grid.record(grid.plan("quickstart", base(tmp_path), ["train.momentum=0.5"], (0,))[0], tmp_path)
    assert "there are grid" in one_sentence("sweep", "table", "other", "--out", tmp_path)


def test_a_flag_may_be_given_and_varied_if_a_run_has_its_value(tmp_path, exit_code):
    """The base alone may need it: --model.gate.hidden-b2 is valid with a gate over B2 only."""
    typed = [
        "sweep",
        "quickstart",
        "--out",
        tmp_path,
        "--model.gate.blocks",
        "b2,b3",
        "--model.gate.hidden-b2",
        "8",
    ]
    assert exit_code(*typed, "--over", 'model.gate.blocks="b2,b3",b2', "--dry-run") == 0


def test_concurrent_writes_of_a_sweeps_file_lose_no_run(tmp_path, monkeypatch):
    plans = [grid.plan("quickstart", base(tmp_path), ["train.lr=0.1"], (seed,))[0] for seed in (0, 1, 2)]
    grid.record(plans[0], tmp_path)
    read, both_have_read = grid.read_sweep, threading.Barrier(2)

    def read_and_wait(path: Path) -> grid.Sweep:
        sweep = read(path)
        with suppress(threading.BrokenBarrierError):
            both_have_read.wait(timeout=0.3)
        return sweep

    monkeypatch.setattr(grid, "read_sweep", read_and_wait)
    threads = [threading.Thread(target=grid.record, args=(sweep, tmp_path)) for sweep in plans[1:]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(run.seed for run in read(tmp_path / "grid.sweep.json").runs) == [0, 1, 2]


@pytest.mark.slow
def test_a_signal_after_the_last_batch_of_a_run_stops_the_sweep(tmp_path, exit_code, capsys, monkeypatch):
    save = memgate.training.loop.checkpoint.save

    def save_and_signal(state: Any, run: Any, which: str) -> None:
        save(state, run, which)
        if which == "last":
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(memgate.training.loop.checkpoint, "save", save_and_signal)
    small = [word for word in SMALL if word not in ("--train.epochs", "2", "--train.milestones", "1")]
    typed = ["sweep", "quickstart", *small, "--train.epochs", "1", "--train.milestones", "--out", tmp_path]
    assert exit_code(*typed, "--seeds", "0,1") == 143
    assert "The sweep is stopped; finished runs are kept." in capsys.readouterr().out
    names = ["quickstart-s0", "quickstart-s1"]
    assert [grid.state_of(tmp_path, name) for name in names] == ["complete", "missing"]


@pytest.mark.slow
def test_a_signal_between_two_runs_stops_the_sweep(tmp_path, exit_code, monkeypatch):
    monkeypatch.setattr(memgate.training.loop, "load_inputs", lambda _: signal.raise_signal(signal.SIGTERM))
    assert exit_code("sweep", "quickstart", *SMALL, "--out", tmp_path) == 143
    assert grid.state_of(tmp_path, "quickstart-s0") == "missing"


def test_a_folder_made_by_another_process_raises(tmp_path):
    config = base(tmp_path, name="r")
    stored = {
        "config": to_json_config(config),
        "requested": to_json_config(config),
        "environment": {},
        "digests": {},
    }
    (tmp_path / "r").mkdir()
    with pytest.raises(MemgateError, match="r has just been made by another process: wait for that one"):
        make_folder(tmp_path / "r", stored, {}, None, lambda _: (tmp_path / "r" / "file").touch())
    assert [path.name for path in tmp_path.iterdir()] == ["r"]
    assert grid.still_failed([config], {"r": "taken"}) == {"r": "taken"}


def test_a_run_completed_by_another_process_has_not_failed(make_run):
    run = make_run(name="grid-s0")
    config = base(run.path.parent, name="grid-s0")
    assert grid.still_failed([config], {"grid-s0": "log.h5 is open in another process"}) == {}


@pytest.mark.slow
def test_damaged_runs_are_listed_as_missing_from_the_table(make_run):
    names = [f"t-s{seed}" for seed in range(4)]
    made = [make_run(name=name, seed=seed, data_seed=7) for seed, name in enumerate(names)]
    out = made[0].path.parent
    (out / names[1] / "log.h5").write_bytes(b"torn")
    (out / names[2] / "status.json").write_text("{")
    (out / names[3] / "config.json").write_text("{")
    runs = tuple(grid.SweepRun(name, {}, seed) for seed, name in enumerate(names))
    table = sweep_table(grid.Sweep("t", "quickstart", base(out), runs), out)
    assert table.points[0].runs == ("t-s0",)
    assert list(table.missing) == names[1:]
    assert all(reason.startswith("damaged: ") for reason in table.missing.values())
    assert "1 of 4 runs are complete" in str(table)


@pytest.mark.slow
def test_the_table_has_the_mean_of_many_gates(tmp_path):
    config = base(tmp_path, model=ModelConfig(name="layer-exclusive", depth=14))
    log = memgate.training.loop.train(config).sample_log()
    sweep = grid.Sweep("t", "quickstart", config, (grid.SweepRun("grid", {}, 0),))
    (point,) = sweep_table(sweep, tmp_path).points
    assert len(log.gates) == 6
    samples = log.samples("train")
    for group, members in (("clean", samples.cause == "clean"), ("corrupted", samples.cause != "clean")):
        values = [log.values("train", "gate", gate)[1][-1][members] for gate in log.gates]
        assert point.figures[f"g {group} (mean of 6 gates)"].mean == pytest.approx(np.mean(values))
    assert len([title for title in point.figures if title.startswith("g ")]) == 2


def test_an_existing_run_with_other_settings_raises(tmp_path, make_run):
    run = make_run(name="grid-train.lr_0.1-s0")
    _, configs = grid.plan("quickstart", base(run.path.parent), ["train.lr=0.1"], (0,))
    with pytest.raises(MemgateError, match="is a run of other settings"):
        grid.check_existing(configs)


@pytest.mark.slow
def test_the_table_has_means_of_the_runs_reports(tmp_path, make_run):
    for seed in (0, 1):
        make_run(name=f"t-train.lr_0.1-s{seed}", seed=seed, data_seed=7)
    make_run(name="t-train.lr_0.05-s0", gates=())
    make_run(name="t-train.lr_0.05-s1", finished=2)
    out = tmp_path / "runs"
    runs = [
        grid.SweepRun(f"t-train.lr_{lr}-s{seed}", {"train.lr": lr}, seed)
        for lr in ("0.1", "0.05")
        for seed in (0, 1)
    ]
    runs.append(grid.SweepRun("t-train.lr_1-s0", {"train.lr": "1"}, 0))
    table = sweep_table(grid.Sweep("t", "quickstart", base(out), tuple(runs)), out)
    two_runs, ungated, missing = table.points
    reports = [report(open_run(out / name), resamples=0) for name in two_runs.runs]
    corrupted = [next(g for g in result.groups if g.name == "corrupted") for result in reports]
    fits = [float(group.fits_given.value or 0) for group in corrupted]
    assert two_runs.figures["corrupted fitted"].mean == pytest.approx(sum(fits) / 2)
    assert two_runs.figures["corrupted fitted"].sd == pytest.approx(abs(fits[0] - fits[1]) / 2**0.5)
    means = [float(group.gates[0].mean.value or 0) for group in corrupted]
    assert two_runs.figures["g corrupted (b3)"].values == pytest.approx(tuple(means))
    areas = [
        next(s.auroc.value for s in result.scores if (s.score, s.against) == ("gate_mean", "corrupted"))
        for result in reports
    ]
    assert two_runs.figures["AUROC mean g (b3)"].values == pytest.approx(tuple(areas))
    assert two_runs.figures["s/epoch"].mean == 0.5
    assert (len(two_runs.runs), ungated.runs, missing.runs) == (2, ("t-train.lr_0.05-s0",), ())
    assert "g clean (b3)" not in ungated.figures
    assert table.missing == {
        "t-train.lr_0.05-s1": "stopped after epoch 2 of 4", "t-train.lr_1-s0": "missing",
    }  # fmt: skip
    content = json.loads(table.text("json"))
    assert content["points"][0]["figures"]["test accuracy"]["n"] == 2
    rows = [line for line in table.text("markdown").splitlines() if line.startswith("| ")]
    assert len(rows) == 4
    assert rows[3].split("|")[1:4] == [" 1          ", " 0   ", " -               "]


@pytest.mark.slow
def test_ray_trains_runs_in_parallel_and_stops_them_on_interrupt(tmp_path):
    """Two runs in parallel; Ctrl-C leaves the incomplete one resumable, also where the shell ignores SIGINT."""
    pytest.importorskip("ray", reason="Ray is not installed: pip install -e '.[ray]'")
    typed = ["sweep", "quickstart", *SMALL, "--out", "runs", "--engine", "ray"]
    process = subprocess.Popen(
        [sys.executable, "-m", "memgate", *typed, "--over", "train.epochs=2,2000"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # As for a background job of a script.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )
    done, going = (tmp_path / "runs" / f"quickstart-train.epochs_{epochs}-s0" for epochs in (2, 2000))
    try:
        deadline = time.monotonic() + 180
        while not (grid.state_of(done.parent, done.name) == "complete" and (going / "metrics.csv").exists()):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=150)
    finally:
        process.kill()
    assert process.returncode == 130, output + errors
    assert "Go on with: memgate sweep quickstart" in output
    assert "Traceback" not in errors
    run = open_run(going)
    assert run.status().state == "stopped"
    assert run.status().epoch >= 1
    assert run.checkpoint("last").is_file()
