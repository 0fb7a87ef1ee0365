"""The page Sample: verdict, events, ranks, probes, other runs, the nearest, and other people's labels."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import percentileofscore

from app.dashboard import sentences
from memgate.runs.run import Run
from probes.dynamics.summary import summary
from probes.result import ProbeResult, save_results
from tests.helpers.pages import texts

pytestmark = pytest.mark.slow

MakeRun = Callable[..., Run]


def plain(text: str) -> str:
    return text.replace("\\", "")


def verdict(at: Any) -> str:
    """The first thing that the page says."""
    return plain(next(one.value for one in at.markdown if one.value.endswith("**"))).strip("*")


COLUMN = {
    "facts": "class",
    "routes": "route",
    "ranks": "score",
    "events": "epoch",
    "elsewhere": "run",
    "votes": "share",
}


def table(at: Any, name: str) -> pd.DataFrame:
    """A table of the page, by a column that it has."""
    return next(one.value for one in at.dataframe if COLUMN[name] in one.value)


def tiles(at: Any) -> list[dict[str, Any]]:
    (proto,) = [element.proto for element in at.get("bidi_component")]
    return json.loads(proto.json)["tiles"]


def by_cause(run: Run, cause: str, which: int = 0) -> int:
    """A column of the log's matrices of that cause."""
    return int(np.flatnonzero(run.sample_log().samples("train").cause == cause)[which])


@pytest.mark.parametrize("epoch", [2, 6])
@pytest.mark.parametrize("cause", ["clean", "label", "image", "label+image"])
def test_the_verdict_is_the_logs_up_to_the_cursor(
    cause: str, epoch: int, make_run: MakeRun, open_page: Any
) -> None:
    run = make_run(n=300, epochs=6)
    log = run.sample_log()
    samples = log.samples("train")
    place = by_cause(run, cause)
    routed, right, pred = (
        log.values("train", name)[1][:epoch, place] for name in ("routed", "correct_given", "pred")
    )
    at = open_page("sample", run=run.name, id=str(samples.sample_id[place]), epoch=str(epoch))
    said = verdict(at)
    given, clean = samples.given_label[place], samples.clean_label[place]
    begin = {
        "clean": f"Clean ({given}), ",
        "label": f"Mislabelled ({clean} → {given}), ",
        "image": f"Corrupted image ({given}), ",
        "label+image": f"Mislabelled ({clean} → {given}) on a corrupted image, ",
    }
    assert said.startswith(begin[cause])
    assert said.endswith(f"routed through B3 in {routed.sum()} of {epoch} epochs.")
    if right[-1]:
        since = epoch - np.argmin(right[::-1]) + 1 if not right.all() else 1
        assert f"{'learned' if cause == 'clean' else 'memorised'} since epoch {since}" in said
    else:
        assert f"now {'predicted ' if right.any() else ''}as {pred[-1]}" in said
    assert dict(table(at, "facts").to_numpy().tolist())[f"Predicted at epoch {epoch}"] == str(pred[-1])


def test_learning_in_words() -> None:
    epochs = np.array([1, 3, 5, 7])

    def said(*right: int, cause: str = "label") -> str:
        return sentences.learning(cause, np.array(right, bool), epochs[: len(right)], "dog")

    assert said() == "no prediction in any logged epoch yet"
    assert said(0, 0) == "never predicted as its given label, now as dog"
    assert said(1, 1, 0) == "last fitted at epoch 3 and forgotten since, now predicted as dog"
    assert said(1, 0, 1, 1) == "memorised since epoch 5"
    assert said(1, cause="clean") == "learned since epoch 1"


def stored_routing(run: Run, who: list[int], epoch: int = 4, **rows: list[Any]) -> None:
    """A result of the routing probe for some samples; ``learned`` and ``skip`` are their predictions."""
    samples = run.sample_log().samples("train")
    order = np.array([int(np.flatnonzero(samples.sample_id == one)[0]) for one in who])
    given, clean = samples.given_label[order], samples.clean_label[order]
    prediction = np.array([rows["learned"], rows["skip"]], np.uint16)
    fits = prediction == given
    wrong = given != clean
    values = {
        "prediction": prediction, "fits_given": fits, "wrong_label": wrong,
        "p_given": np.full(fits.shape, 0.25, np.float32), "p_clean": np.full(fits.shape, 0.5, np.float32),
        "memorised_by_b3": fits[0] & ~fits[1],
        "recovered_by_skip": wrong & fits[0] & (prediction[1] == clean),
    }  # fmt: skip
    config = {"routes": ["learned", "skip"], "blocks": ["b3"]}
    save_results(
        run, "routing", [ProbeResult("routing", "train", epoch, "intervention", "last", np.array(who), values, config)]
    )  # fmt: skip


