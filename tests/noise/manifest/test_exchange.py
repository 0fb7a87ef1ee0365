"""Exports for other tools agree with the manifest and are read back as the same labels and images."""

import csv
import io
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noise.apply import corrupt
from noise.errors import NoiseError
from noise.files.npz import write_npz
from noise.files.read import ReadFile, read_file
from noise.manifest.exchange import FORMATS, corrupted_images, format_of, left_out, noise_matrix
from noise.spec import parse_specs

NAMES = ("cat", "dög, spotted", "frog", "ship")
COUNT = 80


def pictures(count, first=0):
    """Distinct images, uint8 [count, 4, 4, 3]."""
    words = np.arange(first, first + count, dtype=np.uint32)[:, None] * 2654435761 + np.arange(12) * 40503
    return np.ascontiguousarray(words, dtype="<u4").view(np.uint8).reshape(count, 4, 4, 3)


def made(*texts, count=COUNT, seed=0, labels=None, **options):
    labels = np.arange(count) % len(NAMES) if labels is None else labels
    return corrupt(
        pictures(count), labels, parse_specs(texts), seed=seed, dataset="set", class_names=NAMES, **options
    )


@pytest.fixture
def foreign(tmp_path):
    """A file with 60 images of another data set."""
    path = tmp_path / "foreign.npz"
    write_npz(path, {"images": pictures(60, first=5000)})
    return path


def imported(tmp_path, manifest, name, *specs):
    """The data corrupted from the export of ``manifest`` in the format ``name``; ``{}`` in a spec is the file."""
    path = tmp_path / f"{name}.{'csv' if name in ('csv', 'matrix', 'cleanlab') else 'json'}"
    path.write_bytes(FORMATS[name](manifest))
    return made(*(spec.format(path) for spec in specs))


def test_dividemix_holds_the_given_labels():
    manifest = made("symmetric:0.4").manifest
    assert json.loads(FORMATS["dividemix"](manifest)) == manifest.given_label.tolist()


def test_evidentialmix_holds_labels_and_both_kinds_of_noise(foreign):
    manifest = made("symmetric:0.25", f"open:0.3:source=npz={foreign}:labels=uniform").manifest
    content = json.loads(FORMATS["evidentialmix"](manifest))
    assert list(content) == ["noise_labels", "open_noise", "closed_noise"]
    assert content["noise_labels"] == manifest.given_label.tolist()
    assert len(content["open_noise"]) == 24
    for row, number in content["open_noise"]:
        assert manifest.source[row] == f"foreign.npz:{number}"
    opened = {row for row, _ in content["open_noise"]}
    assert len(opened) == 24
    wrong = np.flatnonzero(manifest.given_label != manifest.clean_label).tolist()
    assert content["closed_noise"] == [row for row in wrong if row not in opened]
    assert opened & set(wrong)


def test_evidentialmix_without_open_images():
    manifest = made("symmetric:0.25").manifest
    content = json.loads(FORMATS["evidentialmix"](manifest))
    assert content["open_noise"] == []
    assert len(content["closed_noise"]) == 20


@pytest.mark.parametrize("name", ["dividemix", "evidentialmix", "csv"])
@given(rate=st.floats(0, 1), seed=st.integers(0, 2**63 - 1))
@settings(max_examples=15, deadline=None)
def test_exported_labels_are_read_back(tmp_path_factory, name, rate, seed):
    manifest = made(f"symmetric-incl:{rate!r}", seed=seed).manifest
    again = imported(tmp_path_factory.mktemp("list"), manifest, name, "label-list:file={}")
    np.testing.assert_array_equal(again.labels, manifest.given_label)


def test_exported_open_images_are_read_back(tmp_path, foreign):
    result = made("symmetric:0.25", f"open:0.3:source=npz={foreign}:labels=uniform")
    again = imported(
        tmp_path,
        result.manifest,
        "evidentialmix",
        "label-list:file={}",
        f"open-list:file={{}}:source=npz={foreign}",
    )
    np.testing.assert_array_equal(again.labels, result.labels)
    np.testing.assert_array_equal(again.images, result.images)
    np.testing.assert_array_equal(again.manifest.source, result.manifest.source)
    assert FORMATS["evidentialmix"](again.manifest) == FORMATS["evidentialmix"](result.manifest)


def test_csv_holds_every_column(foreign):
    manifest = made("symmetric:0.25", "gaussian:0.2:severity=4", f"open:0.1:source=npz={foreign}").manifest
    content = FORMATS["csv"](manifest)
    assert b"\r" not in content
    rows = list(csv.DictReader(io.StringIO(content.decode())))
    assert len(rows) == COUNT
    columns = {
        "sample_id": manifest.sample_id,
        "clean_label": manifest.clean_label,
        "given_label": manifest.given_label,
        "label_kind": manifest.label_kinds,
        "image_kind": manifest.image_kinds,
        "cause": manifest.cause,
        "severity": manifest.severity,
        "source": manifest.source,
    }
    for name, column in columns.items():
        assert [row[name] for row in rows] == [str(value) for value in column.tolist()]
    assert {row["severity"] for row in rows} == {"0", "4"}


