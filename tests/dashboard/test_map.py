"""The page Map: the stored points, their colours, what a lasso selects, and the command where there is no map."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from app.dashboard.charts.maps import Group, Look, Points, grouped, scored
from app.dashboard.parts.map import chart
from app.dashboard.view import selection
from memgate.runs.run import Run
from probes.embedding.config import EmbedConfig
from probes.embedding.run import probe_run
from probes.embedding.vectors import nearest_vectors, vectors_of
from probes.network.plan import Plan
from probes.result import ProbeResult, probe_path, save_results
from tests.helpers.gate_results import result_of
from tests.helpers.pages import decoded, errors, figure, shown_tiles, texts, trigger

MakeRun = Callable[..., Run]


def mapped(run: Run) -> ProbeResult:
    """The stored map of the trajectories of the training samples."""
    return next(probe_run(run, EmbedConfig(), ["trajectories"], Plan(splits=("train",), n=0)))


@pytest.fixture
def run(make_run: MakeRun) -> Run:
    one = make_run(n=120)
    mapped(one)
    return one


def drawn(at: Any) -> dict[str, dict[int, tuple[float, float]]]:
    """Name of each trace of the map to its points by sample id."""
    traces = figure(at, "map_scatter")["data"]
    return {
        trace["name"]: dict(
            zip(
                decoded(trace["customdata"]).tolist(),
                zip(decoded(trace["x"]), decoded(trace["y"]), strict=True),
                strict=True,
            )
        )
        for trace in traces
        if "customdata" in trace
    }


@pytest.mark.slow
def test_points_are_the_stored_ones_by_cause(run: Run, open_page: Any) -> None:
    at, result = open_page("map", run=run.name), mapped(run)
    assert not errors(at)
    samples = run.sample_log().samples("train")
    expected = dict(zip(result.sample_id.tolist(), result.values["position"].T.tolist(), strict=True))
    shown = drawn(at)
    for cause in ("clean", "label", "image"):
        ids = samples.sample_id[samples.cause == cause].tolist()
        assert shown[f"{cause} ({len(ids)})"] == {one: tuple(expected[one]) for one in ids}
    assert "trajectories by PCA: 120 train samples" in texts(at)
    assert "120 samples on the map." in texts(at)


@pytest.mark.slow
@pytest.mark.parametrize("colour", ["given", "clean", "fit", "route", "loss_mean", "stable_learned_epoch"])
def test_every_colour_shows_every_sample_once(colour: str, run: Run, open_page: Any) -> None:
    at = open_page("map", run=run.name, colour=colour)
    assert not errors(at)
    ids = [one for points in drawn(at).values() for one in points]
    assert sorted(ids) == list(range(120))
    samples = run.sample_log().samples("train")
    if colour == "clean":
        assert set(drawn(at)["3 (12)"]) == set(samples.sample_id[samples.clean_label == 3].tolist())
    if colour == "loss_mean":
        [trace] = figure(at, "map_scatter")["data"]
        loss = run.log("train")["loss"].astype(np.float64).mean(axis=0)
        np.testing.assert_allclose(
            decoded(trace["marker"]["color"]), loss[decoded(trace["customdata"])], rtol=1e-5
        )


@pytest.mark.slow
def test_a_lasso_selects_also_what_is_not_drawn(
    run: Run, open_page: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chart, "DRAWN", 70)
    at, result = open_page("map", run=run.name), mapped(run)
    assert "70 of them, drawn at random, are shown" in texts(at)
    before = [one for points in drawn(at).values() for one in points]
    assert len(before) == 70
    x, y = result.values["position"]
    inside = result.sample_id[(x < 0) & (y > 0)]
    trigger(at, "map_gestures", "outlined", {"lasso": [{"x": [-9, 0, 0, -9], "y": [0, 0, 9, 9]}], "box": []})
    chosen = at.session_state["view"].selected
    assert chosen.ids.tolist() == inside.tolist()
    assert 0 < len(set(inside) - set(before)) < len(inside) <= 70
    assert chosen.how.startswith("lasso over the PCA map of trajectories")
    assert set().union(*drawn(at).values()) == {*before, *inside}
    assert "70 of them, drawn at random, and all selected ones are shown" in texts(at)
    assert figure(at, "map_scatter")["data"][-1]["name"] == f"selected ({len(inside)})"
    trigger(at, "map_gestures", "outlined", {"box": [{"x": [0, -9], "y": [-9, 9]}], "lasso": []})
    assert at.session_state["view"].selected.ids.tolist() == result.sample_id[x <= 0].tolist()
    assert "first axis in [-9, 0]" in at.session_state["view"].selected.how
    trigger(at, "map_gestures", "outlined", {"box": [{"x": [8, 9], "y": [8, 9]}], "lasso": []})
    assert len(at.session_state["view"].selected.ids) == (x <= 0).sum()  # nothing lies there
    explorer = open_page("explorer", tab=at, run=run.name, selected=at.query_params["selected"])
    assert f"{(x <= 0).sum()} samples" in texts(explorer)


@pytest.mark.slow
def test_a_click_opens_the_sample(run: Run, open_page: Any) -> None:
    at = open_page("map", run=run.name)
    trigger(at, "map_gestures", "clicked", 17)
    assert at.query_params["id"] == "17"


def test_of_two_filters_the_same_points_are_drawn() -> None:
    ranks = np.random.default_rng(0).permutation(90_000)
    none = np.zeros(len(ranks), bool)
    every = chart.drawn(ranks, none)
    assert every.sum() == chart.DRAWN
    half = np.arange(len(ranks)) % 2 == 0
    assert (chart.drawn(ranks[half], none[half]) >= every[half]).all()
    few, many = np.arange(len(ranks)) < 300, np.arange(len(ranks)) < 60_000
    assert chart.drawn(ranks, few).sum() == (every | few).sum()
    assert (chart.drawn(ranks, many) == every).all()


def test_a_map_of_many_samples_is_small_and_pale_but_for_the_selected() -> None:
    n = 20_000
    draw = np.random.default_rng(0)
    every = Points(np.arange(30_000, 30_000 + n), *draw.normal(size=(2, n)))
    places = np.arange(n) % 10
    groups = {f"class {one}": Group(every.of(places == one), Look("#000000"), n // 10) for one in range(10)}
    none = np.zeros(0, int)
    # x and y in 4 bytes and the id in 2, a third more in base64, and plotly writes a slash as six characters.
    assert len(str(grouped(groups, none).to_json())) < 17.5 * n
    assert len(str(scored(every, draw.normal(size=n), "loss", none).to_json())) < 24 * n
    selected = every.ids[::7]
    traces: Any = grouped(groups, selected).data
    assert len(traces) == 10
    for trace in traces:
        assert np.isin(trace.customdata[list(trace.selectedpoints)], selected).all()
    assert sum(len(trace.selectedpoints) for trace in traces) == len(selected)


@pytest.mark.slow
def test_the_filter_hides_points_and_is_counted(run: Run, open_page: Any) -> None:
    at = open_page("map", run=run.name, cause="corrupted")
    corrupted = int((run.sample_log().samples("train").cause != "clean").sum())
    assert sum(map(len, drawn(at).values())) == corrupted
    assert f"{corrupted} samples on the map." in texts(at)
    result = mapped(run)
    save_results(run, "embed", [result.of(np.arange(120) < 100)])
    at = open_page("map", run=run.name)
    assert "100 of the 120 samples that pass the filter are on the map: the others have no place." in texts(
        at
    )


@pytest.mark.slow
def test_a_map_that_is_missing_is_a_command(run: Run, make_run: MakeRun, open_page: Any) -> None:
    at = open_page("map", run=make_run(n=30).name)
    assert at.code[0].value.endswith(" --splits train")
    at = open_page("map", run=run.name, source="features", method="tsne")
    assert "by t-SNE is stored yet" in texts(at)
    assert at.code[0].value.endswith(" --sources features --methods tsne --splits train")
    at = open_page("map", run=run.name, source="gates")
    assert errors(at) == ["There is no source 'gates' here: there is trajectories, features, o1."]
    probe_path(run, "embed").write_bytes(b"damaged")
    assert any("embed.h5 is damaged" in sentence for sentence in errors(open_page("map", run=run.name)))


@pytest.mark.slow
def test_similar_pictures_are_numpys(make_run: MakeRun, open_page: Any) -> None:
    run = make_run(n=60, unit_depth=8, macs=True)
    at = open_page("sample", run=run.name, id="7")
    assert "No penultimate features of the train samples are stored up to epoch 4." in texts(at)
    assert "No gate vectors of the train samples are stored up to epoch 4." in texts(at)
    gates = result_of(run)
    save_results(run, "gates", [gates])
    vectors = np.random.default_rng(0).normal(size=(5, 59)).astype(np.float32)
    features = ProbeResult(
        "features", "train", 3, "features", "epoch_003", np.arange(59), {"vector": vectors}, {"network": ""}
    )
    save_results(run, "features", [features])
    at = open_page("sample", run=run.name, id="7")
    assert not errors(at)
    opened = np.unpackbits(gates.values["pattern"], axis=0, count=sum(gates.config["gates"].values())).T
    for source, values in (("gates", opened.astype(bool)), ("features", vectors.T)):
        expected = nearest_vectors(vectors_of(values), 7, 20)[0].tolist()
        assert shown_tiles(at, f"similar_{source}") == expected
    earlier = texts(open_page("sample", run=run.name, id="7", epoch="2"))
    assert (
        "are stored up to epoch 2. There are those of epoch 3: set the epoch in the sidebar to it." in earlier
    )
    at = open_page("sample", run=run.name, id="59")
    assert "This sample has no vector." in texts(at)


def test_a_point_lies_in_a_lasso_by_its_corners() -> None:
    bow = np.array([[0, 0], [2, 2], [2, 0], [0, 2.0]])
    x, y = np.array([0.2, 1.8, 1, 1, -1]), np.array([1, 1, 0.2, 1.8, 1])
    assert selection.points_in_lassos([bow], x, y).tolist() == [True, True, False, False, False]
    event = {"selection": {"lasso": [{"x": [0, 1, 1], "y": [0, 0, 1]}, {"x": [1], "y": [1]}]}}
    assert [one.tolist() for one in selection.lassos_of(event)] == [[[0, 0], [1, 0], [1, 1]]]
