"""memgate probe: a small real run through the command line, and one sentence for what a user can get wrong."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from app.cli import main
from memgate import console
from memgate.errors import MemgateError
from memgate.runs.corruption import CorruptedSplit
from memgate.runs.inputs import inputs_of
from memgate.training.evaluate import load_network, pixel_network
from probes.csr import run as csr_run
from probes.csr.config import configure
from probes.csr.critical import critical_samples
from probes.csr.run import probe_run
from probes.csr.table import critical_groups
from probes.network import checkpoints
from probes.network.checkpoints import probed_rows
from probes.network.plan import Plan
from probes.result import load_results
from probes.stats.intervals import wilson

FEW = ("--n", "40", "--neighbours", "4")
"""Flags for a quick answer."""


def probe(*arguments):
    main.parse(["probe", *map(str, arguments)]).run()


@pytest.mark.slow
def test_the_whole_way_through_the_command_line(trained_run, printed):
    done = printed("probe", "csr", trained_run.path, "--splits", "train", "test", "--radius", "0.5", *FEW)
    shown = printed("probe", "show", trained_run.path)
    assert "one: csr by first-order, train, epoch 3 (last), 40 of 128 samples" in done
    assert "one: csr by first-order, test, epoch 3 (last), 40 of 60 samples" in done
    assert str(trained_run.path / "probes" / "csr.h5") in done
    for text in ("CSR(0.1)", "CSR(0.3)", "CSR(0.5)", "CSR(1)", "CSR(2)", "median rho", "\nall ", "\nclean "):
        assert text in done
        assert text in shown
    assert [line for line in done.splitlines() if line[:5] == "all  "] == [
        line for line in shown.splitlines() if line[:5] == "all  "
    ]


@pytest.mark.slow
def test_the_numbers_are_those_of_the_network_on_the_images_it_was_trained_on(trained_run, capsys):
    probe("csr", trained_run.path, "--splits", "train", "test_corrupted", "--radius", "0.3", "2", *FEW)
    results = {result.split: result for result in load_results(trained_run, "csr")}
    inputs = inputs_of(trained_run)
    assert set(results) == {"train", "test_corrupted"}
    for split, result in results.items():
        images = inputs.image_set(split).subset(probed_rows(inputs, split, 40))
        model, epoch = load_network(trained_run, "last", torch.device("cpu"))
        network = pixel_network(model, inputs)
        pixels = torch.from_numpy(images.images).permute(0, 3, 1, 2)
        table = critical_samples(network, pixels / 255, radius=(0.1, 0.3, 1, 2))
        assert (result.epoch, result.checkpoint, result.variant) == (epoch, "last", "first-order")
        np.testing.assert_array_equal(result.sample_id, images.sample_id)
        np.testing.assert_array_equal(result.values["prediction"], table.prediction)
        np.testing.assert_array_equal(result.values["critical"], table.critical)
        np.testing.assert_allclose(
            result.values["critical_radius"], table.critical_radius, rtol=1e-5, atol=1e-5
        )
        log = trained_run.sample_log()
        epochs, logged = log.values(split, "pred")
        ids = log.samples(split).sample_id.tolist()
        where = [ids.index(number) for number in images.sample_id.tolist()]
        np.testing.assert_array_equal(result.values["prediction"], logged[epochs == epoch][0][where])
    assert results["train"].config["radii"] == [0.1, 0.3, 1, 2]
    assert results["train"].config["precision"] == "float32"
    assert results["train"].versions["packages"]["torch"] == torch.__version__


def test_groups_and_their_intervals(trained_run):
    result = next(probe_run(trained_run, configure(radius=(1, 3)), Plan(splits=["train"], n=0), most=0))
    samples, log = trained_run.sample_log().samples("train"), trained_run.sample_log()
    place = [samples.sample_id.tolist().index(number) for number in result.sample_id.tolist()]
    cause = samples.cause[place]
    masks = {"all": cause != "", "clean": cause == "clean", "corrupted": cause != "clean"}
    masks |= {name: cause == name for name in ("label", "image", "label+image")}
    for gate in ("b2", "b3"):
        epochs, routed = log.values("train", "routed", gate)
        through = routed[epochs == 3][0][place]
        masks |= {f"routed ({gate})": through, f"skipped ({gate})": ~through}
    groups = {group.name: group for group in critical_groups(trained_run, log, result)}
    assert set(groups) == {name for name, mask in masks.items() if mask.any()}
    for name, group in groups.items():
        mask = masks[name]
        assert group.n == mask.sum()
        for row, estimate in zip(result.values["critical"], group.ratios, strict=True):
            low, high = wilson(row[mask].sum(), mask.sum())
            assert (estimate.value, estimate.low, estimate.high) == (row[mask].mean(), low, high)
        assert group.median == np.median(result.values["critical_radius"][mask])


@pytest.mark.slow
def test_later_calls_add_and_replace(trained_run, capsys):
    val = ("csr", trained_run.path, "--splits", "val", "--neighbours", "2")
    probe(*val, "--every", "2", "--checkpoints", "last")
    probe(*val, "--checkpoints", "last", "3", "1", "--method", "lass", "--n", "10", "--steps", "4")
    capsys.readouterr()
    keys = [result.key for result in load_results(trained_run, "csr")]
    assert keys == [
        ("val", 1, "lass"), ("val", 2, "first-order"), ("val", 3, "first-order"), ("val", 3, "lass"),
    ]  # fmt: skip
    probe(*val, "--n", "5")
    results = {result.key: result for result in load_results(trained_run, "csr")}
    assert sorted(results) == sorted(keys)
    assert len(results["val", 3, "first-order"].sample_id) == 5
    assert len(results["val", 2, "first-order"].sample_id) == 32
    nested = results["val", 3, "first-order"].sample_id
    assert set(nested) <= set(results["val", 1, "lass"].sample_id), "the smaller subset lies in the larger"


def test_a_corrupted_copy_is_probed_on_the_samples_of_its_original(trained_run):
    inputs = inputs_of(trained_run)
    np.testing.assert_array_equal(probed_rows(inputs, "test", 20), probed_rows(inputs, "test_corrupted", 20))
    np.testing.assert_array_equal(probed_rows(inputs, "test", 0), np.arange(60))


@pytest.mark.slow
def test_labels_play_no_part(trained_run, monkeypatch):
    def probed():
        return next(probe_run(trained_run, configure("lass", 1), Plan(splits=["train"], n=40), most=0))

    expected = probed()
    inputs = inputs_of(trained_run)
    train = inputs.corrupted["train"]
    turned = train.images.with_content(train.images.images, np.roll(train.images.labels, 7))
    other = replace(inputs, corrupted={**inputs.corrupted, "train": CorruptedSplit(turned, train.manifest)})
    monkeypatch.setattr(checkpoints, "inputs_of", lambda _: other)
    for name, values in probed().values.items():
        np.testing.assert_array_equal(values, expected.values[name])


@pytest.mark.slow
def test_interrupted_in_the_middle_keeps_what_is_finished(trained_run, interrupt, capsys):
    interrupt(csr_run, "find_critical", 2)
    with pytest.raises(SystemExit, match="130"):
        probe("csr", trained_run.path, "--checkpoints", "1", "2", "--splits", "val", *FEW)
    assert [result.key for result in load_results(trained_run, "csr")] == [("val", 1, "first-order")]
    assert "Stopped: val of epoch 1 finished and kept in" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.usefixtures("log_without_last_epoch")
def test_an_epoch_that_the_log_lacks_has_no_routes(trained_run, capsys):
    probe("csr", trained_run.path, "--splits", "train", *FEW)
    printed = capsys.readouterr().out
    assert "The log has no whole epoch 3: which samples were routed in it is not known." in printed
    assert "routed (" not in printed


@pytest.mark.slow
def test_a_run_without_gate_and_without_noise(plain_run, capsys):
    probe("csr", plain_run.path, "--method", "fgsm", "--radius", "0", "2")
    printed = capsys.readouterr().out
    rows = [line.split() for line in printed.splitlines()]
    assert [row[:2] for row in rows if row[:1] == ["all"]] == [["all", "60"], ["all", "20"]]
    assert "clean " not in printed
    assert "median rho" not in printed
    assert "0.0% [0.0, 6.0]" in printed


WRONG = [
    (["csr", "nothing"], "nothing is no run"),
    (
        ["csr", "RUN", "--checkpoints", "last", "9"],
        "has no checkpoint '9': it has best, epoch_001, epoch_002",
    ),
    (["csr", "RUN", "--every", "5"], "keeps no checkpoint whose epoch 5 divides: it keeps 1, 2, 3"),
    (["csr", "RUN", "--every", "0"], "every 0 is no distance between epochs"),
    (
        ["csr", "RUN", "--splits", "train", "dev"],
        "has no split 'dev': it has train, val, test, test_corrupted",
    ),
    (["csr", "RUN", "--radius", "-1"], "radius -1 is no distance"),
    (["csr", "RUN", "--method", "deepfool"], "invalid choice 'deepfool'"),
    (["csr", "RUN", "--steps", "4"], "steps 4 does not go with first-order"),
    (["csr", "RUN", "--n", "-1"], "n -1 is no number of samples"),
    (["csr", "RUN", "--batch-size", "0"], "batch_size 0 holds no image"),
    (["show", "RUN"], "has no probe results yet: memgate probe csr"),
    (["show", "nothing"], "nothing is no run"),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "sentence"), WRONG, ids=[" ".join(arguments) for arguments, _ in WRONG]
)
def test_what_is_wrong_is_said(trained, one_sentence, arguments, sentence):
    arguments = [str(trained) if text == "RUN" else text for text in arguments]
    assert sentence in one_sentence("probe", *arguments)
    assert not (trained / "probes" / "csr.h5").exists()


def test_damaged_results_are_noticed_before_anything_is_computed(trained_run, monkeypatch):
    (trained_run.path / "probes").mkdir()
    (trained_run.path / "probes" / "csr.h5").write_text("nothing")
    monkeypatch.setattr(checkpoints, "inputs_of", lambda _: pytest.fail("too late"))
    with pytest.raises(MemgateError, match=r"csr.h5 is damaged .*: remove it, and probe again"):
        probe("csr", trained_run.path)


@pytest.mark.slow
def test_a_damaged_checkpoint_keeps_what_was_found_before(trained_run, capsys):
    (trained_run.path / "checkpoints" / "epoch_002.pt").write_bytes(b"nothing")
    with pytest.raises(MemgateError, match=r"epoch_002.pt is damaged \(it is no archive"):
        probe("csr", trained_run.path, "--every", "1", "--splits", "val", *FEW)
    assert [result.epoch for result in load_results(trained_run, "csr")] == [1]


def test_the_counter_counts(monkeypatch):
    with console.counter(3, "x") as finished:
        finished(2)
        finished(1)


@pytest.mark.slow
def test_a_damaged_file_does_not_hide_the_other_probes(trained_run, capsys):
    probe("csr", trained_run.path, "--splits", "test", *FEW)
    (trained_run.path / "probes" / "difficulty.h5").write_text("nothing")
    capsys.readouterr()
    with pytest.raises(SystemExit) as caught:
        probe("show", trained_run.path)
    printed = capsys.readouterr()
    assert caught.value.code == 2
    assert "one: csr by first-order, test" in printed.out
    assert "difficulty.h5 is damaged" in printed.err
    assert printed.err.count("\n") == 1
    (trained_run.path / "probes" / "csr.h5").write_text("nothing")
    with pytest.raises(SystemExit):
        probe("show", trained_run.path)
    assert "no probe results yet" not in capsys.readouterr().err
