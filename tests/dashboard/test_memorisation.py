"""The page Memorisation and what other pages say of a group: numpy's numbers, links, and commands where none is."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from memgate.runs.run import Run
from probes.memorisation.stored import MemorisationResult, read_result, result_of_run
from probes.stats.rank_correlation import spearman_interval
from tests.helpers.made_groups import GROUP
from tests.helpers.pages import brush, decoded, errors, figure, shown_tiles, table, texts

pytestmark = pytest.mark.slow


def result_of(run: Run) -> MemorisationResult:
    """The estimates of the run's group, which there must be."""
    result = result_of_run(run.path)
    assert result is not None
    return result


def test_mem_is_shown_by_cause_over_the_epochs_and_selected(group_runs: list[Run], open_page: Any) -> None:
    run = group_runs[0]
    result, at = result_of(run), open_page("memorisation", run=group_runs[0].name)
    assert not errors(at)
    assert f"Group {GROUP}: 6 models, each trained on 50% of the 120 training samples" in texts(at)
    mem, ids = result.values["mem"], result.sample_id
    curves = {
        trace["name"].split(" (")[0]: trace for trace in figure(at, "mem_curves")["data"] if "y" in trace
    }
    for cause in ("clean", "label"):
        expected = mem[:, result.cause == cause].mean(axis=1)
        np.testing.assert_allclose(decoded(curves[cause]["y"]), expected, atol=1e-6)
    assert decoded(curves["label"]["y"])[-1] > 0.8 > 0.1 > decoded(curves["clean"]["y"])[-1]
    rows = table(at, "P_out").set_index("samples")
    assert rows.loc["all", "mem above 0.25"] == str((mem[-1] > 0.25).sum())
    first = shown_tiles(at, "most_memorised")
    assert len(first) == 40
    assert (np.diff(mem[-1][np.searchsorted(ids, first)]) <= 0).all()
    counts = {trace["name"]: decoded(trace["y"]).max() for trace in figure(at, "mem_histogram")["data"]}
    assert set(counts) == {"clean", "label", "image", "label+image"}
    brush(at, "mem_histogram", {"box": [{"x": [0.9, 1.1], "y": [0, 50]}]})
    chosen = at.session_state["view"].selected
    assert chosen.ids.tolist() == ids[mem[-1] >= 0.9].tolist()
    explorer = open_page("explorer", tab=at, run=run.name, selected=at.query_params["selected"], y="mem")
    assert not errors(explorer)
    points = figure(explorer, "scatter")["data"]
    drawn = dict(
        zip(
            *(np.concatenate([decoded(t[name]) for t in points]) for name in ("customdata", "y")), strict=True
        )
    )
    np.testing.assert_allclose([drawn[one] for one in ids.tolist()], mem[-1], atol=1e-6)


def test_scores_are_compared_over_the_samples_that_the_run_was_trained_on(
    group_runs: list[Run], open_page: Any
) -> None:
    run, result = group_runs[1], result_of(group_runs[1])
    at = open_page("memorisation", run=run.name, show="scores", score="loss_mean")
    assert not errors(at)
    log = run.log("train")
    trained = log["trained"][-1]
    points = figure(at, "mem_scatter")["data"]
    assert (
        sorted(np.concatenate([decoded(trace["customdata"]) for trace in points]))
        == result.sample_id[trained].tolist()
    )
    loss = log["loss"].astype(np.float64).mean(axis=0)
    rho = spearman_interval(loss[trained], result.values["mem"][-1, trained].astype(np.float64))[0]
    rows = table(at, "without noise").set_index("score")
    assert rows.loc["mean loss (CSL)", "Spearman"].startswith(f"{rho:.3f} [")
    assert f"rank correlation with mem {rho:+.2f} [" in texts(at)
    assert f"Only the {trained.sum()} of 120 samples shown" in texts(at)


