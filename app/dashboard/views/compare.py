"""Compare: two to four runs over the same data, and how far they send the same samples through the block."""

from dataclasses import replace

import pandas as pd
import streamlit as st

from app.dashboard import run_folders, sentences
from app.dashboard.charts import compare as charts
from app.dashboard.charts.layout import CONFIG
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
    """The runs that the URL names, the sidebar's first; what it names wrongly is said."""
    known = run_folders.run_names(state.root())
    wanted = selection.parse_names(st.query_params.get("runs", "")) or [view.run.name]
    unknown = [name for name in wanted if name not in known]
    if unknown:
        state.problem(f"There is no run {unknown[0][:80]!r} here: choose among the runs below.")
    names = [name for name in wanted if name in known]
    if len(names) > compare.MOST_RUNS:
        state.problem(
            f"{len(names)} runs are too many to compare: these are the first {compare.MOST_RUNS} of them."
        )
    return names[: compare.MOST_RUNS]


def chooser(view: View, names: list[str]) -> None:
    """Which runs."""
    st.session_state["pick_runs"] = names
    st.multiselect(
        "Runs to compare: A, which is the sidebar's, and up to three others",
        run_folders.run_names(state.root()),
        key="pick_runs",
        max_selections=compare.MOST_RUNS,
        on_change=_chosen,
        args=(view.run.name,),
    )


def _chosen(present: str) -> None:
    """The choice has changed: the sidebar takes it up, and the first is its run."""
    names = st.session_state["pick_runs"] or [present]
    st.session_state["compared"] = selection.names_text(names)
    if names[0] != present:
        st.session_state["pick_run"], st.session_state["picked"] = names[0], "run"


def numbers(found: Comparison) -> None:
    """The headline numbers of each run, and their differences from those of the first."""
    rows = []
    for one in found.runs:
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
    first = found.runs[0]
    for one in found.runs[1:]:
        apart = compare.differences(first.view, one.view)
        rows.append(
            {"run": f"{one.letter} minus {first.letter}"}
            | {
                name: decimal(change) if name.startswith("AUROC") else points(change)
                for name, change in apart.items()
            }
        )
    st.dataframe(pd.DataFrame(rows), hide_index=True, placeholder="-", key="numbers")
    st.caption(
        "Training samples, and test accuracy; brackets are 95 % intervals over samples. Differences are paired by "
        "sample, in percentage points (AUROC: DeLong), over samples that are clean, or corrupted, in both; they say "
        "nothing about other seeds. There is no difference of AUROCs where other samples are corrupted."
    )


def accuracies(found: Comparison, imported: list[Run]) -> None:
    """Test accuracy of all, imported curves too."""
    lines = []
    for name, run in [(one.name, one.view.run) for one in found.runs] + [(run.name, run) for run in imported]:
        try:
            with run_folders.reading(f"{run.path}/metrics.csv"):
                lines.append(replace(line_of_run(run), name=name))
        except MemgateError as error:  # the logs have all the rest
            state.problem(error)
    lines = [line for line in lines if len(line.epoch)]  # a recorded run may have no test split
    if not lines:
        return
    st.markdown("**Test accuracy over the epochs**")
    st.plotly_chart(
        charts.accuracies(lines), key="accuracies", config=CONFIG, alt="Test accuracy of each run by epoch"
    )
    if imported:
        st.caption(
            "Imported curves have accuracies by epoch and no samples: nothing else is compared with them."
        )


def heatmaps(found: Comparison) -> None:
    """Evolution of g in each gated run."""
    st.markdown("**Gate value over the epochs** · one colour scale, the same axes")
    shown = [(one.name, one.view.data.epochs, *over_epochs.evolution(one.view)) for one in found.gated]
    gates = [one.view.gate or "" for one in found.gated]
    st.plotly_chart(
        charts.evolutions(shown, gates),
        key="evolutions",
        config=CONFIG,
        alt="Heatmaps side by side: number of samples by epoch and gate value in each run",
    )


def agreements(pairs: list[Pair]) -> None:
    """How far the routes of each two runs agree."""
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
    st.markdown("**Do they route the same samples?**")
    st.dataframe(pd.DataFrame(rows), hide_index=True, key="agreement", height="content")
    st.caption(
        "Jaccard: of the samples that either routes, the share that both do. Kappa: agreement beyond what the two "
        "shares routed would give by chance (0), up to 1. Brackets: 95 % intervals over samples."
    )


