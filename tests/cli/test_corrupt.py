"""memgate corrupt: write, show, verify, export, import, kinds, and one sentence for what can go wrong."""

import csv
import dataclasses
import json
import sys
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from PIL import Image

from app.cli.commands.corrupt import CorruptWrite, ExchangeFormat
from app.cli.main import parse
from memgate.__main__ import main
from noise.apply import corrupt
from noise.files.npz import write_npz
from noise.kinds import KINDS
from noise.manifest.exchange import FORMATS
from noise.manifest.manifest import Manifest

NAMES = ["cat", "dog", "frog", "ship"]
SIDE = 8


def pictures(count, seed):
    return np.random.default_rng(seed).integers(0, 256, (count, SIDE, SIDE, 3), dtype=np.uint8)


def small_set(folder):
    """The --data flags of a small data set of its own in a folder, beside foreign images and the folder ``work``."""
    path = folder / "set.npz"
    arrays = {
        "train_images": pictures(120, 0),
        "train_labels": np.arange(120) % 4,
        "test_images": pictures(40, 1),
        "test_labels": np.arange(40) % 4,
        "class_names": np.array(NAMES),
    }
    write_npz(path, arrays)
    write_npz(folder / "foreign.npz", {"images": pictures(30, 2)})
    (folder / "work").mkdir()
    return ["--data.name", "npz", "--data.root", str(path)]


@pytest.fixture
def data(tmp_path, monkeypatch):
    """The --data flags of a small data set; the current folder is an empty one."""
    flags = small_set(tmp_path)
    monkeypatch.chdir(tmp_path / "work")
    return flags


@pytest.fixture
def memgate(monkeypatch, capsys):
    """Runs ``memgate corrupt …`` and gives what it prints on standard output and on standard error."""

    def run(*arguments, code=0):
        monkeypatch.setattr(sys, "argv", ["memgate", "corrupt", *map(str, arguments)])
        ended = 0
        try:
            main()
        except SystemExit as exit_:
            ended = exit_.code
        text = capsys.readouterr()
        assert ended == code, text.out + text.err
        return text.out, text.err

    return run


def rewritten(path, **changes):
    """A manifest whose columns are changed behind its back."""
    dataclasses.replace(Manifest.load(path), **changes).save(path)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_write_makes_a_manifest_and_a_sheet_and_prints_the_summary(tmp_path, data, memgate):
    out, _ = memgate("--noise", "symmetric:0.25", "randx:0.1", "--noise-seed", "3", *data)
    assert names(tmp_path / "work") == ["manifest.npz", "manifest.png"]
    manifest = Manifest.load("manifest.npz")
    assert (manifest.header.dataset, manifest.header.seed, manifest.header.count) == ("npz", 3, 120)
    assert manifest.label_corrupted.sum() == 30
    with Image.open("manifest.png") as picture:
        assert picture.format == "PNG"
    shown, _ = memgate("show", "manifest.npz")
    assert out.endswith(shown)
    assert "npz: 120 samples, 4 classes, noise seed 3" in shown
    rows = [line.split() for line in shown.splitlines()]
    assert ["symmetric:0.25", "sym_excl_exact", "25.00%", "25.00%", "30"] in rows
    assert ["randx:0.1", "randx_gaussian", "10.00%", "10.00%", "12"] in rows
    assert ["label", "25.00%", "25.00%"] in rows
    assert next(row for row in rows if row[:1] == ["any"])[1] == "–"
    cats = manifest.label_corrupted[manifest.clean_label == 0].mean()
    assert next(row for row in rows if row[:2] == ["0", "cat"])[2:5] == ["30", "25.00%", f"{cats:.2%}"]


def test_write_is_what_no_subcommand_means(data):
    flags = ["--noise", "symmetric:0.25", *data]
    assert parse(["corrupt", *flags]) == parse(["corrupt", "write", *flags])
    assert isinstance(parse(["corrupt", *flags]), CorruptWrite)


def test_the_sheet_goes_where_it_is_asked_for(tmp_path, data, memgate):
    memgate("--noise", "randx:0.5", "--out", "m.npz", "--sheet", tmp_path / "examples.png", *data)
    assert names(tmp_path / "work") == ["m.npz"]
    assert (tmp_path / "examples.png").exists()