HINT = "Whether B3 memorised it can only be tested by skipping B3"


@pytest.mark.parametrize("gates", [(), ("b3",)])
def test_what_is_fitted_and_unprobed_points_to_the_probe(
    gates: tuple[str, ...], make_run: MakeRun, open_page: Any
) -> None:
    run = make_run(gates=gates)
    log = run.sample_log()
    samples, right = log.samples("train"), log.values("train", "correct_given")[1][-1]
    for corrupted, fits in ((True, False), (False, True), (True, True)):
        place = np.flatnonzero(((samples.cause != "clean") == corrupted) & (right == fits))[0]
        who, given = int(samples.sample_id[place]), int(samples.given_label[place])
        at = open_page("sample", run=run.name, id=str(who))
        assert (HINT in texts(at)) == (corrupted and fits and bool(gates))
    stored_routing(run, [who], learned=[given], skip=[given])
    assert HINT not in texts(open_page("sample", run=run.name, id=str(who)))


def test_what_skipping_shows_is_in_the_verdict_and_in_words(make_run: MakeRun, open_page: Any) -> None:
    run = make_run()
    samples = run.sample_log().samples("train")
    place = by_cause(run, "label")
    who, given, clean = (
        int(column[place]) for column in (samples.sample_id, samples.given_label, samples.clean_label)
    )
    stored_routing(run, [who], learned=[given], skip=[clean])
    at = open_page("sample", run=run.name, id=str(who))
    assert verdict(at).endswith(f"; without B3 the network predicts {clean} (memorised by B3).")
    assert (
        "At epoch 4 it fits its given label with B3 and not without: memorised by B3, and recovered by skipping it: "
        "the network then predicts the clean label." in texts(at)
    )
    shown = table(at, "routes")
    assert shown["predicts"].tolist() == [str(given), str(clean)]
    assert shown["p(clean)"].tolist() == [0.5, 0.5]
    # A checkpoint after the cursor has no say yet.
    at = open_page("sample", run=run.name, id=str(who), epoch="2")
    assert "without B3" not in verdict(at)
    assert "There is a result of epoch 4: set the epoch in the sidebar to it." in texts(at)
    other = int(samples.sample_id[by_cause(run, "clean")])
    at = open_page("sample", run=run.name, id=str(other))
    assert "this sample is not among the 1 that were probed" in texts(at)
    assert at.code[0].value == f"memgate probe routing {run.path} --n 0"


@pytest.mark.parametrize(
    ("whole", "part", "recovered", "sentence"),
    [
        (True, False, False, "with B3 and not without: memorised by B3."),
        (True, True, False, "without B3 as well: its fit does not need B3."),
        (False, True, False, "only where B3 is skipped: skipping B3 loses no fit."),
        (False, False, False, "neither with B3 nor without: skipping B3 loses no fit."),
    ],
)
def test_skipping_in_words(whole: bool, part: bool, recovered: bool, sentence: str) -> None:
    assert (
        sentences.skipping("b3", "label", whole, part, recovered, 7)
        == f"At epoch 7 it fits its given label {sentence}"
    )
    if whole and not part:
        assert "its fit needs B3" in sentences.skipping("b3", "clean", whole, part, recovered, 7)


