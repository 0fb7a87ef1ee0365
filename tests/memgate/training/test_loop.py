"""Small trainings: reproducible, bit-identical after a resume, and correctly logged."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

import memgate.training.loop
from memgate import console
from memgate.config.run import (
    DataConfig,
    GateConfig,
    LogConfig,
    ModelConfig,
    RunConfig,
    SubsetConfig,
    TrainConfig,
)
from memgate.errors import MemgateError
from memgate.log.writer import SampleLogWriter
from memgate.models import build_model
from memgate.runs.inputs import inputs_of
from memgate.runs.json_files import with_digest
from memgate.runs.run import Run, open_run
from memgate.training import checkpoint
from memgate.training.ending import Stopped
from memgate.training.evaluate import evaluate_run
from memgate.training.loader import DeviceImages
from memgate.training.loop import resume, train
from memgate.training.sample_buffer import SampleBuffer
from tests.helpers.same_runs import assert_same_run

CPU = torch.device("cpu")


def small(out: Path, name: str = "run", **changes) -> RunConfig:
    config = RunConfig(
        name=name,
        out=out,
        noise=("symmetric:0.2", "randx:0.05"),
        device="cpu",
        data=DataConfig(name="digits", image_size=8, train_limit=200, test_limit=60, augment="crop-flip"),
        model=ModelConfig(depth=14, gate=GateConfig(hidden_b3=16)),
        train=TrainConfig(epochs=4, batch_size=64, lr=0.05, milestones=(2, 3), checkpoint_every=2),
    )
    return replace(config, **changes)


MODES = {
    "evaluation-pass": {},
    "online": {"log": LogConfig(mode="online")},
    "two-gates-extra": {
        "model": ModelConfig(depth=14, gate=GateConfig(blocks="b2,b3", hidden_b3=16)),
        "train": TrainConfig(
            epochs=4, batch_size=64, gate_iters=3, warmup_iterations=3, gate_lr_schedule="step50"
        ),
    },
    "starve": {"train": TrainConfig(epochs=4, batch_size=64, gate_iters=3, gate_iters_mode="starve")},
    "subset": {"subset": SubsetConfig(model=1), "train": TrainConfig(epochs=4, batch_size=32)},
    "ungated-every-3-val": {
        "model": ModelConfig(name="resnet", depth=8),
        "log": LogConfig(every=3),
        "data": DataConfig(name="digits", image_size=8, train_limit=200, test_limit=60, val_fraction=0.2),
    },
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Run:
    """A run that was never stopped, which no test changes."""
    return train(small(tmp_path_factory.mktemp("whole"), "whole"))


@pytest.mark.slow
def test_the_same_configuration_gives_the_same_run(tmp_path, whole):
    assert_same_run(whole, train(small(tmp_path, "again")))


@pytest.mark.slow
@pytest.mark.parametrize("mode", list(MODES))
def test_stopped_and_resumed_equals_uninterrupted(tmp_path, monkeypatch, mode, whole):
    uninterrupted = train(small(tmp_path, "whole", **MODES[mode])) if MODES[mode] else whole
    monkeypatch.setattr(console, "line", lambda *_: None)
    steps = 0
    original = memgate.training.loop.train_step

    def interrupted(*arguments):
        nonlocal steps
        steps += 1
        if steps == 10:  # in the middle of epoch 3
            raise KeyboardInterrupt
        return original(*arguments)

    monkeypatch.setattr("memgate.training.loop.train_step", interrupted)
    with pytest.raises(Stopped) as stopped:
        train(small(tmp_path, "stopped", **MODES[mode]))
    assert stopped.value.code == 130
    monkeypatch.setattr("memgate.training.loop.train_step", original)
    run = open_run(tmp_path / "stopped")
    assert run.status().state == "stopped"
    assert 1 <= run.status().epoch < 4
    assert_same_run(uninterrupted, resume(run))
    assert run.status().state == "complete"
    with pytest.raises(MemgateError, match="complete: there is nothing to resume"):
        resume(run)


class Killed(BaseException):
    """Simulates kill -9: the training must not handle it."""


WITH_VALIDATION = DataConfig(name="digits", image_size=8, train_limit=200, test_limit=60, val_fraction=0.2)


def three_epochs(out: Path, name: str = "run") -> RunConfig:
    """Two batches an epoch, and one epoch after those in which it is killed."""
    schedule = TrainConfig(epochs=3, batch_size=64, lr=0.05, milestones=(2,), checkpoint_every=2)
    return small(out, name, data=replace(WITH_VALIDATION, train_limit=100, test_limit=20), train=schedule)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """A run that was never stopped, with a best checkpoint."""
    return train(three_epochs(tmp_path_factory.mktemp("uninterrupted"), "whole"))


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("what", ["log", "metrics", "best", "epoch_002", "last"])
def test_a_kill_between_the_files_of_an_epoch_resumes_to_the_same_run(
    tmp_path, monkeypatch, uninterrupted, what, when
):
    # best.pt is written after the first epoch, epoch_NNN.pt after every second one.
    epoch = 1 if what == "best" else 2

    def killing(original, matches):
        def call(*arguments):
            if matches(*arguments) and when == "before":
                raise Killed
            original(*arguments)
            if matches(*arguments):
                raise Killed

        return call

    with monkeypatch.context() as patch:
        if what == "log":
            wrapped = killing(SampleLogWriter.write, lambda self, number, records: number == epoch)
            patch.setattr(SampleLogWriter, "write", wrapped)
        elif what == "metrics":
            wrapped = killing(Run.append_metrics, lambda self, row: row["epoch"] == epoch)
            patch.setattr(Run, "append_metrics", wrapped)
        else:
            wrapped = killing(
                checkpoint.save, lambda state, run, which: which == what and state.epoch == epoch
            )
            patch.setattr(checkpoint, "save", wrapped)
        with pytest.raises(Killed):
            train(three_epochs(tmp_path))
    assert_same_run(uninterrupted, resume(open_run(tmp_path / "run")))


@pytest.mark.slow
def test_a_run_that_was_killed_on_another_machine_resumes(tmp_path, monkeypatch, whole):
    original = memgate.training.loop.train_step

    def killed(state, batch, number, *rest):
        if state.epoch == 2:
            raise Killed
        original(state, batch, number, *rest)

    with monkeypatch.context() as patch:
        patch.setattr("memgate.training.loop.train_step", killed)
        with pytest.raises(Killed):
            train(small(tmp_path))
    path = tmp_path / "run" / "status.json"
    path.write_text(
        json.dumps(
            with_digest({**json.loads(path.read_text()), "state": "running", "host": "elsewhere", "pid": 1})
        )
    )
    assert_same_run(whole, resume(open_run(tmp_path / "run")))


def test_a_run_that_is_being_trained_is_not_resumed(tmp_path):
    run = train(small(tmp_path, train=TrainConfig(epochs=1)))
    run.set_status("stopped", 0)
    writer = SampleLogWriter.open(run.path / "log.h5")
    with pytest.raises(MemgateError, match="is open in another process"):
        resume(run)
    writer.close()


def test_a_status_that_is_damaged_while_the_log_is_opened_leaves_it_unlocked(make_run, monkeypatch):
    run = make_run(n=60, test_n=20, finished=2)
    load = memgate.training.loop.inputs_of

    def damage(run: Run) -> Any:
        (run.path / "status.json").write_text("{")
        return load(run)

    monkeypatch.setattr(memgate.training.loop, "inputs_of", damage)
    with pytest.raises(MemgateError, match=r"status\.json cannot be read") as error:
        resume(run)
    SampleLogWriter.open(run.path / "log.h5").close()
    assert error.value.__traceback__  # whose frames hold the writer


@pytest.mark.slow
def test_bf16_keeps_the_logged_values_in_float32(tmp_path):
    run = train(small(tmp_path, train=TrainConfig(epochs=1, batch_size=64, precision="bf16")))
    log = run.sample_log()
    gate, routed = log.values("train", "gate")[1], log.values("train", "routed")[1]
    np.testing.assert_array_equal(routed, gate > np.float32(0.5))
    # bfloat16 has 128 values between two powers of two, so many samples would have equal margins.
    assert len(np.unique(log.values("train", "margin")[1][-1])) > 190


def test_a_signal_ends_an_evaluation_pass_at_the_next_batch(tmp_path, monkeypatch):
    original, batches = SampleBuffer.update, []

    def signalled(self, index, forward):
        batches.append(len(index))
        signal.raise_signal(signal.SIGTERM)
        original(self, index, forward)

    monkeypatch.setattr("memgate.training.evaluate.EVAL_BATCH", {"cpu": 50})
    monkeypatch.setattr(SampleBuffer, "update", signalled)
    with pytest.raises(Stopped) as stopped:
        train(small(tmp_path))
    assert stopped.value.code == 143
    assert batches == [50]
    assert open_run(tmp_path / "run").status().state == "stopped"


@pytest.mark.slow
def test_a_closed_standard_output_does_not_end_the_training(tmp_path, monkeypatch):
    def closed(*_, **__):
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr("builtins.print", closed)
    assert train(two_epochs(tmp_path)).status().state == "complete"


def two_epochs(out: Path, name: str = "run") -> RunConfig:
    """A smaller training."""
    data = DataConfig(name="digits", image_size=8, train_limit=64, test_limit=20)
    model = ModelConfig(depth=8, name="resnet")
    return small(out, name, data=data, model=model, noise=(), train=TrainConfig(epochs=2, batch_size=64))


@pytest.mark.slow
@pytest.mark.parametrize("meanwhile", ["moved", "replaced", "deleted", "log deleted"])
def test_a_run_whose_folder_is_moved_stops_at_the_next_write_and_leaves_other_runs_alone(
    tmp_path, monkeypatch, meanwhile
):
    other = train(two_epochs(tmp_path, "other"))
    original = memgate.training.loop.train_step
    run, before = tmp_path / "run", {}

    def moving(state, *rest):
        original(state, *rest)
        if state.epoch != 1:
            return
        if meanwhile == "log deleted":
            (run / "log.h5").unlink()
        elif meanwhile == "deleted":
            shutil.rmtree(run)
        else:
            run.rename(tmp_path / "elsewhere")
        if meanwhile == "replaced":
            other.path.rename(run)
        before.update({path: path.read_bytes() for path in run.rglob("*") if path.is_file()})

    monkeypatch.setattr("memgate.training.loop.train_step", moving)
    with pytest.raises(
        MemgateError, match=r"log.h5 was moved or deleted while this process wrote it"
    ) as stopped:
        train(two_epochs(tmp_path))
    assert "free some space" not in str(stopped.value)
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    if meanwhile == "replaced":
        monkeypatch.setattr("memgate.training.loop.train_step", original)
        moved = open_run(tmp_path / "elsewhere")
        assert (moved.status().state, moved.status().epoch) == ("crashed", 1)
        resume(moved)
        assert_same_run(train(two_epochs(tmp_path, "whole")), moved)


def test_a_signal_before_the_first_epoch_leaves_a_stopped_run(tmp_path, monkeypatch):
    original = memgate.training.loop.DeviceImages

    def signalled(*arguments):
        signal.raise_signal(signal.SIGINT)
        return original(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr("memgate.training.loop.DeviceImages", signalled)
        with pytest.raises(Stopped) as stopped:
            train(two_epochs(tmp_path))
    assert stopped.value.code == 130
    run = open_run(tmp_path / "run")
    assert (run.status().state, run.status().epoch) == ("stopped", 0)
    assert resume(run).status().state == "complete"


def test_a_signal_while_the_run_is_made_leaves_a_stopped_run(tmp_path, monkeypatch):
    def signalled(text):
        if text.startswith("Training"):
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(console, "note", signalled)
    with pytest.raises(Stopped) as stopped:
        train(two_epochs(tmp_path))
    assert stopped.value.code == 143
    assert open_run(tmp_path / "run").status().state == "stopped"


def test_missing_tensorboard_raises_before_a_run_is_created(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(MemgateError, match="needs the package tensorboard: pip install"):
        train(small(tmp_path, log=LogConfig(tensorboard=True)))
    assert list(tmp_path.iterdir()) == []


SIGNALS = {"SIGINT": (signal.SIGINT, 130), "SIGTERM": (signal.SIGTERM, 143), "SIGKILL": (signal.SIGKILL, -9)}

FORKS = """
import os, sys
# What takes seconds to import, once; optimisers import the last one.
import app.cli.commands.train, probes.report.report, sklearn.datasets, memgate.training.loop, torch._dynamo
from memgate.__main__ import main

