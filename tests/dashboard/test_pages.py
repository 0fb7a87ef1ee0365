"""Every page over every kind of run, by Streamlit's own test runner: no exception, and numpy's numbers."""

import base64
import io
import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from memgate.log.writer import SampleLogWriter
from memgate.papers.import_curves import import_curves
from memgate.runs.inputs import inputs_of
from memgate.runs.run import Run
from probes.scores.detection import auroc
from probes.stats.intervals import wilson
from tests.helpers.pages import CASES, decoded, errors, figure, texts

pytestmark = pytest.mark.slow

VIEWS = Path(__file__).parents[2] / "app" / "dashboard" / "views"
PAGES = sorted(path.stem for path in VIEWS.glob("*.py") if path.stem != "__init__")

MakeRun = Callable[..., Run]


@pytest.mark.parametrize("case", CASES)
def test_every_page_shows_every_run(case: str, make_run: MakeRun, walk: Any) -> None:
    run = make_run(**CASES[case])
    for page, at in walk(PAGES, run=run.name):
        if case == "no epoch yet":
            assert all("no finished epoch" in sentence for sentence in errors(at)), page
        else:
            assert not errors(at), page
        if page == "runs":
            assert at.dataframe[0].value["run"].tolist() == [run.name]


@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens_in_a_new_tab(page: str, make_run: MakeRun, open_page: Any) -> None:
    assert not errors(open_page(page, run=make_run().name))


def test_no_runs_says_what_to_type(walk: Any) -> None:
    for page, at in walk(PAGES):
        shown = errors(at)[0] if page != "runs" else at.code[0].value
        assert "memgate quickstart" in shown, page


@pytest.mark.parametrize("page", ["overview", "sample"])
@pytest.mark.parametrize("name", ["nobody", "../secret", "/etc", "![x](http://evil.example)"])
def test_an_unknown_run_is_a_sentence(name: str, page: str, make_run: MakeRun, open_page: Any) -> None:
    make_run()
    at = open_page(page, run=name)
    assert len(errors(at)) == 1
    assert "There is no run" in errors(at)[0]
    assert "](http" not in at.error[0].value
    assert at.selectbox[0].options == ["run"]


def test_a_wrong_split_gate_or_filter_is_a_sentence_and_the_page_works(
    make_run: MakeRun, open_page: Any
) -> None:
    make_run(gates=("b2", "b3"))
    at = open_page("overview", run="run", split="dev", gate="b9", cause="ugly")
    assert errors(at) == [
        "There is no split 'dev' here: there is train, test.",
        "There is no gate 'b9' here: there is b3, b2.",
        "There is no cause 'ugly' here: there is all, clean, corrupted, label, image, label+image.",
    ]
    assert at.get("plotly_chart")


def test_a_wrong_gate_of_the_only_one_is_a_sentence(make_run: MakeRun, open_page: Any) -> None:
    make_run()
    assert errors(open_page("overview", run="run", gate="b2")) == ["There is no gate 'b2' here: there is b3."]
    assert not errors(open_page("overview", run="run", gate="b3"))


def test_nobody_who_passes_the_filter_says_nothing_of_the_gate(make_run: MakeRun, open_page: Any) -> None:
    samples = make_run().sample_log().samples("train")
    both = samples.clean_label[samples.cause == "label+image"]
    empty = str(np.setdiff1d(np.arange(10), both)[0])
    at = open_page("overview", **{"run": "run", "cause": "label+image", "class": empty})
    assert not errors(at)
    assert "No sample passes the filter." in texts(at)
    assert "no classifier" not in texts(at)


def test_a_run_that_has_not_logged_yet_is_not_called_damaged(make_run: MakeRun, open_page: Any) -> None:
    make_run(every=5, epochs=10, finished=3)
    at = open_page("runs")
    (row,) = at.dataframe[0].value.to_dict("records")
    assert (row["status"], row["epochs"]) == ("stopped", "3 / 10")
    assert not errors(at)


