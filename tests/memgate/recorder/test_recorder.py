"""The Recorder writes the values that memgate's own training would have written."""

import os
import signal
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from memgate.errors import MemgateError
from memgate.log.format import OPTIONAL, UNSEEN_CLASS, EpochRecord
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
from tests.helpers.forked import exit_code_of
from tests.helpers.recording import CLEAN, GIVEN, K, N, feed, logits_of, recorded


@pytest.mark.slow
def test_values_equal_those_of_evaluate_split(trained_run: Run, make_recorder: Any) -> None:
    inputs, cpu = inputs_of(trained_run), torch.device("cpu")
    model, epoch = load_network(trained_run, "last", cpu)
    expected = evaluate_split(model, DeviceImages(inputs, "train", cpu), ("b2", "b3"), "float32")
    images = DeviceImages(inputs, "train", cpu)
    recorder = make_recorder(
        len(images),
        3,
        manifest=trained_run.path / "manifest.npz",
        mode="eval",
        images=inputs.train.images,
    )
    with torch.no_grad(), recorder:
        for batch in images.evaluation_batches(50):
            forward = model.eval()(batch.images)
            values = {gate.name: gate.value for gate in forward.gates}
            own = {gate.name: gate.logits for gate in forward.gates}
            recorder.update(batch.index, forward.logits, images.given[batch.index], values, gate_logits=own)
        recorder.end_epoch()
    ours = recorded(recorder, 1)
    theirs = dict(trained_run.sample_log().records("train", [epoch]))[epoch]
    assert all(getattr(record, name) is None for record in (ours, theirs, expected) for name in OPTIONAL)
    for name in (field.name for field in fields(EpochRecord) if field.name not in OPTIONAL):
        # Batches of another size round differently in the convolutions.
        for record in (expected, theirs):
            np.testing.assert_allclose(getattr(ours, name), getattr(record, name), rtol=2e-4, atol=2e-5)
    run = Run(recorder.path)
    assert run.sample_log().gates == ("b2", "b3")
    assert run.sample_log().mode == "eval"
    mine, others = (either.sample_log().samples("train") for either in (run, trained_run))
    for column in vars(others):
        np.testing.assert_array_equal(getattr(mine, column), getattr(others, column))
    for name in ("label_kind", "image_kind"):
        assert summary(run)[name].equals(summary(trained_run)[name])


def test_values_equal_numpy_formulas_on_the_logits(make_recorder: Any) -> None:
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


def test_values_do_not_depend_on_order_batch_size_or_type(make_recorder: Any) -> None:
    one, two = make_recorder(name="one"), make_recorder(name="two")
    feed(one, 1)
    logits = logits_of(1)
    order = np.random.default_rng(0).permutation(N)
    for row in order:  # batches of one sample, lists, tensors with a gradient
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


def test_the_last_values_of_a_repeated_sample_are_kept(make_recorder: Any) -> None:
    recorder = make_recorder()
    logits = logits_of(1)
    recorder.update(torch.arange(N), torch.zeros(N, K), torch.from_numpy(GIVEN))
    twice = torch.cat([torch.arange(N), torch.arange(N)])
    labels = torch.from_numpy(GIVEN)[twice]
    recorder.update(twice, torch.cat([torch.ones(N, K), logits]), labels)
    recorder.end_epoch()
    np.testing.assert_array_equal(recorded(recorder, 1).pred, logits.argmax(1))
    np.testing.assert_array_equal(Run(recorder.path).sample_log().samples("train").given_label, GIVEN)


