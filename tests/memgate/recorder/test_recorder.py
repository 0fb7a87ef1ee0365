"""The recorder: what other people's loops write is what memgate would have written."""

import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from memgate.config.run import UNSEEN_CLASS
from memgate.errors import MemgateError
from memgate.log.format import EpochRecord
from memgate.recorder.recorder import Recorder
from memgate.runs.inputs import inputs_of
from memgate.runs.metrics import metric_names
from memgate.runs.run import Run
from memgate.training.evaluate import evaluate_split, load_network
from memgate.training.loader import DeviceImages
from probes.dynamics.snapshot import take_snapshot
from probes.dynamics.summary import summary
from probes.report.report import report
from probes.scores.table import snapshot_scores
from tests.helpers.recording import CLEAN, GIVEN, K, N, feed, logits_of, recorded


def test_values_equal_those_of_memgates_own_sweep(trained_run: Run, make_recorder: Any) -> None:
    inputs, cpu = inputs_of(trained_run), torch.device("cpu")
    model, epoch = load_network(trained_run, "last", cpu)
    expected = evaluate_split(model, DeviceImages(inputs, "train", cpu), ("b2", "b3"), "float32")
    images = DeviceImages(inputs, "train", cpu)
    recorder = make_recorder(
        len(images),
        3,
        manifest=trained_run.path / "manifest.npz",
        mode="evaluate_split",
        images=inputs.train.images,
    )
    with torch.no_grad(), recorder:
        for batch in images.evaluation_batches(50):
            found = model.eval()(batch.images)
            gate = {one.name: one.value for one in found.gates}
            own = {one.name: one.logits for one in found.gates}
            recorder.update(batch.index, found.logits, images.given[batch.index], gate, gate_logits=own)
        recorder.end_epoch()
    ours = recorded(recorder, 1)
    theirs = dict(trained_run.sample_log().records("train", [epoch]))[epoch]
    for field in fields(EpochRecord):
        name = field.name
        # Batches of another size round differently in the convolutions.
        for record in (expected, theirs):
            np.testing.assert_allclose(getattr(ours, name), getattr(record, name), rtol=2e-4, atol=2e-5)
    run = Run(recorder.path)
    assert run.sample_log().gates == ("b2", "b3")
    assert run.sample_log().mode == "evaluate_split"
    mine, others = (one.sample_log().samples("train") for one in (run, trained_run))
    for column in vars(others):
        np.testing.assert_array_equal(getattr(mine, column), getattr(others, column))
    for name in ("label_kind", "image_kind"):
        assert summary(run)[name].equals(summary(trained_run)[name])


def test_values_are_those_of_a_ten_line_loop(make_recorder: Any) -> None:
    with make_recorder() as recorder:
        feed(recorder, 1)
    record, chance = recorded(recorder, 1), torch.softmax(logits_of(1).double(), 1).numpy()
    own = chance[np.arange(N), GIVEN]
    np.testing.assert_allclose(record.loss, -np.log(own), rtol=1e-5)
    np.testing.assert_allclose(record.p_given, own, rtol=1e-5)
    np.testing.assert_array_equal(record.pred, chance.argmax(1))
    np.testing.assert_array_equal(record.flag("correct_given"), chance.argmax(1) == GIVEN)
    assert record.flag("seen").all()
    (row,) = Run(recorder.path).metrics()
    assert list(row) == metric_names(["train"], [])
    assert row["train_loss"] == pytest.approx(-np.log(own).mean(), rel=1e-5)
    assert row["train_accuracy"] == (chance.argmax(1) == GIVEN).mean()
    assert np.isnan(row["lr"])


def test_order_batches_and_the_form_of_tensors_do_not_matter(make_recorder: Any) -> None:
    one, two = make_recorder(name="one"), make_recorder(name="two")
    feed(one, 1)
    logits = logits_of(1)
    order = np.random.default_rng(0).permutation(N)
    for row in order:  # a batch of one, plain lists, a graph
        two.update([int(row)], logits[[row]].requires_grad_() * 1, [int(GIVEN[row])])
    two.end_epoch()
    for field in fields(EpochRecord):
        np.testing.assert_array_equal(*(getattr(recorded(r, 1), field.name) for r in (one, two)))


