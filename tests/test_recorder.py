"""The recorder: what other people's loops write is what memgate would have written, and a run like any other."""

import csv
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from memgate import cli
from memgate.commands.reading import Runs
from memgate.errors import MemgateError
from memgate.evaluate import load_model, sweep
from memgate.inputs import inputs_of
from memgate.loader import DeviceImages
from memgate.logformat import UNSEEN_CLASS, EpochRecord
from memgate.metrics import metric_names
from memgate.runs import Run
from memgate.samplelog import Recorder
from noise.apply import corrupt
from noise.manifest import Manifest
from probes.export import export
from probes.exportplan import ExportPlan
from probes.report import report
from probes.reporttext import to_terminal
from probes.scoretable import snapshot_scores
from probes.snapshot import take_snapshot
from probes.summary import summary

README = Path(__file__).parents[1] / "README.md"

N, K = 40, 4
GIVEN = np.arange(N) % K
CLEAN = np.where(np.arange(N) < 8, (GIVEN + 1) % K, GIVEN)
"""Eight wrong labels."""


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Recorder]:
    """A recorder of a run ``mine`` under ``tmp_path/runs``."""

    def made(n: Any = N, epochs: int = 3, **more: Any) -> Recorder:
        return Recorder(n, epochs, name=more.pop("name", "mine"), out=tmp_path / "runs", **more)

    return made


def logits_of(epoch: int, n: int = N) -> Tensor:
    """The same logits [n, K] for the same epoch."""
    return torch.randn(n, K, generator=torch.Generator().manual_seed(epoch)) * epoch


def feed(recorder: Recorder, epoch: int, order: Any = None, **more: Any) -> None:
    """One epoch in batches of 7, in some order."""
    logits = logits_of(epoch)
    order = np.arange(N) if order is None else order
    for start in range(0, N, 7):
        rows = order[start : start + 7]
        extra: dict[str, Any] = {
            key: {name: value[rows] for name, value in found.items()}
            if isinstance(found, dict)
            else found[rows]
            for key, found in more.items()
        }
        recorder.update(torch.from_numpy(rows), logits[rows], torch.from_numpy(GIVEN)[rows], **extra)
    recorder.end_epoch()


def recorded(recorder: Recorder, epoch: int, split: str = "train") -> EpochRecord:
    return dict(Run(recorder.path).log().records(split, [epoch]))[epoch]


# --------------------------------------------------------------------------------------------------------
# The values


def test_values_equal_those_of_memgates_own_sweep(trained_run: Run, make: Any) -> None:
    inputs, cpu = inputs_of(trained_run), torch.device("cpu")
    model, epoch = load_model(trained_run, "last", inputs, cpu)
    expected = sweep(model, DeviceImages(inputs, "train", cpu), ("b2", "b3"), "float32")
    images = DeviceImages(inputs, "train", cpu)
    recorder = make(
        len(images), 3, manifest=trained_run.path / "manifest.npz", mode="sweep", images=inputs.train.images
    )
    with torch.no_grad(), recorder:
        for batch in images.sweep_batches(50):
            found = model.eval()(batch.images)
            gate = {one.name: one.value for one in found.gates}
            own = {one.name: one.logits for one in found.gates}
            recorder.update(batch.index, found.logits, images.given[batch.index], gate, gate_logits=own)
        recorder.end_epoch()
    ours = recorded(recorder, 1)
    theirs = dict(trained_run.log().records("train", [epoch]))[epoch]
    for field in fields(EpochRecord):
        name = field.name
        # Batches of another size round differently in the convolutions.
        for record in (expected, theirs):
            np.testing.assert_allclose(getattr(ours, name), getattr(record, name), rtol=2e-4, atol=2e-5)
    run = Run(recorder.path)
    assert run.log().gates == ("b2", "b3")
    assert run.log().mode == "sweep"
    mine, others = (one.log().samples("train") for one in (run, trained_run))
    for column in vars(others):
        np.testing.assert_array_equal(getattr(mine, column), getattr(others, column))
    for name in ("label_kind", "image_kind"):
        assert summary(run)[name].equals(summary(trained_run)[name])


def test_values_are_those_of_a_ten_line_loop(make: Any) -> None:
    with make() as recorder:
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


def test_order_batches_and_the_form_of_tensors_do_not_matter(make: Any) -> None:
    one, two = make(name="one"), make(name="two")
    feed(one, 1)
    logits = logits_of(1)
    order = np.random.default_rng(0).permutation(N)
    for row in order:  # a batch of one, plain lists, a graph
        two.update([int(row)], logits[[row]].requires_grad_() * 1, [int(GIVEN[row])])
    two.end_epoch()
    for field in fields(EpochRecord):
        np.testing.assert_array_equal(*(getattr(recorded(r, 1), field.name) for r in (one, two)))


