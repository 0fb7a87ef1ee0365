"""Load external hardness from the files that the user names with ``--join``.

A file is one of :data:`OFFICIAL`, or a table with the columns ``sample_id``, the named column and, to
check the order of the samples, ``label``.
"""

import re
from collections.abc import Callable, Container, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from memgate.errors import MemgateError, require
from noise.errors import NoiseError
from noise.files.read import read_file
from noise.files.tables import TABLES, UNNAMED, check_lengths, ending
from probes.dynamics.columns import GATE_COLUMNS, LOG_COLUMNS, MACS_COLUMNS
from probes.external.cifar10 import cifar10h, cifar10n, columns
from probes.external.published import cscores, memorisation
from probes.external.record import External
from probes.scores.catalogue import SCORES

OFFICIAL: dict[str, Callable[[Path], External]] = {
    "cscores": cscores,
    "memorisation": memorisation,
    "cifar10n": cifar10n,
    "cifar10h": cifar10h,
}
"""Name of a published file to its reader."""

LABELS = ("label", "clean_label")
"""Names of the column with the clean labels."""

OWN_COLUMNS = frozenset((*SCORES, *LOG_COLUMNS, *MACS_COLUMNS, *GATE_COLUMNS))
"""Columns that memgate computes itself, which an external column must not have as its name."""


def load_externals(texts: Sequence[str], taken: Container[str] = ()) -> tuple[External, ...]:
    """The external values that a list of ``--join`` values names, see :func:`load_external`.

    Args:
        texts: the values of ``--join``.
        taken: names that are not allowed, because they have another meaning where the external values are used.

    Raises:
        MemgateError: a name is given twice or is taken, or a value is invalid.
        NoiseError: a file is damaged.
    """
    externals = tuple(load_external(text) for text in texts)
    names = [external.name for external in externals]
    for name in names:
        require(names.count(name) == 1, f"--join names {name!r} twice: give each file a name of its own.")
        require(
            name not in taken,
            f"--join {name}=… has the name of one of memgate's own columns: choose another.",
        )
    return externals


def load_external(text: str) -> External:
    """The external values that one ``--join`` value names.

    Args:
        text: one of :data:`OFFICIAL`, such as ``cscores=FILE``, or ``NAME=FILE:COLUMN``, where the file is a table
            (:mod:`noise.files.tables`); an npy file has no columns, ``NAME=FILE.npy``. In a column high is harder
            unless ``:low`` follows. A table may name its split in a column ``split`` (without one it is about the
            training split), its data set in a column ``dataset``, and the clean labels in a column ``label``.

    Raises:
        MemgateError: the text has another form, or the file is missing or of another kind.
        NoiseError: the file is damaged.
    """
    name, equals, value = text.partition("=")
    require(
        bool(name and equals and value),
        f"--join {text!r} names no file: write {', '.join(f'{known}=FILE' for known in OFFICIAL)} or, with another "
        "name, NAME=FILE.csv:COLUMN.",
    )
    if name in OFFICIAL:
        return OFFICIAL[name](Path(value).expanduser())
    match = _OWN.fullmatch(value)
    if match is None:
        raise MemgateError(
            f"--join {text!r} names neither one of {', '.join(OFFICIAL)} nor a column of a table: write "
            f"{name}=FILE.csv:COLUMN (or .parquet, .npz; {name}=FILE.npy; and :low after it if low is harder)."
        )
    direction = -1 if match["low"] or match["array_low"] else +1
    return _own(name, file_of(text), match["column"] or UNNAMED, direction)


def file_of(text: str) -> Path:
    """The file that a value of ``--join`` names, whether it exists or not."""
    name, _, value = text.partition("=")
    match = None if name in OFFICIAL else _OWN.fullmatch(value)
    return Path(value if match is None else match["file"] or match["array"]).expanduser()


_NAMED = "|".join(re.escape(form) for form in TABLES if form != ".npy")
_OWN = re.compile(
    rf"(?P<file>.+(?i:{_NAMED})(?i:\.gz)?):(?P<column>.+?)(?P<low>:low)?"
    r"|(?P<array>.+(?i:\.npy)(?i:\.gz)?)(?P<array_low>:low)?"
)
"""A table and its column, or an npy file, which has none."""


def _own(name: str, path: Path, column: str, direction: int) -> External:
    """External values from a column of a table."""
    try:
        table = columns(path)
    except ValueError as error:  # pandas' parser errors are ValueErrors, and so is NoiseError
        if isinstance(error, NoiseError):
            raise
        raise MemgateError(f"{path} cannot be read as a table ({error}): check the file.") from error
    if ending(path) in (".npz", ".npy") and "sample_id" not in table and column in table:
        table["sample_id"] = np.arange(len(table[column]))  # listed by row
    for needed in ("sample_id", column):
        require(
            needed in table,
            f"{path} has no column {needed!r}: it has {', '.join(map(str, table)) or 'none'}.",
        )
    used = {known: table[known] for known in ("sample_id", column, "split", *LABELS) if known in table}
    check_lengths(read_file(path), used)
    ids, values = used["sample_id"], used[column]
    require(len(ids) > 0, f"{path} has only a header: it needs a row for each sample, with its id.")
    for numeric in ("sample_id", column):
        require(
            used[numeric].dtype.kind in "iufb",
            f"{path}: column {numeric!r} contains values that are not numbers: correct them, or name another column.",
        )
    require(
        ids.dtype.kind in "iu" and len(np.unique(ids)) == len(ids),
        f"{path}: column 'sample_id' must hold whole numbers, each once.",
    )
    label = next((known for known in LABELS if known in used), None)
    require(
        label is None or used[label].dtype.kind in "iu",
        f"{path}: column {label!r} must hold the clean labels as whole numbers.",
    )
    return External(
        name,
        f"{column} of {path.name}" if column else f"the values of {path.name}",
        path.name,
        _only(path, table, "split", "train") or "train",
        direction,
        ids.astype(np.int64),
        values.astype(np.float64),
        None if label is None else used[label].astype(np.int64),
        dataset=_only(path, table, "dataset", "any data set"),
    )


def _only(path: Path, table: Mapping[str, NDArray], column: str, otherwise: str) -> str | None:
    """The only text in a column, such as the split that a file is about; None where there is no such column."""
    if column not in table:
        return None
    cells = pd.Series(np.atleast_1d(table[column]))
    blank = int((cells.isna() | (cells == "")).sum())
    require(
        blank == 0,
        f"{path}: column {column!r} is empty in {blank} of {len(cells)} rows: name the {column} in each, or leave the "
        f"column out, which means {otherwise}.",
    )
    texts = cells.astype(str).unique().tolist()
    require(
        len(texts) == 1,
        f"{path} contains several {column}s ({', '.join(texts)}): keep the rows of one.",
    )
    return texts[0]
