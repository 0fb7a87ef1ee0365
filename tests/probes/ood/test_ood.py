"""Out-of-distribution: detectors and figures against pytorch-ood and scikit-learn, intervals, one pass, the sets."""

import zlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from pytorch_ood.detector import KNN, EnergyBased, Entropy, MaxLogit, MaxSoftmax
from pytorch_ood.metrics import OODMetrics
from sklearn.metrics import auc, precision_recall_curve, roc_auc_score, roc_curve

from memgate.config.run import GateConfig, ModelConfig
from memgate.data.sources import official
from memgate.errors import MemgateError
from memgate.models import build_model
from memgate.models.pixels import PixelNetwork
from memgate.runs.inputs import inputs_of
from noise.errors import NoiseError
from noise.files.digests import pixels_digest
from noise.images.open_set import fitted
from probes.network.features import features
from probes.network.layers import PENULTIMATE
from probes.network.outputs import outputs_of
from probes.ood import detectors
from probes.ood.detectors import LOGIT_DETECTORS, detector_titles, energy, knn_distance, max_logit, msp
from probes.ood.metrics import ood_figures
from probes.ood.run import Seen
from probes.ood.sets import parse_sets, plain, read_set
from probes.stats.auroc import auroc_interval
from probes.stats.bootstrap import resample_interval

RNG = np.random.default_rng(0)


# Detectors


@pytest.mark.parametrize(
    ("name", "theirs"),
    [("msp", MaxSoftmax), ("max_logit", MaxLogit), ("energy", EnergyBased), ("entropy", Entropy)],
)
def test_scores_of_logits_are_pytorch_oods(name, theirs):
    logits = RNG.normal(0, 3, (500, 10)).astype(np.float32)
    expected = theirs(None).predict_logits(torch.from_numpy(logits)).numpy()
    np.testing.assert_allclose(LOGIT_DETECTORS[name](logits), expected, rtol=1e-5, atol=5e-6)


def test_scores_of_a_confident_network_are_not_tied():
    logits = np.zeros((3, 10), np.float32)
    logits[:, 0] = 20, 22, 24
    assert len(np.unique(torch.from_numpy(logits).softmax(1).amax(1).numpy())) < 3
    for score in LOGIT_DETECTORS.values():
        assert (np.diff(score(logits)) < 0).all()


def test_high_is_out_of_distribution():
    sure, torn = np.eye(10)[:1] * 9, np.ones((1, 10)) * 0.1
    for score in (msp, max_logit, energy, LOGIT_DETECTORS["entropy"]):
        assert score(torn) > score(sure)


@pytest.mark.parametrize("k", [1, 50])
def test_distances_are_pytorch_oods(k):
    support, own = (RNG.normal(1, 2, (n, 16)).astype(np.float32) for n in (120, 70))
    own[0] = 0
    theirs = KNN(None, k=k).fit_features(torch.from_numpy(support), torch.zeros(120, dtype=torch.long))
    expected = theirs.predict_features(torch.from_numpy(own)).numpy()
    np.testing.assert_allclose(knn_distance(own, support, k), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(knn_distance(own * 7, support / 3, k), expected, rtol=1e-5, atol=1e-6)
    unit = [x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12) for x in (own, support)]
    loop = np.sort(np.linalg.norm(unit[0][:, None] - unit[1][None], axis=2), axis=1)[:, k - 1]
    np.testing.assert_allclose(knn_distance(own, support, k), loop, rtol=1e-5, atol=1e-6)


def test_distances_do_not_depend_on_the_portions(monkeypatch):
    support, own = (RNG.normal(1, 2, (n, 8)).astype(np.float32) for n in (60, 25))
    whole, done = knn_distance(own, support, 5), []
    monkeypatch.setattr(detectors, "KNN_ROWS", 10)
    np.testing.assert_allclose(knn_distance(own, support, 5, finished=done.append), whole, rtol=1e-6)
    assert done == [10, 10, 5]


