"""What a group of models of random subsets says of each sample, as scores beside those of a run. No torch.

They are in no catalogue of scores, because they need many models: scores of one run are compared with them.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from memgate.errors import MemgateError
from memgate.runs.run import Run
from probes.memorisation.stored import MemorisationResult, result_of_run
from probes.scores.catalogue import Score

ATTACK = "lira"
"""Attack whose vulnerability is a score: LiRA with fixed variance."""

GROUP: Mapping[str, Score] = {
    score.column: score
    for score in (
        Score(
            "mem", "memorisation score (mem)", "group", 1, -1, 1, "",
            "Share of models that predict the given label, of those that were trained on the sample minus of those "
            "that were not. Feldman 2020.",
        ),
        Score(
            "mem_p", "memorisation score by p(given)", "group", 1, -1, 1, "",
            "Mean p(given) of models that were trained on the sample minus that of those that were not. Zhang et al. "
            "2021.",
        ),
        Score(
            "consistency", "held-out consistency (P_out)", "group", -1, 0, 1, "",
            "Share of models that predict the given label, of those that were not trained on the sample. Jiang et al. "
            "2021.",
        ),
        Score(
            "vulnerability", "vulnerability to LiRA", "group", 1, 0, 1, "",
            "How often the attack names, of two models, the one that was trained on the sample; 0.5 is guessing. "
            "Carlini et al. 2022.",
        ),
    )
}  # fmt: skip
"""Column to its score."""

ARRAYS = {
    "mem": "mem", "mem_low": "mem_low", "mem_high": "mem_high", "mem_p": "mem_p", "consistency": "right_out",
}  # fmt: skip
"""Column to the name of its array in the stored estimates."""


def last_row(epochs: NDArray[np.integer], until: int) -> int | None:
    """Row of the last of some epochs, rising, that is not after ``until``; None where all are."""
    rows = np.flatnonzero(epochs <= until)
    return int(rows[-1]) if len(rows) else None


def group_columns(result: MemorisationResult, until: int) -> dict[str, pd.Series]:
    """The keys of :data:`GROUP`, ``mem_low`` and ``mem_high``, float32 by sample id, at the last epoch to ``until``.

    Columns without an epoch until then are left out.
    """
    values = {}
    if (row := last_row(result.epochs, until)) is not None:
        values = {column: result.values[name][row] for column, name in ARRAYS.items()}
    row = last_row(result.attack_epochs, until)
    if row is not None and ATTACK in result.vulnerability:
        values["vulnerability"] = result.vulnerability[ATTACK]["share"][row]
    return {column: pd.Series(array, index=result.sample_id) for column, array in values.items()}


def columns_of_run(run: Run, split: str, until: int) -> tuple[dict[str, pd.Series], tuple[str, ...]]:
    """:func:`group_columns` of the group that a run is a model of, and a sentence where its file is damaged.

    Args:
        run: any; of a run in no group, or without estimates, there are none.
        split: of the samples; there are estimates of ``train`` only.
        until: last epoch.
    """
    if split != "train":
        return {}, ()
    try:
        result = result_of_run(run.path)
    except MemgateError as error:
        return {}, (f"Without {', '.join(GROUP)}: {error}",)
    return ({} if result is None else group_columns(result, until)), ()
