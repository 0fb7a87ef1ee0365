"""The page Explorer: what is drawn, what a click or a brush selects, and what the table says; numpy's numbers."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app.dashboard.charts import explorer as charts
from app.dashboard.view import selection
from memgate.runs.run import Run
from probes.result import ProbeResult, save_results
from probes.stats.contingency import contingency
from probes.stats.estimate import percent
from tests.helpers.pages import brush, decoded, errors, figure, texts

pytestmark = pytest.mark.slow

MakeRun = Callable[..., Run]


def points(ids: Any) -> list[dict[str, Any]]:
    return [
        {"curve_number": 0, "point_index": place, "customdata": int(one)} for place, one in enumerate(ids)
    ]


def box(left: float, right: float, low: float = 0, high: float = 1) -> list[dict[str, Any]]:
    return [{"xref": "x", "yref": "y", "x": [right, left], "y": [low, high]}]


def selected(at: AppTest) -> list[int]:
    return at.session_state["view"].selected.ids.tolist()


def mean_of(run: Run, name: str) -> np.ndarray:
    return run.sample_log().values("train", name)[1].astype(np.float64).mean(axis=0)


def test_every_sample_is_a_point_of_its_cause(make_run: MakeRun, open_page: Any) -> None:
    run = make_run()
    samples = run.sample_log().samples("train")
    loss, gate = mean_of(run, "loss"), mean_of(run, "gate")
    traces = figure(open_page("explorer", run=run.name), "scatter")["data"]
    assert [trace["name"].split(" (")[0] for trace in traces] == ["clean", "label", "image", "label+image"]
    assert len({trace["marker"]["symbol"] for trace in traces}) == 4
    for trace in traces:
        who = samples.cause == trace["name"].split(" (")[0]
        assert decoded(trace["customdata"]).tolist() == samples.sample_id[who].tolist()
        np.testing.assert_allclose(decoded(trace["x"]), loss[who], rtol=1e-5)
        np.testing.assert_allclose(decoded(trace["y"]), gate[who], rtol=1e-5)


def test_the_url_names_the_scores_and_the_scale(make_run: MakeRun, open_page: Any) -> None:
    run = make_run()
    at = open_page("explorer", run=run.name, x="gate_last", y="aum", scale="log", cause="image")
    assert not errors(at)
    assert at.selectbox(key="pick_y").value == "aum"
    layout = figure(at, "scatter")["layout"]
    assert layout["xaxis"]["title"]["text"] == "last gate value g"
    assert layout["xaxis"]["type"] == "log"
    assert layout["yaxis"]["title"]["text"] == "mean margin (AUM) (logits)"
    assert [trace["name"].split(" (")[0] for trace in figure(at, "scatter")["data"]] == ["image"]
    at.selectbox(key="pick_x").set_value("confidence").run()
    assert at.query_params["x"] == "confidence"
    assert at.query_params["y"] == "aum"
    at.toggle(key="pick_scale").set_value(False).run()
    assert at.query_params["scale"] == "linear"
    assert figure(at, "scatter")["layout"]["xaxis"]["type"] == "linear"
    # A link of the navigation drops the URL's values; the session keeps them.
    at.switch_page("views/overview.py").run()
    at.switch_page("views/explorer.py").run()
    assert figure(at, "scatter")["layout"]["xaxis"]["title"]["text"] == "confidence"


def test_a_wrong_score_or_scale_is_a_sentence_and_the_rest_works(make_run: MakeRun, open_page: Any) -> None:
    run = make_run()
    at = open_page("explorer", run=run.name, x="![x](http://evil.example)", scale="cubic")
    assert [sentence.split(" here")[0] for sentence in errors(at)] == [
        "There is no score '![x](http://evil.example)'",
        "There is no scale 'cubic'",
    ]
    assert figure(at, "scatter")["layout"]["xaxis"]["title"]["text"] == "mean loss (CSL) (nats)"
    at.selectbox(key="pick_x").set_value("loss_mean").run()
    assert at.query_params["x"] == "loss_mean"


def test_a_score_of_another_run_gives_way_and_stays_in_the_url(make_run: MakeRun, open_page: Any) -> None:
    make_run(name="plain", gates=())
    make_run(name="gated")
    at = open_page("explorer", run="gated", y="gate_last")
    at.selectbox(key="pick_run").set_value("plain").run()
    assert not errors(at)
    assert "last gate value g is not available here: variability is shown instead." in texts(at)
    assert figure(at, "scatter")["layout"]["yaxis"]["title"]["text"] == "variability"
    at.selectbox(key="pick_run").set_value("gated").run()
    assert figure(at, "scatter")["layout"]["yaxis"]["title"]["text"] == "last gate value g"


def test_scores_below_zero_have_no_logarithm(make_run: MakeRun, open_page: Any) -> None:
    at = open_page("explorer", run=make_run().name, x="aum", scale="log")
    assert at.toggle(key="pick_scale").disabled
    assert figure(at, "scatter")["layout"]["xaxis"]["type"] == "linear"


def test_a_box_selects_and_a_click_opens(make_run: MakeRun, open_page: Any) -> None:
    run = make_run()
    at = open_page("explorer", run=run.name)
    ids = np.sort(run.sample_log().samples("train").sample_id)
    drawn = {"points": points(ids[[5, 2, 9]]), "box": box(0.5, 1.25)}
    brush(at, "scatter", drawn)
    assert selected(at) == ids[[2, 5, 9]].tolist()
    assert "mean loss (CSL) in [0.5, 1.25] and mean gate value g in [0, 1]" in texts(at)
    # Plotly sends the box again with a click.
    brush(at, "scatter", {**drawn, "points": points(ids[[7]])})
    assert at.query_params["id"] == str(ids[7])
    assert selected(at) == ids[[2, 5, 9]].tolist()


def test_a_large_selection_does_not_stay_in_the_browser(make_run: MakeRun, open_page: Any) -> None:
    run = make_run()
    at = open_page("explorer", run=run.name)
    ids = np.arange(5001)
    brush(at, "scatter", {"points": points(ids), "lasso": [{"x": [0, 1, 1], "y": [0, 0, 1]}]})
    assert at.session_state["brush"] == 1
    assert "scatter_1" in at.get("plotly_chart")[0].proto.id  # pyright: ignore
    # Ids that the split has not are nobody.
    assert selected(at) == np.sort(run.sample_log().samples("train").sample_id).tolist()


def test_the_histogram_selects_by_its_range(make_run: MakeRun, open_page: Any) -> None:
    run = make_run()
    at = open_page("explorer", run=run.name, cause="clean")
    samples, loss = run.sample_log().samples("train"), mean_of(run, "loss")
    lines = {trace["name"]: trace for trace in figure(at, "histogram")["data"]}
    routed = run.sample_log().values("train", "routed")[1][-1]
    clean = samples.cause == "clean"
    for name, who in (("routed", routed & clean), ("skipped", ~routed & clean)):
        assert decoded(lines[name]["y"])[1:-1:2].sum() == who.sum()
    low, high = np.quantile(loss[clean], [0.2, 0.6])
    brush(at, "histogram", {"box": box(low, high)})
    inside = clean & (loss >= low) & (loss <= high)
    assert selected(at) == np.sort(samples.sample_id[inside]).tolist()
    brush(at, "histogram", {})
    assert len(selected(at)) == inside.sum()


@pytest.mark.parametrize("params", [{}, {"route": "skipped", "epoch": "2"}, {"class": "0,3,4", "gate": "b2"}])
def test_the_table_counts_routes_by_corruption(
    params: dict[str, str], make_run: MakeRun, open_page: Any
) -> None:
    run = make_run(gates=("b2", "b3"))
    at = open_page("explorer", run=run.name, **params)
    log, samples = run.sample_log(), run.sample_log().samples("train")
    epoch = int(params.get("epoch", 4))
    routed = log.values("train", "routed", params.get("gate", "b3"))[1][epoch - 1]
    who = np.isin(samples.clean_label, [0, 3, 4]) if "class" in params else np.ones(len(samples), bool)
    corrupted = samples.cause != "clean"
    found = contingency(routed[who], corrupted[who])
    for place, (route, kind) in enumerate(
        (r, k) for r in ("routed", "skipped") for k in ("corrupted", "clean")
    ):
        members = who & (routed == (route == "routed")) & (corrupted == (kind == "corrupted"))
        button = at.button(key=f"cell_{route}_{kind}")
        size = found.routed if route == "routed" else found.skipped
        assert button.label == f"{found.cells[place]:,} · {members.sum() / size:.1%}"
        button.click().run()
        assert selected(at) == np.sort(samples.sample_id[members]).tolist()
    told = texts(at)
    assert f"Precision **{percent(found.precision)}** (share of the routed that are corrupted)" in told
    assert f"Recall **{percent(found.recall)}** (share of the corrupted that are routed)" in told
    odds = found.odds_ratio
    assert f"Odds ratio **{odds.value:.3g} [{odds.low:.3g}, {odds.high:.3g}]**" in told
    assert ("filter on the route is not applied" in told) == ("route" in params)


def test_samples_that_an_epoch_has_not_seen_take_no_route(make_run: MakeRun, open_page: Any) -> None:
    run = make_run(unseen={4: list(range(50))})
    at = open_page("explorer", run=run.name)
    counts = [int(at.button(key=f"cell_{r}_{k}").label.split(" ")[0]) for r in ("routed", "skipped")
              for k in ("corrupted", "clean")]  # fmt: skip
    assert sum(counts) == 150


@pytest.mark.parametrize(
    ("plan", "params", "sentence"),
    [
        ({"noise": ("symmetric:0",)}, {}, "No corrupted samples in this filter."),
        ({}, {"cause": "label"}, "No clean samples in this filter."),
    ],
)
def test_one_group_alone_has_no_odds_ratio(
    plan: dict[str, Any], params: dict[str, str], sentence: str, make_run: MakeRun, open_page: Any
) -> None:
    at = open_page("explorer", run=make_run(**plan).name, **params)
    assert sentence in texts(at)
    assert "Odds ratio" not in texts(at)
    assert at.button(key=f"cell_routed_{'clean' if params else 'corrupted'}").disabled


def test_an_ungated_run_has_no_table(make_run: MakeRun, open_page: Any) -> None:
    at = open_page("explorer", run=make_run(gates=()).name)
    assert figure(at, "scatter")["layout"]["yaxis"]["title"]["text"] == "variability"
    assert [trace["name"] for trace in figure(at, "histogram")["data"]] == ["corrupted", "clean"]
    assert "The network of this run has no gate" in at.info[0].value


def test_the_never_learned_are_counted_and_can_be_selected(make_run: MakeRun, open_page: Any) -> None:
    run = make_run(unseen={epoch: [0, 1, 2] for epoch in range(1, 5)})
    at = open_page("explorer", run=run.name, x="first_learned_epoch")
    log, samples = run.sample_log(), run.sample_log().samples("train")
    seen, right = log.values("train", "seen")[1], log.values("train", "correct_given")[1]
    never = seen.any(axis=0) & ~(right & seen).any(axis=0)
    assert never.any()
    missing = "3 have no value of first learned; 3 have no value"
    told = f"Not drawn: {never.sum()} were never learned: harder than all others; {missing}"
    assert told in texts(at)
    drawn = sum(len(decoded(trace["x"])) for trace in figure(at, "scatter")["data"])
    assert drawn == 200 - never.sum() - 3
    at.button(key="select_never learned").click().run()
    assert selected(at) == np.sort(samples.sample_id[never]).tolist()


def test_select_by_numbers(make_run: MakeRun, open_page: Any) -> None:
    run = make_run()
    at = open_page("explorer", run=run.name)
    at.number_input(key="x_low_loss_mean").set_value(1.0)
    at.number_input(key="y_high_gate_mean").set_value(0.5)
    next(button for button in at.button if button.label == "Select").click().run()
    assert not at.exception
    inside = (mean_of(run, "loss") >= 1) & (mean_of(run, "gate") <= 0.5)
    assert selected(at) == np.sort(run.sample_log().samples("train").sample_id[inside]).tolist()


def test_what_is_special_about_the_corrupted(make_run: MakeRun, open_page: Any) -> None:
    at = open_page("explorer", run=make_run(n=400).name)
    at.button(key="cell_routed_corrupted").click().run()
    table = at.dataframe[-1].value
    assert 0 < len(table) <= 8
    row = table.set_index("what").filter(like="cause:", axis=0).iloc[0]
    assert row["the selected"].startswith("8") or row["the selected"].startswith("7")
    assert "the other" in texts(at)
    at.toggle(key="special_True").set_value(False).run()
    assert "the other" not in texts(at)


def test_what_is_special_is_told_anew_after_another_probe(make_run: MakeRun, open_page: Any) -> None:
    run = make_run(n=400)
    samples = run.sample_log().samples("train")
    ids = np.sort(samples.sample_id).astype(np.int64)
    routed = run.sample_log().values("train", "routed")[1][-1][np.argsort(samples.sample_id)]

    def probe(near: float, far: float) -> None:
        radius = np.where(routed, near, far).astype(np.float32)
        found = {"critical_radius": radius, "critical": (radius < 0.3)[None]}
        save_results(
            run, "csr", [ProbeResult("csr", "train", 4, "first-order", "last", ids, found, {"radii": [0.3]})]
        )

    def told(at: AppTest) -> str:
        table = at.dataframe[-1].value.set_index("what")
        return str(table.filter(like="radius", axis=0)["the selected"].iloc[0])

    probe(0.25, 8.5)
    at = open_page("explorer", run=run.name)
    at.button(key="cell_skipped_clean").click().run()
    assert told(at) == "median 8.5 [8.5, 8.5]"
    probe(0.25, 7.5)
    at.run()
    assert told(at) == "median 7.5 [7.5, 7.5]"


def test_everyone_selected_has_no_others(make_run: MakeRun, open_page: Any) -> None:
    run = make_run()
    at = open_page("explorer", run=run.name)
    brush(at, "scatter", {"points": points(run.sample_log().samples("train").sample_id), "box": box(0, 9)})
    assert "there are no other samples to compare with" in texts(at)


def test_a_gesture_is_told_by_what_was_drawn() -> None:
    boxed = {"selection": {"points": points([1, 2]), "box": box(0, 1)}}
    again = {"selection": {"points": points([2]), "box": box(0, 1)}}
    lasso = {"selection": {"points": points([1]), "lasso": [{"x": [0], "y": [0]}]}}
    assert selection.gesture(boxed) == "box"
    assert selection.gesture(again, selection.outline(boxed)) == "click"
    assert selection.gesture(again) == "box"
    assert selection.gesture(lasso) == "lasso"
    assert selection.gesture({"selection": {"points": points([1])}}) == "click"
    assert selection.gesture({"selection": {"points": [], "box": box(0, 1)}}) == ""
    assert selection.gesture(None) == ""


def test_picked_ids_are_whole_numbers_of_customdata() -> None:
    wrong = [{"customdata": one} for one in (True, "4", 1.5, -1, None, 2**60, [3])]
    assert selection.picked_ids({"selection": {"points": [*points([7, 3, 7]), *wrong, "x"]}}) == [7, 3]


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize(
    "values", [[3.0], [1.0, 2.0, 300.0], [0.5, 0.5], [1e-9, 0.3, 1e4], [float(one) for one in range(1, 40)]]
)
def test_bins_hold_every_value(values: list[float], log: bool) -> None:
    edges = charts.bins(np.array(values), log)
    assert (np.diff(edges) > 0).all()
    assert np.histogram(values, edges)[0].sum() == len(values)
    assert len(edges) <= charts.BINS + 2
    assert not log or edges[0] > 0