def test_logits_that_are_nan_are_recorded(make_recorder: Any) -> None:
    recorder = make_recorder()
    own = torch.full((N, K), torch.nan)
    labels = torch.zeros(N, dtype=torch.long)  # argmax of NaN logits is 0
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
def test_infinite_logits_give_no_warning_and_minus_infinity_means_probability_zero(
    make_recorder: Any,
) -> None:
    labels = torch.arange(N) % 2
    with make_recorder(epochs=4) as recorder:
        for top in (torch.inf, -torch.inf, 0.0, torch.inf):
            logits = logits_of(1)
            logits[:, 0] = top
            logits[::4, 2:] = -torch.inf
            gate = torch.rand(N)
            recorder.update(torch.arange(N), logits, labels, gate, gate_logits=logits)
            recorder.end_epoch()
    overflown, masked = recorded(recorder, 1), recorded(recorder, 2)
    assert (overflown.pred == UNSEEN_CLASS).all()
    assert np.isnan(overflown.margin).all()
    chance = torch.softmax(logits_of(1)[:, 1:].double(), 1)
    rows = np.arange(N) % 4 != 0
    np.testing.assert_allclose(
        masked.out_entropy[rows], -(chance * chance.log()).sum(1).numpy()[rows], rtol=1e-5
    )
    # The gate's classes are masked likewise.
    np.testing.assert_array_equal(masked.entropy[0], masked.out_entropy)
    assert np.isnan(overflown.entropy).all()
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
    text = str(report(Run(recorder.path), resamples=0))
    assert "routed to B3" in text


@pytest.mark.slow
def test_splits_need_not_be_recorded_in_every_epoch(make_recorder: Any) -> None:
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
    result = report(run, resamples=0)
    assert result.epoch == 3
    assert result.test_accuracy is not None
    assert result.test_accuracy.value == 1
    assert np.isnan([row["test_accuracy"] for row in run.metrics()]).tolist() == [False, True, False]


def test_epoch_numbers_may_be_skipped(make_recorder: Any) -> None:
    with make_recorder(epochs=10) as recorder:
        for epoch in (5, 10):
            recorder.update(torch.arange(N), logits_of(epoch), torch.from_numpy(GIVEN))
            recorder.end_epoch(epoch)
    run = Run(recorder.path)
    assert run.sample_log().epochs("train").tolist() == [5, 10]
    assert (run.status().state, run.status().epoch) == ("complete", 10)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("error", "state", "message"),
    [
        (ValueError("no"), "failed", "ValueError: no"),
        (KeyboardInterrupt(), "stopped", ""),
        (SystemExit(1), "stopped", ""),
        (None, "stopped", ""),
    ],
)
def test_status_says_how_the_loop_ended(
    make_recorder: Any, error: BaseException | None, state: str, message: str
) -> None:
    def loop() -> Recorder:
        with make_recorder() as recorder:
            feed(recorder, 1)
            assert Run(recorder.path).status().state == "running"
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


@pytest.mark.slow
def test_a_killed_recording_is_readable_and_resumes(tmp_path: Path, make_recorder: Any) -> None:
    def killed() -> None:
        recorder = make_recorder()
        feed(recorder, 1)
        recorder.update(torch.arange(N), logits_of(2), torch.from_numpy(GIVEN))
        os.kill(os.getpid(), signal.SIGKILL)

    assert exit_code_of(killed) == -signal.SIGKILL
    run = Run(tmp_path / "runs" / "mine")
    assert run.status().state == "crashed"
    assert report(run, resamples=0).epoch == 1
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


def test_recording_an_older_epoch_again_deletes_the_later_ones(make_recorder: Any) -> None:
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


def test_resume_creates_a_missing_run_and_refuses_a_different_one(make_recorder: Any, make_run: Any) -> None:
    with make_recorder(resume=True, labels=GIVEN) as recorder:
        feed(recorder, 1, gate=torch.rand(N))
        with pytest.raises(MemgateError, match="open in another process"):
            make_recorder(resume=True)
    with pytest.raises(
        MemgateError, match="mine exists already: choose another name, or continue.*resume=True"
    ):
        make_recorder()
    for wrong, sentence in (
        ({"n": 41}, "has the n_samples"),
        ({"epochs": 4}, "has the epochs 3 and not 4"),
        ({"mode": "eval"}, "has the mode online and not eval"),
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


def test_a_full_disk_loses_the_epoch_and_the_training_continues(
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
