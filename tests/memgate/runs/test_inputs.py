"""The images of a run: corrupted training split, corrupted copies of other splits, a given manifest."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from memgate.config.run import DataConfig, ModelConfig, RunConfig, TrainConfig
from memgate.errors import MemgateError
from memgate.runs.corruption import sources_for
from memgate.runs.inputs import inputs_of, load_inputs
from memgate.runs.run import open_run
from memgate.training.evaluate import evaluate_run
from memgate.training.loop import train
from noise.apply import RENDERED, corrupt
from noise.files.digests import image_digests
from noise.pixels import is_grey
from noise.spec import parse_specs
from probes.dynamics.summary import summary
from probes.network.checkpoints import checkpoint_samples
from probes.network.plan import Plan
from probes.report.report import report
from tests.helpers.noise_kinds import CLASSES, NAMES, labels_of, pictures

SIDE = 16


@pytest.fixture
def config(tmp_path):
    """Configuration of a run on 100 training and 40 test images, with an open-set source in the same folder."""
    arrays = {"class_names": np.array(NAMES)}
    for split, count, shift in (("train", 100, 0), ("test", 40, 3)):
        arrays[f"{split}_images"] = pictures(count + shift, SIDE)[shift:]
        arrays[f"{split}_labels"] = labels_of(np.arange(count))
    np.savez(tmp_path / "data.npz", allow_pickle=False, **arrays)
    np.savez(tmp_path / "foreign.npz", images=255 - pictures(30, SIDE))
    return RunConfig(
        name="run",
        out=tmp_path / "runs",
        device="cpu",
        noise=("symmetric:0.4", f"open:0.2:source=npz={tmp_path}/foreign.npz", "gaussian:0.1:severity=5"),
        data=DataConfig(name="npz", root=tmp_path / "data.npz"),
        model=ModelConfig(depth=14),
        train=TrainConfig(epochs=1, batch_size=50),
    )


def test_test_and_validation_stay_clean_unless_a_copy_is_asked_for(config):
    data = replace(config.data, val_fraction=0.2)
    inputs = load_inputs(replace(config, data=data))
    assert inputs.splits == ("train", "val", "test")
    for split in ("val", "test"):
        assert inputs.image_set(split) is inputs.clean.present[split]
        assert not inputs.samples(split).image_op.any()
    with_copies = load_inputs(replace(config, data=data, noise_on=("val", "test")))
    assert with_copies.splits == ("train", "val", "test", "val_corrupted", "test_corrupted")
    for split in ("val", "test"):
        np.testing.assert_array_equal(with_copies.image_set(split).images, inputs.image_set(split).images)
        copy, samples = with_copies.image_set(f"{split}_corrupted"), with_copies.samples(f"{split}_corrupted")
        clean = with_copies.clean_images(f"{split}_corrupted")
        assert clean is with_copies.clean.present[split]
        assert (copy.labels != clean.labels).mean() == 0.4
        np.testing.assert_array_equal(samples.given_label, copy.labels)
        np.testing.assert_array_equal(samples.clean_label, clean.labels)
        assert samples.open_set.mean() == 0.2
        assert with_copies.manifests[f"{split}_corrupted"].header.dataset == f"npz/{split}"
    np.testing.assert_array_equal(with_copies.train.images, inputs.train.images)


@pytest.mark.slow
def test_a_run_with_a_corrupted_test_copy_reports_both(config):
    run = train(replace(config, noise_on=("test",)))
    result = report(run, resamples=0)
    assert result.test_accuracy is not None
    (copy,) = result.copies
    assert copy.split == "test_corrupted"
    rows = {group.name: group for group in copy.groups}
    assert rows["all"].n == result.test_accuracy.n == 40
    assert rows["open"].n == 8
    assert "Samples of test_corrupted, which it was not trained on:" in str(result)
    table = summary(run, "test_corrupted")
    assert int((table["given_label"] != table["clean_label"]).to_numpy().sum()) == 16
    assert table["cause"].tolist().count("open") == 8
    assert set(table["image_kind"].dropna()) == {"open", "gaussian"}
    _, numbers = evaluate_run(open_run(run.path), "last", "cpu")
    assert numbers["test_corrupted"]["test_corrupted_accuracy"] == rows["all"].fits_given.value


@pytest.mark.slow
def test_the_report_has_a_row_per_cause_and_per_kind(config):
    noise = (*config.noise, "pair:0.1", "jpeg:0.2")
    result = report(train(replace(config, noise=noise)), resamples=0)
    rows = {group.name: group for group in result.groups}
    assert {"clean", "corrupted", "label", "image", "open", "symmetric", "pair", "gaussian", "jpeg"} <= set(
        rows
    )
    assert (rows["open"].n, rows["symmetric"].n, rows["pair"].n, rows["jpeg"].n) == (20, 40, 10, 20)
    assert rows["clean"].n + rows["corrupted"].n == 100
    causes = ("label", "image", "label+image", "open")
    assert sum(rows[name].n for name in causes if name in rows) == rows["corrupted"].n


@pytest.mark.slow
def test_training_on_a_manifest_reproduces_its_noise(config, tmp_path):
    inputs = load_inputs(replace(config, noise_on=("test",)))
    path = tmp_path / "given.npz"
    inputs.manifest.save(path)
    other = replace(config, noise=(), manifest=path, noise_on=("test",))
    again = load_inputs(other)
    for split in ("train", "test_corrupted"):
        np.testing.assert_array_equal(again.image_set(split).images, inputs.image_set(split).images)
        np.testing.assert_array_equal(again.image_set(split).labels, inputs.image_set(split).labels)
    run = train(replace(other, name="from-manifest"))
    # The run keeps its own copy of the manifest.
    path.unlink()
    kept = inputs_of(run)
    np.testing.assert_array_equal(kept.train.images, inputs.train.images)
    np.testing.assert_array_equal(kept.train.labels, inputs.train.labels)


def grey_data(kind, folder):
    """A grey data set, as an .npz file of images of one channel or as a folder of grey PNG files."""
    parts = {"train": pictures(60, SIDE, 1), "test": pictures(63, SIDE, 1)[3:]}
    if kind == "npz":
        arrays = {f"{split}_labels": labels_of(np.arange(60)) for split in parts}
        # The two splits in different layouts.
        arrays |= {"train_images": parts["train"][..., 0], "test_images": parts["test"]}
        np.savez(folder / "grey.npz", allow_pickle=False, **arrays)
        return DataConfig(name="npz", root=folder / "grey.npz", val_fraction=0.2)
    for split, images in parts.items():
        for row, image in enumerate(images):
            path = folder / "grey" / split / NAMES[row % 2] / f"{row:02}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image[..., 0]).save(path)
    return DataConfig(name="folder", root=folder / "grey", image_size=SIDE, val_fraction=0.2)


@pytest.mark.parametrize("kind", ["npz", "folder"])
def test_a_run_on_grey_images_has_no_colour_in_any_split(config, tmp_path, kind):
    noise = (*config.noise, "randx:0.2", "occlusion:0.2:size=4:fill=noise")
    config = replace(config, noise=noise, data=grey_data(kind, tmp_path), noise_on=("val", "test"))
    inputs = load_inputs(config)
    path = tmp_path / "given.npz"
    inputs.manifest.save(path)
    again = load_inputs(replace(config, noise=(), manifest=path))
    for split in ("train", "val_corrupted", "test_corrupted"):
        images = inputs.image_set(split).images
        assert set(inputs.samples(split).image_op.tolist()) == {0, 2, 3, 4, 5}
        assert int((images.max(axis=-1) - images.min(axis=-1)).max()) == 0
        assert inputs.manifests[split].header.grey
        np.testing.assert_array_equal(again.image_set(split).images, images)


def test_a_grey_split_of_a_data_set_with_colours_is_corrupted_in_colour(config, tmp_path):
    with np.load(config.data.root) as archive:
        arrays = dict(archive)
    arrays["train_images"] = np.repeat(pictures(100, SIDE, 1), 3, axis=-1)
    np.savez(tmp_path / "mixed.npz", allow_pickle=False, **arrays)
    data = replace(config.data, root=tmp_path / "mixed.npz", test_limit=10)
    inputs = load_inputs(replace(config, data=data))
    assert not inputs.manifest.header.grey
    assert not is_grey(inputs.train.images)


def test_a_manifest_from_before_the_rule_for_grey_images_is_followed_in_copies_too(config, tmp_path):
    data = grey_data("npz", tmp_path)
    clean = load_inputs(replace(config, noise=(), data=data)).clean.train
    arguments = {"seed": 0, "dataset": "npz", "class_names": clean.class_names, "sample_id": clean.sample_id}
    corrupt(clean.images, clean.labels, ["randx:0.3"], **arguments, grey=False).manifest.save(
        tmp_path / "m.npz"
    )
    inputs = load_inputs(
        replace(config, noise=(), data=data, manifest=tmp_path / "m.npz", noise_on=("test",))
    )
    for split in ("train", "test_corrupted"):
        assert not is_grey(inputs.image_set(split).images)
        assert not inputs.manifests[split].header.grey


@pytest.mark.slow
def test_an_open_source_is_found_beside_the_manifest(config, tmp_path):
    inputs = load_inputs(config)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    inputs.manifest.save(elsewhere / "manifest.npz")
    (tmp_path / "foreign.npz").rename(elsewhere / "foreign.npz")
    run = train(replace(config, noise=(), manifest=elsewhere / "manifest.npz"))
    np.testing.assert_array_equal(inputs_of(run).train.images, inputs.train.images)
    # Where both files are missing, the source may be put into the folder of the run.
    elsewhere.rename(tmp_path / "gone")
    with pytest.raises(MemgateError, match=f"foreign.npz does not exist.*may also be put into {run.path}"):
        _ = inputs_of(run).train
    (tmp_path / "gone" / "foreign.npz").rename(run.path / "foreign.npz")
    np.testing.assert_array_equal(inputs_of(run).train.images, inputs.train.images)


def test_a_copy_shares_no_foreign_image_with_the_training(config, tmp_path):
    inputs = load_inputs(replace(config, noise_on=("test",)))
    train, copy = (set(manifest.source[manifest.open_set]) for manifest in inputs.manifests.values())
    assert (len(train), len(copy)) == (20, 8)
    assert not train & copy
    np.savez(tmp_path / "foreign.npz", images=pictures(25, SIDE))
    with pytest.raises(MemgateError, match="--noise-on: 3 open-set images would be both in the training"):
        load_inputs(replace(config, noise_on=("test",)))


def test_a_list_of_training_samples_is_not_put_on_the_test_split(config, tmp_path):
    (tmp_path / "list.json").write_text(json.dumps(labels_of(np.arange(100)).tolist()))
    listed = replace(config, noise=(f"label-list:file={tmp_path}/list.json",))
    load_inputs(listed)
    with pytest.raises(MemgateError, match="--noise-on test: label-list lists training samples only"):
        load_inputs(replace(listed, noise_on=("test",)))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"train_limit": 50}, "of 100 samples of npz .* and the data has 50 "),
        ({"val_fraction": 0.1}, "and the data has 90 "),
    ],
)
def test_a_manifest_of_other_data_is_reported_in_one_sentence(config, tmp_path, data, message):
    path = tmp_path / "manifest.npz"
    load_inputs(config).manifest.save(path)
    changed = replace(config, noise=(), manifest=path, data=replace(config.data, **data))
    with pytest.raises(MemgateError, match=f"--manifest {path}: .*{message}"):
        load_inputs(changed)


@pytest.fixture
def rendered(monkeypatch):
    """Positions of the samples whose Gaussian noise is rendered, in the order of the calls."""
    positions, function = [], RENDERED["gaussian"]

    def render(task, places):
        positions.extend(places.tolist())
        return function(task, places)

    monkeypatch.setitem(RENDERED, "gaussian", render)
    return positions


@pytest.mark.slow
def test_a_subset_is_the_rows_of_the_whole_and_renders_only_these(config, rendered):
    trained = load_inputs(replace(config, noise_on=("test",)))
    run = train(replace(config, noise_on=("test",)))
    rendered.clear()
    inputs = inputs_of(run)
    rows = np.array([70, 3, 12, 41, 0, 99, 5])
    assert inputs.splits == trained.splits
    assert inputs.digests == trained.digests
    assert inputs.normalisation == trained.normalisation
    for split in inputs.splits:
        chosen = rows[rows < len(inputs.clean_images(split))]
        # Nothing but subsets and whole splits needs a corrupted image.
        before = list(rendered)
        np.testing.assert_array_equal(
            inputs.samples(split).given_label, trained.image_set(split).labels, err_msg=split
        )
        np.testing.assert_array_equal(
            inputs.image_digests(split), image_digests(trained.image_set(split).images), err_msg=split
        )
        assert rendered == before
        subset, expected = inputs.subset(split, chosen), trained.image_set(split).subset(chosen)
        for name in ("images", "labels", "sample_id"):
            np.testing.assert_array_equal(getattr(subset, name), getattr(expected, name), err_msg=split)
    noisy = {split: inputs.manifests[split].image_kinds == "gaussian" for split in inputs.manifests}
    expected = [row for row in sorted(rows) if noisy["train"][row]]
    expected += [row for row in sorted(rows) if row < 40 and noisy["test_corrupted"][row]]
    assert rendered == expected
    for split in inputs.splits:
        np.testing.assert_array_equal(inputs.image_set(split).images, trained.image_set(split).images)
    assert len(rendered) == sum(mask.sum() for mask in noisy.values()), "each image once"
    with pytest.raises(MemgateError, match="no split 'other'"):
        inputs.subset("other", rows)


@pytest.mark.slow
def test_a_probe_of_few_samples_renders_these_alone(config, rendered):
    run = train(replace(config, train=TrainConfig(epochs=2, batch_size=50, checkpoint_every=1)))
    rendered.clear()
    visits = list(checkpoint_samples(run, Plan(("1", "last"), splits=["train"], n=20, device="cpu"), "csr"))
    assert [visit.epoch for visit in visits] == [1, 2]
    rows = visits[0].rows
    assert len(rows) == 20
    assert rendered == rows[run.manifest.image_kinds[rows] == "gaussian"].tolist()
    for visit in visits:
        np.testing.assert_array_equal(visit.images.images, visit.inputs.train.images[rows])


@pytest.mark.slow
def test_a_changed_source_is_noticed_when_images_are_restored(config, tmp_path):
    run = train(config)
    np.savez(tmp_path / "foreign.npz", images=pictures(30, SIDE))
    with pytest.raises(
        MemgateError, match="cannot be restored: .*foreign.npz is not what it was written with"
    ):
        _ = inputs_of(run).train
    (tmp_path / "foreign.npz").unlink()
    with pytest.raises(MemgateError, match="foreign.npz does not exist"):
        _ = inputs_of(run).train


def test_named_sources_are_read_from_the_data_folder(config, tmp_path):
    arrays = {}
    for split, count in (("train", 12), ("test", 3)):
        arrays[f"{split}_images"] = pictures(count, 32)
        arrays[f"{split}_labels"] = np.arange(count) % CLASSES
    np.savez(tmp_path / "svhn.npz", **arrays)
    sources = sources_for(parse_specs(["open:0.1:source=svhn", "symmetric:0.2"]), config.data)
    assert list(sources) == ["svhn"]
    np.testing.assert_array_equal(sources["svhn"], arrays["train_images"])
    assert sources_for(parse_specs([f"open:0.1:source=npz={tmp_path}/foreign.npz"]), config.data) == {}
    inputs = load_inputs(replace(config, noise=("open:0.1:source=svhn",)))
    assert inputs.train.images.shape == (100, SIDE, SIDE, 3)
    assert str(inputs.manifest.source[inputs.manifest.open_set][0]).startswith("svhn:")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"noise_on": ("test",), "noise": ()}, "--noise-on test: there is no --noise"),
        ({"noise_on": ("val",)}, "--noise-on val: there is no validation split"),
        ({"noise_on": ("test", "test")}, "names a split twice"),
        ({"manifest": "manifest.npz"}, "--noise and --manifest both"),
        (
            {"noise": (), "manifest": "manifest.npz", "noise_seed": 4},
            "--noise-seed 4 has no effect with --manifest",
        ),
    ],
)
def test_contradictions_are_reported_in_one_sentence(config, change, message):
    with pytest.raises(MemgateError, match=message):
        replace(config, **change)


def test_paths_are_absolute_in_a_resolved_configuration_and_absent_from_names(config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    relative = replace(config, name=None, noise=("open:0.2:source=npz=foreign.npz",))
    resolved = relative.resolved()
    assert resolved.noise == (f"open:0.2:source=npz={tmp_path}/foreign.npz",)
    assert str(tmp_path) not in relative.default_name
    assert resolved.corruptions == ("open:0.2:source=npz=foreign.npz",)
    monkeypatch.chdir("/")
    assert load_inputs(resolved).manifest.open_set.sum() == 20