def test_half_precision_is_computed_in_float32(make_recorder: Any) -> None:
    recorder = make_recorder()
    logits = logits_of(1).bfloat16()
    recorder.update(torch.arange(N), logits, torch.from_numpy(GIVEN), torch.rand(N).bfloat16())
    recorder.end_epoch()
    own = torch.log_softmax(logits.float(), 1)[torch.arange(N), torch.from_numpy(GIVEN)]
    np.testing.assert_array_equal(recorded(recorder, 1).loss, -own.numpy())


def test_of_a_sample_that_comes_twice_the_last_counts(make_recorder: Any) -> None:
    recorder = make_recorder()
    logits = logits_of(1)
    recorder.update(torch.arange(N), torch.zeros(N, K), torch.from_numpy(GIVEN))
    twice = torch.cat([torch.arange(N), torch.arange(N)])
    labels = torch.from_numpy(GIVEN)[twice]
    recorder.update(twice, torch.cat([torch.ones(N, K), logits]), labels)
    recorder.end_epoch()
    np.testing.assert_array_equal(recorded(recorder, 1).pred, logits.argmax(1))
    np.testing.assert_array_equal(Run(recorder.path).sample_log().samples("train").given_label, GIVEN)


def test_a_diverged_network_is_recorded(make_recorder: Any) -> None:
    recorder = make_recorder()
    own = torch.full((N, K), torch.nan)
    labels = torch.zeros(N, dtype=torch.long)  # 0 is what argmax says of NaN
    recorder.update(torch.arange(N), own, labels, torch.rand(N), gate_logits=own)
    recorder.end_epoch()
    record = recorded(recorder, 1)
    assert np.isnan(record.loss).all()
    assert record.flag("seen").all()
    assert not (record.flag("correct_given") | record.flag("correct_clean")).any()
    assert (record.pred == UNSEEN_CLASS).all()
    assert (record.gate_pred == UNSEEN_CLASS).all()
    assert Run(recorder.path).metrics()[0]["train_accuracy"] == 0


@pytest.mark.filterwarnings("error")
def test_infinite_logits_warn_of_nothing_and_a_masked_class_counts_as_impossible(make_recorder: Any) -> None:
    labels = torch.arange(N) % 2
    with make_recorder(epochs=4) as recorder:
        for top in (torch.inf, -torch.inf, 0.0, torch.inf):
            logits = logits_of(1)
            logits[:, 0] = top
            logits[::4, 2:] = -torch.inf
            recorder.update(torch.arange(N), logits, labels)
            recorder.end_epoch()
    overflown, masked = recorded(recorder, 1), recorded(recorder, 2)
    assert (overflown.pred == UNSEEN_CLASS).all()
    assert np.isnan(overflown.margin).all()
    chance = torch.softmax(logits_of(1)[:, 1:].double(), 1)
    rows = np.arange(N) % 4 != 0
    np.testing.assert_allclose(
        masked.out_entropy[rows], -(chance * chance.log()).sum(1).numpy()[rows], rtol=1e-5
    )
    np.testing.assert_array_equal(np.isinf(masked.loss), labels == 0)
    run = Run(recorder.path)
    str(report(run))
    assert len(snapshot_scores(run, take_snapshot(run, "train"))) == len(summary(run)) == N


def test_gates_with_and_without_a_classifier(make_recorder: Any) -> None:
    g = {"b3": torch.linspace(0, 1, N), "b2": torch.linspace(1, 0, N)}
    own = torch.randn(N, K)
    with make_recorder() as recorder:
        feed(recorder, 1, gate=g, gate_logits={"b2": own})
        feed(recorder, 2, gate=dict(reversed(g.items())), gate_logits={"b2": own})
    for epoch in (1, 2):
        record = recorded(recorder, epoch)
        np.testing.assert_array_equal(record.gate, torch.stack([g["b3"], g["b2"]]))
        np.testing.assert_array_equal(record.flag("routed"), record.gate > 0.5)
        chance = torch.softmax(own, 1)
        np.testing.assert_allclose(record.entropy[1], -(chance * chance.log()).sum(1), rtol=1e-4)
        np.testing.assert_array_equal(record.gate_pred[1], own.argmax(1))
        assert np.isnan(record.entropy[0]).all()
        assert (record.gate_pred[0] == UNSEEN_CLASS).all()
    assert Run(recorder.path).outline.gates == ("b3", "b2")
    text = str(report(Run(recorder.path)))
    assert "routed to B3" in text


