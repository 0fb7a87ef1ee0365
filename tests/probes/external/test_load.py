"""External hardness: reading, check of the order, and rank correlation with a run's scores."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from app.cli.commands.report import print_report
from memgate.errors import MemgateError
from memgate.runs.run import Run
from noise.errors import NoiseError
from probes.dynamics.summary import summary
from probes.external.correlation import Joined, spearman
from probes.external.load import OWN_COLUMNS, load_external, load_externals
from probes.external.record import aligned, check_data
from probes.report.report import report


def csv(path: Path, **columns) -> Path:
    pd.DataFrame(columns).to_csv(path, index=False)
    return path


def joined(run: Run, *texts: str) -> list[Joined]:
    return list(report(run, externals=load_externals(texts), resamples=0).joins)


@pytest.fixture
def official(tmp_path: Path) -> Path:
    """The three published files in their official shapes, synthetic: class i % 10, harder with larger i."""
    labels = np.arange(50_000) % 10
    np.savez(tmp_path / "c.npz", labels=labels, scores=np.linspace(1, 0, 50_000).astype(np.float32))
    votes = {f"random{k}": np.where(np.arange(50_000) % 4 >= k, (labels + 1) % 10, labels) for k in (1, 2, 3)}
    arrays: dict[str, Any] = {"clean": labels, "aggre": labels, **votes}
    np.savez(tmp_path / "n.npz", **arrays)
    counts = np.zeros((10_000, 10), np.uint16)
    counts[np.arange(10_000), np.arange(10_000) % 10] = 30
    counts[5_000:, 9] += 20
    np.savez(tmp_path / "h.npz", counts=counts)
    np.save(tmp_path / "h.npy", counts / counts.sum(axis=1, keepdims=True))
    return tmp_path


def scipy_spearman(x, y) -> float:
    return float(scipy.stats.spearmanr(x, y)[0])  # pyright: ignore[reportArgumentType]


def table_of(rows: int) -> pd.DataFrame:
    ids = np.random.default_rng(0).permutation(10_000)[:rows]
    return pd.DataFrame({"sample_id": ids, "clean_label": ids % 10})


def test_the_official_files_are_read_turned_and_checked(official):
    table = table_of(500)
    ids = table["sample_id"].to_numpy()
    scores, checked = aligned(cscores := load_external(f"cscores={official}/c.npz"), table)
    assert (cscores.direction, cscores.split) == (-1, "train")
    assert scores == pytest.approx(1 - ids / 49_999, abs=1e-6)
    assert "labels are the clean labels of all 500" in checked
    disagreement, checked = aligned(human := load_external(f"cifar10n={official}/n.npz"), table)
    assert (human.direction, human.split) == (1, "train")
    assert disagreement == pytest.approx((ids % 4) / 3)
    assert "order checked" in checked
    for name in ("h.npz", "h.npy"):
        result, checked = aligned(votes := load_external(f"cifar10h={official}/{name}"), table)
        assert (votes.direction, votes.split) == (1, "test")
        mixed = -(0.6 * np.log(0.6) + 0.4 * np.log(0.4))
        # For images of class 9 both kinds of votes are for class 9, so the entropy is 0.
        assert result == pytest.approx(np.where((ids < 5_000) | (ids % 10 == 9), 0, mixed))
        assert "majority vote is the clean label of 100.0%" in checked


def test_published_memorisation_of_cifar_100_is_joined_and_checked(tmp_path):
    """The names of the arrays of Feldman and Zhang's file; its influence matrices are not looked at."""
    labels = np.arange(50_000) % 100
    arrays = {
        "tr_labels": labels,
        "tr_mem": np.linspace(0, 1, 50_000),
        "infl_matrix_class0": np.zeros((5, 4)),
    }
    np.savez(tmp_path / "m.npz", **arrays)
    external = load_external(f"memorisation={tmp_path}/m.npz")
    assert (external.direction, external.split, external.dataset) == (1, "train", "CIFAR-100")
    table = table_of(500).assign(clean_label=lambda rows: rows["sample_id"] % 100)
    values, checked = aligned(external, table)
    assert values == pytest.approx(table["sample_id"].to_numpy() / 49_999)
    assert "labels are the clean labels of all 500" in checked
    check_data(external, "cifar100", 100)
    with pytest.raises(MemgateError, match="is about CIFAR-100 and the run was trained on cifar10"):
        check_data(external, "cifar10", 10)
    with pytest.raises(MemgateError, match="other labels for 500 of the 500 samples"):
        aligned(external, table.assign(clean_label=(table["clean_label"] + 1) % 100))
    np.savez(tmp_path / "c.npz", labels=labels, scores=np.linspace(0, 1, 50_000))
    assert load_external(f"cscores={tmp_path}/c.npz").dataset == "CIFAR-100"


