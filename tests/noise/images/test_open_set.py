"""Open-set noise: images, labels and the record in the manifest."""

import json
from dataclasses import replace

import numpy as np
import pytest

from noise.apply import corrupt
from noise.errors import NoiseError
from noise.images.open_set import fitted, images_at, open_list, open_set
from noise.manifest.summary import summary
from noise.spec import parse_specs
from tests.helpers.noise_kinds import CLASSES, FOREIGN, NAMES, labels_of, made, pictures, task_of, write_files


@pytest.fixture
def paths(tmp_path):
    return write_files(tmp_path, 60)


def rows_of(manifest):
    """Source rows by position, of the open samples."""
    positions = np.flatnonzero(manifest.open_set)
    return positions, np.array([int(text.rpartition(":")[2]) for text in manifest.source[positions]])


def test_images_come_from_the_source_once_each_and_keep_the_label(paths):
    result = made(60, [f"open:0.5:source=npz={paths['foreign.npz']}"])
    manifest = result.manifest
    positions, rows = rows_of(manifest)
    assert len(positions) == 30
    assert len(set(rows.tolist())) == 30
    assert {text.rpartition(":")[0] for text in manifest.source[positions]} == {"foreign.npz"}
    np.testing.assert_array_equal(result.images[positions], 255 - pictures(FOREIGN)[rows])
    np.testing.assert_array_equal(result.labels, labels_of(np.arange(60)))
    assert set(manifest.cause[positions]) == {"open"}
    assert not manifest.label_op.any()
    (operation,) = manifest.header.operations
    assert (operation.requested, operation.selected, operation.realised) == (0.5, 30, 0.5)
    assert [name for name, _ in operation.files] == ["foreign.npz"]


def test_a_lower_rate_puts_the_same_images_on_fewer_samples(paths):
    low, high = (made(60, [f"open:{rate}:source=npz={paths['foreign.npz']}"]).manifest for rate in (0.2, 0.5))
    assert (low.source[low.open_set] == high.source[low.open_set]).all()


def test_uniform_labels_take_both_kinds_of_operation(paths):
    result = made(60, ["symmetric:0.3", f"open:0.4:source=npz={paths['foreign.npz']}:labels=uniform"])
    manifest = result.manifest
    both = (manifest.label_op == 2) & (manifest.image_op == 2)
    assert both.sum() == 24
    assert (manifest.label_op == 1).sum() == 18
    label = manifest.header.rates["label"]
    assert label["requested"] == 0.7
    classes = summary(manifest)["classes"]
    assert [row["label_requested"] for row in classes] == pytest.approx([0.7] * CLASSES)
    assert ((manifest.label_op == 2) == (manifest.image_op == 2)).all()
    assert set(manifest.cause[both]) == {"open"}
    assert manifest.header.operations[1].convention == "open_set_uniform"


def test_uniform_labels_are_uniform_and_include_the_clean_one(paths):
    np.savez(paths["foreign.npz"], images=np.zeros((4000, 4, 4, 3), np.uint8))
    task = task_of(f"open:1:source=npz={paths['foreign.npz']}:labels=uniform", count=4000)
    change = open_set(task)
    assert change.labels is not None
    # 400 +- 19 (one standard deviation) each.
    for count in (*np.bincount(change.labels), (change.labels == task.labels[change.positions]).sum()):
        assert 300 < count < 500
    assert len(np.unique(change.labels)) == CLASSES


def test_a_named_source_is_passed_in():
    specs = parse_specs(["open:0.5:source=svhn"])
    arguments = {"seed": 0, "dataset": "pictures", "class_names": NAMES}
    images, labels = pictures(60), labels_of(np.arange(60))
    result = corrupt(images, labels, specs, sources={"svhn": 255 - pictures(FOREIGN)}, **arguments)
    positions, rows = rows_of(result.manifest)
    np.testing.assert_array_equal(result.images[positions], 255 - pictures(FOREIGN)[rows])
    assert str(result.manifest.source[positions[0]]).startswith("svhn:")
    with pytest.raises(NoiseError, match="the images of svhn were not passed in"):
        corrupt(images, labels, specs, **arguments)


def test_other_sizes_and_grey_are_fitted():
    grey = pictures(5, side=9, channels=1)
    assert fitted(grey, (4, 4, 3)).shape == fitted(grey[..., 0], (4, 4, 3)).shape == (5, 4, 4, 3)
    flat = np.full((2, 9, 7, 3), 83, np.uint8)
    np.testing.assert_array_equal(fitted(flat, (4, 4, 3)), np.full((2, 4, 4, 3), 83))
    half = np.zeros((1, 8, 8, 3), np.uint8)
    half[:, :, 4:] = 200
    small = fitted(half, (4, 4, 3))
    assert small[0, :, 0].max() < 40
    assert small[0, :, 3].min() > 160
    with pytest.raises(NoiseError, match="4 channels, the data has 3"):
        fitted(np.zeros((2, 4, 4, 4), np.uint8), (4, 4, 3))