def test_half_precision_is_computed_in_float32(make: Any) -> None:
    recorder = make()
    logits = logits_of(1).bfloat16()
    recorder.update(torch.arange(N), logits, torch.from_numpy(GIVEN), torch.rand(N).bfloat16())
    recorder.end_epoch()
    own = torch.log_softmax(logits.float(), 1)[torch.arange(N), torch.from_numpy(GIVEN)]
    np.testing.assert_array_equal(recorded(recorder, 1).loss, -own.numpy())


def test_of_a_sample_that_comes_twice_the_last_counts(make: Any) -> None:
    recorder = make()
    logits = logits_of(1)
    recorder.update(torch.arange(N), torch.zeros(N, K), torch.from_numpy(GIVEN))
    twice = torch.cat([torch.arange(N), torch.arange(N)])
    labels = torch.from_numpy(GIVEN)[twice]
    recorder.update(twice, torch.cat([torch.ones(N, K), logits]), labels)
    recorder.end_epoch()
    np.testing.assert_array_equal(recorded(recorder, 1).pred, logits.argmax(1))
    np.testing.assert_array_equal(Run(recorder.path).log().samples("train").given_label, GIVEN)


def test_a_diverged_network_is_recorded(make: Any) -> None:
    recorder = make()
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
def test_infinite_logits_warn_of_nothing_and_a_masked_class_counts_as_impossible(make: Any) -> None:
    labels = torch.arange(N) % 2
    with make(epochs=4) as recorder:
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
    to_terminal(report(run))
    assert len(snapshot_scores(run, take_snapshot(run, "train"))) == len(summary(run)) == N


def test_gates_with_and_without_a_classifier(make: Any) -> None:
    g = {"b3": torch.linspace(0, 1, N), "b2": torch.linspace(1, 0, N)}
    own = torch.randn(N, K)
    with make() as recorder:
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
    text = to_terminal(report(Run(recorder.path)))
    assert "routed to B3" in text


# --------------------------------------------------------------------------------------------------------
# Labels, and what is known to be wrong with them


def test_corrupted_labels_are_a_cause_and_a_label_list(make: Any) -> None:
    with make(clean_labels=CLEAN, class_names=list("abcd"), data="letters", seed=7, model="mlp") as recorder:
        for epoch in (1, 2, 3):
            feed(recorder, epoch)
    run = Run(recorder.path)
    table = summary(run)
    assert table["cause"].tolist() == ["label"] * 8 + ["clean"] * 32
    kinds = table["label_kind"].tolist()
    assert kinds[:8] == ["label-list"] * 8
    assert all(pd.isna(kind) for kind in kinds[8:])
    found = report(run)
    assert found.noise[0].realised == 0.2
    assert "label-list:file=given_labels.csv: requested by the file, realised 20.00%" in to_terminal(found)
    assert run.manifest.damage() == ""
    rows = list(csv.DictReader(io.StringIO((run.path / "given_labels.csv").read_text())))
    assert [int(row["given_label"]) for row in rows] == GIVEN.tolist()
    assert [int(row["clean_label"]) for row in rows] == CLEAN.tolist()
    assert run.outline.seed == 7
    assert run.log().class_names == ("a", "b", "c", "d")


def test_the_label_list_of_a_recorded_run_is_one_that_corrupt_reads(make: Any) -> None:
    images = np.random.default_rng(0).integers(0, 256, (N, 8, 8, 3), np.uint8)
    with make(clean_labels=CLEAN, images=images, data="letters") as recorder:
        feed(recorder, 1)
    run = Run(recorder.path)
    spec = f"label-list:file={run.path / 'given_labels.csv'}"
    again = corrupt(images, CLEAN, [spec], seed=0, dataset="letters", class_names=list("0123")).manifest
    assert again.header.column_digests == run.manifest.header.column_digests
    assert again.header.source_digest == run.manifest.header.source_digest == run.digests["train"]
    assert again.header.operations[0].files == run.manifest.header.operations[0].files


def test_without_clean_labels_nothing_is_known_to_be_wrong(make: Any) -> None:
    with make() as recorder:
        feed(recorder, 1)
    run = Run(recorder.path)
    assert run.manifest.header.operations == ()
    assert run.manifest.header.image_shape == ()
    assert summary(run)["cause"].tolist() == ["clean"] * N
    assert "Noise: none" in to_terminal(report(run))
    assert not (run.path / "given_labels.csv").exists()


