"""A run's summary as the tables that cleanlab and dataset cartography read."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from memgate.runs.run import Run
from probes.export.samples import Chosen
from probes.export.summary import export_summary

NEVER_LEARNED = 1000
"""Cartography's count of forgetting events for a sample that was never predicted correctly."""

ESTIMATED = (
    "is_label_issue is an estimate by cleanlab's rule predicted_neq_given, from in-sample predictions; is_corrupted "
    "is the truth: whether the given label differs from the clean one."
)
"""Note for cleanlab's table."""

ToolTable = tuple[pd.DataFrame, tuple[str, ...]]
"""The table, and sentences about it and about damaged files."""


def cleanlab_table(run: Run, chosen: Chosen) -> ToolTable:
    """Cleanlab's table of label issues, one row per sample in the order of the data set, and the truth beside it.

    ``is_label_issue``: cleanlab's estimate, by its rule ``predicted_neq_given``
    (``cleanlab.filter.find_predicted_neq_given``): another class than the given one is predicted. Its default rule
    counts the probabilities of every class, of which the log keeps that of the given label only.
    ``label_score`` in [0, 1], low is worse: cleanlab's self-confidence, p(given label). ``given_label`` and
    ``predicted_label`` are class numbers. ``is_corrupted`` is the ground truth, which no estimate may use: whether the
    given label differs from the clean one.

    Predictions are those of the last epoch in which the sample was seen, and in-sample; cleanlab asks for
    out-of-sample ones. Missing for a sample that was never seen, or has no prediction. Read it by
    ``pandas.read_csv(path, index_col="sample_id")``.
    """
    wanted = ("given_label", "clean_label", "pred_last", "p_given_last")
    table, _ = export_summary(run, chosen, wanted)
    rows = pd.DataFrame(
        {
            "sample_id": table["sample_id"],
            "is_label_issue": table["pred_last"] != table["given_label"],
            "label_score": table["p_given_last"],
            "given_label": table["given_label"],
            "predicted_label": table["pred_last"],
            "is_corrupted": table["given_label"] != table["clean_label"],
        }
    )
    return rows, (ESTIMATED,)


def cartography_table(run: Run, chosen: Chosen) -> ToolTable:
    """Dataset cartography's metrics, ``td_metrics.jsonl`` of Swayamdipta et al. 2020, in their code's conventions.

    ``guid`` is the sample's id, ``index`` its row; ``correctness`` is a number of epochs and not a share, and
    ``forgetfulness`` is :data:`NEVER_LEARNED` for a sample that was never predicted correctly. Samples that no epoch
    has seen are left out, as in their code, and so are those without a probability (NaN) in one of their epochs. Plot
    it with their ``plot_data_map``.

    Their other file, ``training_dynamics/dynamics_epoch_{e}.jsonl``, holds each sample's logits of every class at
    every epoch. The log keeps the margin and probabilities of the given label only (a hundred classes would make it
    a hundred times as large), so that file cannot be made from it.
    """
    wanted = (
        "epochs_logged",
        "threshold_closeness",
        "confidence",
        "variability",
        "correctness",
        "forgetfulness",
    )
    table, _ = export_summary(run, chosen, wanted)
    known = table["confidence"].notna()
    lost = np.count_nonzero(~known & (table["epochs_logged"] > 0))
    table = table.loc[known].reset_index(drop=True)
    right = table["correctness"].to_numpy(np.float64) * table["epochs_logged"].to_numpy()
    rows = pd.DataFrame(
        {
            "guid": table["sample_id"],
            "index": np.arange(len(table)),
            "threshold_closeness": table["threshold_closeness"],
            "confidence": table["confidence"],
            "variability": table["variability"],
            "correctness": np.rint(right).astype(np.int64),
            "forgetfulness": table["forgetfulness"].fillna(NEVER_LEARNED).astype(np.int64),
        }
    )
    return rows, (
        f"{lost} samples have no probability (NaN) in some epoch and are left out.",
    ) if lost else ()


TABLES: dict[str, Callable[[Run, Chosen], ToolTable]] = {
    "cleanlab": cleanlab_table,
    "cartography": cartography_table,
}
"""Schemas of one table to the function that makes it."""
