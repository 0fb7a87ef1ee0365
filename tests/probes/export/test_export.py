import hashlib
import io
import json
import os
import stat
import tracemalloc
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from memgate.errors import MemgateError
from memgate.log.table import table_columns
from memgate.log.writer import SampleLogWriter
from memgate.runs.run import Run
from probes.dynamics.snapshot import take_snapshot
from probes.dynamics.summary import summary
from probes.export import export as module
from probes.export import files
from probes.export.export import export_run
from probes.export.plan import KINDS, ExportPlan
from probes.export.shapes import long_tables, matrix_arrays
from probes.export.writers import arrow_table, write_csv, write_table
from probes.samples.filters import Filter

FORMS = [
    (shape, form)
    for (schema, shape), forms in KINDS.items()
    if schema == "memgate" and shape != "gates"  # tests/probes/export/test_gate_arrays.py
    for form in forms
]
UNSEEN = {1: [0, 3], 2: [3], 3: [3, 5], 4: [3]}

IDENTITY = [
    "sample_id", "split", "given_label", "clean_label", "corrupted", "cause", "label_kind", "image_kind",
    "epochs_logged", "pred_last", "correct_given_last", "correct_clean_last",
]  # fmt: skip
GATE = [
    "gate_last", "gate_mean", "gate_std", "gate_max", "routed_last", "routed_share", "routed_epochs",
    "first_skip_epoch", "last_skip_epoch", "route_flips", "entropy_last", "entropy_mean",
    "gate_signed_entropy_mean",
]  # fmt: skip
GATE_B2 = [
    "gate_b2_last", "gate_b2_mean", "gate_b2_std", "gate_b2_max", "routed_b2_last", "routed_b2_share",
    "routed_b2_epochs", "first_skip_epoch_b2", "last_skip_epoch_b2", "route_flips_b2", "entropy_b2_last",
    "entropy_b2_mean", "gate_b2_signed_entropy_mean",
]  # fmt: skip
FIT = [
    "loss_last", "loss_mean", "margin_last", "loss_gmm_mean", "loss_gmm_last", "aum", "p_given_last",
    "normalised_margin_last", "el2n_last", "el2n_mean", "el2n_early", "out_entropy_mean", "signed_entropy_mean",
    "confidence", "variability", "correctness", "forgetfulness", "first_learned_epoch", "stable_learned_epoch",
    "threshold_closeness", "loss_iqr",
]  # fmt: skip


def log_matrices(run: Run, split: str = "train") -> dict[str, np.ndarray]:
    """The log's columns as float [E, N], NaN where not seen, sorted by sample id."""
    log = run.sample_log()
    order = np.argsort(log.samples(split).sample_id)
    seen = log.values(split, "seen")[1]
    return {
        name: np.where(seen, log.values(split, quantity, gate)[1], np.nan).astype(np.float64)[:, order]
        for name, (quantity, gate) in table_columns(log.gates).items()
    }


def read(path: Path) -> dict[str, np.ndarray]:
    """Any export as arrays."""
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)
    if path.suffix == ".h5":
        with h5py.File(path) as handle:
            return {name: _plain(dataset) for name, dataset in handle.items()}
    readers = {
        ".csv": pd.read_csv,
        ".jsonl": lambda file: pd.DataFrame([json.loads(line) for line in file.read_text().splitlines()]),
        ".parquet": lambda file: pyarrow.parquet.read_table(file).to_pandas(),
    }
    table = readers[path.suffix](path)
    return {name: table[name].to_numpy() for name in table}


def _plain(dataset: h5py.Dataset) -> np.ndarray:
    return np.array(dataset.asstr()[:], np.str_) if h5py.check_string_dtype(dataset.dtype) else dataset[:]


def hidden(values: dict[str, np.ndarray], name: str) -> np.ndarray:
    """A column as float64 with NaN for what was not seen."""
    column = values[name].astype(np.float64)
    return np.where(values["seen"], column, np.nan) if "seen" in values else column


@pytest.mark.slow
@pytest.mark.parametrize("gates", [(), ("b3",), ("b2", "b3")])
@pytest.mark.parametrize("form", ["csv", "parquet", "npz", "jsonl", "h5"])
def test_long_is_the_log(make_run, gates, form):
    run = make_run(n=30, gates=gates, unseen=UNSEEN, ids=np.random.default_rng(0).permutation(30) * 7)
    result = read(export_run(run, ExportPlan("long", form)))
    np.testing.assert_array_equal(result["epoch"], np.repeat([1, 2, 3, 4], 30))
    np.testing.assert_array_equal(result["sample_id"], np.tile(np.arange(30) * 7, 4))
    for name, values in log_matrices(run).items():
        got = hidden(result, name)
        np.testing.assert_array_equal(got.astype(np.float32), values.ravel().astype(np.float32), err_msg=name)
    extra = ["seen"] if form in ("npz", "h5") else []
    assert list(result) == ["sample_id", "epoch", *extra, *table_columns(gates)]


