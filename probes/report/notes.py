"""The notes under a report: what its numbers are, and what is missing."""

from collections.abc import Mapping, Sequence

from memgate.log.identity import configuration_note
from memgate.log.reader import SampleLog
from memgate.runs.run import Run
from probes.dynamics.snapshot import Snapshot
from probes.external.correlation import Joined
from probes.report.record import ReportFigures
from probes.report.tables import title_of, usual_prevalence
from probes.samples.groups import Group
from probes.samples.notes import (
    IDENTITY,
    TRUTH_UNKNOWN,
    damaged_epochs,
    damaged_vectors,
    epochs_not_logged,
    not_shown,
    of_subset,
    passes_of,
    unprotected,
)
from probes.scores.catalogue import SCORES, harder
from probes.scores.separation import ScoreSeparation
from probes.stats.bootstrap import AP_POSITIVES, FPR95_POSITIVES
from probes.stats.rank_correlation import SPEARMAN_PAIRS

UNDEFINED = "AUROC is undefined: no training sample of this run is corrupted, so none can be detected."
ALL_CORRUPTED = "AUROC is undefined: every training sample of this run is corrupted, so none is clean."
INTERVALS = (
    "In brackets: 95 % intervals over samples (Wilson's score interval for shares, for means of g, which lies in "
    "[0, 1], and with DeLong's variance for AUROC{})."
)
BOOTSTRAP = (
    "; likewise for AP and P@k with the variance of {} bootstrap resamples of clean and corrupted apart, for FPR95 "
    "their percentiles; AP below {} corrupted samples and FPR95 below {} have none, since with few such an interval "
    "too often misses the true value"
)
SPEARMAN = "; for Spearman's rho on Fisher's z scale, from {} pairs on"
POSITIVE = (
    "AUROC: positive is corrupted, negative is clean; the sign of a score that is suspicious when low is "
    "reversed first, so that 0.5 is chance and less is worse than chance."
)
FINDING = (
    "AP: average precision (equal scores are one threshold). P@k: precision among the k most suspicious, k = number "
    "of corrupted samples, which is the recall at k too (the expected value, where ties must be broken). FPR95: "
    "share of the clean samples flagged where 95 % of the corrupted are found (low is good)."
)
NEVER = (
    "A sample that was never learned, or never sent past a block, ranks as harder than every one that was."
)
ORACLE = (
    "Best epoch: an oracle's figure, since the epoch is chosen by the clean labels; its interval is that of a fixed "
    "epoch. Signed: negative where the prediction is not the given label."
)
RANK = "Spearman's rho: every score and every external number is turned so that high is harder."


def notes_of(
    run: Run, log: SampleLog, report: ReportFigures, checkpoints: Mapping[str, str], resamples: int
) -> tuple[str, ...]:
    """Sentences that are needed to read the numbers correctly; the first is about the intervals.

    Args:
        run: the run.
        log: its log.
        report: its numbers.
        checkpoints: score from a checkpoint to its epoch in words, see :func:`probes.scores.table.origins`.
        resamples: bootstrap resamples behind the intervals.
    """
    bootstrapped = (
        BOOTSTRAP.format(resamples, AP_POSITIVES, FPR95_POSITIVES) if report.scores and resamples else ""
    )
    notes = [INTERVALS.format(bootstrapped + (SPEARMAN.format(SPEARMAN_PAIRS) if report.joins else ""))]
    if report.scores:
        notes += [POSITIVE, FINDING, NEVER]
    else:
        undefined = UNDEFINED if run.outline.truth_known else f"AUROC is undefined. {TRUTH_UNKNOWN}"
        notes.append(ALL_CORRUPTED if report.groups[0].n == _corrupted(report) else undefined)
    notes += [ORACLE] if report.over_epochs else []
    notes += [RANK] if report.joins else []
    notes += [f"{joined.title}: {joined.what}, {_from(joined)}." for joined in report.joins]
    notes += [f"{SCORES[score].title}: of the network at {epoch}." for score, epoch in checkpoints.items()]
    missing = _missing(report.scores)
    if missing:
        notes.append(f"Left out of a score's figures because it is missing: {', '.join(missing)}.")
    notes += _without_prediction(log, report) + _without_route(report.groups[0])
    if report.scores or log.mode == "online":
        notes.append(passes_of(run, log))
    if run.outline.gate_is_entropy:
        notes.append(IDENTITY)
    notes += [*of_subset(log), *not_shown(log)]
    notes += [*epochs_not_logged(log, report.epoch), *damaged_epochs(log, log.splits), *damaged_vectors(run)]
    return (*notes, *configuration_note(log.path, log.seal), *unprotected(log))


def _without_prediction(log: SampleLog, report: ReportFigures) -> list[str]:
    """A sentence for each split with samples without a prediction, which its shares leave out."""
    shares = {"train": report.groups[0].fits_given, "val": report.val_accuracy, "test": report.test_accuracy}
    sentences = []
    for split, counted in shares.items():
        if counted is not None and (without := len(log.samples(split)) - counted.n):
            sentences.append(
                f"{without} of {without + counted.n} samples of {split} have no prediction (not seen, or NaN in their "
                "logits): they are in no share of right or fitted samples."
            )
    return sentences


def _without_route(everyone: Group) -> list[str]:
    """A sentence for each gate that has training samples without a route."""
    return [
        f"{without} of {everyone.n} samples of train have no route through {use.gate} (not seen, or its g is NaN): "
        "they are neither routed nor skipped."
        for use in everyone.gates
        if (without := everyone.n - use.routed.n)
    ]


def _corrupted(report: ReportFigures) -> int:
    return sum(group.n for group in report.groups if group.name == "corrupted")


def _from(joined: Joined) -> str:
    missing = f", {joined.n_missing} samples without a value" if joined.n_missing else ""
    return (
        f"{harder(joined.direction)} is harder, {joined.n} samples of {joined.split}{missing}; {joined.check}"
    )


def _missing(scores: Sequence[ScoreSeparation]) -> list[str]:
    """Scores that samples lack, with the number of these samples and the chance level of the score."""
    pooled = [row for row in scores if row.against == "corrupted"]
    usual = usual_prevalence(pooled)
    return [_lacking(row, usual) for row in pooled if row.auroc.n_missing]


def _lacking(row: ScoreSeparation, usual: float | None) -> str:
    name, missing = title_of(row.score, row.gate), row.auroc.n_missing
    if row.prevalence is None or usual is None:
        return f"{name} of all {missing} samples"
    own, others = f"{row.prevalence:.3f}", f"{usual:.3f}"
    chance = "" if own == others else f" (its chance of AP and P@k is {own} and not {others})"
    return f"{name} of {missing} samples{chance}"


def behind(snapshots: Mapping[str, Snapshot]) -> tuple[str, ...]:
    """One sentence for each split whose last epoch differs from that of the training split."""
    last = {split: int(snapshot.epochs[-1]) for split, snapshot in snapshots.items()}
    return tuple(
        f"The last epoch of {split} is {epoch}: its figures are of that epoch."
        for split, epoch in last.items()
        if epoch != last["train"]
    )