def test_the_critical_radius_is_said_and_what_was_not_probed_asks_for_it(
    make_run: MakeRun, open_page: Any
) -> None:
    run = make_run()
    values = {
        "critical_radius": np.array([0.25, 3], np.float32),
        "critical": np.array([[False, False], [True, False]]),
    }
    config = {"radii": [0.1, 0.3]}
    save_results(
        run, "csr", [ProbeResult("csr", "train", 4, "first-order", "last", np.array([8, 3]), values, config)]
    )
    said = texts(open_page("sample", run=run.name, id="8"))
    assert (
        "Critical at r = 0.3, not at r = 0.1 (first-order, epoch 4): estimated distance to the decision boundary 0.25 "
        "grey levels." in said
    )
    assert "Not critical at r = 0.1, 0.3 (first-order" in texts(open_page("sample", run=run.name, id="3"))
    at = open_page("sample", run=run.name, id="5")
    similar = f"memgate probe embed {run.path} --sources features --splits"
    assert [code.value for code in at.code[-2:]] == [
        f"memgate probe csr {run.path} --n 0",
        f"{similar} train",
    ]
    at = open_page("sample", run=run.name, id="5", epoch="3")  # a command would measure epoch 4 once more
    assert "up to epoch 3. There is a result of epoch 4: set the epoch in the sidebar to it." in texts(at)
    assert [code.value for code in at.code] == [f"memgate probe routing {run.path}", f"{similar} train"]
    at = open_page("sample", run=run.name, split="test", id="5")
    assert [code.value for code in at.code[:-1]] == [
        f"memgate probe {probe} {run.path}" for probe in ("routing", "csr")
    ]


def test_a_damaged_probe_file_is_a_sentence_and_the_rest_works(make_run: MakeRun, open_page: Any) -> None:
    run = make_run()
    (run.path / "probes").mkdir()
    (run.path / "probes" / "routing.h5").write_bytes(b"nothing")
    at = open_page("sample", run=run.name, id="8")
    assert len(at.error) == 1
    assert "is damaged" in at.error[0].value
    assert tiles(at)


def test_ranks_are_scipys_percentiles(make_run: MakeRun, open_page: Any) -> None:
    run = make_run(n=300, epochs=6)
    everyone: Any = summary(run).set_index("sample_id")
    shown: Any = table(open_page("sample", run=run.name, id="17"), "ranks").set_index("score")
    fellows = everyone[everyone.clean_label == everyone.clean_label[17]]
    for title, column, direction in (("mean loss (CSL)", "loss_mean", 1), ("mean margin (AUM)", "aum", -1)):
        for name, group in (("of all", everyone), ("of its class", fellows)):
            expected = percentileofscore(
                direction * group[column], direction * everyone[column][17], kind="mean"
            )
            assert shown[name][title] == pytest.approx(expected)
    assert shown["value"]["mean loss (CSL)"] == f"{everyone.loss_mean[17]:.4g}"


def test_events_are_every_change(make_run: MakeRun, open_page: Any) -> None:
    run = make_run(n=300, epochs=8, unseen={4: list(range(290))})
    log = run.sample_log()
    flips = summary(run).sort_values("route_flips")["sample_id"].iloc[-1]
    place = int(np.flatnonzero(log.samples("train").sample_id == flips)[0])
    shown = table(open_page("sample", run=run.name, id=str(flips)), "events")
    epochs, seen = log.values("train", "seen")
    kept = seen[:, place]
    for name, down, up in (
        ("routed", "B3: routed → skipped", "B3: skipped → routed"),
        ("correct_given", "forgotten", "fits its given label"),
    ):
        state = log.values("train", name)[1][kept, place]
        when = epochs[kept][1:][state[1:] != state[:-1]]
        falls = epochs[kept][1:][~state[1:] & state[:-1]]
        told = shown[shown.what.str.startswith((down, up)) & ~shown.what.str.endswith("start")]
        assert told["epoch"].tolist() == when.tolist()
        assert told[told.what == down]["epoch"].tolist() == falls.tolist()
    pred = dict(zip(epochs.tolist(), log.values("train", "pred")[1][:, place].tolist(), strict=True))
    assert shown["predicts"].tolist() == [str(pred[epoch]) for epoch in shown["epoch"]]


