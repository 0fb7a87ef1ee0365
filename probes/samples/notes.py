"""Sentences below a table that say what it leaves out or how its values were obtained."""

from collections.abc import Iterable

from memgate.log.format import UNSEALED
from memgate.log.reader import SampleLog
from memgate.runs.health import vector_files
from memgate.runs.run import Run
from probes.result import ProbeResult
from probes.samples.columns import shown_gates

IDENTITY = "The gate's curve is 'identity': its value g is the entropy H in nats, and no share in [0, 1]."
"""Note for a run whose gate passes the entropy on unchanged."""

ONLINE = (
    "The log's mode is 'online': training values come from {passes}, while the weights still changed, and not from an "
    "evaluation of the images as they are."
)
"""Note for the training split of a run whose log has the mode ``online``."""

EVALUATED = (
    "AUM and forgetting events are defined on the training passes (log mode 'online'); here they are of evaluation "
    "passes after each epoch."
)
"""Note for scores whose values come from evaluation passes."""

TRUTH_UNKNOWN = (
    "It is not known which samples of this run are corrupted: nothing corrupted them, and their labels are its user's "
    "own, so none is called clean and nothing can be said about detection."
)
"""Note for a run without known clean labels (:attr:`memgate.runs.outline.Outline.truth_known`)."""


def passes_of(run: Run, log: SampleLog, split: str = "train") -> str:
    """The sentence that says which passes the values of a split come from, as far as scores depend on it.

    Whether a recorded training augmented its images is not known.
    """
    if log.mode != "online" or split != "train":
        return EVALUATED
    if run.recorded:
        return ONLINE.format(passes="the training passes (whether with augmented images is not known)")
    augmented = run.config.data.augment != "none"
    return ONLINE.format(passes="the augmented training passes" if augmented else "the training passes")


def of_subset(log: SampleLog) -> tuple[str, ...]:
    """Sentences about a log of a run of a subset, and about one that holds only a part of the quantities; else ()."""
    notes: tuple[str, ...] = ()
    epochs = log.epochs("train")
    if "trained" not in log.absent("train") and len(epochs):
        ((epoch, record),) = log.records("train", {int(epochs[-1])})
        trained, right, known = (
            record.flag("trained"),
            record.flag("correct_given"),
            record.known("correct_given"),
        )
        shares = {
            name: f"{right[some].mean():.1%} of the {int(some.sum()):,} {name}"
            for name, some in (("trained on", trained & known), ("excluded", ~trained & known))
            if some.any()
        }
        if trained.any():
            notes = (
                f"The run is trained on a subset, {int(trained.sum()):,} of the {len(trained):,} training samples; "
                f"all figures of the training split are over both. Fitted at epoch {epoch} (given label): "
                f"{', '.join(shares.values()) or 'not known'}.",
            )
    if log.reduced:
        notes += (
            "The log has only what estimates of memorisation need (--log.quantities memorisation): what is computed "
            "from loss, margin, EL2N, output entropy or predicted class is missing.",
        )
    return notes


def routes_unknown(log: SampleLog, result: ProbeResult) -> list[str]:
    """A sentence if a gated run's result has no groups by route, because the log lacks the epoch; else []."""
    if not log.gates or result.epoch in log.epochs(result.split):
        return []
    return [f"The log has no whole epoch {result.epoch}: which samples were routed in it is not known."]


def not_shown(log: SampleLog) -> tuple[str, ...]:
    """A sentence if tables do not show every gate (:func:`probes.samples.columns.shown_gates`); else ()."""
    shown = shown_gates(log.gates)
    if len(shown) == len(log.gates):
        return ()
    return (f"Of the {len(log.gates)} gates {', '.join(shown)} are shown; 'memgate export' has them all.",)


def unprotected(log: SampleLog) -> tuple[str, ...]:
    """A sentence if the log is of a version that kept no checksums of labels and sample ids; else ()."""
    if log.seal is not None:
        return ()
    return (
        f"The log has the older format {UNSEALED}, which has no checksums of labels and sample ids: damage to them "
        "would not be noticed.",
    )


def unbound(result: ProbeResult) -> tuple[str, ...]:
    """A sentence if a stored result does not say which run it was computed from; else ()."""
    if result.log:
        return ()
    return ("Stored by version 0.1.0, which did not record the run that a result was computed from.",)


def damaged_epochs(log: SampleLog, splits: Iterable[str]) -> tuple[str, ...]:
    """A sentence about the damaged epochs that are left out; () where there are none."""
    torn = sorted({epoch for split in splits for epoch in log.torn(split).tolist()})
    return (f"Damaged in the log and left out: epoch {', '.join(map(str, torn))}.",) if torn else ()


def damaged_vectors(run: Run) -> tuple[str, ...]:
    """A sentence about each file of gate vectors that cannot be used; () where there is none."""
    return tuple(state.problem for state in vector_files(run) if state.problem)


def epochs_not_logged(log: SampleLog, last: int) -> tuple[str, ...]:
    """A sentence about epochs that were not planned to be logged (``--log.every``); () where there are none.

    Args:
        log: of the run.
        last: the last epoch that is considered.
    """
    planned = int((log.planned <= last).sum())
    if planned == last:
        return ()
    return (
        f"{planned} of {last} epochs are logged: counts of events, first epochs and means over epochs see only these.",
    )
