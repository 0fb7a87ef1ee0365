"""What others have found out about a data set's samples, and a check that both mean the same samples."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from memgate.errors import MemgateError, require


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
    choices: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    """Who labelled the images, to the class [m] that they chose."""
    votes: NDArray[np.float64] | None = None
    """How many people chose each class, or which share of them: [m, K]."""

    def row(self, sample_id: int) -> int | None:
        """Where a sample stands in the arrays; None for one that the file does not know."""
        found = np.flatnonzero(self.sample_id == sample_id)
        return int(found[0]) if len(found) else None


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