def test_the_picture_is_the_one_the_network_was_given(make_run: MakeRun, open_page: Any) -> None:
    run = make_run()
    inputs = inputs_of(run)
    samples = run.sample_log().samples("train")
    place = int(np.flatnonzero(samples.cause == "image")[0])
    at = open_page("sample", run=run.name, id=str(samples.sample_id[place]))
    bodies = [element.proto.body for element in at.get("html")]
    sources = [
        found for body in bodies for found in re.findall(r"data:image/png;base64,([A-Za-z0-9+/=]+)", body)
    ]
    shown = [np.asarray(Image.open(io.BytesIO(base64.b64decode(source)))) for source in sources]
    assert len(shown) == 3
    given, clean = inputs.train.images[place], inputs.clean.train.images[place]
    np.testing.assert_array_equal(shown[0], given)
    np.testing.assert_array_equal(shown[1], clean)
    np.testing.assert_array_equal(shown[2], np.minimum(3 * np.abs(given.astype(int) - clean), 255))


def test_an_open_set_sample_names_its_source(make_run: MakeRun, open_page: Any) -> None:
    run = make_run(noise=("symmetric:0.3", "open:0.2:source=npz={foreign}"), noise_on=("test",))
    for split in ("train", "test_corrupted"):
        samples = run.sample_log().samples(split)
        assert (samples.cause == "open").sum() == 0.2 * len(samples)
        place = int(np.flatnonzero((samples.cause == "open") & (samples.label_op == 0))[0])
        at = open_page("sample", run=run.name, split=split, id=str(samples.sample_id[place]))
        source = run.manifests[split].source[place]
        assert f"replaced by one of another data set (open, {source})" in unescaped(at)
        at = open_page("overview", run=run.name, split=split, cause="open")
        assert not errors(at)
        assert (
            f"{int((samples.cause == 'open').sum())} of {len(samples)} samples match the filter"
            in unescaped(at)
        )


def unescaped(at: Any) -> str:
    """All text of a page without the backslashes that keep it from being Markdown."""
    return "\n".join(element.value.replace("\\", "") for element in [*at.markdown, *at.caption])


def test_the_table_of_runs_has_the_logs_numbers(make_run: MakeRun, open_page: Any) -> None:
    run = make_run(n=300, epochs=5)
    (row,) = open_page("runs").dataframe[0].value.to_dict("records")
    log = run.sample_log()
    samples = log.samples("train")
    corrupted = samples.cause != "clean"
    routed = log.values("train", "routed")[1][-1]
    assert row["routed clean"] == pytest.approx(100 * routed[~corrupted].mean())
    assert row["routed corrupted"] == pytest.approx(100 * routed[corrupted].mean())
    assert row["test acc."] == pytest.approx(100 * log.values("test", "correct_given")[1][-1].mean())
    for column, quantity in (("AUROC g", "gate"), ("AUROC loss", "loss")):
        score = log.values("train", quantity)[1].astype(np.float64).mean(axis=0)
        assert row[column] == pytest.approx(auroc(score, corrupted, 1).value, abs=1e-4)
    assert row["epochs"] == "5 / 5"
    assert row["status"] == "complete"
    assert row["log"] == "eval"


