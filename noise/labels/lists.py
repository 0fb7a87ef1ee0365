"""Given labels from a file, listed by row or by sample id."""

import csv
import dataclasses
import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noise.errors import NoiseError, require
from noise.files.read import ReadFile, read_file
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
    ``noise_labels`` is such a list; or, if its name ends in ``.csv``, a table with the columns ``sample_id`` and
    ``given_label`` and rows in any order, whose optional ``clean_label`` is compared with the data.

    Raises:
        NoiseError: the file is missing, has another form, or belongs to other data.
    """
    file = read_file(task.spec.parameter("file"))
    given = _from_csv(task, file) if file.path.suffix.lower() == ".csv" else _from_json(task, file)
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
            "a file of DivideMix or EvidentialMix, or a .csv file."
        )
    for number, label in enumerate(content):
        require(
            _is_whole(label),
            f"{file.path} holds {label!r} at index {number}, which is not a whole number: correct it.",
        )
    check_length(task, file.path, len(content))
    return np.array(content, dtype=np.int64)[task.sample_id]


def _from_csv(task: Task, file: ReadFile) -> NDArray[np.int64]:
    """Given labels [N] from a table with the columns sample_id and given_label."""
    try:
        reader = csv.DictReader(io.StringIO(file.content.decode("utf-8-sig"), newline=""))
        names, lines = reader.fieldnames or [], list(reader)
    except (UnicodeDecodeError, csv.Error) as error:
        raise NoiseError(f"{file.path} is not a CSV file ({error}): write it as UTF-8 text.") from error
    for name in ("sample_id", "given_label"):
        require(
            name in names,
            f"{file.path} has no column {name} (it has {', '.join(names) or 'none'}): name the columns in the "
            "first line.",
        )
    listed: dict[int, int] = {}
    clean: dict[int, int] = {}
    for line in lines:
        number, label = (_number(file, line[name]) for name in ("sample_id", "given_label"))
        require(
            number not in listed, f"{file.path} lists sample_id {number} twice: keep one row for each sample."
        )
        listed[number] = label
        if "clean_label" in names:
            clean[number] = _number(file, line["clean_label"])
    check_rows(task, file.path, np.array(list(listed), dtype=np.int64))
    wanted = task.sample_id.tolist()
    missing = [number for number in wanted if number not in listed]
    if missing:
        raise NoiseError(
            f"{file.path} lacks {len(missing)} of the {len(wanted)} samples, the first with sample_id "
            f"{missing[0]}: add a row for each."
        )
    if clean:
        check_clean(task, file.path, np.array([clean[number] for number in wanted], dtype=np.int64))
    return np.array([listed[number] for number in wanted], dtype=np.int64)


def _is_whole(value: Any) -> bool:
    """Whether a JSON value is a whole number that fits into int64 (``true`` does not count as a number)."""
    return type(value) is int and -(2**63) <= value < 2**63


def _number(file: ReadFile, text: str | None) -> int:
    """A cell of the table as a whole number, 0 or above; ``text`` is None where the line is too short."""
    text = (text or "").strip()
    valid = text.isascii() and text.isdigit() and len(text) <= 18
    require(
        valid,
        f"{file.path} holds {text!r}, but sample_id and labels must be whole numbers from 0: correct it.",
    )
    return int(text)
