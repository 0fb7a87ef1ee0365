"""Patterns as vectors: how many filters are on, what linear probes tell, and whose neighbours are alike."""

import pandas as pd
import streamlit as st

from app.dashboard import palette
from app.dashboard.charts import filters as filter_charts
from app.dashboard.charts import patterns as charts
from app.dashboard.charts.layout import CONFIG
from app.dashboard.components.ask import suggest_command
from app.dashboard.components.heading import heading
from app.dashboard.results import filters as results
from app.dashboard.results.filters import Readings
from app.dashboard.sentences import escaped
from app.dashboard.view.state import View
from probes.gates.analyses import CLASS_ALONE, FEATURES, GATES
from probes.gates.analysis_table import (
    SAME,
    accuracy_row,
    alone,
    analysed_note,
    cause_row,
    filter_sentence,
    hardness_rows,
    left_out,
    neighbour_row,
    neighbour_sentence,
    sample_sentence,
    verdict,
    within,
    wrong_row,
)
from probes.gates.neighbour_results import Neighbours
from probes.gates.stored import GatesResult
from probes.gates.usage import filter_use, sample_use
from probes.result import ProbeResult
from probes.stats.estimate import Estimate

BINS = 30
NONE = Estimate(None, None, None, 0)


def patterns(view: View, result: ProbeResult, one: GatesResult) -> None:
    """Everything about patterns as vectors.

    Args:
        view: what is shown.
        result: of the probe.
        one: the same for the samples that pass the filter.
    """
    use(result, one)
    if "analyses" not in result.config:
        more = f" --splits {view.split} --checkpoints {result.epoch}"
        suggest_command(
            view, "gates", "This result has no linear probes and no nearest neighbours.", more, show=st.info
        )
        return
    if not result.config["analyses"]["linear"]:
        st.info(SAME)
        return
    readings = results.readings(view, result)
    told(result, readings)
    hardness(readings)
    if readings.neighbours is None:
        st.info("No analysed sample passes the filter.")
        return
    alike(readings.neighbours)


def use(result: ProbeResult, one: GatesResult) -> None:
    """Histograms of the samples that turn a filter on, and of the filters that a sample turns on."""
    left, right = st.columns(2, gap="medium")
    part, n = one.part, len(one.result.sample_id)
    with left:
        heading(
            f"Samples that turn a {part} on", f"{part}s that differ between samples", "filter", "conditional"
        )
        filters = filter_use(one, BINS)
        figure = charts.on_counts(filters.on_counts, f"samples that turn the {part} on", part)
        st.plotly_chart(figure, key="on_counts", config=CONFIG,
                        alt=f"Histogram of the number of samples that turn a {part} on")  # fmt: skip
        st.caption(escaped(filter_sentence(filters, n, result.config).rstrip(":") + "."))
    with right:
        heading(f"{part.title()}s that a sample turns on", f"{n:,} samples", "filter", "cause")
        cause, number = one.samples.cause, one.number_open
        by_cause = {name: number[cause == name] for name in palette.CAUSE_COLOURS if (cause == name).any()}
        st.plotly_chart(filter_charts.costs(by_cause, 1, f"{part}s on"), key="filters_on", config=CONFIG,
                        alt=f"Histogram of the number of {part}s that a sample turns on, by cause")  # fmt: skip
        st.caption(escaped(sample_sentence(sample_use(one), result.config).rstrip(":") + "."))


