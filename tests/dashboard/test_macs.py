"""MACs as a score on every page, in runs whose gates close, and nowhere else."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from memgate.runs.run import Run
from tests.helpers.pages import decoded, errors, figure, texts

pytestmark = pytest.mark.slow


@pytest.fixture
def run(make_run: Callable[..., Run]) -> Run:
    return make_run(n=80, test_n=20, unit_depth=8, macs=True)


def test_they_are_an_axis_of_the_explorer(run: Run, open_page: Any) -> None:
    at = open_page("explorer", run=run.name, x="macs_mean", y="macs_last")
    assert not errors(at)
    shown = figure(at, "scatter")
    assert shown["layout"]["xaxis"]["title"]["text"] == "mean MACs"
    ids = np.concatenate([decoded(trace["customdata"]) for trace in shown["data"]])
    x = np.concatenate([decoded(trace["x"]) for trace in shown["data"]])
    samples = run.sample_log().samples("train").sample_id
    expected = run.sample_log().values("train", "macs")[1].astype(np.float64).mean(axis=0)
    np.testing.assert_allclose(x[np.argsort(ids)], expected[np.argsort(samples)], rtol=1e-6)


def test_the_overview_has_their_mean_of_each_group(run: Run, open_page: Any) -> None:
    at = open_page("overview", run=run.name)
    macs, samples = run.sample_log().values("train", "macs")[1], run.sample_log().samples("train")
    lines = {
        trace["name"].split(" (")[0]: trace for trace in figure(at, "macs")["data"] if "(" in trace["name"]
    }
    for state, members in (("clean", samples.cause == "clean"), ("corrupted", samples.cause != "clean")):
        expected = macs[:, members].astype(np.float64).mean(axis=1)
        np.testing.assert_allclose(decoded(lines[state]["y"]), expected, rtol=1e-6)


def test_they_sort_the_gallery_and_detect_corruption(run: Run, open_page: Any) -> None:
    at = open_page("gallery", run=run.name, preset="hardest", score="macs_last")
    assert not errors(at)
    assert at.selectbox(key="gallery_score").value == "macs_last"
    at = open_page("hardness", run=run.name)
    assert "MACs" in str(at.dataframe[0].value["score"].tolist())
    at = open_page("hardness", run=run.name, show="epochs")
    at.multiselect(key="quantities").set_value(["MACs"]).run()
    assert not errors(at)
    assert at.dataframe[0].value["quantity"].tolist() == ["MACs"]


def test_a_sample_has_its_curve_and_its_rank(run: Run, open_page: Any) -> None:
    samples = run.sample_log().samples("train")
    at = open_page("sample", run=run.name, id=str(samples.sample_id[7]))
    macs = run.sample_log().values("train", "macs")[1][:, 7]
    lines = [trace for trace in figure(at, "fit")["data"] if trace.get("name") == "this sample"]
    np.testing.assert_array_equal(decoded(lines[2]["y"]), macs)
    ranked = next(table.value for table in at.dataframe if "of its class" in table.value.columns)
    assert {"mean MACs", "last MACs"} <= set(ranked["score"])


def test_other_runs_have_none(make_run: Callable[..., Run], open_page: Any) -> None:
    at = open_page("explorer", run=make_run().name, x="macs_mean")
    assert "mean MACs is not available here: mean loss (CSL) is shown instead." in texts(at)
    assert not [option for option in at.selectbox(key="pick_x").options if "MACs" in option]
