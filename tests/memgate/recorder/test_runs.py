"""Recorded runs in memgate's commands. (The documentation's examples of recording one: tests/docs.)"""

import json
import re
import shutil
from typing import Any

import pytest
import torch

from app.cli import main
from app.cli.commands.runs import Runs
from memgate.errors import MemgateError
from memgate.runs.run import Run
from noise.manifest.manifest import Manifest
from probes.export.export import export_run
from probes.export.plan import ExportPlan
from tests.helpers.recording import CLEAN, N, feed


@pytest.mark.slow
def test_reading_commands_work_and_commands_that_need_the_network_raise(
    make_recorder: Any, make_run: Any, capsys: Any
) -> None:
    make_run(name="trained")
    with make_recorder(clean_labels=CLEAN, settings={"lr": 0.1, "note": "x"}) as recorder:
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
        assert export_run(run, plan).is_file()
    for arguments in (
        ["resume", str(run.path)],
        ["evaluate", str(run.path)],
        ["probe", "csr", str(run.path)],
        ["train", "--like", str(run.path)],
    ):
        with pytest.raises(
            MemgateError, match="mine was recorded by another program, so memgate has neither"
        ):
            main.parse(arguments).run()


def test_the_manifest_of_a_recorded_run_can_be_loaded_and_shown(make_recorder: Any, capsys: Any) -> None:
    with make_recorder(clean_labels=CLEAN) as recorder:
        feed(recorder, 1)
    assert Manifest.load(recorder.path / "manifest.npz").label_corrupted.sum() == 8
    main.parse(["corrupt", "show", str(recorder.path / "manifest.npz")]).run()
    assert "label-list:file=given_labels.csv" in capsys.readouterr().out


def test_a_recorded_log_is_bound_to_its_manifest(make_recorder: Any) -> None:
    for name, clean in (("one", CLEAN), ("two", None)):
        with make_recorder(name=name, clean_labels=clean) as recorder:
            feed(recorder, 1)
    one, two = (recorder.path.parent / name for name in ("one", "two"))
    seal = Run(one).sample_log().seal
    assert seal is not None
    assert set(seal.files) == {"config.json", "manifest.npz"}
    shutil.copy(two / "log.h5", one / "log.h5")
    with pytest.raises(MemgateError, match="clean_label differs for 8 of 40 samples"):
        Run(one).sample_log()
    with pytest.raises(MemgateError, match="does not belong to the manifest.npz beside it"):
        make_recorder(name="one", clean_labels=CLEAN, resume=True)