def pair_chosen(pairs: list[Pair]) -> Pair:
    """The two runs of the table and the density below."""
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
    """The two by two table of routes, each cell a selection."""
    mine, theirs = pair.routed
    corrupted = pair.cause != "clean"
    st.markdown(f"**Routes in {pair.first.letter} and {pair.second.letter}** · a click selects in run A")
    for row, first in ((mine, "routed"), (~mine, "skipped")):
        for column, (both, second) in zip(
            st.columns(2, gap="small"), ((theirs, "routed"), (~theirs, "skipped")), strict=True
        ):
            who = row & both
            how = f"{first} {_place(pair.first)}, {second} {_place(pair.second)}"
            column.button(
                f"{first} in {pair.first.letter}, {second} in {pair.second.letter}: "
                f"{int(who.sum()):,} ({int((who & corrupted).sum()):,} corrupted)",
                key=f"flip_{first}_{second}",
                disabled=not who.any(),
                on_click=state.select,
                args=(view, pair.sample_id[who], how),
                width="stretch",
            )


def _place(one: ComparedRun) -> str:
    return f"by {(one.view.gate or '').upper()} of {one.view.run.name} at epoch {one.view.epoch}"


def density(pair: Pair) -> None:
    """Gate values of one run by g of the other."""
    st.markdown(f"**g of {pair.first.letter} by g of {pair.second.letter}** · lines at 0.5")
    names = f"{pair.first.letter}", f"{pair.second.letter}"
    st.plotly_chart(
        charts.density(pair.gate, names),
        key="density",
        config=CONFIG,
        alt=f"Heatmap: number of samples by gate value in run {names[0]} and in run {names[1]}",
    )


def shares(found: Comparison) -> None:
    """Share routed of each gated run."""
    st.markdown("**Share routed** · colour: clean or corrupted, line: run, 95 % bands")
    shown = [(one.letter, one.view.data.epochs, compare.routed_shares(one.view)) for one in found.gated]
    st.plotly_chart(
        charts.shares(shown), key="shares", config=CONFIG, alt="Share routed over the epochs in each run"
    )


def settings(found: Comparison) -> None:
    """What was set otherwise."""
    apart = compare.settings_apart([one.view for one in found.runs])
    st.markdown("**Settings that differ**")
    if not apart:
        st.caption("None, but for the name.")
        return
    rows = [
        {"setting": name, **{one.name: text_of(value) for one, value in zip(found.runs, values, strict=True)}}
        for name, values in apart.items()
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True, placeholder="-", key="settings")


def routing(view: View, found: Comparison) -> None:
    """All that needs gates."""
    if not found.gated:
        st.info("None of these runs has a gate, so there is no routing to compare.")
        return
    heatmaps(found)
    pairs = compare.pairs(found)
    if not pairs:
        st.info("Only one of these runs has a gate, so there are no routes to set against each other.")
        shares(found)
        return
    agreements(pairs)
    pair = pair_chosen(pairs)
    flips(view, pair)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        shares(found)
    with right:
        density(pair)
    panel(view, "click one of the four cells of the table of routes.")


def page() -> None:
    """The whole page."""
    view = state.view()
    names = run_names(view)
    chooser(view, names)
    if view.epoch is None:
        st.info("No epoch of this split can be read yet.")
        return
    imported = run_folders.curves_among(state.root(), names[1:])
    drawn_only = {run.name for run in imported}
    found = compare.comparison(view, [name for name in names[1:] if name not in drawn_only])
    for sentence in found.refused:
        state.problem(sentence)
    if len(found.runs) < 2 and imported:
        accuracies(found, imported)
        return
    if len(found.runs) < 2:
        only = len(run_folders.run_names(state.root())) == 1
        st.info(
            "This is the only run here: train another (memgate train --like RUN --seed 1), and compare them."
            if only
            else "Choose a second run above. Runs can be compared that were trained on the same data."
        )
        return
    told = [f"{view.split} samples", f"epoch {found.runs[0].view.epoch}", *_filtered(view)]
    st.caption(sentences.escaped(f"Compared: {', '.join(told)}. " + " ".join(found.notes)))
    numbers(found)
    accuracies(found, imported)
    routing(view, found)
    settings(found)


def _filtered(view: View) -> list[str]:
    count = int(view.members.sum())
    return [] if count == len(view.members) else [f"{count:,} that pass the filter"]


try:
    page()
except MemgateError as error:
    state.problem(error)
