"""The page Log health and its reader: epochs, checksums, coverage, sizes, also of a run that cannot be opened."""

import json
from collections.abc import Callable
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from memgate.log.reader import SampleLog
from memgate.recorder.recorder import Recorder
from memgate.runs import health
from memgate.runs.run import Run
from tests.helpers.pages import table, texts

MakeRun = Callable[..., Run]


def damage(run: Run, split: str = "train", row: int = 1) -> None:
    with h5py.File(run.path / "log.h5", "r+") as handle:
        loss: Any = handle[f"{split}/loss"]
        loss[row, 3] += 0.25


def test_every_planned_epoch_is_whole_torn_or_missing(make_run: MakeRun) -> None:
    run = make_run(epochs=5, finished=4, unseen={3: [0, 1, 2]})
    damage(run)
    found = health.split_health(run.sample_log(), "train")
    assert found.epochs.tolist() == [1, 2, 3, 4, 5]
    assert found.state.tolist() == ["whole", "torn", "whole", "whole", "missing"]
    np.testing.assert_array_equal(found.seen, [200, np.nan, 197, 200, np.nan])
    assert np.isnan(found.written).tolist() == [False] * 4 + [True]
    assert [found.count(state) for state in ("whole", "torn", "missing")] == [3, 1, 1]


def test_verification_reads_everything_anew(make_run: MakeRun) -> None:
    run = make_run(epochs=3)
    log = run.sample_log()
    assert health.split_health(log, "test").count("whole") == 3
    damage(run, "test", 2)
    assert health.split_health(log, "test").count("whole") == 3  # it believes what it has verified
    steps: list[tuple[int, int]] = []
    found = {one.split: one for one in health.verify(run.path / "log.h5", lambda *at: steps.append(at))}
    assert found["test"].state.tolist() == ["whole", "whole", "torn"]
    assert found["train"].count("whole") == 3
    assert steps == [(place, 6) for place in range(1, 7)]


def test_sizes_are_the_files(make_run: MakeRun) -> None:
    run = make_run()
    (run.path / "probes").mkdir(exist_ok=True)
    (run.path / "probes" / "csr.h5").write_bytes(b"x" * 1000)
    found = health.sizes(run.path)
    assert found["log.h5"] == (run.path / "log.h5").stat().st_size
    assert found["probes"] == 1000
    assert sum(found.values()) == sum(p.stat().st_size for p in run.path.rglob("*") if p.is_file())
    gate = next(one for one in health.stored_arrays(run.sample_log()) if one.name == "gate")
    assert (gate.split, gate.dtype, gate.shape, gate.bytes) == ("train", "float32", (4, 1, 200), 4 * 200 * 4)


def test_each_file_is_judged_by_itself(make_run: MakeRun) -> None:
    run = make_run()
    assert not [one for one in health.files(run) if one.problem]
    (run.path / "log.h5").write_bytes(b"something else" * 100)
    (run.path / "manifest.npz").write_bytes(b"PK")
    (run.path / "status.json").write_text("[]")
    found = {one.name: one for one in health.files(Run(run.path))}
    assert [name for name, one in found.items() if one.problem] == ["status.json", "log.h5", "manifest.npz"]
    assert "it has been overwritten" in found["log.h5"].problem
    assert found["log.h5"].command == f"memgate train --like {run.path} --name run-again"
    (run.path / "config.json").write_text("{")
    assert next(iter(health.files(Run(run.path)))).problem


@pytest.mark.slow
def test_a_sound_run(make_run: MakeRun, open_page: Any) -> None:
    run = make_run(val_n=40, noise_on=("test",))
    at = open_page("health", run="run")
    rows = table(at, "planned").set_index("split")
    assert rows.index.tolist() == list(run.sample_log().splits)
    assert (rows["whole"] == 4).all()
    assert rows.loc["train", "samples"] == len(run.sample_log().samples("train"))
    assert (table(at, "file")["state"] == "can be read").all()
    assert "manifest-test_corrupted.npz" in table(at, "file")["file"].tolist()
    assert not at.code
    settings = table(at, "setting").set_index("setting")["value"]
    assert settings["noise"] == "symmetric:0.3 randx:0.1"
    assert settings["train.epochs"] == "4"
    facts = next(one.value for one in at.dataframe if "licence" in one.value.iloc[:, 0].tolist())
    facts = facts.set_index("what")["value"]
    assert facts["SHA-256 of train, images and labels on disk"] == run.digests["train"]
    assert "images of your own" in facts["licence"]
    operations = table(at, "convention")
    assert operations["requested"].tolist() == ["30.00%", "10.00%"]
    assert table(at, "quantity")["size"].iloc[0] == "3.2 kB"


