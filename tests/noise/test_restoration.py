"""Verifying a manifest, and restoring the arrays that it describes."""

from dataclasses import replace

import numpy as np
import pytest

from noise.apply import RENDERED
from noise.errors import NoiseError
from noise.files.digests import column_digest, source_digest
from noise.manifest.manifest import Manifest
from noise.restoration import RestoredImages, restore
from noise.verify import verify
from tests.helpers.noise_kinds import CLASSES, NAMES, every_kind, labels_of, made, pictures, write_files

IDS = np.arange(50)


@pytest.fixture
def paths(tmp_path):
    return write_files(tmp_path, 50)


def restored(manifest, **changes):
    arguments = {"images": pictures(50), "labels": labels_of(IDS), "sample_id": IDS, **changes}
    return restore(manifest, **arguments)


def test_verify_finds_no_difference_in_a_correct_manifest():
    for texts in ([], ["symmetric:0.4", "randx:0.3"], ["symmetric:0.4:balanced=true"]):
        manifest = made(50, texts).manifest
        assert verify(manifest, pictures(50), np.arange(50) % CLASSES) == []


def test_verify_keeps_the_sample_ids():
    ids = np.array([40, 3, 17, 28, 9, 31])
    manifest = made(6, ["symmetric:0.5", "randx:0.5"], sample_id=ids).manifest
    assert verify(manifest, pictures(41)[ids], ids % CLASSES) == []


def test_verify_reports_a_different_source():
    manifest = made(50, ["symmetric:0.4", "randx:0.3"]).manifest
    images, labels = pictures(50), np.arange(50) % CLASSES
    changed = images.copy()
    changed[0, 0, 0, 0] ^= 1
    assert any("source is another" in sentence for sentence in verify(manifest, changed, labels))
    other = labels.copy()
    other[7] = (other[7] + 1) % CLASSES
    sentences = verify(manifest, images, other)
    assert any(
        "Column clean_label differs in 1 samples, the first with sample_id 7" in text for text in sentences
    )
    assert any("source has images" in text for text in verify(manifest, images[:49], labels[:49]))
    with pytest.raises(NoiseError, match="cannot be recomputed"):
        verify(manifest, images, labels + CLASSES)


def test_verify_finds_no_difference_for_any_kind(paths):
    for kind, text in every_kind(paths).items():
        manifest = made(50, [text]).manifest
        assert verify(manifest, pictures(50), labels_of(IDS)) == [], kind


def test_verify_finds_moved_files_and_reports_changed_ones(paths, tmp_path):
    kinds = every_kind(paths)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    manifest = made(50, [kinds["human"], kinds["open"]]).manifest
    for name in ("human.npz", "foreign.npz"):
        paths[name].rename(elsewhere / name)
    images, labels = pictures(50), labels_of(IDS)
    with pytest.raises(NoiseError, match="cannot be recomputed from this source: .* does not exist"):
        verify(manifest, images, labels)
    assert verify(manifest, images, labels, folders=[elsewhere]) == []
    clean = labels.copy()
    np.savez(elsewhere / "human.npz", clean=clean, aggre=clean)
    sentences = verify(manifest, images, labels, folders=[elsewhere])
    assert any("Column given_label differs in 8 samples" in text for text in sentences)
    assert any(text.startswith("human.npz is not what it was written with") for text in sentences)


def test_every_kind_is_restored_from_its_manifest(paths, tmp_path):
    for kind, text in every_kind(paths).items():
        result = made(50, [text])
        result.manifest.save(tmp_path / "manifest.npz")
        again = restored(Manifest.load(tmp_path / "manifest.npz"))
        np.testing.assert_array_equal(again.images, result.images, err_msg=kind)
        np.testing.assert_array_equal(again.labels, result.labels, err_msg=kind)


def lazily_restored(manifest):
    images, labels = pictures(50), labels_of(IDS)
    return RestoredImages(manifest, images, IDS, source_digest(images, labels))


