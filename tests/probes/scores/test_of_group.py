"""The scores of a group: which run has them, at which epoch, and in which columns of an export."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from memgate.runs.run import Run
from memgate.sweeps.subsets import group_of
from probes.export.export import export_run
from probes.export.plan import ExportPlan
from probes.memorisation.stored import memorisation_result
from probes.scores.of_group import columns_of_run
from tests.helpers.made_groups import GROUP

COLUMNS = ["mem", "mem_low", "mem_high", "mem_p", "consistency", "vulnerability"]


def test_a_run_finds_its_group_by_the_sweeps_beside_it(made_group: Path, tmp_path: Path) -> None:
    folder = made_group / "runs"
    sweep = folder / f"{GROUP}.sweep.json"
    run = next(path for path in folder.iterdir() if path.is_dir())
    assert group_of(run) == sweep
    assert group_of(run.with_name("another")) is None
    (tmp_path / "a.sweep.json").write_text("{")
    ordinary = json.loads(sweep.read_text())
    for one in ordinary["runs"]:
        one["point"] = {"train.lr": "0.1"}
    (tmp_path / "b.sweep.json").write_text(json.dumps(ordinary))
    assert group_of(tmp_path / run.name) is None
    shutil.copy(sweep, tmp_path / "c.sweep.json")
    assert group_of(tmp_path / run.name) == tmp_path / "c.sweep.json"


def test_columns_are_those_of_the_last_epoch_up_to_one(made_group: Path) -> None:
    run = Run(next(path for path in (made_group / "runs").iterdir() if path.is_dir()))
    result = memorisation_result(GROUP, made_group / "runs")
    columns, notes = columns_of_run(run, "train", 3)
    assert (list(columns), notes) == (COLUMNS, ())
    np.testing.assert_array_equal(columns["mem"], result.values["mem"][2])
    np.testing.assert_array_equal(columns["consistency"], result.values["right_out"][2])
    np.testing.assert_array_equal(columns["vulnerability"], result.vulnerability["lira"]["share"][-1])
    earlier, _ = columns_of_run(run, "train", 2)
    assert list(earlier) == COLUMNS[:-1]  # attacks were carried out at epoch 3
    np.testing.assert_array_equal(earlier["mem"], result.values["mem"][1])
    assert columns_of_run(run, "test", 3) == columns_of_run(run, "train", 0) == ({}, ())


@pytest.mark.slow
def test_the_exported_summary_has_mem_where_it_was_estimated(group_runs: list[Run], tmp_path: Path) -> None:
    run, result = group_runs[2], memorisation_result(GROUP, tmp_path / "runs")
    table = pd.read_csv(export_run(run, ExportPlan()))
    assert list(table)[-len(COLUMNS) :] == COLUMNS
    np.testing.assert_allclose(table["mem"], result.values["mem"][-1], rtol=1e-6)
    part = pd.read_csv(export_run(run, ExportPlan(quantities=("mem",), epoch=2)))
    np.testing.assert_allclose(part["mem"], result.values["mem"][1], rtol=1e-6)
    assert "mem" not in pd.read_csv(export_run(run, ExportPlan(split="test")))
    file = tmp_path / "runs" / f"{GROUP}.memorisation.h5"
    content = file.read_bytes()
    file.write_bytes(content[:2000])
    assert "mem" not in pd.read_csv(export_run(run, ExportPlan()))
    _, notes = columns_of_run(run, "train", 3)
    assert notes[0].startswith("Without mem, mem_p, consistency, vulnerability: ")
    file.unlink()
    assert list(pd.read_csv(export_run(run, ExportPlan()))) == list(table)[: -len(COLUMNS)]
