"""The Export page: the file that the browser gets is the one that the printed command writes."""

import io
import shlex
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import streamlit as st

from app.dashboard.parts import export
from app.dashboard.view import state
from memgate.__main__ import main
from memgate.runs.run import Run
from probes.embedding.config import EmbedConfig
from probes.embedding.run import probe_run
from probes.network.plan import Plan
from probes.samples.cohorts import Cohort, load_cohort, save_cohort

pytestmark = pytest.mark.slow

MakeRun = Callable[..., Run]


@pytest.fixture
def downloads(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Callable[[], bytes]]]:
    """What the page hands to its download button: the file's name, and what makes it on a click."""
    found: list[tuple[str, Callable[[], bytes]]] = []

    def button(label: str, data: Any, file_name: str, **options: Any) -> bool:
        assert options["on_click"] == "ignore"
        found.append((file_name, data))
        return False

    monkeypatch.setattr(st, "download_button", button)
    return found


@pytest.fixture
def type_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Any) -> Callable[[str], Path]:
    """Types a command as the page prints it, in a folder of its own; the file it wrote."""

    def typed(text: str) -> Path:
        here = tmp_path / "here"
        here.mkdir(exist_ok=True)
        capsys.readouterr()
        with monkeypatch.context() as patch:
            patch.chdir(here)
            patch.setattr(sys, "argv", shlex.split(text))
            main()
        return here / capsys.readouterr().out.strip()

    return typed


def choose(at: Any, **values: Any) -> Any:
    """Set the page's choices, one after the other."""
    for name, value in values.items():
        widgets = [*at.selectbox, *at.radio, *at.multiselect, *at.number_input]
        (widget,) = [one for one in widgets if one.key == f"export_{name}"]
        widget.set_value(value).run()
        assert not at.exception, [(error.value, error.stack_trace) for error in at.exception]
    return at


def keys(at: Any) -> set[str]:
    return {one.key for one in [*at.selectbox, *at.radio, *at.multiselect, *at.number_input]}


def same(downloads: list[Any], at: Any, type_it: Callable[[str], Path]) -> bytes:
    """The bytes of the last download, which must be those of the command that the page prints."""
    name, make = downloads[-1]
    path = type_it(at.code[-1].value)
    assert path.name == name
    assert path.read_bytes() == make()
    return make()


FILTER = {"cause": "label", "route": "skipped", "gate": "b2", "epoch": "3"}


@pytest.mark.parametrize(
    ("choices", "filtered"),
    [
        ({}, {}),
        ({}, FILTER),
        ({"format": "parquet", "quantities": ["loss_mean", "gate_b3_mean"]}, {}),
        ({"shape": "long", "format": "jsonl", "epochs": "every", "step": 2}, FILTER),
        ({"shape": "matrix", "format": "h5", "epochs": "from", "first": 2, "last": 3}, FILTER),
        ({"schema": "cleanlab"}, {}),
        ({"schema": "cartography", "epochs": "last"}, FILTER),
        ({"schema": "fiftyone"}, {}),
        ({"schema": "tensorboard", "shape": "matrix"}, FILTER),
    ],
    ids=lambda choices: "-".join(map(str, choices.values())) or "all",
)
def test_the_file_is_the_one_that_the_command_writes(
    make_run: MakeRun, open_page: Any, downloads: Any, type_it: Any, choices: Any, filtered: Any
) -> None:
    run = make_run(n=200, gates=("b2", "b3"))
    at = choose(open_page("export", run=run.name, **filtered), **choices)
    assert not at.error
    assert same(downloads, at, type_it)
    rows = {metric.label: metric.value for metric in at.metric}
    assert rows["Samples"] == str(int(at.session_state["view"].members.sum()))


def test_the_filter_and_the_cursor_are_the_sidebars(
    make_run: MakeRun, open_page: Any, downloads: Any, type_it: Any
) -> None:
    run = make_run(n=200)
    at = open_page("export", run=run.name, route="routed", epoch="2")
    choose(at, format="parquet")
    found = pd.read_parquet(io.BytesIO(same(downloads, at, type_it)))
    log = run.sample_log()
    routed = log.values("train", "routed")[1][1]
    assert found["sample_id"].tolist() == np.sort(log.samples("train").sample_id[routed]).tolist()
    assert found["epochs_logged"].tolist() == [2] * int(routed.sum())
    choose(at, samples="all")
    assert len(pd.read_parquet(io.BytesIO(same(downloads, at, type_it)))) == 200
    assert at.dataframe[-1].value["sample_id"].tolist() == [0, 1, 2, 3, 4]


def test_only_what_goes_together_is_offered(make_run: MakeRun, open_page: Any) -> None:
    run = make_run(epochs=3)
    at = open_page("export", run=run.name)
    assert at.radio(key="export_samples").options == ["all of train (200)"]
    assert at.selectbox(key="export_format").options == ["csv", "parquet", "npz", "jsonl", "h5"]
    choose(at, shape="matrix")
    assert at.selectbox(key="export_format").options == ["npz", "parquet", "h5"]
    choose(at, schema="cleanlab")
    assert at.selectbox(key="export_shape").options == ["summary"]
    assert at.selectbox(key="export_format").options == ["csv", "parquet"]
    assert "export_quantities" not in keys(at)
    assert "export_epochs" not in keys(open_page("export", run=make_run(name="one", epochs=1).name))