def test_a_manifest_of_memgate_names_samples_and_causes(make: Any) -> None:
    images = np.random.default_rng(0).integers(0, 256, (N, 8, 8, 3), np.uint8)
    ids = np.arange(N) * 3 + 5
    done = corrupt(
        images, CLEAN, ["symmetric:0.2", "randx:0.1"], seed=0, dataset="d", class_names=list("0123"), sample_id=ids
    )  # fmt: skip
    with make(manifest=done.manifest, images=done.images) as recorder:
        recorder.update(torch.arange(N), logits_of(1), torch.from_numpy(done.labels))
        recorder.end_epoch()
    run = Run(recorder.path)
    np.testing.assert_array_equal(run.manifest.cause, done.manifest.cause)
    np.testing.assert_array_equal(summary(run)["sample_id"], ids)
    assert run.outline.noise == ("symmetric:0.2", "randx:0.1")
    with pytest.raises(MemgateError, match="images of the training split are not those that the manifest"):
        make(name="x", manifest=done.manifest, images=images)
    with pytest.raises(MemgateError, match="labels of train are not the given labels of the manifest"):
        make(name="x", manifest=done.manifest, labels=CLEAN)
    with pytest.raises(MemgateError, match="both say what the clean labels are"):
        make(name="x", manifest=done.manifest, clean_labels=CLEAN)
    with pytest.raises(MemgateError, match="manifest is of 40 samples and the training split has 41"):
        make(41, name="x", manifest=done.manifest)
    with pytest.raises(MemgateError, match="class_names are not those of the manifest"):
        make(name="x", manifest=done.manifest, class_names=list("abcd"))
    with pytest.raises(MemgateError, match="gone.npz"):
        make(name="x", manifest="gone.npz")


def test_samples_that_the_first_epoch_misses_need_their_labels(make: Any) -> None:
    def partly(recorder: Recorder) -> None:
        recorder.update(torch.arange(30), logits_of(1)[:30], torch.from_numpy(GIVEN)[:30])
        recorder.end_epoch()

    recorder = make()
    with pytest.raises(
        MemgateError,
        match="labels of 10 of the 40 .* of train are unknown.*drop_last.*labels=..train.: ",
    ):
        partly(recorder)
    assert not recorder.path.exists()
    recorder.close()
    told = make(labels=GIVEN)
    partly(told)
    record = recorded(told, 1)
    assert record.flag("seen").sum() == 30
    assert np.isnan(record.loss[30:]).all()
    np.testing.assert_array_equal(Run(told.path).log().samples("train").given_label, GIVEN)


# --------------------------------------------------------------------------------------------------------
# Splits, epochs, ends


def test_splits_are_recorded_when_they_are_evaluated(make: Any) -> None:
    counts = {"train": N, "val": 5, "test": 6}
    tests = torch.tensor([0, 1, 2, 3, 0, 1])
    with make(counts, labels={"val": np.zeros(5, int)}) as recorder:
        for epoch in (1, 2, 3):
            if epoch != 2:
                logits = torch.nn.functional.one_hot(tests, K).float()
                recorder.update(torch.arange(6), logits, tests, split="test")
            if epoch == 3:
                recorder.update(torch.arange(5), torch.zeros(5, K), torch.zeros(5).long(), split="val")
            feed(recorder, epoch)
    run = Run(recorder.path)
    assert run.log().splits == ("train", "val", "test")
    assert [run.log().epochs(split).tolist() for split in run.log().splits] == [[1, 2, 3], [3], [1, 3]]
    found = report(run)
    assert found.epoch == 3
    assert found.test_accuracy is not None
    assert found.test_accuracy.value == 1
    assert np.isnan([row["test_accuracy"] for row in run.metrics()]).tolist() == [False, True, False]


def test_epochs_may_be_left_out(make: Any) -> None:
    with make(epochs=10) as recorder:
        for epoch in (5, 10):
            recorder.update(torch.arange(N), logits_of(epoch), torch.from_numpy(GIVEN))
            recorder.end_epoch(epoch)
    run = Run(recorder.path)
    assert run.log().epochs("train").tolist() == [5, 10]
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
def test_how_it_ended_is_its_status(make: Any, error: BaseException | None, state: str, message: str) -> None:
    def loop() -> Recorder:
        with make() as recorder:
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
    run = Run(make(resume=False, name="other").path.with_name("mine"))
    status = run.status()
    assert (status.state, status.epoch, status.epochs, status.message) == (state, 1, 3, message)
    assert run.log().epochs("train").tolist() == [1]


