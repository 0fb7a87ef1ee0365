"""Label noise that comes from a file: matrices, human labels, lists."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from noise.errors import NoiseError
from noise.files import read_file
from noise.human import human
from noise.labellists import label_list, open_pairs
from noise.matrix import matrix, read_matrix
from noise.spec import parse_spec
from noise.task import Task

FUNCTIONS = {"matrix": matrix, "human": human, "label-list": label_list}
FALSE_ALARM = 1e-6
"""Chance that a statistical check of one row fails although the rule holds, had the seed not been fixed."""

SHARES = np.array([[0.7, 0.2, 0.1], [0.0, 1.0, 0.0], [0.25, 0.25, 0.5]])


def made_task(text, labels, *, classes=10, sample_id=None, free=None):
    """A task on read-only arrays with images of one pixel."""
    labels = np.array(labels, dtype=np.int64)
    ids = np.arange(len(labels)) if sample_id is None else np.array(sample_id, dtype=np.int64)
    free = np.ones(len(labels), dtype=bool) if free is None else np.array(free, dtype=bool)
    images = np.zeros((len(labels), 1, 1, 3), dtype=np.uint8)
    for array in (labels, ids, images, free):
        array.setflags(write=False)
    names = tuple(f"class {label}" for label in range(classes))
    return Task(parse_spec(text), images, labels, names, ids, free, "pictures", 0, {})


def outcome(task):
    """The change and the labels that it leaves, after the checks that hold for every kind."""
    change = FUNCTIONS[task.spec.kind](task)
    assert change.images is None
    assert change.labels is not None
    assert change.positions.dtype == change.labels.dtype == np.int64
    assert (np.diff(change.positions) > 0).all()
    assert task.free[change.positions].all()
    assert (change.labels != task.labels[change.positions]).all()
    assert change.files == (read_file(task.spec.parameter("file")).record,)
    labels = task.labels.copy()
    labels[change.positions] = change.labels
    return change, labels


def refusal(task):
    """The sentence with which a task is refused."""
    with pytest.raises(NoiseError) as caught:
        FUNCTIONS[task.spec.kind](task)
    message = str(caught.value)
    assert "\n" not in message
    assert Path(task.spec.parameter("file")).name in message
    return message


# --------------------------------------------------------------------------------------------------------
# Matrices


def written(path, table, **options):
    np.savetxt(path, table, **{"delimiter": ",", **options})
    return path


def test_each_label_is_drawn_by_its_row(tmp_path):
    path = written(tmp_path / "T.csv", SHARES)
    clean = np.random.default_rng(0).integers(0, 3, 30_000)
    change, labels = outcome(made_task(f"matrix:file={path}", clean, classes=3))
    np.testing.assert_array_equal(change.requested, 1 - np.diag(SHARES))
    assert (labels[clean == 1] == 1).all()
    for label in (0, 2):
        seen = np.bincount(labels[clean == label], minlength=3)
        assert stats.chisquare(seen, SHARES[label] * seen.sum()).pvalue > FALSE_ALARM


@pytest.mark.parametrize("orientation", ["rows", "cleanlab"])
def test_the_orientation_says_where_the_true_classes_stand(tmp_path, orientation):
    table = SHARES if orientation == "rows" else SHARES.T
    path = written(tmp_path / "T.csv", table)
    np.testing.assert_array_equal(read_matrix(read_file(path), 3, orientation), SHARES)


def test_the_same_as_cleanlab_makes_of_the_same_matrix(tmp_path):
    generation = pytest.importorskip("cleanlab.benchmarking.noise_generation")
    chances = np.random.default_rng(1).dirichlet(np.ones(5), size=5) / 2 + np.eye(5) / 2
    path = written(tmp_path / "noise_matrix.csv", chances.T, fmt="%.17g")
    clean = np.random.default_rng(2).integers(0, 5, 50_000)
    _, ours = outcome(made_task(f"matrix:orientation=cleanlab:file={path}", clean, classes=5))
    state = np.random.get_state()  # noqa: NPY002 - cleanlab draws from the global generator
    np.random.seed(3)  # noqa: NPY002
    theirs = generation.generate_noisy_labels(clean, chances.T)
    np.random.set_state(state)  # noqa: NPY002
    quantile = stats.norm.isf(FALSE_ALARM / 2)
    for label in range(5):
        inside = clean == label
        share, other = (np.bincount(labels[inside], minlength=5) / inside.sum() for labels in (ours, theirs))
        # cleanlab rounds to exact counts, so that only ours is a random number.
        spread = np.sqrt(chances[label] * (1 - chances[label]) / inside.sum())
        assert (np.abs(share - other) < quantile * spread + 2 / inside.sum()).all()


def test_a_matrix_has_one_result_for_each_sample_id(tmp_path):
    path = written(tmp_path / "T.csv", SHARES)
    clean, order = np.arange(300) % 3, np.random.default_rng(4).permutation(300)
    free = np.arange(300) % 2 == 0
    _, straight = outcome(made_task(f"matrix:file={path}", clean, classes=3))
    _, shuffled = outcome(made_task(f"matrix:file={path}", clean[order], classes=3, sample_id=order))
    np.testing.assert_array_equal(shuffled, straight[order])
    _, part = outcome(made_task(f"matrix:file={path}", clean, classes=3, free=free))
    np.testing.assert_array_equal(part, np.where(free, straight, clean))


@pytest.mark.parametrize(
    "text",
    [
        "0.9,0.1\n0.25,0.75\n",
        "# cat and dog\n\n0.9, 0.1  # cat\n0.25, 0.75\n",
        "0.9 0.1\n0.25 0.75\n",
        "cat,dog\n0.9,0.1\n0.25,0.75\n",
        "true,cat,dog\r\ncat,0.9,0.1\r\ndog,0.25,0.75\r\n",
        "\ufeff9e-1,1e-1\n0.25,0.75",
    ],
)
def test_matrices_may_be_written_in_several_ways(tmp_path, text):
    path = tmp_path / "T.csv"
    path.write_text(text, encoding="utf-8", newline="")
    np.testing.assert_array_equal(read_matrix(read_file(path), 2), [[0.9, 0.1], [0.25, 0.75]])


@pytest.mark.parametrize(
    ("text", "orientation", "sentence"),
    [
        ("0.9,0.1,0\n0.1,0.9,0\n0,0,1\n", "rows", "holds 3×3 numbers and 2 classes need 2×2"),
        ("0.9,0.1\n", "rows", "holds 1×2 numbers and 2 classes need 2×2"),
        ("0.9,0.1\n0.1,0.8,0.1\n", "rows", "row 2 has 3 numbers and row 1 has 2"),
        ("0.9,0.1\n0.1,x\n", "rows", "row 2 holds 'x', which is no number"),
        ("0.9,\n0.1,0.9\n", "rows", "row 1 holds '', which is no number"),
        ("1.5,-0.5\n0,1\n", "rows", "row 1, column 1 is 1.5 and must be a probability, from 0 to 1"),
        ("1,0\n-0.5,1.5\n", "rows", "row 2, column 1 is -0.5"),
        ("nan,1\n0,1\n", "rows", "row 1, column 1 is nan"),
        ("0,inf\n0,1\n", "rows", "row 1, column 2 is inf"),
        ("0.9,0.1\n0.1,0.8\n", "rows", r"row 2 sums to 0.9 and must sum to one: scale every row"),
        ("0.9,0.1\n0.1,0.899998\n", "rows", r"row 2 sums to 0.999998 and must"),
        ("0.9,0.1\n0.1,0.8\n", "cleanlab", r"column 2 sums to 0.9 and must sum to one: scale every column"),
        (
            "0.9,0.3\n0.1,0.7\n",
            "rows",
            "row 1 sums to 1.2 .* every column does, so give orientation=cleanlab if",
        ),
        (
            "0.9,0.1\n0.3,0.7\n",
            "cleanlab",
            "column 1 sums to 1.2 .* every row does, so give orientation=rows if",
        ),
        ("", "rows", "holds no numbers"),
        ("# nothing\n", "rows", "holds no numbers"),
    ],
)
def test_a_matrix_that_is_none_is_refused(tmp_path, text, orientation, sentence):
    path = tmp_path / "T.csv"
    path.write_text(text)
    task = made_task(f"matrix:file={path}:orientation={orientation}", [0, 1], classes=2)
    with pytest.raises(NoiseError, match=sentence):
        raise NoiseError(refusal(task))


def test_a_matrix_in_bytes_is_refused(tmp_path):
    path = tmp_path / "T.csv"
    path.write_bytes(b"\xff\xfe\x00")
    assert "is no text" in refusal(made_task(f"matrix:file={path}", [0, 1], classes=2))


def test_a_missing_file_is_refused(tmp_path):
    for text in ("matrix:file={}/T.csv", "human:column=aggre:file={}/T.npz", "label-list:file={}/T.json"):
        with pytest.raises(NoiseError, match="does not exist: check the path"):
            outcome(made_task(text.format(tmp_path), [0, 1]))


# --------------------------------------------------------------------------------------------------------
# Human labels

CLEAN = np.arange(30) % 10
AGGRE = np.where(np.arange(30) % 4 == 0, (CLEAN + 3) % 10, CLEAN)


def human_npz(tmp_path, **columns):
    path = tmp_path / "human.npz"
    np.savez(path, **{"clean": CLEAN.astype(np.uint8), "aggre": AGGRE.astype(np.uint8), **columns})
    return path


@pytest.mark.shared
def test_the_shares_of_wrong_human_labels_are_the_published_ones(shared):
    path = shared / "data/cifar10n.npz"
    clean = np.load(path)["clean"]
    for column, share in {"aggre": 9.0, "random1": 17.2, "random2": 18.1, "random3": 17.6}.items():
        change, labels = outcome(made_task(f"human:column={column}:file={path}", clean))
        assert round(100 * np.mean(labels != clean), 1) == share
        assert change.requested is None


def test_human_labels_go_by_sample_id(tmp_path):
    path = human_npz(tmp_path)
    change, labels = outcome(made_task(f"human:column=aggre:file={path}", CLEAN))
    np.testing.assert_array_equal(labels, AGGRE)
    np.testing.assert_array_equal(change.positions, np.flatnonzero(AGGRE != CLEAN))
    part = np.array([17, 4, 8, 0])
    _, labels = outcome(made_task(f"human:column=aggre:file={path}", CLEAN[part], sample_id=part))
    np.testing.assert_array_equal(labels, AGGRE[part])


def test_the_official_names_are_understood(tmp_path):
    path = tmp_path / "human.npz"
    np.savez(path, clean_label=CLEAN, worse_label=AGGRE, random_label1=AGGRE, noisy_label=AGGRE)
    for name in ("worse", "random1", "noisy"):
        _, labels = outcome(made_task(f"human:column={name}:file={path}", CLEAN))
        np.testing.assert_array_equal(labels, AGGRE)


@pytest.mark.parametrize(
    ("columns", "labels", "sentence"),
    [
        (
            {},
            CLEAN[::-1],
            r"other clean labels for 30 of the 30 samples, the first with sample_id 0: .* or order",
        ),
        ({}, np.where(np.arange(30) == 7, 0, CLEAN), "for 1 of the 30 samples, the first with sample_id 7"),
        ({}, CLEAN[:20], "lists 30 labels and the data has 20, another length"),
        ({}, np.arange(40) % 10, "lists 30 labels and the data has a sample_id 39"),
        ({"clean": CLEAN[:9]}, CLEAN, "lists 9 labels and the data has a sample_id 29"),
        ({"aggre": AGGRE[:9]}, CLEAN, "lists 9 labels and the data has a sample_id 29"),
        ({"aggre": AGGRE * 1.0}, CLEAN, "column aggre is no list of whole numbers"),
        ({"aggre": AGGRE[:, None]}, CLEAN, "column aggre is no list of whole numbers"),
        (
            {"aggre": AGGRE + 5},
            CLEAN,
            "gives sample_id 4 the label 12, and the labels of 10 classes run from 0 to 9",
        ),
        ({"aggre": AGGRE - 5}, CLEAN, "gives sample_id 0 the label -2"),
    ],
)
def test_a_file_of_other_data_is_refused(tmp_path, columns, labels, sentence):
    path = human_npz(tmp_path, **columns)
    with pytest.raises(NoiseError, match=sentence):
        raise NoiseError(refusal(made_task(f"human:column=aggre:file={path}", labels)))


def test_a_missing_column_is_named_with_those_there_are(tmp_path):
    path = human_npz(tmp_path, sheet=CLEAN)
    message = refusal(made_task(f"human:column=worse:file={path}", CLEAN))
    assert "has no column worse (it has clean, aggre): take one of those." in message
    np.savez(path, aggre=AGGRE)
    message = refusal(made_task(f"human:column=aggre:file={path}", CLEAN))
    assert "has no column clean (it has aggre): its order cannot be checked without." in message
    np.savez(path, labels=AGGRE)
    assert "it has none that is known" in refusal(made_task(f"human:column=aggre:file={path}", CLEAN))


def test_a_damaged_or_other_file_is_refused(tmp_path):
    path = human_npz(tmp_path)
    path.write_bytes(path.read_bytes()[:-40])
    assert "damaged" in refusal(made_task(f"human:column=aggre:file={path}", CLEAN))
    np.savez(path, clean=CLEAN, aggre=np.array([Path("x")] * 30))
    assert "damaged" in refusal(made_task(f"human:column=aggre:file={path}", CLEAN))
    other = tmp_path / "human.csv"
    other.write_text("x")
    assert "is neither an .npz nor a .pt file" in refusal(
        made_task(f"human:column=aggre:file={other}", CLEAN)
    )


def human_pt(path, content, numpy_1=False):
    import torch

    torch.save(content, path, _use_new_zipfile_serialization=not numpy_1)
    if numpy_1:
        # The official files were written with numpy 1, whose module of arrays had another name.
        path.write_bytes(path.read_bytes().replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))
        assert b"numpy.core.multiarray" in path.read_bytes()
    return path


@pytest.mark.parametrize("numpy_1", [False, True])
def test_the_official_file_of_torch_is_read(tmp_path, numpy_1):
    content = {
        "clean_label": CLEAN,
        "noisy_label": AGGRE.astype(np.uint8),
        "noisy_coarse_label": (AGGRE // 2).tolist(),
    }
    path = human_pt(tmp_path / "CIFAR-100_human.pt", content, numpy_1)
    _, labels = outcome(made_task(f"human:column=noisy:file={path}", CLEAN))
    np.testing.assert_array_equal(labels, AGGRE)
    assert "(it has clean, noisy)" in refusal(made_task(f"human:column=aggre:file={path}", CLEAN))


class Malicious:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_malicious_pickle_is_refused_and_not_run(tmp_path):
    from torch.serialization import get_safe_globals

    before = list(get_safe_globals())
    trace = tmp_path / "trace"
    for content in ({"clean_label": CLEAN, "aggre_label": Malicious(trace)}, Malicious(trace)):
        path = human_pt(tmp_path / "human.pt", content)
        message = refusal(made_task(f"human:column=aggre:file={path}", CLEAN))
        assert "was not read: it is damaged or holds more than arrays" in message
    assert not trace.exists()
    assert get_safe_globals() == before


def test_a_pt_file_that_holds_something_else_is_refused(tmp_path):
    path = human_pt(tmp_path / "human.pt", [1, 2])
    task = made_task(f"human:column=aggre:file={path}", CLEAN)
    assert "holds no named columns" in refusal(task)
    human_pt(path, {"clean_label": CLEAN.tolist(), "aggre_label": AGGRE.tolist()})
    assert "column aggre is no list of whole numbers" in refusal(task)
    human_pt(path, {"clean_label": CLEAN, "aggre_label": np.array(["a", None], dtype=object)})
    assert "was not read" in refusal(task)
    content = human_pt(path, {"clean_label": CLEAN, "aggre_label": AGGRE}).read_bytes()
    for damaged in (b"", b"x", content[:100], content[:-200]):
        path.write_bytes(damaged)
        assert "was not read: it is damaged" in refusal(task)


def test_without_torch_the_sentence_says_so(tmp_path, monkeypatch):
    path = human_pt(tmp_path / "human.pt", {"clean_label": CLEAN, "aggre_label": AGGRE})
    monkeypatch.setitem(sys.modules, "torch", None)
    assert "needs torch to be read" in refusal(made_task(f"human:column=aggre:file={path}", CLEAN))


def test_the_label_kinds_import_neither_torch_nor_pandas():
    code = (
        "import sys, noise.asymmetric, noise.human, noise.instance, noise.labellists, noise.labels, noise.matrix; "
        "assert not {'torch', 'pandas', 'cleanlab'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[1], check=True, timeout=60)


# --------------------------------------------------------------------------------------------------------
# Lists


def listed(tmp_path, content, name="labels.json"):
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.mark.parametrize(
    "wrap", [list, lambda labels: {"noise_labels": labels, "open_noise": [], "closed_noise": []}]
)
def test_row_i_of_a_json_list_is_sample_i(tmp_path, wrap):
    path = listed(tmp_path, wrap(AGGRE.tolist()))
    change, labels = outcome(made_task(f"label-list:file={path}", CLEAN))
    np.testing.assert_array_equal(labels, AGGRE)
    assert change.requested is None
    part = np.array([29, 4, 8, 0])
    free = [True, True, False, True]
    _, labels = outcome(made_task(f"label-list:file={path}", CLEAN[part], sample_id=part, free=free))
    np.testing.assert_array_equal(labels, np.where(free, AGGRE[part], CLEAN[part]))


@given(order=st.permutations(range(30)), extra=st.booleans())
@settings(max_examples=20, deadline=None)
def test_the_rows_of_a_csv_may_stand_in_any_order(tmp_path_factory, order, extra):
    lines = ["given_label,worker,sample_id", *(f'{AGGRE[number]},"x,y", {number}' for number in order)]
    if extra:
        lines.append("999,z,4711")
    path = listed(tmp_path_factory.mktemp("lists"), "\r\n".join(lines), "labels.CSV")
    task = made_task(f"label-list:file={path}", CLEAN)
    if extra:
        assert "names sample 4711 and the data has" in refusal(task)
        # A part of a split may be listed among more.
        ids = np.arange(1, len(CLEAN))
        task = made_task(f"label-list:file={path}", CLEAN[1:], sample_id=ids)
    _, labels = outcome(task)
    np.testing.assert_array_equal(labels, AGGRE[1:] if extra else AGGRE)


def test_clean_labels_in_a_csv_are_compared(tmp_path):
    lines = ["sample_id,clean_label,given_label", *(f"{i},{CLEAN[i]},{AGGRE[i]}" for i in range(len(CLEAN)))]
    path = listed(tmp_path, "\n".join(lines), "labels.csv")
    _, labels = outcome(made_task(f"label-list:file={path}", CLEAN))
    np.testing.assert_array_equal(labels, AGGRE)
    other = [*CLEAN[:-1], (CLEAN[-1] + 1) % 10]
    said = refusal(made_task(f"label-list:file={path}", other))
    assert (
        f"other clean labels for 1 of the {len(CLEAN)} samples, the first with sample_id {len(CLEAN) - 1}"
        in said
    )


@pytest.mark.parametrize(
    ("content", "name", "sentence"),
    [
        ("[0, 1", "a.json", "is no JSON"),
        ({"labels": [0, 1, 2]}, "a.json", "neither a list of labels nor an object with such a list"),
        ({"noise_labels": 3}, "a.json", "neither a list of labels nor an object with such a list"),
        ("3", "a.json", "neither a list of labels nor"),
        ([0, 1], "a.json", "lists 2 labels and the data has a sample_id 2"),
        ([0, 1, 2, 3], "a.json", "lists 4 labels and the data has 3, another length"),
        ([0, 1.5, 2], "a.json", "holds 1.5 at place 1, which is no whole number"),
        ([0, True, 2], "a.json", "holds True at place 1, which is no whole number"),
        ([0, "1", 2], "a.json", "holds '1' at place 1, which is no whole number"),
        ([0, 2**70, 2], "a.json", "at place 1, which is no whole number"),
        (
            [0, 1, 10],
            "a.json",
            "gives sample_id 2 the label 10, and the labels of 10 classes run from 0 to 9",
        ),
        ([0, -1, 1], "a.json", "gives sample_id 1 the label -1"),
        ("sample_id,label\n0,1\n", "a.csv", r"has no column given_label \(it has sample_id, label\)"),
        ("", "a.csv", r"has no column sample_id \(it has none\)"),
        (
            "sample_id,given_label\n0,1\n2,1\n",
            "a.csv",
            "lacks 1 of the 3 samples, the first with sample_id 1",
        ),
        ("sample_id,given_label\n0,1\n1,1\n0,1\n2,1\n", "a.csv", "lists sample_id 0 twice"),
        (
            "sample_id,given_label\n0,1\n1\n2,1\n",
            "a.csv",
            "holds '', where sample_id and given_label are whole",
        ),
        (
            "sample_id,given_label\n0,1\n1,x\n2,1\n",
            "a.csv",
            "holds 'x', where sample_id and given_label are whole",
        ),
        ("sample_id,given_label\n0,1\n1,10\n2,1\n", "a.csv", "gives sample_id 1 the label 10"),
        ("sample_id,given_label\n0," + "1" * 200_000, "a.csv", "is no CSV file"),
    ],
)
def test_a_list_that_does_not_fit_is_refused(tmp_path, content, name, sentence):
    path = listed(tmp_path, content, name)
    with pytest.raises(NoiseError, match=sentence):
        raise NoiseError(refusal(made_task(f"label-list:file={path}", [0, 1, 2])))


def test_a_csv_in_another_encoding_is_refused(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"sample_id,given_label,name\n0,1,\xff\n")
    assert "is no CSV file" in refusal(made_task(f"label-list:file={path}", [0, 1, 2]))


def test_the_open_pairs_of_evidential_mix(tmp_path):
    path = listed(tmp_path, {"noise_labels": [0], "open_noise": [[7, 3], [2, 3]]})
    pairs = open_pairs(read_file(path))
    assert pairs.dtype == np.int64
    np.testing.assert_array_equal(pairs, [[7, 3], [2, 3]])
    assert open_pairs(read_file(listed(tmp_path, {"open_noise": []}))).shape == (0, 2)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ([[1, 2]], "holds no list 'open_noise'"),
        ({"noise_labels": []}, "holds no list 'open_noise'"),
        (
            {"open_noise": [[1, 2], [3]]},
            r"holds \[3\] at place 1 and must hold \[sample, source image\] pairs",
        ),
        ({"open_noise": [[1, 2.5]]}, "at place 0 and must hold"),
        ({"open_noise": [[-1, 2]]}, "at place 0 and must hold"),
        ({"open_noise": [[1, False]]}, "at place 0 and must hold"),
        ({"open_noise": [4]}, "at place 0 and must hold"),
        ({"open_noise": [[1, 2], [5, 2], [5, 3]]}, "replaces sample 5 more than once: keep one pair"),
    ],
)
def test_open_pairs_that_are_none_are_refused(tmp_path, content, sentence):
    with pytest.raises(NoiseError, match=sentence):
        open_pairs(read_file(listed(tmp_path, content)))
