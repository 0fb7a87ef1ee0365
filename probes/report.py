"""The numbers of one run: what was fitted, what the gates do, and which score finds the corruption."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from tabulate import tabulate

from memgate.errors import MemgateError
from memgate.logreader import SampleLog
from memgate.runs import Run
from probes.groups import Estimate, Group, groups, percent, share
from probes.scores import PROBES
from probes.separation import ScoreSeparation, Separation, separations
from probes.snapshot import take_snapshot
from probes.summary import summary_table

SCHEMA = "memgate-report/1"

UNDEFINED = "AUROC is undefined: no training sample of this run is corrupted, so none is to be found."
ALL_CORRUPTED = "AUROC is undefined: every training sample of this run is corrupted, so none is clean."
INTERVALS = "In brackets: 95 % intervals over samples (Wilson for shares, t for means, DeLong for AUROC)."
POSITIVE = (
    "AUROC: positive is corrupted, negative is clean; a score that is suspicious when low is turned round "
    "first, so that 0.5 is chance and less is worse than chance."
)
ONLINE = (
    "The log's mode is 'online': training values come from the augmented training passes, while the weights "
    "still changed, and not from an evaluation of the images as they are."
)
IDENTITY = "The gate's curve is 'identity': its value g is the entropy H in nats, and no share in [0, 1]."


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
    """``sweep`` or ``online``."""
    noise: tuple[NoiseRate, ...]
    test_accuracy: Estimate | None
    val_accuracy: Estimate | None
    copies: tuple[CorruptedCopy, ...]
    groups: tuple[Group, ...]
    """Of the training split."""
    scores: tuple[ScoreSeparation, ...]
    """Of the training split; empty where AUROC is undefined."""
    notes: tuple[str, ...]
    schema: str = SCHEMA


def report(run: Run) -> Report:
    """Measure a run at the last epoch that is whole in every split.

    Raises:
        MemgateError: there is none yet.
    """
    log = run.log()
    snapshots = {split: take_snapshot(run, split, log) for split in log.splits}
    shared = set.intersection(*(set(snapshot.epochs.tolist()) for snapshot in snapshots.values()))
    if not shared:
        raise MemgateError(
            f"{run.name} has no epoch that is whole in every split: its log is damaged, so train it again."
        )
    operations = run.manifest.header.operations
    tables = {
        split: summary_table(snapshot.until(max(shared)), operations) for split, snapshot in snapshots.items()
    }
    accuracy = {split: share(table["correct_given_last"]) for split, table in tables.items()}
    scores = separations(tables["train"], log.gates)
    return Report(
        run=run.name,
        state=run.status().shown,
        epoch=max(shared),
        planned=run.outline.epochs,
        mode=log.mode,
        noise=tuple(NoiseRate(what.short, what.requested, what.realised) for what in operations),
        test_accuracy=accuracy.get("test"),
        val_accuracy=accuracy.get("val"),
        copies=tuple(CorruptedCopy(split, groups(tables[split], log.gates)) for split in run.outline.copies),
        groups=groups(tables["train"], log.gates),
        scores=scores,
        notes=_notes(run, log, bool(tables["train"]["corrupted"].all()), bool(scores)),
    )


def _notes(run: Run, log: SampleLog, all_corrupted: bool, has_scores: bool) -> tuple[str, ...]:
    """What the reader must know to read the numbers right."""
    undefined = ALL_CORRUPTED if all_corrupted else UNDEFINED
    notes = [INTERVALS, POSITIVE if has_scores else undefined]
    if log.mode == "online":
        notes.append(ONLINE)
    if run.outline.gate_is_entropy:
        notes.append(IDENTITY)
    torn = sorted({epoch for split in log.splits for epoch in log.torn(split).tolist()})
    if torn:
        notes.append(f"Damaged in the log and left out: epoch {', '.join(map(str, torn))}.")
    return tuple(notes)


def to_json(report: Report) -> str:
    """The report as JSON; what is undefined is null."""
    return json.dumps(asdict(report), indent=2, allow_nan=False)


def to_terminal(report: Report) -> str:
    """The report as text for a terminal."""
    return _text(report, "simple", "{}", "")


def to_markdown(report: Report) -> str:
    """The report as GitHub's Markdown."""
    return _text(report, "github", "### {}", "- ")


def _text(report: Report, style: str, heading: str, bullet: str) -> str:
    parts = [heading.format(_title(report)), "\n".join(bullet + line for line in _facts(report))]
    parts.append("Training samples at the last epoch, by what was done to them:")
    parts.append(_table(_group_rows(report.groups), style))
    for copy in report.copies:
        parts.append(f"Samples of {copy.split}, which it was not trained on:")
        parts.append(_table(_group_rows(copy.groups), style))
    if report.scores:
        parts.append("How well a score tells corrupted from clean training samples (AUROC):")
        parts.append(_table(_score_rows(report.scores), style))
    parts.append("\n".join(bullet + note for note in report.notes))
    return "\n\n".join(parts)


def _title(report: Report) -> str:
    return f"{report.run}: epoch {report.epoch} of {report.planned} ({report.state}, log mode {report.mode})"


def _facts(report: Report) -> list[str]:
    facts = [f"Test accuracy: {percent(report.test_accuracy)}"] if report.test_accuracy else []
    if report.val_accuracy:
        facts.append(f"Validation accuracy: {percent(report.val_accuracy)}")
    for noise in report.noise:
        requested = "by the file" if noise.requested is None else f"{noise.requested:.2%}"
        facts.append(f"Noise {noise.text}: requested {requested}, realised {noise.realised:.2%}")
    return facts if report.noise else [*facts, "Noise: none"]


def _group_rows(rows: Sequence[Group]) -> list[dict[str, str]]:
    found = []
    for group in rows:
        row = {
            "samples": group.name,
            "n": str(group.n),
            "fit given label": percent(group.fits_given),
            "fit clean label": percent(group.fits_clean),
        }
        for use in group.gates:
            row[f"mean g ({use.gate})"] = _decimal(use.mean)
            row[f"routed to {use.gate.upper()}"] = percent(use.routed)
        found.append(row)
    return found


def _score_rows(rows: Sequence[ScoreSeparation]) -> list[dict[str, str]]:
    """A row per score and gate, a column per kind of corruption."""
    found: dict[tuple[str, str | None], dict[str, str]] = {}
    for row in rows:
        score = PROBES[row.score]
        name = score.title if row.gate is None else f"{score.title} ({row.gate})"
        cells = found.setdefault((row.score, row.gate), {"score": name, "suspicious": score.suspicious})
        cells[row.against] = row.auroc.reason or _decimal(row.auroc)
    return list(found.values())


def _table(rows: list[dict[str, str]], style: str) -> str:
    # Numbers are formatted already; tabulate must not read them again.
    return tabulate(rows, headers="keys", tablefmt=style, disable_numparse=True)


def _decimal(found: Estimate | Separation) -> str:
    if found.value is None:
        return "-"
    if found.low is None or found.high is None:
        return f"{found.value:.3f}"
    return f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]"