def test_the_last_epoch_completes_the_run_without_close(make: Any) -> None:
    recorder = make(epochs=1)
    feed(recorder, 1)
    assert Run(recorder.path).status().state == "complete"
    with pytest.raises(
        MemgateError, match="This batch is of epoch 2, and the Recorder has epochs=1: end the loop"
    ):
        recorder.update([0], logits_of(2)[:1], GIVEN[:1])
    with pytest.raises(MemgateError, match="Epoch 2 is out of range: the Recorder has epochs=1"):
        recorder.end_epoch()


def test_a_kill_between_epochs_leaves_a_readable_run_that_can_be_resumed(tmp_path: Path, make: Any) -> None:
    code = f"""
import os, sys, torch
from memgate.samplelog import Recorder
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
    with make(resume=True) as recorder:
        assert recorder.epoch == 1
        for epoch in range(recorder.epoch + 1, 4):
            feed(recorder, epoch)
    with make(name="whole") as whole:
        for epoch in (1, 2, 3):
            feed(whole, epoch)
    for epoch in (1, 2, 3):
        for field in fields(EpochRecord):
            np.testing.assert_array_equal(
                *(getattr(recorded(r, epoch), field.name) for r in (recorder, whole))
            )
    assert Run(recorder.path).status().state == "complete"
    assert [row["epoch"] for row in Run(recorder.path).metrics()] == [1, 2, 3]


def test_going_back_to_an_older_epoch_drops_what_came_after(make: Any) -> None:
    with make(epochs=5, clean_labels=CLEAN) as recorder:
        for epoch in (1, 2, 3, 4):
            feed(recorder, epoch)
    with make(epochs=5, resume=True) as recorder:
        assert recorder.epoch == 4
        recorder.update(torch.arange(N), logits_of(9), torch.from_numpy(GIVEN))
        recorder.end_epoch(2)
    run = Run(recorder.path)
    assert run.log().epochs("train").tolist() == [1, 2]
    assert [row["epoch"] for row in run.metrics()] == [1, 2]
    np.testing.assert_array_equal(recorded(recorder, 2).pred, logits_of(9).argmax(1))
    assert run.status().epoch == 2
    np.testing.assert_array_equal(
        recorded(recorder, 2).flag("correct_clean"), logits_of(9).argmax(1) == CLEAN
    )


def test_resume_begins_what_is_not_there_and_refuses_another_run(make: Any, make_run: Any) -> None:
    with make(resume=True, labels=GIVEN) as recorder:
        feed(recorder, 1, gate=torch.rand(N))
        with pytest.raises(MemgateError, match="open in another process"):
            make(resume=True)
    with pytest.raises(MemgateError, match="mine exists already: choose another name, or go on.*resume=True"):
        make()
    for wrong, sentence in (
        ({"n": 41}, "has the n_samples"),
        ({"epochs": 4}, "has the epochs 3 and not 4"),
        ({"mode": "sweep"}, "has the mode online and not sweep"),
        ({"class_names": list("abcd")}, "has the class_names"),
        ({"labels": CLEAN}, "has other labels of train"),
    ):
        with pytest.raises(MemgateError, match=sentence):
            make(resume=True, **wrong)
    resumed = make(resume=True)
    with pytest.raises(MemgateError, match="gate has no gate, and the first batch had gate"):
        feed(resumed, 2)
    resumed.close()
    run = make_run()
    with pytest.raises(MemgateError, match="was trained by memgate"):
        make(name=run.name, resume=True)
    (run.path.parent / "folder").mkdir()
    with pytest.raises(MemgateError, match=r"folder exists already: choose another name\.$"):
        make(name="folder", resume=True)


def test_a_full_disk_costs_the_epoch_and_not_the_training(make: Any, monkeypatch: Any, capsys: Any) -> None:
    with make() as recorder:
        feed(recorder, 1)

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patched:
            patched.setattr("memgate.logwriter.SampleLogWriter.write", full)
            feed(recorder, 2)
        assert "epoch 2 could not be written" in capsys.readouterr().err
        feed(recorder, 3)
    run = Run(recorder.path)
    assert run.log().epochs("train").tolist() == [1, 3]
    assert run.status().state == "complete"


# --------------------------------------------------------------------------------------------------------
# What a user can get wrong


def batch(**changed: Any) -> dict[str, Any]:
    found = {"index": torch.arange(3), "logits": torch.zeros(3, K), "labels": torch.tensor([0, 1, 2])}
    return found | changed


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"index": torch.tensor([0, 1, N])}, "index 40 is out of range: the split has the samples 0 to 39"),
        ({"index": [-1, 0, 1]}, "index -1 is out of range"),
        ({"index": torch.rand(3)}, "index is float32"),
        ({"index": torch.ones(3, dtype=torch.bool)}, "index is bool"),
        ({"index": torch.arange(2)}, r"logits are \[3, 4\] and must be \[2, K\]"),
        ({"logits": torch.zeros(3)}, r"logits are \[3\] and must be \[3, K\]"),
        ({"logits": torch.zeros(3, 1)}, "at least 2"),
        ({"logits": torch.zeros(3, 5)}, "logits have 5 classes, and there are 4"),
        ({"labels": torch.tensor([0, 1])}, "must be 3 integers"),
        ({"labels": torch.rand(3)}, "must be 3 integers"),
        ({"labels": [0, 1, 4]}, "labels hold 4: the logits have 4 classes"),
        ({"labels": [0, 1, -100]}, "labels hold -100"),
        ({"labels": [0, 1, 3]}, "Sample 2 has the label 3, and had 2 before: index must be"),
        ({"labels": ["a", "b", "c"]}, "labels are <U1.3. and must be numbers"),
        ({"index": [0, 1, 1]}, r"Sample \[1\] comes twice in a batch, with different labels"),
        ({"index": slice(0, 3)}, "index is object"),
        ({"split": "dev"}, "There is no split 'dev'"),
        ({"gate": torch.rand(3)}, "gate has gate, and the first batch had none"),
        ({"gate_logits": torch.zeros(3, K)}, "gate_logits name gate, and gate has none"),
    ],
)
def test_a_wrong_batch_is_a_sentence_and_nothing_of_it_is_kept(
    make: Any, changed: Any, sentence: str
) -> None:
    with make() as recorder:
        feed(recorder, 1)
        feed(recorder, 2)
        recorder.update(torch.arange(N), logits_of(3), torch.from_numpy(GIVEN))
        with pytest.raises(MemgateError, match=sentence):
            recorder.update(**batch(**changed))
        recorder.end_epoch()
    np.testing.assert_array_equal(recorded(recorder, 3).pred, logits_of(3).argmax(1))


@pytest.mark.parametrize(
    ("gate", "own", "sentence"),
    [
        (torch.rand(2), None, r"gate gate is torch.float32\[2\] and must be 3 numbers"),
        (torch.rand(3, 2), None, "give the mean where a gate has several values"),
        (torch.tensor([0.0, 1.0, 1.5]), None, r"gate gate has values outside \[0, 1\]"),
        ({"a b": torch.rand(3)}, None, "gate 'a b' cannot be a column's name"),
        (torch.rand(3), torch.zeros(3, 2), r"gate_logits of gate are \[3, 2\] and must be \[3, 4\]"),
    ],
)
def test_a_wrong_gate_is_a_sentence(make: Any, gate: Any, own: Any, sentence: str) -> None:
    with pytest.raises(MemgateError, match=sentence):
        make().update(**batch(gate=gate, gate_logits=own))


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"name": "a/b"}, "cannot be a folder's name"),
        ({"epochs": 0}, "epochs 0 is out of range"),
        ({"n": 0}, "n_samples 0 of train"),
        ({"n": {"test": 3}}, "n_samples names the splits test"),
        ({"n": {"train": 3, "dev": 3}}, "n_samples names the splits train, dev"),
        ({"n": 40.7}, "n_samples of train is 40.7 and must be a whole number"),
        ({"n": [1, 2]}, "n_samples of train is .1, 2. and must"),
        ({"epochs": "2x"}, "epochs is '2x' and must be a whole number"),
        ({"name": 3}, "name is 3 and must be a text"),
        ({"data": object()}, "data is .* and must be a text"),
        ({"model": 1}, "model is 1 and must be a text"),
        ({"seed": "zero"}, "seed is 'zero' and must be a whole number"),
        ({"settings": [1]}, "settings is .1. and must map names to values"),
        ({"settings": {(1, 2): 3}}, "settings cannot be written as JSON"),
        ({"class_names": list("abca")}, "class_names hold 'a' twice"),
        ({"class_names": "abcd"}, "class_names is 'abcd' and must be a list"),
        (
            {"class_names": list("abc"), "labels": GIVEN},
            "labels of train hold 3, and there are 3 classes: 0 to 2",
        ),
        ({"clean_labels": [0, 1]}, "clean_labels are .* and must be 40 integers"),
        ({"images": [np.zeros((8, 8, 3)), np.zeros((9, 8, 3))]}, "images are no array"),
        ({"manifest": {}}, "manifest is a dict"),
        ({"mode": "both"}, "mode 'both' is neither"),
        ({"labels": [0, 1]}, r"labels of train are int64\[2\] and must be 40 integers"),
        ({"labels": {"test": [0]}}, "labels name the split 'test'"),
        ({"labels": -np.ones(N, int)}, "labels of train hold -1"),
        ({"clean_labels": np.zeros(N)}, "clean_labels are float64"),
        ({"images": np.zeros((N, 8, 8, 3))}, "images of train are float64"),
        ({"images": np.zeros((3, 8, 8, 3), np.uint8)}, "images of train are 3 and its samples 40"),
    ],
)
def test_a_wrong_argument_is_a_sentence(make: Any, wrong: Any, sentence: str) -> None:
    with pytest.raises(MemgateError, match=sentence):
        make(**wrong)


def test_an_epoch_without_a_batch_and_labels_without_a_class_are_sentences(make: Any) -> None:
    with pytest.raises(MemgateError, match="No training sample was seen in epoch 1: call update"):
        make().end_epoch()
    recorder = make(clean_labels=GIVEN + 1)
    with pytest.raises(MemgateError, match="clean_labels hold 4, and there are 4 classes: 0 to 3"):
        feed(recorder, 1)
    assert not recorder.path.exists()


def test_mistakes_of_the_place_are_said_before_anything_is_trained(make: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(MemgateError, match="file/runs/mine cannot be made .*choose another out folder"):
        Recorder(N, 3, name="mine", out=tmp_path / "file" / "runs")
    first = make()
    with pytest.raises(MemgateError, match="mine is being recorded already: close.. that Recorder"):
        make()
    first.close()
    second = make()
    del second
    with make() as third:
        feed(third, 1)
    assert [path.name for path in third.path.parent.iterdir()] == ["mine"]


def test_settings_of_a_parser_are_recorded(make: Any) -> None:
    settings = {
        "out": Path("x"),
        "lr": np.float32(0.5),
        "device": torch.device("cpu"),
        "run": make,
        "sizes": (1, 2),
    }
    with make(settings=settings) as recorder:
        feed(recorder, 1)
    with make(settings=settings, resume=True) as recorder:
        recorder.update(torch.arange(N), logits_of(2), torch.from_numpy(GIVEN))
        recorder.end_epoch(np.int64(2))
        with pytest.raises(MemgateError, match="epoch is 1.5 and must be a whole number"):
            recorder.end_epoch(1.5)  # pyright: ignore[reportArgumentType]
    stored = Run(recorder.path).settings
    assert (stored["out"], stored["lr"], stored["device"], stored["sizes"]) == ("x", 0.5, "cpu", [1, 2])


@pytest.mark.parametrize(
    "form", [lambda found: found.tolist(), lambda found: found.numpy(), lambda found: found]
)
def test_batches_of_any_form_and_gates_with_a_column(make: Any, form: Any) -> None:
    logits, gate = logits_of(1), torch.linspace(0, 1, N)
    recorder = make()
    recorder.update(np.arange(N), form(logits), GIVEN.tolist(), form(gate[:, None]), gate_logits=form(logits))
    recorder.end_epoch()
    np.testing.assert_allclose(recorded(recorder, 1).gate[0], gate)
    np.testing.assert_array_equal(recorded(recorder, 1).pred, logits.argmax(1))
    np.testing.assert_array_equal(recorded(recorder, 1).gate_pred[0], logits.argmax(1))


def test_inference_mode_may_come_and_go(make: Any) -> None:
    with torch.inference_mode():
        recorder, logits = make(), logits_of(1)
    halves = (slice(0, 20), slice(20, N))
    for epoch, inside in ((1, True), (2, False)):
        for half in halves:
            with torch.inference_mode(inside == (half.start == 0)):
                recorder.update(torch.arange(N)[half], logits[half] * 1, torch.from_numpy(GIVEN)[half])
        recorder.end_epoch()
        np.testing.assert_array_equal(recorded(recorder, epoch).pred, logits.argmax(1))


def test_labels_beyond_the_classes_are_said_at_the_first_batch(make: Any) -> None:
    recorder = make({"train": N, "test": 5}, labels={"test": [0, 1, 2, 3, 9]})
    with pytest.raises(MemgateError, match="labels of test hold 9, and there are 4 classes"):
        recorder.update(**batch())


# --------------------------------------------------------------------------------------------------------
# What goes wrong on the way


def test_a_forgotten_end_epoch_is_said(make: Any, capsys: Any) -> None:
    with make() as recorder:
        for epoch in (1, 2):
            recorder.update(torch.arange(30), logits_of(epoch)[:30], torch.from_numpy(GIVEN)[:30])
    error = capsys.readouterr().err
    assert "30 samples of train came after the last end_epoch() and are not recorded" in error
    assert error.count("memgate:") == 1


@pytest.mark.parametrize("until", ["write", "metrics"])
def test_what_the_disk_refused_at_the_end_is_the_status(make: Any, monkeypatch: Any, until: str) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    what = {"write": "memgate.logwriter.SampleLogWriter.write", "metrics": "memgate.runs.Run.append_metrics"}
    with make() as recorder:
        feed(recorder, 1)
        feed(recorder, 2)
        with monkeypatch.context() as patched:
            patched.setattr(what[until], full)
            feed(recorder, 3)
        assert recorder.epoch == (2 if until == "write" else 3)
    status = Run(recorder.path).status()
    assert status.state == ("stopped" if until == "write" else "complete")
    assert status.epoch == recorder.epoch
    assert ("epoch 3 could not be written" in status.message) == (until == "write")
    make(resume=True).close()
    assert [row["epoch"] for row in Run(recorder.path).metrics()] == list(range(1, recorder.epoch + 1))


def test_a_kill_between_log_and_metrics_is_mended(tmp_path: Path, make: Any) -> None:
    counts = {"train": N, "test": 5}
    code = f"""
