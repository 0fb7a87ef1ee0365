"""Given labels from a file, listed by row or by sample id."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noise.errors import NoiseError, require
from noise.files.read import ReadFile, read_file
from noise.files.tables import TABLES, UNNAMED, check_lengths, columns_of, ending
from noise.task import Change, Task


def check_length(task: Task, path: Path, length: int) -> None:
    """Raise NoiseError when ``length`` rows, one per image of a split, cannot be those of the task's split.

    Every sample needs a row; and where the ids are those of a whole split, there must be no other rows.
    """
    largest, count = int(task.sample_id.max()), len(task.sample_id)
    require(
        length > largest,
        f"{path} lists {length} labels, but the data has a sample_id {largest}: the file belongs to another "
        "data set or split.",
    )
    # Ids are distinct and start at 0, so the largest shows whether they are 0..N-1, in any order.
    require(
        largest != count - 1 or length == count,
        f"{path} lists {length} labels, but the data has {count} samples: the file belongs to another "
        "data set or split.",
    )


def check_rows(task: Task, path: Path, rows: NDArray[np.int64]) -> None:
    """Raise NoiseError when a file names a row that a whole split, ids 0..N-1, does not have."""
    count, largest = len(task.sample_id), int(rows.max(initial=-1))
    require(
        int(task.sample_id.max()) != count - 1 or largest < count,
        f"{path} names sample {largest}, but the data has {count} samples: the file belongs to another data set or "
        "split.",
    )


def check_clean(task: Task, path: Path, clean: NDArray[np.int64]) -> None:
    """Raise NoiseError unless the clean labels [N] of a file, one per sample, are those of the task."""
    differing = np.flatnonzero(clean != task.labels)
    if len(differing):
        raise NoiseError(
            f"{path} has other clean labels for {len(differing)} of the {len(task.labels)} samples, the first with "
            f"sample_id {task.sample_id[differing[0]]}: the file belongs to another data set or order."
        )


def check_classes(task: Task, path: Path, given: NDArray[np.int64]) -> None:
    """Raise NoiseError unless every label of ``given`` [N] is in [0, K)."""
    outside = np.flatnonzero((given < 0) | (given >= task.class_count))
    if len(outside):
        raise NoiseError(
            f"{path} gives sample_id {task.sample_id[outside[0]]} the label {given[outside[0]]}, but the labels "
            f"of {task.class_count} classes run from 0 to {task.class_count - 1}: the file belongs to another data "
            "set."
        )


def label_list(task: Task) -> Change:
    """Change for ``label-list:file=FILE``: every free sample gets the label that the file lists for it.

    The file is DivideMix's JSON list, whose row i belongs to sample_id i; EvidentialMix's JSON object, whose
    ``noise_labels`` is such a list; or, if its name ends so, a table of :mod:`noise.files.tables` with the columns
    ``sample_id`` and ``given_label`` and rows in any order, whose optional ``clean_label`` is compared with the data.
    Arrays (npz, npy) without a ``sample_id`` are listed by row.

    Raises:
        NoiseError: the file is missing, has another form, or belongs to other data.
    """
    file = read_file(task.spec.parameter("file"))
    given = _from_table(task, file) if ending(file.path) in TABLES else _from_json(task, file)
    check_classes(task, file.path, given)
    return dataclasses.replace(task.relabelled(given), files=(file.record,))


def open_pairs(file: ReadFile) -> NDArray[np.int64]:
    """Pairs [m, 2] of ``open_noise`` in an EvidentialMix file (arXiv 2011.05704), the images to replace.

    Returns:
        [m, 2] int64, 0 or above: row of the sample (distinct), and row of the image in its source.

    Raises:
        NoiseError: the file holds no valid list ``open_noise``.
    """
    content = file.json()
    pairs = content.get("open_noise") if isinstance(content, dict) else None
    if not isinstance(pairs, list):
        raise NoiseError(
            f"{file.path} holds no list 'open_noise' of [sample, source image] pairs: use EvidentialMix's JSON "
            "file."
        )
    for number, pair in enumerate(pairs):
        require(
            isinstance(pair, list) and len(pair) == 2 and all(_is_whole(row) and row >= 0 for row in pair),
            f"{file.path}: open_noise holds {pair!r} at index {number} but must hold [sample, source image] pairs "
            "of row numbers, starting at 0: correct it.",
        )
    rows = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    samples, counts = np.unique(rows[:, 0], return_counts=True)
    if len(samples) < len(rows):
        raise NoiseError(
            f"{file.path}: open_noise replaces sample {samples[counts.argmax()]} more than once: keep one pair for "
            "each sample."
        )
    return rows


def _from_json(task: Task, file: ReadFile) -> NDArray[np.int64]:
    """Given labels [N] from a JSON list with one label per row of the official file."""
    content = file.json()
    if isinstance(content, dict):
        content = content.get("noise_labels")
    if not isinstance(content, list):
        raise NoiseError(
            f"{file.path} holds neither a list of labels nor an object with such a list as 'noise_labels': use "
            "a file of DivideMix or EvidentialMix, or a table (.csv, .parquet, .npz, .npy)."
        )
    for number, label in enumerate(content):
        require(
            _is_whole(label),
            f"{file.path} holds {label!r} at index {number}, which is not a whole number: correct it.",
        )
    check_length(task, file.path, len(content))
    return np.array(content, dtype=np.int64)[task.sample_id]


def _from_table(task: Task, file: ReadFile) -> NDArray[np.int64]:
    """Given labels [N] from a table with a column given_label, and sample_id unless row i is sample i (npz, npy)."""
    columns = columns_of(file)
    if set(columns) == {UNNAMED}:
        columns = {"given_label": columns[UNNAMED]}
    by_row = ending(file.path) in (".npz", ".npy") and "sample_id" not in columns
    needed = ("given_label",) if by_row else ("sample_id", "given_label")
    for name in needed:
        require(
            name in columns,
            f"{file.path} has no column {name} (it has {', '.join(columns) or 'none'}): name the columns in the "
            "first line.",
        )
    used = {name: columns[name] for name in (*needed, "clean_label") if name in columns}
    check_lengths(file, used)
    read = {name: whole_numbers(file, column) for name, column in used.items()}
    given = read["given_label"]
    if by_row:
        check_length(task, file.path, len(given))
    ids = read.get("sample_id", np.arange(len(given)))
    distinct, counts = np.unique(ids, return_counts=True)
    require(
        len(distinct) == len(ids),
        f"{file.path} lists sample_id {distinct[counts.argmax()] if len(ids) else ''} twice: keep one row for each "
        "sample.",
    )
    check_rows(task, file.path, ids)
    missing = np.setdiff1d(task.sample_id, ids)
    require(
        len(missing) == 0,
        f"{file.path} lacks {len(missing)} of the {len(task.sample_id)} samples, the first with sample_id "
        f"{missing[0] if len(missing) else ''}: add a row for each.",
    )
    order = np.argsort(ids)
    places = order[np.searchsorted(ids, task.sample_id, sorter=order)]
    if "clean_label" in read:
        check_clean(task, file.path, read["clean_label"][places])
    return given[places]


def whole_numbers(file: ReadFile, values: NDArray[Any]) -> NDArray[np.int64]:
    """A column [n] of ids or labels, as text or numbers, as whole numbers.

    Raises:
        NoiseError: a value is missing or not a whole number from 0.
    """
    if values.dtype.kind in "iu" and (len(values) == 0 or (values.min() >= 0 and values.max() < 2**63)):
        return values.astype(np.int64)
    return np.array([_number(file, str(value)) for value in values.tolist()], np.int64)


def _is_whole(value: Any) -> bool:
    """Whether a JSON value is a whole number that fits into int64 (``true`` does not count as a number)."""
    return type(value) is int and -(2**63) <= value < 2**63


def _number(file: ReadFile, text: str) -> int:
    """A cell of the table as a whole number, 0 or above."""
    text = text.strip()
    valid = text.isascii() and text.isdigit() and len(text) <= 18
    require(
        valid,
        f"{file.path} holds {text!r}, but sample_id and labels must be whole numbers from 0: correct it.",
    )
    return int(text)