def test_the_overviews_numbers_are_numpys(make_run: MakeRun, open_page: Any) -> None:
    run = make_run(n=300, epochs=5)
    at = open_page("overview", run=run.name)
    log = run.sample_log()
    cause = log.samples("train").cause
    gate, routed = log.values("train", "gate")[1], log.values("train", "routed")[1]
    shown = {metric.label: (metric.value, metric.delta) for metric in at.metric}
    hits = routed[-1][cause != "clean"]
    low, high = wilson(hits.sum(), len(hits))
    assert shown["Corrupted samples routed through B3"] == (f"{hits.mean():.1%}", f"{low:.1%} – {high:.1%}")

    heat = figure(at, "evolution")["data"][0]
    counts = np.stack([np.histogram(row, bins=50, range=(0, 1))[0] for row in gate], axis=1)
    np.testing.assert_array_equal(decoded(heat["customdata"]), counts)
    lines = {
        trace["name"]: trace for trace in figure(at, "shares")["data"] if trace.get("showlegend") is not False
    }
    assert list(lines) == ["clean", "corrupted", "label", "image", "label+image"]
    for name, trace in lines.items():
        members = cause != "clean" if name == "corrupted" else cause == name
        np.testing.assert_allclose(decoded(trace["y"]), routed[:, members].mean(axis=1), rtol=1e-6)
    lines = {trace["name"]: decoded(trace["y"]) for trace in figure(at, "accuracies")["data"]}
    given, clean = (log.values("train", f"correct_{label}")[1] for label in ("given", "clean"))
    label = np.isin(cause, ["label", "label+image"])
    np.testing.assert_allclose(lines["given label"], given.mean(axis=1), rtol=1e-6)
    np.testing.assert_allclose(
        lines["label corrupted: given (memorised)"], given[:, label].mean(axis=1), rtol=1e-6
    )
    np.testing.assert_allclose(lines["label corrupted: clean"], clean[:, label].mean(axis=1), rtol=1e-6)
    np.testing.assert_allclose(lines["test"], log.values("test", "correct_given")[1].mean(axis=1), rtol=1e-6)


def test_the_filter_narrows_heatmap_and_selection(make_run: MakeRun, open_page: Any) -> None:
    run = make_run()
    at = open_page("overview", run=run.name, cause="image")
    cause = run.sample_log().samples("train").cause
    counts = decoded(figure(at, "evolution")["data"][0]["customdata"])
    assert counts.sum(axis=0).tolist() == [(cause == "image").sum()] * 4
    assert f"{(cause == 'image').sum()} of 200 samples match the filter" in texts(at)


@pytest.mark.parametrize("gate", ["b2", "b3"])
def test_each_gate_has_its_own_picture(gate: str, make_run: MakeRun, open_page: Any) -> None:
    run = make_run(gates=("b2", "b3"))
    at = open_page("overview", run=run.name, gate=gate, split="test")
    values = run.sample_log().values("test", "gate", gate)[1]
    counts = np.stack([np.histogram(row, bins=50, range=(0, 1))[0] for row in values], axis=1)
    np.testing.assert_array_equal(decoded(figure(at, "evolution")["data"][0]["customdata"]), counts)


def test_select_by_numbers_then_step_through_the_selection(make_run: MakeRun, open_page: Any) -> None:
    run = make_run(n=300, epochs=5)
    at = open_page("overview", run=run.name)
    at.number_input(key="box_low").set_value(0.9)
    at.number_input(key="box_first").set_value(4)
    at.button[-1].click().run()
    assert not at.exception
    gate = run.sample_log().values("train", "gate")[1][3:5]
    within = (gate >= 0.9) & (gate <= 1)
    ids = np.sort(run.sample_log().samples("train").sample_id[within.any(axis=0)])
    assert at.session_state["view"].selected.ids.tolist() == ids.tolist()
    assert at.dataframe[0].value["sample_id"].tolist() == ids.tolist()

    at.radio(key="mode").set_value("every").run()
    every = run.sample_log().samples("train").sample_id[within.all(axis=0)]
    assert at.session_state["view"].selected.ids.tolist() == np.sort(every).tolist()

    at.switch_page("views/sample.py").run()
    assert f"1 of {len(every)} in the selection" in texts(at)
    at.button(key="go_Next").click().run()
    assert at.query_params["id"] == str(np.sort(every)[1])
    assert not at.exception
    at.button(key="clear_selection").click().run()
    assert "in train, as filtered" in texts(at)


