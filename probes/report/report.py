"""The numbers of one run: what was fitted, what the gates do, and which score finds the corruption."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from memgate.errors import MemgateError, require
from memgate.log.reader import SampleLog
from memgate.runs.run import Run
from noise.manifest.header import Operation
from probes.dynamics.snapshot import Snapshot, take_snapshot
from probes.external.cifar10 import OFFICIAL
from probes.external.correlation import Joined, join
from probes.external.record import External, aligned
from probes.samples.columns import identity, shown_gates
from probes.samples.groups import Group, groups, members
from probes.samples.notes import IDENTITY, ONLINE, damaged_epochs, epochs_not_logged, not_shown
from probes.scores.catalogue import SCORES, harder
from probes.scores.detection import FPR95_POSITIVES
from probes.scores.over_epochs import EpochCurve, epoch_curves
from probes.scores.separation import ScoreSeparation, separations
from probes.scores.table import snapshot_scores
from probes.stats.estimate import Estimate, share

SCHEMA = "memgate-report/1"

UNDEFINED = "AUROC is undefined: no training sample of this run is corrupted, so none is to be found."
ALL_CORRUPTED = "AUROC is undefined: every training sample of this run is corrupted, so none is clean."
INTERVALS = (
    "In brackets: 95 % intervals over samples (Wilson for shares; t for means, whose ends may lie outside the range "
    "where samples are few; DeLong for AUROC{})."
)
BOOTSTRAP = (
    "; for AP, P@k and FPR95 percentiles of {} bootstrap resamples of clean and corrupted apart (FPR95 "
    "only from {} corrupted samples on: with fewer such an interval too often misses the true value)"
)
BONETT_WRIGHT = "; for Spearman's rho Fisher's z with Bonett and Wright's standard error"
POSITIVE = (
    "AUROC: positive is corrupted, negative is clean; a score that is suspicious when low is turned round "
    "first, so that 0.5 is chance and less is worse than chance."
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


@dataclass(frozen=True)
class NoiseRate:
    """One corruption: what was asked for and what came out."""

    text: str
    requested: float | None
    """Share of the training samples; None where only a file knows."""
    realised: float
    """Share of the training samples that it corrupted."""


@dataclass(frozen=True)
class CorruptedCopy:
    """The samples of a corrupted copy of test or validation, by what was done to them."""

    split: str
    groups: tuple[Group, ...]


@dataclass(frozen=True)
class Report:
    """One run at its last whole epoch, as plain values."""

    run: str
    state: str
    """running, complete, stopped, failed or crashed."""
    epoch: int
    """The epoch that "last" means here."""
    planned: int
    mode: str
    """``eval`` or ``online``."""
    noise: tuple[NoiseRate, ...]
    test_accuracy: Estimate | None
    val_accuracy: Estimate | None
    copies: tuple[CorruptedCopy, ...]
    groups: tuple[Group, ...]
    """Of the training split."""
    scores: tuple[ScoreSeparation, ...]
    """Of the training split; empty where AUROC is undefined."""
    over_epochs: tuple[EpochCurve, ...]
    """Of the training split; empty where it was not asked for, or AUROC is undefined."""
    joins: tuple[Joined, ...]
    notes: tuple[str, ...]
    schema: str = SCHEMA


def report(
    run: Run, *, resamples: int = 0, over_epochs: bool = False, externals: Sequence[External] = ()
) -> Report:
    """Measure a run at the last epoch that is whole in every split.

    Args:
        run: whose.
        resamples: bootstrap resamples behind the intervals of all but AUROC; 0 for no such interval.
        over_epochs: also how well what is logged finds the corruption at every epoch.
        externals: other people's hardness to compare every score with.

    Raises:
        MemgateError: there is no such epoch yet, or an external file is about other samples.
    """
    log = run.sample_log()
    gates = shown_gates(log.gates)
    snapshots = _snapshots(run, log)
    operations = run.manifest.header.operations
    tables = {split: snapshot_scores(run, snapshot) for split, snapshot in snapshots.items()}
    accuracy = {split: share(table["correct_given_last"]) for split, table in tables.items()}
    joins = tuple(_joined(run, external, tables, log) for external in externals)
    scores = separations(tables["train"], gates, resamples)
    curves = _over_epochs(snapshots["train"], operations) if over_epochs and scores else ()
    found = Report(
        run=run.name,
        state=run.status().shown,
        epoch=int(snapshots["train"].epochs[-1]),
        planned=run.outline.epochs,
        mode=log.mode,
        noise=tuple(NoiseRate(what.short, what.requested, what.realised) for what in operations),
        test_accuracy=accuracy.get("test"),
        val_accuracy=accuracy.get("val"),
        copies=tuple(
            CorruptedCopy(split, groups(tables[split], gates))
            for split in run.outline.copies
            if split in tables
        ),
        groups=groups(tables["train"], gates),
        scores=scores,
        over_epochs=curves,
        joins=joins,
        notes=(),
    )
    notes = _notes(run, log, found, tables["train"].attrs["checkpoints"], resamples)
    return replace(found, notes=(*notes, *_behind(snapshots), *tables["train"].attrs["notes"]))


def _snapshots(run: Run, log: SampleLog) -> dict[str, Snapshot]:
    """What is measured of each split: all of them at one epoch, but each at its own last where the loop is not ours.

    memgate logs every split in every logged epoch, so one that is behind has lost an epoch. Another program may
    evaluate a split now and then, or never; its training split loses nothing by that.
    """
    present = [
        split for split in log.splits if split == "train" or not run.recorded or len(log.epochs(split))
    ]
    snapshots = {split: take_snapshot(run, split, log) for split in present}
    if run.recorded:
        return snapshots
    shared = set.intersection(*(set(snapshot.epochs.tolist()) for snapshot in snapshots.values()))
    if not shared:
        raise MemgateError(
            f"{run.name} has no epoch that is whole in every split: its log is damaged_epochs, so train it again."
        )
    return {split: snapshot.until(max(shared)) for split, snapshot in snapshots.items()}


def _behind(snapshots: Mapping[str, Snapshot]) -> tuple[str, ...]:
    """A sentence for each split whose last epoch is not that of the training split."""
    last = {split: int(snapshot.epochs[-1]) for split, snapshot in snapshots.items()}
    return tuple(
        f"The last epoch of {split} is {epoch}: its figures are of that epoch."
        for split, epoch in last.items()
        if epoch != last["train"]
    )


def _over_epochs(snapshot: Snapshot, operations: Sequence[Operation]) -> tuple[EpochCurve, ...]:
    samples = pd.DataFrame(identity(snapshot.samples, snapshot.split, operations))
    return epoch_curves(snapshot, members(samples))


def _joined(run: Run, external: External, tables: Mapping[str, pd.DataFrame], log: SampleLog) -> Joined:
    """One external hardness beside the run's scores."""
    require(
        external.name not in OFFICIAL or run.outline.data == "cifar10",
        f"--join {external.name} is about CIFAR-10 and {run.name} was trained on {run.outline.data}: leave it "
        "out, or join a CSV file of your own.",
    )
    require(
        external.split in tables,
        f"{external.file} is about the split {external.split!r} and {run.name} has {', '.join(tables)}: join it to "
        "another run, or correct its column 'split'.",
    )
    table = tables[external.split]
    return join(external, *aligned(external, table), table, shown_gates(log.gates))