def select(at: Any, ids: list[int]) -> Any:
    """Make samples the selection, as a brush does, and ask for it."""
    chosen = state.selection.selection_of("run", "train", ids, "by hand")
    state.keep_selection(chosen)
    at.query_params["selected"] = chosen.key
    at.run()
    return choose(at, samples="selection")


def test_a_small_selection_is_named_by_its_ids(
    make_run: MakeRun, open_page: Any, downloads: Any, type_it: Any
) -> None:
    make_run()
    at = select(open_page("export", run="run"), [7, 3, 150])
    assert "--ids 3 7 150" in at.code[-1].value
    found = pd.read_csv(io.BytesIO(same(downloads, at, type_it)))
    assert found["sample_id"].tolist() == [3, 7, 150]


def test_a_large_selection_is_saved_first(
    make_run: MakeRun, open_page: Any, downloads: Any, type_it: Any
) -> None:
    run = make_run()
    at = select(open_page("export", run="run"), list(range(export.IDS + 1)))
    assert not at.code
    assert "save the selection as a cohort" in at.info[0].value
    at.text_input(key="export_name").set_value("no/name")
    at.button(key="export_save_it").click().run()
    assert "is no name for a cohort" in at.error[0].value.replace("\\", "")
    at.text_input(key="export_name").set_value("mine")
    at.button(key="export_save_it").click().run()
    assert not at.exception
    assert load_cohort(run, "mine").sample_ids == tuple(range(51))
    assert "--cohort mine" in at.code[-1].value
    assert len(pd.read_csv(io.BytesIO(same(downloads, at, type_it)))) == 51


def test_a_cohort_is_offered_where_it_is_of_the_split(
    make_run: MakeRun, open_page: Any, downloads: Any, type_it: Any
) -> None:
    run = make_run()
    save_cohort(run, Cohort("mine", "train", (4, 9), "by hand"))
    save_cohort(run, Cohort("tests", "test", (4, 9, 11), "by hand"))
    (run.path / "cohorts" / "broken.json").write_text("{")
    at = choose(open_page("export", run=run.name), samples="cohort")
    assert at.selectbox(key="export_cohort").options == ["mine"]
    assert pd.read_csv(io.BytesIO(same(downloads, at, type_it)))["sample_id"].tolist() == [4, 9]
    save_cohort(run, Cohort("mine", "train", (5,), "again"))
    at.run()
    assert {metric.label: metric.value for metric in at.metric}["Samples"] == "1"


def test_a_folder_is_a_zip_for_the_browser(
    make_run: MakeRun, open_page: Any, downloads: Any, type_it: Any
) -> None:
    run = make_run(n=20)
    at = choose(open_page("export", run=run.name), schema="fiftyone")
    with zipfile.ZipFile(io.BytesIO(same(downloads, at, type_it))) as archive:
        assert "run-train-fiftyone-summary/labels.csv" in archive.namelist()
        assert len(archive.namelist()) == 21


def test_maps_are_offered_where_they_are_stored_up_to_the_epoch(
    make_run: MakeRun, open_page: Any, downloads: Any, type_it: Any
) -> None:
    run = make_run(n=60, epochs=4)
    assert "map" not in open_page("export", run=run.name).selectbox(key="export_shape").options
    next(probe_run(run, EmbedConfig(), ["trajectories"], Plan(("3",), splits=("train",), n=0)))
    at = choose(open_page("export", run=run.name), shape="map", format="parquet")
    assert not at.error
    table = pd.read_parquet(io.BytesIO(same(downloads, at, type_it)))
    assert list(table)[8:11] == [f"{name}_trajectories_pca" for name in ("epoch", "x", "y")]
    assert "map" in open_page("export", run=run.name, epoch="3").selectbox(key="export_shape").options
    for view in ({"epoch": "2"}, {"split": "test"}):
        assert "map" not in open_page("export", run=run.name, **view).selectbox(key="export_shape").options


def test_what_cannot_be_had_is_a_sentence(make_run: MakeRun, open_page: Any, downloads: Any) -> None:
    run = make_run(n=20, seed=5)
    run.config.data.root.unlink()
    at = choose(open_page("export", run=run.name, cause="image"), schema="fiftyone")
    assert [error.value for error in at.error if "no data file" in error.value]
    choose(at, schema="tensorboard")
    assert not at.error
    with zipfile.ZipFile(io.BytesIO(downloads[-1][1]())) as archive:
        assert not [name for name in archive.namelist() if name.endswith("sprite.png")]


def test_nobody_is_a_sentence(make_run: MakeRun, open_page: Any) -> None:
    run = make_run(noise=("symmetric:0.02",))
    samples = run.sample_log().samples("train")
    safe = min(set(range(10)) - set(samples.clean_label[samples.cause == "label"].tolist()))
    at = open_page("export", run=run.name, cause="label", **{"class": str(safe)})
    assert [error.value.replace("\\", "") for error in at.error] == [
        f"None of the 200 samples of train in run is selected by --cause label and --classes {safe}: "
        "choose other conditions."
    ]


def test_a_table_too_large_for_the_browser_has_its_command(
    make_run: MakeRun, open_page: Any, downloads: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run()
    monkeypatch.setattr(export, "LARGEST", 1000)
    at = open_page("export", run=run.name)
    assert not downloads
    assert "too large for a download" in at.info[0].value
    assert at.code