def test_a_title_for_every_gate():
    assert list(detector_titles(())) == ["msp", "max_logit", "energy", "entropy", "knn"]
    assert detector_titles(["b3"])["gate_entropy"] == "gate entropy H (b3)"
    assert detector_titles(["b2", "b3"])["gate_b2_value"] == "gate value g (b2)"


# Figures


def scores(n, shift, seed=0):
    rng = np.random.default_rng([seed, n])
    return {"one": rng.normal(shift, 1, n), "tied": rng.integers(0, 4, n) + np.round(shift)}


def test_figures_are_pytorch_oods_and_groups_are_their_means():
    test_scores, outside = scores(400, 0), {"a": scores(300, 1), "b": scores(90, 0.4), "c": scores(50, 2)}
    result = ood_figures(test_scores, outside, {"far": ["a", "c"]}, resamples=10)
    assert set(result) == {"a", "b", "c", "far"}
    for detector in ("one", "tied"):
        for name, foreign in outside.items():
            score = np.concatenate([test_scores[detector], foreign[detector]])
            label = np.where(np.arange(len(score)) < 400, 0, -1)
            theirs = OODMetrics().update(torch.from_numpy(score), torch.from_numpy(label)).compute()
            ours = result[name][detector]
            assert ours.auroc.value == pytest.approx(theirs["AUROC"], abs=1e-9)
            assert ours.aupr_in.value == pytest.approx(theirs["AUPR-IN"], abs=1e-9)
            assert ours.aupr_out.value == pytest.approx(theirs["AUPR-OUT"], abs=1e-9)
            assert ours.fpr95.value == pytest.approx(theirs["FPR95TPR"], abs=1e-9)
            assert (ours.auroc.low, ours.auroc.high) == auroc_interval(score, label < 0)
            assert ours.fpr95.n == len(score)
        for figure in ("auroc", "aupr_in", "aupr_out", "fpr95"):
            parts = [getattr(result[name][detector], figure).value for name in ("a", "c")]
            assert getattr(result["far"][detector], figure).value == pytest.approx(np.mean(parts))
    assert result["far"]["one"].auroc.n == 400 + 300 + 50


def test_intervals_have_the_variance_of_resampled_figures():
    test_scores, outside = scores(60, 0), {"a": scores(100, 1)}
    result = ood_figures(test_scores, outside, {"near": ["a"]}, resamples=30, seed=3)["near"]["one"]
    # The same draws by hand: rows drawn with repetition, and scikit-learn's curves.
    own, foreign = (np.random.default_rng(key) for key in ([3], [3, zlib.crc32(b"a")]))
    drawn = []
    for _ in range(30):
        score = np.concatenate(
            [test_scores["one"][own.integers(0, 60, 60)], outside["a"]["one"][foreign.integers(0, 100, 100)]]
        )
        label = np.arange(160) >= 60
        fpr, tpr, _ = roc_curve(label, score, drop_intermediate=False)
        areas = []
        for positive, values in ((~label, -score), (label, score)):
            precision, recall, _ = precision_recall_curve(positive, values)
            areas.append(auc(recall, precision))
        drawn.append([roc_auc_score(label, score), *areas, fpr[np.argmax(tpr >= 0.95)]])
    figures = (result.auroc, result.aupr_in, result.aupr_out)
    for figure, column in zip(figures, np.transpose(drawn), strict=False):
        assert figure.value is not None
        ends = resample_interval(figure.value, column, 60)
        assert (figure.low, figure.high) == pytest.approx(ends, abs=1e-12)
    percentiles = np.percentile(np.transpose(drawn)[3], [2.5, 97.5])
    assert (result.fpr95.low, result.fpr95.high) == pytest.approx(tuple(percentiles), abs=1e-12)


def test_few_samples_leave_out_the_intervals_that_would_not_hold():
    result = ood_figures(scores(60, 0), {"a": scores(29, 1)}, {}, resamples=10)["a"]["one"]
    assert result.auroc.low is not None
    assert [figure.low for figure in (result.aupr_in, result.aupr_out, result.fpr95)] == [None] * 3


