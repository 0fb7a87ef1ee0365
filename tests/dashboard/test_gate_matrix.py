"""The matrix of all gates on the page Overview: numpy's means, gaps where nothing is known, and the click on a row."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from app.dashboard import group_curves
from app.dashboard.charts import gate_matrix as charts
from app.dashboard.view import selection
from memgate.runs.run import Run
from probes.stats.estimate import average, excess, with_interval
from tests.helpers.pages import brush, decoded, errors, figure, texts

MakeRun = Callable[..., Run]

CAUSE = np.array(["clean", "clean", "label", "open"])


def means(*gates: list[list[float]], cause: np.ndarray = CAUSE) -> group_curves.GateMeans:
    values = [np.array(one, np.float32) for one in gates]
    return group_curves.gate_means(((one, one > 0.5) for one in values), cause, len(values[0]))


def test_means_leave_out_what_was_not_seen() -> None:
    nan = float("nan")
    one = means([[0.2, 0.4, 0.9, nan], [nan, nan, 1, 0.5]], [[nan] * 4, [0, 1, 1, 1]])
    np.testing.assert_allclose(one.value, [[0.5, 0.75], [nan, 0.75]], rtol=1e-6)
    np.testing.assert_allclose(one.routed, [[1 / 3, 0.5], [nan, 0.75]])
    np.testing.assert_allclose(one.clean, [[0.3, nan], [nan, 0.5]], rtol=1e-6)
    np.testing.assert_allclose(one.difference, [[0.6, nan], [nan, 0.5]], rtol=1e-6)
    assert one.counts.tolist() == [[[3, 2], [0, 4]], [[2, 0], [0, 2]], [[1, 2], [0, 2]]]


def test_groups_that_do_not_exist_have_no_mean() -> None:
    one = means([[0.2, 0.4, 0.9, 0.1]], cause=np.array(["unknown"] * 4))
    assert np.isnan(one.difference).all()
    assert one.value[0, 0] == pytest.approx(0.4)
    assert not one.counts[1:].any()


def test_the_difference_is_centred_at_zero_and_missing_cells_stand_apart() -> None:
    nan = float("nan")
    figure: Any = charts.gate_matrix(np.array([1, 2]), ["b1", "b2"], means([[0, 0, 0.3, 0.3], [0, 0, nan, nan]],
                                [[1, 1, 0.9, 0.9], [0, 0, 0, 0]]), "difference", 1)  # fmt: skip
    heat, known, missing = figure.data
    assert heat.zmin == -heat.zmax == pytest.approx(-0.3)
    np.testing.assert_allclose(heat.z, [[0.3, nan], [-0.1, 0]], rtol=1e-5, atol=1e-7)
    assert known.y.tolist() == [0, 1, 1]
    np.testing.assert_allclose(known.customdata[1], [-0.1, 0.9, 2, 1, 2], rtol=1e-5)
    assert (missing.x.tolist(), missing.y.tolist(), list(missing.text)) == ([2], [0], ["B1"])
    assert figure.layout.yaxis.ticktext == ("B1", "<b>B2</b>")
    assert (figure.layout.shapes[0].y0, figure.layout.shapes[0].y1) == (0.5, 1.5)


@pytest.mark.parametrize("chosen", [0, 1, 27, 53])
def test_labels_of_many_gates_do_not_overlap(chosen: int) -> None:
    rows = charts.shown_labels(54, chosen, 54 * 8)
    assert chosen in rows
    assert np.diff(rows).min() >= 2
    assert len(rows) > 20
    assert charts.shown_labels(3, 0, 84) == [0, 1, 2]


@pytest.mark.parametrize(
    ("event", "height"),
    [
        ({"selection": {"points": [{"x": 3, "y": 2}, {"x": 1, "y": 5}]}}, 5),
        ({"selection": {"points": [{"x": 3}]}}, None),
        ({"selection": {"points": []}}, None),
        (None, None),
    ],
)
def test_the_height_of_a_click(event: Any, height: float | None) -> None:
    assert selection.picked_coordinate(event) == height


@pytest.mark.slow
def test_fifty_four_gates_are_one_matrix_and_a_click_chooses(make_run: MakeRun, open_page: Any) -> None:
    run = make_run(n=60, epochs=3, test_n=20, unit_depth=110)
    at = open_page("overview", run=run.name)
    log = run.sample_log()
    corrupted = log.samples("train").cause != "clean"
    heat = figure(at, "gate_matrix")["data"][0]
    g = np.stack([log.values("train", "gate", gate)[1] for gate in log.gates])
    np.testing.assert_allclose(decoded(heat["z"]), g.mean(axis=2), rtol=1e-5)
    assert "All 54 gates over the epochs" in texts(at)

    at.radio(key="pick_cells").set_value("difference").run()
    assert at.query_params["cells"] == "difference"
    heat = figure(at, "gate_matrix")["data"][0]
    expected = g[:, :, corrupted].mean(axis=2) - g[:, :, ~corrupted].mean(axis=2)
    np.testing.assert_allclose(decoded(heat["z"]), expected, atol=1e-6)

    brush(at, "gate_matrix", {"points": [{"curve_number": 1, "point_index": 0, "x": 2, "y": 20}]})
    gate = log.gates[20]
    assert at.query_params["gate"] == gate
    assert at.selectbox(key="pick_gate").value == gate
    assert f"Gate value of {gate.upper()} over the epochs" in texts(at)
    last = g[20, -1]
    difference = excess(average(last[corrupted], (0, 1)), average(last[~corrupted], (0, 1)))
    assert f"{(~corrupted).sum()} clean: {with_interval(difference, '{:+.3g}')}." in texts(at)


@pytest.mark.slow
def test_a_sample_has_a_matrix_where_its_gates_are_many(make_run: MakeRun, open_page: Any) -> None:
    run = make_run(n=60, epochs=3, test_n=20, unit_depth=20, unseen={2: [5]})
    log = run.sample_log()
    at = open_page("sample", run=run.name, id=str(log.samples("train").sample_id[5]))
    heat = figure(at, "sample_gates")["data"][0]
    expected = np.stack([log.values("train", "gate", gate)[1][:, 5] for gate in log.gates])
    assert np.isnan(expected[:, 1]).all()
    np.testing.assert_array_equal(decoded(heat["z"]), expected)
    brush(at, "sample_gates", {"points": [{"x": 3, "y": 4}]})
    assert at.query_params["gate"] == log.gates[4]
    at = open_page("sample", run=make_run(gates=("b2", "b3"), name="few").name)
    assert not [element for element in at.get("plotly_chart") if "-sample_gates" in element.proto.id]


@pytest.mark.slow
def test_without_corrupted_samples_there_is_no_difference(make_run: MakeRun, open_page: Any) -> None:
    run = make_run(gates=("b2", "b3"))
    at = open_page("overview", run=run.name, split="test", cells="difference")
    assert at.radio(key="pick_cells").options == ["mean g", "share routed"]
    assert "There is no colour 'difference' here." in texts(at)
    assert "None of them is corrupted." in texts(at)
    assert not errors(at)


@pytest.mark.slow
def test_one_gate_needs_no_matrix(make_run: MakeRun, open_page: Any) -> None:
    at = open_page("overview", run=make_run().name)
    assert not [element for element in at.get("plotly_chart") if "-gate_matrix" in element.proto.id]