def test_show_as_markdown_and_json(data, memgate):
    memgate("--noise", "symmetric:0.25", *data)
    markdown, _ = memgate("show", "manifest.npz", "--format", "markdown")
    assert markdown.startswith("### npz: 120 samples")
    assert "| symmetric:0.25 | sym_excl_exact |" in " ".join(markdown.split())
    result = json.loads(memgate("show", "manifest.npz", "--format", "json")[0])
    assert result["rates"]["label"] == {"requested": 0.25, "realised": 0.25}
    assert np.allclose(np.sum(result["transition"], axis=1), 1)


def test_show_lists_the_commonest_changes_of_many_classes(tmp_path, data, memgate):
    arrays = {"images": pictures(250, 3), "labels": np.repeat(np.arange(25), 10)}
    path = tmp_path / "many.npz"
    write_npz(path, {f"{split}_{key}": array for split in ("train", "test") for key, array in arrays.items()})
    out, _ = memgate("--noise", "pair:0.2", *data[:3], path)
    manifest = Manifest.load("manifest.npz")
    flows = [line.split() for line in out.splitlines() if " -> " in line and "clean" not in line]
    assert len(flows) == 20
    counts = [int(row[3]) for row in flows]
    assert counts == sorted(counts, reverse=True)
    for clean, _, given, count, share in flows:
        assert int(given) == (int(clean) + 1) % 25
        moved = (manifest.clean_label == int(clean)) & (manifest.given_label == int(given))
        assert (moved.sum(), f"{moved.sum() / 10:.2%}") == (int(count), share)


def test_show_of_nothing_and_of_what_only_a_file_knows(data, memgate):
    out, _ = memgate("--noise", "symmetric:0", "--out", "clean.npz", *data)
    assert ["symmetric:0", "sym_excl_exact", "0.00%", "0.00%", "0"] in [
        line.split() for line in out.splitlines()
    ]
    memgate("export", "clean.npz", "--format", "dividemix", "--out", "list.json")
    out, _ = memgate("import", "list.json", *data)
    rows = [line.split() for line in out.splitlines()]
    assert ["label-list:file=list.json", "label_list", "–", "0.00%", "0"] in rows
    assert ["label", "–", "0.00%"] in rows


@pytest.mark.parametrize("split", ["val", "test"])
def test_other_splits_are_corrupted_under_their_own_name(data, memgate, split):
    data = [*data, "--data.val-fraction", "0.25"]
    memgate("--noise", "symmetric:0.5", "--split", split, *data)
    manifest = Manifest.load("manifest.npz")
    assert manifest.header.dataset == f"npz/{split}"
    assert manifest.header.count == {"val": 30, "test": 40}[split]
    assert "every column and every pixel as recorded" in memgate("verify", "manifest.npz", *data)[0]


def test_grey_arrays_stay_grey_and_the_manifest_says_so(tmp_path, data, memgate):
    """Images [N, H, W] and [N, H, W, 1]; the library gives the same manifest for the arrays."""
    images, labels = pictures(90, 4)[..., 0], np.arange(90) % 4
    arrays = {"train_images": images, "test_images": images[:40, ..., None], "class_names": np.array(NAMES)}
    write_npz(tmp_path / "set.npz", {**arrays, "train_labels": labels, "test_labels": labels[:40]})
    texts = ["gaussian:0.3", "randx:0.2", f"open:0.1:source=npz={tmp_path / 'foreign.npz'}"]
    for split, given in (("train", images), ("test", images[:40])):
        out, _ = memgate("--noise", *texts, "--split", split, "--out", f"{split}.npz", *data)
        assert "4 classes, noise seed 0, grey: one draw for all channels" in out
        assert "every pixel as recorded" in memgate("verify", f"{split}.npz", *data)[0]
        assert json.loads(memgate("show", f"{split}.npz", "--format", "json")[0])["grey"] is True
        dataset = "npz" if split == "train" else "npz/test"
        made = corrupt(given, labels[: len(given)], texts, seed=0, dataset=dataset, class_names=NAMES)
        assert made.manifest.header == Manifest.load(f"{split}.npz").header
        with Image.open(f"{split}.png") as sheet:
            assert sheet.format == "PNG"


