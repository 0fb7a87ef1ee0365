"""Label noise by a transition matrix from a file."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from noise.errors import NoiseError, require
from noise.files.read import ReadFile, read_file
from noise.labels.symmetric import draw_classes
from noise.streams import uniforms
from noise.task import Change, Task

TOLERANCE = 1e-6
"""Largest difference of a sum from one; a table written with at least six digits passes."""


def read_matrix(file: ReadFile, class_count: int, orientation: str = "rows") -> NDArray[np.float64]:
    """Transition matrix [K, K] from text: one row per line, separated by commas or blanks, ``#`` for comments.

    A first line or a first column of class names is skipped, unless the names are numbers.

    Args:
        file: the file.
        class_count: K.
        orientation: ``rows`` where row i of the file holds P(given | true i), ``cleanlab`` where column i does (as
            in cleanlab's ``noise_matrix``).

    Returns:
        [K, K] float64 in [0, 1]; row i is P(given | true i) and sums to one within :data:`TOLERANCE`.

    Raises:
        NoiseError: the file holds no such matrix.
    """
    table = _read_table(file)
    shape = "×".join(str(length) for length in table.shape)
    require(
        table.shape == (class_count, class_count),
        f"{file.path} holds {shape} numbers, but {class_count} classes need {class_count}×{class_count}: "
        "one row and one column per class.",
    )
    wrong = np.argwhere(~((table >= 0) & (table <= 1)))
    if len(wrong):
        row, column = wrong[0].tolist()
        raise NoiseError(
            f"{file.path}: row {row + 1}, column {column + 1} is {table[row, column]:g} but must be a "
            "probability, from 0 to 1."
        )
    chances, line, other, option = table, "row", "column", "cleanlab"
    if orientation == "cleanlab":
        chances, line, other, option = table.T, "column", "row", "rows"
    sums = chances.sum(axis=1)
    off = np.flatnonzero(np.abs(sums - 1) > TOLERANCE)
    if len(off):
        remedy = f"scale every {line} to a sum of one."
        if np.all(np.abs(chances.sum(axis=0) - 1) <= TOLERANCE):
            remedy = f"every {other} does, so give orientation={option} if the {other}s are the true classes."
        raise NoiseError(
            f"{file.path}: {line} {off[0] + 1} sums to {sums[off[0]]:.8g} but must sum to one: {remedy}"
        )
    return np.ascontiguousarray(chances)


def _read_table(file: ReadFile) -> NDArray[np.float64]:
    """Numbers of the file [rows, columns], without class names and comments."""
    try:
        text = file.content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NoiseError(f"{file.path} is not text: write the matrix as a CSV file.") from error
    lines = [line.partition("#")[0].strip() for line in text.splitlines()]
    cells = [[cell.strip() for cell in line.split("," if "," in line else None)] for line in lines if line]
    if cells and not any(_is_number(cell) for cell in cells[0]):
        cells = cells[1:]
    if cells and not any(_is_number(row[0]) for row in cells):
        cells = [row[1:] for row in cells]
    require(bool(cells), f"{file.path} holds no numbers: write the matrix as a CSV file, one row per class.")
    for number, row in enumerate(cells, start=1):
        require(
            len(row) == len(cells[0]),
            f"{file.path}: row {number} has {len(row)} numbers, but row 1 has {len(cells[0])}: correct it.",
        )
        for cell in row:
            require(
                _is_number(cell),
                f"{file.path}: row {number} holds {cell!r}, which is not a number: correct it (class names are "
                "allowed only in the first line and in the first column).",
            )
    return np.array([[float(cell) for cell in row] for row in cells])


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def matrix(task: Task) -> Change:
    """Change for ``matrix:file=FILE[:orientation=cleanlab]``: every free label drawn from its row of the matrix.

    Samples are drawn independently, so the realised shares equal those of the matrix up to chance (cleanlab's
    generator rounds to exact counts instead).

    Raises:
        NoiseError: the file is missing or holds no K x K transition matrix.
    """
    file = read_file(task.spec.parameter("file"))
    chances = read_matrix(file, task.class_count, task.spec.parameter("orientation"))
    points = uniforms(task.words(np.arange(len(task.labels)), 1)[:, 0])
    given = draw_classes(chances[task.labels], points)
    return dataclasses.replace(task.relabelled(given, 1 - np.diag(chances)), files=(file.record,))