import os, torch
from memgate.runs import Run
from memgate.samplelog import Recorder
append = Run.append_metrics
Run.append_metrics = lambda run, row: os.kill(os.getpid(), 9) if row["epoch"] == 3 else append(run, row)
recorder = Recorder({counts}, 3, name="mine", out={str(tmp_path / "runs")!r})
for epoch in (1, 2, 3):
    logits = torch.randn({N}, {K}, generator=torch.Generator().manual_seed(epoch)) * epoch
    recorder.update(torch.arange({N}), logits, torch.arange({N}) % {K})
    recorder.update(torch.arange(5), logits[:5], torch.arange(5) % {K}, split="test")
    recorder.end_epoch()
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == -9
    run = Run(tmp_path / "runs" / "mine")
    assert (run.status().shown, len(run.metrics())) == ("crashed", 2)
    with (run.path / "metrics.csv").open("a") as stream:
        stream.write("3,0.5")
    make(dict(reversed(counts.items())), resume=True).close()
    assert (run.status().state, run.status().epoch) == ("complete", 3)
    with make(counts, name="whole") as whole:
        for epoch in (1, 2, 3):
            whole.update(torch.arange(5), logits_of(epoch)[:5], GIVEN[:5], split="test")
            feed(whole, epoch)
    for mine, other in zip(run.metrics(), Run(whole.path).metrics(), strict=True):
        np.testing.assert_equal(mine | {"seconds": 0}, other | {"seconds": 0})


