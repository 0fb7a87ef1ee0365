"""Reports of runs that differ only in their seeds: mean and standard deviation of every number."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from memgate.config.json_form import flags
from memgate.console import Form
from memgate.errors import MemgateError, require
from memgate.runs.run import Run
from noise.files.json_form import json_text
from probes.report.document import Block, Lines, layout
from probes.report.report import Report
from probes.report.tables import Figure, FigureTable, NumberForm, facts, number, tables

SCHEMA = "memgate-reports/1"

MEANS = (
    "Mean ± standard deviation over {n} runs (sample standard deviation): how much the figure moves with the seeds. A "
    "figure that only some of the runs have says over how many."
)
INTERVALS_APART = "Each run's own values, with their intervals over samples, are in --format json."

NO_MATTER = (
    "name", "out", "seed", "noise_seed", "noise", "manifest", "device", "data.root", "data.split_seed",
    "train.checkpoint_every", "log.tensorboard",
)  # fmt: skip
"""Flags that may differ: seeds, paths, and settings without influence on the numbers. The corruption is compared by
its operations."""


@dataclass(frozen=True)
class Spread:
    """One number over runs."""

    mean: float | None
    sd: float | None
    """Sample standard deviation (n - 1 in the denominator); None for a single run."""
    n: int
    """Number of runs that have the number."""
    values: tuple[float | None, ...]
    """Value of each run; None where the run lacks it."""


@dataclass(frozen=True)
class SeveralRuns:
    """The reports of runs of one setting."""

    reports: tuple[Report, ...]
    seeds: tuple[tuple[int | None, int], ...]
    """Seed of the training and of the corruption, of each run."""
    spreads: dict[str, Spread]
    """Path of a number (see :attr:`probes.report.tables.Figure.path`) to its spread."""
    notes: tuple[str, ...]
    schema: str = SCHEMA

    def text(self, form: Form = "terminal") -> str:
        """The reports as plain text, as GitHub's Markdown, or as JSON.

        The JSON holds mean, standard deviation and values of each number under its path, and each run's whole report.
        """
        return json_text(_json_content(self), indent=2) if form == "json" else layout(*_parts(self), form)

    def __str__(self) -> str:
        return self.text()


def check_alike(runs: Sequence[Run]) -> None:
    """Check that runs may be averaged: they differ only in seeds and paths.

    Raises:
        MemgateError: a run is given twice, or a field of the configuration, the noise or the data differs.
    """
    paths = [run.path.resolve() for run in runs]
    require(
        len(set(paths)) == len(paths),
        f"{_twice(paths).name} is given twice, and would count as two runs: give each run once.",
    )
    settings = [_setting(run) for run in runs]
    keys = dict.fromkeys(key for setting in settings for key in setting)
    differences = []
    for key in keys:
        values = [setting[key] for setting in settings if key in setting]
        if any(value != values[0] for value in values):
            differences.append(f"{key} ({', '.join(dict.fromkeys(map(_short, values)))})")
    if differences:
        raise MemgateError(
            f"These runs differ in more than their seeds, so their mean means nothing: {'; '.join(differences)}. "
            "Report them one by one, or only those of one setting together."
        )


def several(runs: Sequence[Run], report_of: Callable[[Run], Report]) -> SeveralRuns:
    """The reports of runs of one setting, and mean and standard deviation of their numbers.

    Args:
        runs: two or more.
        report_of: makes the report of a run.

    Raises:
        MemgateError: they are not of one setting, or not equally far.
    """
    check_alike(runs)
    reports = tuple(report_of(run) for run in runs)
    require(
        len({report.epoch for report in reports}) == 1,
        "These runs are not equally far: "
        + ", ".join(f"{report.run} is at epoch {report.epoch}" for report in reports)
        + ". Let them end (memgate resume RUN), or leave out those that are behind.",
    )
    seeds = tuple((run.outline.seed, run.manifest.header.seed) for run in runs)
    notes = [MEANS.format(n=len(runs)), INTERVALS_APART]
    if len(set(seeds)) < len(seeds):
        notes.append("Some of these runs have the same seeds, so the spread is not that of independent runs.")
    # The first note of a report is about its intervals, which are not shown here.
    common = [note for note in reports[0].notes[1:] if all(note in report.notes for report in reports)]
    own = [f"{report.run}: {note}" for report in reports for note in report.notes[1:] if note not in common]
    return SeveralRuns(reports, seeds, spreads(reports), (*notes, *common, *own))


def _json_content(result: SeveralRuns) -> dict[str, Any]:
    runs = [
        {"run": report.run, "seed": seed, "noise_seed": noise_seed, "epoch": report.epoch}
        for report, (seed, noise_seed) in zip(result.reports, result.seeds, strict=True)
    ]
    return {
        "schema": result.schema,
        "runs": runs,
        "figures": {path: asdict(spread) for path, spread in result.spreads.items()},
        "notes": result.notes,
        "reports": [report.document() for report in result.reports],
    }


def _parts(result: SeveralRuns) -> tuple[str, list[Block]]:
    """Title and blocks of the document."""

    def cell(figure: Figure) -> str:
        return shown_spread(result.spreads[figure.path], len(result.reports), figure.form, figure.exact)

    first = result.reports[0]
    title = f"{len(result.reports)} runs at epoch {first.epoch} of {first.planned} (log mode {first.mode})"
    names = [
        f"{report.run} (seed {seed}, noise seed {noise_seed})"
        for report, (seed, noise_seed) in zip(result.reports, result.seeds, strict=True)
    ]
    lines = [f"Runs: {', '.join(names)}", *(f"{figure.row[0]}{cell(figure)}" for figure in facts(first))]
    lines += first.without_noise
    laid_out = [table.laid_out(cell) for table in _tables(result.reports)]
    return title, [Lines(lines), *laid_out, Lines(result.notes)]


def _tables(reports: Sequence[Report]) -> list[FigureTable]:
    """The tables of all runs merged: each number that any run has is in them once, such as those of a rare cause."""
    merged: dict[str, FigureTable] = {}
    for report in reports:
        for table in tables(report):
            before = merged.get(table.title, replace(table, figures=()))
            figures = {figure.path: figure for figure in (*before.figures, *table.figures)}
            merged[table.title] = replace(table, figures=tuple(figures.values()))
    return list(merged.values())


def spreads(reports: Sequence[Report]) -> dict[str, Spread]:
    """Path of every number that any report has to its spread over all reports."""
    values = [
        {
            figure.path: figure.value.value
            for figure in (*facts(report), *(figure for table in tables(report) for figure in table.figures))
        }
        for report in reports
    ]
    paths = dict.fromkeys(path for by_path in values for path in by_path)
    return {path: spread([by_path.get(path) for by_path in values]) for path in paths}


def spread(values: Sequence[float | None]) -> Spread:
    """Mean and sample standard deviation of the values that are not None."""
    known = np.array([value for value in values if value is not None], float)
    mean = float(known.mean()) if len(known) else None
    sd = float(known.std(ddof=1)) if len(known) > 1 else None
    return Spread(mean, sd, len(known), tuple(values))


def shown_spread(values: Spread, runs: int, form: NumberForm, exact: bool = False) -> str:
    """A spread as text; ``-`` where no run has a value.

    Args:
        values: a number in all runs.
        runs: number of runs; if fewer have a value, their number is added.
        form: how the number is written.
        exact: known without measurement, so that no deviation is shown where all runs agree.
    """
    if values.mean is None:
        return "-"
    text = number(values.mean, form)
    agreed = len({value for value in values.values if value is not None}) == 1
    sd = None if agreed and (exact or form in ("count", "epoch")) else values.sd
    if sd is not None:
        text = f"{text[:-1]} ± {100 * sd:.2f}%" if form == "percent" else f"{text} ± {number(sd, form)}"
    return text if values.n == runs else f"{text} (n = {values.n})"


def _setting(run: Run) -> dict[str, Any]:
    """Settings that must agree, by the name of their flag."""
    # A recorded run has no configuration, and it is not known which of its digests would have to agree.
    settings = flags(run.outline if run.recorded else run.config, NO_MATTER)
    settings["noise"] = [operation.short for operation in run.manifest.header.operations]
    log = run.sample_log()
    settings["log mode"], settings["classes"] = log.mode, list(log.class_names)
    settings["samples"] = [f"{split}:{len(log.samples(split))}" for split in log.splits]
    # Which images are kept depends on the split seed; with the same one they must be the same.
    for split, digest in () if run.recorded else run.digests.items():
        settings[f"images and labels of {split} at split seed {run.config.data.split_seed}"] = digest[:8]
    return settings


def _short(value: Any) -> str:
    return " ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)


def _twice(paths: Sequence[Any]) -> Any:
    return next((path for number_, path in enumerate(paths) if path in paths[:number_]), paths[0])