def test_a_subset_is_the_rows_of_the_whole_for_every_kind(paths):
    rows = np.array([17, 3, 44, 0, 30, 8, 17])
    for kind, text in every_kind(paths).items():
        result = made(50, [text])
        lazy = lazily_restored(result.manifest)
        np.testing.assert_array_equal(lazy.at(rows), result.images[rows], err_msg=kind)
        np.testing.assert_array_equal(lazy.at(np.array([], int)), result.images[:0], err_msg=kind)
        # What was rendered for a subset is part of the whole.
        np.testing.assert_array_equal(lazy.whole(), result.images, err_msg=kind)
        np.testing.assert_array_equal(lazy.at(rows), result.images[rows], err_msg=kind)


def test_only_what_is_asked_for_is_rendered_and_only_once(monkeypatch):
    result = made(50, ["randx:0.3", "gaussian:0.4"])
    rendered = {kind: [] for kind in ("randx", "gaussian")}
    for kind, positions in rendered.items():

        def render(task, places, function=RENDERED[kind], positions=positions):
            positions.extend(places.tolist())
            return function(task, places)

        monkeypatch.setitem(RENDERED, kind, render)
    lazy = lazily_restored(result.manifest)
    assert rendered == {"randx": [], "gaussian": []}
    lazy.at(np.arange(20))
    kinds = result.manifest.image_kinds
    for kind, positions in rendered.items():
        assert positions == np.flatnonzero(kinds[:20] == kind).tolist()
    lazy.at(np.arange(10, 30))
    lazy.whole()
    lazy.whole()
    for kind, positions in rendered.items():
        assert sorted(positions) == np.flatnonzero(kinds == kind).tolist()


def test_a_subset_that_differs_from_its_digests_is_refused(paths):
    manifest = made(50, [every_kind(paths)["open"]]).manifest
    np.savez(paths["foreign.npz"], images=pictures(40))
    lazy = lazily_restored(manifest)
    touched = np.flatnonzero(manifest.image_op)
    untouched = np.flatnonzero(manifest.image_op == 0)
    np.testing.assert_array_equal(lazy.at(untouched), pictures(50)[untouched])
    with pytest.raises(NoiseError, match="^1 images of open:.* foreign.npz is not what it was written with"):
        lazy.at(touched[:1])


def test_labels_need_no_file(paths):
    result = made(50, [every_kind(paths)["human"], "gaussian:0.3:sigma=0.2"])
    paths["human.npz"].unlink()
    again = restored(result.manifest)
    np.testing.assert_array_equal(again.labels, result.labels)
    np.testing.assert_array_equal(again.images, result.images)


def test_restoring_leaves_the_clean_arrays_alone(paths):
    images, labels = pictures(50), labels_of(IDS)
    images.flags.writeable = labels.flags.writeable = False
    again = restored(made(50, ["symmetric:0.4", "randx:0.3"]).manifest, images=images, labels=labels)
    assert not np.shares_memory(again.images, images)


def test_a_manifest_of_other_data_is_reported_in_one_sentence():
    manifest = made(50, ["symmetric:0.4", "randx:0.3"]).manifest
    other = pictures(50)
    other[3, 0, 0, 0] ^= 1
    for changes, message in (
        (
            {"images": pictures(49), "labels": labels_of(IDS[:49]), "sample_id": IDS[:49]},
            "of 50 samples of pictures",
        ),
        ({"sample_id": IDS + 1}, "or other ids"),
        ({"images": pictures(50, side=5)}, r"images \[4, 4, 3\]"),
        ({"images": other}, "other images or labels"),
        ({"labels": (labels_of(IDS) + 1) % CLASSES}, "other images or labels"),
    ):
        with pytest.raises(NoiseError, match=message) as caught:
            restored(manifest, **changes)
        assert "\n" not in str(caught.value)