def test_a_set_without_samples_has_no_figures():
    result = ood_figures(
        scores(60, 0), {"a": scores(0, 1), "b": scores(9, 1)}, {"near": ["a", "b"]}, resamples=3
    )
    for name in ("a", "near"):
        assert {figure.value for figure in vars(result[name]["one"]).values()} == {None}
    assert result["b"]["one"].auroc.value is not None


def test_the_bootstrap_agrees_with_delong():
    test_scores, outside = scores(800, 0), {"a": scores(500, 0.8)}
    result = ood_figures(test_scores, outside, {"group": ["a"]}, resamples=400)
    for detector in test_scores:
        drawn, formula = result["group"][detector].auroc, result["a"][detector].auroc
        assert drawn.value == pytest.approx(formula.value)
        for end in ("low", "high"):
            distance = getattr(formula, end) - formula.value
            assert getattr(drawn, end) - drawn.value == pytest.approx(distance, rel=0.25)


def test_figures_of_a_set_do_not_depend_on_other_sets():
    test_scores, a, b = scores(100, 0), scores(50, 1), scores(70, 2)
    alone = ood_figures(test_scores, {"b": b}, {}, resamples=20)["b"]
    assert ood_figures(test_scores, {"a": a, "b": b}, {"far": ["a", "b"]}, resamples=20)["b"] == alone
    assert ood_figures(test_scores, {"b": b}, {}, resamples=20, seed=1)["b"] != alone


def test_a_single_image_has_no_interval():
    result = ood_figures(scores(50, 0), {"a": scores(1, 1)}, {"far": ["a"]}, resamples=5)
    for figures in (result["a"]["one"], result["far"]["one"]):
        assert figures.auroc.value is not None
        for figure in (figures.auroc, figures.aupr_in, figures.aupr_out, figures.fpr95):
            assert (figure.low, figure.high) == (None, None)


# The network