def test_verify_finds_open_images_beside_the_manifest(tmp_path, data, memgate):
    (tmp_path / "foreign.npz").rename(tmp_path / "work" / "foreign.npz")
    memgate("--noise", "open:0.1:source=npz=foreign.npz", *data)
    assert str(tmp_path / "work" / "foreign.npz") in Manifest.load("manifest.npz").header.operations[0].text
    for name in ("foreign.npz", "manifest.npz"):
        (tmp_path / "work" / name).rename(tmp_path / name)
    assert "as recorded" in memgate("verify", "../manifest.npz", *data)[0]


@pytest.mark.slow
@pytest.mark.parametrize("column", ["given_label", "image_op", "pixels", "sample_id", "clean_label"])
def test_verify_names_the_column_that_differs(data, memgate, column):
    memgate("--noise", "symmetric:0.25", "randx:0.5", *data)
    values = Manifest.load("manifest.npz").columns()[column].copy()
    step = 2 if column == "image_op" else 1  # randx is the second operation
    values[7] = 1000 if column == "sample_id" else (int(values[7]) + step) % (2 * step)
    rewritten("manifest.npz", **{column: values})
    out, _ = memgate("verify", "manifest.npz", *data, code=1)
    assert f"Column {column} is not the one that was written" in out
    if column not in ("sample_id", "clean_label"):
        assert f"Column {column} differs in 1 samples, the first with sample_id 7." in out
        assert len(out.splitlines()) == 2


def test_formats_of_the_flag_are_those_there_are():
    assert get_args(ExchangeFormat) == tuple(FORMATS)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["dividemix", "evidentialmix", "csv"])
def test_labels_go_out_and_come_in(data, memgate, form):
    memgate("--noise", "symmetric:0.25", "--out", "one.npz", *data)
    file = f"list.{'csv' if form == 'csv' else 'json'}"
    out, errors = memgate("export", "one.npz", "--format", form, "--out", file)
    assert (out, errors) == (f"{file}\n", "")
    memgate("import", file, "--out", "two.npz", *data)
    one, two = Manifest.load("one.npz"), Manifest.load("two.npz")
    np.testing.assert_array_equal(one.given_label, two.given_label)
    np.testing.assert_array_equal(one.label_corrupted, two.label_op > 0)
    assert "as recorded" in memgate("verify", "two.npz", *data)[0]


def test_open_images_go_out_and_come_in(tmp_path, data, memgate):
    source = f"npz={tmp_path / 'foreign.npz'}"
    memgate("--noise", "symmetric:0.25", f"open:0.1:source={source}", "--out", "one.npz", *data)
    memgate("export", "one.npz", "--format", "evidentialmix", "--out", "list.json")
    memgate("import", "list.json", "--source", source, "--out", "two.npz", *data)
    one, two = Manifest.load("one.npz"), Manifest.load("two.npz")
    for column in ("given_label", "source", "pixels"):
        np.testing.assert_array_equal(one.columns()[column], two.columns()[column])
    assert one.header.pixels_digest == two.header.pixels_digest
    assert [operation.kind for operation in two.header.operations] == ["label-list", "open-list"]


def test_a_matrix_goes_out_and_comes_in(data, memgate):
    memgate("--noise", "symmetric:0.25", "--out", "one.npz", *data)
    for form in ("matrix", "cleanlab"):
        memgate("export", "one.npz", "--format", form, "--out", f"{form}.csv")
    memgate("--noise", "matrix:file=matrix.csv", "--out", "two.npz", *data)
    memgate("--noise", "matrix:file=cleanlab.csv:orientation=cleanlab", "--out", "three.npz", *data)
    two, three = Manifest.load("two.npz"), Manifest.load("three.npz")
    np.testing.assert_array_equal(two.given_label, three.given_label)


def test_what_an_export_or_import_loses_is_said(data, memgate):
    memgate("--noise", "symmetric:0.25", "randx:0.1", *data)
    _, errors = memgate("export", "manifest.npz", "--format", "dividemix", "--out", "list.json")
    assert "omits the operations on 12 images" in errors
    memgate("export", "manifest.npz", "--format", "csv", "--out", "list.csv")
    rows = list(csv.DictReader(Path("list.csv").read_text().splitlines()))
    assert sum(row["image_kind"] == "randx" for row in rows) == 12
    _, errors = memgate("import", "list.csv", "--out", "two.npz", *data)
    assert errors.startswith("memgate: list.csv says that 12 images were changed")
    assert not Manifest.load("two.npz").image_corrupted.any()


