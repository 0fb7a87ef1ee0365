"""Compare: two to four runs on the same data: numbers, curves, and agreement of their routes."""

from dataclasses import replace

import pandas as pd
import streamlit as st

from app.dashboard import run_folders, sentences
from app.dashboard.charts import compare as charts
from app.dashboard.charts.layout import CONFIG
from app.dashboard.components.heading import heading
from app.dashboard.components.panel import panel
from app.dashboard.parts import compare
from app.dashboard.parts.compare import ComparedRun, Comparison, Pair
from app.dashboard.results import over_epochs
from app.dashboard.results.headline import headline
from app.dashboard.view import selection, state
from app.dashboard.view.state import View
from app.dashboard.view.url import Address
from memgate.config.json_form import text_of
from memgate.errors import MemgateError
from memgate.runs.run import Run
from probes.report.curves import line_of_run
from probes.stats.estimate import decimal, percent, points

GROUPS = {"all": "all samples", "clean": "clean", "corrupted": "corrupted"}


def run_names(view: View) -> list[str]:
    """Names of the runs in the URL, the sidebar's first; shows an error for names that are no runs."""
    known = run_folders.run_names(state.root())
    wanted = selection.parse_names(st.query_params.get("runs", "")) or [view.run.name]
    unknown = [name for name in wanted if name not in known]
    if unknown:
        state.problem(f"There is no run {unknown[0][:80]!r}: choose from the runs below.")
    names = [name for name in wanted if name in known]
    if len(names) > compare.MOST_RUNS:
        state.problem(
            f"{len(names)} runs are too many to compare: the first {compare.MOST_RUNS} of them are shown."
        )
    return names[: compare.MOST_RUNS]


