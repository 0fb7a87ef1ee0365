"""The run directory: never half made, its metrics whole lines only, its status honest."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.cli.commands.runs import Runs
from memgate.errors import MemgateError
from memgate.log.format import LogLayout
from memgate.runs.config_file import write_config
from memgate.runs.create import create_run
from memgate.runs.run import list_runs, open_run


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
    run.keep_metrics(2)
    assert run.metrics() == rows[:2]
    run.append_metrics(rows[2])
    assert run.metrics() == rows
    run.keep_metrics(0)
    assert run.metrics() == []
    assert not path.exists()


def test_running_without_its_process_is_crashed(make_run):
    run = make_run()
    done = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True
    )
    run.set_status("running", 2)
    assert run.status().shown == "running"
    status = json.loads((run.path / "status.json").read_text())
    assert status["pid"] == os.getpid()
    (run.path / "status.json").write_text(json.dumps({**status, "pid": int(done.stdout)}))
    assert run.status().shown == "crashed"
    # On a shared disk, the process of another machine cannot be checked.
    (run.path / "status.json").write_text(
        json.dumps({**status, "pid": int(done.stdout), "host": "elsewhere"})
    )
    assert run.status().shown == "running"


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


@pytest.mark.parametrize(
    ("file", "content", "sentence"),
    [
        ("config.json", "{", "cannot be read"),
        ("config.json", "[]", "holds no JSON object"),
        ("config.json", '{"schema": "other/1"}', "is not a configuration of the format memgate-run/1"),
        ("metrics.csv", "epoch,test_accuracy\n1,much\n", "holds something that is no number"),
        ("status.json", '{"state": "running"}', "has other keys than a status"),
    ],
)
def test_a_damaged_run_is_said_and_the_others_are_listed(make_run, capsys, file, content, sentence):
    good, bad = make_run(name="good"), make_run(name="bad")
    (bad.path / file).write_text(content)
    Runs(good.config.out).run()
    output = capsys.readouterr().out
    assert sentence in output
    assert "damaged" in output
    assert "complete" in output
