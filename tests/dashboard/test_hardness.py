"""The page Noise and hardness: its numbers are scikit-learn's and numpy's, and every part says something sensible."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import auc, average_precision_score, roc_auc_score, roc_curve

from app.dashboard.group_curves import cells, thinned
from app.dashboard.parts.hardness.panels import pairs_in
from app.dashboard.view.selection import Box, points_in_boxes
from memgate.runs.run import Run
from probes.stats.confusions import label_pairs
from tests.helpers.pages import CASES, decoded, errors, figure, texts

pytestmark = pytest.mark.slow

PARTS = ("detection", "epochs", "map", "labels", "deciles")

MakeRun = Callable[..., Run]


def infos(at: Any) -> str:
    return "\n".join(element.value for element in at.info)


@pytest.mark.parametrize("case", CASES)
def test_every_part_shows_every_run(case: str, make_run: MakeRun, open_page: Any) -> None:
    run = make_run(**CASES[case])
    at = None
    for part in PARTS:
        at = open_page("hardness", tab=at, run=run.name, show=part)
        assert all("no finished epoch" in sentence for sentence in errors(at)) or not errors(at), part
        if case == "no noise" and part in ("detection", "epochs"):
            assert "no corrupted samples to detect" in infos(at)
        if case == "ungated" and part == "deciles":
            assert "The network of this run has no gate" in infos(at)


def test_the_curves_are_scikit_learns(make_run: MakeRun, open_page: Any) -> None:
    run = make_run(n=300, epochs=5)
    at = open_page("hardness", run=run.name)
    log = run.sample_log()
    positive = log.samples("train").cause != "clean"
    scores = {
        "mean loss (CSL)": log.values("train", "loss")[1].astype(np.float64).mean(0),
        "mean gate value g": log.values("train", "gate")[1].astype(np.float64).mean(0),
        "mean margin (AUM)": -log.values("train", "margin")[1].astype(np.float64).mean(0),
    }
    curves = {trace["name"]: trace for trace in figure(at, "roc")["data"] if trace.get("name")}
    steps = {trace["name"]: trace for trace in figure(at, "precision_recall")["data"]}
    table = at.dataframe[0].value.set_index("score")
    for name, score in scores.items():
        x, y = roc_curve(positive, score, drop_intermediate=False)[:2]
        np.testing.assert_allclose(decoded(curves[name]["x"]), x, atol=1e-6)
        np.testing.assert_allclose(decoded(curves[name]["y"]), y, atol=1e-6)
        recall, precision = decoded(steps[name]["x"]), decoded(steps[name]["y"])
        area = float((np.diff(recall) * precision[1:]).sum())
        assert area == pytest.approx(average_precision_score(positive, score), abs=1e-5)
        shown = table.loc[f"{name}, B3" if "gate" in name else name]
        assert shown["AUROC"] == pytest.approx(roc_auc_score(positive, score), abs=1e-6)
        assert shown["average precision"] == pytest.approx(average_precision_score(positive, score), abs=1e-6)
        low, high = map(float, shown["95 %"].split(" – "))
        assert low < shown["AUROC"] < high
        assert (shown["corrupted"], shown["clean"]) == (positive.sum(), (~positive).sum())
    assert table.loc["mean margin (AUM)", "suspicious"] == "low"
    at.toggle(key="all_scores").set_value(True).run()
    assert not at.exception
    assert {"GMM of mean loss", "route flips, B3"} <= set(at.dataframe[0].value["score"])


def test_one_cause_against_the_clean_at_an_earlier_epoch(make_run: MakeRun, open_page: Any) -> None:
    run = make_run(n=300, epochs=5)
    at = open_page("hardness", run=run.name, epoch="3")
    at.selectbox(key="against").set_value("image").run()
    log = run.sample_log()
    cause = log.samples("train").cause
    rows = np.isin(cause, ["clean", "image"])
    score = log.values("train", "loss")[1][:3].astype(np.float64).mean(0)[rows]
    shown = at.dataframe[0].value.set_index("score").loc["mean loss (CSL)", "AUROC"]
    assert shown == pytest.approx(roc_auc_score(cause[rows] == "image", score), abs=1e-6)


def test_the_filter_applies_and_may_leave_nothing_to_tell_apart(make_run: MakeRun, open_page: Any) -> None:
    run = make_run(n=300, epochs=5)
    at = open_page("hardness", run=run.name, **{"class": "3,4"})
    log = run.sample_log()
    samples = log.samples("train")
    rows = np.isin(samples.clean_label, [3, 4])
    score = log.values("train", "loss")[1].astype(np.float64).mean(0)[rows]
    shown = at.dataframe[0].value.set_index("score").loc["mean loss (CSL)", "AUROC"]
    assert shown == pytest.approx(roc_auc_score(samples.cause[rows] != "clean", score), abs=1e-6)
    at = open_page("hardness", run=run.name, cause="image")
    assert "none of the samples shown is clean" in infos(at)
    assert "The split test has no corrupted samples" in infos(
        open_page("hardness", run=run.name, split="test")
    )


def test_auroc_over_the_epochs(make_run: MakeRun, open_page: Any) -> None:
    run = make_run(n=300, epochs=5)
    at = open_page("hardness", run=run.name, show="epochs")
    log = run.sample_log()
    positive = log.samples("train").cause != "clean"
    lines = {trace["name"]: trace for trace in figure(at, "over_epochs")["data"] if trace.get("name")}
    for name, quantity in (("loss", "loss"), ("gate value g, B3", "gate")):
        expected = [roc_auc_score(positive, row) for row in log.values("train", quantity)[1]]
        np.testing.assert_allclose(decoded(lines[name]["y"]), expected, atol=1e-6)
        row = at.dataframe[0].value.set_index("quantity").loc[name]
        assert row["best epoch"] == 1 + int(np.argmax(expected))
        assert row["mean over epochs"] == pytest.approx(np.mean(expected), abs=1e-6)


def test_many_epochs_are_thinned_until_all_are_asked_for(
    make_run: MakeRun, open_page: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.dashboard.parts.hardness import detection

    monkeypatch.setattr(detection, "EVERY", 3)
    run = make_run(epochs=8)
    at = open_page("hardness", run=run.name, show="epochs")
    first = next(trace for trace in figure(at, "over_epochs")["data"] if trace.get("name"))
    epochs = decoded(first["x"]).tolist()
    assert len(epochs) == 3
    assert (epochs[0], epochs[-1]) == (1, 8)
    assert "3 of 8 epochs are shown" in texts(at)
    at.toggle(key="every_epoch").set_value(True).run()
    first = next(trace for trace in figure(at, "over_epochs")["data"] if trace.get("name"))
    assert decoded(first["x"]).tolist() == list(range(1, 9))


def test_the_data_map_counts_everybody_and_selects_by_numbers(make_run: MakeRun, open_page: Any) -> None:
    run = make_run(n=300, epochs=5, unseen={epoch: [4] for epoch in range(1, 6)})
    at = open_page("hardness", run=run.name, show="map")
    log = run.sample_log()
    p = log.values("train", "p_given")[1].astype(np.float64)
    seen = np.arange(300) != 4
    y, x = p[:, seen].mean(0), p[:, seen].std(0)
    trace = figure(at, "map_mean g")["data"][0]
    counts = decoded(trace["customdata"])
    np.testing.assert_array_equal(counts, np.histogram2d(y, x, 40, ((0, 1), (0, 0.5)))[0])
    gate = log.values("train", "gate")[1].astype(np.float64)[:, seen].mean(0)
    shown = decoded(trace["z"])
    assert np.isnan(shown[counts == 0]).all()
    assert (shown[counts > 0] * counts[counts > 0]).sum() == pytest.approx(gate.sum(), rel=1e-5)

    at.number_input(key="map_high").set_value(0.4)
    at.number_input(key="map_right").set_value(0.2)
    next(button for button in at.button if button.label == "Select").click().run()
    assert not at.exception
    expected = np.sort(log.samples("train").sample_id[seen][(x <= 0.2) & (y <= 0.4)])
    assert len(expected)
    assert at.session_state["view"].selected.ids.tolist() == expected.tolist()
    assert "confidence in [0.00, 0.40], up to epoch 5" in texts(at)


def test_labels_are_counted_and_a_row_selects(make_run: MakeRun, open_page: Any) -> None:
    run = make_run(n=300, epochs=5)
    at = open_page("hardness", run=run.name, show="labels")
    log = run.sample_log()
    samples, routed = log.samples("train"), log.values("train", "routed")[1][-1]
    trace = figure(at, "matrix")["data"][0]
    shown = decoded(trace["z"])
    for clean in range(10):
        for given in range(10):
            rows = (samples.clean_label == clean) & (samples.given_label == given)
            if rows.any():
                assert shown[clean, given] == pytest.approx(routed[rows].mean(), rel=1e-6)
                assert trace["text"][clean][given] == str(rows.sum())
            else:
                assert np.isnan(shown[clean, given])
    table = at.dataframe[0].value
    changed = samples.clean_label != samples.given_label
    assert table["samples"].sum() == changed.sum()
    assert (table["clean label"] != table["given label"]).all()
    assert (np.diff(table["samples"]) <= 0).all()


def test_a_hundred_classes_are_a_table(make_run: MakeRun, open_page: Any) -> None:
    run = make_run(n=1000, test_n=100, classes=100)
    at = open_page("hardness", run=run.name, show="labels")
    assert not at.get("plotly_chart")
    assert len(at.dataframe[0].value) == 15


def test_deciles_are_numpys(make_run: MakeRun, open_page: Any) -> None:
    run = make_run(n=300, epochs=5)
    at = open_page("hardness", run=run.name, show="deciles")
    log = run.sample_log()
    loss = log.values("train", "loss")[1].astype(np.float64).mean(0)
    cause = log.samples("train").cause
    tenth = np.argsort(np.argsort(loss)) // 30
    traces = {trace["name"]: trace for trace in figure(at, "decile_routed")["data"]}
    means = {trace["name"]: trace for trace in figure(at, "decile_gate")["data"]}
    routed, gate = log.values("train", "routed")[1][-1], log.values("train", "gate")[1][-1]
    for name, who in (("clean", cause == "clean"), ("corrupted", cause != "clean")):
        for place in range(10):
            rows = who & (tenth == place)
            share = decoded(traces[name]["y"])[place]
            mean = decoded(means[name]["y"])[place]
            if rows.any():
                assert share == pytest.approx(routed[rows].mean(), rel=1e-6)
                assert mean == pytest.approx(gate[rows].mean(), rel=1e-5)
            else:
                assert np.isnan(share)


def test_a_wrong_part_is_a_sentence(make_run: MakeRun, open_page: Any) -> None:
    run = make_run()
    at = open_page("hardness", run=run.name, show="nothing")
    assert errors(at)[0].startswith("There is no part 'nothing' here")
    assert figure(at, "roc")


# Pure functions


def test_a_thinned_curve_keeps_its_ends_and_its_shape() -> None:
    rng = np.random.default_rng(0)
    positive = rng.random(20_000) < 0.2
    x, y = roc_curve(positive, rng.normal(size=20_000) + positive, drop_intermediate=False)[:2]
    kept = thinned(x, y)
    assert len(kept) <= 500
    assert (kept[0], kept[-1]) == (0, len(x) - 1)
    assert np.abs(np.interp(x, x[kept], y[kept]) - y).max() < 0.005
    assert auc(x[kept], y[kept]) == pytest.approx(auc(x, y), abs=1e-4)
    assert thinned(x[:400], y[:400]).tolist() == list(range(400))


def test_cells_leave_out_what_is_missing() -> None:
    x, y = np.array([0.1, 0.1, np.nan, 0.9]), np.array([0.1, 0.1, 0.1, 0.9])
    found = cells(x, y, np.array([1, np.nan, 5, 3.0]), (1, 1), bins=2)
    assert found.count.tolist() == [[2, 0], [0, 1]]
    np.testing.assert_array_equal(found.mean, [[1, np.nan], [np.nan, 3]])


def test_boxes_of_the_map_and_of_the_matrix() -> None:
    x, y = np.array([0.1, 0.3, 0.2, np.nan]), np.array([0.5, 0.5, 0.9, 0.5])
    assert points_in_boxes([Box(0, 0.2, 0.4, 0.6), Box(0.2, 0.2, 0.9, 0.9)], x, y).tolist() == [
        True,
        False,
        True,
        False,
    ]
    none = np.zeros(4, bool)
    pairs = label_pairs(np.array([0, 0, 1, 2]), np.array([0, 1, 1, 0]), none, none)
    assert pairs_in([Box(0.6, 1.4, -0.4, 0.4)], pairs) == [(0, 1)]
    assert set(pairs_in([Box(-0.2, 1.2, -0.2, 1.2)], pairs)) == {(0, 0), (0, 1), (1, 1)}


def test_a_filtered_route_is_that_of_the_gate_shown(make_run: MakeRun, open_page: Any) -> None:
    """The loss is of no gate, but who is routed hangs on the gate that the sidebar names."""
    run = make_run(n=300, epochs=5, gates=("b2", "b3"))
    log = run.sample_log()
    positive = log.samples("train").cause != "clean"
    for gate in ("b3", "b2"):
        at = open_page("hardness", run=run.name, show="epochs", route="routed", gate=gate)
        who = log.values("train", "routed", gate)[1][-1]
        expected = [roc_auc_score(positive[who], row[who]) for row in log.values("train", "loss")[1]]
        (line,) = [trace for trace in figure(at, "over_epochs")["data"] if trace.get("name") == "loss"]
        np.testing.assert_allclose(decoded(line["y"]), expected, atol=1e-6)
