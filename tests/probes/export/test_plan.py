"""Which samples, epochs and columns an export has, and the command that says the same."""

import json
import shlex
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from memgate.__main__ import main
from memgate.errors import MemgateError
from memgate.runs.run import Run
from probes.dynamics.snapshot import FAR, spans
from probes.dynamics.summary import summary
from probes.export.export import download_name, export_bytes, export_run, is_large
from probes.export.plan import (
    FOLDERS,
    KINDS,
    ExportPlan,
    checked,
    chosen_epochs,
    command_of,
    name_of,
)
from probes.export.preview import outlook
from probes.export.samples import choose
from probes.result import ProbeResult, save_results
from probes.samples.cohorts import Cohort, save_cohort
from probes.samples.filters import Filter, class_numbers, class_texts
from probes.scores.table import score_table

EPOCHS = np.array([2, 4, 6, 8, 9])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("all", [2, 4, 6, 8, 9]),
        ("last", [9]),
        ("every:4", [4, 8, 9]),
        ("every:100", [9]),
        ("3-8", [4, 6, 8]),
        ("9-99", [9]),
        ("4", [4]),
        ("9,2,2", [2, 9]),
    ],
)
def test_epochs_that_a_text_means(text, expected):
    assert chosen_epochs(text, EPOCHS).tolist() == expected


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("3", "3 is not among the available epochs, 2, 4, 6, 8, 9"),
        ("10-20", "none of them is among the available"),
        ("8-4", "none of them"),
        ("every:0", "take all, last, every:5"),
        ("", "take all"),
        ("1;2", "take all"),
        ("9" * 400, "take all"),
    ],
)
def test_epochs_that_are_none(text, sentence):
    with pytest.raises(MemgateError, match=sentence) as caught:
        chosen_epochs(text, EPOCHS)
    assert len(str(caught.value)) < 250


def test_every_schema_shape_and_format_that_is_not_in_the_table_is_a_sentence():
    for schema in ("memgate", "cleanlab", "cartography", "fiftyone", "tensorboard"):
        for shape in ("summary", "long", "matrix", "gates", "map"):
            forms = KINDS.get((schema, shape), ())
            for form in ("csv", "parquet", "npz", "jsonl", "h5", "tsv"):
                plan = ExportPlan(shape, form, schema=schema)
                if form in forms:
                    assert checked(plan) == plan
                else:
                    with pytest.raises(MemgateError, match=r"take [^.]+\.$"):
                        checked(plan)
            if forms:
                assert checked(ExportPlan(shape, schema=schema)).format == forms[0]
    with pytest.raises(MemgateError, match="no schema 'wandb'"):
        checked(ExportPlan(schema="wandb"))  # pyright: ignore[reportArgumentType]
    with pytest.raises(MemgateError, match="leave --quantities out"):
        checked(ExportPlan(schema="cleanlab", quantities=("loss_mean",)))


def test_classes_by_number_and_by_name():
    names = ("cat", "dog", "7")
    assert class_numbers(("1", "cat", "7"), names) == (1, 0, 2)
    for wrong in ("3", "-1", "bird", "²", ""):
        with pytest.raises(MemgateError, match="the classes are 0 to 2, cat, dog, 7"):
            class_numbers((wrong,), names)


NUMERIC = ("1", "10", "2", "number=0", "x")


@pytest.mark.parametrize(
    ("item", "number"),
    [
        ("2", 2), ("10", 1), ("x", 4), ("4", 4), (1, 1), (2, 2), ("number=1", 1), ("name=1", 0), ("name=10", 1),
        ("name=number=0", 3),
    ],
)  # fmt: skip
def test_a_class_has_one_meaning(item, number):
    assert class_numbers((item,), NUMERIC) == (number,)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "1",
            r"--classes 1 can mean class 0 \(named '1'\) or class 1 \(named '10'\): give number=0 or number=1",
        ),
        ("number=0", r"can mean class 3 \(named 'number=0'\) or class 0 \(named '1'\)"),
        ("name=3", "the classes are 0 to 4"),
        ("number=5", "the classes are 0 to 4"),
        ("number=x", "the classes are 0 to 4"),
        (10, "the classes are 0 to 4"),
        (-1, "the classes are 0 to 4"),
    ],
)
def test_a_text_with_two_meanings_or_none_is_refused(text, sentence):
    with pytest.raises(MemgateError, match=sentence):
        class_numbers((text,), NUMERIC)


def test_what_is_recorded_is_read_as_the_same_classes():
    names = ("1", "10", "2", "3", "0")
    for numbers in ((0,), (1,), (2, 3), (4, 0, 1)):
        texts = class_texts(numbers, names)
        assert class_numbers([str(text) for text in texts], names) == numbers
    assert class_texts((0, 1, 2, 3), names) == ("number=0", "number=1", 2, 3)
    assert class_texts((1, 3), "abcd") == (1, 3)


