"""The authors' training curves: names of runs, units of the losses, and the import as runs."""

import gzip

import numpy as np
import pytest

import memgate.papers.import_curves
from memgate.errors import MemgateError
from memgate.papers.author_curves import load_curves, parse_name, per_sample
from memgate.papers.import_curves import import_curves
from memgate.runs.run import list_runs
from probes.report.report import report

COLUMNS = (
    "run,epoch,train_accuracy,val_accuracy,test_accuracy,train_loss_cls,val_loss_cls,test_loss_cls,"
    "train_loss_gatecel,val_loss_gatecel,test_loss_gatecel,lr,gate_lr"
)
NAMES = (
    "vc10_resnet_gate_classifier110_4770_scratch_it1g-2cm-1",
    "vc100_resnet_gate_classifier164_4770_bi_it3g-3m-1",
)


def write(path, names=NAMES, columns=COLUMNS, cell="50.5", epochs=(1, 2, 3, 4, 5)):
    lines = [columns]
    for name in names:
        for epoch, lr in zip(epochs, (0.01, 0.1, 0.1, 0.01, 0.001), strict=True):
            lines.append(f"{name},{epoch},{cell},40,42,0.01,0.011,0.012,0.013,0.014,0.015,{lr},0.01")
    text = ("\n".join(lines) + "\n").encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


def test_settings_of_a_name_in_the_long_form():
    settings = parse_name("vc100_resnet_gate_classifier164_4770_bi_it3g-3m-1")
    assert (settings.dataset, settings.depth, settings.block) == ("cifar100", 164, "bottleneck")
    assert (settings.drops, settings.init, settings.gate_iters) == ((47_000, 70_000), "baseline", 3)
    assert (settings.lr, settings.gate_lr, settings.gate_lr_schedule) == (0.1, 0.001, "step50")
    assert (settings.lr_decay, settings.val_fraction) == (0.1, 0.1)
    thirds = parse_name("vc10_resnet_gate_classifier110_4770_scratch_it1g-2cm-1_lr1by347last")
    assert (thirds.lr_decay, thirds.gate_lr_schedule, thirds.init) == (1 / 3, "constant", "scratch")


def test_settings_of_a_name_in_the_short_form_include_the_validation_share():
    settings = parse_name("c10_resnet_gate_classifier110_scit1g-2cm-1_3248_5e-1")
    assert (settings.init, settings.drops, settings.val_fraction) == ("scratch", (32_000, 48_000), 0.5)
    assert parse_name("c10_resnet_gate_classifier110_scit1g-2cm-1_4770_1e-3").val_fraction == 0.001


@pytest.mark.parametrize(
    "name",
    [
        "vc10_resnet_gate_classifier110_it1g-2cm-1",
        "vc10_resnet_gate_classifier56_4770_bi_it1g-2cm-1",
        "vc10_resnet_gate_classifier110_4770_bi_it1g-2cm-1_4",
        "quickstart",
    ],
)
def test_a_name_of_another_form_raises(name):
    with pytest.raises(MemgateError, match="is not a run name of the authors"):
        parse_name(name)


@pytest.mark.parametrize(
    ("split", "fraction", "samples"),
    [("train", 0.1, 45_000), ("val", 0.1, 5000), ("test", 0.1, 10_000), ("val", 0.001, 50)],
)
def test_per_sample_turns_losses_into_means_per_sample(split, fraction, samples):
    # The authors' scripts print the sum of the batches' means divided by the number of samples.
    losses = np.full(samples, 1.7)
    theirs = sum(losses[start : start + 128].mean() for start in range(0, samples, 128)) / samples
    assert theirs * per_sample(split, fraction) == pytest.approx(1.7)


