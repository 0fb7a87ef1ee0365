"""Hardness that others have measured, as the user names it: joined to a run's samples by their id.

The files of :mod:`probes.external.cifar10`, or any other name: a column of a CSV file with the columns ``sample_id``
and, for the check of the order, ``label``.
"""

import re
from collections.abc import Container, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from memgate.errors import MemgateError, require
from probes.dynamics.columns import GATE, LOG
from probes.external.cifar10 import OFFICIAL
from probes.external.record import External
from probes.scores.catalogue import SCORES

OWN_COLUMNS = frozenset((*SCORES, *LOG, *GATE))
"""What memgate computes itself: where that is shown beside what is joined, a name cannot mean both."""


def load_externals(texts: Sequence[str], taken: Container[str] = ()) -> tuple[External, ...]:
    """What a list of ``--join`` values names, see :func:`load_external`; each name once.

    Args:
        texts: the values.
        taken: names that mean something else where the externals are going to be used.

    Raises:
        MemgateError: a name is given twice or taken, or a value is wrong.
        NoiseError: a file is.
    """
    found = tuple(load_external(text) for text in texts)
    names = [external.name for external in found]
    for name in names:
        require(names.count(name) == 1, f"--join names {name!r} twice: give each file a name of its own.")
        require(
            name not in taken,
            f"--join {name}=… has the name of one of memgate's own columns: choose another.",
        )
    return found


def load_external(text: str) -> External:
    """What ``--join`` names: ``cscores=FILE``, ``cifar10n=FILE``, ``cifar10h=FILE`` or ``NAME=FILE.csv:COLUMN``.

    Of a column, high is harder unless ``:low`` follows it. A CSV file may say in a column ``split`` that it is
    about the test split; without, it is about the training split.

    Raises:
        MemgateError: the text has another form, or the file is missing or none of that kind.
        NoiseError: likewise.
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
            f"--join {text!r} is neither one of {', '.join(OFFICIAL)} nor a column of a CSV file: write "
            f"{name}=FILE.csv:COLUMN (and :low after it if low is harder)."
        )
    return _own(name, Path(match["file"]).expanduser(), match["column"], -1 if match["low"] else +1)


def _own(name: str, path: Path, column: str, direction: int) -> External:
    """A column of a CSV file."""
    try:
        table = pd.read_csv(path)
    except FileNotFoundError as error:
        raise MemgateError(f"{path} does not exist: check the path.") from error
    except (OSError, ValueError) as error:  # of pandas' own errors, those of a file are ValueErrors
        raise MemgateError(f"{path} cannot be read as a CSV file ({error}): check the file.") from error
    for needed in ("sample_id", column):
        require(
            needed in table,
            f"{path} has no column {needed!r}: it has {', '.join(map(str, table.columns)) or 'none'}.",
        )
    require(
        len(table) > 0, f"{path} has only a header: below it must stand a row for each sample, with its id."
    )
    for numeric in ("sample_id", column):
        require(
            pd.api.types.is_numeric_dtype(table[numeric]),
            f"{path}: column {numeric!r} holds something that is no number: mend it, or take another column.",
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
        len(splits) == 1, f"{path} is about several splits ({', '.join(map(str, splits))}): keep one of them."
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