def test_scores_with_file_names_are_joined_in_the_order_of_a_folder(tmp_path):
    names = [b"n02_7.JPEG", b"n01_10.JPEG", b"n01_9.JPEG", b"n02_11.JPEG"]
    np.savez(tmp_path / "i.npz", tr_filenames=names, tr_labels=[1, 0, 0, 1], tr_mem=[0.7, 0.1, 0.9, 0.2])
    external = load_external(f"memorisation={tmp_path}/i.npz")
    assert external.dataset == "ImageNet"
    table = pd.DataFrame({"sample_id": [0, 1, 2, 3], "clean_label": [0, 0, 1, 1]})
    values, _ = aligned(external, table)
    assert values.tolist() == [0.1, 0.9, 0.2, 0.7]  # n01_10, n01_9, n02_11, n02_7
    check_data(external, "folder", 2)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"influence": np.zeros((3, 3))},
            "has no array 'tr_mem' or 'memorization' of 50000 numbers: take cifar100",
        ),
        ({"tr_mem": np.zeros(100)}, "of 50000 numbers"),
        ({"tr_mem": np.zeros(50_000), "tr_labels": np.zeros(7, int)}, "no list of 50000 class numbers"),
        ({"tr_mem": np.zeros(2), "tr_filenames": np.array(["a", "a"])}, "no list of 2 different texts"),
        ({"tr_mem": np.zeros(2), "tr_filenames": np.array([3, 4])}, "no list of 2 different texts"),
    ],
)
def test_other_files_than_memorisation_scores_are_refused(tmp_path, arrays, message):
    np.savez(tmp_path / "m.npz", **arrays)
    with pytest.raises(MemgateError, match=message):
        load_external(f"memorisation={tmp_path}/m.npz")


def test_scores_without_labels_are_marked(tmp_path):
    np.savez(tmp_path / "m.npz", memorization=np.zeros(50_000))
    external = load_external(f"memorisation={tmp_path}/m.npz")
    assert (external.dataset, external.title) == (None, "memorisation (order not checked)")


def test_choices_and_votes_are_kept_for_single_samples(official):
    human = load_external(f"cifar10n={official}/n.npz")
    row = human.row(7)
    assert {annotator: int(labels[row]) for annotator, labels in human.choices.items()} == {
        "annotator 1": 8,
        "annotator 2": 8,
        "annotator 3": 8,
    }
    assert human.row(60_000) is None
    counts = load_external(f"cifar10h={official}/h.npz").votes
    assert counts is not None
    assert counts[5_001].tolist() == [0, 30, 0, 0, 0, 0, 0, 0, 0, 20]
    assert load_external(f"cscores={official}/c.npz").votes is None


def test_a_name_with_another_meaning_is_refused(tmp_path):
    path = csv(tmp_path / "x.csv", sample_id=[1], value=[1.0])
    with pytest.raises(MemgateError, match="--join loss_mean=… has the name of one of memgate's own columns"):
        load_externals([f"loss_mean={path}:value"], OWN_COLUMNS)
    assert load_externals([f"loss_mean={path}:value"])


@pytest.mark.parametrize("file", ["cscores={}/c.npz", "cifar10n={}/n.npz", "cifar10h={}/h.npz"])
def test_another_order_is_refused(official, file):
    table = table_of(500)
    table["clean_label"] = np.roll(table["clean_label"], 1)
    with pytest.raises(MemgateError, match="other labels for .* of the 500 samples"):
        aligned(load_external(file.format(official)), table)


def test_one_wrong_label_is_refused_and_named(tmp_path):
    path = csv(tmp_path / "x.csv", sample_id=[4, 9, 7], label=[4, 8, 7], value=[1.0, 2, 3])
    with pytest.raises(MemgateError, match=r"1 of the 2 samples .* sample_id 9"):
        aligned(load_external(f"mine={path}:value"), table_of(10_000).query("sample_id in (4, 9)"))


def test_without_labels_the_sentence_says_that_the_order_is_not_checked(tmp_path):
    np.savez(tmp_path / "c.npz", scores=np.zeros(50_000, np.float32))
    _, checked = aligned(load_external(f"cscores={tmp_path}/c.npz"), table_of(5))
    assert checked == "the order of c.npz could not be checked: it has no labels"