@pytest.mark.slow
def test_the_button_finds_what_was_damaged_since(make_run: MakeRun, open_page: Any) -> None:
    run = make_run()
    at = open_page("health", run="run")
    at.button(key="verify").click().run()
    assert "Read 8 rows" in at.success[0].value
    damage(run)
    at.button(key="verify").click().run()
    assert not at.exception
    assert "1 damaged: train 2." in texts(at)
    # The page itself goes by the state that it was opened at, until it is refreshed.
    assert table(at, "planned")["damaged"].tolist() == [0, 0]


def test_a_damaged_epoch_is_marked(make_run: MakeRun, open_page: Any) -> None:
    damage(make_run())
    at = open_page("health", run="run")
    row = table(at, "planned").iloc[0]
    assert (row["damaged"], row["damaged epochs"], row["whole"]) == (1, "2", 3)
    spec = json.loads(at.get("plotly_chart")[0].proto.spec)
    names = [trace["name"] for trace in spec["data"]]
    assert names == ["whole", "damaged", "not logged"]
    assert "put back a copy of log.h5" in texts(at)


@pytest.mark.slow
@pytest.mark.parametrize(("state", "offered"), [("stopped", True), ("failed", True), ("complete", False)])
def test_how_to_go_on(state: str, offered: bool, make_run: MakeRun, open_page: Any) -> None:
    done = 6 if state == "complete" else 3
    run = make_run(epochs=6, finished=done)
    run.set_status(state, done, "the disk <b>is</b> full")
    at = open_page("health", run="run")
    assert [one.value for one in at.code] == [f"memgate resume {run.path}"] * offered
    assert f"{state}, epoch {done} of 6: the disk <b>is</b> full" in texts(at)
    assert table(at, "planned")["not logged"].tolist() == [6 - done] * 2


@pytest.mark.slow
@pytest.mark.parametrize("content", [None, b"", b"nothing of the kind" * 100, b"\x89HDF\r\n\x1a\n"])
def test_a_log_that_cannot_be_read(content: bytes | None, make_run: MakeRun, open_page: Any) -> None:
    run = make_run(epochs=6, finished=3)
    log = run.path / "log.h5"
    log.unlink()
    if content is not None:
        log.write_bytes(content)
    at = open_page("health", run="run")
    assert len(at.error) == 1
    assert "log.h5 cannot be read" in texts(at)
    assert at.code[0].value == f"memgate train --like {run.path} --name run-again"
    assert not any("resume" in one.value for one in at.code)
    files = table(at, "file").set_index("file")
    assert files.loc["log.h5", "state"] == "cannot be read"
    assert files.loc["config.json", "state"] == "can be read"
    assert table(at, "setting").set_index("setting").loc["train.epochs", "value"] == "6"
    assert table(at, "convention")["requested"].tolist() == ["30.00%", "10.00%"]


def test_a_configuration_that_cannot_be_read(make_run: MakeRun, open_page: Any) -> None:
    run = make_run()
    (run.path / "config.json").write_text("{")
    at = open_page("health", run="run")
    assert "config.json cannot be read" in texts(at)
    files = table(at, "file").set_index("file")["state"]
    assert files["config.json"] == "cannot be read"
    assert files["log.h5"] == "can be read"


def test_no_run_is_invented(make_run: MakeRun, open_page: Any) -> None:
    make_run()
    at = open_page("health", run="../other")
    assert len(at.error) == 1
    assert not at.dataframe


def test_a_recorded_run_says_how_it_goes_on(tmp_path: Any, open_page: Any) -> None:
    with Recorder(20, 2, name="mine", out=tmp_path / "runs", settings={"lr": 0.1}) as recorder:
        recorder.update(torch.arange(20), torch.randn(20, 2), np.arange(20) % 2, split="train")
        recorder.end_epoch()
    at = open_page("health", run="mine")
    assert not at.error
    assert at.code[0].value == f"Recorder(..., name='mine', out={str(tmp_path / 'runs')!r}, resume=True)"
    settings = table(at, "setting").set_index("setting")["value"]
    assert settings["settings.lr"] == "0.1"
    assert isinstance(recorder.path.name, str)


def test_reading_for_health_disturbs_no_writer(make_run: MakeRun) -> None:
    run = make_run(epochs=3, finished=2)
    from memgate.log.writer import SampleLogWriter

    writer = SampleLogWriter.open(run.path / "log.h5")
    try:
        assert health.verify(run.path / "log.h5")[0].count("whole") == 2
    finally:
        writer.close()
    assert SampleLog(run.path / "log.h5").epochs("train").tolist() == [1, 2]