def test_splits_are_recorded_when_they_are_evaluated(make_recorder: Any) -> None:
    counts = {"train": N, "val": 5, "test": 6}
    tests = torch.tensor([0, 1, 2, 3, 0, 1])
    with make_recorder(counts, labels={"val": np.zeros(5, int)}) as recorder:
        for epoch in (1, 2, 3):
            if epoch != 2:
                logits = torch.nn.functional.one_hot(tests, K).float()
                recorder.update(torch.arange(6), logits, tests, split="test")
            if epoch == 3:
                recorder.update(torch.arange(5), torch.zeros(5, K), torch.zeros(5).long(), split="val")
            feed(recorder, epoch)
    run = Run(recorder.path)
    assert run.sample_log().splits == ("train", "val", "test")
    assert [run.sample_log().epochs(split).tolist() for split in run.sample_log().splits] == [
        [1, 2, 3],
        [3],
        [1, 3],
    ]
    found = report(run)
    assert found.epoch == 3
    assert found.test_accuracy is not None
    assert found.test_accuracy.value == 1
    assert np.isnan([row["test_accuracy"] for row in run.metrics()]).tolist() == [False, True, False]


def test_epochs_may_be_left_out(make_recorder: Any) -> None:
    with make_recorder(epochs=10) as recorder:
        for epoch in (5, 10):
            recorder.update(torch.arange(N), logits_of(epoch), torch.from_numpy(GIVEN))
            recorder.end_epoch(epoch)
    run = Run(recorder.path)
    assert run.sample_log().epochs("train").tolist() == [5, 10]
    assert (run.status().state, run.status().epoch) == ("complete", 10)


@pytest.mark.parametrize(
    ("error", "state", "message"),
    [
        (ValueError("no"), "failed", "ValueError: no"),
        (KeyboardInterrupt(), "stopped", ""),
        (SystemExit(1), "stopped", ""),
        (None, "stopped", ""),
    ],
)
def test_how_it_ended_is_its_status(
    make_recorder: Any, error: BaseException | None, state: str, message: str
) -> None:
    def loop() -> Recorder:
        with make_recorder() as recorder:
            feed(recorder, 1)
            assert Run(recorder.path).status().shown == "running"
            recorder.update(torch.arange(N), logits_of(2), torch.from_numpy(GIVEN))
            if error is not None:
                raise error
        return recorder

    if error is None:
        loop()
    else:
        with pytest.raises(type(error)):
            loop()
    run = Run(make_recorder(resume=False, name="other").path.with_name("mine"))
    status = run.status()
    assert (status.state, status.epoch, status.epochs, status.message) == (state, 1, 3, message)
    assert run.sample_log().epochs("train").tolist() == [1]


def test_the_last_epoch_completes_the_run_without_close(make_recorder: Any) -> None:
    recorder = make_recorder(epochs=1)
    feed(recorder, 1)
    assert Run(recorder.path).status().state == "complete"
    with pytest.raises(
        MemgateError, match="This batch is of epoch 2, and the Recorder has epochs=1: end the loop"
    ):
        recorder.update([0], logits_of(2)[:1], GIVEN[:1])
    with pytest.raises(MemgateError, match="Epoch 2 is out of range: the Recorder has epochs=1"):
        recorder.end_epoch()