@pytest.mark.slow
@pytest.mark.parametrize("gates", [(), ("b3",), ("b2", "b3")])
@pytest.mark.parametrize("form", ["parquet", "npz", "h5"])
def test_matrix_is_the_log(make_run, gates, form, monkeypatch):
    monkeypatch.setattr(files, "SAMPLES_PER_GROUP", 8)
    run = make_run(n=30, gates=gates, unseen=UNSEEN, ids=np.random.default_rng(0).permutation(30) * 7)
    path = export_run(run, ExportPlan("matrix", form))
    result = read(path)
    np.testing.assert_array_equal(result["sample_id"], np.arange(30) * 7)
    for name, values in log_matrices(run).items():
        if form != "parquet":
            got = hidden(result, name)
        else:
            got = np.array([[np.nan if v is None else v for v in row] for row in result[name]], float).T
        np.testing.assert_array_equal(got, values, err_msg=name)
    if form != "parquet":
        np.testing.assert_array_equal(result["epochs"], [1, 2, 3, 4])
        assert result["loss"].dtype == np.float32
        assert result["pred"].dtype == np.uint16
    else:
        assert pyarrow.parquet.read_schema(path).metadata[b"epochs"] == b"[1, 2, 3, 4]"


@pytest.mark.slow
@pytest.mark.parametrize("form", ["csv", "parquet", "npz", "jsonl", "h5"])
def test_summary_round_trips(make_run, form):
    run = make_run(n=60, gates=("b2", "b3"), unseen=UNSEEN)
    expected, result = summary(run), read(export_run(run, ExportPlan("summary", form)))
    assert list(result) == list(expected)
    for name in expected:
        if isinstance(expected[name].dtype, pd.StringDtype):
            got = pd.Series(result[name]).fillna("").astype(str).tolist()
            assert got == expected[name].fillna("").tolist(), name
        else:
            got = np.array([np.nan if value is None else value for value in result[name]], np.float32)
            want = expected[name].to_numpy(np.float64, na_value=np.nan).astype(np.float32)
            np.testing.assert_array_equal(got, want, err_msg=name)


def test_summary_columns_and_values(make_run):
    run = make_run(gates=("b3",))
    table, log, manifest = summary(run), run.sample_log(), run.manifest
    assert list(table) == IDENTITY + GATE + FIT
    assert table["sample_id"].tolist() == sorted(manifest.sample_id.tolist())
    assert table["corrupted"].tolist() == manifest.corrupted.tolist()
    assert table["cause"].tolist() == manifest.cause.tolist()
    assert table["label_kind"].fillna("none").tolist() == manifest.label_kinds.tolist()
    assert table["image_kind"].fillna("none").tolist() == manifest.image_kinds.tolist()
    g, routed = log.values("train", "gate")[1], log.values("train", "routed")[1]
    np.testing.assert_allclose(table["gate_mean"], g.mean(0), rtol=1e-5)
    np.testing.assert_array_equal(table["gate_last"], g[-1])
    np.testing.assert_array_equal(table["gate_max"], g.max(0))
    np.testing.assert_array_equal(table["routed_epochs"].to_numpy(int), routed.sum(0))
    np.testing.assert_allclose(table["aum"], log.values("train", "margin")[1].mean(0), rtol=1e-4, atol=1e-6)
    p = log.values("train", "p_given")[1].astype(float)
    np.testing.assert_allclose(table["confidence"], p.mean(0), rtol=1e-5)
    np.testing.assert_allclose(table["variability"], p.std(0), rtol=1e-5)


@pytest.mark.slow
def test_summary_of_other_gates_and_splits(make_run):
    two = [name.replace("_b2", "_b3") for name in GATE_B2]
    assert list(summary(make_run(gates=("b2", "b3")))) == IDENTITY + GATE_B2 + two + FIT
    run = make_run(gates=(), val_n=20)
    assert list(summary(run)) == IDENTITY + FIT
    for split, n in (("val", 20), ("test", 50)):
        table = summary(run, split)
        assert len(table) == n
        assert set(table["corrupted"]) == {False}
        assert table["label_kind"].to_list() == [pd.NA] * n
        assert set(table["split"]) == {split}


