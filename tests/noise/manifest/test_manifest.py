import dataclasses
import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noise.apply import corrupt
from noise.errors import NoiseError
from noise.files.npz import read_npz, write_npz
from noise.manifest.exchange import FORMATS
from noise.manifest.header import SCHEMA, Header
from noise.manifest.manifest import COLUMNS, Manifest
from noise.manifest.summary import label_changes, label_counts, summary
from noise.spec import parse_specs
from noise.verify import verify

NAMES = ("cat", "dög", "frog", "ship")


def pictures(count):
    row, y, x, channel = np.indices((count, 3, 3, 3))
    return ((row * 29 + y * 13 + x * 5 + channel * 97) % 256).astype(np.uint8)


def made(count=40, texts=("symmetric:0.4", "randx:0.25"), seed=0):
    labels = np.arange(count) % len(NAMES)
    return corrupt(
        pictures(count), labels, parse_specs(texts), seed=seed, dataset="set", class_names=NAMES
    ).manifest


@pytest.mark.slow
@given(rate=st.floats(0, 1), count=st.integers(1, 40), seed=st.integers(0, 2**63 - 1))
@settings(max_examples=40, deadline=None)
def test_save_and_load_round_trip_to_the_same_bytes(tmp_path_factory, rate, count, seed):
    folder = tmp_path_factory.mktemp("manifest")
    manifest = made(count, [f"symmetric:{rate!r}:balanced=true", f"randx:{rate!r}"], seed)
    manifest.save(folder / "one.npz")
    loaded = Manifest.load(folder / "one.npz")
    assert loaded.header == manifest.header
    for name, column in manifest.columns().items():
        assert loaded.columns()[name].dtype == column.dtype
        np.testing.assert_array_equal(loaded.columns()[name], column)
    loaded.save(folder / "two.npz")
    made(count, [f"symmetric:{rate!r}:balanced=true", f"randx:{rate!r}"], seed).save(folder / "three.npz")
    one, two, three = (path.read_bytes() for path in sorted(folder.iterdir()))
    assert one == two == three


def test_numpy_reads_the_file(tmp_path):
    made().save(tmp_path / "manifest.npz")
    with np.load(tmp_path / "manifest.npz", allow_pickle=False) as arrays:
        assert arrays.files == ["header", *COLUMNS]
        header = json.loads(str(arrays["header"]))
    assert header["schema"] == SCHEMA
    assert header["class_count"] == len(header["class_names"]) == 4
    assert [row["text"] for row in header["operations"]] == ["symmetric:0.4", "randx:0.25"]


def test_the_file_holds_no_time_and_no_compression(tmp_path):
    made().save(tmp_path / "manifest.npz")
    with zipfile.ZipFile(tmp_path / "manifest.npz") as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}