def test_resume_says_what_differs(make: Any) -> None:
    images = np.zeros((N, 8, 8, 3), np.uint8)
    given: dict[str, Any] = {"clean_labels": CLEAN, "images": images, "seed": 1, "data": "d", "model": "m"}
    given["settings"] = {"lr": 0.1, "nothing": float("nan")}
    with make(**given) as recorder:
        feed(recorder, 1)
    make(resume=True, **given).close()
    make(resume=True).close()
    for wrong, sentence in (
        ({"clean_labels": GIVEN}, "has other clean labels than those given here"),
        ({"images": images + 1}, "has other images of train, or none, than those given"),
        ({"seed": 2}, "has the seed 1 and not 2"),
        ({"data": "e"}, "has the data d and not e"),
        ({"model": "n"}, "has the model m and not n"),
        ({"settings": {"lr": 0.2}}, "has the setting lr 0.1 and not 0.2"),
        ({"manifest": Run(recorder.path).manifest, "clean_labels": None}, ""),
    ):
        if sentence:
            with pytest.raises(MemgateError, match=sentence):
                make(resume=True, **wrong)
        else:
            make(resume=True, **wrong).close()


def test_wrong_positions_that_were_recorded_cannot_be_resumed(make: Any) -> None:
    with make() as recorder:
        recorder.update(torch.arange(N), logits_of(1), GIVEN[::-1].copy())
        recorder.end_epoch()
    with (
        make(resume=True) as recorder,
        pytest.raises(
            MemgateError, match="had 3 before.*labels that it keeps are wrong: delete that run, or choose"
        ),
    ):
        feed(recorder, 2)


