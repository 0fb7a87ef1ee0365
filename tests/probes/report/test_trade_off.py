"""Accuracy against cost: points and curves of runs, their table and plot, and the command."""

import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from memgate.models.macs import cost_of
from memgate.runs import metrics
from memgate.runs.run import Run
from probes.report.trade_off import Published, mean_macs, trade_offs
from probes.report.trade_off_plot import figure
from tests.helpers.made_runs import changed


@pytest.fixture
def gated(make_run) -> Run:
    return make_run(name="gated", unit_depth=14, macs=True, n=30, test_n=20, epochs=1, noise=())


@pytest.fixture
def plain(make_run) -> Run:
    return make_run(name="plain", gates=(), n=30, test_n=20, epochs=1, noise=())


def variant(run: Run, name: str, accuracy: float, macs: float = math.nan, **values: object) -> Run:
    """A copy of a complete run with another configuration and other results."""
    copy = changed(run, name, **values)
    rows = copy.metrics()
    rows[-1]["test_accuracy"] = accuracy
    if not math.isnan(macs):
        rows[-1]["test_macs"] = macs
    metrics.write(copy.path / "metrics.csv", rows)
    copy.set_status("complete", 1)
    return copy


@pytest.fixture
def runs(gated, plain) -> list[Run]:
    """Two weights of L0 with two seeds each, L0 alone, shaping alone, a wider network and a plain one."""
    l0 = "sparsity__l0"
    alone = {"sparsity__shaping": 0.0, l0: 0.2}
    constant = {"sparsity__shaping_schedule": "constant", "sparsity__shaping_until": None, l0: 0.0}
    return [
        variant(gated, "a0", 0.90, 20e6, **{l0: 0.1}),
        variant(gated, "a1", 0.92, 22e6, **{l0: 0.1, "seed": 1}),
        variant(gated, "b0", 0.94, 30e6, **{l0: 0.01}),
        variant(gated, "b1", 0.94, 32e6, **{l0: 0.01, "seed": 1}),
        variant(gated, "c", 0.88, 21e6, **alone),
        variant(gated, "d", 0.95, 38e6, **constant),
        variant(gated, "e", 0.96, 90e6, **{l0: 0.1, "model__width": 2.0}),
        variant(plain, "f", 0.91),
    ]


def test_runs_of_one_setting_are_a_point_and_the_weight_of_l0_runs_along_a_curve(runs, plain):
    points = {point.runs: point for point in trade_offs(runs).points}
    names = {runs_: point.family for runs_, point in points.items()}
    assert names == {
        ("a0", "a1"): "channel-gate-14, shaping and L0",
        ("b0", "b1"): "channel-gate-14, shaping and L0",
        ("c",): "channel-gate-14, L0 only",
        ("d",): "channel-gate-14, shaping only",
        ("e",): "channel-gate-14-w2, shaping and L0",
        ("f",): "resnet-20",
    }
    first, second = points["a0", "a1"], points["b0", "b1"]
    assert (first.setting, second.setting, points["f",].setting) == (
        "sparsity.l0 0.1",
        "sparsity.l0 0.01",
        "",
    )
    assert (first.accuracy.mean, first.macs.mean) == (pytest.approx(0.91), pytest.approx(21e6))
    assert first.accuracy.sd == pytest.approx(np.std([0.90, 0.92], ddof=1))
    assert (first.accuracy.n, second.accuracy.n, points["c",].accuracy.sd) == (2, 2, None)
    assert points["f",].macs.mean == cost_of(plain.config.model, 10, 16).total  # every image costs the same
    ordered = [point.runs for point in trade_offs(runs[::-1]).points]
    assert ordered.index(("a1", "a0")) < ordered.index(("b1", "b0"))  # by rising MACs