def test_saving_replaces_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "manifest.npz"
    made().save(path)
    made(seed=1).save(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["manifest.npz"]
    assert Manifest.load(path).header.seed == 1


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "manifest.npz"
    made().save(path)
    before = path.read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(NoiseError, match="No space left on device"):
        made(seed=1).save(path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["manifest.npz"]


def test_saving_into_a_missing_folder_is_reported_in_one_sentence(tmp_path):
    with pytest.raises(NoiseError, match="cannot be written"):
        made().save(tmp_path / "nowhere" / "manifest.npz")


def test_a_missing_file_is_reported_in_one_sentence(tmp_path):
    with pytest.raises(NoiseError, match="does not exist"):
        Manifest.load(tmp_path / "manifest.npz")
    with pytest.raises(NoiseError, match="cannot be read"):
        Manifest.load(tmp_path)


@pytest.mark.slow
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_truncated_or_flipped_file_is_an_error_or_the_same_manifest(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("damaged") / "manifest.npz"
    manifest = made()
    manifest.save(path)
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    try:
        loaded = Manifest.load(path)
    except NoiseError as error:
        assert str(path) in str(error)  # noqa: PT017 - both ends are right, a wrong manifest is not.
        return
    # A flipped bit in a time stamp or a file attribute has no effect.
    assert loaded.header == manifest.header
    for name, column in manifest.columns().items():
        np.testing.assert_array_equal(loaded.columns()[name], column)


def rewritten(path, **changes):
    """Write the manifest file with arrays replaced, or removed where None, and with correct checksums."""
    arrays = {**read_npz(path), **changes}
    write_npz(path, {name: array for name, array in arrays.items() if array is not None})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pixels": None}, "it lacks pixels"),
        ({"header": None}, "it lacks header"),
        ({"header": np.array("{")}, "the header is not JSON"),
        ({"header": np.array("[]")}, "format None and not"),
        (
            {"header": np.array('{"schema": "memgate-manifest/9"}')},
            "format memgate-manifest/9, which a newer",
        ),
        ({"header": np.array(json.dumps({"schema": SCHEMA}))}, "the header lacks class_names"),
        ({"header": np.array("[" * 100_000)}, "the header is not JSON"),
        (
            {"given_label": np.zeros(39, dtype=np.int64)},
            r"given_label is int64\[39\] and must be int64\[40\]",
        ),
        ({"given_label": np.zeros(40)}, r"given_label is float64\[40\]"),
        ({"label_op": np.zeros(40, dtype=np.int64)}, r"label_op is int64\[40\] and must be int16\[40\]"),
        ({"label_op": np.full(40, 3, dtype=np.int16)}, "label_op holds 3 to 3, outside 0 to 2"),
        ({"given_label": np.full(40, 4)}, "given_label holds 4 to 4, outside 0 to 3"),
        ({"source": np.zeros(40)}, r"source is float64\[40\] and must be str\[40\]"),
    ],
)
def test_a_foreign_file_is_reported_in_one_sentence(tmp_path, changes, message):
    path = tmp_path / "manifest.npz"
    made().save(path)
    rewritten(path, **changes)
    with pytest.raises(NoiseError, match=message) as caught:
        Manifest.load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_foreign_header_key_is_refused():
    values = json.loads(made().header.to_json())
    with pytest.raises(NoiseError, match="surprise"):
        Header.from_json(json.dumps({**values, "surprise": 1}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"count": "40"}, "the header: count is '40' and must be a whole number"),
        ({"column_digests": []}, "column_digests is .* and must be an object"),
        ({"source_digest": 3}, "source_digest is '3' and must be text"),
        ({"rates": None}, "rates is 'None' and must be an object"),
        ({"operations": [{}]}, "the header: operations lacks class_requested"),
        ({"operations": None}, "operations is 'None' and must be a list"),
    ],
)
def test_a_header_of_other_types_is_reported_in_one_sentence(change, message):
    values = json.loads(made().header.to_json())
    with pytest.raises(NoiseError, match=message):
        Header.from_json(json.dumps({**values, **change}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"text": "symetric:0.4"}, "did you mean symmetric"),
        ({"text": 3}, "text is '3' and must be text"),
        ({"code": 7}, r"codes \[7, 2\] and must be numbered from 1"),
        ({"class_requested": [0.4]}, "has shares for 1 classes of 4"),
        ({"kind": "randx"}, "unknown key kind"),
    ],
)
def test_an_invalid_operation_is_refused_in_one_sentence(change, message):
    values = json.loads(made().header.to_json())
    values["operations"][0] |= change
    with pytest.raises(NoiseError, match=message):
        Header.from_json(json.dumps(values))


@pytest.mark.parametrize("shape", ["(1000000000000000,)", "(100000000000000000000000000000,)", "(3"])
def test_an_array_header_with_a_wrong_shape_is_refused_in_one_sentence(tmp_path, shape):
    made().save(tmp_path / "manifest.npz")
    with zipfile.ZipFile(tmp_path / "manifest.npz") as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    start = entries["pixels.npy"].index(b"(40,)")
    header = entries["pixels.npy"][:start] + shape.encode() + b", }\n"
    size = len(header) - 10
    with zipfile.ZipFile(tmp_path / "bad.npz", "w") as archive:
        for name, entry in entries.items():
            archive.writestr(
                name, header[:8] + size.to_bytes(2, "little") + header[10:] if name == "pixels.npy" else entry
            )
    with pytest.raises(NoiseError, match=r"bad\.npz is damaged, truncated or not an \.npz file"):
        Manifest.load(tmp_path / "bad.npz")


def test_pickles_are_refused(tmp_path):
    path = tmp_path / "manifest.npz"
    np.savez(path, header=np.array([{}], dtype=object))
    with pytest.raises(NoiseError, match=r"not an \.npz file"):
        Manifest.load(path)


