"""Tables from other people's files: named columns of CSV, Parquet, npz and npy files, gzipped or not.

The form is recognised by the ending in any case, so ``labels.CSV.gz`` is a table too.
"""

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noise.errors import NoiseError, require
from noise.files.npz import arrays_of
from noise.files.read import ReadFile

TABLES = (".csv", ".parquet", ".npz", ".npy")
"""Endings of files with columns; each may have ``.gz`` after it."""

UNNAMED = ""
"""Name of the only column of an npy file."""


def ending(path: Path) -> str:
    """The ending of a path in lower case, without a last ``.gz``."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes[-1:] == [".gz"]:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def columns_of(file: ReadFile) -> dict[str, NDArray[Any]]:
    """Name to column [n] of a file whose ending is one of :data:`TABLES`; of an npz file, to each of its arrays.

    Cells of a CSV file are text, whatever they hold. An npy file has one column, :data:`UNNAMED`, unless its array has
    named fields.

    Raises:
        NoiseError: the file is damaged, of another form, or has a column twice.
    """
    return {".csv": _csv, ".parquet": _parquet, ".npz": _npz, ".npy": _npy}[ending(file.path)](file)


def check_lengths(file: ReadFile, columns: Mapping[str, NDArray[Any]]) -> None:
    """Raise NoiseError unless all columns are lists [n] of one length."""
    shapes = {name: column.shape for name, column in columns.items()}
    require(
        len(set(shapes.values())) <= 1 and all(len(shape) == 1 for shape in shapes.values()),
        f"{file.path} has columns of different shapes ("
        + ", ".join(f"{name} {list(shape)}" for name, shape in shapes.items())
        + "): each must be a list with one value for a sample.",
    )


def check_once(file: ReadFile, names: list[str]) -> None:
    """Raise NoiseError where a column stands in a file twice, since only one of the two would be read."""
    twice = next((name for name in names if names.count(name) > 1), None)
    require(twice is None, f"{file.path} has the column {twice!r} twice: rename or remove one.")


def _csv(file: ReadFile) -> dict[str, NDArray[np.str_]]:
    try:
        text = file.unpacked.decode("utf-8-sig")
        names, *rows = [row for row in csv.reader(io.StringIO(text, newline="")) if row] or [[]]
    except (UnicodeDecodeError, csv.Error) as error:
        raise NoiseError(f"{file.path} is not a CSV file ({error}): write it as UTF-8 text.") from error
    check_once(file, names)
    for number, row in enumerate(rows, start=2):
        require(
            not any(row[len(names) :]),
            f"{file.path} has {len(row)} cells in row {number} and {len(names)} in the first line: correct it.",
        )
    width = len(names)
    whole = [[*row[:width], *[""] * (width - len(row))] for row in rows]
    return {name: np.array([row[place] for row in whole], np.str_) for place, name in enumerate(names)}


def _parquet(file: ReadFile) -> dict[str, NDArray[Any]]:
    import pyarrow as pa
    import pyarrow.parquet

    try:
        content = pyarrow.parquet.ParquetFile(io.BytesIO(file.unpacked))
        check_once(file, content.schema_arrow.names)
        table = content.read()
        return {name: table[name].to_numpy() for name in table.column_names}
    except (pa.ArrowException, OSError) as error:
        raise NoiseError(f"{file.path} is damaged or no Parquet file ({error}): write it again.") from error


def _npz(file: ReadFile) -> dict[str, NDArray[Any]]:
    return arrays_of(io.BytesIO(file.unpacked), str(file.path))


def _npy(file: ReadFile) -> dict[str, NDArray[Any]]:
    try:
        array = np.load(io.BytesIO(file.unpacked), allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise NoiseError(f"{file.path} is damaged or no .npy file ({error}): write it again.") from error
    require(
        isinstance(array, np.ndarray) and array.ndim == 1,
        f"{file.path} holds no list with one value for each sample: save a one-dimensional array.",
    )
    if array.dtype.names is None:
        return {UNNAMED: array}
    return {name: array[name] for name in array.dtype.names}
