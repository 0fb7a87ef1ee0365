"""The page Filters: the numbers of the stored patterns, clicks that choose, and what to type where there are none."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from memgate.runs.run import Run
from probes.gates.linear_results import probe_accuracies
from probes.gates.neighbour_results import neighbours
from probes.gates.stored import gates_result
from probes.result import ProbeResult, probe_path, save_results
from probes.stats.estimate import percent, share
from tests.helpers.gate_results import result_of, with_analyses
from tests.helpers.pages import brush, decoded, errors, figure, table, texts

MakeRun = Callable[..., Run]

PARTS = ("filters", "selected", "cost", "routes", "patterns")


@pytest.fixture
def run(make_run: MakeRun) -> Run:
    one = make_run(n=200, unit_depth=8, macs=True)
    save_results(one, "gates", [with_analyses(one, result_of(one))])
    return one


def opened_of(result: ProbeResult) -> np.ndarray:
    return np.unpackbits(result.values["pattern"], axis=0, count=sum(result.config["gates"].values())).astype(
        bool
    )


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
def test_every_part_is_shown_with_and_without_clean_samples(part: str, run: Run, open_page: Any) -> None:
    for cause in ("all", "clean", "corrupted"):
        at = open_page("filters", run=run.name, show=part, cause=cause)
        assert not errors(at), cause


@pytest.mark.slow
def test_frequencies_are_those_of_the_patterns(run: Run, open_page: Any) -> None:
    at = open_page("filters", run=run.name, gate="b1u01", filter="b1u01/3")
    opened, samples = opened_of(result_of(run))[:16], run.sample_log().samples("train")
    order = np.argsort(-opened.sum(axis=1), kind="stable")
    bars, heat, _ = figure(at, "frequencies_b1u01_3")["data"]
    np.testing.assert_allclose(decoded(bars["x"]), opened[order].mean(axis=1), rtol=1e-6)
    by_class = [opened[order][:, samples.clean_label == one].mean(axis=1) for one in range(10)]
    np.testing.assert_allclose(decoded(heat["z"]), np.transpose(by_class), rtol=1e-6)
    assert f"B1U01/3 is open for {percent(share(opened[3]))} of 200 samples: conditional" in texts(at)
    np.testing.assert_array_equal(decoded(figure(at, "by_class")["data"][0]["y"]), np.arange(10) == 2)
    rows = table(at, "share open").set_index("samples")
    clean = samples.cause == "clean"
    assert rows.loc["clean", "share open"] == percent(share(opened[3, clean]))


@pytest.mark.slow
def test_a_click_chooses_gate_and_filter(run: Run, open_page: Any) -> None:
    at = open_page("filters", run=run.name, gate="b1u01", filter="b1u01/3")
    brush(at, "categories_b1u01", {"points": [{"x": 2, "y": 0.5}]})
    assert at.query_params["gate"] == "b3u01"
    assert at.query_params["filter"].startswith("b3u01/")
    at = open_page("filters", run=run.name, gate="b1u01", filter="b1u01/3")
    opened = opened_of(result_of(run))[:16]
    order = np.argsort(-opened.sum(axis=1), kind="stable")
    brush(at, "frequencies_b1u01_3", {"points": [{"x": 1, "y": 0}]})
    assert at.query_params["filter"] == f"b1u01/{order[0]}"


@pytest.mark.slow
def test_who_opens_a_filter_is_selected_and_compared_with_the_rest(run: Run, open_page: Any) -> None:
    at = open_page("filters", run=run.name, gate="b1u01", filter="b1u01/3")
    samples = run.sample_log().samples("train")
    at.button(key="select_open").click().run()
    chosen = samples.sample_id[samples.clean_label == 2]
    assert at.session_state["view"].selected.ids.tolist() == sorted(chosen.tolist())
    params = {name: at.query_params[name] for name in ("run", "gate", "filter", "selected")}
    at = open_page("filters", tab=at, show="selected", **params)
    assert not errors(at)
    assert f"{len(chosen)} selected samples" in texts(at)
    rows = table(at, "selected minus rest")
    assert rows["filter"].iloc[0] == "B1U01/3"
    assert rows["selected minus rest"].iloc[0].startswith("+100.0 [")
    drawn = figure(at, "contrasts_3")["data"]
    assert sum(len(decoded(trace["x"])) for trace in drawn if "text" in trace) == 112


@pytest.mark.slow
def test_gates_of_whole_units_open_units_and_no_filters(make_run: MakeRun, open_page: Any) -> None:
    run = make_run(n=200, unit_depth=8, macs=True)
    result = result_of(run)
    first = np.cumsum([0, *result.config["gates"].values()])[:-1]
    opened = opened_of(result)[first]
    config = {**result.config, "gates": dict.fromkeys(result.config["gates"], 1)}
    made = replace(result, values={**result.values, "pattern": np.packbits(opened, axis=0)}, config=config)
    save_results(run, "gates", [with_analyses(run, made)])
    tab = open_page("filters", run=run.name, gate="b1u01")
    tab.button(key="select_open").click().run()
    chosen = tab.session_state["view"].selected
    assert "unit B1U01" in chosen.how
    for part in PARTS:
        at = open_page("filters", tab=tab, run=run.name, show=part, selected=chosen.key)
        assert not errors(at)
        said = texts(at).replace("open filters are those of", "")  # definitions of routes, for all networks
        assert not re.search(r"\bfilters\b", said.replace("the rare filters closed", "")), part
        if part == "selected":
            assert " of 3 units differ." in texts(at)
            assert sorted(table(at, "selected minus rest")["unit"]) == ["B1U01", "B2U01", "B3U01"]


@pytest.mark.slow
def test_a_wrong_filter_is_a_sentence(run: Run, open_page: Any) -> None:
    at = open_page("filters", run=run.name, gate="b1u01", filter="b1u01/99")
    assert errors(at) == ["There is no filter 'b1u01/99' here: write b1u01/0 to b1u01/15."]
    assert figure(at, "frequencies_b1u01")


def test_without_results_it_says_what_to_type(make_run: MakeRun, open_page: Any) -> None:
    at = open_page("filters", run=make_run(unit_depth=8, macs=True).name)
    assert not errors(at)
    assert at.code[0].value.startswith("memgate probe gates ")
    assert at.code[0].value.endswith("--splits train")


@pytest.mark.slow
@pytest.mark.parametrize(("gates", "remedy"), [((), "--model.name channel-gate"), (("b3",), "probe routing")])
def test_networks_without_such_gates_say_so(
    gates: tuple[str, ...], remedy: str, make_run: MakeRun, open_page: Any
) -> None:
    at = open_page("filters", run=make_run(gates=gates).name)
    assert not errors(at)
    assert remedy in at.info[0].value.replace("\\", "")
    assert not at.get("plotly_chart")


@pytest.mark.slow
def test_results_without_routes_and_of_two_checkpoints(run: Run, open_page: Any) -> None:
    save_results(run, "gates", [result_of(run, epoch=2, routes=False)])
    at = open_page("filters", run=run.name, show="routes", checkpoint="2")
    assert not errors(at)
    assert at.code[0].value.endswith("--splits train --checkpoints 2")
    at.selectbox(key="filters_checkpoint").set_value("4").run()
    assert at.query_params["checkpoint"] == "4"
    assert "other class - same class" in table(at, "fit lost")["route"].tolist()


@pytest.mark.slow
def test_patterns_are_read_of_the_samples_that_pass_the_filter(run: Run, open_page: Any) -> None:
    view = gates_result(run)
    at = open_page("filters", run=run.name, show="patterns")
    (told,) = [row for row in probe_accuracies(view) if (row.vectors, row.target) == ("gates", "class")]
    rows = table(at, "gates minus this").set_index(["linear probe of", "target"])
    assert rows.loc[("gates", "class"), "accuracy"] == percent(told.accuracy)
    near = neighbours(view)
    assert near is not None
    assert table(at, "by features")["by gates"].iloc[0] == percent(near.shares[0].gates)
    drawn = figure(at, "linear_probes")["data"]
    assert [trace["name"] for trace in drawn] == ["chance", "gates", "features", "class alone"]
    assert decoded(drawn[1]["y"])[0] == pytest.approx(told.accuracy.value)
    bars = figure(at, "on_counts")["data"][0]
    on = opened_of(view.result).sum(axis=1)
    assert decoded(bars["y"]).sum() == ((on > 0) & (on < 200)).sum()
    assert "Does the pattern tell how hard a sample is?" in texts(at)
    clean = open_page("filters", run=run.name, show="patterns", cause="clean")
    samples = run.sample_log().samples("train")
    shown = neighbours(view, samples.cause == "clean")
    assert shown is not None
    assert shown.n == (samples.cause == "clean").sum()
    assert table(clean, "by features")["by gates"].iloc[0] == percent(shown.shares[0].gates)


@pytest.mark.slow
def test_results_of_former_versions_say_what_to_type_for_patterns(run: Run, open_page: Any) -> None:
    save_results(run, "gates", [result_of(run)])
    at = open_page("filters", run=run.name, show="patterns")
    assert not errors(at)
    assert at.code[0].value.endswith("--splits train --checkpoints 4")
    assert figure(at, "filters_on")


@pytest.mark.slow
def test_a_damaged_file_of_results_is_a_sentence(run: Run, open_page: Any) -> None:
    probe_path(run, "gates").write_bytes(b"no HDF5")
    assert any("gates.h5 is damaged" in sentence for sentence in errors(open_page("filters", run=run.name)))