def test_a_list_that_agrees_no_more_than_chance_is_warned_of(data, memgate):
    memgate("--noise", "symmetric:0.2", "--out", "one.npz", *data)
    memgate("export", "one.npz", "--format", "dividemix", "--out", "list.json")
    _, errors = memgate("import", "list.json", "--out", "two.npz", *data)
    assert not errors
    labels = json.loads(Path("list.json").read_text())
    Path("list.json").write_text(json.dumps(labels[1:] + labels[:1]))
    _, errors = memgate("import", "list.json", "--out", "three.npz", *data)
    assert "about as many as by chance (75.0%)" in errors


def test_verify_says_which_file_changed_and_which_is_missing(data, memgate, tmp_path):
    memgate("--noise", "open:0.1:source=npz=../foreign.npz", *data)
    memgate("verify", "manifest.npz", *data)
    source = tmp_path / "foreign.npz"
    images = np.load(source)["images"]
    np.savez(source, images=255 - images)
    out, _ = memgate("verify", "manifest.npz", *data, code=1)
    assert "foreign.npz is not what it was written with" in out
    source.unlink()
    _, errors = memgate("verify", "manifest.npz", *data, code=2)
    assert "foreign.npz does not exist" in errors
    assert "may also lie beside the manifest" in errors


def test_kinds_lists_them_all(memgate):
    out, _ = memgate("kinds")
    for name, kind in KINDS.items():
        row = next(line for line in out.splitlines() if line.split()[:1] == [name])
        assert kind.convention in row
    assert "severity=3 [1 to 5], or" in out
    assert "balanced=false" in out


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A folder with files for what is wrong: each by a name that says what is wrong with it; and ``work``, theirs."""
    root = tmp_path_factory.mktemp("wrong")
    flags, folder = small_set(root), root / "work"

    def corrupted(*arguments):
        parse(["corrupt", *map(str, arguments), *flags]).run()

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        corrupted("--noise", "symmetric:0.25", "open:0.1:source=npz=../foreign.npz", "--out", "good.npz")
        parse(["corrupt", "export", "good.npz", "--format", "evidentialmix", "--out", "open.json"]).run()
        corrupted("--noise", "symmetric:0.25", "--data.train-limit", "100", "--out", "limited.npz")
    (folder / "two-thirds.csv").write_text("\n".join([",".join(["0.2"] * 4)] * 4))
    (folder / "short.json").write_text(json.dumps([0] * 119))
    (folder / "words.json").write_text('["cat", "dog"]')
    (folder / "broken.json").write_text("[0, 1")
    (folder / "taken.png").touch()
    good, limited = Manifest.load(folder / "good.npz"), Manifest.load(folder / "limited.npz")
    dataclasses.replace(good, header=dataclasses.replace(good.header, dataset="cifar100")).save(
        folder / "cifar100.npz"
    )
    dataclasses.replace(limited, severity=limited.severity + np.int8(1)).save(folder / "damaged.npz")
    for name in ("good.npz", "good.png"):
        (folder / name).unlink()
    return root


WRONG = [
    (["--noise", "symetric:0.4"], "--noise: unknown corruption 'symetric': did you mean symmetric"),
    (["--noise", "symmetric:1.5"], "--noise: symmetric:1.5: the rate is a share of the samples, in [0, 1]"),
    (["--noise", "symmetric:0.4", "symmetric:0.1"], "symmetric is listed twice"),
    (["--noise", "symmetric:0.8", "pair:0.4"], "pair:0.4 needs 48 of 120 samples but only 24 have no label"),
    (["--noise", "matrix:file=two-thirds.csv"], "row 1 sums to 0.8 but must sum to one"),
    (["--noise", "matrix:file=nothing.csv"], "nothing.csv does not exist"),
    (["--noise", "label-list:file=short.json"], "short.json lists 119 labels"),
    (["--noise", "open:0.5:source=npz=../foreign.npz"], "needs 60 images, foreign.npz has 30"),
    (["--noise", "open:0.5"], "open lacks its source"),
    (["--noise", "pair:0.1", "--out", "limited.npz"], "limited.npz exists already: choose another --out"),
    (["--noise", "pair:0.1", "--out", "taken.npz"], "taken.png exists already: choose another --sheet"),
    (["--noise", "pair:0.1", "--out", "new.png"], "--out and --sheet are both new.png"),
    (["--noise", "pair:0.1", "--out", "none/new.npz"], "there is no folder none"),
    (["--noise", "pair:0.1", "--noise-seed", "-1"], "the noise seed -1 is out of range"),
    (
        ["--noise", "pair:0.1", "--split", "val"],
        "--split val: the data has no split 'val': add --data.val-frac",
    ),
    (["--noise", "pair:0.1", "--split", "dev"], "invalid choice 'dev'"),
    (["--noise"], "--noise names no corruption"),
    (["--noise", "pair:0.1", "--noise", "random"], "--noise is given twice, and only the last would count"),
    (["--noise", "pair:0.1", "--out", ""], "--out is no file name: give one"),
    (["--noise", "pair:0.1", "--sheet", "new.jpg"], "--sheet new.jpg is written as PNG"),
    (["show", "damaged.npz"], "damaged.npz: column severity is not the one that was written"),
    (["export", "damaged.npz", "--format", "csv", "--out", "new.csv"], "damaged.npz: column severity"),
    (["vrify", "limited.npz"], "'memgate corrupt' has no command 'vrify': perhaps verify is meant"),
    (["show", "nothing.npz"], "nothing.npz does not exist"),
    (["show", "../set.npz"], "is not a manifest"),
    (
        ["verify", "cifar100.npz"],
        "is a manifest of cifar100 and the data is npz: verify it with --data.name cifar100",
    ),
    (["verify", "limited.npz"], "made from 100 other images or labels than these 120"),
    (
        ["export", "limited.npz", "--format", "dividemix", "--out", "new.json"],
        "as dividemix: DivideMix's file lists",
    ),
    (["export", "limited.npz", "--format", "csv", "--out", "taken.png"], "taken.png exists already"),
    (["export", "limited.npz", "--format", "csv", "--out", "none/new.csv"], "there is no folder none"),
    (
        ["import", "open.json"],
        "open.json inserts 12 images and does not say from which data set: add --source",
    ),
    (["import", "open.json", "--source", "mnist"], "'mnist' is not one of cifar10, cifar100, svhn, npz=FILE"),
    (["import", "open.json", "--source", "npz=nothing.npz"], "nothing.npz does not exist"),
    (["import", "short.json", "--source", "svhn"], "--source svhn has no use"),
    (["import", "short.json"], "short.json lists 119 labels"),
    (["import", "words.json"], "words.json holds 'cat' at index 0"),
    (["import", "broken.json"], "broken.json is not JSON"),
    (["import", "../set.npz"], "set.npz has no column"),
    (["import", "two-thirds.csv"], "two-thirds.csv has the column '0.2' twice"),
    (["import", "nothing.csv"], "nothing.csv does not exist"),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "sentence"), WRONG, ids=[" ".join(arguments) for arguments, _ in WRONG]
)
def test_what_is_wrong_is_one_sentence_and_nothing_is_written(
    prepared, memgate, monkeypatch, arguments, sentence
):
    monkeypatch.chdir(prepared / "work")
    before = {path: path.read_bytes() for path in prepared.rglob("*") if path.is_file()}
    flags = (
        []
        if arguments[0] in ("show", "export", "vrify")
        else ["--data.name", "npz", "--data.root", "../set.npz"]
    )
    out, errors = memgate(*arguments, *flags, code=2)
    assert sentence in errors
    assert errors.startswith("memgate: ")
    assert errors.count("\n") == 1
    assert out == ""
    assert {path: path.read_bytes() for path in prepared.rglob("*") if path.is_file()} == before


def test_a_failed_write_leaves_no_half(tmp_path, data, memgate, monkeypatch):
    def full(self, path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("noise.files.npz.atomic_write", full)
    _, errors = memgate("--noise", "pair:0.1", *data, code=2)
    assert "No space left on device" in errors
    assert names(tmp_path / "work") == []
