"""Scores of chosen samples, turned so that high is harder. No torch."""

import numpy as np
from numpy.typing import NDArray

from memgate.runs.run import Run
from probes.gates.cost import Hardness
from probes.scores.catalogue import CHECKPOINT, LOG
from probes.scores.table import score_columns, score_table, suspicion

COSTS = ("macs_mean", "macs_last")
"""Scores that are costs themselves."""


def hardness_of(run: Run, split: str, sample_id: NDArray[np.integer], until: int) -> tuple[Hardness, ...]:
    """Every score of the log and of the checkpoints' probes that has values, of samples [n] in their order.

    Args:
        run: with a finished epoch.
        split: of the samples.
        sample_id: ids [n].
        until: last epoch that scores consider.

    Returns:
        Of each score its values [n], high is harder; NaN is missing. () where no epoch until ``until`` is logged.
    """
    if not (run.sample_log().epochs(split) <= until).any():
        return ()
    table = score_table(run, split, until)
    place = np.searchsorted(table["sample_id"].to_numpy(), sample_id)
    columns = [
        Hardness(column.column, column.score.title, suspicion(table, column.column, column.score)[place])
        for column in score_columns(table, (), (*LOG, *CHECKPOINT))
        if column.column not in COSTS
    ]
    return tuple(score for score in columns if not np.isnan(score.values).all())
