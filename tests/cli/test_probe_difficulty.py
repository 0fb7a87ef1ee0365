"""memgate probe difficulty: a small real run through the command line, and one sentence for what can go wrong."""

import re
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from app.cli import main
from app.cli.commands.probe.checkpoints import ProbeDifficulty
from memgate.errors import MemgateError
from memgate.runs.corruption import CorruptedSplit
from memgate.runs.inputs import inputs_of
from memgate.training.evaluate import load_network, pixel_network
from probes.difficulty import run as difficulty_run
from probes.difficulty.config import SCORES, DifficultyConfig, ScoreName
from probes.difficulty.curvature import input_curvature
from probes.difficulty.depth import Support, prediction_depths
from probes.difficulty.gradients import grand, grand_last_layer, input_gradient_norm
from probes.difficulty.run import probe_run
from probes.difficulty.table import difficulty_groups, to_terminal
from probes.network import checkpoints
from probes.network.checkpoints import probed_rows
from probes.network.plan import Plan
from probes.result import load_results
from probes.stats.intervals import mean_interval, wilson
from probes.stats.rank_correlation import SPEARMAN_PAIRS


def probe(*arguments):
    main.parse(["probe", *map(str, arguments)]).run()


def results_of(run):
    return {
        (result.split, result.epoch, result.variant): result for result in load_results(run, "difficulty")
    }


@pytest.mark.slow
def test_the_whole_way_through_the_command_line(trained_run, printed):
    done = printed("probe", "difficulty", trained_run.path, "--splits", "train", "test", "--scores", *SCORES)
    shown = printed("probe", "show", trained_run.path)
    for score in SCORES:
        for split, n in (("train", 128), ("test", 60)):
            assert f"one: difficulty by {score}, {split}, epoch 3 (last), {n} of {n} samples" in done
    assert str(trained_run.path / "probes" / "difficulty.h5") in done
    assert re.search(r"-?0\.\d\d \[-?0\.\d\d, -?0\.\d\d\]", done)  # a correlation, not its format
    assert ".2f" not in done
    for text in (
        "Spearman with g (b2)", "Spearman with g (b3)", "lower median at", "after o1 (b3.2 or later)",
        "\nall ", "\nclean ",
        "Votes (30 of 128 training samples) that agree with the network: stem ", "High is harder",
    ):  # fmt: skip
        assert text in done
        assert text in shown
    assert sorted(done.splitlines()[:-1]) == sorted(shown.splitlines())


@pytest.mark.slow
def test_the_numbers_are_those_of_the_network_on_the_images_and_labels_it_was_given(trained_run, capsys):
    probe(
        "difficulty", trained_run.path, "--splits", "train", "test_corrupted", "--n", "50", "--checkpoints", "2",
        "--scores", *SCORES, "--neighbours", "9", "--support", "70",
    )  # fmt: skip
    inputs, table = inputs_of(trained_run), results_of(trained_run)
    assert set(table) == {(split, 2, score) for split in ("train", "test_corrupted") for score in SCORES}
    model, _ = load_network(trained_run, "2", torch.device("cpu"))
    network = pixel_network(model, inputs)
    voters = inputs.train.subset(probed_rows(inputs, "train", 70))
    support = Support(torch.from_numpy(voters.images).permute(0, 3, 1, 2), voters.labels)
    for split in ("train", "test_corrupted"):
        images = inputs.image_set(split).subset(probed_rows(inputs, split, 50))
        pixels = torch.from_numpy(images.images).permute(0, 3, 1, 2)
        own = np.full(50, -1)
        if split == "train":
            assert (images.labels != inputs.clean_images(split).labels[probed_rows(inputs, split, 50)]).any()
            own = np.array([voters.sample_id.tolist().index(number) for number in images.sample_id.tolist()])
        for score in (input_gradient_norm, grand_last_layer, grand):
            result = table[split, 2, score.__name__]
            np.testing.assert_array_equal(result.sample_id, images.sample_id)
            np.testing.assert_allclose(
                result.values[score.__name__], score(network, pixels, images.labels), rtol=1e-5
            )
        curved = table[split, 2, "input_curvature"]
        expected = input_curvature(network, pixels, images.labels, sample_id=images.sample_id, seed=2)
        np.testing.assert_allclose(curved.values["input_curvature"], expected, rtol=1e-3)
        assert (curved.config["directions"], curved.config["step"]) == (10, 1e-3)
        depths = prediction_depths(network, pixels, support, 9, own=own)
        result = table[split, 2, "prediction_depth"]
        np.testing.assert_array_equal(result.values["prediction_depth"], depths.depth)
        np.testing.assert_array_equal(result.values["knn_prediction"], depths.knn_prediction)
        assert result.values["knn_prediction"].dtype == np.uint16
        assert result.config["points"] == list(depths.points)
        assert (result.config["neighbours"], result.config["support"]) == (9, 70)
        assert (result.checkpoint, result.probe) == ("epoch_002", "difficulty")
        assert result.versions["packages"]["torch"] == torch.__version__


