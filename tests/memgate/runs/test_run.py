"""The run directory: never half made, its metrics whole lines only, its status honest."""

import json
import os
import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.cli.commands.runs import Runs
from memgate.errors import MemgateError
from memgate.log.format import LogLayout
from memgate.log.writer import SampleLogWriter
from memgate.runs.config_file import write_config
from memgate.runs.create import create_run
from memgate.runs.json_files import digest_of, with_digest
from memgate.runs.run import Run, list_runs, open_run
from memgate.runs.status import write_status


def arguments_of(run, name) -> Any:
    """Arguments of create_run for another run of the same kind."""
    log = run.sample_log()
    splits = {split: log.samples(split) for split in log.splits}
    layout = LogLayout(splits, log.gates, tuple(log.planned.tolist()), "eval", ("a", "b"))
    config = replace(run.config, name=name)
    return config, config, run.environment, run.manifests, run.digests, layout


def test_a_kill_while_a_run_is_made_leaves_no_run(make_run, monkeypatch):
    run = make_run()
    arguments = arguments_of(run, "other")

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("memgate.runs.create.write_config", killed)
    with pytest.raises(KeyboardInterrupt):
        create_run(*arguments)
    assert [listed.name for listed in list_runs(run.config.out)] == [run.name]
    assert not (run.config.out / "other").exists()
    monkeypatch.undo()
    assert create_run(*arguments).status().epoch == 0
    assert [path.name for path in run.config.out.iterdir() if path.name.startswith(".")] == []


def test_a_name_can_be_taken_once(make_run):
    run = make_run()
    with pytest.raises(MemgateError, match=f"go on with it by 'memgate resume {run.path}'"):
        create_run(*arguments_of(run, run.name))
    (run.config.out / "folder").mkdir()
    with pytest.raises(MemgateError, match=r"folder exists already: choose another --name\.$"):
        create_run(*arguments_of(run, "folder"))


def test_a_folder_that_cannot_be_made_is_said(make_run):
    run = make_run()
    requested, config, *rest = arguments_of(run, "x")
    for out in (run.path / "config.json", Path("/proc/nothing")):
        with pytest.raises(MemgateError, match=f"{out}/x cannot be made .*choose another --out"):
            create_run(requested, replace(config, out=out), *rest)


def test_a_half_written_line_of_metrics_is_left_out(make_run):
    run = make_run(epochs=3)
    rows = run.metrics()
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    path = run.path / "metrics.csv"
    path.write_text(path.read_text() + "4,0.1,0.0")
    assert len(run.metrics()) == 3
    run.set_status("running", 0)  # as a training does before it drops lines
    run.keep_metrics(2)
    assert run.metrics() == rows[:2]
    run.append_metrics(rows[2])
    assert run.metrics() == rows
    run.keep_metrics(0)
    assert run.metrics() == []
    assert not path.exists()


def test_half_written_lines_of_metrics_are_no_change(make_run):
    run = make_run(n=60, test_n=20, finished=1)
    path = run.path / "metrics.csv"
    with path.open("a") as stream:
        stream.write("1")  # of epoch 12, say
    assert len(run.metrics()) == 1
    for header in ("", "epoch,lr"):
        path.write_text(header)
        run.set_status("running", 0)
        assert run.metrics() == []
        run.keep_metrics(0)
        run.append_metrics({"epoch": 1, "lr": 0.1})
        assert run.metrics() == [{"epoch": 1, "lr": 0.1}]


def test_values_under_other_names_have_another_digest():
    values = [{"a": {"b": 1}}, {"a.b": 1}, {"a": {"b": 1}, "c": {}}, {"a": {"b": 1}, "c": None}]
    assert len({digest_of(value) for value in values}) == 4
    assert digest_of({"a": {"b": 1, "c": {}}, "digest": "0"}, ("a.b",)) == digest_of({"a": {"c": {}}})


def test_a_run_is_running_while_its_log_is_locked_whatever_the_process_number(make_run):
    run = make_run(finished=2)
    writer = SampleLogWriter.open(run.path / "log.h5")
    run.set_status("running", 2)
    path = run.path / "status.json"
    for pid, host in ((os.getpid(), socket.gethostname()), (1, "elsewhere"), (10**12, "")):
        path.write_text(json.dumps(with_digest({**json.loads(path.read_text()), "pid": pid, "host": host})))
        assert run.status().state == "running"
    writer.close()
    for pid, host in ((os.getpid(), socket.gethostname()), (1, "elsewhere")):
        path.write_text(json.dumps(with_digest({**json.loads(path.read_text()), "pid": pid, "host": host})))
        assert run.status().state == "crashed"
    (run.path / "log.h5").unlink()
    assert run.status().state == "crashed"