def test_a_csv_joins_by_id_in_any_order_with_gaps(tmp_path):
    path = csv(tmp_path / "x.csv", sample_id=[7, 3, 5], value=[70.0, None, 50], label=[7, 3, 5])
    values, _ = aligned(load_external(f"mine={path}:value"), table_of(10_000).query("sample_id < 8"))
    ids = table_of(10_000).query("sample_id < 8")["sample_id"].tolist()
    result = dict(zip(ids, values.tolist(), strict=True))
    assert (result.pop(7), result.pop(5)) == (70, 50)
    assert np.isnan(list(result.values())).all()


def test_a_csv_file_names_its_split_and_direction(tmp_path):
    path = csv(tmp_path / "x.csv", sample_id=[1], value=[1.0], split=["test"])
    assert load_external(f"mine={path}:value").split == "test"
    assert load_external(f"mine={path}:value").direction == 1
    assert load_external(f"mine={path}:value:low").direction == -1
    assert load_external(f"mine={csv(tmp_path / 'y.csv', sample_id=[1], low=[1.0])}:low").direction == 1


@pytest.mark.parametrize(
    "name", ["x.CSV", "x.csv.gz", "x.parquet", "x.Parquet", "x.npz", "x.NPY", "x.npy.gz"]
)
def test_a_file_may_have_any_form_of_a_table(tmp_path, name):
    path, form = tmp_path / name, name.lower().removesuffix(".gz").rpartition(".")[2]
    values = {"sample_id": [2, 0, 1], "value": [0.5, np.nan, 1.5], "label": [2, 0, 1]}
    plain = tmp_path / f"plain.{form}"
    if form == "npy":
        np.save(plain, [np.nan, 1.5, 0.5])
    elif form == "npz":
        np.savez(plain, **{key: np.array(column) for key, column in values.items()})  # pyright: ignore[reportArgumentType]
    else:
        getattr(pd.DataFrame(values), f"to_{form}")(plain, index=False)
    content = plain.read_bytes()
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    external = load_external(f"mine={path}" if form == "npy" else f"mine={path}:value")
    table = pd.DataFrame({"sample_id": [0, 1, 2], "clean_label": [0, 1, 2]})
    np.testing.assert_array_equal(aligned(external, table)[0], [np.nan, 1.5, 0.5])
    assert external.order_checked == (form != "npy")
    assert external.title == ("mine (order not checked)" if form == "npy" else "mine")
    assert load_external(f"mine={path}{'' if form == 'npy' else ':value'}:low").direction == -1


def test_a_repeated_column_is_refused(tmp_path):
    (tmp_path / "x.csv").write_text("sample_id,value,value\n1,2,3\n")
    with pytest.raises(NoiseError, match="has the column 'value' twice"):
        load_external(f"mine={tmp_path}/x.csv:value")


@pytest.mark.slow
def test_a_file_that_names_other_data_or_classes_is_refused(make_run, tmp_path):
    run = make_run()
    about = csv(tmp_path / "d.csv", sample_id=[1, 2], value=[1.0, 2], dataset=["CIFAR 100"] * 2)
    with pytest.raises(MemgateError, match="is about CIFAR 100 and the run was trained on npz"):
        joined(run, f"mine={about}:value")
    more = csv(tmp_path / "k.csv", sample_id=[1, 2], value=[1.0, 2], label=[1, 10])
    with pytest.raises(MemgateError, match="has 11 classes and the run 10: it belongs to another data set"):
        joined(run, f"mine={more}:value")
    same = csv(tmp_path / "s.csv", sample_id=[1, 2], value=[1.0, 2], dataset=["NPZ"] * 2)
    assert [one.title for one in joined(run, f"mine={same}:value")] == ["mine (order not checked)"]


