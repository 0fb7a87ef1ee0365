"""Runs that differ in their seeds only, as one: every figure of their reports as mean and standard deviation."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from memgate.config.json_form import flags
from memgate.errors import MemgateError, require
from memgate.runs.run import Run
from probes.report.document import layout, number
from probes.report.report import Report
from probes.report.tables import Figure, Table, facts, tables

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
"""What may differ: seeds, places, and what changes no figure. The noise is compared by what was carried out."""


@dataclass(frozen=True)
class Spread:
    """One figure over runs."""

    mean: float | None
    sd: float | None
    """Of the runs, with n - 1 in the denominator; None for a single one."""
    n: int
    """Runs that have the figure."""
    values: tuple[float | None, ...]
    """Of each run; None where it lacks the figure."""


@dataclass(frozen=True)
class SeveralRuns:
    """The reports of runs of one setting."""

    reports: tuple[Report, ...]
    seeds: tuple[tuple[int | None, int], ...]
    """Seed of the training and of the corruption, of each run."""
    spreads: dict[str, Spread]
    """Path of a figure (see :mod:`probes.report.tables`) to its spread."""
    notes: tuple[str, ...]
    schema: str = SCHEMA


def check_alike(runs: Sequence[Run]) -> None:
    """Make sure that runs may be averaged: they differ in nothing but seeds and places.

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
    found = []
    for key in keys:
        values = [setting[key] for setting in settings if key in setting]
        if any(value != values[0] for value in values):
            found.append(f"{key} ({', '.join(dict.fromkeys(map(_short, values)))})")
    if found:
        raise MemgateError(
            f"These runs differ in more than their seeds, so their mean means nothing: {'; '.join(found)}. Report "
            "them one by one, or only those of one setting together."
        )


def several(runs: Sequence[Run], report_of: Callable[[Run], Report]) -> SeveralRuns:
    """The reports of runs of one setting, and their figures as mean and standard deviation.

    Args:
        runs: two or more.
        report_of: makes the report of one.

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


def to_json(found: SeveralRuns) -> str:
    """As JSON: each figure's mean, sd and values under its path, and the whole report of each run."""
    runs = [
        {"run": report.run, "seed": seed, "noise_seed": noise_seed, "epoch": report.epoch}
        for report, (seed, noise_seed) in zip(found.reports, found.seeds, strict=True)
    ]
    content = {
        "schema": found.schema,
        "runs": runs,
        "figures": {path: asdict(spread) for path, spread in found.spreads.items()},
        "notes": found.notes,
        "reports": [asdict(report) for report in found.reports],
    }
    return json.dumps(content, indent=2, allow_nan=False)


def to_terminal(found: SeveralRuns) -> str:
    """As text for a terminal."""
    return _text(found, "terminal")


def to_markdown(found: SeveralRuns) -> str:
    """As GitHub's Markdown."""
    return _text(found, "markdown")


def _text(found: SeveralRuns, style: str) -> str:
    def cell(figure: Figure) -> str:
        return shown_spread(figure, found.spreads[figure.path], len(found.reports))

    first = found.reports[0]
    title = f"{len(found.reports)} runs at epoch {first.epoch} of {first.planned} (log mode {first.mode})"
    lines = [
        "Runs: "
        + ", ".join(
            f"{report.run} (seed {seed}, noise seed {noise_seed})"
            for report, (seed, noise_seed) in zip(found.reports, found.seeds, strict=True)
        )
    ]
    lines += [f"{figure.row[0]}{cell(figure)}" for figure in facts(first)]
    lines = lines if first.noise else [*lines, "Noise: none"]
    return layout(title, lines, _tables(found.reports), found.notes, style, cell)


def _tables(reports: Sequence[Report]) -> list[Table]:
    """The tables of all runs as one set: a row that only some runs have (a rare cause) is there once."""
    merged: dict[str, Table] = {}
    for report in reports:
        for table in tables(report):
            before = merged.get(table.title, replace(table, figures=()))
            figures = {figure.path: figure for figure in (*before.figures, *table.figures)}
            merged[table.title] = replace(table, figures=tuple(figures.values()))
    return list(merged.values())


def spreads(reports: Sequence[Report]) -> dict[str, Spread]:
    """Path of every figure that some report has to its spread over all of them."""
    values = [
        {
            figure.path: figure.value.value
            for figure in (*facts(report), *(figure for table in tables(report) for figure in table.figures))
        }
        for report in reports
    ]
    paths = dict.fromkeys(path for found in values for path in found)
    return {path: spread([found.get(path) for found in values]) for path in paths}


def spread(values: Sequence[float | None]) -> Spread:
    """Mean and standard deviation of what is not None."""
    known = np.array([value for value in values if value is not None], float)
    mean = float(known.mean()) if len(known) else None
    sd = float(known.std(ddof=1)) if len(known) > 1 else None
    return Spread(mean, sd, len(known), tuple(values))


def shown_spread(figure: Figure, found: Spread, runs: int) -> str:
    """A spread as text, in the form of the figure; ``-`` where no run has it."""
    if found.mean is None:
        return "-"
    form = figure.form
    text = number(found.mean, form)
    agreed = len({value for value in found.values if value is not None}) == 1
    sd = None if agreed and (figure.exact or form in ("count", "epoch")) else found.sd
    if sd is not None:
        text = f"{text[:-1]} ± {100 * sd:.2f}%" if form == "percent" else f"{text} ± {number(sd, form)}"
    return text if found.n == runs else f"{text} (n = {found.n})"


def _setting(run: Run) -> dict[str, Any]:
    """What must be the same, by its flag's name."""
    # Another program's run has no configuration, and nobody knows what its digests would have to agree in.
    found = flags(run.outline if run.recorded else run.config, NO_MATTER)
    found["noise"] = [operation.short for operation in run.manifest.header.operations]
    log = run.sample_log()
    found["log mode"], found["classes"] = log.mode, list(log.class_names)
    found["samples"] = [f"{split}:{len(log.samples(split))}" for split in log.splits]
    # Which images are kept depends on the split seed; with the same one they must be the same.
    for split, digest in () if run.recorded else run.digests.items():
        found[f"images and labels of {split} at split seed {run.config.data.split_seed}"] = digest[:8]
    return found


def _short(value: Any) -> str:
    return " ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)


def _twice(paths: Sequence[Any]) -> Any:
    return next((path for number_, path in enumerate(paths) if path in paths[:number_]), paths[0])
