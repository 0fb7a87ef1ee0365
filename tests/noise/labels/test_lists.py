"""Label noise by a list of labels in a file."""

import json
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noise.errors import NoiseError
from noise.files.read import read_file
from noise.labels.lists import open_pairs
from tests.helpers.label_tasks import AGGRE, CLEAN, made_task, outcome_of_file, refusal

task_of = partial(made_task, classes=10)


def listed(tmp_path, content, name="labels.json"):
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.mark.parametrize(
    "wrap", [list, lambda labels: {"noise_labels": labels, "open_noise": [], "closed_noise": []}]
)
def test_row_i_of_a_json_list_is_sample_i(tmp_path, wrap):
    path = listed(tmp_path, wrap(AGGRE.tolist()))
    change, labels = outcome_of_file(task_of(f"label-list:file={path}", CLEAN))
    np.testing.assert_array_equal(labels, AGGRE)
    assert change.requested is None
    part = np.array([29, 4, 8, 0])
    free = [True, True, False, True]
    _, labels = outcome_of_file(task_of(f"label-list:file={path}", CLEAN[part], sample_id=part, free=free))
    np.testing.assert_array_equal(labels, np.where(free, AGGRE[part], CLEAN[part]))


@given(order=st.permutations(range(30)), extra=st.booleans())
@settings(max_examples=20, deadline=None)
def test_the_rows_of_a_csv_may_stand_in_any_order(tmp_path_factory, order, extra):
    lines = ["given_label,worker,sample_id", *(f'{AGGRE[number]},"x,y", {number}' for number in order)]
    if extra:
        lines.append("999,z,4711")
    path = listed(tmp_path_factory.mktemp("lists"), "\r\n".join(lines), "labels.CSV")
    task = task_of(f"label-list:file={path}", CLEAN)
    if extra:
        assert "names sample 4711, but the data has" in refusal(task)
        # The file may list more samples than a partial split has.
        ids = np.arange(1, len(CLEAN))
        task = task_of(f"label-list:file={path}", CLEAN[1:], sample_id=ids)
    _, labels = outcome_of_file(task)
    np.testing.assert_array_equal(labels, AGGRE[1:] if extra else AGGRE)


def test_clean_labels_in_a_csv_are_compared(tmp_path):
    lines = ["sample_id,clean_label,given_label", *(f"{i},{CLEAN[i]},{AGGRE[i]}" for i in range(len(CLEAN)))]
    path = listed(tmp_path, "\n".join(lines), "labels.csv")
    _, labels = outcome_of_file(task_of(f"label-list:file={path}", CLEAN))
    np.testing.assert_array_equal(labels, AGGRE)
    other = [*CLEAN[:-1], (CLEAN[-1] + 1) % 10]
    message = refusal(task_of(f"label-list:file={path}", other))
    assert (
        f"other clean labels for 1 of the {len(CLEAN)} samples, the first with sample_id {len(CLEAN) - 1}"
        in message
    )


@pytest.mark.parametrize(
    ("content", "name", "sentence"),
    [
        ("[0, 1", "a.json", "is not JSON"),
        ({"labels": [0, 1, 2]}, "a.json", "neither a list of labels nor an object with such a list"),
        ({"noise_labels": 3}, "a.json", "neither a list of labels nor an object with such a list"),
        ("3", "a.json", "neither a list of labels nor"),
        ([0, 1], "a.json", "lists 2 labels, but the data has a sample_id 2"),
        ([0, 1, 2, 3], "a.json", "lists 4 labels, but the data has 3 samples"),
        ([0, 1.5, 2], "a.json", "holds 1.5 at index 1, which is not a whole number"),
        ([0, True, 2], "a.json", "holds True at index 1, which is not a whole number"),
        ([0, "1", 2], "a.json", "holds '1' at index 1, which is not a whole number"),
        ([0, 2**70, 2], "a.json", "at index 1, which is not a whole number"),
        (
            [0, 1, 10],
            "a.json",
            "gives sample_id 2 the label 10, but the labels of 10 classes run from 0 to 9",
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
            "holds '', but sample_id and labels must be whole",
        ),
        (
            "sample_id,given_label\n0,1\n1,x\n2,1\n",
            "a.csv",
            "holds 'x', but sample_id and labels must be whole",
        ),
        ("sample_id,given_label\n0,1\n1,10\n2,1\n", "a.csv", "gives sample_id 1 the label 10"),
        ("sample_id,given_label\n0," + "1" * 200_000, "a.csv", "is not a CSV file"),
    ],
)
def test_a_list_that_does_not_fit_is_refused(tmp_path, content, name, sentence):
    path = listed(tmp_path, content, name)
    with pytest.raises(NoiseError, match=sentence):
        raise NoiseError(refusal(task_of(f"label-list:file={path}", [0, 1, 2])))


def test_a_csv_in_another_encoding_is_refused(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"sample_id,given_label,name\n0,1,\xff\n")
    assert "is not a CSV file" in refusal(task_of(f"label-list:file={path}", [0, 1, 2]))


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
            r"holds \[3\] at index 1 but must hold \[sample, source image\] pairs",
        ),
        ({"open_noise": [[1, 2.5]]}, "at index 0 but must hold"),
        ({"open_noise": [[-1, 2]]}, "at index 0 but must hold"),
        ({"open_noise": [[1, False]]}, "at index 0 but must hold"),
        ({"open_noise": [4]}, "at index 0 but must hold"),
        ({"open_noise": [[1, 2], [5, 2], [5, 3]]}, "replaces sample 5 more than once: keep one pair"),
    ],
)
def test_invalid_open_pairs_are_refused(tmp_path, content, sentence):
    with pytest.raises(NoiseError, match=sentence):
        open_pairs(read_file(listed(tmp_path, content)))