def test_other_runs_are_those_with_the_same_data(make_run: MakeRun, open_page: Any) -> None:
    first = make_run(name="first", seed=0)
    second = make_run(name="second", seed=1, data_seed=0, noise=("symmetric:0.6",), gates=("b2", "b3"))
    make_run(name="foreign", seed=2)
    make_run(name="plain", seed=3, data_seed=0, gates=(), noise=())
    (first.path.parent / "damaged").mkdir()
    (first.path.parent / "damaged" / "config.json").write_text("{")
    at = open_page("sample", run="first", id="21")
    shown = table(at, "elsewhere").set_index("run")
    assert sorted(shown.index) == ["plain", "second"]
    log = second.sample_log()
    place = int(np.flatnonzero(log.samples("train").sample_id == 21)[0])
    row = shown.loc["second"]
    assert row["g last"] == pytest.approx(log.values("train", "gate", "b3")[1][-1, place])
    assert row["epochs routed"] == log.values("train", "routed", "b3")[1][:, place].sum()
    assert row["given label"] == str(log.samples("train").given_label[place])
    assert row["fits its label"] == log.values("train", "correct_given")[1][-1, place]
    assert np.isnan(shown.loc["plain", "g last"])
    assert "1 damaged or without a log yet" in texts(at)


@pytest.mark.parametrize("gates", [("b3",), ()])
def test_the_nearest_are_numpys(gates: tuple[str, ...], make_run: MakeRun, open_page: Any) -> None:
    run = make_run(n=300, epochs=6, gates=gates)
    values = run.sample_log().values("train", "gate" if gates else "loss")[1][:4].astype(np.float64)
    ids = run.sample_log().samples("train").sample_id
    place = int(np.flatnonzero(ids == 40)[0])
    distance = np.sqrt(((values - values[:, [place]]) ** 2).mean(axis=0))
    at = open_page("sample", run=run.name, id="40", epoch="4")
    order = [one for one in np.argsort(distance, kind="stable") if one != place][:20]
    assert [tile["id"] for tile in tiles(at)] == ids[order].tolist()
    assert [tile["number"] for tile in tiles(at)] == [f"{one:.3f}" for one in distance[order]]


def test_its_class_is_drawn_on_request(make_run: MakeRun, open_page: Any) -> None:
    run = make_run(n=300, epochs=5)
    at = open_page("sample", run=run.name, id="40")

    def names() -> list[str]:
        protos: list[Any] = [element.proto for element in at.get("plotly_chart")]
        return [trace.get("name") for trace in json.loads(protos[0].spec)["data"]]

    assert "clean, its class" not in names()
    at.toggle(key="own_class").set_value(True).run()
    assert names().count("clean, its class") == 6  # three quartiles of g and of H


@pytest.fixture
def join(monkeypatch: pytest.MonkeyPatch, open_page: Any) -> Callable[..., Any]:
    """Open a page of a dashboard that was started with ``--join``."""

    def opened(page: str, joins: list[str], **params: str) -> Any:
        monkeypatch.setattr(sys, "argv", [*sys.argv, *(f"--join={text}" for text in joins)])
        return open_page(page, **params)

    return opened


def test_a_column_of_ones_own_becomes_a_score(make_run: MakeRun, join: Any, tmp_path: Path) -> None:
    run = make_run()
    samples = run.sample_log().samples("train")
    order = np.argsort(samples.sample_id)
    easy = np.random.default_rng(0).random(200)
    columns = {"sample_id": np.sort(samples.sample_id), "label": samples.clean_label[order], "easy": easy}
    pd.DataFrame(columns).to_csv(tmp_path / "own.csv", index=False)
    at = join("sample", [f"mine={tmp_path}/own.csv:easy:low"], run=run.name, id="40")
    row = table(at, "ranks").set_index("score").loc["mine"]
    place = int(np.searchsorted(columns["sample_id"], 40))
    assert row["of all"] == pytest.approx(percentileofscore(-easy, -easy[place], kind="mean"))
    assert row["harder"] == "low"
    at = join("gallery", [], run=run.name, preset="hardest", score="mine")
    proto = next(element.proto for element in at.get("bidi_component"))
    shown = [tile["id"] for tile in json.loads(proto.json)["tiles"]]
    assert shown == columns["sample_id"][np.argsort(easy)[:60]].tolist()


