"""Load external hardness from the files that the user names with ``--join``.

A file is one of :mod:`probes.external.cifar10`, or a CSV file with the columns ``sample_id``, the named column and, to
check the order of the samples, ``label``.
"""

import re
from collections.abc import Container, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from memgate.errors import MemgateError, require
from probes.dynamics.columns import GATE_COLUMNS, LOG_COLUMNS
from probes.external.cifar10 import OFFICIAL
from probes.external.record import External
from probes.scores.catalogue import SCORES

OWN_COLUMNS = frozenset((*SCORES, *LOG_COLUMNS, *GATE_COLUMNS))
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
        text: ``cscores=FILE``, ``cifar10n=FILE``, ``cifar10h=FILE`` or ``NAME=FILE.csv:COLUMN``. In a column high is
            harder unless ``:low`` follows its name. A CSV file may name its split in a column ``split``; without one
            it is about the training split.

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
    match = re.fullmatch(r"(?P<file>.+\.csv):(?P<column>.+?)(?P<low>:low)?", value)
    if match is None:
        raise MemgateError(
            f"--join {text!r} names neither one of {', '.join(OFFICIAL)} nor a column of a CSV file: write "
            f"{name}=FILE.csv:COLUMN (and :low after it if low is harder)."
        )
    return _own(name, Path(match["file"]).expanduser(), match["column"], -1 if match["low"] else +1)


def _own(name: str, path: Path, column: str, direction: int) -> External:
    """External values from a column of a CSV file."""
    try:
        table = pd.read_csv(path)
    except FileNotFoundError as error:
        raise MemgateError(f"{path} does not exist: check the path.") from error
    except (OSError, ValueError) as error:  # pandas' parser errors are ValueErrors
        raise MemgateError(f"{path} cannot be read as a CSV file ({error}): check the file.") from error
    for needed in ("sample_id", column):
        require(
            needed in table,
            f"{path} has no column {needed!r}: it has {', '.join(map(str, table.columns)) or 'none'}.",
        )
    require(len(table) > 0, f"{path} has only a header: it needs a row for each sample, with its id.")
    for numeric in ("sample_id", column):
        require(
            pd.api.types.is_numeric_dtype(table[numeric]),
            f"{path}: column {numeric!r} contains values that are not numbers: correct them, or name another column.",
        )
    ids = table["sample_id"].to_numpy()
    require(
        ids.dtype.kind in "iu" and len(np.unique(ids)) == len(ids),
        f"{path}: column 'sample_id' must hold whole numbers, each once.",
    )
    splits = table["split"].unique().tolist() if "split" in table else ["train"]
    blank = int(np.count_nonzero(table["split"].isna())) if "split" in table else 0
    require(
        blank == 0,
        f"{path}: column 'split' is empty in {blank} of {len(table)} rows: name the split in each, or leave the "
        "column out, which means train.",
    )
    require(
        len(splits) == 1,
        f"{path} contains several splits ({', '.join(map(str, splits))}): keep the rows of one.",
    )
    label = next((known for known in ("label", "clean_label") if known in table), None)
    labels = None
    if label is not None:
        require(
            table[label].dtype.kind in "iu",
            f"{path}: column {label!r} must hold the clean labels as whole numbers.",
        )
        labels = table[label].to_numpy(np.int64)
    return External(
        name,
        f"{column} of {path.name}",
        path.name,
        str(splits[0]),
        direction,
        ids.astype(np.int64),
        table[column].to_numpy(np.float64, na_value=np.nan),
        labels,
    )