@pytest.mark.parametrize(
    "config", [ModelConfig(depth=14, gate=GateConfig(blocks="b2,b3")), ModelConfig("resnet", 8)]
)
def test_one_pass_gives_logits_features_and_gates(config):
    model = build_model(config, 10, seed=1).train()
    network = PixelNetwork(model, (0.5, 0.5, 0.5), (0.2, 0.3, 0.2))
    pixels = torch.from_numpy(RNG.integers(0, 256, (11, 3, 16, 16), np.uint8))
    whole, done = outputs_of(network, pixels), []
    assert model.training
    model.eval()
    with torch.no_grad():
        forward = model(network.normalised(pixels / 255))
    read = features(network, pixels, [PENULTIMATE])[PENULTIMATE]
    mixed = np.random.default_rng(1).permutation(11)
    for result, order in (
        (whole, np.arange(11)),
        (outputs_of(network, pixels, batch_size=1), np.arange(11)),
        (outputs_of(network, pixels, batch_size=5, finished=done.append), np.arange(11)),
        (outputs_of(network, pixels[mixed], batch_size=3), mixed),
    ):
        np.testing.assert_allclose(result.logits, forward.logits[order], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(result.features, read[order], rtol=1e-4, atol=1e-5)
        assert list(result.gates) == [gate.name for gate in forward.gates]
        for gate in forward.gates:
            output = result.gates[gate.name]
            assert output.entropy is not None
            assert output.logits is not None
            np.testing.assert_allclose(output.entropy, gate.entropy[order], rtol=1e-4, atol=1e-5)
            np.testing.assert_allclose(output.value, gate.value[order], rtol=1e-4, atol=1e-5)
            np.testing.assert_allclose(output.logits, gate.logits[order], rtol=1e-4, atol=1e-5)
    assert done == [5, 5, 1]
    assert not model._forward_hooks


# The sets


def one_set(path, name="x", data="cifar10", near=()):
    return parse_sets([f"{name}={path}"], data, near)[0]


def test_groups_are_openoods(tmp_path):
    names = ["CIFAR-100", "tiny-imagenet", "SVHN", "places_365", "mine", "other", "third"]
    result = parse_sets([f"{name}={tmp_path}" for name in names], "cifar10", ["other"], ["third"])
    assert [one.group for one in result] == ["near", "near", "far", "far", None, "near", "far"]
    assert one_set(tmp_path, "svhn", near=["svhn"]).group == "near"
    assert (one_set(tmp_path, "cifar100", "digits").group, one_set(tmp_path, "mnist", "digits").group) == (
        None, None,
    )  # fmt: skip


def test_arrays_are_taken_as_they_are_or_resized(tmp_path):
    images = RNG.integers(0, 256, (9, 20, 24, 3), np.uint8)
    np.savez(tmp_path / "a.npz", images=images)
    result = read_set(one_set(tmp_path / "a.npz"), 16)
    expected = [Image.fromarray(image).resize((16, 16), Image.Resampling.BILINEAR) for image in images]
    np.testing.assert_array_equal(result.images, np.stack([np.asarray(image) for image in expected]))
    assert (result.facts.size, result.facts.total, result.facts.part) == ("20 × 24", 9, "arrays")
    assert result.facts.digest == pixels_digest(result.images)
    np.savez(tmp_path / "b.npz", test_images=images[:, :16, :16], train_images=images[:2])
    np.testing.assert_array_equal(read_set(one_set(tmp_path / "b.npz"), 16).images, images[:, :16, :16])
    for grey in (images[..., 0], images[..., :1]):
        np.savez(tmp_path / "c.npz", images=grey)
        result = read_set(one_set(tmp_path / "c.npz"), 16).images
        np.testing.assert_array_equal(result, fitted(grey, (16, 16, 3)))


def test_a_smaller_n_takes_a_subset_of_the_same_images(tmp_path):
    images = RNG.integers(0, 256, (40, 8, 8, 3), np.uint8)
    np.savez(tmp_path / "a.npz", images=images)
    few, more, everything = (read_set(one_set(tmp_path / "a.npz"), 8, n) for n in (5, 12, 100))
    assert set(few.rows) < set(more.rows)
    assert (np.diff(more.rows) > 0).all()
    np.testing.assert_array_equal(few.images, images[few.rows])
    np.testing.assert_array_equal(everything.rows, np.arange(40))
    assert few.facts.total == 40


def test_a_folder_of_pictures(tmp_path):
    images = [RNG.integers(0, 256, (12 + i, 20, 3), np.uint8) for i in range(4)]
    for place, image in zip(["b.png", "a.png", "z/c.png", "k/d.png"], images, strict=True):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        Image.fromarray(image).save(tmp_path / place)
    (tmp_path / ".hidden").mkdir()
    Image.fromarray(images[0]).save(tmp_path / ".hidden" / "e.png")
    (tmp_path / "notes.txt").write_text("no picture")
    result = read_set(one_set(tmp_path, "svhn"), 8)  # the name of a data set, but these are pictures
    order = [images[1], images[0], images[3], images[2]]
    expected = [
        np.asarray(Image.fromarray(image).resize((8, 8), Image.Resampling.BILINEAR)) for image in order
    ]
    np.testing.assert_array_equal(result.images, np.stack(expected))
    assert (result.facts.size, result.facts.part, result.facts.total) == ("various", "picture files", 4)


def test_a_set_of_every_ending_and_depth_is_measured_whole(tmp_path):
    image = RNG.integers(1, 256, (9, 9, 3), np.uint8)
    endings = ("JPEG", "webp", "bmp", "tif", "gif")
    for number in range(45):
        folder = tmp_path / f"{number % 3}" / "deeper" / f"{number % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{number:02d}.{endings[number % 5]}")
    (tmp_path / "readme.txt").write_text("no picture")
    Image.new("RGB", (9, 9)).save(tmp_path / "0" / "black.png")
    result = read_set(one_set(tmp_path), 8)
    assert result.facts.total == len(result.images) == 46
    left_out, black = result.notes
    assert left_out.startswith(f"--ood x: {tmp_path}: pictures read: 46, left out: 1. No JPEG")
    assert "1 of the 46 images have one colour only (1 of them black; ids 0)" in black


