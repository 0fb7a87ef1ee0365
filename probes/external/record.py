"""External values about the samples of a data set, and a check that they belong to the run's samples."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from memgate.errors import MemgateError, require

UNNAMED_DATA = ("npz", "folder", "own")
"""Names of data that say nothing about the data set: the user's files, and those of a Recorder that was told none."""


@dataclass(frozen=True, eq=False)
class External:
    """External hardness: one number per sample, read from a file."""

    name: str
    """Name given by the user."""
    what: str
    """Description for tables and pages."""
    file: str
    """Name of the file."""
    split: str
    direction: int
    """+1: high is harder; -1: low is."""
    sample_id: NDArray[np.int64]
    """[m] distinct ids; the id of a sample is its row in the official data set."""
    values: NDArray[np.float64]
    """[m]; NaN is missing."""
    labels: NDArray[np.int64] | None = None
    """[m] clean labels of the file; None if it has none, so that its order cannot be checked."""
    agreement: float = 1.0
    """Smallest share of ``labels`` that must equal the run's clean labels."""
    choices: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    """Annotator to the chosen classes [m]."""
    votes: NDArray[np.float64] | None = None
    """[m, K] number or share of people who chose each class."""
    dataset: str | None = None
    """Name of the data set that the file is about; None where it names none."""

    @property
    def order_checked(self) -> bool:
        """Whether labels in the file show that its rows belong to the run's samples."""
        return self.labels is not None

    @property
    def title(self) -> str:
        """The name, marked where the order cannot be checked: the values may then be those of other samples."""
        return self.name if self.order_checked else f"{self.name} (order not checked)"

    def row(self, sample_id: int) -> int | None:
        """Position of a sample in the arrays; None if the file does not have it."""
        rows = np.flatnonzero(self.sample_id == sample_id)
        return int(rows[0]) if len(rows) else None


def check_data(external: External, data: str, classes: int) -> None:
    """Check that a file is about the data set of a run, as far as it names one.

    A run on the user's own files, or on unnamed data, may well be on that data set: then the labels of the file decide
    (:func:`aligned`), and without labels it is refused.

    Args:
        external: the file.
        data: name of the run's data set.
        classes: its number of classes.

    Raises:
        MemgateError: the file names another data set, or other classes.
    """
    named = external.dataset
    require(
        named is None or _plain(named) == _plain(data) or (data in UNNAMED_DATA and external.order_checked),
        f"--join {external.name} is about {named} and the run was trained on {data}: leave it out, or join a file "
        "about the run's own data.",
    )
    labels = np.zeros(0, np.int64) if external.labels is None else external.labels
    most = int(labels.max(initial=-1)) + 1 if external.votes is None else external.votes.shape[1]
    require(
        (most == classes) if external.votes is not None else most <= classes,
        f"{external.file} has {most} classes and the run {classes}: it belongs to another data set.",
    )


def _plain(name: str) -> str:
    """A data set's name without case, spaces and hyphens."""
    return "".join(character for character in name.lower() if character.isalnum())


def aligned(external: External, table: pd.DataFrame) -> tuple[NDArray[np.float64], str]:
    """External values [N] of a run's samples, and how it was checked that they belong to these samples.

    Args:
        external: the values to join.
        table: table of N rows about the split ``external.split`` of the run, with ``sample_id`` and ``clean_label``.

    Returns:
        Values [N] in the table's order, NaN where the file has none; and the check in words.

    Raises:
        MemgateError: file and run share no sample, or their labels differ.
    """
    unknown = bool(table["clean_label"].isna().any())  # then the given labels are the only ones to check by
    ids, clean = table["sample_id"].to_numpy(), table["given_label" if unknown else "clean_label"].to_numpy()
    order = np.argsort(external.sample_id, kind="stable")
    ascending = external.sample_id[order]
    place = np.minimum(np.searchsorted(ascending, ids), len(ascending) - 1)
    known = ascending[place] == ids
    place = order[place]
    require(
        bool(known.any()),
        f"{external.file} has none of the run's {len(table)} sample ids of {external.split}: it belongs to "
        "another data set or split.",
    )
    values = np.where(known, external.values[place], np.nan)
    if external.labels is None:
        return values, f"the order of {external.file} could not be checked: it has no labels"
    same = external.labels[place[known]] == clean[known]
    differing = ids[known][~same]
    if same.mean() < external.agreement:
        raise MemgateError(
            f"{external.file} has other labels for {len(differing)} of the {int(known.sum())} samples that it shares "
            f"with the run, the first with sample_id {differing[0]}: it belongs to another data set or is in another "
            "order."
        )
    if external.agreement < 1:
        return values, f"order checked: the majority vote is the clean label of {same.mean():.1%}"
    return (
        values,
        f"order checked: its labels are the {'given' if unknown else 'clean'} labels of all {int(known.sum())}",
    )
