"""The six headline numbers of a run at an epoch, as ``memgate report`` prints them, without the whole report."""

from dataclasses import dataclass

import numpy as np

from app.dashboard.results import scores
from app.dashboard.view.state import View
from probes.scores.separation import Separation
from probes.stats.estimate import Estimate

COLUMNS = ("correct_given_last", "routed_last", "gate_mean", "loss_mean", "epochs_logged")
"""Columns of the summary that the numbers of the training samples are computed from."""

NOTHING = Estimate(None, None, None, 0)


@dataclass(frozen=True)
class Headline:
    """Numbers of the training samples, and the test accuracy; one that is not available has no value."""

    test_accuracy: Estimate
    corrupted_fitted: Estimate
    """Share of the corrupted training samples predicted as their given label: memorised."""
    routed_corrupted: Estimate
    routed_clean: Estimate
    gate: Separation | None
    """AUROC of the mean gate value; None for an ungated run."""
    loss: Separation
    """AUROC of the mean loss."""


def headline(view: View) -> Headline:
    """Headline numbers of a run at the epoch shown, whatever split the view shows.

    Raises:
        MemgateError: the log is damaged.
    """
    train = view.of_split("train")
    corrupted = train.data.corrupted
    scores.fetch(train, COLUMNS)
    return Headline(
        test_accuracy=_test_accuracy(view),
        corrupted_fitted=scores.share_last(train, "correct_given_last", corrupted),
        routed_corrupted=scores.share_last(train, "routed_last", corrupted) if view.gate else NOTHING,
        routed_clean=scores.share_last(train, "routed_last", train.data.clean) if view.gate else NOTHING,
        gate=scores.separation(train, "gate_mean") if view.gate else None,
        loss=scores.separation(train, "loss_mean"),
    )


def _test_accuracy(view: View) -> Estimate:
    if "test" not in view.log.splits:
        return NOTHING
    test = view.of_split("test")
    everyone = np.ones(len(test.data.sample_id), bool)
    if len(test.data.epochs) == 0 or test.data.epochs[0] > (view.epoch or 0):
        return NOTHING
    return scores.share_last(test, "correct_given_last", everyone)
