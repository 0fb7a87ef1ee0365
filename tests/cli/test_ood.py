"""memgate probe ood: a small real run through the command line, what is stored, and one sentence for what is wrong."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import roc_auc_score

from app.cli import main
from memgate.errors import MemgateError
from memgate.runs.inputs import inputs_of
from memgate.training.evaluate import load_network, pixel_network
from probes.network import checkpoints
from probes.network.checkpoints import probed_rows
from probes.network.features import features
from probes.network.layers import PENULTIMATE, trunk_of
from probes.network.plan import Plan
from probes.ood import run as ood_run
from probes.ood.config import OodConfig
from probes.ood.detectors import LOGIT_DETECTORS, detector_titles, knn_distance
from probes.ood.run import probe_run
from probes.ood.sets import parse_sets, read_set
from probes.ood.table import to_terminal
from probes.result import load_results


def probe(*arguments):
    main.parse(["probe", *map(str, arguments)]).run()


@pytest.fixture
def sets(tmp_path):
    """Two sets: noise in an .npz of the run's size, and a folder of larger stripes."""
    rng = np.random.default_rng(5)
    np.savez(tmp_path / "noise.npz", images=rng.integers(0, 256, (30, 8, 8, 3), np.uint8))
    (tmp_path / "stripes").mkdir()
    for number in range(12):
        picture = np.zeros((20, 20, 3), np.uint8)
        picture[:: number % 3 + 2] = 20 * number + 20
        Image.fromarray(picture).save(tmp_path / "stripes" / f"{number:02d}.png")
    return {"noise": tmp_path / "noise.npz", "stripes": tmp_path / "stripes"}


def pairs(sets):
    return [f"{name}={path}" for name, path in sets.items()]


def stored(run):
    return {(result.split, result.epoch): result for result in load_results(run, "ood")}


def of_variant(shown, k):
    """The tables of ``probe show`` that are of epoch 3 and of this k."""
    (result,) = (
        part for part in shown.split("one: ood, ") if part.startswith("epoch 3") and f"k-NN: k = {k} " in part
    )
    return result.partition("OpenOOD's convention")[0].strip()


@pytest.mark.slow
def test_the_whole_way_through_the_command_line(trained_run, sets, printed):
    done = printed("probe", "ood", trained_run.path, "--ood", *pairs(sets), "--near", "noise", "--k", "5")
    assert (
        "one: ood, epoch 3 (last), 60 of 60 test samples are in-distribution; k-NN: k = 5 among 128 training samples"
    ) in done
    assert f"noise (near, its only set): 30 images, 8 × 8, arrays of {sets['noise']}\n\n" in done
    assert (
        f"stripes (in no group): 12 images, various, picture files of {sets['stripes']}\n"
        "OpenOOD has no groups for digits: --near stripes or --far stripes puts it into a group.\n"
    ) in done
    for text in (
        "AUROC",
        "AUPR in",
        "AUPR out",
        "FPR95",
        "gate entropy H (b2)",
        "gate's MSP (b3)",
        "k-NN distance",
    ):
        assert text in done
    assert printed("probe", "show", trained_run.path).strip() == done.partition("\nStored in")[0]


