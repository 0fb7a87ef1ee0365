"""Exports in other tools' schemas, read as those tools read them."""

import csv
import io
import itertools
import json
import math
import zipfile
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from google.protobuf import text_format
from PIL import Image
from tensorboard.plugins.projector import projector_config_pb2

from memgate.errors import MemgateError
from memgate.log.reader import SampleLog
from memgate.runs.pictures import pictures_of
from memgate.runs.run import Run
from noise.files.atomic import atomic_folder
from noise.files.npz import write_zip
from probes.dynamics.summary import summary
from probes.export import folders
from probes.export.export import export_run
from probes.export.plan import ExportPlan
from probes.export.writers import write_h5, write_jsonl
from probes.samples.filters import Filter

UNSEEN = {1: [0, 3], 2: [3], 3: [3, 5], 4: [3]}


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_cleanlab(make_run, form):
    run = make_run(n=60, unseen=UNSEEN)
    path = export_run(run, ExportPlan(format=form, schema="cleanlab"))
    read = pd.read_csv if form == "csv" else pd.read_parquet
    result: Any = read(path).set_index("sample_id")
    assert list(result) == ["is_label_issue", "label_score", "given_label", "predicted_label", "is_corrupted"]
    log = run.sample_log()
    samples = log.samples("train")
    np.testing.assert_array_equal(result["is_corrupted"], samples.given_label != samples.clean_label)
    assert result["label_score"].dropna().between(0, 1).all()
    last = np.where(log.values("train", "seen")[1][-1], log.values("train", "p_given")[1][-1], np.nan)
    there = ~np.isnan(last)
    np.testing.assert_array_equal(
        result["label_score"].to_numpy(np.float32)[there], last[there].astype(np.float32)
    )
    assert result.loc[3, ["is_label_issue", "label_score", "predicted_label"]].isna().all()
    known = result.drop(index=3)
    flagged, wrong = (known[name].to_numpy(bool) for name in ("is_label_issue", "is_corrupted"))
    assert known["label_score"][wrong].mean() < known["label_score"][~wrong].mean()
    assert flagged[wrong].mean() > flagged[~wrong].mean()
    assert not np.array_equal(flagged, wrong)  # an estimate
    meta = json.loads(path.with_name(f"{path.name}.meta.json").read_text())
    assert "is_label_issue is an estimate by cleanlab's rule predicted_neq_given" in meta["notes"][0]


def test_cleanlab_flags_what_its_own_rule_flags(make_recorder):
    """Three classes, four samples: the second is predicted as another class than its given one, and so is the last.

    Only the last has a wrong given label, which the estimate must not depend on.
    """
    probabilities = np.array([[0.8, 0.1, 0.1], [0.5, 0.3, 0.2], [0.2, 0.3, 0.5], [0.1, 0.6, 0.3]])
    given, clean = np.array([0, 1, 2, 2]), np.array([0, 1, 2, 0])
    with make_recorder(4, epochs=1, labels=given, clean_labels=clean) as recorder:
        recorder.update(np.arange(4), np.log(probabilities), given)
        recorder.end_epoch()
    result = pd.read_csv(export_run(Run(recorder.path), ExportPlan(schema="cleanlab")))
    assert result["is_label_issue"].tolist() == [False, True, False, True]
    assert result["is_corrupted"].tolist() == [False, False, False, True]
    np.testing.assert_allclose(result["label_score"], [0.8, 0.3, 0.5, 0.3], rtol=1e-6)
    own = pytest.importorskip("cleanlab.filter").find_predicted_neq_given(given, probabilities)
    np.testing.assert_array_equal(result["is_label_issue"], own)


