"""Hardness that others have measured, joined to a run's samples by their id, with a check of the order.

Nothing of this is shipped: every file is the user's own copy.

- ``cscores``: C-scores of CIFAR-10's training images (Jiang et al. 2021, arXiv 2002.03206), the npz file in the
  original order, ``scores`` [50000] and ``labels`` [50000]. Low is harder.
- ``cifar10n``: share of the three annotators of CIFAR-10N (Wei et al. 2022, arXiv 2110.12088) who chose another
  class than the clean one; the official ``CIFAR-10_human.pt``, or an npz with its columns. High is harder.
- ``cifar10h``: entropy of the votes on CIFAR-10's test images (Peterson et al. 2019, arXiv 1908.07086), in nats; an
  npz with ``counts`` [10000, 10], or the official npy file of counts or probabilities. High is harder.
- any other name: a column of a CSV file with the columns ``sample_id`` and, for the check, ``label``.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import entropy

from memgate.errors import MemgateError, require
from noise.files import read_file
from noise.human import known_columns, labels_of
from noise.npz import read_npz

TRAIN, TEST = 50_000, 10_000
"""Images of CIFAR-10's splits."""

MAJORITY = 0.9
"""Share of the test labels that the majority of CIFAR-10H's votes must meet: it meets 99 % in the right order,
10 % in another."""


@dataclass(frozen=True, eq=False)
class External:
    """One number per sample from elsewhere."""

    name: str
    """What the user calls it."""
    what: str
    """What it is, for people."""
    file: str
    split: str
    direction: int
    """+1: high is harder; -1: low is."""
    sample_id: NDArray[np.int64]
    """[m] distinct; row of the sample in the official file."""
    values: NDArray[np.float64]
    """[m]; NaN is missing."""
    labels: NDArray[np.int64] | None = None
    """[m] the file's own clean labels, or None: then its order cannot be checked."""
    agreement: float = 1.0
    """Share of ``labels`` that must be those of the run."""


def load_externals(texts: Sequence[str]) -> tuple[External, ...]:
    """What a list of ``--join`` values names, see :func:`load_external`; each name once.

    Raises:
        MemgateError: a name is given twice, or a value is wrong.
        NoiseError: a file is.
    """
    found = tuple(load_external(text) for text in texts)
    names = [external.name for external in found]
    for name in names:
        require(names.count(name) == 1, f"--join names {name!r} twice: give each file a name of its own.")
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


def aligned(external: External, table: pd.DataFrame) -> tuple[NDArray[np.float64], str]:
    """The external values of a run's samples, after a check that both mean the same samples.

    Args:
        external: what to join.
        table: [N rows] of the run's split of that name, with ``sample_id`` and ``clean_label``.

    Returns:
        [N] values in the table's order, NaN where there is none; and how the order was checked, in words.

    Raises:
        MemgateError: they share no sample, or the labels differ.
    """
    ids, clean = table["sample_id"].to_numpy(), table["clean_label"].to_numpy()
    order = np.argsort(external.sample_id, kind="stable")
    rising = external.sample_id[order]
    place = np.minimum(np.searchsorted(rising, ids), len(rising) - 1)
    there = rising[place] == ids
    place = order[place]
    require(
        bool(there.any()),
        f"{external.file} has none of the run's {len(table)} sample ids of {external.split}: it belongs to "
        "another data set or split.",
    )
    values = np.where(there, external.values[place], np.nan)
    if external.labels is None:
        return values, f"the order of {external.file} could not be checked: it has no labels"
    same = external.labels[place[there]] == clean[there]
    differing = ids[there][~same]
    if same.mean() < external.agreement:
        raise MemgateError(
            f"{external.file} has other labels for {len(differing)} of the {int(there.sum())} samples that it shares "
            f"with the run, the first with sample_id {differing[0]}: it belongs to another data set or is in another "
            "order."
        )
    if external.agreement < 1:
        return values, f"order checked: the majority vote is the clean label of {same.mean():.1%}"
    return values, f"order checked: its labels are the clean labels of all {int(there.sum())}"


def _cscores(path: Path) -> External:
    arrays = read_npz(path)
    scores, labels = arrays.get("scores"), arrays.get("labels")
    if scores is None or scores.shape != (TRAIN,) or scores.dtype.kind != "f":
        raise MemgateError(
            f"{path} has no array 'scores' of {TRAIN} numbers: take the C-scores in orig-order."
        )
    require(
        labels is None or labels.shape == (TRAIN,),
        f"{path} has an array 'labels' of another length than its scores: take the C-scores in orig-order.",
    )
    return External(
        "cscores",
        "the C-score",
        path.name,
        "train",
        -1,
        np.arange(TRAIN),
        scores.astype(np.float64),
        None if labels is None else labels.astype(np.int64),
    )


def _cifar10n(path: Path) -> External:
    file = read_file(path)
    known = known_columns(file)
    clean, *votes = (labels_of(file, known, name) for name in ("clean", "random1", "random2", "random3"))
    require(
        all(len(column) == TRAIN for column in (clean, *votes)),
        f"{path} does not label {TRAIN} images: take CIFAR-10_human.pt, or an .npz file with the same columns.",
    )
    differing = np.mean([vote != clean for vote in votes], axis=0)
    what = "the share of 3 CIFAR-10N annotators who disagree"
    return External("cifar10n", what, path.name, "train", +1, np.arange(TRAIN), differing, clean)


def _cifar10h(path: Path) -> External:
    votes = _votes(path)
    if votes is None or votes.shape != (TEST, 10) or votes.dtype.kind not in "iuf":
        raise MemgateError(
            f"{path} has no votes [{TEST}, 10]: take cifar10h-counts.npy, or an .npz file with an array 'counts'."
        )
    found = np.asarray(entropy(votes.astype(np.float64), axis=1))
    what = "the entropy of CIFAR-10H's votes in nats"
    majority = votes.argmax(axis=1).astype(np.int64)
    return External("cifar10h", what, path.name, "test", +1, np.arange(TEST), found, majority, MAJORITY)


def _votes(path: Path) -> NDArray | None:
    if path.suffix == ".npz":
        return read_npz(path).get("counts")
    try:
        return np.load(path, allow_pickle=False)
    except FileNotFoundError as error:
        raise MemgateError(f"{path} does not exist: check the path.") from error
    except (OSError, ValueError, EOFError) as error:
        raise MemgateError(f"{path} is damaged or no .npy file ({error}): take the official file.") from error


OFFICIAL: dict[str, Callable[[Path], External]] = {
    "cscores": _cscores,
    "cifar10n": _cifar10n,
    "cifar10h": _cifar10h,
}
"""Name of a known file about CIFAR-10 to what reads it."""


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
