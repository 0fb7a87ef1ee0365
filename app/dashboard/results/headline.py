"""The six headline numbers of a run at an epoch: those that ``memgate report`` prints, without the whole report."""

from dataclasses import dataclass

import numpy as np

from app.dashboard.results import scores
from app.dashboard.view.state import View
from probes.scores.detection import Separation
from probes.stats.estimate import Estimate, Interval

COLUMNS = ("correct_given_last", "routed_last", "gate_mean", "loss_mean", "epochs_logged")
"""What the numbers of the training samples are made from."""

NOTHING = Estimate(None, None, None, 0)


@dataclass(frozen=True)
class Headline:
    """Of the training samples, but for the test accuracy; a number that does not exist has no value."""

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
    """The numbers of a run at the view's cursor, whatever split the view shows.

    Raises:
        MemgateError: the log is damaged.
    """
    train = view.of_split("train")
    corrupted = train.data.cause != "clean"
    scores.fetch(train, COLUMNS)
    return Headline(
        test_accuracy=_test_accuracy(view),
        corrupted_fitted=scores.share_last(train, "correct_given_last", corrupted),
        routed_corrupted=scores.share_last(train, "routed_last", corrupted) if view.gate else NOTHING,
        routed_clean=scores.share_last(train, "routed_last", ~corrupted) if view.gate else NOTHING,
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


def shown(found: Interval | None, percent: bool) -> tuple[str, str | None]:
    """A number and its interval as text; a dash where there is none."""
    form = "{:.1%}" if percent else "{:.3f}"
    if found is None or found.value is None:
        return "–", None
    if found.low is None or found.high is None:
        return form.format(found.value), None
    return form.format(found.value), f"{form.format(found.low)} – {form.format(found.high)}"