def chooser(view: View, names: list[str]) -> None:
    """Widget for the runs to compare."""
    st.session_state["pick_runs"] = names
    st.multiselect(
        "Run A (set in the sidebar) and up to three more",
        run_folders.run_names(state.root()),
        key="pick_runs",
        max_selections=compare.MOST_RUNS,
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
        differences = compare.differences(first.view, one.view)
        rows.append(
            {"run": f"{one.letter} minus {first.letter}"}
            | {
                name: decimal(change) if name.startswith("AUROC") else points(change)
                for name, change in differences.items()
            }
        )
    st.dataframe(pd.DataFrame(rows), hide_index=True, placeholder="-", key="numbers")
    st.caption(
        "Training samples, and test accuracy. Brackets: 95 % intervals over samples, not over seeds. Differences are "
        "paired by sample, in percentage points (AUROC: DeLong), over samples that are clean in both runs, or "
        "corrupted in both. AUROCs are compared only where the same samples are corrupted."
    )


def accuracies(comparison: Comparison, imported: list[Run]) -> None:
    """Chart of the test accuracy of all runs, and of imported curves, over the epochs."""
    lines = []
    for name, run in [(one.name, one.view.run) for one in comparison.runs] + [
        (run.name, run) for run in imported
    ]:
        try:
            with run_folders.reading(f"{run.path}/metrics.csv"):
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


def heatmaps(comparison: Comparison) -> None:
    """Heatmaps of g over the epochs, one for each gated run."""
    heading("Gate value over the epochs", "one colour scale, the same axes", "g", "B3", "routed")
    shown = [(one.name, one.view.data.epochs, *over_epochs.evolution(one.view)) for one in comparison.gated]
    gates = [one.view.gate or "" for one in comparison.gated]
    st.plotly_chart(
        charts.evolutions(shown, gates),
        key="evolutions",
        config=CONFIG,
        alt="Heatmaps side by side: number of samples by epoch and gate value in each run",
    )


def agreements(pairs: list[Pair]) -> None:
    """Table of the agreement of the routes of each pair of runs."""
    rows = [
        {
            "runs": f"{pair.first.letter}, {pair.second.letter}",
            "samples": GROUPS[group],
            "n": one.n,
            "same route": percent(one.same),
            "Jaccard of the routed": decimal(one.jaccard),
            "Cohen's kappa": decimal(one.kappa),
        }
        for pair in pairs
        for group, one in pair.agreements().items()
    ]
    heading("Do they route the same samples?", "", "routed", "Jaccard", "Cohen's kappa")
    st.dataframe(pd.DataFrame(rows), hide_index=True, key="agreement", height="content")
    st.caption(
        "Jaccard: of the samples routed by at least one run, the share routed by both. Kappa: agreement beyond "
        "chance, from 0 (chance, given the two shares routed) to 1. Brackets: 95 % intervals over samples."
    )


def pair_chosen(pairs: list[Pair]) -> Pair:
    """Widget for the pair of runs that the table and the heatmap below show."""
    options = {f"{pair.first.letter}-{pair.second.letter}": pair for pair in pairs}
    address = Address()
    value = address.choice("pair", list(options), "pair")
    address.write()
    if len(options) > 1:
        st.session_state["pick_pair"] = value
        st.radio("Two runs", list(options), horizontal=True, key="pick_pair", on_change=_pair_picked)
    return options[value]


def _pair_picked() -> None:
    state.write_param("pair", st.session_state["pick_pair"])


def flips(view: View, pair: Pair) -> None:
    """Table of routes in two runs, 2 x 2: each cell selects its samples."""
    of_first, of_second = pair.routed
    corrupted = pair.cause != "clean"
    heading(
        f"Routes in {pair.first.letter} and {pair.second.letter}",
        "click a count to select samples in run A",
    )
    for row, first in ((of_first, "routed"), (~of_first, "skipped")):
        for column, (both, second) in zip(
            st.columns(2, gap="small"), ((of_second, "routed"), (~of_second, "skipped")), strict=True
        ):
            members = row & both
            how = f"{first} {_place(pair.first)}, {second} {_place(pair.second)}"
            column.button(
                f"{first} in {pair.first.letter}, {second} in {pair.second.letter}: "
                f"{int(members.sum()):,} ({int((members & corrupted).sum()):,} corrupted)",
                key=f"flip_{first}_{second}",
                disabled=not members.any(),
                on_click=state.select,
                args=(view, pair.sample_id[members], how),
                width="stretch",
            )


def _place(one: ComparedRun) -> str:
    return f"by {(one.view.gate or '').upper()} of {one.view.run.name} at epoch {one.view.epoch}"


def density(pair: Pair) -> None:
    """Heatmap of g in one run over g in the other."""
    heading(f"g in {pair.second.letter} over g in {pair.first.letter}", "lines at 0.5", "g")
    names = f"{pair.first.letter}", f"{pair.second.letter}"
    st.plotly_chart(
        charts.density(pair.gate, names),
        key="density",
        config=CONFIG,
        alt=f"Heatmap: number of samples by gate value in run {names[0]} and in run {names[1]}",
    )


def shares(comparison: Comparison) -> None:
    """Chart of the share routed in each gated run over the epochs."""
    heading("Share routed", "colour: clean or corrupted; line: run; 95 % bands", "routed")
    shown = [(one.letter, one.view.data.epochs, compare.routed_shares(one.view)) for one in comparison.gated]
    st.plotly_chart(
        charts.shares(shown), key="shares", config=CONFIG, alt="Share routed over the epochs in each run"
    )


def settings(comparison: Comparison) -> None:
    """Table of the settings that differ between the runs."""
    different = compare.settings_apart([one.view for one in comparison.runs])
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


def routing(view: View, comparison: Comparison) -> None:
    """Charts and tables of gated runs."""
    if not comparison.gated:
        st.info("None of these runs has a gate: there is no routing to compare.")
        return
    heatmaps(comparison)
    pairs = compare.pairs(comparison)
    if not pairs:
        st.info("Only one of these runs has a gate: there are no routes to compare.")
        shares(comparison)
        return
    agreements(pairs)
    pair = pair_chosen(pairs)
    flips(view, pair)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        shares(comparison)
    with right:
        density(pair)
    panel(view, "click a count in the table of routes.")


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
    comparison = compare.comparison(view, [name for name in names[1:] if name not in without_samples])
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