def test_cleanlab_ranks_by_our_score_as_by_its_own(make_run):
    rank = pytest.importorskip("cleanlab.rank")
    run = make_run(n=50, classes=3)
    result = pd.read_csv(export_run(run, ExportPlan(schema="cleanlab")))
    p = result["label_score"].to_numpy()
    given = result["given_label"].to_numpy()
    probabilities = np.full((50, 3), np.nan)
    probabilities[:] = ((1 - p) / 2)[:, None]
    probabilities[np.arange(50), given] = p
    np.testing.assert_allclose(rank.get_self_confidence_for_each_label(given, probabilities), p)


def test_cartography_has_the_numbers_of_its_own_code(make_run):
    run = make_run(n=60, epochs=6, unseen={epoch: [3] for epoch in range(1, 7)})
    lines = export_run(run, ExportPlan(schema="cartography")).read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert list(rows[0]) == [
        "guid", "index", "threshold_closeness", "confidence", "variability", "correctness", "forgetfulness",
    ]  # fmt: skip
    log = run.sample_log()
    p, right = log.values("train", "p_given")[1].astype(float), log.values("train", "correct_given")[1]
    expected = [place for place in range(60) if place != 3]
    assert [row["guid"] for row in rows] == log.samples("train").sample_id[expected].tolist()
    assert [row["index"] for row in rows] == list(range(59))
    for row, place in zip(rows, expected, strict=True):
        assert row["confidence"] == pytest.approx(p[:, place].mean(), rel=1e-5)
        assert row["variability"] == pytest.approx(p[:, place].std(), rel=1e-4)
        assert row["threshold_closeness"] == pytest.approx(
            row["confidence"] * (1 - row["confidence"]), rel=1e-5
        )
        assert row["correctness"] == right[:, place].sum()
        trend = right[:, place].tolist()
        forgotten = sum(before and not after for before, after in itertools.pairwise(trend))
        assert row["forgetfulness"] == (forgotten if any(trend) else 1000)


def test_fiftyone(make_run):
    run = make_run(n=40, unseen=UNSEEN, gates=("b2", "b3"))
    folder = export_run(
        run, ExportPlan(schema="fiftyone", filter=Filter("image"), quantities=("gate_b3_last",))
    )
    assert sorted(path.name for path in folder.iterdir()) == ["data", "labels.csv"]
    with (folder / "labels.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == [
        "filepath",
        "ground_truth",
        "clean_class",
        "prediction",
        "sample_id",
        "gate_b3_last",
    ]
    log, pictures = run.sample_log(), pictures_of(run)["train"]
    samples = log.samples("train")
    members = np.flatnonzero(samples.cause == "image")
    assert [int(row["sample_id"]) for row in rows] == samples.sample_id[members].tolist()
    assert len(list((folder / "data").iterdir())) == len(members)
    for row, place in zip(rows, members, strict=True):
        with Image.open(folder / "data" / row["filepath"]) as picture:
            shown = np.asarray(picture)
        np.testing.assert_array_equal(shown, pictures.given[place])
        assert row["ground_truth"] == log.class_names[samples.given_label[place]]
    # every column again, with the classes' names in front
    whole = pd.read_csv(export_run(run, ExportPlan(schema="fiftyone")) / "labels.csv")
    assert list(whole)[4:] == list(summary(run))


def test_fiftyone_needs_pictures(make_run):
    run = make_run(n=20, seed=3)
    run.config.data.root.unlink()
    with pytest.raises(MemgateError, match="no data file"):
        export_run(run, ExportPlan(schema="fiftyone"))
    assert not (run.path / "exports").exists()


def points(folder):
    """What the projector reads."""
    empty = projector_config_pb2.ProjectorConfig()  # pyright: ignore[reportAttributeAccessIssue]
    config = text_format.Parse((folder / "projector_config.pbtxt").read_text(), empty)
    (one,) = config.embeddings
    tensors = np.loadtxt(folder / one.tensor_path, delimiter="\t", ndmin=2)
    return one, tensors, pd.read_csv(folder / one.metadata_path, sep="\t")