def test_open_list_replaces_the_listed_samples(paths):
    text = f"open-list:file={paths['open.json']}:source=npz={paths['foreign.npz']}"
    manifest = made(60, [text]).manifest
    positions, rows = rows_of(manifest)
    assert dict(zip(positions.tolist(), rows.tolist(), strict=True)) == {
        row: row * 7 % FOREIGN for row in range(0, 60, 6)
    }
    assert manifest.header.operations[0].requested is None
    # A listed sample that is absent or already taken stays unchanged.
    ids = np.arange(5, 30)
    part = made(25, [text], sample_id=ids).manifest
    assert part.sample_id[part.open_set].tolist() == [6, 12, 18, 24]
    task = task_of(text, count=60)
    free = task.free.copy()
    free[12] = False
    assert open_list(replace(task, free=free)).positions.tolist() == [0, 6, 18, 24, 30, 36, 42, 48, 54]


def test_images_at_finds_images_by_their_source_references(paths):
    task = task_of(f"open:0.5:source=npz={paths['foreign.npz']}", count=30)
    change = open_set(task)
    np.testing.assert_array_equal(images_at(task, change.sources), change.images)
    with pytest.raises(NoiseError, match="is not the source that the manifest names"):
        images_at(task, ["other.npz:3"])
    with pytest.raises(NoiseError, match="is not the source that the manifest names"):
        images_at(task, [f"foreign.npz:{FOREIGN}"])


@pytest.mark.parametrize(
    ("write", "text", "message"),
    [
        (None, "open:0.5:source=npz={folder}/none.npz", "none.npz does not exist"),
        (
            {"pictures": pictures(3)},
            "open:0.5:source=npz={folder}/own.npz",
            "own.npz holds no array 'images'",
        ),
        (
            {"images": np.zeros((3, 4, 4, 3))},
            "open:0.5:source=npz={folder}/own.npz",
            "images of .*own.npz are float64",
        ),
        (
            {"images": pictures(3)},
            "open:0.5:source=npz={folder}/own.npz",
            "needs 30 images, own.npz has 3",
        ),
        (
            {"images": pictures(3)},
            "open-list:file={folder}/open.json:source=npz={folder}/own.npz",
            "own.npz has 3",
        ),
        (
            None,
            "open-list:file={folder}/none.json:source=npz={folder}/foreign.npz",
            "none.json does not exist",
        ),
    ],
)
def test_a_wrong_source_is_reported_in_one_sentence(paths, tmp_path, write, text, message):
    if write is not None:
        np.savez(tmp_path / "own.npz", **write)
    with pytest.raises(NoiseError, match=message) as caught:
        made(60, [text.format(folder=tmp_path)])
    assert "\n" not in str(caught.value)


def test_a_source_that_is_no_npz_file_is_reported_in_one_sentence(tmp_path):
    (tmp_path / "own.npz").write_text(json.dumps([1]))
    with pytest.raises(NoiseError, match=r"own\.npz is damaged, truncated or not an \.npz file"):
        made(60, [f"open:0.5:source=npz={tmp_path}/own.npz"])


@pytest.mark.parametrize(
    "images", [pictures(FOREIGN) / 255.0, pictures(FOREIGN).astype(np.int64), pictures(FOREIGN).tolist()]
)
def test_images_that_are_passed_in_are_checked_too(images):
    arguments = {"seed": 0, "dataset": "pictures", "class_names": NAMES, "sources": {"svhn": images}}
    with pytest.raises(NoiseError, match="the images of svhn are .* and must be uint8"):
        corrupt(pictures(60), labels_of(np.arange(60)), ["open:0.5:source=svhn"], **arguments)


def test_the_same_source_twice_and_the_data_itself_are_refused(paths):
    source = f"source=npz={paths['foreign.npz']}"
    with pytest.raises(NoiseError, match="open is listed twice"):
        made(60, [f"open:0.2:{source}", f"open:0.2:{source}:labels=uniform"])
    arguments = {"seed": 0, "class_names": NAMES, "sources": {"cifar10": pictures(FOREIGN)}}
    for dataset in ("cifar10", "cifar10/test"):
        with pytest.raises(NoiseError, match="cannot be open-set noise for cifar10 itself"):
            corrupt(
                pictures(60),
                labels_of(np.arange(60)),
                ["open:0.2:source=cifar10"],
                dataset=dataset,
                **arguments,
            )


def test_one_source_by_two_paths_is_refused(paths):
    path = paths["foreign.npz"]
    texts = [
        f"open:0.2:source=npz={text}"
        for text in (path, path.parent / "." / ".." / path.parent.name / path.name)
    ]
    with pytest.raises(NoiseError, match=r"open takes images of foreign\.npz twice"):
        made(60, texts)


def test_two_sources_of_one_name_are_refused(paths, tmp_path):
    other = tmp_path / "other" / "foreign.npz"
    other.parent.mkdir()
    texts = [f"open:0.2:source=npz={path}" for path in (paths["foreign.npz"], other)]
    np.savez(other, images=pictures(FOREIGN))
    with pytest.raises(NoiseError, match=r"two different files are called foreign\.npz"):
        made(60, texts)


def test_a_list_of_another_length_is_refused(paths):
    paths["open.json"].write_text(json.dumps({"noise_labels": [], "open_noise": [[60, 1]]}))
    text = f"open-list:file={paths['open.json']}:source=npz={paths['foreign.npz']}"
    with pytest.raises(NoiseError, match="names sample 60, but the data has 60"):
        made(60, [text])
    assert not made(20, [text], sample_id=np.arange(20) * 2).manifest.open_set.any()