def test_a_folder_of_several_data_sets_gives_the_one_that_is_named(tmp_path):
    (tmp_path / "textures" / "images").mkdir(parents=True)
    Image.new("RGB", (9, 9), "red").save(tmp_path / "textures" / "images" / "a.png")
    images = RNG.integers(0, 256, (4, 32, 32, 3), np.uint8)
    arrays = {f"{split}_images": images for split in ("train", "test")}
    arrays |= {f"{split}_labels": np.arange(4) for split in ("train", "test")}
    np.savez(tmp_path / "svhn.npz", **arrays)  # pyright: ignore[reportArgumentType]
    np.testing.assert_array_equal(read_set(one_set(tmp_path, "SVHN"), 32).images, images)
    assert read_set(one_set(tmp_path, "textures"), 8).facts.total == 1


def test_the_test_images_of_a_data_set_are_taken(tmp_path):
    arrays = {"train_images": RNG.integers(0, 256, (6, 32, 32, 3), np.uint8), "train_labels": np.arange(6)}
    arrays |= {"test_images": RNG.integers(0, 256, (4, 32, 32, 3), np.uint8), "test_labels": np.arange(4)}
    np.savez(tmp_path / "svhn.npz", **arrays)
    result = read_set(one_set(tmp_path, "svhn"), 32)
    np.testing.assert_array_equal(result.images, arrays["test_images"])
    assert (result.facts.part, result.source) == ("test images", "svhn")


@pytest.mark.parametrize("name", ["svhn", "SVHN", "CIFAR-100"])
def test_nothing_is_downloaded_and_nothing_written(tmp_path, monkeypatch, name):
    tried = []

    def torchvisions(name, root, split, download):
        tried.append(download)
        raise RuntimeError("not found or corrupted")

    monkeypatch.setattr(official, "_torchvision", torchvisions)
    with pytest.raises(MemgateError) as caught:
        read_set(one_set(tmp_path, name), 32)
    assert tried == [False]
    sentence = str(caught.value)
    assert sentence.startswith(
        f"--ood {name}: {tmp_path} holds no picture, no cache {plain(name)}.npz and no sound"
    )
    assert "--data" not in sentence
    images = RNG.integers(0, 256, (3, 32, 32, 3), np.uint8)
    monkeypatch.setattr(official, "_torchvision", lambda *_, download: (images, [0, 1, 2]))
    np.testing.assert_array_equal(read_set(one_set(tmp_path, name), 32).images, images)
    assert not list(tmp_path.iterdir())


def test_an_array_without_a_name_is_refused(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((2, 8, 8, 3), np.uint8))
    with pytest.raises(
        MemgateError, match=r"x.npy is an array without a name: save it with np.savez\('x.npz'"
    ):
        read_set(one_set(tmp_path / "x.npy"), 8)


def test_the_name_of_a_set_does_not_change_the_choice_of_images(tmp_path):
    np.savez(tmp_path / "a.npz", images=RNG.integers(0, 256, (40, 8, 8, 3), np.uint8))
    one, two = (read_set(one_set(tmp_path / "a.npz", name), 8, 9) for name in ("x", "y"))
    assert one.facts.digest == two.facts.digest


def test_one_set_cannot_be_near_and_far(tmp_path):
    with pytest.raises(MemgateError, match="--near and --far both name 'a'"):
        parse_sets([f"a={tmp_path}"], "digits", ["a"], ["a"])
    with pytest.raises(MemgateError, match="--far 'b' is none of the sets: a"):
        parse_sets([f"a={tmp_path}"], "digits", [], ["b"])


