"""Figures show the numbers that they were given, as typed arrays, with gaps where there is nothing."""

from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from app.dashboard import group_curves, palette
from app.dashboard.charts import overview, sample
from probes.stats.intervals import wilson

EPOCHS = np.arange(1, 7, dtype=np.int32)


@pytest.fixture
def gate() -> np.ndarray:
    values = np.random.default_rng(0).beta(0.5, 0.5, (6, 500)).astype(np.float32)
    values[2, :40] = np.nan
    values[0, 0], values[0, 1], values[0, 2] = 0, 1, 0.5
    return values


def traces(figure: go.Figure) -> list[Any]:
    return list(figure.data)


def layout(figure: go.Figure) -> Any:
    return figure.layout


def assert_typed(figure: go.Figure) -> None:
    for trace in traces(figure):
        for name in ("x", "y", "z", "customdata"):
            values = trace.to_plotly_json().get(name)
            if values is not None:
                assert isinstance(values, np.ndarray), (trace.name, name)
                assert values.dtype in (np.float32, np.int32), (trace.name, name, values.dtype)


def test_evolution_counts_are_numpys_histogram(gate: np.ndarray) -> None:
    edges = group_curves.edges(gate, 10)
    counts = group_curves.evolution(gate, edges)
    assert counts.shape == (50, 6)
    for row in range(6):
        seen = gate[row][~np.isnan(gate[row])]
        np.testing.assert_array_equal(counts[:, row], np.histogram(seen, bins=50, range=(0, 1))[0])
    assert counts.sum(axis=0).tolist() == [500, 500, 460, 500, 500, 500]


def test_evolution_figure(gate: np.ndarray) -> None:
    edges = group_curves.edges(gate, 10)
    counts = group_curves.evolution(gate, edges)
    figure = overview.evolution(EPOCHS, edges, counts)
    heat = traces(figure)[0]
    assert_typed(figure)
    np.testing.assert_array_equal(heat.customdata, counts)
    assert np.isnan(heat.z[counts == 0]).all()
    np.testing.assert_allclose(10 ** heat.z[counts > 0], counts[counts > 0], rtol=1e-5)
    assert layout(figure).shapes[0].y0 == layout(figure).shapes[0].y1 == 0.5
    assert layout(figure).dragmode == "select"


def test_identity_curve_goes_to_the_largest_entropy() -> None:
    edges = group_curves.edges(np.array([[0.0, 2.1]], np.float32), 10)
    assert edges[-1] == pytest.approx(np.log(10))
    assert group_curves.edges(np.full((1, 2), np.nan, np.float32), 10)[-1] == 1


def test_empty_heatmap_is_blank() -> None:
    figure = overview.evolution(EPOCHS, np.linspace(0, 1, 51), np.zeros((50, 6), np.int32))
    assert np.isnan(traces(figure)[0].z).all()


def test_share_is_over_the_seen_and_has_wilsons_band() -> None:
    hit = np.array([[1, 1, 0, 0], [1, 0, 0, 0], [1, 1, 1, 1]], bool)
    seen = np.array([[1, 1, 1, 0], [1, 1, 1, 1], [0, 0, 0, 0]], bool)
    found = group_curves.share(hit, seen, np.array([True, True, True, False]))
    np.testing.assert_allclose(found.value, [2 / 3, 1 / 3, np.nan])
    low, high = wilson([2, 1], [3, 3])
    np.testing.assert_array_equal(found.low[:2], low)
    np.testing.assert_array_equal(found.high[:2], high)
    assert np.isnan(found.low[2])
    assert np.isnan(found.high[2])


def test_cohorts_pool_and_split() -> None:
    cause = np.array(["clean", "label", "image", "label+image"])
    assert list(group_curves.cohorts(cause)) == ["clean", "corrupted", "label", "image", "label+image"]
    assert list(group_curves.cohorts(cause[:2])) == ["clean", "corrupted"]
    assert list(group_curves.cohorts(cause[:1])) == ["clean"]


def test_share_figure_has_a_line_and_a_band_a_cause() -> None:
    seen = np.ones((6, 4), bool)
    groups = group_curves.cohorts(np.array(["clean", "label", "image", "clean"]))
    found = {name: group_curves.share(seen, seen, members) for name, members in groups.items()}
    figure = overview.shares(EPOCHS, found, 0.5)
    assert_typed(figure)
    lines = [trace for trace in traces(figure) if trace.showlegend is not False]
    assert [trace.name for trace in lines] == ["clean", "corrupted", "label", "image"]
    assert lines[0].line.color == palette.CLEAN
    assert lines[1].line.color == palette.CORRUPTED
    assert len({(trace.line.color, trace.line.dash) for trace in lines}) == len(lines)
    assert layout(figure).shapes[0].y0 == 0.5
    assert not layout(overview.shares(EPOCHS, found, 0)).shapes


def test_trajectories_leave_gaps_where_unseen() -> None:
    seen = np.array([1, 1, 0, 1, 1, 1], bool)
    values = np.where(seen, 0.7, np.nan).astype(np.float32)
    band = np.tile(np.array([[0.2], [0.5], [0.6]], np.float32), 6)
    clean = {"gate": band, "entropy": band, "loss": band, "p_given": band}
    figure = sample.gate_trajectory(EPOCHS, values, values, seen, seen, clean, palette.CORRUPTED)
    assert_typed(figure)
    (g, *_) = [trace for trace in traces(figure) if trace.name == "this sample"]
    assert np.isnan(g.y).tolist() == (~seen).tolist()
    assert not g.connectgaps
    strip = {trace.name: trace.x.tolist() for trace in traces(figure) if trace.name in ("routed", "skipped")}
    assert strip == {"routed": [1, 2, 4, 5, 6], "skipped": []}
    assert_typed(sample.fit_trajectory(EPOCHS, values, values, clean, palette.CLEAN))


def test_quartiles_of_a_group() -> None:
    values = np.array([[1, 2, 3, 100], [np.nan, np.nan, np.nan, 5], [np.nan, 4, 8, 100]], np.float32)
    found = group_curves.quartiles(values, np.array([True, True, True, False]))
    np.testing.assert_allclose(found, [[1.5, np.nan, 5], [2, np.nan, 6], [2.5, np.nan, 7]])


def test_one_epoch_is_shown_as_points() -> None:
    seen = np.ones((1, 4), bool)
    figure = overview.shares(EPOCHS[:1], {"clean": group_curves.share(seen, seen, seen[0])}, 0)
    assert traces(figure)[-1].mode == "markers"
    assert list(layout(figure).xaxis.tickvals) == [1]
