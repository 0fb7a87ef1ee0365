"""Recorded runs in memgate's commands, and the README's examples of recording one."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from app.cli import main
from app.cli.commands.runs import Runs
from memgate.errors import MemgateError
from memgate.runs.run import Run
from noise.manifest.manifest import Manifest
from probes.export.export import export_run
from probes.export.plan import ExportPlan
from probes.report.report import report
from tests.helpers.recording import CLEAN, N, feed

README = Path(__file__).parents[3] / "README.md"


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


def code_blocks() -> list[str]:
    """The Python examples of the README's section on recording."""
    section = README.read_text().split("## Other people's loops")[1].split("\n## ")[0]
    return re.findall(r"```python\n(.*?)```", section, re.DOTALL)


def digits() -> Any:
    """100 random images [3, 8, 8] with labels 0 to 9."""
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
    result = report(Run(tmp_path / "runs" / "mine"))
    assert (result.epoch, result.state, result.groups[0].n) == (3, "complete", 100)


# Warnings of Lightning itself: a deprecated call of torch, and advice on the number of workers.
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
    assert run.sample_log().epochs("train").tolist() == [1, 2, 3]
    assert all(record.flag("seen").all() for _, record in run.sample_log().records("train", [1, 2, 3]))


def test_the_manifest_of_a_recorded_run_can_be_loaded_and_shown(make_recorder: Any, capsys: Any) -> None:
    with make_recorder(clean_labels=CLEAN) as recorder:
        feed(recorder, 1)
    assert Manifest.load(recorder.path / "manifest.npz").label_corrupted.sum() == 8
    main.parse(["corrupt", "show", str(recorder.path / "manifest.npz")]).run()
    assert "label-list:file=given_labels.csv" in capsys.readouterr().out