def test_routed_is_the_bit_and_not_g_above_one_half(make_run):
    run = make_run(epochs=2)
    records = dict(run.sample_log().records("train", [1, 2]))
    with closing(SampleLogWriter.open(run.path / "log.h5")) as writer:
        for epoch, record in records.items():
            writer.write(epoch, {"train": replace(record, flags=record.flags | 8)})
    table = summary(run)
    assert np.min(table["gate_last"].to_numpy()) < 0.5
    assert set(table["routed_last"]) == {True}
    assert set(table["first_skip_epoch"]) == {pd.NA}


def test_unseen_samples_are_missing_and_never_zero(make_run):
    run = make_run(n=30, unseen=UNSEEN)
    table = summary(run).set_index("sample_id")
    assert table.loc[[0, 3, 5], "epochs_logged"].tolist() == [3, 0, 3]
    never = table.loc[3, ["pred_last", "correct_given_last", *GATE, *FIT]]
    assert never.isna().all()
    loss = run.sample_log().values("train", "loss")[1]
    assert table.loc[0, "loss_mean"] == pytest.approx(loss[1:, 0].mean(), rel=1e-6)
    lines = export_run(run, ExportPlan("long", "csv")).read_text().splitlines()
    assert lines[1 + 3] == "3,1" + "," * 11


def test_epochs_with_a_gap_and_a_damaged_epoch(make_run, capsys):
    run = make_run(n=20, epochs=7, every=2)
    with h5py.File(run.path / "log.h5", "r+") as handle:
        loss = handle["train/loss"]
        assert isinstance(loss, h5py.Dataset)
        loss[1, 0] += 1
    assert sorted(set(read(export_run(run, ExportPlan("long", "parquet")))["epoch"])) == [2, 6, 7]
    meta = json.loads((run.path / "exports/run-train-long.parquet.meta.json").read_text())
    assert meta["epochs"] == [2, 6, 7]
    assert meta["notes"] == ["Damaged in the log and left out: epoch 4."]
    assert capsys.readouterr().err == "memgate: Damaged in the log and left out: epoch 4.\n"
    table = summary(run)
    assert set(table["epochs_logged"]) == {3}
    assert set(table["last_skip_epoch"].dropna()) <= {2, 6, 7}


def test_unfinished_run_has_what_is_finished(make_run):
    assert set(summary(make_run(epochs=9, finished=2))["epochs_logged"]) == {2}
    with pytest.raises(MemgateError, match="no finished epoch"):
        export_run(make_run(finished=0))


@pytest.mark.slow
@pytest.mark.parametrize(("shape", "form"), FORMS)
def test_same_run_same_bytes_and_the_meta_file(make_run, shape, form, tmp_path):
    run = make_run(n=40, unseen=UNSEEN)
    first = export_run(run, ExportPlan(shape, form))
    assert first == run.path / f"exports/run-train-{shape}.{form}"
    other = export_run(run, ExportPlan(shape, form), out=tmp_path / "again.bin")
    assert first.read_bytes() == other.read_bytes()
    meta = json.loads(first.with_name(first.name + ".meta.json").read_text())
    assert meta["schema"] == "memgate-export/1"
    assert meta["sha256"] == hashlib.sha256(first.read_bytes()).hexdigest()
    assert meta["rows"] == (160 if shape == "long" else 40)
    assert meta["columns"] == list(read(first))
    assert meta["epochs"] == [1, 2, 3, 4]
    assert meta["command"] == f"memgate export {run.path} --split train --shape {shape} --format {form}"
    assert meta["plan"]["shape"] == shape
    assert sorted(path.name for path in first.parent.iterdir()) == [first.name, first.name + ".meta.json"]


def test_parquet_has_a_row_group_for_each_epoch(make_run):
    result = pyarrow.parquet.ParquetFile(export_run(make_run(n=40), ExportPlan("long", "parquet")))
    assert result.num_row_groups == 4
    assert result.metadata.row_group(2).num_rows == 40
    assert result.metadata.row_group(0).column(0).compression == "ZSTD"
    result.close()


def test_csv_text(make_run):
    text = export_run(make_run(n=20)).read_text()
    assert text.splitlines()[0] == ",".join(IDENTITY + GATE + FIT)
    assert ",true," in text
    assert "nan" not in text
    assert "None" not in text