def test_gradients_agree_with_what_was_logged(trained_run):
    """EL2N is in the log: GraNd of the last layer is it times a length that is at least 1."""
    (result,) = probe_run(trained_run, DifficultyConfig(("grand_last_layer",)), Plan(splits=["test"], n=0))
    epochs, el2n = trained_run.sample_log().values("test", "el2n")
    read = result.values["grand_last_layer"] / el2n[epochs == 3][0]
    assert read.min() > 1
    assert np.isfinite(read).all()


@pytest.mark.slow
def test_groups_their_intervals_and_the_gates(trained_run):
    results = {
        result.variant: result
        for result in probe_run(trained_run, DifficultyConfig(SCORES), Plan(splits=["train"], n=60))
    }
    log = trained_run.sample_log()
    samples = log.samples("train")
    place = [samples.sample_id.tolist().index(number) for number in results["grand"].sample_id.tolist()]
    cause = samples.cause[place]
    masks = {"all": cause != "", "clean": cause == "clean", "corrupted": cause != "clean"}
    masks |= {name: cause == name for name in ("label", "image", "label+image")}
    g = {}
    for gate in ("b2", "b3"):
        epochs, routed = log.values("train", "routed", gate)
        g[gate] = log.values("train", "gate", gate)[1][epochs == 3][0][place]
        through = routed[epochs == 3][0][place]
        masks |= {f"routed ({gate})": through, f"skipped ({gate})": ~through}
    for score, result in results.items():
        values = result.values[score]
        groups = {group.name: group for group in difficulty_groups(trained_run, log, result)}
        assert set(groups) == {name for name, mask in masks.items() if mask.any()}
        for name, group in groups.items():
            mask = masks[name]
            assert group.n == mask.sum()
            mean = (group.mean.value, group.mean.low, group.mean.high)
            within = (0, len(result.config["points"])) if score == "prediction_depth" else None
            expected = mean_interval(values[mask], within)
            assert mean == tuple(None if np.isnan(number) else number for number in expected)
            assert group.median.value == np.median(values[mask])
            if score == "prediction_depth":
                first = result.config["points"].index("b3.1")
                low, high = wilson((values[mask] > first).sum(), mask.sum())
                assert group.deep is not None
                assert (group.deep.value, group.deep.low, group.deep.high) == (
                    (values[mask] > first).mean(), low, high,
                )  # fmt: skip
            else:
                assert group.deep is None
            for gate, table in group.with_gate.items():
                if group.n > 3 and np.ptp(values[mask]) > 0:
                    expected, _ = spearmanr(values[mask], g[gate][mask])
                    assert table.value == pytest.approx(expected)
                    # Withheld where pairs are few, see probes.stats.rank_correlation.
                    assert (table.low is None) == (group.n < SPEARMAN_PAIRS)