def test_a_deleted_run_is_said_and_nothing_more_counts_as_recorded(make: Any, capsys: Any) -> None:
    with make() as recorder:
        feed(recorder, 1)
        shutil.rmtree(recorder.path)
        feed(recorder, 2)
        assert "the run was deleted or moved, and nothing more is recorded" in capsys.readouterr().err
        assert recorder.epoch == 1


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_worker_does_not_keep_the_lock(make: Any) -> None:
    recorder = make()
    feed(recorder, 1)
    worker = os.fork()
    if worker == 0:
        signal.pause()
        os._exit(0)
    try:
        recorder.close()
        make(resume=True).close()
    finally:
        os.kill(worker, signal.SIGKILL)
        os.waitpid(worker, 0)


# --------------------------------------------------------------------------------------------------------
# A run like any other


def test_commands_that_read_work_and_those_that_need_the_network_say_why_not(
    make: Any, make_run: Any, capsys: Any
) -> None:
    make_run(name="trained")
    with make(clean_labels=CLEAN, settings={"lr": 0.1, "note": "x"}) as recorder:
        for epoch in (1, 2):
            feed(recorder, epoch, gate=torch.rand(N))
    run = Run(recorder.path)
    Runs(run.path.parent).run()
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("mine")]
    assert re.split(r"\s{2,}", line.strip()) == [
        "mine", "stopped", "2/3", "own", "own", "label-list:file=given_labels.csv",
    ]  # fmt: skip
    stored = json.loads((run.path / "config.json").read_text())
    assert stored["settings"] == {"lr": 0.1, "note": "x"}
    assert "config" not in stored
    for plan in (ExportPlan(), ExportPlan("long", "parquet"), ExportPlan("matrix", "npz")):
        assert export(run, plan).is_file()
    for arguments in (
        ["resume", str(run.path)],
        ["evaluate", str(run.path)],
        ["probe", "csr", str(run.path)],
        ["train", "--like", str(run.path)],
    ):
        with pytest.raises(
            MemgateError, match="mine was recorded by another program, so memgate has neither"
        ):
            cli.parse(arguments).run()