def test_a_damaged_column_is_named():
    manifest = made(50, ["symmetric:0.4"]).manifest
    given = manifest.given_label.copy()
    given[0] = (given[0] + 1) % CLASSES
    with pytest.raises(NoiseError, match="its column given_label is not the one that was written"):
        restored(replace(manifest, given_label=given))


def test_restored_images_that_differ_name_the_library(paths):
    result = made(50, [every_kind(paths)["open"], "gaussian:0.3:severity=5"])
    np.savez(paths["foreign.npz"], images=pictures(40))
    with pytest.raises(NoiseError, match="foreign.npz is not what it was written with"):
        restored(result.manifest)
    manifest = made(50, ["jpeg:0.4"]).manifest
    pixels = manifest.pixels + (manifest.image_op > 0).astype(np.uint64)
    digests = {**manifest.header.column_digests, "pixels": column_digest(pixels)}
    header = replace(
        manifest.header, column_digests=digests, versions={**manifest.header.versions, "pillow": "1.0"}
    )
    with pytest.raises(NoiseError, match=r"20 images of jpeg:0\.4 .* written with pillow 1\.0"):
        restored(replace(manifest, header=header, pixels=pixels))


def rewritten(manifest, **columns):
    """The manifest with other columns and the digests of these columns."""
    digests = {name: column_digest(column) for name, column in {**manifest.columns(), **columns}.items()}
    return replace(manifest, header=replace(manifest.header, column_digests=digests), **columns)


def test_an_image_that_a_manifest_omits_is_noticed():
    manifest = made(50, ["gaussian:0.4"]).manifest
    kept = manifest.image_op.copy()
    kept[np.flatnonzero(kept)[:3]] = 0
    with pytest.raises(NoiseError, match="not those that its header records"):
        restored(rewritten(manifest, image_op=kept))


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("severity", 6, "severity holds"),
        ("sample_id", 1, "an id twice"),
        ("image_op", 1, "image_op names symmetric:0.4, which changes no image"),
        ("label_op", 2, "label_op names randx:0.3, which changes no label"),
    ],
)
def test_an_invalid_column_is_refused(column, value, message):
    manifest = made(50, ["symmetric:0.4", "randx:0.3"]).manifest
    changed = manifest.columns()[column].copy()
    changed[0] = value
    with pytest.raises(NoiseError, match=message):
        rewritten(manifest, **{column: changed})


def test_a_source_row_that_is_no_number_is_refused(paths):
    manifest = made(50, [every_kind(paths)["open"]]).manifest
    changed = manifest.source.copy()
    changed[np.flatnonzero(manifest.open_set)[0]] = "foreign.npz:x"
    with pytest.raises(NoiseError, match="'foreign.npz:x'; here foreign.npz with 40 images"):
        restored(rewritten(manifest, source=changed))


def test_verify_names_other_class_names_and_another_severity():
    manifest = made(50, ["gaussian:0.4:severity=5"]).manifest
    images, labels = pictures(50), labels_of(IDS)
    assert verify(manifest, images, labels, class_names=NAMES) == []
    differences = verify(manifest, images, labels, class_names=NAMES[::-1])
    assert differences == ["The class names are not those of the data set."]
    operation = replace(manifest.header.operations[0], text="gaussian:0.4:severity=1")
    edited = replace(manifest, header=replace(manifest.header, operations=(operation,)))
    message = " ".join(verify(edited, images, labels))
    assert "Column severity differs in 20 samples" in message
    assert "The corrupted images differ" in message


def test_verify_reports_other_rates():
    manifest = made(50, ["symmetric:0.4"]).manifest
    rates = {**manifest.header.rates, "any": {"realised": 0.5}}
    edited = replace(manifest, header=replace(manifest.header, rates=rates))
    differences = verify(edited, pictures(50), labels_of(IDS))
    assert differences == ["The operations or rates in the header are not those that were carried out."]