@pytest.mark.parametrize(("gates", "gate"), [(("b2", "b3"), None), (("b2", "b3"), "b2"), ((), None)])
def test_tensorboard_trajectories(make_run, gates, gate, capsys):
    run = make_run(n=30, gates=gates, unseen={2: [4, 9]}, ids=np.arange(30)[::-1] * 2)
    one, tensors, metadata = points(export_run(run, ExportPlan("matrix", schema="tensorboard", gate=gate)))
    log, there = run.sample_log(), [place for place in range(30) if place not in (4, 9)][::-1]
    assert metadata["sample_id"].tolist() == log.samples("train").sample_id[there].tolist()
    name = ("gate", gate or "b3") if gates else ("p_given", None)
    np.testing.assert_array_equal(tensors.astype(np.float32), log.values("train", *name)[1][:, there].T)
    assert "2 samples lack values at these epochs" in capsys.readouterr().err
    assert not one.HasField("sprite")  # the log's ids are not the pictures'


def test_tensorboard_shows_each_point_its_picture(make_run):
    run = make_run(n=30, unseen={2: [4, 9]})
    folder = export_run(run, ExportPlan("matrix", schema="tensorboard"))
    one, _, metadata = points(folder)
    width, height = one.sprite.single_image_dim
    with Image.open(folder / one.sprite.image_path) as picture:
        sprite = np.asarray(picture)
    pictures = pictures_of(run)["train"]
    for at in (0, 4, 5, 6, 27):  # six in a row
        tile = sprite[at // 6 * height :][:height, at % 6 * width :][:, :width]
        (row,) = pictures.rows([metadata["sample_id"].tolist()[at]])
        np.testing.assert_array_equal(tile, pictures.given[row])


def test_tensorboard_scores_are_standardised(make_run):
    run = make_run(n=40, unseen=UNSEEN)
    folder = export_run(
        run, ExportPlan(schema="tensorboard", quantities=("loss_mean", "first_learned_epoch", "aum"))
    )
    _, tensors, metadata = points(folder)
    table = summary(run).set_index("sample_id").drop(index=3)
    assert metadata["sample_id"].tolist() == table.index.tolist()
    meta = json.loads(folder.with_name(folder.name + ".meta.json").read_text())
    learned = bool(table["first_learned_epoch"].notna().to_numpy().all())
    assert set(meta["columns"]) == {"loss_mean", "aum"} | ({"first_learned_epoch"} if learned else set())
    for column, values in zip(meta["columns"], tensors.T, strict=True):
        raw = table[column].to_numpy(float)
        np.testing.assert_allclose(values, (raw - raw.mean()) / raw.std(), atol=1e-6)


def test_a_sprite_fits_into_what_the_projector_takes(make_run, monkeypatch):
    run = make_run(n=100, noise=())
    monkeypatch.setattr(folders, "SPRITE_SIDE", 80)
    folder = export_run(run, ExportPlan("matrix", schema="tensorboard"))
    one, *_ = points(folder)
    assert list(one.sprite.single_image_dim) == [8, 8]
    with Image.open(folder / "sprite.png") as picture:
        assert picture.size == (80, 80)


def test_class_names_cannot_break_a_line(make_run, monkeypatch):
    run = make_run(n=20)
    original = SampleLog.__init__

    def renamed(log, path):
        original(log, path)
        log.class_names = ("a\tb\nc", "=1+1", *log.class_names[2:])

    monkeypatch.setattr(SampleLog, "__init__", renamed)
    _, tensors, metadata = points(export_run(run, ExportPlan("matrix", schema="tensorboard")))
    assert len(metadata) == len(tensors) == 20
    assert "a b c" in set(metadata["clean"])
    labels = pd.read_csv(export_run(run, ExportPlan(schema="fiftyone")) / "labels.csv")
    assert {"a\tb\nc", "=1+1"} <= set(labels["clean_class"])


@pytest.mark.slow
@pytest.mark.parametrize("schema", ["fiftyone", "tensorboard"])
def test_a_folder_is_replaced_as_a_whole_and_only_our_own(make_run, tmp_path, schema, monkeypatch):
    run = make_run(n=20)
    plan = ExportPlan(schema=schema)
    out = tmp_path / "points"
    first = export_run(run, plan, out=out)
    assert first == out
    (out / "labels.csv").write_text("mine")
    digest = json.loads((tmp_path / "points.meta.json").read_text())["sha256"]
    assert export_run(run, plan, out=out) == out
    assert json.loads((tmp_path / "points.meta.json").read_text())["sha256"] == digest
    assert (out / "labels.csv").exists() == (schema == "fiftyone")
    other = tmp_path / "other"
    other.mkdir()
    masks = export_run(run, plan, out=other)
    assert masks.parent == other
    strange = tmp_path / "third" / masks.name
    strange.mkdir(parents=True)
    with pytest.raises(MemgateError, match="no export of memgate"):
        export_run(run, plan, out=strange.parent)
    assert not list(tmp_path.rglob(".*"))


def test_a_folder_that_fails_leaves_the_old_one(tmp_path):
    path = tmp_path / "folder"
    atomic_folder(path, lambda folder: (folder / "a").write_text("old"))

    def fail(folder):
        (folder / "a").write_text("new")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        atomic_folder(path, fail)
    assert (path / "a").read_text() == "old"
    atomic_folder(path, lambda folder: (folder / "b").write_text("new"))
    assert [one.name for one in path.iterdir()] == ["b"]
    assert [one.name for one in tmp_path.iterdir()] == ["folder"]


def test_an_archive_is_the_same_whenever_it_is_written(tmp_path):
    for at, name in enumerate(("one", "two")):
        for file in ("b", "a")[:: 1 - 2 * at]:
            (tmp_path / name / file).parent.mkdir(exist_ok=True)
            (tmp_path / name / file).write_text(file)
    streams = io.BytesIO(), io.BytesIO()
    write_zip(streams[0], tmp_path / "one", "x")
    write_zip(streams[1], tmp_path / "two", "x")
    assert streams[0].getvalue() == streams[1].getvalue()
    with zipfile.ZipFile(streams[0]) as archive:
        assert archive.namelist() == ["x/a", "x/b"]


def test_json_lines_are_json():
    table = pa.table(
        {
            "word": pa.array(['a "b"\n', None, "ü"]),
            "number": pa.array([math.inf, math.nan, 0.1], pa.float32()),
            "truth": pa.array([True, None, False]),
        }
    )
    stream = io.BytesIO()
    write_jsonl(stream, table.schema, [table, table])

    def refuse(text):
        raise AssertionError(text)

    rows = [json.loads(line, parse_constant=refuse) for line in stream.getvalue().decode().splitlines()]
    assert rows[:3] == [
        {"word": 'a "b"\n', "number": None, "truth": True},
        {"word": None, "number": None, "truth": None},
        {"word": "ü", "number": 0.1, "truth": False},
    ]
    assert rows[3:] == rows[:3]


def test_hdf5_keeps_text_and_says_when_the_disk_is_full():
    stream = io.BytesIO()
    words = np.array(["ü", "", "abc"])
    write_h5(stream, [("word", words), ("none", np.array(["", ""])), ("flag", np.array([True, False]))])
    with h5py.File(stream) as handle:
        assert handle["word"].asstr()[:].tolist() == words.tolist()  # pyright: ignore
        assert handle["none"].asstr()[:].tolist() == ["", ""]  # pyright: ignore
        assert handle["flag"][:].tolist() == [True, False]  # pyright: ignore

    class Full(io.BytesIO):
        def write(self, content, /):
            if self.tell() + len(content) > 10_000:
                raise OSError(28, "No space left on device")
            return super().write(content)

    with pytest.raises(OSError, match="No space left"):
        write_h5(Full(), [("x", np.zeros(100_000))])
