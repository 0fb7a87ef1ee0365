"""The page Runs: what is measured, what is cached, and the way to Compare."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from memgate.log import guard
from memgate.runs.run import Run
from probes.result import ProbeResult, save_results
from tests.helpers.pages import errors

MakeRun = Callable[..., Run]


@pytest.mark.slow
def test_columns_are_numbers_that_sort(make_run: MakeRun, open_page: Any) -> None:
    for name, gates in (("gated", ("b3",)), ("plain", ())):
        make_run(name=name, gates=gates)
    table = open_page("runs").dataframe[0].value
    for column in ("test acc.", "routed clean", "routed corrupted", "AUROC g", "AUROC loss", "CSR", "size"):
        assert table[column].dtype == np.float64, column
    rows = table.set_index("run")
    assert rows.loc["plain", ["routed clean", "AUROC g", "CSR"]].isna().all()
    assert rows["test acc."].notna().all()


@pytest.mark.slow
def test_critical_samples_where_probed(make_run: MakeRun, open_page: Any) -> None:
    run = make_run()
    radius = np.array([0.1, 0.29, 0.3, 0.5, 2.0, 7.0, 8.0, 9.0], np.float32)
    ids = run.sample_log().samples("train").sample_id[:8].astype(np.int64)
    values = {"critical_radius": radius, "critical": (radius < 0.3)[None]}

    def probed(count: int) -> ProbeResult:
        cut = {name: array[..., :count] for name, array in values.items()}
        return ProbeResult("csr", "train", 4, "first-order", "last", ids[:count], cut, {"radii": [0.3]})

    save_results(run, "csr", [probed(8)])
    assert open_page("runs").dataframe[0].value["CSR"].tolist() == [25.0]
    save_results(run, "csr", [probed(4)])
    assert open_page("runs").dataframe[0].value["CSR"].tolist() == [50.0]


def test_the_size_is_that_of_the_folder(make_run: MakeRun, open_page: Any) -> None:
    run = make_run()
    total = sum(path.stat().st_size for path in run.path.rglob("*") if path.is_file())
    assert open_page("runs").dataframe[0].value["size"].tolist() == [pytest.approx(total / 1e6)]


def test_a_log_is_measured_once(make_run: MakeRun, open_page: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    make_run(epochs=3)
    at = open_page("runs")
    before = at.dataframe[0].value
    from memgate.log.reader import SampleLog

    def refused(*_: object, **__: object) -> None:
        raise AssertionError("the log is read again")

    monkeypatch.setattr(SampleLog, "values", refused)
    at.run()
    assert not at.exception
    assert at.dataframe[0].value.equals(before)


@pytest.mark.slow
def test_two_to_four_runs_are_compared(make_run: MakeRun, open_page: Any) -> None:
    for seed, name in enumerate(("a", "b", "c")):
        make_run(name=name, data_seed=3, seed=seed)
    at = open_page("runs")
    assert at.button(key="compare").disabled
    assert at.multiselect(key="to_compare").proto.max_selections == 4
    at.multiselect(key="to_compare").set_value(["b"]).run()
    assert at.button(key="compare").disabled
    at.multiselect(key="to_compare").set_value(["b", "a"]).run()
    assert not at.button(key="compare").disabled
    at.button(key="compare").click().run()
    assert not at.exception
    assert at.query_params["runs"] == "b,a"
    assert at.query_params["run"] == "b"
    assert at.multiselect(key="pick_runs").value == ["b", "a"]


@pytest.mark.slow
def test_one_run_alone_is_not_compared(make_run: MakeRun, open_page: Any) -> None:
    make_run()
    at = open_page("runs")
    assert not at.multiselect
    assert "only run here" in open_page("compare", run="run").info[0].value


@pytest.mark.slow
def test_a_damaged_run_has_its_row_and_its_sentence(make_run: MakeRun, open_page: Any) -> None:
    make_run(name="sound")
    make_run(name="broken", seed=1)
    run = make_run(name="nolog", seed=2)
    (run.path / "log.h5").unlink()
    (run.path.parent / "broken" / "config.json").write_text("{")
    at = open_page("runs")
    status = at.dataframe[0].value.set_index("run")["status"]
    assert status.to_dict() == {"sound": "complete", "broken": "damaged", "nolog": "log damaged"}
    assert len(at.error) == 2


@pytest.mark.slow
def test_a_click_opens_the_run_that_was_in_the_row(make_run: MakeRun, open_page: Any) -> None:
    make_run(name="old")
    at = open_page("runs")
    assert at.dataframe[0].value["run"].tolist() == ["old"]
    make_run(name="new", seed=1)  # the newest stands first
    states: Any = at._tree.get_widget_states()
    state = states.widgets.add()
    state.id = at.dataframe[0].proto.id
    state.string_value = json.dumps({"selection": {"rows": [0], "columns": [], "cells": []}})
    at._run(states)
    assert not at.exception
    assert at.query_params["run"] == "old"
    assert at.session_state["view"].run.name == "old"


def test_the_page_shows_no_text_of_the_source(make_run: MakeRun, open_page: Any) -> None:
    # 'streamlit run app/dashboard/main.py' shows a text that stands by itself, as the test's runner does.
    make_run()
    assert not [element.value for element in open_page("runs").markdown]


@pytest.mark.slow
def test_a_log_that_hangs_the_library_does_not_stop_the_list(
    make_run: MakeRun, open_page: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(name="sound")
    shutil.copytree(Path(__file__).parents[1] / "golden" / "log_1", run.path.parent / "hung")
    with (run.path.parent / "hung" / "log.h5").open("r+b") as stream:
        stream.seek(4096)
        stream.write(bytes(4096))
    monkeypatch.setattr(guard, "SECONDS", 1)
    at = open_page("runs")
    table = at.dataframe[0].value.set_index("run")
    assert table["status"].to_dict() == {"sound": "complete", "hung": "log damaged"}
    assert table.loc["sound", "test acc."] > 0
    assert any("reading it does not end" in sentence for sentence in errors(at))