def test_a_sample_page_tells_its_story(make_run: MakeRun, open_page: Any) -> None:
    run = make_run(n=300, epochs=5)
    log = run.sample_log()
    samples = log.samples("train")
    at_label = int(np.flatnonzero(samples.cause == "label")[0])
    focus = int(samples.sample_id[at_label])
    at = open_page("sample", run=run.name, id=str(focus))
    given, clean = samples.given_label[at_label], samples.clean_label[at_label]
    routed = log.values("train", "routed")[1][:, at_label]
    shown = texts(at)
    assert f"its label was changed from {clean} to {given} (symmetric)." in shown
    assert f"B3: routed in {routed.sum()} of 5 epochs" in shown
    rows = dict(at.dataframe[0].value.to_numpy().tolist())
    assert rows["Given label"] == str(given)
    assert rows["Predicted at epoch 5"] == str(log.values("train", "pred")[1][-1, at_label])
    lines = [trace for trace in figure(at, "trajectory")["data"] if trace.get("name") == "this sample"]
    np.testing.assert_array_equal(decoded(lines[0]["y"]), log.values("train", "gate")[1][:, at_label])
    np.testing.assert_array_equal(decoded(lines[1]["y"]), log.values("train", "entropy")[1][:, at_label])


def test_ids_are_ids_and_no_positions(make_run: MakeRun, open_page: Any) -> None:
    run = make_run(n=200, ids=[5000 + 3 * (199 - place) for place in range(200)])
    at = open_page("sample", run=run.name, id="5003")
    lines = [trace for trace in figure(at, "trajectory")["data"] if trace.get("name") == "this sample"]
    np.testing.assert_array_equal(decoded(lines[0]["y"]), run.sample_log().values("train", "gate")[1][:, 198])
    at.button(key="go_Next").click().run()
    assert at.query_params["id"] == "5006"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("999999", "Sample 999999 is not in this run: its train split has 200 samples, ids 0 to 199."),
        ("abc", "'abc' is no sample id: give a whole number, such as ?id=0."),
        ("-1", "'-1' is no sample id: give a whole number, such as ?id=0."),
    ],
)
def test_an_unknown_sample_is_a_sentence(text: str, sentence: str, make_run: MakeRun, open_page: Any) -> None:
    make_run()
    at = open_page("sample", run="run", id=text)
    assert errors(at) == [sentence]
    assert at.number_input(key="id_input")


def test_unseen_epochs_are_gaps(make_run: MakeRun, open_page: Any) -> None:
    run = make_run(unseen={2: [7]})
    at = open_page("sample", run=run.name, id=str(run.sample_log().samples("train").sample_id[7]))
    lines = [trace for trace in figure(at, "trajectory")["data"] if trace.get("name") == "this sample"]
    assert np.isnan(decoded(lines[0]["y"])).tolist() == [False, True, False, False]
    assert "of 3 epochs" in texts(at)


def test_missing_data_is_a_sentence_and_the_rest_works(make_run: MakeRun, open_page: Any) -> None:
    run = make_run(seed=3)
    run.config.data.root.unlink()
    at = open_page("sample", run=run.name, id="1")
    assert len(errors(at)) == 1
    assert "There is no data file" in errors(at)[0]
    assert len(at.get("plotly_chart")) == 2


def _flip_a_byte(run: Run) -> None:
    """One value of epoch 2 is another than was written."""
    import h5py

    with h5py.File(run.path / "log.h5", "r+") as handle:
        gate: Any = handle["train/gate"]
        gate[1, 0, 3] += 0.25


