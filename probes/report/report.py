"""The report of one run: fitted samples, gate values, and how well each score detects the corruption."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from memgate.console import Form
from memgate.errors import MemgateError, require
from memgate.log.reader import SampleLog
from memgate.runs.run import Run
from noise.files.json_form import json_text
from noise.manifest.header import Operation
from probes.dynamics.snapshot import Snapshot, take_snapshot
from probes.external.correlation import Joined, join
from probes.external.record import External, aligned, check_data
from probes.report.document import Lines, layout
from probes.report.notes import behind, notes_of
from probes.report.patterns import pattern_figures
from probes.report.record import CorruptedCopy, NoiseRate, ReportFigures
from probes.report.tables import facts, shown, tables
from probes.samples.columns import identity, shown_gates
from probes.samples.groups import groups, members
from probes.scores.over_epochs import EpochCurve, epoch_curves
from probes.scores.separation import separations
from probes.scores.table import origins, snapshot_scores
from probes.stats.bootstrap import RESAMPLES
from probes.stats.estimate import share


@dataclass(frozen=True, repr=False)
class Report(ReportFigures):
    """The numbers of one run at its last whole epoch, and their text.

    ``str(report)`` is the text that ``memgate report`` prints.

    Example:
        >>> result = report(run)
        >>> str(result).splitlines()[0]
        'one: epoch 3 of 3 (complete, log mode eval)'
        >>> result.test_accuracy.n
        60
    """

    def text(self, form: Form = "terminal", brief: bool = False) -> str:
        """The report as plain text, as GitHub's Markdown, or as JSON, in which undefined numbers are null.

        Args:
            form: ``terminal``, ``markdown`` or ``json``.
            brief: only the main tables, for the end of a training.
        """
        if form == "json":
            return json_text(self.document(), indent=2)
        title = f"{self.run}: epoch {self.epoch} of {self.planned} ({self.state}, log mode {self.mode})"
        lines = [f"{figure.row[0]}{shown(figure)}" for figure in facts(self)]
        lines += self.without_noise
        blocks = [table.laid_out(shown) for table in tables(self, brief)]
        return layout(title, [Lines(lines), *blocks, Lines(self.notes)], form)

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return f"<Report of {self.run} at epoch {self.epoch} of {self.planned}; print it>"

    def _repr_markdown_(self) -> str:
        """The report as Markdown, which notebooks display."""
        return self.text("markdown")


def report(
    run: Run, *, resamples: int = RESAMPLES, over_epochs: bool = False, externals: Sequence[External] = ()
) -> Report:
    """The report of a run at the last epoch that is whole in every split.

    Args:
        run: a run with at least one finished epoch.
        resamples: bootstrap resamples behind the intervals of AP, P@k and FPR95; 0 for no such intervals.
        over_epochs: also the AUROC of the logged quantities at every epoch.
        externals: other people's hardness to compare every score with.

    Raises:
        MemgateError: there is no such epoch yet, or an external file is about other samples.
    """
    log = run.sample_log()
    gates = shown_gates(log.gates)
    snapshots = _snapshots(run, log)
    operations = run.manifest.header.operations
    scored = {split: snapshot_scores(run, snapshot) for split, snapshot in snapshots.items()}
    accuracy = {split: share(table["correct_given_last"]) for split, table in scored.items()}
    joins = tuple(_joined(run, external, scored, log) for external in externals)
    scores = separations(scored["train"], gates, resamples)
    curves = _over_epochs(snapshots["train"], operations) if over_epochs and scores else ()
    epoch = int(snapshots["train"].epochs[-1])
    patterns, unread = pattern_figures(run, log, epoch)
    result = Report(
        run=run.name,
        state=run.status().state,
        epoch=epoch,
        planned=run.outline.epochs,
        mode=log.mode,
        noise=tuple(
            NoiseRate(operation.short, operation.requested, operation.realised) for operation in operations
        ),
        test_accuracy=accuracy.get("test"),
        val_accuracy=accuracy.get("val"),
        copies=tuple(
            CorruptedCopy(split, groups(scored[split], gates))
            for split in run.outline.copies
            if split in scored
        ),
        groups=groups(scored["train"], gates),
        scores=scores,
        over_epochs=curves,
        joins=joins,
        notes=(),
        patterns=patterns,
    )
    notes = notes_of(run, log, result, origins(scored["train"]), resamples)
    return replace(result, notes=(*notes, *unread, *behind(snapshots), *scored["train"].attrs["notes"]))


def _snapshots(run: Run, log: SampleLog) -> dict[str, Snapshot]:
    """Epochs of each split up to the reported one: the last shared epoch, or each split's own in a recorded run.

    memgate logs every split in every logged epoch, so a split that is behind has lost an epoch. Another program may
    evaluate a split rarely or never, which costs its training split nothing.
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
            f"{run.name} has no epoch that is whole in every split: its log is damaged, so train it again."
        )
    return {split: snapshot.until(max(shared)) for split, snapshot in snapshots.items()}


def _over_epochs(snapshot: Snapshot, operations: Sequence[Operation]) -> tuple[EpochCurve, ...]:
    """AUROC of the logged quantities at every epoch, for each cause of corruption."""
    samples = pd.DataFrame(identity(snapshot.samples, snapshot.split, operations))
    return epoch_curves(snapshot, members(samples))


def _joined(run: Run, external: External, scored: Mapping[str, pd.DataFrame], log: SampleLog) -> Joined:
    """Correlation of the run's scores with one external hardness."""
    check_data(external, run.outline.data, len(log.class_names))
    require(
        external.split in scored,
        f"{external.file} is about the split {external.split!r} and {run.name} has {', '.join(scored)}: join it to "
        "another run, or correct its column 'split'.",
    )
    table = scored[external.split]
    return join(external, *aligned(external, table), table, shown_gates(log.gates))