def test_formulas_are_defused_where_people_read_and_kept_where_programs_do(tmp_path):
    words = ["=1+1", "+x", "-x", "@x", "plain", 'a "b", c', None]
    frame = pd.DataFrame({"word": pd.array(words, "string"), "number": np.float32(-1.5)})
    write_table(tmp_path / "people.csv", frame)
    people = pd.read_csv(tmp_path / "people.csv")
    assert people["word"].fillna("").tolist() == ["'=1+1", "'+x", "'-x", "'@x", "plain", 'a "b", c', ""]
    assert set(people["number"]) == {-1.5}
    table = arrow_table(frame)
    stream = io.BytesIO()
    write_csv(stream, table.schema, [table])
    stream.seek(0)
    assert pd.read_csv(stream)["word"].fillna("").tolist() == [word or "" for word in words]


@pytest.mark.slow
def test_a_summary_guards_formulas_in_a_file_and_not_in_a_stream(make_run, tmp_path, monkeypatch):
    run = make_run(n=20)
    original = files.export_summary

    def with_formula(run, chosen, quantities=()):
        table, notes = original(run, chosen, quantities)
        return table.assign(cause=pd.array(["=1+1"] * len(table), "string")), notes

    monkeypatch.setattr(files, "export_summary", with_formula)
    assert set(pd.read_csv(export_run(run))["cause"]) == {"'=1+1"}
    with (tmp_path / "program.csv").open("wb") as stream:
        export_run(run, out=f"/dev/fd/{stream.fileno()}")
    assert set(pd.read_csv(tmp_path / "program.csv")["cause"]) == {"=1+1"}
    assert sorted(path.name for path in tmp_path.glob("program*")) == ["program.csv"]
    parquet = export_run(run, ExportPlan(format="parquet"))
    assert set(pd.read_parquet(parquet)["cause"]) == {"=1+1"}


@pytest.mark.slow
def test_the_ending_names_the_format(make_run, tmp_path):
    run = make_run(n=20)
    assert (
        pyarrow.parquet.read_table(run.export(tmp_path / "a.parquet", quantities=("cause",))).num_rows == 20
    )
    assert json.loads(run.export(tmp_path / "a.JSONL").read_text().splitlines()[0])["sample_id"] == 0
    assert run.export(tmp_path / "plain").read_text().startswith("sample_id,")
    assert run.export(tmp_path / "a.txt", format="csv").read_text().startswith("sample_id,")
    for name, form, sentence in (
        ("x.parquet", "csv", "ends in .parquet and --format is csv"),
        ("x.xlsx", None, "ends in .xlsx, which is none of the formats csv,"),
        ("x.npz", "npz", None),
    ):
        if sentence is None:
            run.export(tmp_path / name, format=form)
            continue
        with pytest.raises(MemgateError, match=sentence):
            run.export(tmp_path / name, format=form)
        assert not (tmp_path / name).exists()
    with pytest.raises(MemgateError, match="not written as csv"):
        run.export(tmp_path / "m.csv", shape="matrix")


@pytest.mark.slow
def test_only_an_export_is_replaced_unless_asked(make_run, tmp_path, one_sentence, exit_code):
    run, path = make_run(n=20), tmp_path / "precious.csv"
    path.write_text("mine")
    with pytest.raises(MemgateError, match="exists and is no export of memgate"):
        run.export(path)
    assert "add --overwrite" in one_sentence("export", run.path, "--out", path)
    assert path.read_text() == "mine"
    assert exit_code("export", run.path, "--out", path, "--overwrite") == 0
    whole = path.read_text()
    run.export(path, quantities=("cause",))
    assert path.read_text() != whole
    os.mkfifo(tmp_path / "pipe")
    assert "no program reads" in one_sentence("export", run.path, "--out", tmp_path / "pipe")


