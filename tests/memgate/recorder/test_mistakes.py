"""The Recorder's error messages, full disks, crashes and forks."""

import json
import os
import re
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from memgate.errors import MemgateError
from memgate.recorder.recorder import Recorder
from memgate.runs.run import Run
from tests.helpers.forked import exit_code_of
from tests.helpers.recording import CLEAN, GIVEN, K, N, feed, logits_of, recorded


def batch(**changed: Any) -> dict[str, Any]:
    """Arguments of update() for three samples, with some changed."""
    valid = {"index": torch.arange(3), "logits": torch.zeros(3, K), "labels": torch.tensor([0, 1, 2])}
    return valid | changed


@pytest.mark.slow
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
def test_a_wrong_batch_raises_and_stores_nothing(make_recorder: Any, changed: Any, sentence: str) -> None:
    with make_recorder() as recorder:
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
        (torch.rand(2), None, r"^gate is torch.float32\[2\] and must be 3 numbers"),
        (torch.rand(3, 2), None, "give the mean where a gate has several values"),
        (torch.tensor([0.0, 1.0, 1.5]), None, r"^gate has values outside \[0, 1\]"),
        ({"a b": torch.rand(3)}, None, "gate 'a b' cannot be a column's name"),
        (torch.rand(3), torch.zeros(3, 2), r"gate_logits of gate are \[3, 2\] and must be \[3, 4\]"),
    ],
)
def test_a_wrong_gate_raises(make_recorder: Any, gate: Any, own: Any, sentence: str) -> None:
    with pytest.raises(MemgateError, match=sentence):
        make_recorder().update(**batch(gate=gate, gate_logits=own))


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"name": "a/b"}, "cannot be a folder's name"),
        ({"epochs": 0}, "epochs 0 is out of range"),
        ({"n": 0}, "n_samples of train 0 is out of range"),
        ({"n": {"test": 3}}, "n_samples names the splits test"),
        ({"n": {"train": 3, "dev": 3}}, "n_samples names the splits train, dev"),
        ({"n": 40.7}, "n_samples of train is 40.7 and must be a whole number"),
        ({"n": [1, 2]}, "n_samples of train is .1, 2. and must"),
        ({"epochs": "2x"}, "epochs is '2x' and must be a whole number"),
        ({"name": 3}, "name is 3 and must be a string"),
        ({"data": object()}, "data is .* and must be a string"),
        ({"model": 1}, "model is 1 and must be a string"),
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
        ({"images": [np.zeros((8, 8, 3)), np.zeros((9, 8, 3))]}, "images cannot be converted to an array"),
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
def test_a_wrong_argument_raises(make_recorder: Any, wrong: Any, sentence: str) -> None:
    with pytest.raises(MemgateError, match=sentence):
        make_recorder(**wrong)


def test_an_empty_epoch_and_labels_beyond_the_classes_raise(make_recorder: Any) -> None:
    with pytest.raises(MemgateError, match="No training sample was seen in epoch 1: call update"):
        make_recorder().end_epoch()
    recorder = make_recorder(clean_labels=GIVEN + 1)
    with pytest.raises(MemgateError, match="clean_labels hold 4, and there are 4 classes: 0 to 3"):
        feed(recorder, 1)
    assert not recorder.path.exists()


