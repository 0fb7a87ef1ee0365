"""memgate score: what it prints and writes, and one sentence for what a user can get wrong."""

import json

import h5py
import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest

from app.cli import main
from memgate.errors import MemgateError
from probes.export import writers
from probes.export.writers import write_table
from probes.result import ProbeResult, save_results
from probes.scores.catalogue import CHECKPOINT, GATE, LOG, MACS, SCORES
from probes.scores.table import score_table


def printed(capsys, *arguments):
    main.parse([*map(str, arguments)]).run()
    return capsys.readouterr().out


def sheet(capsys, *arguments):
    return json.loads(printed(capsys, "score", *arguments, "--format", "json"))


@pytest.mark.slow
def test_the_whole_way_through_the_command_line(trained_run, tmp_path, exit_code, capsys):
    command = ["score", trained_run.path, "--top", "3", "--by", "aum", "--out", tmp_path / "s.csv"]
    capsys.readouterr()
    assert exit_code(*command) == 0
    done = capsys.readouterr()
    assert done.err == ""
    assert done.out.startswith("one: scores of train at epoch 3 of 3 (3 logged epochs, complete")
    assert "mean gate value g (b2)" in done.out
    assert "The hardest 3 by aum:" in done.out
    assert len(pd.read_csv(tmp_path / "s.csv")) == 128


def test_medians_of_every_score_and_group(make_run, capsys):
    run = make_run(gates=("b2", "b3"), unseen={epoch: [3] for epoch in range(1, 5)})
    result, table = sheet(capsys, run.path), score_table(run)
    assert result["schema"] == "memgate-scores/1"
    assert result["groups"] == {"clean": 126, "corrupted": 74, "label": 54, "image": 14, "label+image": 6}
    assert len(result["rows"]) == len(LOG) + 2 * len(GATE)
    aum = next(row for row in result["rows"] if row["column"] == "aum")
    assert (aum["harder"], aum["range"], aum["needs"]) == ("low", "(-inf, inf) logits", "log")
    assert aum["missing"] == 1
    for median in aum["medians"]:
        own = table["corrupted"] if median["group"] == "corrupted" else table["cause"] == median["group"]
        values = table["aum"].to_numpy()[own.to_numpy(bool)]
        values = values[~np.isnan(values)]
        assert median["n"] == len(values)
        assert median["value"] == pytest.approx(np.median(values))
        assert median["low"] is None or median["low"] < median["value"] < median["high"]


@pytest.mark.slow
def test_never_learned_is_counted_and_ranks_last(make_run, capsys):
    run = make_run(n=60, epochs=2, noise=("symmetric:0.5",))
    table = score_table(run)
    never = table["first_learned_epoch"].isna().to_numpy(bool)
    count = np.count_nonzero(never)
    row = next(r for r in sheet(capsys, run.path)["rows"] if r["column"] == "first_learned_epoch")
    assert (row["missing"], row["never"], row["never_what"]) == (0, count, "learned")
    assert sum(median["n"] for median in row["medians"]) == 60
    text = printed(capsys, "score", run.path, "--by", "first_learned_epoch", "--top", 60)
    assert f"0 (+{count} never learned)" in text
    listed = text.split("by first_learned_epoch:\n\n")[1].splitlines()[2:62]
    assert [line.split()[-1] == "never" for line in listed] == sorted(never, reverse=True)
    assert [int(line.split()[0]) for line in listed[:count]] == table["sample_id"][never].tolist()


@pytest.mark.slow
@pytest.mark.parametrize("by", ["loss_mean", "aum"])
def test_the_hardest_are_at_the_declared_end(make_run, capsys, by):
    run = make_run()
    result = sheet(capsys, run.path, "--by", by)["hardest"]
    table = score_table(run).sort_values(by, ascending=SCORES[by].direction < 0)
    assert [sample["sample_id"] for sample in result] == table["sample_id"].head(10).tolist()
    names = run.sample_log().class_names
    assert [sample["given_label"] for sample in result] == [
        names[label] for label in table["given_label"][:10]
    ]
    assert [sample["cause"] for sample in result] == table["cause"].head(10).tolist()
    assert sheet(capsys, run.path)["hardest"] == []


@pytest.mark.slow
def test_no_noise_no_groups_and_no_gate_no_gate_scores(make_run, capsys):
    run = make_run(noise=(), gates=())
    result = sheet(capsys, run.path)
    assert result["groups"] == {"all": 200}
    assert [row["column"] for row in result["rows"]] == [score.column for score in LOG]
    loss = score_table(run)["loss_last"].to_numpy()
    row = next(row for row in result["rows"] if row["column"] == "loss_last")
    expected = np.quantile(loss, [0.05, 0.25, 0.75, 0.95], method="inverted_cdf")
    np.testing.assert_allclose(row["quantiles"], expected)
    header = printed(capsys, "score", run.path).splitlines()[4]
    assert header.split() == "column score harder range needs median 5% 25% 75% 95% missing".split()
    with pytest.raises(MemgateError, match=r"run has no gate_mean: its network has no gate\."):
        printed(capsys, "score", run.path, "--by", "gate_mean")


@pytest.mark.slow
def test_all_corrupted_by_one_cause_is_one_group(make_run, capsys):
    assert sheet(capsys, make_run(noise=("symmetric:1",)).path)["groups"] == {"all": 200}
    assert sheet(capsys, make_run(noise=("symmetric:0.5",)).path)["groups"] == {"clean": 100, "label": 100}