@pytest.mark.slow
def test_the_scores_are_those_of_the_network(trained_run, sets, capsys):
    probe(
        "ood",
        trained_run.path,
        "--ood",
        *pairs(sets),
        "--k",
        "7",
        "--support",
        "50",
        "--n",
        "20",
        "--batch-size",
        "7",
        "--far",
        "noise",
        "stripes",
    )
    printed = capsys.readouterr().out
    inputs, table = inputs_of(trained_run), stored(trained_run)
    assert set(table) == {("test", 3), ("ood-noise", 3), ("ood-stripes", 3)}
    network = pixel_network(load_network(trained_run, "last", torch.device("cpu"))[0], inputs)
    network.eval()
    support = inputs.train.images[probed_rows(inputs, "train", 50)]
    near = features(network, torch.from_numpy(support).permute(0, 3, 1, 2), [PENULTIMATE])[PENULTIMATE]
    names = parse_sets(pairs(sets), "digits")
    images = {f"ood-{one.name}": read_set(one, 8, 20) for one in names}
    for (split, _), result in table.items():
        if split == "test":
            own = inputs.image_set("test").subset(probed_rows(inputs, "test", 20))
            pixels, rows = own.images, own.sample_id
        else:
            pixels, rows = images[split].images, images[split].rows
        np.testing.assert_array_equal(result.sample_id, rows)
        pixels = torch.from_numpy(pixels).permute(0, 3, 1, 2)
        with torch.no_grad():
            forward = network.network(network.normalised(pixels / 255))
        expected = {name: score(forward.logits) for name, score in LOGIT_DETECTORS.items()}
        expected["knn"] = knn_distance(features(network, pixels, [PENULTIMATE])[PENULTIMATE], near, 7)
        for gate in forward.gates:
            expected[f"gate_{gate.name}_entropy"] = gate.entropy.numpy()
            expected[f"gate_{gate.name}_value"] = gate.value.numpy()
            expected[f"gate_{gate.name}_msp"] = LOGIT_DETECTORS["msp"](gate.logits)
        assert list(result.values) == list(detector_titles(("b2", "b3")))
        for name, score in expected.items():
            np.testing.assert_allclose(result.values[name], score, rtol=1e-4, atol=1e-5)
    settings = table["test", 3].config["detectors"]
    assert (settings["n"], settings["k"], settings["support"]) == (20, 7, 50)
    assert table["ood-noise", 3].config["set"]["digest"] == images["ood-noise"].facts.digest
    assert "noise (far): 20 of 30 images" in printed
    assert "stripes (far): 12 images" in printed
    assert "far: mean of noise, stripes\n" in printed
    score = [table[split, 3].values["energy"] for split in ("test", "ood-noise")]
    area = roc_auc_score(np.repeat([0, 1], [20, 20]), np.concatenate(score))
    first = next(line for line in printed.splitlines() if line.startswith("energy"))
    assert f" {area:.3f} [" in first


@pytest.mark.slow
def test_checkpoints_and_sets_are_added_and_replaced(trained_run, sets, capsys):
    only = f"noise={sets['noise']}"
    probe("ood", trained_run.path, "--ood", only, "--k", "5", "--every", "2")
    probe("ood", trained_run.path, "--ood", *pairs(sets), "--k", "5", "--checkpoints", "1", "last")
    before = stored(trained_run)
    assert set(before) == {
        ("test", 1), ("ood-noise", 1), ("ood-stripes", 1), ("test", 2), ("ood-noise", 2),
        ("test", 3), ("ood-noise", 3), ("ood-stripes", 3),
    }  # fmt: skip
    capsys.readouterr()
    probe("show", trained_run.path)
    earlier = of_variant(capsys.readouterr().out, 5)
    assert "stripes (" in earlier
    probe("ood", trained_run.path, "--ood", only, "--k", "6", "--n", "11")
    printed = capsys.readouterr().out
    assert "stripes" not in printed
    assert "11 of 60 test samples are in-distribution; k-NN: k = 6 among 128" in printed
    probe("show", trained_run.path)
    shown = capsys.readouterr().out
    assert re.findall(r"one: ood, epoch (\d) \((\w+)\)", shown) == [
        ("1", "epoch_001"), ("2", "epoch_002"), ("3", "last"), ("3", "last"),
    ]  # fmt: skip
    assert of_variant(shown, 5) == earlier, "another k and n changed what was there"
    assert "Left out" not in shown
    assert "stay until the run's probes/ood.h5 is deleted" in shown


@pytest.mark.slow
def test_the_test_split_is_not_asked_again_for_one_more_set(trained_run, sets, monkeypatch, capsys):
    calls, original = [], ood_run.outputs_of

    def counted(network, pixels, **options):
        calls.append(len(pixels))
        return original(network, pixels, **options)

    monkeypatch.setattr(ood_run, "outputs_of", counted)
    probe("ood", trained_run.path, "--ood", f"noise={sets['noise']}", "--k", "5")
    probe("ood", trained_run.path, "--ood", f"stripes={sets['stripes']}", "--k", "5")
    assert calls == [60, 30, 12]
    probe("ood", trained_run.path, "--ood", f"stripes={sets['stripes']}", "--k", "4")
    assert calls == [60, 30, 12, 60, 12]