def test_where_files_cannot_be_locked_the_process_is_asked(make_run, monkeypatch):
    run = make_run(finished=2)
    run.set_status("running", 2)

    def no_locks(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("memgate.runs.status.is_locked", no_locks)
    assert run.status().state == "running"
    monkeypatch.setattr("memgate.runs.status._is_alive", lambda _: False)
    assert run.status().state == "crashed"
    monkeypatch.setattr("socket.gethostname", lambda: "elsewhere")
    assert run.status().state == "running"


@pytest.mark.slow
def test_to_ask_whether_a_run_is_trained_does_not_keep_it_from_being_trained(make_run):
    run = make_run(finished=2)
    run.set_status("running", 2)
    stop = threading.Event()

    def ask():
        while not stop.is_set():
            run.status()

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        for _ in range(20):
            SampleLogWriter.open(run.path / "log.h5").close()
    finally:
        stop.set()
        asking.join()


def test_without_its_status_a_run_says_what_its_metrics_know(make_run):
    for finished, state in ((4, "complete"), (2, "failed"), (0, "failed")):
        run = make_run(finished=finished)
        (run.path / "status.json").unlink()
        assert (run.status().state, run.status().epoch) == (state, finished)


def test_runs_are_found_by_path_and_by_name_the_newest_first(make_run):
    one, two = make_run(name="one"), make_run(name="two")
    os.utime(one.path / "config.json", (1, 1))
    assert [run.name for run in list_runs(one.config.out)] == ["two", "one"]
    assert open_run(one.path).path == one.path
    assert open_run("two", one.config.out).path == two.path
    with pytest.raises(MemgateError, match=r"three is no run: .* there are: two, one\."):
        open_run("three", one.config.out)


def test_a_value_of_the_wrong_type_in_a_configuration_is_said(make_run):
    run = make_run()
    stored = json.loads((run.path / "config.json").read_text())
    stored["config"]["train"]["epochs"] = "3"
    write_config(run.path / "config.json", stored)
    with pytest.raises(MemgateError, match="train: epochs is '3' and must be a whole number"):
        _ = open_run(run.path).config


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "content", "sentence"),
    [
        ("config.json", "{", "cannot be read"),
        ("config.json", "[]", "holds no JSON object"),
        ("config.json", '{"schema": "other/1"}', "is not a configuration of the format memgate-run/1"),
        ("config.json", '{"a":' * 100_000, "config.json cannot be read"),
        ("config.json", '{"a":' * 99 + "1" + "}" * 99, "is nested deeper than 50 levels"),
        ("config.json", None, "config.json cannot be read (it is no file)"),
        ("metrics.csv", "epoch,test_accuracy\n1,much\n", "metrics.csv cannot be read as numbers"),
        ("metrics.csv", b"epoch,test_accuracy\n1,\xff\n", "metrics.csv cannot be read as numbers"),
        ("metrics.csv", "epoch,a\n1\n", "metrics.csv cannot be read as numbers"),
        ("metrics.csv", "epoch,a\n1,2,3\n", "metrics.csv cannot be read as numbers"),
        ("metrics.csv", "a\n2\n", "it has no column 'epoch'"),
        ("metrics.csv", "epoch\n1\n1\n", "has epochs that do not rise"),
        ("metrics.csv", "epoch,test_accuracy\n1,0.5\n2,0.5\n3,0.5\n", "ends at epoch 3, and 4 epochs are"),
        ("metrics.csv", "", "ends at epoch 0, and 4 epochs are finished"),
        ("metrics.csv", None, "cannot be read as numbers (it is no file)"),
        ("status.json", '{"state": "running"}', "status.json is damaged, or was changed"),
        ("status.json", None, "status.json cannot be read (it is no file)"),
    ],
)
def test_a_damaged_run_is_said_and_the_others_are_listed(make_run, capsys, file, content, sentence):
    good, bad = make_run(name="good"), make_run(name="bad")
    if content is None:
        (bad.path / file).unlink()
        (bad.path / file).mkdir()
    else:
        (bad.path / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    Runs(good.config.out).run()
    output = capsys.readouterr().out
    assert sentence in output
    assert "damaged" in output
    assert "complete" in output


def test_a_changed_number_in_status_or_configuration_is_said(make_run, one_sentence):
    run = make_run(n=60, test_n=20, finished=2)
    for file, old, new in (
        ("status.json", '"epoch": 2', '"epoch": 3'),
        ("status.json", '"epochs": 4', '"epochs": 5'),
        ("status.json", '"stopped"', '"stoqped"'),
        ("config.json", '"epochs": 4', '"epochs": 3'),
        ("config.json", '"threads": 1', '"threads": 7'),
    ):
        path = run.path / file
        before = path.read_text()
        assert before.count(old)
        path.write_text(before.replace(old, new))
        assert f"{file} is damaged, or was changed" in one_sentence("resume", run.path)
        path.write_text(before)


def test_a_status_that_contradicts_the_configuration_is_said(make_run):
    run, other = make_run(epochs=4), make_run(epochs=3)
    write_status(run.path / "status.json", "complete", 3, 3)
    with pytest.raises(MemgateError, match=r"epoch 3 of 3, and the run has 4 epochs: .* remove it"):
        run.status()
    (run.path / "status.json").write_bytes((other.path / "status.json").read_bytes())
    with pytest.raises(MemgateError, match=r"status\.json does not belong to the config\.json beside it"):
        run.status()
    run.set_status("complete", 2)
    with pytest.raises(MemgateError, match=r"says 'complete', epoch 2 of 4"):
        run.status()


def test_metrics_that_were_changed_or_are_of_another_run_are_said(
    make_run: Callable[..., Run], one_sentence: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    run, other = make_run(finished=2), make_run(finished=2, seed=1)
    path = run.path / "metrics.csv"
    before = path.read_text()
    header, first, second = before.splitlines(keepends=True)
    for text in (
        header + first + second.replace("2,", "2.0,", 1),
        header + first.replace(",0.5,", ",0.25,", 1) + second,
        (other.path / "metrics.csv").read_text(),
    ):
        path.write_text(text)
        assert "was changed, or is of another run" in one_sentence("resume", run.path)
        Runs(run.path.parent).run()
        assert "was changed, or is of another run" in capsys.readouterr().out
    path.write_text(before + second.replace("2,", "3,", 1))  # an epoch that a training has just finished
    assert [row["epoch"] for row in run.metrics()] == [1, 2, 3]
