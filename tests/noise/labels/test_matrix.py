"""Label noise by a transition matrix in a file."""

from functools import partial

import numpy as np
import pytest
from scipy import stats

from noise.errors import NoiseError
from noise.files.read import read_file
from noise.labels.matrix import read_matrix
from tests.helpers.label_tasks import FALSE_ALARM, made_task, outcome_of_file, refusal

task_of = partial(made_task, classes=10)
SHARES = np.array([[0.7, 0.2, 0.1], [0.0, 1.0, 0.0], [0.25, 0.25, 0.5]])


def written(path, table, **options):
    np.savetxt(path, table, **{"delimiter": ",", **options})
    return path


def test_each_label_is_drawn_by_its_row(tmp_path):
    path = written(tmp_path / "T.csv", SHARES)
    clean = np.random.default_rng(0).integers(0, 3, 30_000)
    change, labels = outcome_of_file(task_of(f"matrix:file={path}", clean, classes=3))
    np.testing.assert_array_equal(change.requested, 1 - np.diag(SHARES))
    assert (labels[clean == 1] == 1).all()
    for label in (0, 2):
        seen = np.bincount(labels[clean == label], minlength=3)
        assert stats.chisquare(seen, SHARES[label] * seen.sum()).pvalue > FALSE_ALARM


@pytest.mark.parametrize("orientation", ["rows", "cleanlab"])
def test_the_orientation_selects_the_axis_of_the_true_classes(tmp_path, orientation):
    table = SHARES if orientation == "rows" else SHARES.T
    path = written(tmp_path / "T.csv", table)
    np.testing.assert_array_equal(read_matrix(read_file(path), 3, orientation), SHARES)


def test_labels_agree_with_cleanlab_on_the_same_matrix(tmp_path):
    generation = pytest.importorskip("cleanlab.benchmarking.noise_generation")
    chances = np.random.default_rng(1).dirichlet(np.ones(5), size=5) / 2 + np.eye(5) / 2
    path = written(tmp_path / "noise_matrix.csv", chances.T, fmt="%.17g")
    clean = np.random.default_rng(2).integers(0, 5, 50_000)
    _, ours = outcome_of_file(task_of(f"matrix:orientation=cleanlab:file={path}", clean, classes=5))
    state = np.random.get_state()  # noqa: NPY002 - cleanlab draws from the global generator
    np.random.seed(3)  # noqa: NPY002
    theirs = generation.generate_noisy_labels(clean, chances.T)
    np.random.set_state(state)  # noqa: NPY002
    quantile = stats.norm.isf(FALSE_ALARM / 2)
    for label in range(5):
        inside = clean == label
        share, other = (np.bincount(labels[inside], minlength=5) / inside.sum() for labels in (ours, theirs))
        # cleanlab rounds to exact counts, so only our count is random.
        spread = np.sqrt(chances[label] * (1 - chances[label]) / inside.sum())
        assert (np.abs(share - other) < quantile * spread + 2 / inside.sum()).all()


def test_a_matrix_has_one_result_for_each_sample_id(tmp_path):
    path = written(tmp_path / "T.csv", SHARES)
    clean, order = np.arange(300) % 3, np.random.default_rng(4).permutation(300)
    free = np.arange(300) % 2 == 0
    _, straight = outcome_of_file(task_of(f"matrix:file={path}", clean, classes=3))
    _, shuffled = outcome_of_file(task_of(f"matrix:file={path}", clean[order], classes=3, sample_id=order))
    np.testing.assert_array_equal(shuffled, straight[order])
    _, part = outcome_of_file(task_of(f"matrix:file={path}", clean, classes=3, free=free))
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
        ("0.9,0.1,0\n0.1,0.9,0\n0,0,1\n", "rows", "holds 3×3 numbers, but 2 classes need 2×2"),
        ("0.9,0.1\n", "rows", "holds 1×2 numbers, but 2 classes need 2×2"),
        ("0.9,0.1\n0.1,0.8,0.1\n", "rows", "row 2 has 3 numbers, but row 1 has 2"),
        ("0.9,0.1\n0.1,x\n", "rows", "row 2 holds 'x', which is not a number"),
        ("0.9,\n0.1,0.9\n", "rows", "row 1 holds '', which is not a number"),
        ("1.5,-0.5\n0,1\n", "rows", "row 1, column 1 is 1.5 but must be a probability, from 0 to 1"),
        ("1,0\n-0.5,1.5\n", "rows", "row 2, column 1 is -0.5"),
        ("nan,1\n0,1\n", "rows", "row 1, column 1 is nan"),
        ("0,inf\n0,1\n", "rows", "row 1, column 2 is inf"),
        ("0.9,0.1\n0.1,0.8\n", "rows", r"row 2 sums to 0.9 but must sum to one: scale every row"),
        ("0.9,0.1\n0.1,0.899998\n", "rows", r"row 2 sums to 0.999998 but must"),
        ("0.9,0.1\n0.1,0.8\n", "cleanlab", r"column 2 sums to 0.9 but must sum to one: scale every column"),
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
def test_an_invalid_matrix_is_refused(tmp_path, text, orientation, sentence):
    path = tmp_path / "T.csv"
    path.write_text(text)
    task = task_of(f"matrix:file={path}:orientation={orientation}", [0, 1], classes=2)
    with pytest.raises(NoiseError, match=sentence):
        raise NoiseError(refusal(task))


def test_a_binary_matrix_file_is_refused(tmp_path):
    path = tmp_path / "T.csv"
    path.write_bytes(b"\xff\xfe\x00")
    assert "is not text" in refusal(task_of(f"matrix:file={path}", [0, 1], classes=2))


def test_a_missing_file_is_refused(tmp_path):
    for text in ("matrix:file={}/T.csv", "human:column=aggre:file={}/T.npz", "label-list:file={}/T.json"):
        with pytest.raises(NoiseError, match="does not exist: check the path"):
            outcome_of_file(task_of(text.format(tmp_path), [0, 1]))