def told(result: ProbeResult, readings: Readings) -> None:
    """What linear probes of patterns and of features tell of class, given label and corruption."""
    note = analysed_note(result.config, len(result.sample_id))
    heading("What a linear probe tells", note, "linear probe", "given label", "cause", "interval")
    answers = verdict(readings.linear, readings.wrong_labels, readings.causes, readings.hardness)
    st.markdown("\n".join(f"- {escaped(answer)}" for answer in answers))
    if not readings.linear:
        st.caption("The samples shown have no target of which two classes are large enough.")
        return
    left, right = st.columns([2, 3], gap="medium")
    with left:
        targets = list(dict.fromkeys(row.target for row in readings.linear))
        known = {(row.vectors, row.target): row for row in readings.linear}
        names = [
            name
            for name in (GATES, FEATURES, CLASS_ALONE)
            if any(name == row.vectors for row in known.values())
        ]
        numbers = {
            name: [known[name, target].accuracy if (name, target) in known else NONE for target in targets]
            for name in names
        }
        chance = [known[GATES, target].chance for target in targets]
        st.plotly_chart(charts.beside_chance(numbers, targets, chance, "accuracy"), key="linear_probes", config=CONFIG,
                        alt="Accuracy of linear probes of patterns and of features, by target")  # fmt: skip
    with right:
        rows = [accuracy_row(row) for row in readings.linear]
        st.dataframe(pd.DataFrame(rows), hide_index=True, key="linear_table")
        for sentence in left_out(readings.linear):
            st.caption(escaped(sentence))
        if readings.wrong_labels:
            rows = [wrong_row(row) for row in readings.wrong_labels]
            st.dataframe(pd.DataFrame(rows), hide_index=True, key="wrong_labels")
        if readings.causes:
            rows = [cause_row(row) for row in readings.causes]
            st.dataframe(pd.DataFrame(rows), hide_index=True, key="causes_told")
    st.caption(
        "Accuracy: mean over the classes of the share of their samples that are predicted right, by a probe that was "
        "trained on the other folds. Chance of the wrong labels: if these were shuffled within classes."
    )


def hardness(readings: Readings) -> None:
    """Rank correlations of scores with what probes predict."""
    rows = readings.hardness
    if not rows:
        st.caption("The run had no scores when it was probed: hardness is not predicted.")
        return
    heading(
        "Does the pattern tell how hard a sample is?", f"rank correlation with the prediction, {within(rows[0])}",
        "linear probe", "within classes", "CSL", "AUM",
    )  # fmt: skip
    left, right = st.columns([2, 3], gap="medium")
    with left:
        titles = list(dict.fromkeys(row.correlation.title for row in rows))
        known = {(row.vectors, row.correlation.title): alone(row) for row in rows}
        numbers = {name: [known.get((name, title), NONE) for title in titles] for name in (GATES, FEATURES)}
        figure = charts.beside_chance(numbers, titles, [0.0] * len(titles), "rank correlation", ".2f")
        st.plotly_chart(figure, key="linear_hardness", config=CONFIG,
                        alt="Rank correlation of scores of hardness with what probes predict")  # fmt: skip
    with right:
        st.dataframe(pd.DataFrame(hardness_rows(rows)), hide_index=True, key="hardness_table")


def alike(near: Neighbours) -> None:
    """What nearest neighbours have in common, by patterns and by features."""
    heading(
        "Nearest neighbours", "by patterns and by features", "nearest neighbours", "corrupted", "interval"
    )
    left, right = st.columns([2, 3], gap="medium")
    with left:
        numbers = {GATES: [row.gates for row in near.shares], FEATURES: [row.features for row in near.shares]}
        names = [f"{row.of}: {'too' if row.same == row.of else 'same ' + row.same}" for row in near.shares]
        names = [
            name.replace("wrongly labelled", "wrong label") for name in names
        ]  # the axis has little room
        chance = [row.chance for row in near.shares]
        figure = charts.beside_chance(numbers, names, chance, "share of the neighbours")
        st.plotly_chart(figure, key="neighbours", config=CONFIG,
                        alt="Share of nearest neighbours with the same class, label or corruption")  # fmt: skip
    with right:
        st.markdown(escaped(neighbour_sentence(near)))
        rows = [neighbour_row(row) for row in near.shares]
        st.dataframe(pd.DataFrame(rows), hide_index=True, key="neighbour_table")