def test_an_unusable_or_reserved_folder_raises_before_the_first_epoch(
    make_recorder: Any, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(MemgateError, match="file/runs/mine cannot be made .*choose another out folder"):
        Recorder(N, 3, name="mine", out=tmp_path / "file" / "runs")
    first = make_recorder()
    with pytest.raises(MemgateError, match="mine is being recorded already: close.. that Recorder"):
        make_recorder()
    first.close()
    second = make_recorder()
    del second
    with make_recorder() as third:
        feed(third, 1)
    assert [path.name for path in third.path.parent.iterdir()] == ["mine"]


def test_settings_of_an_argument_parser_are_stored(make_recorder: Any) -> None:
    settings = {
        "out": Path("x"),
        "lr": np.float32(0.5),
        "device": torch.device("cpu"),
        "run": make_recorder,
        "sizes": (1, 2),
    }
    with make_recorder(settings=settings) as recorder:
        feed(recorder, 1)
    with make_recorder(settings=settings, resume=True) as recorder:
        recorder.update(torch.arange(N), logits_of(2), torch.from_numpy(GIVEN))
        recorder.end_epoch(np.int64(2))
        with pytest.raises(MemgateError, match="epoch is 1.5 and must be a whole number"):
            recorder.end_epoch(1.5)  # pyright: ignore[reportArgumentType]
    stored = Run(recorder.path).settings
    assert (stored["out"], stored["lr"], stored["device"], stored["sizes"]) == ("x", 0.5, "cpu", [1, 2])


@pytest.mark.parametrize(
    "form", [lambda tensor: tensor.tolist(), lambda tensor: tensor.numpy(), lambda tensor: tensor]
)
def test_lists_arrays_tensors_and_gate_columns_are_accepted(make_recorder: Any, form: Any) -> None:
    logits, gate = logits_of(1), torch.linspace(0, 1, N)
    recorder = make_recorder()
    recorder.update(np.arange(N), form(logits), GIVEN.tolist(), form(gate[:, None]), gate_logits=form(logits))
    recorder.end_epoch()
    np.testing.assert_allclose(recorded(recorder, 1).gate[0], gate)
    np.testing.assert_array_equal(recorded(recorder, 1).pred, logits.argmax(1))
    np.testing.assert_array_equal(recorded(recorder, 1).gate_pred[0], logits.argmax(1))


def test_inference_mode_may_change_between_batches(make_recorder: Any) -> None:
    with torch.inference_mode():
        recorder, logits = make_recorder(), logits_of(1)
    halves = (slice(0, 20), slice(20, N))
    for epoch, first in ((1, True), (2, False)):
        for half in halves:
            with torch.inference_mode(first == (half.start == 0)):
                recorder.update(torch.arange(N)[half], logits[half] * 1, torch.from_numpy(GIVEN)[half])
        recorder.end_epoch()
        np.testing.assert_array_equal(recorded(recorder, epoch).pred, logits.argmax(1))


def test_the_first_batch_finds_known_labels_beyond_the_classes(make_recorder: Any) -> None:
    recorder = make_recorder({"train": N, "test": 5}, labels={"test": [0, 1, 2, 3, 9]})
    with pytest.raises(MemgateError, match="labels of test hold 9, and there are 4 classes"):
        recorder.update(**batch())


def test_a_forgotten_end_epoch_gives_a_warning(make_recorder: Any, capsys: Any) -> None:
    with make_recorder() as recorder:
        for epoch in (1, 2):
            recorder.update(torch.arange(30), logits_of(epoch)[:30], torch.from_numpy(GIVEN)[:30])
    error = capsys.readouterr().err
    assert "30 samples of train came after the last end_epoch() and are not recorded" in error
    assert error.count("memgate:") == 1


@pytest.mark.parametrize("until", ["write", "metrics"])
def test_the_status_says_that_the_last_epoch_could_not_be_written(
    make_recorder: Any, monkeypatch: Any, until: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    what = {
        "write": "memgate.log.writer.SampleLogWriter.write",
        "metrics": "memgate.runs.run.Run.append_metrics",
    }
    with make_recorder() as recorder:
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
    assert [row["epoch"] for row in Run(recorder.path).metrics()] == list(range(1, recorder.epoch + 1))
    make_recorder(resume=True).close()
    assert [row["epoch"] for row in Run(recorder.path).metrics()] == list(range(1, recorder.epoch + 1))


def test_metrics_on_a_disk_that_stays_full_are_written_when_the_run_is_continued(
    make_recorder: Any, monkeypatch: Any
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched, make_recorder() as recorder:
        feed(recorder, 1)
        patched.setattr("memgate.runs.run.Run.append_metrics", full)
        patched.setattr("memgate.runs.metrics.write", full)
        feed(recorder, 2)
        feed(recorder, 3)
    run = Run(recorder.path)
    assert run.status().state == "complete"
    with pytest.raises(
        MemgateError, match=r"ends at epoch 1, and 3 epochs .*Recorder\(\.\.\., resume=True\)"
    ):
        run.metrics()
    make_recorder(resume=True).close()
    assert [row["epoch"] for row in run.metrics()] == [1, 2, 3]


def test_an_older_epoch_is_recorded_again_after_a_full_disk(make_recorder: Any, monkeypatch: Any) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    def record(epoch: int) -> None:
        recorder.update(np.arange(N), logits_of(epoch), GIVEN)
        recorder.end_epoch(epoch)

    with make_recorder() as recorder:
        record(1)
        with monkeypatch.context() as patched:
            patched.setattr("memgate.runs.run.Run.append_metrics", full)
            record(2)
            patched.setattr("memgate.runs.metrics.write", full)
            record(3)
        record(3)  # drops the former epoch 3; the line of epoch 2 is missing too
    assert [row["epoch"] for row in Run(recorder.path).metrics()] == [1, 2, 3]


@pytest.mark.slow
def test_metrics_are_repaired_after_a_kill_between_log_and_metrics(
    tmp_path: Path, make_recorder: Any
) -> None:
    counts = {"train": N, "test": 5}
    append = Run.append_metrics

    def killed_before_3(run: Run, row: dict[str, float]) -> None:
        if row["epoch"] == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        append(run, row)

    def killed() -> None:
        pytest.MonkeyPatch().setattr(Run, "append_metrics", killed_before_3)  # in the child only
        recorder = make_recorder(counts)
        for epoch in (1, 2, 3):
            recorder.update(torch.arange(5), logits_of(epoch)[:5], GIVEN[:5], split="test")
            feed(recorder, epoch)

    assert exit_code_of(killed) == -signal.SIGKILL
    run = Run(tmp_path / "runs" / "mine")
    assert (run.status().state, len(run.metrics())) == ("crashed", 2)
    with (run.path / "metrics.csv").open("a") as stream:
        stream.write("3,0.5")
    make_recorder(dict(reversed(counts.items())), resume=True).close()
    assert (run.status().state, run.status().epoch) == ("complete", 3)
    with make_recorder(counts, name="whole") as whole:
        for epoch in (1, 2, 3):
            whole.update(torch.arange(5), logits_of(epoch)[:5], GIVEN[:5], split="test")
            feed(whole, epoch)
    for mine, other in zip(run.metrics(), Run(whole.path).metrics(), strict=True):
        np.testing.assert_equal(mine | {"seconds": 0}, other | {"seconds": 0})


def test_resume_names_the_argument_that_differs(make_recorder: Any) -> None:
    images = np.zeros((N, 8, 8, 3), np.uint8)
    given: dict[str, Any] = {"clean_labels": CLEAN, "images": images, "seed": 1, "data": "d", "model": "m"}
    given["settings"] = {"lr": 0.1, "nothing": float("nan")}
    with make_recorder(**given) as recorder:
        feed(recorder, 1)
    make_recorder(resume=True, **given).close()
    make_recorder(resume=True).close()
    stored = recorder.path / "config.json"
    text = stored.read_text()
    assert json.loads(text, parse_constant=pytest.fail)["settings"] == {"lr": 0.1, "nothing": "NaN"}
    before = re.sub(r',\s*"digest": "[0-9a-f]{64}"', "", text)
    stored.write_text(before.replace('"NaN"', "NaN"))  # as version 0.1.0 wrote it
    make_recorder(resume=True, **given).close()
    for wrong, sentence in (
        ({"clean_labels": GIVEN}, "has other clean labels than those given here"),
        ({"images": images + 1}, "has other images of train .or none. than those given"),
        ({"seed": 2}, "has the seed 1 and not 2"),
        ({"data": "e"}, "has the data d and not e"),
        ({"model": "n"}, "has the model m and not n"),
        ({"settings": {"lr": 0.2}}, "has the setting lr 0.1 and not 0.2"),
        ({"manifest": Run(recorder.path).manifest, "clean_labels": None}, ""),
    ):
        if sentence:
            with pytest.raises(MemgateError, match=sentence):
                make_recorder(resume=True, **wrong)
        else:
            make_recorder(resume=True, **wrong).close()


def test_a_run_with_wrong_positions_cannot_be_resumed(make_recorder: Any) -> None:
    with make_recorder() as recorder:
        recorder.update(torch.arange(N), logits_of(1), GIVEN[::-1].copy())
        recorder.end_epoch()
    with (
        make_recorder(resume=True) as recorder,
        pytest.raises(
            MemgateError, match="had 3 before.*labels that it keeps are wrong: delete that run, or choose"
        ),
    ):
        feed(recorder, 2)


def test_after_the_run_is_deleted_nothing_counts_as_recorded(make_recorder: Any, capsys: Any) -> None:
    with make_recorder() as recorder:
        feed(recorder, 1)
        shutil.rmtree(recorder.path)
        feed(recorder, 2)
        assert (
            "was moved or deleted while this process wrote it (it is not there any more)"
            in capsys.readouterr().err
        )
        assert recorder.epoch == 1


def test_a_recording_does_not_write_into_a_run_that_took_its_place(
    make_recorder: Any, capsys: Any, tmp_path: Path
) -> None:
    with make_recorder(name="other") as other:
        feed(other, 1)
    with make_recorder() as recorder:
        feed(recorder, 1)
        recorder.path.rename(tmp_path / "runs" / "elsewhere")
        other.path.rename(recorder.path)
        before = {path: path.read_bytes() for path in recorder.path.iterdir() if path.is_file()}
        feed(recorder, 2)
        assert "(there is another file now), so nothing more is written" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in recorder.path.iterdir() if path.is_file()} == before
    assert Run(tmp_path / "runs" / "elsewhere").status().epoch == 1


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_worker_does_not_keep_the_lock(make_recorder: Any) -> None:
    recorder = make_recorder()
    feed(recorder, 1)
    worker = os.fork()
    if worker == 0:
        signal.pause()
        os._exit(0)
    try:
        recorder.close()
        make_recorder(resume=True).close()
    finally:
        os.kill(worker, signal.SIGKILL)
        os.waitpid(worker, 0)


def test_a_closed_recorder_records_no_more(make_recorder: Any) -> None:
    with make_recorder() as recorder:
        feed(recorder, 1)
    for late in (recorder.end_epoch, lambda: feed(recorder, 2)):
        with pytest.raises(
            MemgateError, match=r"is closed: call update\(\) and end_epoch\(\) inside the with"
        ):
            late()
    recorder.close()  # twice is no mistake
    assert Run(recorder.path).status().state == "stopped"
    make_recorder(resume=True).close()  # the log's lock is free
