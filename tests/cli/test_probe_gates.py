"""memgate probe gates: from the command line to the tables, and one sentence for what a user can get wrong."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from memgate.config.model import ModelConfig
from memgate.errors import MemgateError
from memgate.runs.run import Run
from probes.gates.config import FORCED, LEARNED
from probes.gates.stored import gates_result
from probes.result import load_results
from probes.samples.probe_groups import logged
from probes.scores.hardness import hardness_of
from probes.scores.table import score_table
from tests.helpers.trained_runs import train_one_epoch

NOISE = ("symmetric:0.3", "randx:0.2")


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    """Runs with gates that open and close and with gates that mix, trained for an epoch."""
    out = tmp_path_factory.mktemp("gates")
    for name in ("channel-gate", "layer-two-way"):
        train_one_epoch(out, name, ModelConfig(name, depth=14), NOISE)
    return out


@pytest.fixture(scope="module")
def probed(runs) -> Run:
    from app.cli import main

    main.parse(["probe", "gates", str(runs / "channel-gate"), "--rare", "0.3"]).run()
    return Run(runs / "channel-gate")


@pytest.mark.slow
def test_tables_are_printed_stored_and_shown_again(runs, printed):
    path = runs / "channel-gate"
    done = printed("probe", "gates", path, "--rare", "0.3")
    for text in (
        "channel-gate: gates by patterns, train, epoch 1 (last), 60 of 60 samples",
        "channel-gate: gates by patterns, test, epoch 1 (last), 20 of 20 samples",
        "always on    conditional    always off",
        "Classes that turn on the rare filters",
        "Not resolved within classes: ",
        "Do harder samples cost more (MACs)?",
        "other class - same class",
        "rare closed",
        "What the pattern tells, beside the features of the same network (60 samples; ",
        "Nearest 10 neighbours of 60 samples, by patterns and by features",
        "Does the pattern follow class, noise or hardness?",
    ):
        assert text in done
    shown = printed("probe", "show", path)
    assert shown.split("Stored in")[0].strip() == done.split("Stored in")[0].strip()
    assert [result.key for result in load_results(Run(path), "gates")] == [
        ("train", 1, "patterns"), ("test", 1, "patterns"),
    ]  # fmt: skip


@pytest.mark.slow
def test_macs_are_those_of_the_log_and_of_the_donors(probed):
    view = gates_result(probed)
    result, log = view.result, probed.sample_log()
    assert view.routes == [LEARNED, *FORCED]
    np.testing.assert_array_equal(view.row("macs"), logged(log, result, "macs"))
    gate = np.stack([view.opened[view.gate_of == name].mean(axis=0) for name in view.sizes])
    expected = np.array([logged(log, result, "gate", name) for name in view.sizes])
    np.testing.assert_allclose(gate, expected, atol=1e-6)
    place = {sample: number for number, sample in enumerate(result.sample_id.tolist())}
    for number, route in enumerate(("same class", "other class")):
        donor = [place[sample] for sample in result.values["donor"][number].tolist()]
        np.testing.assert_array_equal(view.row("macs", route), view.row("macs")[donor])
        same = view.samples.given_label[donor] == view.samples.given_label
        assert same.all() if route == "same class" else not same.any()
    assert (view.row("macs", "all open") == result.config["macs"]["total"]).all()
    assert (view.row("macs", "rare closed") <= view.row("macs")).all()
    assert (view.row("macs", "rare closed") < view.row("macs")).any()


def test_one_filter_and_the_table_of_all(probed):
    view = gates_result(probed, "train", 1)
    table = view.filter_table()
    assert len(table) == view.count == 2 * (16 + 32 + 64)
    row = table[(table["gate"] == "b2u01") & (table["filter"] == 5)].iloc[0]
    assert row["opened"] == view.filter("b2u01", 5).sum()
    assert row["frequency"] == pytest.approx(row["opened"] / 60)
    few, many = view.extremes(60)
    assert (np.diff(view.row("macs")[few]) >= 0).all()
    assert (np.diff(view.row("macs")[many]) <= 0).all()


@pytest.mark.slow
def test_json_has_what_the_tables_leave_out(runs, printed):
    (document,) = json.loads(printed("probe", "gates", runs / "channel-gate", "--splits", "train", "--json"))
    assert len(document["filters"]) == 224
    assert len(document["filters"][0]["frequency_by_class"]) == 10
    assert {row["part"] for row in document["routes"]} == set(FORCED)
    assert [row["name"] for row in document["groups"]][:3] == ["all", "clean", "corrupted"]
    assert document["groups"][1]["over_clean"] is None
    assert len(document["correlations"]) > 12
    assert {row["vectors"] for row in document["linear"]} == {"gates", "features", "class alone"}
    assert document["neighbours"]["k"] == 10
    assert {row["correlation"]["column"] for row in document["linear_hardness"]} >= {"loss_mean", "aum"}


@pytest.mark.slow
def test_gates_that_mix_are_open_above_a_threshold_and_have_no_routes(runs, printed):
    done = printed("probe", "gates", runs / "layer-two-way", "--splits", "train", "--threshold", "0")
    assert re.search(r"all +6 +6 \(100%\)", done)
    assert "Open units of a sample: the same for all" in done
    assert "No routes are forced: the gates mix" in done
    (result,) = load_results(Run(runs / "layer-two-way"), "gates")
    assert set(result.values) == {"pattern", "prediction", "p_given", "p_clean", "margin"}
    assert (result.config["threshold"], result.config["macs"]) == (0, None)


def test_scores_are_turned_so_that_high_is_harder(probed):
    ids = probed.sample_log().samples("train").sample_id[::-1][:25]
    found = {score.column: score.values for score in hardness_of(probed, "train", ids, 1)}
    table = score_table(probed).set_index("sample_id").loc[ids]
    np.testing.assert_allclose(found["loss_mean"], table["loss_mean"])
    np.testing.assert_allclose(found["aum"], -table["aum"])
    assert not any("gate" in column or "macs" in column for column in found)
    assert np.isinf(found["first_learned_epoch"]).any(), "never learned is hardest"


@pytest.mark.parametrize(
    ("run", "arguments", "sentence"),
    [
        ("channel-gate", ("--checkpoints", "7"), "has no checkpoint '7'"),
        ("channel-gate", ("--splits", "tset"), "tset"),
        ("channel-gate", ("--threshold", "0.4"), "--threshold 0.4 does nothing for channel-gate"),
        ("channel-gate", ("--always", "1"), "--always 1.0 must be a share from 0.5, below 1"),
        ("channel-gate", ("--rare", "0"), "--rare 0.0 must be a share above 0"),
        ("layer-two-way", ("--threshold", "1"), "--threshold 1.0 must be in [0, 1)"),
        ("channel-gate", ("--seed", "-1"), "--seed -1 must be 0 or above"),
        ("channel-gate", ("--analysed", "9"), "--analysed 9 is too few samples: give 50 or more"),
        ("channel-gate", ("--neighbours", "50"), "--neighbours 50 must be a number of samples from 1 to 49"),
    ],
)
def test_what_is_wrong_is_said(runs, one_sentence, run, arguments, sentence):
    assert sentence in one_sentence("probe", "gates", runs / run, *arguments)


def test_networks_without_such_gates_are_refused(make_run, one_sentence):
    ungated, over_blocks = make_run(epochs=1, gates=()), make_run(epochs=1)
    assert "is an ungated network (resnet): it has no gates" in one_sentence("probe", "gates", ungated.path)
    assert "'memgate probe routing' is for these" in one_sentence("probe", "gates", over_blocks.path)
    with pytest.raises(MemgateError, match="it has no gates to probe"):
        gates_result(ungated)


def test_a_network_without_a_checkpoint_says_so(make_run, one_sentence):
    run = make_run(epochs=1, macs=True, unit_depth=14)
    assert "has no checkpoint 'last': it has none yet" in one_sentence("probe", "gates", run.path)


def test_without_a_result_the_command_is_named(probed):
    with pytest.raises(MemgateError, match=r"no gates results of train at epoch 3: .*--checkpoints 3"):
        gates_result(probed, epoch=3)
    with pytest.raises(MemgateError, match="b2u01 has no filter 32: it has 0 to 31"):
        gates_result(probed).filter("b2u01", 32)
    with pytest.raises(MemgateError, match="There is no gate 'b9'"):
        gates_result(probed).filter("b9", 0)


@pytest.mark.slow
def test_a_class_of_one_sample_has_no_donor_and_the_others_are_compared(runs, printed):
    done = printed("probe", "gates", runs / "channel-gate", "--n", "12", "--splits", "train", "--no-analyses")
    assert "was made with --no-analyses" in done
    view = gates_result(Run(runs / "channel-gate"))
    assert len(view.result.sample_id) == 12
    lonely = view.result.values["donor"][0] == -1
    assert lonely.any()
    assert np.isnan(view.row("p_given", "same class")[lonely]).all()
    assert np.isfinite(view.row("p_given", "same class")[~lonely]).all()
    assert f"In {int(lonely.sum())} cases there was no other sample to take a pattern from" in done
