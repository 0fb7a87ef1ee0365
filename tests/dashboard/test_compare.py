"""The page Compare against numpy's numbers: who is compared, at which epoch, and whose routes agree."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score, jaccard_score, roc_auc_score

from app.dashboard.charts import compare as charts
from app.dashboard.group_curves import share
from app.dashboard.view import selection
from memgate.runs.run import Run
from tests.helpers.pages import decoded, errors, figure, table, texts

pytestmark = pytest.mark.slow

MakeRun = Callable[..., Run]


def by_id(run: Run, name: str, epoch: int, split: str = "train", gate: str | None = None) -> np.ndarray:
    log = run.sample_log()
    order = np.argsort(log.samples(split).sample_id)
    return log.values(split, name, gate)[1][epoch - 1][order]


@pytest.fixture
def two(make_run: MakeRun) -> tuple[Run, Run]:
    """The same data and noise, other logs: the second is longer and in another order."""
    first = make_run(name="one", n=300, data_seed=7)
    ids = np.sort(first.sample_log().samples("train").sample_id)
    second = make_run(name="two", n=300, epochs=6, seed=1, data_seed=7)
    assert np.array_equal(ids, np.sort(second.sample_log().samples("train").sample_id))
    return first, second


def test_agreement_is_scikit_learns_at_the_cursors_epoch(two: tuple[Run, Run], open_page: Any) -> None:
    at = open_page("compare", runs="one,two")
    assert not errors(at)
    assert "epoch 4" in texts(at)
    routed = [by_id(run, "routed", 4) for run in two]
    rows = table(at, "Cohen's kappa").set_index("samples")
    corrupted = two[0].sample_log().samples("train").cause != "clean"
    corrupted = corrupted[np.argsort(two[0].sample_log().samples("train").sample_id)]
    for name, who in (("all samples", corrupted | True), ("clean", ~corrupted), ("corrupted", corrupted)):
        mine, theirs = (one[who] for one in routed)
        assert rows.loc[name, "n"] == who.sum()
        assert rows.loc[name, "Cohen's kappa"].startswith(f"{cohen_kappa_score(mine, theirs):.3f} [")
        assert rows.loc[name, "Jaccard of the routed"].startswith(f"{jaccard_score(mine, theirs):.3f} [")
        assert rows.loc[name, "same route"].startswith(f"{(mine == theirs).mean():.1%} [")


def test_differences_are_paired_by_sample(two: tuple[Run, Run], open_page: Any) -> None:
    row = table(open_page("compare", runs="one,two"), "AUROC loss").set_index("run").loc["B minus A"]
    for column, quantity, split in (("test acc.", "correct_given", "test"),):
        before, after = (by_id(run, quantity, 4, split).astype(float) for run in two)
        assert row[column].startswith(f"{100 * (after - before).mean():+.1f} [")
    samples = [run.sample_log().samples("train") for run in two]
    corrupted = [one.cause[np.argsort(one.sample_id)] != "clean" for one in samples]
    assert np.array_equal(*corrupted)
    before, after = (by_id(run, "routed", 4).astype(float) for run in two)
    assert row["routed clean"].startswith(f"{100 * (after - before)[~corrupted[0]].mean():+.1f} [")
    areas = []
    for run in two:
        loss = run.sample_log().values("train", "loss")[1][:4].astype(np.float64).mean(axis=0)
        areas.append(roc_auc_score(run.sample_log().samples("train").cause != "clean", loss))
    assert float(row["AUROC loss"].split()[0]) == pytest.approx(areas[1] - areas[0], abs=2e-3)


def test_flips_become_the_selection_of_the_first_run(two: tuple[Run, Run], open_page: Any) -> None:
    at = open_page("compare", runs="two,one")
    assert at.session_state["view"].run.name == "two"
    # The sidebar's epoch is two's last, which one has not.
    assert (
        "Epoch 6 is not in all logs: each run is shown at its last epoch (two at epoch 6, one at epoch 4)."
        in texts(at)
    )
    at.button(key="flip_routed_skipped").click().run()
    assert not at.exception
    chosen = at.session_state["view"].selected
    expected = by_id(two[1], "routed", 6) & ~by_id(two[0], "routed", 4)
    ids = np.sort(two[0].sample_log().samples("train").sample_id)[expected]
    assert chosen.run == "two"
    assert chosen.ids.tolist() == ids.tolist()
    assert chosen.how == "routed by B3 of two at epoch 6, skipped by B3 of one at epoch 4"
    assert at.query_params["selected"] == chosen.key
    assert at.query_params["runs"] == "two,one"


def test_samples_are_paired_by_id_and_not_by_place(make_run: MakeRun, open_page: Any) -> None:
    first = make_run(name="one", data_seed=3, noise=())
    labels, ids = first.sample_log().samples("train").clean_label, np.arange(200)
    for label in range(10):
        ids[labels == label] = np.roll(ids[labels == label], 1)
    second = make_run(name="two", data_seed=3, noise=(), seed=1, ids=ids.tolist())
    at = open_page("compare", runs="one,two")
    assert not errors(at)
    routed = [by_id(run, "routed", 4) for run in (first, second)]
    shown = table(at, "Cohen's kappa").iloc[0]["Cohen's kappa"]
    assert shown.startswith(f"{cohen_kappa_score(*routed):.3f} [")
    # Ids given to places of other labels are other samples.
    make_run(name="three", data_seed=3, noise=(), ids=np.roll(np.arange(200), 1).tolist())
    assert "clean labels of their train splits differ" in errors(open_page("compare", runs="one,three"))[0]


def test_filter_narrows_what_is_compared(two: tuple[Run, Run], open_page: Any) -> None:
    at = open_page("compare", runs="one,two", cause="image")
    cause = two[0].sample_log().samples("train").cause
    rows = table(at, "Cohen's kappa").set_index("samples")
    assert rows.loc["all samples", "n"] == rows.loc["corrupted", "n"] == (cause == "image").sum()
    assert "clean" not in rows.index
    assert f"{(cause == 'image').sum()} that pass the filter" in texts(at)
    for trace in figure(at, "evolutions")["data"]:
        counts = decoded(trace["customdata"])
        assert set(counts.sum(axis=0).tolist()) == {(cause == "image").sum()}


def test_a_filter_that_nobody_passes(two: tuple[Run, Run], open_page: Any) -> None:
    labels = two[0].sample_log().samples("train").clean_label
    cause = two[0].sample_log().samples("train").cause
    empty = next(label for label in range(10) if not ((labels == label) & (cause == "label+image")).any())
    at = open_page("compare", **{"runs": "one,two", "cause": "label+image", "class": str(empty)})
    assert not errors(at)
    assert "0 that pass the filter" in texts(at)
    assert at.button(key="flip_routed_routed").disabled


def test_a_run_without_an_epoch_or_the_split_is_refused(
    two: tuple[Run, Run], make_run: MakeRun, open_page: Any
) -> None:
    make_run(name="none", n=300, data_seed=7, epochs=3, finished=0)
    at = open_page("compare", runs="one,none")
    assert errors(at) == ["none cannot be compared yet: no epoch of its train split has been logged."]
    make_run(name="copy", n=300, data_seed=7, noise_on=("test",))
    at = open_page("compare", runs="copy,one", split="test_corrupted")
    assert "one has no split test_corrupted, and copy has one" in errors(at)[0]
    at = open_page("compare", runs="one,two", split="test")
    assert not errors(at)
    assert at.button(key="flip_routed_routed")


def test_heatmaps_share_one_scale_and_axes(two: tuple[Run, Run], open_page: Any) -> None:
    found = figure(open_page("compare", runs="one,two"), "evolutions")
    assert [trace["coloraxis"] for trace in found["data"]] == ["coloraxis", "coloraxis"]
    largest = max(decoded(trace["customdata"]).max() for trace in found["data"])
    assert found["layout"]["coloraxis"]["cmax"] == pytest.approx(np.log10(largest))
    assert found["layout"]["xaxis"]["range"] == found["layout"]["xaxis2"]["range"] == [0.4, 6.6]
    assert found["layout"]["yaxis2"]["matches"] == "y"


def test_other_data_is_refused_and_the_rest_is_compared(
    two: tuple[Run, Run], make_run: MakeRun, open_page: Any
) -> None:
    make_run(name="other", n=300, data_seed=8)
    make_run(name="small", n=100, data_seed=7)
    at = open_page("compare", runs="one,other,two,small")
    assert len(errors(at)) == 2
    assert "other cannot be compared with one: " in errors(at)[0]
    assert "their train splits have 100 and 300 samples" in errors(at)[1]
    assert table(at, "AUROC loss")["run"].tolist() == ["A: one", "B: two", "B minus A"]
    at = open_page("compare", runs="one,other")
    assert len(errors(at)) == 1
    assert not at.get("plotly_chart")


def test_other_noise_is_allowed_and_said(make_run: MakeRun, open_page: Any) -> None:
    first = make_run(name="one", data_seed=3)
    second = make_run(name="two", data_seed=3, noise=("symmetric:0.1",))
    at = open_page("compare", runs="one,two")
    assert not errors(at)
    samples = [run.sample_log().samples("train") for run in (first, second)]
    labels = int((samples[0].given_label != samples[1].given_label).sum())
    images = int((samples[0].image_op > 0).sum())
    assert f"differs from that of one in {labels} labels and {images} images." in texts(at)
    rows = table(at, "setting").set_index("setting")
    assert rows.loc["noise"].tolist() == ["symmetric:0.3 randx:0.1", "symmetric:0.1"]
    assert table(at, "AUROC loss").set_index("run").loc["B minus A", ["AUROC g", "AUROC loss"]].isna().all()


def test_the_sidebars_gate_where_both_have_it(make_run: MakeRun, open_page: Any) -> None:
    first = make_run(name="one", data_seed=3, gates=("b2", "b3"))
    second = make_run(name="two", data_seed=3, gates=("b2", "b3"), seed=1)
    make_run(name="three", data_seed=3, seed=2)
    at = open_page("compare", runs="one,two", gate="b2")
    routed = [by_id(run, "routed", 4, gate="b2") for run in (first, second)]
    shown = table(at, "Cohen's kappa").iloc[0]["Cohen's kappa"]
    assert shown.startswith(f"{cohen_kappa_score(*routed):.3f} [")
    assert "different gates" not in texts(at)
    at = open_page("compare", runs="one,three", gate="b2")
    assert "The runs have different gates: B2 of one, B3 of three are compared." in texts(at)


def test_ungated_runs_have_numbers_and_no_routes(make_run: MakeRun, open_page: Any) -> None:
    for name, gates in (("gated", ("b3",)), ("plain", ()), ("plain2", ())):
        make_run(name=name, data_seed=3, gates=gates)
    at = open_page("compare", runs="gated,plain")
    assert "Without a gate: plain." in texts(at)
    assert "Only one of these runs has a gate" in texts(at)
    row = table(at, "AUROC loss").set_index("run").loc["B: plain"]
    assert (row["AUROC g"], row["routed clean"]) == ("-", "-")
    assert "None of these runs has a gate" in texts(open_page("compare", runs="plain,plain2"))
    assert not errors(at)


def test_three_runs_have_a_row_for_each_pair(make_run: MakeRun, open_page: Any) -> None:
    runs = [make_run(name=name, data_seed=3, seed=seed) for seed, name in enumerate(("a", "b", "c"))]
    at = open_page("compare", runs="a,b,c")
    assert list(dict.fromkeys(table(at, "Cohen's kappa")["runs"])) == ["A, B", "A, C", "B, C"]
    at.radio(key="pick_pair").set_value("B-C").run()
    assert at.query_params["pair"] == "B-C"
    both = (by_id(runs[1], "routed", 4) & by_id(runs[2], "routed", 4)).sum()
    assert at.button(key="flip_routed_routed").label.startswith(f"routed in B, routed in C: {both:,} (")
    at = open_page("compare", runs="a,b", pair="A-C")
    assert errors(at) == ["There is no pair 'A-C' here: there is A-B."]
    assert at.button(key="flip_routed_routed")


def test_the_sidebars_run_is_the_first(make_run: MakeRun, open_page: Any) -> None:
    for seed, name in enumerate(("a", "b", "c")):
        make_run(name=name, data_seed=3, seed=seed)
    at = open_page("compare", run="a")
    assert "Choose a second run above." in texts(at)
    at.multiselect(key="pick_runs").set_value(["a", "b"]).run()
    assert at.query_params["runs"] == "a,b"
    at.selectbox(key="pick_run").set_value("c").run()
    assert (at.query_params["run"], at.query_params["runs"]) == ("c", "c,b")
    at.multiselect(key="pick_runs").set_value(["b"]).run()
    assert (at.query_params["run"], at.query_params["runs"]) == ("b", "b")
    assert not at.exception


def test_wrong_names_are_sentences(two: tuple[Run, Run], open_page: Any) -> None:
    at = open_page("compare", runs="one,../two,two")
    assert errors(at) == ["There is no run '../two': choose from the runs below."]
    assert table(at, "AUROC loss")["run"].tolist()[:2] == ["A: one", "B: two"]
    at = open_page("compare", runs="nobody,one")
    assert "There is no run 'nobody' here" in errors(at)[0]


def test_a_run_that_cannot_be_read_is_a_sentence(two: tuple[Run, Run], open_page: Any) -> None:
    (two[1].path / "log.h5").unlink()
    at = open_page("compare", runs="one,two")
    assert "has no log yet" in errors(at)[0]
    assert not at.exception


def test_names_of_runs_in_the_url() -> None:
    names = ["a,b", "c d", "1%"]
    assert selection.parse_names(selection.names_text(names)) == names
    assert selection.parse_names("a,b,,a") == ["a", "b"]
    assert selection.names_text(["sym20-s0", "x_1.2"]) == "sym20-s0,x_1.2"
    assert selection.with_first(["a", "b"], "c") == ["c", "b"]
    assert selection.with_first(["a", "b"], "b") == ["b", "a"]


def test_titles_are_no_html() -> None:
    epochs, edges = np.arange(1, 4, dtype=np.int32), np.linspace(0, 1, 11)
    counts = np.ones((10, 3), np.int32)
    figure = charts.evolutions([("A: <a href='x'>", epochs, edges, counts)], ["b3"])
    layout: Any = figure.layout
    assert layout.annotations[0].text == "A: &lt;a href='x'&gt;"


def test_density_counts_pairs_and_leaves_out_the_unseen() -> None:
    gate = np.random.default_rng(0).random((2, 500)).astype(np.float32)
    gate[0, :20] = np.nan
    heat: Any = charts.density(gate, ("A", "B")).data[0]
    expected = np.histogram2d(*gate[:, 20:], bins=40, range=[[0, 1], [0, 1]])[0].T
    np.testing.assert_array_equal(heat.customdata, expected)
    assert np.isnan(heat.z[expected == 0]).all()


def test_shares_carry_their_band() -> None:
    epochs = np.arange(1, 4, dtype=np.int32)
    hit = np.random.default_rng(0).random((3, 100)) < 0.4
    found = share(hit, np.ones_like(hit), np.ones(100, bool))
    figure = charts.shares([("A", epochs, {"clean": found}), ("B", epochs, {"clean": found})])
    traces: Any = figure.data
    shown = [trace for trace in traces if trace.showlegend is not False]
    assert [(trace.name, trace.line.dash) for trace in shown] == [("A clean", "solid"), ("B clean", "dash")]
    np.testing.assert_allclose(shown[0].y, hit.mean(axis=1), rtol=1e-6)
    np.testing.assert_allclose(shown[0].customdata[:, 0], found.low, rtol=1e-6)


def test_damaged_metrics_cost_their_line_and_nothing_else(two: tuple[Run, Run], open_page: Any) -> None:
    (two[1].path / "metrics.csv").write_text("epoch,test_accuracy\n1,x\n")
    at = open_page("compare", runs="one,two")
    assert [sentence for sentence in errors(at) if "two/metrics.csv" in sentence]
    assert [line["name"] for line in figure(at, "accuracies")["data"]] == ["A: one"]
    assert len(table(at, "Cohen's kappa")) == 3