WRONG = [
    ("cscores", "names no file"),
    (
        "mine={}/x.npz",
        "names neither one of cscores, memorisation, cifar10n, cifar10h nor a column of a table",
    ),
    ("mine={}/missing.csv:value", "missing.csv does not exist"),
    ("cscores={}/missing.npz", "missing.npz does not exist"),
    ("cifar10h={}/missing.npy", "missing.npy does not exist"),
    ("cifar10h={}/text.npy", "damaged or no .npy file"),
    ("cifar10n={}/text.npy", "neither an .npz nor a .pt file"),
    ("cscores={}/other.npz", "no array 'scores' of 50000 numbers"),
    ("cifar10n={}/other.npz", "has no column clean"),
    ("cifar10h={}/other.npz", "has no votes"),
    ("mine={}/good.csv:other", "no column 'other': it has sample_id, value, name, half"),
    ("mine={}/good.csv:name", "column 'name' contains values that are not numbers"),
    ("mine={}/twice.csv:value", "whole numbers, each once"),
    ("mine={}/empty.csv:value", "cannot be read as a table"),
    ("mine={}/header.csv:value", "header.csv has only a header"),
    ("mine={}/splits.csv:value", "contains several splits"),
    ("mine={}/nosplit.csv:value", "column 'split' is empty in 2 of 2 rows"),
    ("mine={}/halfsplit.csv:value", "column 'split' is empty in 1 of 2 rows"),
    ("mine={}/halflabel.csv:value", "must hold the clean labels as whole numbers"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("text", "sentence"), WRONG)
def test_an_error_is_a_sentence(tmp_path, text, sentence):
    (tmp_path / "text.npy").write_text("no array")
    (tmp_path / "empty.csv").write_text("")
    np.savez(tmp_path / "other.npz", images=np.zeros(3))
    csv(tmp_path / "good.csv", sample_id=[1, 2], value=[1, 2], name=["a", "b"], half=[0.5, 1])
    csv(tmp_path / "twice.csv", sample_id=[1, 1], value=[1, 2])
    csv(tmp_path / "splits.csv", sample_id=[1, 2], value=[1, 2], split=["train", "test"])
    csv(tmp_path / "header.csv", sample_id=[], value=[])
    csv(tmp_path / "nosplit.csv", sample_id=[1, 2], value=[1, 2], split=["", ""])
    csv(tmp_path / "halfsplit.csv", sample_id=[1, 2], value=[1, 2], split=["train", None])
    csv(tmp_path / "halflabel.csv", sample_id=[1, 2], value=[1, 2], label=[0.5, 1])
    with pytest.raises((MemgateError, NoiseError), match=sentence):
        load_external(text.format(tmp_path))


def test_the_same_name_twice_is_refused(tmp_path):
    path = csv(tmp_path / "x.csv", sample_id=[1], value=[1.0])
    with pytest.raises(MemgateError, match="names 'mine' twice"):
        load_externals([f"mine={path}:value", f"mine={path}:value"])


@pytest.mark.slow
@given(st.lists(st.tuples(st.integers(-4, 4), st.integers(-4, 4)), min_size=50, max_size=70))
def test_spearman_equals_scipy(pairs):
    x, y = np.array(pairs, float).T
    result = spearman(x, y)
    if len(set(x)) == 1 or len(set(y)) == 1:
        assert (result.value, result.low, result.n) == (None, None, len(x))
        return
    assert result.value is not None
    assert result.value == pytest.approx(scipy_spearman(x, y))
    if abs(result.value) < 1 - 1e-9:
        assert result.low is not None
        assert result.high is not None
        assert -1 <= result.low <= result.value <= result.high <= 1
    assert spearman(np.exp(x), y**3).value == pytest.approx(result.value)
    assert spearman(-x, y).value == pytest.approx(-result.value)


def test_spearmans_interval_of_two_normals_is_about_bonett_and_wrights():
    x, noise = np.random.default_rng(0).normal(size=(2, 2000))
    result = spearman(x, x + noise)
    half = 1.96 * np.sqrt((1 + scipy_spearman(x, x + noise) ** 2 / 2) / 1997)
    assert result.low is not None
    assert result.high is not None
    assert np.arctanh(result.high) - np.arctanh(result.low) == pytest.approx(2 * half, rel=0.05)


def test_missing_few_and_infinite_values():
    result = spearman([1, np.nan, 3, 4, np.inf, 6], [1, 2, np.nan, 3, 4, 5])
    assert result.n == 4
    assert result.value == pytest.approx(0.8)
    assert spearman([1, 1], [1, 2]).value is None
    assert spearman([1.0, np.nan], [1, 2]).value is None
    short = spearman([1, 2, 3], [1, 3, 2])
    assert (short.value, short.low) == (pytest.approx(0.5), None)
    perfect = spearman(range(5), range(5))
    assert (perfect.value, perfect.low, perfect.high) == (pytest.approx(1), None, None)


@pytest.mark.slow
def test_values_are_joined_by_id_and_turned_by_direction(make_run, tmp_path):
    run = make_run(ids=np.random.default_rng(0).permutation(200).tolist())
    table = summary(run)
    path = csv(
        tmp_path / "x.csv",
        sample_id=table["sample_id"][::-1],
        ease=-table["loss_mean"][::-1],
        label=table["clean_label"][::-1],
    )
    low, high = joined(run, f"mine={path}:ease:low", f"yours={path}:ease")
    rho = {(row.score, row.over): row.rho for row in low.correlations}
    assert rho["loss_mean", "all"].value == pytest.approx(1)
    clean = ~table["corrupted"]
    expected = scipy_spearman(table["loss_mean"][clean], -table["aum"][clean])
    assert rho["aum", "clean"].value == pytest.approx(expected)
    assert rho["aum", "clean"].n == clean.sum()
    turned = {(row.score, row.over): row.rho.value for row in high.correlations}
    assert turned["aum", "clean"] == pytest.approx(-expected)
    assert (low.n, low.n_missing) == (200, 0)


@pytest.mark.slow
def test_test_split_no_noise_no_gate_and_gaps(make_run, tmp_path):
    run = make_run(noise=(), gates=())
    path = csv(tmp_path / "x.csv", sample_id=range(5, 50), value=np.arange(45.0), split=["test"] * 45)
    result = joined(run, f"mine={path}:value")[0]
    assert (result.split, result.n, result.n_missing) == ("test", 45, 5)
    assert {row.over for row in result.correlations} == {"all"}
    assert {row.n_missing for row in result.correlations} == {5}
    assert "AUROC is undefined" in " ".join(report(run, externals=(), resamples=0).notes)


@pytest.mark.slow
def test_files_about_other_data_are_refused(make_run, tmp_path, official):
    run = make_run()
    with pytest.raises(MemgateError, match="c.npz has other labels"):
        joined(run, f"cscores={official}/c.npz")
    np.savez(tmp_path / "unlabelled.npz", scores=np.zeros(50_000, np.float32))
    with pytest.raises(MemgateError, match="about CIFAR-10 and the run was trained on npz"):
        joined(run, f"cscores={tmp_path}/unlabelled.npz")
    path = csv(tmp_path / "x.csv", sample_id=[900], value=[1.0])
    with pytest.raises(MemgateError, match="none of the run's 200 sample ids"):
        joined(run, f"mine={path}:value")
    path = csv(tmp_path / "y.csv", sample_id=[1], value=[1.0], split=["val"])
    with pytest.raises(MemgateError, match="about the split 'val' and run has train, test"):
        joined(run, f"mine={path}:value")


@pytest.mark.slow
def test_correlations_are_in_every_form_of_the_report(make_run, tmp_path, capsys):
    run = make_run()
    path = csv(tmp_path / "x.csv", sample_id=range(200), value=np.arange(200.0))
    for form in ("terminal", "markdown"):
        print_report([run], form, 0, joins=[f"mine={path}:value"])
        shown = capsys.readouterr().out
        assert (
            "Spearman's rank correlation with value of x.csv (mine (order not checked)), samples of train"
            in shown
        )
        assert "high is harder, 200 samples of train; the order of x.csv could not be checked" in shown
    print_report([run], "json", 0, joins=[f"mine={path}:value"])
    stored = json.loads(capsys.readouterr().out)["joins"][0]
    assert stored["direction"] == 1
    assert stored["order_checked"] is False
    assert stored["correlations"][0]["rho"]["n"] == 200


@pytest.mark.shared
def test_the_real_files_are_in_the_order_of_the_data(shared):
    labels = np.load(shared / "data" / "cifar10" / "labels.npz")
    train = pd.DataFrame({"sample_id": np.arange(50_000), "clean_label": labels["train_labels"]})
    test = pd.DataFrame({"sample_id": np.arange(10_000), "clean_label": labels["test_labels"]})
    data = shared / "data"
    cscores, checked = aligned(load_external(f"cscores={data}/cscores_cifar10.npz"), train)
    assert cscores.mean() == pytest.approx(0.764, abs=5e-4)
    human, checked = aligned(load_external(f"cifar10n={data}/cifar10n.npz"), train)
    assert "of all 50000" in checked
    assert human.mean() == pytest.approx(np.mean([0.172, 0.181, 0.176]), abs=1e-3)
    votes, checked = aligned(load_external(f"cifar10h={data}/cifar10h.npz"), test)
    assert "99.2%" in checked
    assert votes.max() < np.log(10)
    # Images that are hard for networks are hard for annotators.
    result = spearman(-cscores, human)
    assert result.low is not None
    assert result.low > 0.1
    with pytest.raises(MemgateError, match="other labels"):
        aligned(
            load_external(f"cifar10h={data}/cifar10h.npz"), test.assign(sample_id=np.arange(10_000)[::-1])
        )