@pytest.mark.parametrize("file", ["curves.csv", "curves.csv.gz"])
def test_curves_are_read(tmp_path, file):
    curves = load_curves(write(tmp_path / file))
    assert list(curves) == list(NAMES)
    curve = curves[NAMES[0]]
    assert curve.epoch.tolist() == [1, 2, 3, 4, 5]
    assert curve.accuracy["train"][0] == 0.505
    assert curve.loss["test"][0] == pytest.approx(0.012 * 10_000 / 79)
    assert curve.gate_loss["val"][0] == pytest.approx(0.014 * 5000 / 40)
    assert curve.milestones == (3, 4)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"names": ("run",)}, "'run' is not a run name"),
        ({"columns": COLUMNS.replace("gate_lr", "other")}, "it has no column gate_lr"),
        ({"cell": "much"}, "has a value that is not a number"),
        ({"names": (NAMES[0], NAMES[0])}, "the epochs of .* do not increase"),
        ({"names": ()}, "it has no column run"),
        ({"cell": "nan"}, "has train_accuracy nan, which is out of range"),
        ({"cell": "-3"}, "has train_accuracy -3, which"),
        ({"cell": "100.1"}, "has train_accuracy 100.1, which"),
        ({"epochs": (1, 2.5, 3, 4, 5)}, "the epochs of .* are not whole numbers from 1"),
        ({"epochs": (0, 1, 2, 3, 4)}, "the epochs of .* are not whole numbers from 1"),
    ],
)
def test_a_file_that_is_wrong_raises_and_imports_nothing(tmp_path, changes, sentence):
    with pytest.raises(MemgateError, match=sentence):
        import_curves(write(tmp_path / "c.csv", **changes), "*", tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_a_missing_or_truncated_file_raises(tmp_path):
    with pytest.raises(MemgateError, match="does not exist"):
        load_curves(tmp_path / "none.csv")
    whole = write(tmp_path / "c.csv.gz")
    whole.write_bytes(whole.read_bytes()[:-40])
    with pytest.raises(MemgateError, match="cannot be read"):
        load_curves(whole)


def test_a_file_with_a_byte_order_mark_is_read(tmp_path):
    file = write(tmp_path / "c.csv")
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert list(load_curves(file)) == list(NAMES)


@pytest.mark.parametrize("stop", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_an_interrupted_import_leaves_no_run(tmp_path, monkeypatch, stop):
    rows, made = memgate.papers.import_curves.metrics_rows, []

    def second_fails(curve):
        made.append(curve)
        if len(made) == 2:
            raise stop
        return rows(curve)

    monkeypatch.setattr(memgate.papers.import_curves, "metrics_rows", second_fails)
    with pytest.raises((MemgateError, KeyboardInterrupt)):
        import_curves(write(tmp_path / "c.csv"), "*", tmp_path / "runs")
    assert list((tmp_path / "runs").iterdir()) == []


def test_imported_curves_are_runs_without_a_log(tmp_path):
    made = import_curves(write(tmp_path / "c.csv"), "*scratch*", tmp_path / "runs")
    assert [run.name for run in made] == [NAMES[0]]
    (run,) = list_runs(tmp_path / "runs")
    assert (run.only_curves, run.recorded) == (True, False)
    assert (run.status().state, run.status().epoch) == ("complete", 5)
    outline = run.outline
    assert (outline.data, outline.model, outline.epochs, outline.gates) == (
        "cifar10",
        "entropy-gate-110",
        5,
        (),
    )
    rows = run.metrics()
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4, 5]
    assert rows[0]["test_accuracy"] == 0.42
    assert rows[0]["train_gate_loss"] == pytest.approx(0.013 * 45_000 / 352)
    assert run.settings["gate_lr"] == 0.01
    assert sorted(path.name for path in run.path.iterdir()) == [
        "checkpoints", "config.json", "metrics.csv", "status.json",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "read",
    [
        lambda run: run.sample_log(),
        lambda run: run.config,
        lambda run: run.requested,
        lambda run: run.manifest,
        lambda run: run.manifests,
        lambda run: run.checkpoint("last"),
        report,
    ],
)
def test_an_imported_run_raises_for_what_it_does_not_have(tmp_path, read):
    (run,) = import_curves(write(tmp_path / "c.csv"), NAMES[1], tmp_path / "runs")
    with pytest.raises(
        MemgateError, match=r"is only the curves that were imported from c\.csv: .* no log of samples"
    ):
        read(run)


def test_an_unmatched_pattern_or_an_existing_run_imports_nothing(tmp_path, one_sentence):
    file, out = write(tmp_path / "c.csv"), tmp_path / "runs"
    message = one_sentence("import-curves", file, "--runs", "none*", "--out", out)
    assert "matches none of the 2 runs" in message
    (out / NAMES[1]).mkdir(parents=True)
    assert f"{NAMES[1]} exists already" in one_sentence("import-curves", file, "--out", out)
    assert [path.name for path in out.iterdir()] == [NAMES[1]]


@pytest.mark.shared
def test_the_published_file(shared):
    curves = load_curves(shared / "reference" / "authors_model4_curves.csv.gz")
    assert len(curves) == 55
    known = curves["vc10_resnet_gate_classifier110_4770_scratch_it1g-2cm-1"]
    at = dict(zip(known.epoch.tolist(), known.accuracy["test"], strict=True))
    assert [round(at[epoch], 3) for epoch in (10, 20, 50, 134)] == [0.764, 0.817, 0.863, 0.924]
    assert known.milestones == (133, 200)
    for curve in curves.values():
        # In the first epoch no split is fitted yet: with the right factors, all have about the same loss.
        first = [curve.loss[split][0] for split in ("train", "val", "test")]
        assert max(first) < 1.12 * min(first), curve.name
        assert curve.milestones[1:] or "last" in curve.name


def test_probe_show_of_an_imported_run_says_that_there_is_no_log(tmp_path, one_sentence):
    (run,) = import_curves(write(tmp_path / "c.csv"), NAMES[1], tmp_path / "runs")
    assert "no log of samples" in one_sentence("probe", "show", run.path)