@pytest.mark.slow
def test_the_command_beside_an_export_of_numeric_classes_writes_the_same_bytes(make_run, exit_code, tmp_path):
    run = make_run(n=30, classes=5, class_names=("4", "3", "2", "1", "0"))  # class 3 is called 1
    out = tmp_path / "classes.csv"
    for given in ("name=1", "number=3", 3):
        path = export_run(run, ExportPlan(filter=Filter(classes=(given,))), out=out)
        meta = json.loads(out.with_name("classes.csv.meta.json").read_text())
        assert "--classes number=3 " in meta["command"]
        assert set(pd.read_csv(path)["clean_label"]) == {3}
        first = path.read_bytes()
        path.unlink()
        assert exit_code(*shlex.split(meta["command"])[1:]) == 0
        assert path.read_bytes() == first
    with pytest.raises(MemgateError, match="--classes 1 can mean class 3 .* or class 1 "):
        export_run(run, ExportPlan(filter=Filter(classes=("1",))))


def test_few_places_are_few_parts_and_all_are_covered_once():
    rng = np.random.default_rng(0)
    for places in (
        rng.permutation(20_000)[:300], np.arange(10), np.array([0, FAR, 2 * FAR + 1]), np.array([7]), np.arange(0)
    ):  # fmt: skip
        parts = list(spans(places, 4096))
        covered = np.concatenate([which for _, which in parts]) if parts else np.arange(0)
        assert sorted(covered) == list(range(len(places)))
        for part, which in parts:
            assert part.stop - part.start <= 4096
            assert ((places[which] >= part.start) & (places[which] < part.stop)).all()
    assert [part for part, _ in spans(np.array([50_000, 3]), 4096)] == [slice(3, 4), slice(50_000, 50_001)]


@pytest.mark.slow
@pytest.mark.parametrize("ids", [None, np.random.default_rng(0).permutation(200) * 3])
def test_samples_meet_every_condition(make_run, ids):
    run = make_run(gates=("b2", "b3"), unseen={4: [0, 1]}, ids=ids, classes=5)
    log = run.sample_log()
    samples = log.samples("train")
    routed = {gate: log.values("train", "routed", gate)[1] for gate in log.gates}
    seen = log.values("train", "seen")[1]

    def expected(members):
        return np.sort(samples.sample_id[members]).tolist()

    def got(**fields):
        return choose(run, ExportPlan(**fields)).sample_id.tolist()

    label = samples.cause == "label"
    assert got(filter=Filter("label", "routed")) == expected(label & routed["b3"][-1])
    assert got(filter=Filter("all", "skipped"), gate="b2", epoch=2) == expected(~routed["b2"][1])
    assert got(filter=Filter("all", "skipped")) == expected(~routed["b3"][-1] & seen[-1])
    assert got(filter=Filter("all", "routed"), epochs="1-2") == expected(routed["b3"][1])
    assert got(filter=Filter(classes=(1, 3))) == expected(np.isin(samples.clean_label, (1, 3)))
    some = np.sort(samples.sample_id)[:40]
    save_cohort(run, Cohort("mine", "train", tuple(some.tolist()), "by hand"))
    pair = (int(some[3]), int(some[0]), int(np.sort(samples.sample_id)[100]))
    assert got(cohort="mine") == some.tolist()
    assert got(cohort="mine", ids=pair) == sorted(pair[:2])
    assert got(cohort="mine", filter=Filter("clean")) == expected(
        np.isin(samples.sample_id, some) & (samples.cause == "clean")
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"filter": Filter("open")}, r"None of the 30 samples of train in run is selected by --cause open"),
        ({"ids": (1, 99)}, "--ids 99: train of run has no such sample"),
        ({"cohort": "other"}, "has no cohort 'other'"),
        ({"cohort": "tests"}, "is of the split test and not of train: add --split test"),
        ({"gate": "b4"}, "no such gate, it has b3"),
        ({"epoch": 9}, "--epoch 9 of train is not in the log of run, which has 1 to 4"),
        ({"epochs": "3-4", "epoch": 2}, "none of them is among the available epochs, 1 to 2"),
        ({"epochs": "7"}, "7 is not among"),
        ({"quantities": ("gates",)}, "did you mean gate"),
        ({"quantities": ("qqq",)}, "take sample_id, split"),
        ({"split": "val"}, "no split 'val'"),
    ],
)
def test_who_is_not_there_is_a_sentence(make_run, fields, sentence):
    run = make_run(n=30)
    save_cohort(run, Cohort("tests", "test", (1,), "by hand"))
    for act in (export_run, outlook, export_bytes):
        with pytest.raises(MemgateError, match=sentence):
            act(run, ExportPlan(**fields))
    assert not (run.path / "exports").exists()