def code_blocks() -> list[str]:
    """The README's Python examples on other people's loops."""
    section = README.read_text().split("## Other people's loops")[1].split("\n## ")[0]
    return re.findall(r"```python\n(.*?)```", section, re.DOTALL)


def digits() -> Any:
    generator = torch.Generator().manual_seed(0)
    return torch.utils.data.TensorDataset(
        torch.rand(100, 3, 8, 8, generator=generator), torch.arange(100) % 10
    )


def network() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(192, 10))


def test_the_readmes_plain_loop_records_a_run(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(code_blocks()[0], names)
    names["train"](network(), digits())
    found = report(Run(tmp_path / "runs" / "mine"))
    assert (found.epoch, found.state, found.groups[0].n) == (3, "complete", 100)


# Lightning's own use of torch, and its advice to machines with many cores.
@pytest.mark.filterwarnings("ignore:.isinstance.treespec, LeafSpec.. is deprecated:FutureWarning")
@pytest.mark.filterwarnings("ignore:The 'train_dataloader' does not have many workers")
def test_the_readmes_lightning_callback_records_a_run(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    plain: dict[str, Any] = {}
    exec(code_blocks()[0], plain)
    names: dict[str, Any] = {}
    exec(code_blocks()[1], names)
    loader = torch.utils.data.DataLoader(plain["Indexed"](digits()), batch_size=32, shuffle=True)
    names["fit"](network(), loader)
    run = Run(tmp_path / "runs" / "with-lightning")
    assert run.status().state == "complete"
    assert run.log().epochs("train").tolist() == [1, 2, 3]
    assert all(record.flag("seen").all() for _, record in run.log().records("train", [1, 2, 3]))


def test_the_manifest_of_a_recorded_run_can_be_loaded_and_shown(make: Any, capsys: Any) -> None:
    with make(clean_labels=CLEAN) as recorder:
        feed(recorder, 1)
    assert Manifest.load(recorder.path / "manifest.npz").label_corrupted.sum() == 8
    cli.parse(["corrupt", "show", str(recorder.path / "manifest.npz")]).run()
    assert "label-list:file=given_labels.csv" in capsys.readouterr().out