def test_a_kill_between_epochs_leaves_a_readable_run_that_can_be_resumed(
    tmp_path: Path, make_recorder: Any
) -> None:
    code = f"""
import os, sys, torch
from memgate.recorder.recorder import Recorder
recorder = Recorder({N}, 3, name="mine", out={str(tmp_path / "runs")!r})
for epoch in (1, 2):
    logits = torch.randn({N}, {K}, generator=torch.Generator().manual_seed(epoch)) * epoch
    recorder.update(torch.arange({N}), logits, torch.arange({N}) % {K})
    if epoch == 2:
        os.kill(os.getpid(), 9)
    recorder.end_epoch()
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == -9
    run = Run(tmp_path / "runs" / "mine")
    assert run.status().shown == "crashed"
    assert report(run).epoch == 1
    with make_recorder(resume=True) as recorder:
        assert recorder.epoch == 1
        for epoch in range(recorder.epoch + 1, 4):
            feed(recorder, epoch)
    with make_recorder(name="whole") as whole:
        for epoch in (1, 2, 3):
            feed(whole, epoch)
    for epoch in (1, 2, 3):
        for field in fields(EpochRecord):
            np.testing.assert_array_equal(
                *(getattr(recorded(r, epoch), field.name) for r in (recorder, whole))
            )
    assert Run(recorder.path).status().state == "complete"
    assert [row["epoch"] for row in Run(recorder.path).metrics()] == [1, 2, 3]


def test_going_back_to_an_older_epoch_drops_what_came_after(make_recorder: Any) -> None:
    with make_recorder(epochs=5, clean_labels=CLEAN) as recorder:
        for epoch in (1, 2, 3, 4):
            feed(recorder, epoch)
    with make_recorder(epochs=5, resume=True) as recorder:
        assert recorder.epoch == 4
        recorder.update(torch.arange(N), logits_of(9), torch.from_numpy(GIVEN))
        recorder.end_epoch(2)
    run = Run(recorder.path)
    assert run.sample_log().epochs("train").tolist() == [1, 2]
    assert [row["epoch"] for row in run.metrics()] == [1, 2]
    np.testing.assert_array_equal(recorded(recorder, 2).pred, logits_of(9).argmax(1))
    assert run.status().epoch == 2
    np.testing.assert_array_equal(
        recorded(recorder, 2).flag("correct_clean"), logits_of(9).argmax(1) == CLEAN
    )


def test_resume_begins_what_is_not_there_and_refuses_another_run(make_recorder: Any, make_run: Any) -> None:
    with make_recorder(resume=True, labels=GIVEN) as recorder:
        feed(recorder, 1, gate=torch.rand(N))
        with pytest.raises(MemgateError, match="open in another process"):
            make_recorder(resume=True)
    with pytest.raises(MemgateError, match="mine exists already: choose another name, or go on.*resume=True"):
        make_recorder()
    for wrong, sentence in (
        ({"n": 41}, "has the n_samples"),
        ({"epochs": 4}, "has the epochs 3 and not 4"),
        ({"mode": "evaluate_split"}, "has the mode online and not evaluate_split"),
        ({"class_names": list("abcd")}, "has the class_names"),
        ({"labels": CLEAN}, "has other labels of train"),
    ):
        with pytest.raises(MemgateError, match=sentence):
            make_recorder(resume=True, **wrong)
    resumed = make_recorder(resume=True)
    with pytest.raises(MemgateError, match="gate has no gate, and the first batch had gate"):
        feed(resumed, 2)
    resumed.close()
    run = make_run()
    with pytest.raises(MemgateError, match="was trained by memgate"):
        make_recorder(name=run.name, resume=True)
    (run.path.parent / "folder").mkdir()
    with pytest.raises(MemgateError, match=r"folder exists already: choose another name\.$"):
        make_recorder(name="folder", resume=True)


def test_a_full_disk_costs_the_epoch_and_not_the_training(
    make_recorder: Any, monkeypatch: Any, capsys: Any
) -> None:
    with make_recorder() as recorder:
        feed(recorder, 1)

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patched:
            patched.setattr("memgate.log.writer.SampleLogWriter.write", full)
            feed(recorder, 2)
        assert "epoch 2 could not be written" in capsys.readouterr().err
        feed(recorder, 3)
    run = Run(recorder.path)
    assert run.sample_log().epochs("train").tolist() == [1, 3]
    assert run.status().state == "complete"