def test_a_log_without_gates_has_no_routes(make_run):
    with pytest.raises(MemgateError, match="has no gate, so no sample is routed"):
        choose(make_run(gates=()), ExportPlan(filter=Filter(route="routed")))


@pytest.mark.slow
def test_a_part_of_the_summary_has_the_numbers_of_the_whole(make_run):
    run = make_run(
        gates=("b2", "b3"), unseen={2: [5], 3: [5, 6]}, ids=np.random.default_rng(1).permutation(200)
    )
    whole = summary(run).set_index("sample_id")
    plan = ExportPlan(format="parquet", filter=Filter("label"), quantities=("loss_gmm_mean", "aum", "cause"))
    result = pd.read_parquet(export_run(run, plan)).set_index("sample_id")
    assert list(result) == ["cause", "loss_gmm_mean", "aum"]
    assert result.index.tolist() == whole.loc[whole["cause"] == "label"].index.tolist()
    for name in ("loss_gmm_mean", "aum"):
        np.testing.assert_array_equal(result[name], whole.loc[result.index, name])


@pytest.mark.slow
def test_a_summary_ends_at_its_epoch(make_run):
    run = make_run()
    early = pd.read_parquet(export_run(run, ExportPlan(format="parquet", epoch=2)))
    expected = score_table(run, until=2)
    for name in ("gate_mean", "loss_last", "aum", "loss_gmm_last", "route_flips"):
        np.testing.assert_array_equal(early[name], expected[name].to_numpy(np.float32))
    last = pd.read_parquet(export_run(run, ExportPlan(format="parquet", epochs="last", epoch=2)))
    np.testing.assert_array_equal(last["gate_mean"], run.sample_log().values("train", "gate")[1][1])
    some = pd.read_parquet(export_run(run, ExportPlan(format="parquet", epochs="2-3")))
    loss = run.sample_log().values("train", "loss")[1][1:3]
    np.testing.assert_allclose(some["loss_mean"], loss.mean(0), rtol=1e-6)


def test_a_long_table_keeps_all_epochs_of_who_was_routed_at_one(make_run):
    run = make_run()
    plan = ExportPlan(
        "long", "parquet", filter=Filter(route="routed"), epoch=2, quantities=("routed", "gate")
    )
    result = pd.read_parquet(export_run(run, plan))
    assert list(result) == ["sample_id", "epoch", "gate", "routed"]
    assert sorted(set(result["epoch"])) == [1, 2, 3, 4]
    assert result.loc[result["epoch"] == 2, "routed"].all()
    every = pd.read_parquet(export_run(run, replace(plan, epochs="every:3")))
    assert sorted(set(every["epoch"])) == [3, 4]


def probed(run):
    """A run with results of three probes."""

    def result(probe, epoch, variant, ids, config, **values):
        arrays = {name: np.asarray(value) for name, value in values.items()}
        return ProbeResult(
            probe, "train", epoch, variant, f"epoch_{epoch:03d}", np.array(ids), arrays, config, {}
        )

    critical = np.array([[True, False], [False, True], [True, True]])
    save_results(run, "csr", [
        result("csr", 3, "first-order", [4, 2], {"radii": [0.5, 1.5, 2.0]}, critical_radius=[2.5, 0.5],
               critical=critical),
    ])  # fmt: skip
    for epoch, flip in ((2, True), (4, False)):
        columns = {
            "memorised_by_b3": [flip, not flip], "recovered_by_skip": [True, False],
            "memorised_beyond_o1": [False, False], "recovered_at_o1": [False, True],
        }  # fmt: skip
        save_results(
            run, "routing", [result("routing", epoch, "intervention", [1, 4], {"blocks": ["b3"]}, **columns)]
        )


@pytest.mark.slow
def test_the_summary_has_what_probes_have_stored(make_run):
    run = make_run(n=20)
    probed(run)
    result = pd.read_parquet(export_run(run, ExportPlan(format="parquet"))).set_index("sample_id")
    expected = score_table(run).set_index("sample_id")
    assert list(result)[: len(expected.columns)] == list(expected)
    np.testing.assert_array_equal(result["critical_radius"], expected["critical_radius"])
    assert result["critical_within_1_5"].dropna().to_dict() == {2: True, 4: False}
    assert result["memorised_by_b3"].dropna().to_dict() == {1: False, 4: True}
    assert result["recovered_at_o1"].dropna().to_dict() == {1: False, 4: True}
    early = pd.read_parquet(export_run(run, ExportPlan(format="parquet", epoch=2))).set_index("sample_id")
    assert early["memorised_by_b3"].dropna().to_dict() == {1: True, 4: False}
    assert "critical_radius" not in early


