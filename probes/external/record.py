"""External values about the samples of a data set, and a check that they belong to the run's samples."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from memgate.errors import MemgateError, require


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

    def row(self, sample_id: int) -> int | None:
        """Position of a sample in the arrays; None if the file does not have it."""
        rows = np.flatnonzero(self.sample_id == sample_id)
        return int(rows[0]) if len(rows) else None


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