@pytest.mark.slow
def test_later_calls_add_scores_and_replace_only_their_own(trained_run, capsys):
    probe("difficulty", trained_run.path, "--splits", "val", "--every", "2", "--scores", "grand_last_layer")
    probe("difficulty", trained_run.path, "--splits", "val", "--every", "2", "--n", "9")
    assert {key: len(result.sample_id) for key, result in results_of(trained_run).items()} == {
        ("val", 2, score): 9 for score in ("input_gradient_norm", "grand_last_layer", "prediction_depth")
    }
    probe("difficulty", trained_run.path, "--splits", "val", "--every", "2", "--scores", "grand")
    assert len(results_of(trained_run)["val", 2, "grand"].sample_id) == 32
    assert len(results_of(trained_run)["val", 2, "prediction_depth"].sample_id) == 9


@pytest.mark.slow
def test_which_scores_the_given_labels_decide(trained_run, monkeypatch):
    def probed():
        table = probe_run(trained_run, DifficultyConfig(SCORES), Plan(splits=["train"], n=40))
        return {result.variant: result.values for result in table}

    before, inputs = probed(), inputs_of(trained_run)
    train = inputs.corrupted["train"]
    turned = train.images.with_content(train.images.images, np.roll(train.images.labels, 7))
    other = replace(inputs, corrupted={**inputs.corrupted, "train": CorruptedSplit(turned, train.manifest)})
    monkeypatch.setattr(checkpoints, "inputs_of", lambda _: other)
    after = probed()
    for score in ("input_gradient_norm", "grand_last_layer", "grand"):
        assert (before[score][score] != after[score][score]).mean() > 0.5
    depth = "prediction_depth"
    np.testing.assert_array_equal(before[depth]["prediction"], after[depth]["prediction"])
    assert (before[depth]["knn_prediction"] != after[depth]["knn_prediction"]).any()


@pytest.mark.slow
def test_interrupted_in_the_middle_keeps_what_is_finished(trained_run, interrupt, capsys):
    interrupt(difficulty_run, "prediction_depths", 1)
    with pytest.raises(SystemExit, match="130"):
        probe("difficulty", trained_run.path, "--splits", "val")
    assert set(results_of(trained_run)) == {
        ("val", 3, "input_gradient_norm"),
        ("val", 3, "grand_last_layer"),
    }
    assert (
        "Stopped: input_gradient_norm of val of epoch 3, grand_last_layer of val of epoch 3 finished and kept in"
        in capsys.readouterr().err
    )


@pytest.mark.usefixtures("log_without_last_epoch")
def test_an_epoch_that_the_log_lacks_has_no_gate(trained_run, capsys):
    probe("difficulty", trained_run.path, "--splits", "train", "--n", "40")
    tables, units = capsys.readouterr().out.split("High is harder")
    assert "The log has no whole epoch 3: which samples were routed in it is not known." in tables
    assert "routed (" not in tables
    assert "Spearman" not in tables
    assert units


@pytest.mark.slow
def test_a_run_without_gate_and_without_noise(plain_run, capsys):
    probe("difficulty", plain_run.path, "--scores", *SCORES)
    tables = capsys.readouterr().out.split("High is harder")[0]
    rows = [line.split()[:2] for line in tables.splitlines() if line.startswith("all ")]
    assert rows == [["all", "60"]] * 5 + [["all", "20"]] * 5
    assert "clean " not in tables
    assert "Spearman" not in tables
    assert results_of(plain_run)["train", 1, "prediction_depth"].config["points"] == [
        "stem", "b1.1", "b2.1", "b3.1", "penultimate",
    ]  # fmt: skip


