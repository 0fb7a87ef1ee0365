"""The choice on the page Export as a plan, and a preview of the plan; cached."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import streamlit as st

from app.dashboard.logs import Stamp
from app.dashboard.results import maps
from app.dashboard.view.selection import Selection
from app.dashboard.view.state import View
from memgate.errors import MemgateError, reading
from memgate.log.gate_vectors import vector_path
from memgate.log.reader import SampleLog
from memgate.runs.run import Run
from probes.export.plan import AT_EPOCH, KINDS, ExportPlan
from probes.export.preview import Outlook, outlook, quantity_names
from probes.samples.filters import Filter

IDS = 50
"""Largest selection whose ids a command line lists; a larger one is saved as a cohort first."""

LARGEST = 256_000_000
"""Bytes of the largest export that is downloaded through the server's memory."""

SampleChoice = Literal["all", "filter", "selection", "cohort"]


@dataclass(frozen=True)
class ExportChoice:
    """The choices on the page."""

    samples: SampleChoice
    cohort: str | None
    schema: str
    shape: str
    format: str
    epochs: str
    quantities: tuple[str, ...]


def sample_choices(view: View, cohorts: Sequence[str]) -> list[SampleChoice]:
    """Groups of samples that can be exported, the likeliest first."""
    options: list[SampleChoice] = ["all"]
    if view.only != Filter():
        options.insert(0, "filter")
    if view.selected is not None and len(view.selected.ids):
        options.insert(0, "selection")
    return [*options, "cohort"] if cohorts else options


def shapes_of(schema: str, view: View) -> list[str]:
    """Shapes that a view's run can be exported in with a schema."""
    missing = {"gates"} if not view.run.gate_vector_epochs else set[str]()
    try:
        first_map = min((one.epoch for one in maps.stored(view)), default=None)
    except MemgateError:
        first_map = None  # the page Map reports a damaged file
    if first_map is None or first_map > (view.epoch or 0):
        missing.add("map")
    return [shape for known, shape in KINDS if known == schema and shape not in missing]


def epochs_text(kind: str, step: int, first: int, last: int) -> str:
    """Value of the command's option ``--epochs`` for the page's choice."""
    values = {"every": f"every:{step}", "from": f"{min(first, last)}-{max(first, last)}"}
    return values.get(kind, kind)


def must_be_saved(choice: ExportChoice, chosen: Selection | None) -> bool:
    """Whether a selection is too large for a command line, and has no name yet."""
    return (
        choice.samples == "selection"
        and chosen is not None
        and chosen.cohort is None
        and len(chosen.ids) > IDS
    )


def plan_of(view: View, choice: ExportChoice) -> ExportPlan:
    """The choice as a plan.

    The sidebar's epoch is part of it where it matters: for a summary, and for a filter by route.
    """
    only = view.only if choice.samples == "filter" else Filter()
    cohort, ids = (choice.cohort if choice.samples == "cohort" else None), None
    if choice.samples == "selection" and view.selected is not None:
        cohort = view.selected.cohort
        ids = None if cohort else tuple(view.selected.ids.tolist())
    last = int(view.data.epochs[-1])
    needs_epoch = choice.shape in AT_EPOCH or only.route != "all"
    needs_gate = only.route != "all" or (choice.schema == "tensorboard" and choice.shape == "matrix")
    return ExportPlan(
        shape=choice.shape,  # pyright: ignore[reportArgumentType]
        format=choice.format,  # pyright: ignore[reportArgumentType]
        split=view.split,  # pyright: ignore[reportArgumentType]
        schema=choice.schema,  # pyright: ignore[reportArgumentType]
        quantities=choice.quantities,
        epochs=choice.epochs,
        epoch=view.epoch if needs_epoch and view.epoch != last else None,
        filter=only.recorded(view.log.class_names),
        gate=view.gate if needs_gate and len(view.log.gates) > 1 else None,
        cohort=cohort,
        ids=ids,
    )


def preview(view: View, plan: ExportPlan, side: int) -> Outlook:
    """Size and first rows of the export of a plan.

    Raises:
        MemgateError: as :func:`probes.export.export.export_run` does before it writes.
    """
    with reading(str(view.run.path)):
        return _preview(view.run, view.log, _state(view, plan), view.at, plan, side)


def column_names(view: View, plan: ExportPlan) -> list[str]:
    """Names of the columns that can be chosen for a plan.

    Raises:
        MemgateError: the log or the manifest is damaged.
    """
    with reading(str(view.run.path)):
        return _column_names(view.run, view.log, _state(view, plan), view.at, plan)


def _state(view: View, plan: ExportPlan) -> tuple[tuple[str, int], ...]:
    """Time of change of the files besides the log that an export depends on, for the keys of caches."""
    files: list[Path] = [*(view.run.path / "probes").glob("*.h5"), view.run.path / "manifest.npz"]
    files += [vector_path(view.run.path, epoch) for epoch in view.run.gate_vector_epochs]
    files += [view.run.path / "cohorts" / f"{plan.cohort}.json"] if plan.cohort else []
    return tuple(sorted((str(path), path.stat().st_mtime_ns) for path in files if path.is_file()))


@st.cache_data(max_entries=64, show_spinner=False)
def _preview(
    _run: Run, _log: SampleLog, state: tuple[tuple[str, int], ...], at: Stamp, plan: ExportPlan, side: int
) -> Outlook:
    return outlook(_run, plan, log=_log, side=side)


@st.cache_data(max_entries=64, show_spinner=False)
def _column_names(
    _run: Run, _log: SampleLog, state: tuple[tuple[str, int], ...], at: Stamp, plan: ExportPlan
) -> list[str]:
    return quantity_names(_run, plan, _log)