DAMAGES: dict[str, Callable[[Run], object]] = {
    "no log": lambda run: (run.path / "log.h5").unlink(),
    "no HDF5": lambda run: (run.path / "log.h5").write_bytes(b"nothing of the kind" * 100),
    "cut off": lambda run: (run.path / "log.h5").write_bytes((run.path / "log.h5").read_bytes()[:3000]),
    "no config": lambda run: (run.path / "config.json").write_text("{"),
    "other config": lambda run: (run.path / "config.json").write_text('{"config": {"colour": 1}}'),
    "no manifest": lambda run: (run.path / "manifest.npz").write_bytes(b"PK"),
    "no status": lambda run: (run.path / "status.json").write_text("[]"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_a_sentence(damage: str, make_run: MakeRun, walk: Any) -> None:
    run = make_run()
    make_run(name="sound", seed=1)
    DAMAGES[damage](run)
    for page, at in walk(PAGES, run=run.name, id="3"):
        assert errors(at), page
        if page == "runs":
            table = at.dataframe[0].value.set_index("run")
            assert table.loc["sound", "status"] == "complete"
            assert "damaged" in table.loc["run", "status"]


def test_a_damaged_epoch_is_left_out_and_said(make_run: MakeRun, open_page: Any) -> None:
    run = make_run()
    _flip_a_byte(run)
    at = open_page("overview", run=run.name)
    assert not errors(at)
    assert "epoch 2" in at.warning[0].value
    assert decoded(figure(at, "evolution")["data"][0]["x"]).tolist() == [1, 3, 4]


def test_new_epochs_come_on_request(
    make_run: MakeRun, open_page: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(epochs=3, finished=2)
    run.set_status("running", 2)
    at = open_page("overview", run=run.name)
    assert "2 of 3 logged epochs shown" in texts(at)
    records = {split: dict(run.sample_log().records(split, [2]))[2] for split in ("train", "test")}
    with closing(SampleLogWriter.open(run.path / "log.h5")) as writer:
        writer.write(3, records)
    at.run()
    assert decoded(figure(at, "evolution")["data"][0]["x"]).tolist() == [1, 2]
    assert at.button(key="refresh").label == "1 new epoch: refresh"
    at.button(key="refresh").click().run()
    assert not at.exception
    assert decoded(figure(at, "evolution")["data"][0]["x"]).tolist() == [1, 2, 3]


def test_imported_curves_are_in_the_list_and_damage_nothing(
    tmp_path: Path, make_run: MakeRun, open_page: Any
) -> None:
    make_run(name="mine")
    splits = [
        f"{split}_{what}"
        for split in ("train", "val", "test")
        for what in ("accuracy", "loss_cls", "loss_gatecel")
    ]
    name = "vc10_resnet_gate_classifier110_4770_scratch_it1g-2cm-1"
    lines = [",".join(["run", "epoch", "lr", "gate_lr", *splits])]
    lines += [",".join([name, str(epoch), "0.1", "0.01", *[f"{40 + epoch}.5"] * 9]) for epoch in (1, 2, 3)]
    (tmp_path / "curves.csv").write_text("\n".join(lines))
    import_curves(tmp_path / "curves.csv", "*", tmp_path / "runs")
    at = open_page("runs")
    assert not at.error
    table = at.dataframe[0].value.set_index("run")
    assert table.loc[name, "status"] == "curves"
    assert table.loc[name, "test acc."] == pytest.approx(43.5)
    assert table.loc["mine", "status"] == "complete"
    at.multiselect(key="to_compare").set_value([name]).run()
    assert at.button(key="compare").disabled
    at.multiselect(key="to_compare").set_value([name, "mine"]).run()
    assert not at.button(key="compare").disabled
    # Newer as they are, a page does not begin with what it cannot show.
    assert not open_page("overview").error
    at = open_page("health", run=name)
    assert [problem for problem in errors(at) if "only the curves" in problem]
    assert not at.warning
    at = open_page("compare", run="mine", runs=f"mine,{name}")
    assert not at.error
    drawn = figure(at, "accuracies")["data"]
    assert [line["name"] for line in drawn] == ["A: mine", name]
    np.testing.assert_allclose(decoded(drawn[1]["y"]), [0.415, 0.425, 0.435], rtol=1e-6)
    assert decoded(drawn[1]["x"]).tolist() == [1, 2, 3]
    expected = [row["test_accuracy"] for row in Run(tmp_path / "runs" / "mine").metrics()]
    np.testing.assert_allclose(decoded(drawn[0]["y"]), expected, rtol=1e-6)