def test_other_settings_that_differ_are_other_curves(gated):
    runs = [variant(gated, "a", 0.8, 2e7), variant(gated, "b", 0.9, 2e7, train__batch_size=64)]
    families = {point.runs[0]: point.family for point in trade_offs(runs).points}
    assert families == {
        "a": "channel-gate-14, shaping and L0, train.batch_size 128",
        "b": "channel-gate-14, shaping and L0, train.batch_size 64",
    }


def test_a_run_without_a_point_is_named(gated, make_run, tmp_path):
    half = make_run(name="half", gates=(), n=30, test_n=20, epochs=2, finished=1)
    result = trade_offs([gated, half, Run(tmp_path / "runs" / "nowhere")])
    assert [point.runs for point in result.points] == [("gated",)]
    assert result.left_out["half"] == "stopped after epoch 1 of 2"
    assert result.left_out["nowhere"] == "missing"
    assert "Not in the table: half (stopped after epoch 1 of 2)" in str(result)
    assert mean_macs(gated) == pytest.approx(gated.log("test")["macs"][-1].mean(dtype="f8"), rel=1e-6)


def test_runs_of_one_name_in_two_folders_are_two_runs(gated, tmp_path):
    other = Run(Path(shutil.copytree(gated.path, tmp_path / "elsewhere" / "gated")))
    (point,) = trade_offs([gated, other]).points
    assert point.runs == (str(gated.path), str(other.path))
    assert point.accuracy.n == 2


@pytest.mark.slow
def test_the_plot_has_a_curve_for_each_family_with_bars_over_seeds(runs):
    plot: Any = figure(trade_offs(runs), "title", [Published("elsewhere", 0.93, 25e6)])
    traces = {trace.name: trace for trace in plot.data}
    curve = traces["channel-gate-14, shaping and L0"]
    assert list(curve.x) == pytest.approx([21, 31])
    assert list(curve.y) == pytest.approx([0.91, 0.94])
    assert list(curve.error_x.array) == pytest.approx([math.sqrt(2), math.sqrt(2)])
    assert curve.error_y.array[0] == pytest.approx(0.01 * math.sqrt(2))
    assert curve.mode == "lines+markers"
    assert traces["resnet-20"].mode == "markers"
    assert traces["resnet-20"].error_y.visible is False
    assert list(traces["published: elsewhere"].x) == [25]
    assert len({(trace.line.color, trace.line.dash, trace.marker.symbol) for trace in plot.data}) == len(
        plot.data
    )


@pytest.mark.slow
def test_the_command_takes_runs_folders_and_sweeps(runs, tmp_path, exit_code, capsys, one_sentence):
    folder, page = tmp_path / "runs", tmp_path / "page.html"
    assert exit_code("trade-off", folder, "--out", page) == 0
    text = capsys.readouterr().out
    assert str(page) in text
    assert "<script src=" not in page.read_text()  # it needs no network
    line = next(line for line in text.splitlines() if "sparsity.l0 0.1" in line and "14, shaping" in line)
    assert "91.00 ± 1.41%" in line
    assert "21.000 ± 1.414" in line
    sweep = {
        "schema": "memgate-sweep/1", "name": "mine", "recipe": "quickstart", "base": {},
        "runs": [{"name": name, "point": {}, "seed": 0} for name in ("a0", "missing")],
    }  # fmt: skip
    (folder / "mine.sweep.json").write_text(json.dumps(sweep))
    assert exit_code("trade-off", folder / "mine.sweep.json", folder / "f", "--format", "json") == 0
    result = json.loads(capsys.readouterr().out)
    assert [point["runs"] for point in result["points"]] == [["a0"], ["f"]]
    assert list(result["left_out"]) == ["missing"]
    assert "needs runs" in one_sentence("trade-off")
    assert "is no HTML page" in one_sentence("trade-off", folder, "--out", "page.png")
    assert "is no run" in one_sentence("trade-off", "nowhere")
    empty = Path(tmp_path / "empty")
    empty.mkdir()
    assert "holds no run" in one_sentence("trade-off", empty)