def test_a_device_is_refused_before_the_work(make_run, tmp_path, one_sentence):
    run, node = make_run(n=20), tmp_path / "node.csv"
    try:
        os.mknod(node, 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("making a device node needs root")
    assert "it is a device and not a regular file" in one_sentence("export", run.path, "--out", node)
    assert "it is a device and not a regular file" in one_sentence("score", run.path, "--out", node)
    assert stat.S_ISCHR(node.lstat().st_mode)


def test_a_stream_gets_the_table_alone(make_run, tmp_path, exit_code, capfd):
    run = make_run(n=20)
    assert exit_code("export", run.path, "--out", "/dev/stdout", "--quantities", "cause") == 0
    lines = capfd.readouterr().out.splitlines()
    assert (lines[0], len(lines)) == ("sample_id,cause", 21)
    with pytest.raises(MemgateError, match="is a stream, and the schema fiftyone is a folder"):
        export_run(run, ExportPlan(schema="fiftyone"), out="/dev/stdout")


def test_no_ids_are_not_all_ids(make_run, tmp_path):
    run = make_run(n=20)
    with pytest.raises(MemgateError, match="ids is empty"):
        run.export(tmp_path / "x.csv", ids=())
    assert len(run.export(tmp_path / "x.csv", ids=(3, 4)).read_text().splitlines()) == 3


def test_a_misspelt_filter_is_refused():
    for fields, sentence in (
        ({"route": "router"}, "route 'router' is none of all, routed, skipped"),
        ({"cause": "noisy"}, "cause 'noisy' is none of all, clean"),
        ({"classes": "cat"}, "must be a tuple"),
    ):
        with pytest.raises(MemgateError, match=sentence):
            Filter(**fields)  # pyright: ignore[reportArgumentType]


def test_float32_round_trips_through_csv():
    values = np.random.default_rng(0).integers(0, 2**32, 20000, dtype=np.uint32).view(np.float32)
    values = values[np.isfinite(values)]
    table = pa.table({"x": values})
    stream = io.BytesIO()
    write_csv(stream, table.schema, [table])
    result = np.array(stream.getvalue().decode().split()[1:], np.float64).astype(np.float32)
    np.testing.assert_array_equal(result, values)


def test_too_many_rows_are_asked_for_twice(make_run, monkeypatch):
    monkeypatch.setattr(module, "CSV_ROWS", 100)
    run = make_run(n=40)
    with pytest.raises(MemgateError, match=r"160 rows.*--yes.*--format parquet"):
        export_run(run, ExportPlan("long", "csv"))
    path = export_run(run, ExportPlan("long", "csv"), yes=True)
    assert len(path.read_text().splitlines()) == 161
    assert json.loads(Path(f"{path}.meta.json").read_text())["command"].endswith("--format csv --yes")
    export_run(run, ExportPlan("long", "parquet"))
    export_run(run, ExportPlan("summary", "csv"))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("matrix", "csv"), "--shape long is.*npz or parquet or h5"),
        (("wide", "csv"), "no shape 'wide'"),
        (("long", "xls"), "no format 'xls'"),
        (("long", "npz", "val"), "no split 'val'"),
    ],
)
def test_wrong_wishes_end_in_a_sentence(make_run, arguments, sentence):
    with pytest.raises(MemgateError, match=sentence):
        export_run(make_run(n=20), ExportPlan(*arguments))


def test_the_folder_has_to_be_there(make_run, tmp_path):
    with pytest.raises(MemgateError, match="does not exist"):
        export_run(make_run(n=20), out=tmp_path / "nowhere" / "x.csv")


def test_an_error_leaves_the_old_file(make_run, monkeypatch):
    run = make_run(n=20)
    path = export_run(run, ExportPlan("long", "csv"))
    old = path.read_bytes()

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "long_tables", fail)
    with pytest.raises(MemgateError, match="No space left"):
        export_run(run, ExportPlan("long", "csv"))
    assert path.read_bytes() == old
    assert len(list(path.parent.iterdir())) == 2


def test_out_may_be_a_folder(make_run, tmp_path):
    run = make_run(n=20)
    assert export_run(run, ExportPlan("summary", "npz"), out=tmp_path) == tmp_path / "run-train-summary.npz"


@pytest.mark.slow
def test_long_and_matrix_come_piece_by_piece(make_run):
    run = make_run(n=2000, epochs=30, noise=())
    assert next(iter(long_tables(take_snapshot(run, "train")))).num_rows == 2000
    assert next(iter(matrix_arrays(take_snapshot(run, "train"))))[0] == "sample_id"
    for _ in long_tables(take_snapshot(run, "test")):
        pass
    tracemalloc.start()
    for _ in long_tables(take_snapshot(run, "train")):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2000 * 30 * 4 * 2, "less than two of the eight float matrices"


def test_a_table_whose_meta_json_cannot_be_written_is_removed(
    make_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    run, out = make_run(), tmp_path / "table.csv"
    with monkeypatch.context() as patch:
        patch.setattr(module, "_meta", full)
        with pytest.raises(MemgateError, match="No space left on device"):
            export_run(run, out=out)
    assert not out.exists()  # it would be taken for a file that is not memgate's
    assert export_run(run, out=out) == out
