"""The page Map: the stored points, their colours, what a lasso selects, and the command where there is no map."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from app.dashboard.parts.map import chart
from app.dashboard.view import selection
from memgate.runs.run import Run
from probes.embedding.config import EmbedConfig
from probes.embedding.run import probe_run
from probes.embedding.vectors import nearest_vectors, vectors_of
from probes.network.plan import Plan
from probes.result import ProbeResult, probe_path, save_results
from tests.helpers.gate_results import result_of
from tests.helpers.pages import brush, decoded, errors, figure, texts

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
    monkeypatch.setattr(chart, "DRAWN", 40)
    at, result = open_page("map", run=run.name), mapped(run)
    assert "40 of them, drawn at random, are shown" in texts(at)
    assert sum(map(len, drawn(at).values())) == 40
    x, y = result.values["position"]
    corners = {"x": [-9, 0, 0, -9], "y": [-9, -9, 9, 9]}
    picked = [
        {"customdata": one} for points in drawn(at).values() for one, (left, _) in points.items() if left < 0
    ]
    brush(at, "map_scatter", {"points": picked, "lasso": [corners]})
    chosen = at.session_state["view"].selected
    assert chosen.ids.tolist() == result.sample_id[x < 0].tolist()
    assert chosen.how.startswith("lasso over the PCA map of trajectories")
    rings = figure(at, "map_scatter")["data"][-1]
    assert rings["name"] == f"selected ({len(picked)})"
    explorer = open_page("explorer", tab=at, run=run.name, selected=at.query_params["selected"])
    assert f"{(x < 0).sum()} samples" in texts(explorer)
    assert not np.isnan(y).any()


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


def shown_tiles(at: Any, key: str) -> list[int]:
    """Ids of the tiles of a component, in their order."""
    import json

    protos: list[Any] = [element.proto for element in at.get("bidi_component")]
    [proto] = [one for one in protos if key in one.id]
    return [tile["id"] for tile in json.loads(proto.json)["tiles"]]


def test_a_point_lies_in_a_lasso_by_its_corners() -> None:
    bow = np.array([[0, 0], [2, 2], [2, 0], [0, 2.0]])
    x, y = np.array([0.2, 1.8, 1, 1, -1]), np.array([1, 1, 0.2, 1.8, 1])
    assert selection.points_in_lassos([bow], x, y).tolist() == [True, True, False, False, False]
    event = {"selection": {"lasso": [{"x": [0, 1, 1], "y": [0, 0, 1]}, {"x": [1], "y": [1]}]}}
    assert [one.tolist() for one in selection.lassos_of(event)] == [[[0, 0], [1, 0], [1, 1]]]
