"""Tasks of label noise, and checks that hold for the change of every kind."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from noise.errors import NoiseError
from noise.files.read import read_file
from noise.labels.asymmetric import asymmetric
from noise.labels.human import human
from noise.labels.instance import instance
from noise.labels.lists import label_list
from noise.labels.matrix import matrix
from noise.labels.symmetric import pair, random_labels, symmetric, symmetric_iid, symmetric_incl
from noise.spec import parse_spec
from noise.task import Change, Task

FUNCTIONS = {
    "symmetric": symmetric,
    "symmetric-incl": symmetric_incl,
    "symmetric-iid": symmetric_iid,
    "pair": pair,
    "random": random_labels,
    "asymmetric": asymmetric,
    "instance": instance,
    "matrix": matrix,
    "human": human,
    "label-list": label_list,
}
CLEAN = np.arange(30) % 10
AGGRE = np.where(np.arange(30) % 4 == 0, (CLEAN + 3) % 10, CLEAN)
"""Thirty clean labels, and labels as if by human annotators."""

FALSE_ALARM = 1e-6
"""Probability that a statistical check of one row fails under a correct rule, if the seed were not fixed."""


def made_task(text, labels, *, names=None, classes=5, sample_id=None, free=None, images=None, seed=0):
    """A task on read-only arrays, so that writing to them raises an error."""
    labels = np.array(labels, dtype=np.int64)
    ids = np.arange(len(labels)) if sample_id is None else np.array(sample_id, dtype=np.int64)
    if images is None:
        # An image depends on the id of its sample, not on its position.
        row, y, x, channel = np.indices((int(ids.max(initial=0)) + 1, 2, 2, 3))
        images = ((row * 37 + y * 11 + x * 71 + channel * 101 + row * row * (x + 2 * y)) % 256).astype(
            np.uint8
        )[ids]
    free = np.ones(len(labels), dtype=bool) if free is None else np.array(free, dtype=bool)
    for array in (labels, ids, images, free):
        array.setflags(write=False)
    names = tuple(f"class {label}" for label in range(classes)) if names is None else names
    return Task(parse_spec(text), images, labels, names, ids, free, "pictures", seed, {})


def outcome(task):
    """The change of a task and the labels [N] after it, after checks that hold for every kind."""
    change = FUNCTIONS[task.spec.kind](task)
    assert change.images is None
    assert change.labels is not None
    assert change.positions.dtype == change.labels.dtype == np.int64
    assert len(change.positions) == len(change.labels) == len(set(change.positions.tolist()))
    assert task.free[change.positions].all()
    assert ((change.labels >= 0) & (change.labels < task.class_count)).all()
    if change.requested is not None:
        assert change.requested.shape == (task.class_count,)
        assert ((change.requested >= 0) & (change.requested <= 1)).all()
    labels = task.labels.copy()
    labels[change.positions] = change.labels
    return change, labels


def outcome_of_file(task: Task) -> tuple[Change, NDArray[np.int64]]:
    """:func:`outcome` of a kind that reads a file, after checks that hold for these kinds."""
    change, labels = outcome(task)
    assert (np.diff(change.positions) > 0).all()
    assert (change.labels != task.labels[change.positions]).all()
    assert change.files == (read_file(str(task.spec.parameter("file"))).record,)
    return change, labels


def refusal(task):
    """The error message of a task that is refused."""
    with pytest.raises(NoiseError) as caught:
        FUNCTIONS[task.spec.kind](task)
    message = str(caught.value)
    assert "\n" not in message
    assert Path(task.spec.parameter("file")).name in message
    return message


def independence(table):
    """P-value of the chi-square test that all rows of a table of counts follow one distribution."""
    result: Any = stats.chi2_contingency(table, correction=False)
    return result.pvalue
