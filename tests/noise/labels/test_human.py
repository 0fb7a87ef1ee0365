"""Human label noise: CIFAR-10N and CIFAR-100N."""

import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from noise.errors import NoiseError
from tests.helpers.label_tasks import AGGRE, CLEAN, made_task, outcome_of_file, refusal

task_of = partial(made_task, classes=10)


def human_npz(tmp_path, **columns):
    path = tmp_path / "human.npz"
    np.savez(path, **{"clean": CLEAN.astype(np.uint8), "aggre": AGGRE.astype(np.uint8), **columns})
    return path


@pytest.mark.shared
def test_the_shares_of_wrong_human_labels_are_the_published_ones(shared):
    path = shared / "data/cifar10n.npz"
    clean = np.load(path)["clean"]
    for column, share in {"aggre": 9.0, "random1": 17.2, "random2": 18.1, "random3": 17.6}.items():
        change, labels = outcome_of_file(task_of(f"human:column={column}:file={path}", clean))
        assert round(100 * np.mean(labels != clean), 1) == share
        assert change.requested is None


def test_human_labels_go_by_sample_id(tmp_path):
    path = human_npz(tmp_path)
    change, labels = outcome_of_file(task_of(f"human:column=aggre:file={path}", CLEAN))
    np.testing.assert_array_equal(labels, AGGRE)
    np.testing.assert_array_equal(change.positions, np.flatnonzero(AGGRE != CLEAN))
    part = np.array([17, 4, 8, 0])
    _, labels = outcome_of_file(task_of(f"human:column=aggre:file={path}", CLEAN[part], sample_id=part))
    np.testing.assert_array_equal(labels, AGGRE[part])


def test_official_column_names_are_read(tmp_path):
    path = tmp_path / "human.npz"
    np.savez(path, clean_label=CLEAN, worse_label=AGGRE, random_label1=AGGRE, noisy_label=AGGRE)
    for name in ("worse", "random1", "noisy"):
        _, labels = outcome_of_file(task_of(f"human:column={name}:file={path}", CLEAN))
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
        ({}, CLEAN[:20], "lists 30 labels, but the data has 20 samples"),
        ({}, np.arange(40) % 10, "lists 30 labels, but the data has a sample_id 39"),
        ({"clean": CLEAN[:9]}, CLEAN, "lists 9 labels, but the data has a sample_id 29"),
        ({"aggre": AGGRE[:9]}, CLEAN, "lists 9 labels, but the data has a sample_id 29"),
        ({"aggre": AGGRE * 1.0}, CLEAN, "column aggre is not a list of whole numbers"),
        ({"aggre": AGGRE[:, None]}, CLEAN, "column aggre is not a list of whole numbers"),
        (
            {"aggre": AGGRE + 5},
            CLEAN,
            "gives sample_id 4 the label 12, but the labels of 10 classes run from 0 to 9",
        ),
        ({"aggre": AGGRE - 5}, CLEAN, "gives sample_id 0 the label -2"),
    ],
)
def test_a_file_of_other_data_is_refused(tmp_path, columns, labels, sentence):
    path = human_npz(tmp_path, **columns)
    with pytest.raises(NoiseError, match=sentence):
        raise NoiseError(refusal(task_of(f"human:column=aggre:file={path}", labels)))


def test_a_missing_column_is_named_with_the_present_ones(tmp_path):
    path = human_npz(tmp_path, sheet=CLEAN)
    message = refusal(task_of(f"human:column=worse:file={path}", CLEAN))
    assert "has no column worse (it has clean, aggre): use one of those." in message
    np.savez(path, aggre=AGGRE)
    message = refusal(task_of(f"human:column=aggre:file={path}", CLEAN))
    assert "has no column clean (it has aggre): without it the order cannot be checked." in message
    np.savez(path, labels=AGGRE)
    assert "it has none that is known" in refusal(task_of(f"human:column=aggre:file={path}", CLEAN))


def test_a_damaged_or_other_file_is_refused(tmp_path):
    path = human_npz(tmp_path)
    path.write_bytes(path.read_bytes()[:-40])
    assert "damaged" in refusal(task_of(f"human:column=aggre:file={path}", CLEAN))
    np.savez(path, clean=CLEAN, aggre=np.array([Path("x")] * 30))
    assert "damaged" in refusal(task_of(f"human:column=aggre:file={path}", CLEAN))
    other = tmp_path / "human.txt"
    other.write_text("x")
    assert "is neither an .npz nor a .pt file" in refusal(task_of(f"human:column=aggre:file={other}", CLEAN))


def human_pt(path, content, numpy_1=False):
    import torch

    torch.save(content, path, _use_new_zipfile_serialization=not numpy_1)
    if numpy_1:
        # The official files were written with numpy 1, in which the array module has another name.
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
    _, labels = outcome_of_file(task_of(f"human:column=noisy:file={path}", CLEAN))
    np.testing.assert_array_equal(labels, AGGRE)
    assert "(it has clean, noisy)" in refusal(task_of(f"human:column=aggre:file={path}", CLEAN))


class Malicious:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_malicious_pickle_is_refused_and_not_executed(tmp_path):
    from torch.serialization import get_safe_globals

    before = list(get_safe_globals())
    trace = tmp_path / "trace"
    for content in ({"clean_label": CLEAN, "aggre_label": Malicious(trace)}, Malicious(trace)):
        path = human_pt(tmp_path / "human.pt", content)
        message = refusal(task_of(f"human:column=aggre:file={path}", CLEAN))
        assert "was not read: it is damaged or holds more than arrays" in message
    assert not trace.exists()
    assert get_safe_globals() == before


def test_a_pt_file_that_holds_something_else_is_refused(tmp_path):
    path = human_pt(tmp_path / "human.pt", [1, 2])
    task = task_of(f"human:column=aggre:file={path}", CLEAN)
    assert "holds no named columns" in refusal(task)
    human_pt(path, {"clean_label": CLEAN.tolist(), "aggre_label": AGGRE.tolist()})
    assert "column aggre is not a list of whole numbers" in refusal(task)
    human_pt(path, {"clean_label": CLEAN, "aggre_label": np.array(["a", None], dtype=object)})
    assert "was not read" in refusal(task)
    content = human_pt(path, {"clean_label": CLEAN, "aggre_label": AGGRE}).read_bytes()
    for damaged in (b"", b"x", content[:100], content[:-200]):
        path.write_bytes(damaged)
        assert "was not read: it is damaged" in refusal(task)


def test_a_pt_file_without_torch_is_refused(tmp_path, monkeypatch):
    path = human_pt(tmp_path / "human.pt", {"clean_label": CLEAN, "aggre_label": AGGRE})
    monkeypatch.setitem(sys.modules, "torch", None)
    assert "can only be read with torch" in refusal(task_of(f"human:column=aggre:file={path}", CLEAN))


@pytest.mark.slow
def test_the_label_kinds_import_neither_torch_nor_pandas():
    code = (
        "import sys; from noise.labels import asymmetric, human, instance, lists, matrix, symmetric; "
        "assert not {'torch', 'pandas', 'cleanlab'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[3], check=True, timeout=60)
