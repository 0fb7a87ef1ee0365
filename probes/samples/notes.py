"""TODO."""

from collections.abc import Iterable

from memgate.log.reader import SampleLog
from probes.result import ProbeResult
from probes.samples.columns import shown_gates

IDENTITY = "The gate's curve is 'identity': its value g is the entropy H in nats, and no share in [0, 1]."


ONLINE = (
    "The log's mode is 'online': training values come from the augmented training passes, while the weights "
    "still changed, and not from an evaluation of the images as they are."
)


def routes_unknown(log: SampleLog, result: ProbeResult) -> list[str]:
    """A sentence where groups by route are missing although there are gates; else nothing."""
    if not log.gates or result.epoch in log.epochs(result.split):
        return []
    return [f"The log has no whole epoch {result.epoch}: who was routed in it is not known."]


def not_shown(log: SampleLog) -> tuple[str, ...]:
    """A sentence where tables do not show every gate, see :func:`probes.samples.columns.shown_gates`."""
    shown = shown_gates(log.gates)
    if len(shown) == len(log.gates):
        return ()
    return (f"Of the {len(log.gates)} gates {', '.join(shown)} are shown; 'memgate export' has them all.",)


def damaged_epochs(log: SampleLog, splits: Iterable[str]) -> tuple[str, ...]:
    """The sentence for a reader about epochs that are left out because they are damaged; () where there are none."""
    torn = sorted({epoch for split in splits for epoch in log.torn(split).tolist()})
    return (f"Damaged in the log and left out: epoch {', '.join(map(str, torn))}.",) if torn else ()


def epochs_not_logged(log: SampleLog, last: int) -> tuple[str, ...]:
    """The sentence for a reader about epochs that were never to be logged (``--log.every``); () where there are none.

    Args:
        log: whose.
        last: the last epoch that counts.
    """
    planned = int((log.planned <= last).sum())
    if planned == last:
        return ()
    return (
        f"{planned} of {last} epochs are logged: counts of events, first epochs and means over epochs see only these.",
    )