@pytest.mark.parametrize(
    ("texts", "near", "sentence"),
    [
        ([], [], "--ood names no set: give NAME=PATH"),
        (["svhn"], [], "'svhn' is no NAME=PATH"),
        (["=HERE"], [], "is no NAME=PATH"),
        (["a/b=HERE"], [], "is no NAME=PATH"),
        (["a="], [], "is no NAME=PATH"),
        (["a=HERE", "a=HERE"], [], "names 'a' twice"),
        (["near=HERE"], [], "names a set 'near', as a group is called"),
        (["a=HERE/nothing.npz"], [], "--ood a: there is no .*nothing.npz: check the path"),
        (["a=HERE"], ["b"], "--near 'b' is none of the sets: a"),
    ],
)
def test_texts_that_name_no_set_are_refused(tmp_path, texts, near, sentence):
    with pytest.raises(MemgateError, match=sentence):
        parse_sets([text.replace("HERE", str(tmp_path)) for text in texts], "cifar10", near)


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"pictures": np.zeros((2, 8, 8, 3), np.uint8)}, "holds no array 'images' or 'test_images'"),
        ({"images": np.zeros((2, 8, 8, 3), np.float32)}, "are float32.* and must be uint8"),
        ({"images": np.zeros((0, 8, 8, 3), np.uint8)}, "must be uint8"),
        ({"images": np.zeros((8, 8, 3), np.uint8)}, r"shape \[8, 8, 3\] are no pictures"),
        ({"images": np.zeros((2, 8, 8, 4), np.uint8)}, r"shape \[2, 8, 8, 4\] are no pictures"),
        ({"images": np.array([None])}, "is damaged, truncated or not an .npz file"),
    ],
)
def test_files_without_images_are_refused(tmp_path, arrays, sentence):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises((MemgateError, NoiseError), match=sentence):
        read_set(one_set(tmp_path / "a.npz"), 8)


def test_a_folder_without_pictures_is_refused(tmp_path):
    with pytest.raises(
        MemgateError, match=r"holds no JPEG, PNG.* picture, neither itself nor in its folders"
    ):
        read_set(one_set(tmp_path), 8)
    (tmp_path / "a.png").write_text("nothing")
    with pytest.raises(MemgateError, match=r"a.png cannot be read as an image"):
        read_set(one_set(tmp_path), 8)


def test_images_that_the_run_has_seen_are_counted(make_run, tmp_path):
    run = make_run(noise=("symmetric:0.1", "open:0.1:source=npz={foreign}"))
    inputs = inputs_of(run)
    seen = Seen.of(inputs)
    foreign = read_set(one_set(tmp_path / "foreign.npz"), 16)
    used = {
        int(text.rpartition(":")[2]) for text in inputs.manifest.source[inputs.manifest.open_set].tolist()
    }
    assert len(used) == 20
    assert seen.known(foreign) == {"in_train": 20, "in_test": 0, "open_set_file": 20, "open_set": 0}
    others = np.setdiff1d(foreign.rows, sorted(used))
    rest = replace(foreign, rows=others, images=foreign.images[others])
    assert seen.known(rest) == {"in_train": 0, "in_test": 0, "open_set_file": 20, "open_set": 0}
    elsewhere = replace(rest, source="other.npz", facts=replace(rest.facts, name="y"))
    assert seen.known(elsewhere)["open_set_file"] == 20, "the same file under another name is the same file"
    other = replace(rest, file="0" * 64)
    assert seen.known(other) == {"in_train": 0, "in_test": 0, "open_set_file": 0, "open_set": 20}
    elsewhere = replace(elsewhere, file="")
    assert (seen.known(elsewhere)["open_set_file"], seen.known(elsewhere)["open_set"]) == (0, 0)
    own = replace(elsewhere, images=inputs.image_set("test").images[:7])
    assert seen.known(own) == {"in_train": 0, "in_test": 7, "open_set_file": 0, "open_set": 0}
