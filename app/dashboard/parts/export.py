"""What the Export page asks for as a plan, and what the plan is going to give; cached."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import streamlit as st

from app.dashboard import logs
from app.dashboard.logs import Stamp
from app.dashboard.view.selection import Selection
from app.dashboard.view.state import View
from memgate.log.reader import SampleLog
from memgate.runs.run import Run
from probes.export.plan import KINDS, ExportPlan
from probes.export.preview import Outlook, outlook, quantity_names
from probes.samples.filters import Filter

IDS = 50
"""Samples of a selection that a command line names one by one; a larger one is saved as a cohort first."""

LARGEST = 256_000_000
"""Bytes of an export that goes through the server's memory to the browser."""

Who = Literal["all", "filter", "selection", "cohort"]


@dataclass(frozen=True)
class Asked:
    """What is chosen on the page."""

    who: Who
    cohort: str | None
    schema: str
    shape: str
    format: str
    epochs: str
    quantities: tuple[str, ...]


def choices(view: View, cohorts: Sequence[str]) -> list[Who]:
    """Whom the page can offer, the likeliest first."""
    found: list[Who] = ["all"]
    if view.only != Filter():
        found.insert(0, "filter")
    if view.selected is not None and len(view.selected.ids):
        found.insert(0, "selection")
    return [*found, "cohort"] if cohorts else found


def shapes_of(schema: str) -> list[str]:
    """The shapes of a schema."""
    return [shape for known, shape in KINDS if known == schema]


def epochs_text(kind: str, step: int, first: int, last: int) -> str:
    """What ``--epochs`` says for the page's choice."""
    told = {"every": f"every:{step}", "from": f"{min(first, last)}-{max(first, last)}"}
    return told.get(kind, kind)


def must_be_saved(asked: Asked, chosen: Selection | None) -> bool:
    """Whether a selection is too large for a command line, and has no name yet."""
    return asked.who == "selection" and chosen is not None and chosen.cohort is None and len(chosen.ids) > IDS


def plan_of(view: View, asked: Asked) -> ExportPlan:
    """What the page asks for, in the command line's terms.

    The sidebar's epoch counts where it decides something: for a summary, and for a filter by route.
    """
    only = view.only if asked.who == "filter" else Filter()
    cohort, ids = (asked.cohort if asked.who == "cohort" else None), ()
    if asked.who == "selection" and view.selected is not None:
        cohort = view.selected.cohort
        ids = () if cohort else tuple(view.selected.ids.tolist())
    last = int(view.data.epochs[-1])
    decides = asked.shape == "summary" or only.route != "all"
    asks_gate = only.route != "all" or (asked.schema == "tensorboard" and asked.shape == "matrix")
    return ExportPlan(
        shape=asked.shape,  # pyright: ignore[reportArgumentType]
        format=asked.format,  # pyright: ignore[reportArgumentType]
        split=view.split,
        schema=asked.schema,  # pyright: ignore[reportArgumentType]
        quantities=asked.quantities,
        epochs=asked.epochs,
        epoch=view.epoch if decides and view.epoch != last else None,
        filter=only,
        gate=view.gate if asks_gate and len(view.log.gates) > 1 else None,
        cohort=cohort,
        ids=ids,
    )


def coming(view: View, plan: ExportPlan, side: int) -> Outlook:
    """Size and first rows of what a plan gives.

    Raises:
        MemgateError: as :func:`probes.export.export.export_run` does before it writes.
    """
    with logs.reading(str(view.run.path)):
        return _coming(view.run, view.log, _state(view, plan), view.at, plan, side)


def names(view: View, plan: ExportPlan) -> list[str]:
    """The columns that can be chosen for a plan.

    Raises:
        MemgateError: the log or the manifest is damaged.
    """
    with logs.reading(str(view.run.path)):
        return _names(view.run, view.log, _state(view, plan), view.at, plan)


def _state(view: View, plan: ExportPlan) -> tuple[tuple[str, int], ...]:
    """The state of the files beside the log that an export is made from: others are read anew."""
    files: list[Path] = [*(view.run.path / "probes").glob("*.h5"), view.run.path / "manifest.npz"]
    files += [view.run.path / "cohorts" / f"{plan.cohort}.json"] if plan.cohort else []
    return tuple(sorted((str(path), path.stat().st_mtime_ns) for path in files if path.is_file()))


@st.cache_data(max_entries=64, show_spinner=False)
def _coming(
    _run: Run, _log: SampleLog, state: tuple[tuple[str, int], ...], at: Stamp, plan: ExportPlan, side: int
) -> Outlook:
    return outlook(_run, plan, log=_log, side=side)


@st.cache_data(max_entries=64, show_spinner=False)
def _names(
    _run: Run, _log: SampleLog, state: tuple[tuple[str, int], ...], at: Stamp, plan: ExportPlan
) -> list[str]:
    return quantity_names(_run, plan, _log)