@pytest.mark.slow
def test_sets_of_another_network_of_the_epoch_are_left_out(trained_run, sets, monkeypatch, capsys):
    probe("ood", trained_run.path, "--ood", f"noise={sets['noise']}", "--k", "5")
    original = checkpoints.load_network

    def retrained(*arguments):
        model, epoch = original(*arguments)
        trunk_of(model).head.bias.data.add_(torch.arange(10.0))
        return model, epoch

    monkeypatch.setattr(checkpoints, "load_network", retrained)
    probe("ood", trained_run.path, "--ood", f"stripes={sets['stripes']}", "--k", "5")
    capsys.readouterr()
    probe("show", trained_run.path)
    shown = capsys.readouterr().out
    assert (
        "Left out, because another network of this epoch scored them than the test samples: noise." in shown
    )
    assert "noise (" not in shown


@pytest.mark.slow
def test_a_group_counts_only_its_sets_and_each_once(trained_run, sets, capsys):
    np.savez(sets["noise"].parent / "copy.npz", images=np.load(sets["noise"])["images"])
    other = np.random.default_rng(6).integers(0, 99, (9, 8, 8, 3)).astype(np.uint8)
    np.savez(sets["noise"].parent / "other.npz", images=other)
    more = {**sets, "copy": sets["noise"].parent / "copy.npz", "other": sets["noise"].parent / "other.npz"}
    probe("ood", trained_run.path, "--ood", *pairs(more), "--k", "5", "--far", "noise", "copy", "other")
    printed = capsys.readouterr().out
    assert "far: mean of noise, other\n" in printed
    assert "stripes (in no group)" in printed
    assert "The same images as noise: no group's mean counts them again." in printed


@pytest.mark.slow
def test_a_single_image_has_figures(trained_run, tmp_path, capsys):
    np.savez(tmp_path / "one.npz", images=np.zeros((1, 8, 8, 3), np.uint8))
    probe("ood", trained_run.path, "--ood", f"one={tmp_path / 'one.npz'}", "--k", "5")
    (row,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("energy"))
    assert re.fullmatch(r"energy( +\d\.\d{3}){3} +\d+\.\d%", row.strip())


@pytest.mark.slow
def test_a_run_without_gates_and_both_probes_side_by_side(plain_run, sets, capsys):
    path = plain_run.path
    probe("ood", path, "--ood", f"noise={sets['noise']}")
    probe("csr", path, "--splits", "test")
    capsys.readouterr()
    probe("show", path)
    printed = capsys.readouterr().out
    assert "k-NN distance" in printed
    assert "gate value" not in printed
    assert "plain: csr by first-order, test" in printed
    assert "among 60 training samples" in printed


@pytest.mark.slow
def test_interrupted_in_the_middle_keeps_what_is_finished(trained_run, sets, interrupt, capsys):
    interrupt(ood_run, "outputs_of", 3)
    with pytest.raises(SystemExit, match="130"):
        probe("ood", trained_run.path, "--ood", *pairs(sets), "--k", "5")
    assert set(stored(trained_run)) == {("test", 3), ("ood-noise", 3)}
    assert "Stopped: test of epoch 3, ood-noise of epoch 3 finished and kept in" in capsys.readouterr().err
    probe("show", trained_run.path)
    assert "noise (in no group)" in capsys.readouterr().out


@pytest.mark.slow
def test_images_that_are_not_foreign_are_said(trained_run, tmp_path, capsys):
    inputs = inputs_of(trained_run)
    images = np.concatenate([inputs.train.images[:3], inputs.image_set("test").images[:2]])
    np.savez(tmp_path / "own.npz", images=images)
    probe("ood", trained_run.path, "--ood", f"own={tmp_path / 'own.npz'}", "--k", "1")
    printed = capsys.readouterr().out
    assert "Not foreign: 3 of these images, which the training split has too." in printed
    assert "Not foreign: 2 of these images, which the test split has too." in printed
    # The nearest neighbour of a training image is the image itself.
    (result,) = (table for table in load_results(trained_run, "ood") if table.split == "ood-own")
    np.testing.assert_allclose(result.values["knn"][:3], 0, atol=1e-3)