def test_a_damaged_probe_costs_its_columns_and_is_said(make_run, capsys):
    run = make_run(n=20)
    probed(run)
    (run.path / "probes" / "routing.h5").write_text("nothing")
    (run.path / "probes" / "csr.h5").write_text("nothing")
    path = export_run(run)
    table = pd.read_csv(path)
    assert not {"memorised_by_b3", "critical_radius"} & set(table)
    text = capsys.readouterr().err.splitlines()
    assert [line.split(":")[1].strip() for line in text] == [
        "Without critical_radius", "Without the results of the routing probe",
    ]  # fmt: skip
    assert len(json.loads(path.with_name(path.name + ".meta.json").read_text())["notes"]) == 2


PLANS = [
    ExportPlan(),
    ExportPlan("long", "jsonl", "test", epochs="every:2", epoch=3, filter=Filter("all", "routed"), gate="b2"),
    ExportPlan("matrix", "h5", filter=Filter("clean", classes=(1, 2)), quantities=("loss", "gate_b3")),
    ExportPlan("long", "csv", cohort="mine", ids=(4, 2)),
    ExportPlan(schema="cleanlab", filter=Filter("label+image")),
    ExportPlan(schema="cartography"),
    ExportPlan(schema="fiftyone", ids=(3, 5, 7), quantities=("aum",)),
    ExportPlan("matrix", schema="tensorboard", gate="b2"),
]


@pytest.mark.slow
@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: f"{plan.schema}-{plan.shape}-{plan.format}")
def test_the_command_writes_the_bytes_that_the_dashboard_hands_over(make_run, monkeypatch, tmp_path, plan):
    run = make_run(n=60, gates=("b2", "b3"), noise=("symmetric:0.5", "randx:0.5"))
    run = Run(run.path.rename(tmp_path / "it's here"))
    save_cohort(run, Cohort("mine", "train", (2, 4, 6), "by hand"))
    out = tmp_path / download_name(run, plan)
    monkeypatch.setattr(sys, "argv", shlex.split(command_of(run, plan, out)))
    main()
    assert out.read_bytes() == export_bytes(run, plan)
    meta = json.loads(out.with_name(out.name + ".meta.json").read_text())
    assert meta["command"] == command_of(run, plan, out)
    assert meta["samples"] == len(choose(run, plan))
    assert not list(tmp_path.glob(".*"))


def test_other_parts_have_other_names(make_run):
    run = make_run(n=60, gates=("b2", "b3"), noise=("symmetric:0.5", "randx:0.5"))
    names = {name_of(run, plan) for plan in PLANS}
    assert len(names) == len(PLANS)
    assert name_of(run, ExportPlan()) == "run-train-summary.csv"
    assert name_of(run, ExportPlan(schema="cleanlab")) == "run-train-cleanlab-summary.csv"


def test_long_text_is_large():
    assert is_large(ExportPlan("long", "csv"), 50_000, 300)
    assert is_large(ExportPlan("long", "jsonl"), 50_000, 300)
    assert not is_large(ExportPlan("long", "parquet"), 50_000, 300)
    assert not is_large(ExportPlan("long", "csv"), 50, 300)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("schema", "shape", "form"),
    # Of the others: tests/probes/export/test_gate_arrays.py and test_map_table.py.
    [(*kind, form) for kind, forms in KINDS.items() if kind[1] not in ("gates", "map") for form in forms],
)
def test_size_and_first_rows_before_anything_is_written(make_run, schema, shape, form):
    run = make_run(
        n=300, test_n=10, epochs=8, ids=np.random.default_rng(0).permutation(300), unseen={3: [4, 9]}
    )
    plan = ExportPlan(shape, form, schema=schema, filter=Filter("clean"))
    result = outlook(run, plan, n=7, side=16)
    first = result.first
    assert not (run.path / "exports").exists()
    path = export_run(run, plan)
    size = path.stat().st_size
    if schema in FOLDERS:
        size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    assert 0.3 < result.bytes / size < 3
    meta = json.loads(path.with_name(path.name + ".meta.json").read_text())
    assert result.samples == meta["samples"]
    if schema in ("memgate", "cleanlab"):
        assert result.rows == meta["rows"]
    assert len(first) == 7
    if form == "parquet":
        written = pd.read_parquet(path).head(7)
        assert list(written) == list(first)
        for name in ("sample_id", *(["loss"] if "loss" in first else [])):
            for one, other in zip(written[name], first[name], strict=True):
                np.testing.assert_array_equal(one, other)
