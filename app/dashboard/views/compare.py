"""Compare: two to four runs on the same data: numbers, curves, and agreement of their routes."""

from dataclasses import replace

import pandas as pd
import streamlit as st

from app.dashboard import run_folders, sentences
from app.dashboard.charts import compare as charts
from app.dashboard.charts.layout import CONFIG
from app.dashboard.components.heading import heading
from app.dashboard.parts.compare.differences import differences, settings_apart
from app.dashboard.parts.compare.routes import routing
from app.dashboard.parts.compare.runs import (
    MOST_RUNS,
    Comparison,
    comparison_of,
)
from app.dashboard.results.headline import headline
from app.dashboard.view import selection, state
from app.dashboard.view.state import View
from memgate.config.json_form import text_of
from memgate.errors import MemgateError, reading
from memgate.runs.run import Run
from probes.report.curves import line_of_run
from probes.stats.estimate import decimal, percent, points


def run_names(view: View) -> list[str]:
    """Names of the runs in the URL, the sidebar's first; shows an error for names that are no runs."""
    known = run_folders.run_names(state.root())
    wanted = selection.parse_names(st.query_params.get("runs", "")) or [view.run.name]
    unknown = [name for name in wanted if name not in known]
    if unknown:
        state.problem(f"There is no run {unknown[0][:80]!r}: choose from the runs below.")
    names = [name for name in wanted if name in known]
    if len(names) > MOST_RUNS:
        state.problem(f"{len(names)} runs are too many to compare: the first {MOST_RUNS} of them are shown.")
    return names[:MOST_RUNS]


def chooser(view: View, names: list[str]) -> None:
    """Widget for the runs to compare."""
    st.session_state["pick_runs"] = names
    st.multiselect(
        "Run A (set in the sidebar) and up to three more",
        run_folders.run_names(state.root()),
        key="pick_runs",
        max_selections=MOST_RUNS,
        on_change=_chosen,
        args=(view.run.name,),
    )


def _chosen(present: str) -> None:
    """Take the changed choice to the sidebar, whose run is the first one."""
    names = st.session_state["pick_runs"] or [present]
    st.session_state["compared"] = selection.names_text(names)
    if names[0] != present:
        st.session_state["pick_run"], st.session_state["picked"] = names[0], "run"


def numbers(comparison: Comparison) -> None:
    """Table of the headline numbers of each run, and of their differences from those of the first."""
    rows = []
    for one in comparison.runs:
        number = headline(one.view)
        rows.append({
            "run": one.name,
            "test acc.": percent(number.test_accuracy),
            "corrupted fitted": percent(number.corrupted_fitted),
            "routed clean": percent(number.routed_clean),
            "routed corrupted": percent(number.routed_corrupted),
            "AUROC g": decimal(number.gate) if number.gate else "-",
            "AUROC loss": decimal(number.loss),
        })  # fmt: skip
    first = comparison.runs[0]
    for one in comparison.runs[1:]:
        changes = differences(first.view, one.view)
        rows.append(
            {"run": f"{one.letter} minus {first.letter}"}
            | {
                name: decimal(change) if name.startswith("AUROC") else points(change)
                for name, change in changes.items()
            }
        )
    st.dataframe(pd.DataFrame(rows), hide_index=True, placeholder="-", key="numbers")
    st.caption(
        "Training samples, and test accuracy. Brackets: 95 % intervals over samples, not over seeds. Differences are "
        "paired by sample, in percentage points, over samples that are clean in both runs, or "
        "corrupted in both. AUROCs are compared only where the same samples are corrupted."
    )


def accuracies(comparison: Comparison, imported: list[Run]) -> None:
    """Chart of the test accuracy of all runs, and of imported curves, over the epochs."""
    lines = []
    for name, run in [(one.name, one.view.run) for one in comparison.runs] + [
        (run.name, run) for run in imported
    ]:
        try:
            with reading(f"{run.path}/metrics.csv"):
                lines.append(replace(line_of_run(run), name=name))
        except MemgateError as error:  # everything else is in the logs
            state.problem(error)
    lines = [line for line in lines if len(line.epoch)]  # a recorded run may have no test split
    if not lines:
        return
    heading("Test accuracy over the epochs")
    st.plotly_chart(
        charts.accuracies(lines), key="accuracies", config=CONFIG, alt="Test accuracy of each run by epoch"
    )
    if imported:
        st.caption(
            "Imported curves have accuracies by epoch and no samples: nothing else can be compared with them."
        )


def settings(comparison: Comparison) -> None:
    """Table of the settings that differ between the runs."""
    different = settings_apart([one.view for one in comparison.runs])
    heading("Settings that differ")
    if not different:
        st.caption("None, except for the name.")
        return
    rows = [
        {
            "setting": name,
            **{one.name: text_of(value) for one, value in zip(comparison.runs, values, strict=True)},
        }
        for name, values in different.items()
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True, placeholder="-", key="settings")


def page() -> None:
    """The whole page."""
    view = state.view()
    names = run_names(view)
    chooser(view, names)
    if view.epoch is None:
        st.info("No epoch of this split has been logged yet.")
        return
    imported = run_folders.curves_among(state.root(), names[1:])
    without_samples = {run.name for run in imported}
    comparison = comparison_of(view, [name for name in names[1:] if name not in without_samples])
    for sentence in comparison.refused:
        state.problem(sentence)
    if len(comparison.runs) < 2 and imported:
        accuracies(comparison, imported)
        return
    if len(comparison.runs) < 2:
        only = len(run_folders.run_names(state.root())) == 1
        st.info(
            "This is the only run here: train another one to compare (memgate train --like RUN --seed 1)."
            if only
            else "Choose a second run above. Only runs trained on the same data can be compared."
        )
        return
    shown = [f"{view.split} samples", f"epoch {comparison.runs[0].view.epoch}", *_filtered(view)]
    st.caption(sentences.escaped(f"Compared: {', '.join(shown)}. " + " ".join(comparison.notes)))
    numbers(comparison)
    accuracies(comparison, imported)
    routing(view, comparison)
    settings(comparison)


def _filtered(view: View) -> list[str]:
    count = int(view.members.sum())
    return [] if count == len(view.members) else [f"{count:,} that pass the filter"]


try:
    page()
except MemgateError as error:
    state.problem(error)