def test_csv_accepts_a_partial_split(tmp_path):
    ids = np.arange(COUNT)[::-1] * 7
    manifest = made("symmetric:0.5", sample_id=ids).manifest
    path = tmp_path / "labels.csv"
    path.write_bytes(FORMATS["csv"](manifest))
    again = made(f"label-list:file={path}", sample_id=ids)
    np.testing.assert_array_equal(again.labels, manifest.given_label)


def test_matrices_are_the_realised_shares(tmp_path):
    labels = np.arange(COUNT) % 3  # The fourth class is empty.
    manifest = made("symmetric:0.4", labels=labels).manifest
    rows = noise_matrix(manifest)
    for clean in range(3):
        for label in range(4):
            inside = manifest.clean_label == clean
            assert rows[clean, label] == (manifest.given_label[inside] == label).mean()
    assert rows[3].tolist() == [0, 0, 0, 1]
    for name, expected in (("matrix", rows), ("cleanlab", rows.T)):
        path = tmp_path / f"{name}.csv"
        path.write_bytes(FORMATS[name](manifest))
        assert path.read_bytes().startswith(b"# ")
        assert path.read_bytes().isascii()
        np.testing.assert_array_equal(np.loadtxt(path, delimiter=","), expected)
    np.testing.assert_allclose(
        np.loadtxt(tmp_path / "cleanlab.csv", delimiter=",").sum(axis=0), 1, rtol=1e-15
    )


def test_both_matrices_are_read_back_as_the_same_noise(tmp_path):
    manifest = made("symmetric:0.4", "pair:0.2").manifest
    rows = imported(tmp_path, manifest, "matrix", "matrix:file={}")
    columns = imported(tmp_path, manifest, "cleanlab", "matrix:file={}:orientation=cleanlab")
    np.testing.assert_array_equal(rows.labels, columns.labels)
    assert (rows.labels != rows.manifest.clean_label).any()


def test_cleanlab_realises_the_shares_of_the_exported_matrix(tmp_path):
    generation = pytest.importorskip("cleanlab.benchmarking.noise_generation")
    count = 4000
    manifest = made("symmetric:0.2", "pair:0.2", count=count).manifest
    path = tmp_path / "matrix.csv"
    path.write_bytes(FORMATS["cleanlab"](manifest))
    columns = np.loadtxt(path, delimiter=",")
    assert generation.noise_matrix_is_valid(columns, np.full(4, 0.25))
    drawn = np.asarray(generation.generate_noisy_labels(manifest.clean_label, columns))
    counts = np.zeros((4, 4), dtype=int)
    np.add.at(counts, (manifest.clean_label, drawn), 1)
    # cleanlab rounds each count down and adds the remainder to one class.
    assert np.abs(counts - noise_matrix(manifest) * count / 4).max() <= 4


@pytest.mark.parametrize("name", list(FORMATS))
def test_equal_manifests_give_equal_bytes(name):
    texts = ("symmetric:0.4", "randx:0.1")
    assert FORMATS[name](made(*texts).manifest) == FORMATS[name](made(*texts).manifest)


@pytest.mark.parametrize("name", ["dividemix", "evidentialmix"])
@pytest.mark.parametrize("ids", [np.arange(COUNT) + 1, np.arange(COUNT)[::-1], np.arange(COUNT) * 2])
def test_a_partial_split_cannot_be_exported_as_a_list(name, ids):
    manifest = made("symmetric:0.4", sample_id=ids).manifest
    with pytest.raises(NoiseError, match=r"every row of the official file in order.*export it as csv\.$"):
        FORMATS[name](manifest)


def test_evidentialmix_holds_only_one_source(tmp_path, foreign):
    other = tmp_path / "other.npz"
    write_npz(other, {"images": pictures(60, first=9000)})
    texts = [f"open:0.1:source=npz={path}" for path in (foreign, other)]
    with pytest.raises(NoiseError, match=r"come from foreign\.npz and other\.npz.*only one source"):
        FORMATS["evidentialmix"](made(*texts).manifest)


def test_omitted_image_operations_are_reported(foreign):
    manifest = made("symmetric:0.25", "randx:0.2", f"open:0.3:source=npz={foreign}").manifest
    assert "on 40 images" in left_out(manifest, "dividemix")
    assert "on 16 images" in left_out(manifest, "evidentialmix")
    assert all(left_out(manifest, name) == "" for name in ("csv", "matrix", "cleanlab"))
    assert all(left_out(made("symmetric:0.25").manifest, name) == "" for name in FORMATS)


def test_the_format_of_a_file_is_recognised(tmp_path, foreign):
    manifest = made("randx:0.2", f"open:0.3:source=npz={foreign}").manifest
    for name in ("dividemix", "evidentialmix", "csv"):
        path = tmp_path / f"list.{'csv' if name == 'csv' else 'json'}"
        path.write_bytes(FORMATS[name](manifest))
        assert format_of(read_file(path)) == name
    assert corrupted_images(read_file(tmp_path / "list.csv")) == 40
    assert corrupted_images(ReadFile(tmp_path / "a.csv", b"sample_id,given_label\n0,1\n")) == 0
    with pytest.raises(NoiseError, match="is not JSON"):
        format_of(ReadFile(tmp_path / "list.txt", b"0\n1\n2\n\n"))