@pytest.mark.slow
def test_markdown_and_the_written_table(make_run, capsys, tmp_path):
    run = make_run(n=30, gates=("b2", "b3"))
    ids = np.array([0, 29])
    values = {"critical_radius": np.array([1.5, 2.5])}
    stored = ProbeResult("csr", "train", 4, "first-order", "last", ids, values, {}, {})
    save_results(run, "csr", [stored])
    out = tmp_path / "scores.parquet"
    text = printed(capsys, "score", run.path, "--format", "markdown", "--out", out)
    assert text.startswith("### run: scores of train")
    assert "| critical_radius " in text
    assert "- critical_radius: from the checkpoint of epoch 4, 2 of 30 samples probed." in text
    assert str(out) in text
    result = pyarrow.parquet.read_table(out).to_pandas()
    assert list(result) == list(score_table(run))
    assert result["critical_radius"].dropna().tolist() == [1.5, 2.5]


@pytest.mark.slow
def test_gaps_damage_and_unfinished_runs_give_what_is_whole_and_say_so(make_run, capsys):
    run = make_run(n=20, epochs=9, every=2, finished=6)
    with h5py.File(run.path / "log.h5", "r+") as handle:
        loss = handle["train/loss"]
        assert isinstance(loss, h5py.Dataset)
        loss[2, 0] += 1
    text = printed(capsys, "score", run.path)
    assert "at epoch 4 of 9 (2 logged epochs, stopped, log mode eval)" in text
    assert "\n2 of 4 epochs are logged: counts of events" in text
    assert text.endswith("Damaged in the log and left out: epoch 6.\n")
    with pytest.raises(MemgateError, match="no finished epoch"):
        printed(capsys, "score", make_run(finished=0).path)
    assert "epochs are logged" not in printed(capsys, "score", make_run(n=20).path)


def test_online_values_are_named(make_run, capsys):
    run = make_run(n=20, mode="online")
    assert "log's mode is 'online'" in printed(capsys, "score", run.path)
    assert "log's mode" not in printed(capsys, "score", run.path, "--split", "test")


def test_infinite_losses_are_shown(make_run, capsys, monkeypatch):
    run = make_run(n=20, noise=())
    monkeypatch.setattr(
        "probes.dynamics.reductions.mean", lambda values, seen: np.full(seen.shape[1], np.inf)
    )
    assert " inf [inf, inf] " in printed(capsys, "score", run.path)
    row = sheet(capsys, run.path)["rows"][0]
    assert row["medians"][0]["value"] is None


def test_scores_lists_them_all(capsys):
    text = printed(capsys, "scores")
    assert [line.split()[0] for line in text.splitlines()[2:]] == list(SCORES)
    assert all(score.meaning in text for score in (*LOG, *GATE, *MACS, *CHECKPOINT))


WRONG = [
    (["RUN", "--by", "loss_men"], "There is no score 'loss_men'. Did you mean loss_mean?"),
    (
        ["RUN", "--by", "gate_mean"],
        "2 gates, and gate_mean is of one: put the gate in its name, such as gate_b3_mean",
    ),
    (
        ["RUN", "--by", "grand"],
        "has no grand of its train samples up to epoch 3: ask its network first, memgate",
    ),
    (
        ["RUN", "--by", "macs_mean"],
        "has no macs_mean: no gate of its network closes, so every sample needs the same",
    ),
    (["RUN", "--top", "-1"], "--top -1"),
    (["RUN", "--split", "val_corrupted"], "no split 'val_corrupted'"),
    (["RUN", "--out", "scores.xls"], "scores.xls ends in neither .csv nor .parquet"),
    (["RUN", "--out", "TMP/nowhere/scores.csv"], "/nowhere does not exist"),
    (["no-such-run"], "no-such-run is no run"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("arguments", "sentence"), WRONG, ids=[" ".join(a) for a, _ in WRONG])
def test_what_is_wrong_is_said(trained, one_sentence, tmp_path, arguments, sentence):
    places = {"RUN": str(trained), "TMP/nowhere/scores.csv": str(tmp_path / "nowhere" / "scores.csv")}
    arguments = [places.get(text, text) for text in arguments]
    assert sentence in one_sentence("score", *arguments)


def test_a_disk_that_refuses_leaves_the_old_table(tmp_path, monkeypatch):
    path, table = tmp_path / "s.csv", pd.DataFrame({"x": [1, 2]})
    write_table(path, table)

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(writers.WRITERS, ".csv", fail)
    with pytest.raises(MemgateError, match=r"s.csv cannot be written \(No space left on device\)"):
        write_table(path, table)
    assert path.read_text() == "x\n1\n2\n"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.slow
def test_of_many_gates_a_table_shows_the_last_of_each_block_and_files_have_all(layer_gated, capsys, tmp_path):
    text = printed(capsys, "score", layer_gated.path, "--out", tmp_path / "s.csv")
    assert "mean gate value g (b2u02)" in text
    assert "b2u01" not in text
    assert "Of the 6 gates b1u02, b2u02, b3u02 are shown" in text
    assert "gate_b2u01_mean" in pd.read_csv(tmp_path / "s.csv")
    rows = sheet(capsys, layer_gated.path)["rows"]
    assert {row["gate"] for row in rows if row["needs"] == "gate"} == set(layer_gated.sample_log().gates)
    text = printed(capsys, "probe", "csr", layer_gated.path, "--n", "10", "--splits", "train")
    assert "(b2u02)" in text
    assert "(b2u01)" not in text
    assert "Of the 6 gates" in text