@pytest.mark.parametrize("name", ["given_label", "clean_label", "image_op", "severity", "pixels", "source"])
def test_a_changed_column_is_named(tmp_path, name):
    path = tmp_path / "manifest.npz"
    made().save(path)
    assert Manifest.load(path).verify_columns() == []
    column = read_npz(path)[name].copy()
    step = 2 if name == "image_op" else 1  # randx is the second operation
    column[5] = (
        "svhn"[: column.dtype.itemsize // 4] if name == "source" else (int(column[5]) + step) % (2 * step)
    )
    rewritten(path, **{name: column})
    changed = Manifest.load(path)
    assert changed.verify_columns() == [name]
    sentences = verify(changed, pictures(40), np.arange(40) % 4)
    assert f"Column {name} is not the one that was written: its digest differs." in sentences
    assert f"Column {name} differs in 1 samples, the first with sample_id 5." in sentences
    assert len(sentences) == 2


def test_verify_names_a_changed_header():
    manifest = made()
    operations = (dataclasses.replace(manifest.header.operations[0], realised=0.5),)
    for change, message in (
        ({"operations": operations + manifest.header.operations[1:]}, "operations or rates"),
        ({"pixels_digest": "0" * 64}, "corrupted images differ"),
        ({"seed": 9}, "Column given_label differs"),
    ):
        header = dataclasses.replace(manifest.header, **change)
        changed = dataclasses.replace(manifest, header=header)
        assert any(message in text for text in verify(changed, pictures(40), np.arange(40) % 4))


def test_library_versions_are_for_information_only():
    manifest = made()
    header = dataclasses.replace(manifest.header, versions={"numpy": "0.1"})
    changed = dataclasses.replace(manifest, header=header)
    assert verify(changed, pictures(40), np.arange(40) % 4) == []


def test_states_and_kinds_follow_the_columns():
    manifest = made()
    flipped, replaced = manifest.given_label != manifest.clean_label, manifest.image_op == 2
    np.testing.assert_array_equal(manifest.label_corrupted, flipped)
    np.testing.assert_array_equal(manifest.image_corrupted, replaced)
    np.testing.assert_array_equal(manifest.corrupted, flipped | replaced)
    words = {
        (False, False): "clean",
        (True, False): "label",
        (False, True): "image",
        (True, True): "label+image",
    }
    expected = [words[pair] for pair in zip(flipped.tolist(), replaced.tolist(), strict=True)]
    assert set(expected) == set(words.values())
    assert manifest.cause.tolist() == expected
    assert manifest.label_kinds.tolist() == ["symmetric" if hit else "none" for hit in flipped]
    assert manifest.image_kinds.tolist() == ["randx" if hit else "none" for hit in replaced]
    assert ((manifest.pixels != 0) == replaced).all()
    assert not manifest.severity.any()
    assert set(manifest.source) == {""}


def test_summary_adds_up_and_is_plain_json():
    manifest = made(count=41, texts=["symmetric:0.4", "randx:0.25"])
    numbers = summary(manifest)
    json.dumps(numbers, allow_nan=False)
    assert (
        numbers["count"] == sum(numbers["causes"].values()) == sum(row["count"] for row in numbers["classes"])
    )
    label, image = numbers["operations"]
    assert (label["requested"], label["selected"], label["realised"]) == (0.4, 16, 16 / 41)
    assert (image["requested"], image["selected"], image["realised"]) == (0.25, 10, 10 / 41)
    assert numbers["rates"]["label"] == {"requested": 0.4, "realised": 16 / 41}
    assert numbers["rates"]["any"]["realised"] == manifest.corrupted.mean()
    transition = np.array(numbers["transition"])
    np.testing.assert_allclose(transition.sum(axis=1), 1)
    for row in numbers["classes"]:
        inside = manifest.clean_label == row["class"]
        assert row["label_realised"] == pytest.approx(manifest.label_corrupted[inside].mean())
        assert row["image_realised"] == pytest.approx(manifest.image_corrupted[inside].mean())
        assert transition[row["class"], row["class"]] == pytest.approx(1 - row["label_realised"])
        assert row["label_requested"] == 0.4


def test_an_empty_class_has_a_row_of_zeros():
    labels = np.zeros(10, dtype=np.int64)
    specs = parse_specs(["symmetric:0.5"])
    result = corrupt(pictures(10), labels, specs, seed=0, dataset="set", class_names=NAMES)
    numbers = summary(result.manifest)
    assert numbers["transition"][3] == [0, 0, 0, 0]
    assert numbers["classes"][3]["label_realised"] == 0


@pytest.mark.slow
def test_many_classes_make_no_matrix_of_them():
    """65,535 classes are as many as there can be; their matrix would take 32 GiB."""
    labels = np.array([65_534, 0, 65_534, 7, 0, 1])
    names = [f"class {label}" for label in range(65_535)]
    images = np.zeros((6, 8, 8, 3), np.uint8)
    manifest = corrupt(images, labels, ["pair:1"], seed=0, dataset="many", class_names=names).manifest
    numbers = summary(manifest)
    assert numbers["transition"] is None
    assert [numbers["classes"][label]["count"] for label in (0, 1, 7, 8, 65_534)] == [2, 1, 1, 0, 2]
    assert numbers["classes"][0]["label_realised"] == 1.0
    changes = [column.tolist() for column in label_changes(manifest)]
    assert changes == [[0, 1, 7, 65_534], [1, 2, 8, 0], [2, 1, 1, 2]]
    for write in (FORMATS["matrix"], FORMATS["cleanlab"]):
        with pytest.raises(
            NoiseError, match="a matrix of 65,535 classes is too large, and 2,000 are possible"
        ):
            write(manifest)
    assert len(FORMATS["csv"](manifest).splitlines()) == 7


def test_changes_of_labels_are_those_of_the_matrix():
    manifest = made(200, ["symmetric:0.5"])
    counts = np.zeros((len(NAMES), len(NAMES)), int)
    clean, given, number = label_changes(manifest)
    counts[clean, given] = number
    whole = label_counts(manifest)
    np.fill_diagonal(whole, 0)
    np.testing.assert_array_equal(counts, whole)


def test_a_named_pipe_in_its_place_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "manifest.npz")
    with pytest.raises(NoiseError, match="cannot be read"):
        Manifest.load(tmp_path / "manifest.npz")