def _notes(
    run: Run, log: SampleLog, found: Report, checkpoints: Mapping[str, int], resamples: int
) -> tuple[str, ...]:
    """What the reader must know to read the numbers right; the first is about the intervals."""
    bootstrapped = BOOTSTRAP.format(resamples, FPR95_POSITIVES) if found.scores and resamples else ""
    notes = [INTERVALS.format(bootstrapped + (BONETT_WRIGHT if found.joins else ""))]
    if found.scores:
        notes += [POSITIVE, FINDING, NEVER]
    else:
        notes.append(ALL_CORRUPTED if found.groups[0].n == _corrupted(found) else UNDEFINED)
    notes += [ORACLE] if found.over_epochs else []
    notes += [RANK] if found.joins else []
    notes += [f"{joined.name}: {joined.what}, {_from(joined)}." for joined in found.joins]
    stored = {SCORES[score].title: epoch for score, epoch in checkpoints.items()}
    notes += [f"{title}: of the network at epoch {epoch}." for title, epoch in stored.items()]
    missing = _missing(found.scores)
    if missing:
        notes.append(f"Left out of a score's figures because it is missing: {', '.join(missing)}.")
    if log.mode == "online":
        notes.append(ONLINE)
    if run.outline.gate_is_entropy:
        notes.append(IDENTITY)
    notes += not_shown(log)
    return (*notes, *epochs_not_logged(log, found.epoch), *damaged_epochs(log, log.splits))


def _corrupted(found: Report) -> int:
    return sum(group.n for group in found.groups if group.name == "corrupted")


def _from(joined: Joined) -> str:
    missing = f", {joined.n_missing} samples without a value" if joined.n_missing else ""
    return (
        f"{harder(joined.direction)} is harder, {joined.n} samples of {joined.split}{missing}; {joined.check}"
    )


def _missing(scores: Sequence[ScoreSeparation]) -> list[str]:
    """Each score that some samples lack, with their number among clean and corrupted, and its own chance level."""
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


def usual_prevalence(rows: Sequence[ScoreSeparation]) -> float | None:
    """Share of the corrupted among those who have a score, of the score that the most corrupted samples have."""
    return max(rows, key=lambda row: row.auroc.n_positive).prevalence if rows else None


def title_of(score: str, gate: str | None) -> str:
    """A score's name in a table for people."""
    title = SCORES[score].title
    return title if gate is None else f"{title} ({gate})"