for line in sys.stdin:
    name, *arguments = line.split()
    child = os.fork()
    if child == 0:
        os.setsid()
        for number, ending in ((1, "out"), (2, "err")):
            os.dup2(os.open(f"{name}.{ending}", os.O_WRONLY | os.O_CREAT), number)
        sys.argv = ["memgate", *arguments]
        main()
        sys.exit(0)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
"""A process that runs a memgate process of its own for every line that it reads, and says its number and its end."""


@pytest.fixture(scope="module")
def forks():
    """The process FORKS."""
    command = [sys.executable, "-c", FORKS]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as process:
        yield process
    assert process.returncode == 0


@pytest.fixture(scope="module")
def signalled(tmp_path_factory):
    """What the run that is stopped by a signal would have been."""
    data = DataConfig(name="digits", image_size=8, train_limit=300, test_limit=60)
    return train(
        RunConfig(
            name="whole", out=tmp_path_factory.mktemp("signalled"), noise=("symmetric:0.2",), device="cpu", seed=3,
            data=data, model=ModelConfig(depth=14), train=TrainConfig(epochs=8),
        )
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", list(SIGNALS))
def test_a_run_stopped_by_a_signal_resumes_bit_identically(tmp_path, forks, signalled, name):
    number, code = SIGNALS[name]
    flags = (
        f"train --out {tmp_path} --name killed --noise symmetric:0.2 --device cpu --data.name digits "
        "--data.image-size 8 --data.train-limit 300 --data.test-limit 60 --model.depth 14 --train.epochs 8 --seed 3"
    )
    forks.stdin.write(f"{tmp_path / 'process'} {flags}\n")
    process = int(forks.stdout.readline())
    wait_for_epoch(tmp_path / "killed" / "metrics.csv", 2)
    os.kill(process, number)
    errors = (tmp_path / "process.err").read_text
    assert int(forks.stdout.readline()) == code, errors()
    assert "Traceback" not in errors()
    run = open_run(tmp_path / "killed")
    assert run.status().state == ("crashed" if name == "SIGKILL" else "stopped")
    if name != "SIGKILL":
        assert f"memgate resume {run.path}" in (tmp_path / "process.out").read_text()
    threads = torch.get_num_threads()
    try:
        resume(run)
    finally:
        torch.set_num_threads(threads)
    assert_same_run(signalled, open_run(run.path))


def wait_for_epoch(path, epoch):
    """Wait until metrics.csv has the epoch's line."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if path.exists() and path.read_text().count("\n") > epoch:
            return
        time.sleep(0.02)
    raise AssertionError("the training did not reach the epoch in two minutes")


@pytest.mark.slow
def test_the_last_logged_epoch_equals_the_last_checkpoints_output(whole):
    run, inputs = whole, inputs_of(whole)
    model = build_model(run.config.model, 10, seed=0).eval()
    assert checkpoint.load_weights(model, run, "last", CPU) == 4
    images = DeviceImages(inputs, "train", CPU)
    [batch] = images.evaluation_batches(1000)
    with torch.no_grad():
        forward = model(batch.images)
    given = torch.from_numpy(inputs.train.labels)
    log = run.sample_log()

    def last(name):
        epochs, values = log.values("train", name)
        assert epochs.tolist() == [1, 2, 3, 4]
        return values[-1]

    p = torch.softmax(forward.logits, 1).numpy()
    rows = np.arange(len(given))
    others = forward.logits.numpy().copy()
    others[rows, given] = -np.inf
    expected = {
        "loss": functional.cross_entropy(forward.logits, given, reduction="none").numpy(),
        "margin": forward.logits.numpy()[rows, given] - others.max(1),
        "p_given": p[rows, given],
        "el2n": np.linalg.norm(p - np.eye(10)[given], axis=1),
        "out_entropy": -(p * np.log(p)).sum(1),
        "gate": forward.gates[0].value.numpy(),
        "entropy": forward.gates[0].entropy.numpy(),
    }
    for name, values in expected.items():
        np.testing.assert_allclose(last(name), values, rtol=1e-3, atol=1e-4, err_msg=name)
    agreement = (last("pred") == forward.logits.argmax(1).numpy()).mean()
    assert agreement > 0.99
    np.testing.assert_array_equal(last("routed"), last("gate") > np.float32(0.5))
    np.testing.assert_array_equal(last("correct_given"), last("pred") == inputs.train.labels)
    np.testing.assert_array_equal(last("correct_clean"), last("pred") == inputs.clean.train.labels)
    assert last("seen").all()
    metrics = run.metrics()[-1]
    assert metrics["train_accuracy"] == pytest.approx(last("correct_given").mean())
    assert metrics["train_loss"] == pytest.approx(last("loss").mean(), rel=1e-5)
    assert metrics["train_routed_b3"] == pytest.approx(last("routed").mean())


@pytest.mark.slow
def test_evaluate_run_equals_the_epochs_metrics(tmp_path):
    data = DataConfig(name="digits", image_size=8, train_limit=200, test_limit=60, val_fraction=0.2)
    run = train(small(tmp_path, data=data))
    for which in ("last", "2", "best"):
        epoch, splits = evaluate_run(run, which, "cpu")
        row = run.metrics()[epoch - 1]
        for split in ("train", "val", "test"):
            assert splits[split][f"{split}_accuracy"] == pytest.approx(row[f"{split}_accuracy"])
    accuracies = [row["val_accuracy"] for row in run.metrics()]
    assert evaluate_run(run, "best", "cpu")[0] == 1 + int(np.argmax(accuracies))
    with pytest.raises(MemgateError, match="no checkpoint '3': it has best, epoch_002, epoch_004, last"):
        run.checkpoint("3")


@pytest.mark.slow
def test_validation_and_test_stay_clean_and_disjoint(tmp_path):
    data = DataConfig(name="digits", image_size=8, val_fraction=0.1)
    run = train(small(tmp_path, data=data, train=TrainConfig(epochs=1)))
    log = run.sample_log()
    ids = {split: log.samples(split).sample_id for split in log.splits}
    assert len(np.unique(np.concatenate([ids["train"], ids["val"]]))) == len(ids["train"]) + len(ids["val"])
    for split in ("val", "test"):
        samples = log.samples(split)
        np.testing.assert_array_equal(samples.given_label, samples.clean_label)
    assert (log.samples("train").label_op > 0).sum() == round(0.2 * len(ids["train"]))


@pytest.mark.slow
@pytest.mark.parametrize(("iters_mode", "trunk", "gate"), [("extra", 16, 48), ("starve", 4, 16)])
def test_gate_iters_in_both_modes(tmp_path, iters_mode, trunk, gate):
    schedule = TrainConfig(epochs=4, batch_size=64, gate_iters=3, gate_iters_mode=iters_mode)
    last = train(small(tmp_path, train=schedule)).metrics()[-1]
    assert (last["trunk_updates"], last["gate_updates"]) == (trunk, gate)


@pytest.mark.slow
def test_a_full_disk_loses_an_epoch_of_the_log_and_the_training_continues(tmp_path, monkeypatch, capsys):
    original = SampleLogWriter.write

    def full(self, epoch, records):
        if epoch == 2:
            raise OSError(28, "No space left on device")
        original(self, epoch, records)

    monkeypatch.setattr(SampleLogWriter, "write", full)
    run = train(small(tmp_path))
    assert run.status().state == "complete"
    assert run.sample_log().epochs("train").tolist() == [1, 3, 4]
    assert "epoch 2 could not be written" in capsys.readouterr().err


@pytest.mark.slow
def test_a_disk_too_full_for_checkpoints_leaves_a_run_that_resumes(tmp_path, monkeypatch, whole):
    original = checkpoint.save

    def full(state, *rest):
        if state.epoch == 3:
            raise OSError(28, "No space left on device")
        original(state, *rest)

    monkeypatch.setattr(checkpoint, "save", full)
    with pytest.raises(MemgateError, match="after epoch 2 .*free some space, then continue"):
        train(small(tmp_path))
    run = open_run(tmp_path / "run")
    assert run.status().state == "failed"
    monkeypatch.setattr(checkpoint, "save", original)
    assert_same_run(whole, resume(run))


def test_what_can_never_train_is_refused_before_its_folder_is_made(tmp_path):
    config = small(tmp_path / "runs", model=ModelConfig(layout="imagenet", depth=18))
    with pytest.raises(
        MemgateError, match="Images of 8 pixels leave b4 of --model.layout imagenet a single one"
    ):
        train(config)
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_a_taken_name_and_a_diverged_loss_raise(tmp_path):
    train(small(tmp_path, train=TrainConfig(epochs=1)))
    with pytest.raises(MemgateError, match="exists already: choose another --name, or go on"):
        train(small(tmp_path))
    with pytest.raises(MemgateError, match="loss is NaN or infinite after epoch"):
        train(small(tmp_path, "diverges", train=TrainConfig(epochs=3, lr=1e20)))
    assert open_run(tmp_path / "diverges").status().state == "failed"


@pytest.mark.slow
@pytest.mark.parametrize("split", ["train", "test"])
def test_a_run_with_changed_data_does_not_resume(tmp_path, split):
    draw = np.random.default_rng(0)
    arrays: dict[str, Any] = {
        f"{split}_{what}": values
        for split in ("train", "test")
        for what, values in (
            ("images", draw.integers(0, 255, (80, 8, 8, 3), np.uint8)),
            ("labels", np.arange(80) % 4),
        )
    }
    np.savez(tmp_path / "own.npz", **arrays)
    data = DataConfig(name="npz", root=tmp_path / "own.npz")
    run = train(small(tmp_path, data=data, train=TrainConfig(epochs=2)))
    run.set_status("stopped", 1)
    arrays[f"{split}_images"][3, 0, 0, 0] ^= 1
    np.savez(tmp_path / "own.npz", **arrays)
    with pytest.raises(MemgateError, match="no longer what run recorded"):
        resume(open_run(run.path))


@pytest.mark.slow
def test_config_json_is_the_resolved_configuration(tmp_path):
    run = train(small(tmp_path, train=TrainConfig(epochs=2)))
    requested = small(tmp_path, train=TrainConfig(epochs=2))
    assert run.requested == requested
    assert run.config == replace(
        requested.resolved(), train=TrainConfig(epochs=2, milestones=(1,), precision="float32")
    )
    stored = json.loads((run.path / "config.json").read_text())
    assert stored["config"]["train"]["milestones"] == [1]
    assert stored["environment"]["packages"]["torch"] == torch.__version__
    assert {field.name for field in dataclasses.fields(RunConfig)} == set(stored["config"])


@pytest.mark.slow
def test_tensorboard_holds_the_scalars_and_the_histograms(tmp_path):
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="tensorboard is an extra"
    )
    run = train(small(tmp_path, log=LogConfig(tensorboard=True), train=TrainConfig(epochs=2)))
    events = accumulator.EventAccumulator(
        str(run.path / "tensorboard"), {"histograms": 0, "scalars": 0}
    ).Reload()
    accuracies = [event.value for event in events.Scalars("test_accuracy")]
    assert accuracies == pytest.approx([row["test_accuracy"] for row in run.metrics()])
    assert len(events.Histograms("g_b3/train")) == 2