@pytest.mark.slow
def test_points_by_name_and_numbers_that_are_undefined(trained_run):
    (result,) = probe_run(trained_run, DifficultyConfig(("prediction_depth",)), Plan(splits=["train"], n=40))
    depth = np.full(40, 8, np.int32)
    depth[:19] = 5  # b3.1; 8 is beyond the last point
    deepest = replace(result, values={**result.values, "prediction_depth": depth})
    (line,) = [
        line
        for line in to_terminal(trained_run, trained_run.sample_log(), deepest).splitlines()
        if line[:4] == "all "
    ]
    assert "  head  " in line
    assert "52.5% [37.5, 67.1]" in line, "what is decided at o1 is decided where skipping keeps it"
    depth[:20] = 3  # the middle two are 3 and 8, and no sample has their mean
    text = to_terminal(trained_run, trained_run.sample_log(), deepest)
    (line,) = [line for line in text.splitlines() if line[:4] == "all "]
    assert "  b2.1  " in line
    depth[:] = 4
    (line,) = [
        line
        for line in to_terminal(trained_run, trained_run.sample_log(), deepest).splitlines()
        if line[:4] == "all "
    ]
    assert line.split()[:3] == ["all", "40", "4"]
    assert "  b2.2  " in line
    assert "  0.0% [0.0, 8.8]" in line
    assert line.split()[-2:] == ["-", "-"], "what is the same for all has no rank correlation"


def test_the_command_line_knows_every_score():
    assert get_args(ScoreName) == SCORES
    assert ProbeDifficulty("x").difficulty == DifficultyConfig()
    arguments = ["probe", "difficulty", "x", "--scores", "grand", "--neighbours", "9", "--support", "70"]
    assert main.parse(arguments).difficulty == DifficultyConfig(("grand",), 9, 70)


WRONG = [
    (["difficulty", "nothing"], "nothing is no run"),
    (["difficulty", "RUN", "--scores", "gradn"], "invalid choice 'gradn'"),
    (["difficulty", "RUN", "--scores"], "scores names none: there are input_gradient_norm"),
    (["difficulty", "RUN", "--scores", "grand", "--scores", "prediction_depth"], "--scores is given twice"),
    (["difficulty", "RUN", "--checkpoints", "9"], "has no checkpoint '9': it has best, epoch_001, epoch_002"),
    (["difficulty", "RUN", "--splits", "dev"], "has no split 'dev'"),
    (["difficulty", "RUN", "--batch-size", "0"], "batch_size 0 holds no image"),
    (["difficulty", "RUN", "--neighbours", "0"], "neighbours 0 cannot vote"),
    (["difficulty", "RUN", "--support", "30"], "support 30 holds no 30 neighbours of a sample of its own"),
    (
        ["difficulty", "RUN", "--neighbours", "200"],
        "128 training samples hold no 200 neighbours of one of them",
    ),
    (
        ["difficulty", "RUN", "--neighbours", "128", "--scores", "prediction_depth"],
        "128 training samples hold no 128 neighbours of one of them: at most 127 neighbours, or no prediction_depth",
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "sentence"), WRONG, ids=[" ".join(arguments) for arguments, _ in WRONG]
)
def test_what_is_wrong_is_said(trained, one_sentence, arguments, sentence):
    arguments = [str(trained) if text == "RUN" else text for text in arguments]
    assert sentence in one_sentence("probe", *arguments)
    assert not (trained / "probes" / "difficulty.h5").exists()


@pytest.mark.slow
def test_who_votes_matters_only_where_there_is_a_vote(trained_run):
    probe(
        "difficulty", trained_run.path, "--splits", "val", "--scores", "grand", "--support", "10", "--n", "5"
    )
    probe(
        "difficulty",
        trained_run.path,
        "--splits",
        "val",
        "--scores",
        "grand",
        "--neighbours",
        "999",
        "--n",
        "5",
    )
    assert set(results_of(trained_run)) == {("val", 3, "grand")}


def test_scores_are_checked_for_other_callers_too():
    with pytest.raises(MemgateError, match="scores 'el3n' is unknown: there are input_gradient_norm"):
        DifficultyConfig(("grand", "el3n"))  # pyright: ignore[reportArgumentType]


def test_damaged_results_are_noticed_before_anything_is_computed(trained_run, monkeypatch):
    (trained_run.path / "probes").mkdir()
    (trained_run.path / "probes" / "difficulty.h5").write_text("nothing")
    monkeypatch.setattr(checkpoints, "inputs_of", lambda _: pytest.fail("too late"))
    with pytest.raises(MemgateError, match=r"difficulty.h5 is damaged .*: remove it, and probe again"):
        probe("difficulty", trained_run.path)