def test_a_test_picture_shows_the_training_pictures_that_it_leans_on(
    group_runs: list[Run], open_page: Any
) -> None:
    run, result = group_runs[0], result_of(group_runs[0])
    samples = run.sample_log().samples("train")
    carrier = int(samples.sample_id[np.argmax(samples.label_op != 0)])
    target = int(run.sample_log().samples("test").sample_id[2])
    pairs = result.influence["test"]
    sources = pairs.source[pairs.target == target]
    assert carrier in sources
    at = open_page("memorisation", run=run.name, show="influence", target=str(target))
    assert not errors(at)
    assert shown_tiles(at, "sources") == sources.tolist()[:60]
    assert set(table(at, "largest influence")["sample"]) == set(pairs.target.tolist())
    at.button(key="select_sources").click().run()
    assert at.session_state["view"].selected.ids.tolist() == sorted(sources.tolist())
    at = open_page("memorisation", run=run.name, show="influence", split="test")
    at.button(key="open_target").click().run()
    assert (at.query_params["split"], at.query_params["id"]) == ("test", str(pairs.target[0]))
    assert "leans on" in texts(at)
    at = open_page("memorisation", run=run.name, show="influence", target="nobody", of="train")
    assert errors(at) == ["'nobody' is no sample id: give a whole number."]


def test_vulnerability_is_the_stored_one(group_runs: list[Run], open_page: Any) -> None:
    run, result = group_runs[0], result_of(group_runs[0])
    at = open_page("memorisation", run=run.name, show="vulnerability", attack="rmia")
    assert not errors(at)
    assert len(table(at, "AUC")) == 3
    share = result.vulnerability["rmia"]["share"][-1]
    first = shown_tiles(at, "vulnerable_rmia")
    assert (share[np.searchsorted(result.sample_id, first)] == share.max()).all()
    at = open_page("memorisation", run=run.name, show="vulnerability", epoch="2")
    assert "Attacks were carried out at epoch 3 only" in texts(at)


def test_the_sample_page_says_mem_and_whom_it_influences(group_runs: list[Run], open_page: Any) -> None:
    run, result = group_runs[0], result_of(group_runs[0])
    samples = run.sample_log().samples("train")
    carrier = int(samples.sample_id[np.argmax(samples.label_op != 0)])
    place = int(np.flatnonzero(result.sample_id == carrier)[0])
    at = open_page("sample", run=run.name, id=str(carrier))
    mem, low, high = (result.values[name][-1, place] for name in ("mem", "mem_low", "mem_high"))
    assert f"mem {mem:.2f} [{low:.2f}, {high:.2f}] at epoch 3" in texts(at)
    pairs = result.influence["test"]
    assert shown_tiles(at, "influenced_test") == pairs.target[pairs.source == carrier].tolist()
    ranks = table(at, "of its class").set_index("score")
    assert float(ranks.loc["memorisation score (mem)", "value"]) == pytest.approx(mem, abs=1e-3)
    target = int(pairs.target[0])
    at = open_page("sample", run=run.name, id=str(target), split="test")
    assert shown_tiles(at, "leans_on") == pairs.source[pairs.target == target].tolist()[:60]


def test_what_is_missing_is_a_command_or_a_sentence(
    group_runs: list[Run], make_run: Callable[..., Run], open_page: Any, tmp_path: Path
) -> None:
    alone = make_run(name="alone", n=40)
    at = open_page("memorisation", run="alone")
    assert "alone is in no group of models" in texts(at)
    assert at.code[0].value.startswith("memgate subsets quickstart --models 64 --name memory")
    at = open_page("explorer", run=alone.name, y="mem")
    assert not errors(at)
    assert "memorisation score (mem) is not available here" in texts(at)
    run = group_runs[0]
    at = open_page("memorisation", run=run.name, split="test")
    assert "mem is of the training samples" in texts(at)
    path = tmp_path / "runs" / f"{GROUP}.memorisation.h5"
    content = path.read_bytes()
    path.unlink()
    at = open_page("memorisation", run=run.name)
    assert at.code[0].value == f"memgate probe memorisation {tmp_path / 'runs' / GROUP}.sweep.json"
    assert not errors(open_page("sample", run=run.name))
    path.write_bytes(content[: len(content) // 2])
    for page in ("memorisation", "explorer", "sample"):
        said = [*errors(at := open_page(page, run=run.name)), texts(at)]
        assert any("memorisation.h5 is damaged" in sentence for sentence in said), page
    path.write_bytes(content)
    assert read_result(path).group == GROUP