@pytest.mark.slow
def test_open_set_noise_of_the_same_source_is_said(trained_run, sets, capsys):
    plan, names = Plan(splits=("test",), n=0), parse_sets([f"noise={sets['noise']}"], "digits")
    results = list(probe_run(trained_run, OodConfig(k=5), [read_set(names[0], 8)], plan))
    changed = replace(results[1], config={**results[1].config, "open_set": 9, "open_set_file": 8})
    (text,) = to_terminal(trained_run, trained_run.sample_log(), [results[0], changed])
    assert "Not unseen: the network was trained on 8 images of the same file (open-set noise)." in text
    assert "Perhaps not unseen: the network was trained on 9 images of a source with this name" in text
    (text,) = to_terminal(trained_run, trained_run.sample_log(), results)
    assert "ot unseen" not in text


WRONG = [
    (["RUN"], "--ood names no set: give NAME=PATH each"),
    (["nothing", "--ood", "a=HERE"], "nothing is no run"),
    (["RUN", "--ood", "HERE"], "is no NAME=PATH"),
    (["RUN", "--ood", "a=HERE", "a=HERE"], "names 'a' twice"),
    (["RUN", "--ood", "a=HERE", "--ood", "b=HERE"], "--ood is given twice"),
    (["RUN", "--ood", "a=HERE/b"], "there is no"),
    (["RUN", "--ood", "a=HERE", "--near", "b"], "--near 'b' is none of the sets"),
    (["RUN", "--ood", "a=HERE"], "holds no JPEG"),
    (["RUN", "--ood", "svhn=HERE"], "no cache svhn.npz and no sound official files train_32x32.mat"),
    (["RUN", "--ood", "a=HERE/text.npz"], "text.npz is damaged, truncated or not an .npz file"),
    (["RUN", "--ood", "a=HERE/floats.npz"], "are float64[2, 8, 8, 3] and must be uint8"),
    (["RUN", "--ood", "a=HERE/good.npz", "--k", "0"], "k 0 is no neighbour"),
    (["RUN", "--ood", "a=HERE/good.npz", "--k", "129"], "k 129 is more than the 128 training samples to look among"),
    (["RUN", "--ood", "a=HERE/good.npz", "--support", "9"], "k 50 is more than the 9 training samples"),
    (["RUN", "--ood", "a=HERE/good.npz", "--support", "-1"], "support -1 is no number of samples"),
    (["RUN", "--ood", "a=HERE/good.npz", "--n", "-1"], "n -1 is no number of samples"),
    (["RUN", "--ood", "a=HERE/good.npz", "--batch-size", "0"], "batch_size 0 holds no image"),
    (["RUN", "--ood", "a=HERE/good.npz", "--checkpoints", "9"], "has no checkpoint '9'"),
    (["RUN", "--ood", "a=HERE/good.npz", "--splits", "train"], "--splits"),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "sentence"), WRONG, ids=[" ".join(arguments) for arguments, _ in WRONG]
)
def test_what_is_wrong_is_said(trained, tmp_path, one_sentence, arguments, sentence):
    np.savez(tmp_path / "good.npz", images=np.arange(384, dtype=np.uint8).reshape(2, 8, 8, 3))
    np.savez(tmp_path / "floats.npz", images=np.zeros((2, 8, 8, 3)))
    (tmp_path / "text.npz").write_text("nothing")
    arguments = [str(trained) if text == "RUN" else text.replace("HERE", str(tmp_path)) for text in arguments]
    assert sentence in one_sentence("probe", "ood", *arguments)
    assert not (trained / "probes" / "ood.h5").exists()


def test_a_network_that_diverged_is_said(trained_run, sets, monkeypatch):
    original = checkpoints.load_network

    def diverged(*arguments):
        model, epoch = original(*arguments)
        trunk_of(model).head.bias.data.fill_(float("nan"))
        return model, epoch

    monkeypatch.setattr(checkpoints, "load_network", diverged)
    with pytest.raises(MemgateError, match="its training has diverged"):
        probe("ood", trained_run.path, "--ood", *pairs(sets))
