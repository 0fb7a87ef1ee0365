"""The report of the league of proxies: how well each score of a run ranks samples as a group of models does."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from memgate import console
from memgate.console import Form
from memgate.errors import require
from memgate.runs.run import Run
from noise.files.json_form import json_text
from probes.dynamics.snapshot import Snapshot, take_snapshot
from probes.report.document import Block, Lines, Table, layout, table_of
from probes.report.tables import title_of
from probes.samples.columns import shown_gates
from probes.samples.groups import members
from probes.scores.catalogue import SCORES
from probes.scores.league import (
    Ceiling,
    EpochStanding,
    Standing,
    Target,
    league,
    league_over_epochs,
)
from probes.scores.separation import ScoreValues, score_values
from probes.scores.table import snapshot_scores
from probes.stats.estimate import decimal
from probes.stats.rank_correlation import SPEARMAN_PAIRS

SCHEMA = "memgate-league/1"

EPOCHS = 24
"""Most epochs that a curve has: of more, as many that are evenly apart, and the last."""

CLASS = "class "
"""Beginning of the names of groups by given label, which only the JSON form has."""

NOTES = (
    "Spearman's rank correlation; every score is turned so that high is harder. In brackets 95 % intervals over "
    f"samples (Fisher's z; of quotients and differences Student's t), from {SPEARMAN_PAIRS} samples on.",
    "Without noise: divided by the root of the reliability, which is that of two halves of the models raised by "
    "Spearman-Brown's formula, 2 r / (1 + r). Where many samples are nearly alike it makes up for a part of the loss "
    "only.",
    "Behind the best: difference from the score with the largest correlation, of the same samples. The best is chosen "
    "by the same numbers, so that its own is a little too large.",
    "A model of the group was trained on a part of the data, and memorises what is memorised of that much data.",
)
ORACLE = (
    "Best epoch: an oracle's choice, since it needs the other models; its interval is that of a fixed epoch."
)
OWN = (
    "The scores are of models of the group, each of the samples that it was trained on; correlations are means over "
    "these models. Each is one of the {models} behind the memorisation, which adds a little to the correlations."
)
WHOLE = "The scores are of a run that is not one of the group's models."


@dataclass(frozen=True, eq=False)
class Measured:
    """What a group of K models says of its N training samples."""

    group: str
    """Name of the group."""
    models: int
    """K."""
    epoch: int
    """Epoch of the targets, counted from 1."""
    sample_id: NDArray[np.int64]
    """[N] ids, rising."""
    given_label: NDArray[np.integer]
    """[N] labels that the models were trained on."""
    targets: tuple[Target, ...]
    """The first decides which score is called the best."""


@dataclass(frozen=True, eq=False)
class ScoredRun:
    """A run whose scores are compared."""

    run: Run
    trained: NDArray[np.bool_] | None = None
    """[N] whether a model of the group was trained on the sample, in the order of :attr:`Measured.sample_id`; None for
    a run that was trained on all."""


@dataclass(frozen=True, repr=False)
class LeagueReport:
    """The league of proxies of a group, as numbers and as text."""

    group: str
    runs: tuple[str, ...]
    """Names of the runs whose scores are compared."""
    models: int
    """Models behind the targets."""
    epoch: int
    samples: int
    targets: dict[str, str]
    """Name of each target to what it is."""
    standings: tuple[Standing, ...]
    """See :func:`probes.scores.league.league`."""
    ceilings: tuple[Ceiling, ...]
    over_epochs: tuple[EpochStanding, ...]
    """() where they were not asked for."""
    conclusion: str
    notes: tuple[str, ...]
    schema: str = SCHEMA

    def document(self) -> dict[str, Any]:
        """The numbers as JSON values."""
        return asdict(self)

    def of(self, target: str, group: str = "all") -> tuple[Standing, ...]:
        """The standings of a target in a group, from the best on."""
        return tuple(row for row in self.standings if (row.target, row.group) == (target, group))

    def text(self, form: Form = "terminal") -> str:
        """The league as plain text, as Markdown, or as JSON, in which undefined numbers are null."""
        if form == "json":
            return json_text(self.document(), indent=2)
        title = (
            f"{self.group}: scores of {_listed(self.runs)} against {self.models} models at epoch {self.epoch} "
            f"({self.samples} training samples)"
        )
        return layout(title, [self.conclusion, *self._blocks(), Lines(self.notes)], form)

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return f"<League of proxies of {self.group}; print it>"

    def _blocks(self) -> Iterator[Block]:
        for target, what in self.targets.items():
            yield self._main(target, what)
            yield self._by_group(target, what)
        curves = [curve for curve in self.over_epochs if curve.target == next(iter(self.targets))]
        if curves:
            rows = [
                {
                    "score": title_of(curve.score, curve.gate),
                    "last epoch": decimal(curve.last),
                    "best epoch (oracle)": "-" if curve.best_epoch is None else str(curve.best_epoch),
                    "there (oracle)": decimal(curve.best),
                }
                for curve in sorted(curves, key=lambda curve: -(curve.best.value or -2))
            ]
            yield table_of(f"{self.targets[curves[0].target]}: scores up to an epoch, all samples:", rows)

    def _main(self, target: str, what: str) -> Table:
        corrected = any(row.corrected.value is not None for row in self.of(target))
        rows = [
            {
                "score": title_of(row.score, row.gate),
                "harder": SCORES[row.score].suspicious,
                "Spearman": decimal(row.rho),
            }
            | ({"without noise": decimal(row.corrected)} if corrected else {})
            | {"behind the best": decimal(row.behind)}
            for row in self.of(target)
        ]
        return table_of(f"{what}, all samples{self._reliability(target, 'all')}:", rows)

    def _by_group(self, target: str, what: str) -> Table:
        """One row a score, one column for each group but ``all`` and the classes."""
        shown = [
            ceiling.group
            for ceiling in self.ceilings
            if ceiling.target == target and ceiling.group != "all" and not ceiling.group.startswith(CLASS)
        ]
        by_group = {group: {(row.score, row.gate): row for row in self.of(target, group)} for group in shown}
        rows = [
            {"score": title_of(row.score, row.gate)}
            | {
                group: decimal(own.rho) if (own := standings.get((row.score, row.gate))) else "-"
                for group, standings in by_group.items()
            }
            for row in self.of(target)
        ]
        return table_of(f"{what}, Spearman within groups:", rows)

    def _reliability(self, target: str, group: str) -> str:
        for ceiling in self.ceilings:
            if (ceiling.target, ceiling.group) == (target, group) and ceiling.reliability.value is not None:
                root = max(ceiling.reliability.value, 0) ** 0.5
                return f" (reliability {decimal(ceiling.reliability)}, so that the ceiling is {root:.3f})"
        return ""


def league_report(measured: Measured, scored: Sequence[ScoredRun], over_epochs: bool = False) -> LeagueReport:
    """The league of the scores of runs against what a group of models measured.

    Args:
        measured: of the group.
        scored: one or more runs of one setting, over the group's data.
        over_epochs: also the correlations of the scores up to each epoch.

    Raises:
        MemgateError: a run has other samples or labels, or no finished epoch until that of the targets.
    """
    snapshots = [take_snapshot(each.run, "train").until(measured.epoch) for each in scored]
    tables = [snapshot_scores(each.run, snapshot) for each, snapshot in zip(scored, snapshots, strict=True)]
    for each, table in zip(scored, tables, strict=True):
        _check(measured, each.run, table)
    names = snapshots[0].log.class_names
    groups = members(tables[0]) | {
        f"{CLASS}{names[number]}": measured.given_label == number
        for number in np.unique(measured.given_label).tolist()
    }
    runs = [_values(each, table) for each, table in zip(scored, tables, strict=True)]
    standings, ceilings = league(runs, measured.targets, groups, measured.given_label)
    curves = _over_epochs(measured, scored, snapshots) if over_epochs else ()
    own = any(each.trained is not None for each in scored)
    return LeagueReport(
        group=measured.group,
        runs=tuple(each.run.name for each in scored),
        models=measured.models,
        epoch=measured.epoch,
        samples=len(measured.sample_id),
        targets={target.name: target.what for target in measured.targets},
        standings=standings,
        ceilings=ceilings,
        over_epochs=curves,
        conclusion=conclusion(measured.targets[0], standings),
        notes=(
            OWN.format(models=measured.models) if own else WHOLE,
            *NOTES,
            *([ORACLE] if curves else []),
            *dict.fromkeys(note for table in tables for note in table.attrs["notes"]),
        ),
    )


def evenly_apart(epochs: NDArray[np.integer], most: int = EPOCHS) -> NDArray[np.integer]:
    """At most ``most`` of rising epochs [E], evenly apart, with the last."""
    return epochs[np.unique(np.linspace(len(epochs) - 1, 0, min(len(epochs), most)).round().astype(int))]


def conclusion(target: Target, standings: Sequence[Standing]) -> str:
    """A sentence about the best proxy of a target over all samples, and the scores that cannot be told from it."""
    rows = [row for row in standings if (row.target, row.group) == (target.name, "all")]
    if not rows:
        return f"No score has values to compare with {target.what}."
    best, others = rows[0], rows[1:]
    if best.rho.low is None or best.rho.low <= 0:
        return f"No score is known to rank samples as {target.what} does: the best is {_standing(best)}."
    alike = [
        title_of(row.score, row.gate) for row in others if row.behind.low is not None and row.behind.low <= 0
    ]
    close = (
        f"; not clearly behind it: {', '.join(alike)}"
        if alike
        else "; every other score is clearly behind it"
    )
    return f"The best proxy of {target.what} is {_standing(best)}{close if others else ''}."


def _standing(row: Standing) -> str:
    without = "" if row.corrected.value is None else f", {decimal(row.corrected)} without noise"
    return f"{title_of(row.score, row.gate)} (Spearman {decimal(row.rho)}{without})"


def _values(scored: ScoredRun, table: pd.DataFrame) -> list[ScoreValues]:
    """The scores of a run; NaN for the samples that it was not trained on."""
    gates = shown_gates(table.attrs["gates"])
    values = score_values(table, gates)
    if scored.trained is None:
        return values
    return [
        ScoreValues(each.name, each.gate, each.score, np.where(scored.trained, each.hardness, np.nan))
        for each in values
    ]


def _check(measured: Measured, run: Run, table: pd.DataFrame) -> None:
    """Raise MemgateError where a run has other samples or labels than the group."""
    ids, labels = (table[name].to_numpy() for name in ("sample_id", "given_label"))
    require(
        np.array_equal(ids, measured.sample_id),
        f"{run.name} has other training samples than {measured.group} ({len(ids)} and {len(measured.sample_id)}): "
        "compare a run that was trained on the group's data.",
    )
    differ = int((labels != measured.given_label).sum())
    require(
        differ == 0,
        f"{run.name} has other given labels than {measured.group} for {differ} of {len(ids)} samples: compare a run "
        "with the group's noise and noise seed.",
    )


def _over_epochs(
    measured: Measured, scored: Sequence[ScoredRun], snapshots: Sequence[Snapshot]
) -> tuple[EpochStanding, ...]:
    epochs = snapshots[0].epochs
    chosen = evenly_apart(epochs)

    def tables() -> Iterator[tuple[int, list[list[ScoreValues]]]]:
        for epoch in console.progress(chosen.tolist(), len(chosen), "over epochs"):
            pairs = zip(scored, snapshots, strict=True)
            yield epoch, [_values(each, snapshot_scores(each.run, one.until(epoch))) for each, one in pairs]

    return league_over_epochs(tables(), measured.targets)


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} runs"