def official(folder: Path, run: Run) -> list[str]:
    """CIFAR-10N and CIFAR-10H in their shapes, about the samples of a run."""
    train, test = run.sample_log().samples("train"), run.sample_log().samples("test")
    labels = np.zeros(50_000, np.int64)
    labels[train.sample_id] = train.clean_label
    votes = {f"random{k}": (labels + (k == 2)) % 10 for k in (1, 2, 3)}
    np.savez(folder / "n.npz", clean=labels, **votes)  # pyright: ignore[reportArgumentType]
    counts = np.zeros((10_000, 10))
    counts[np.arange(10_000), 0] = 4
    counts[test.sample_id] = 0
    counts[test.sample_id, test.clean_label] = 40
    counts[test.sample_id, (test.clean_label + 1) % 10] = 10
    np.savez(folder / "h.npz", counts=counts)
    return [f"cifar10n={folder}/n.npz", f"cifar10h={folder}/h.npz"]


def test_what_people_said_stands_beside_the_labels(make_run: MakeRun, join: Any, tmp_path: Path) -> None:
    run = make_run()
    clean = int(run.sample_log().samples("train").clean_label[by_cause(run, "clean")])
    who = int(run.sample_log().samples("train").sample_id[by_cause(run, "clean")])
    at = join("sample", official(tmp_path, run), run=run.name, id=str(who))
    facts = dict(table(at, "facts").to_numpy().tolist())
    assert facts["cifar10n, annotator 1"] == str(clean)
    assert facts["cifar10n, annotator 2"] == str((clean + 1) % 10)
    assert not at.error
    at = join("sample", [], run=run.name, split="test", id="7")
    label = int(
        run.sample_log().samples("test").clean_label[run.sample_log().samples("test").sample_id == 7][0]
    )
    shown = table(at, "votes")
    assert shown["class"].tolist() == [str(label), str((label + 1) % 10)]
    assert shown["votes"].tolist() == [40, 10]
    assert shown["share"].tolist() == [80, 20]


def test_what_fits_another_data_set_is_a_sentence_and_not_shown(
    make_run: MakeRun, join: Any, tmp_path: Path
) -> None:
    files = official(tmp_path, make_run(seed=0))
    run = make_run(seed=1)
    at = join("sample", files, run=run.name, id="40")
    assert "cifar10n is not joined: n.npz has other labels" in texts(at)
    assert "cifar10n, annotator 1" not in table(at, "facts").to_numpy().ravel().tolist()
    assert not at.error


def test_a_file_whose_order_cannot_be_checked_is_marked_or_refused(
    make_run: MakeRun, join: Any, tmp_path: Path
) -> None:
    run = make_run()
    np.savez(tmp_path / "c.npz", scores=np.linspace(0, 1, 50_000).astype(np.float32))
    np.save(tmp_path / "mine.npy", np.random.default_rng(0).random(200))
    files = [f"cscores={tmp_path}/c.npz", f"mine={tmp_path}/mine.npy"]
    at = join("sample", files, run=run.name, id="40")
    assert "cscores is not joined: --join cscores is about CIFAR-10 and the run was trained on npz" in texts(
        at
    )
    scores = table(at, "ranks")["score"].tolist()
    assert "mine (order not checked)" in scores
    assert not any("cscores" in score for score in scores)
    assert not at.error


def test_a_file_that_is_gone_is_a_sentence(make_run: MakeRun, join: Any, tmp_path: Path) -> None:
    run = make_run()
    at = join("sample", [f"mine={tmp_path}/gone.csv:x"], run=run.name, id="40")
    assert "gone.csv does not exist" in texts(at)
    assert not at.error


def test_of_many_gates_the_sidebars_is_told(layer_gated: Run, open_page: Any) -> None:
    """A network with a gate in every unit has dozens, no classifier in them, and no block to skip."""
    at = open_page("sample", run="layers", gate="b2u01")
    said = texts(at)
    assert "routed through B2U01 in 0 of 1 epoch" in said
    assert "B1U01" not in said
    assert "Of the 6 gates" in said
    assert not any("gate" in what for what in at.dataframe[0].value["what"])
    assert "there is none to skip" in said
    assert not any("probe routing" in code.value for code in at.code)
    at = open_page("critical", run="layers", show="routing")
    assert "there is none to skip" in plain(at.info[0].value)
    assert not any("probe routing" in code.value for code in at.code)
