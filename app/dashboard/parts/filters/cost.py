"""What samples cost, in MACs: by corruption, the cheapest and the most expensive pictures, and by hardness."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from app.dashboard import palette
from app.dashboard.charts import explorer
from app.dashboard.charts import filters as charts
from app.dashboard.charts.layout import CONFIG
from app.dashboard.components.heading import heading
from app.dashboard.components.tiles import LEGEND, tiles
from app.dashboard.glossary import SCORE_TERMS, definitions
from app.dashboard.parts.brush import brushed
from app.dashboard.parts.explorer.axes import score
from app.dashboard.results import filters as results
from app.dashboard.results import scores
from app.dashboard.sentences import escaped
from app.dashboard.view import state
from app.dashboard.view.state import View
from app.dashboard.view.url import Address
from probes.gates.cost import cost_of, unit_of
from probes.gates.stored import GatesResult
from probes.gates.table import SHOWN, correlation_row, cost_form, cost_verdict, group_row, scaled
from probes.result import ProbeResult
from probes.stats.estimate import average, with_interval

TILES = 24
SCORE = "score"


def costs(view: View, result: ProbeResult, one: GatesResult) -> None:
    """Everything about costs.

    Args:
        view: what is shown.
        result: of the probe.
        one: the same for the samples that pass the filter.
    """
    cost, within = cost_of(one)
    form = cost_form(unit_of(one), within[1])
    if cost.min() == cost.max():
        st.info(
            f"{unit_of(one)} of a sample: the same for all samples shown, so there is nothing to compare."
        )
        return
    by_corruption(view, result, one, cost, form)
    extremes(view, one, cost, form)
    by_hardness(view, result, one, cost, form)


def titled(one: GatesResult, form: tuple[float, str]) -> str:
    """Title of an axis of costs, such as ``MACs (millions)``."""
    unit = {"M": " (millions)", "G": " (billions)"}.get(form[1], "")
    return f"{unit_of(one)}{unit}"


def by_corruption(
    view: View, result: ProbeResult, one: GatesResult, cost: NDArray[np.float64], form: tuple[float, str]
) -> None:
    """Distribution of the cost by what is corrupted, and the means with their differences."""
    left, right = st.columns([2, 3], gap="medium")
    unit, cause = unit_of(one), one.samples.cause
    with left:
        heading(f"{unit} of a sample, by corruption", f"{len(cost):,} samples", "MACs", "cause")
        by_cause = {name: cost[cause == name] for name in palette.CAUSE_COLOURS if (cause == name).any()}
        st.plotly_chart(charts.costs(by_cause, form[0], titled(one, form)), key="costs", config=CONFIG,
                        alt=f"Histogram of {unit} by cause")  # fmt: skip
    with right:
        heading(
            f"Mean {titled(one, form)}", "95 % intervals", "MACs", "corrupted", "within classes", "interval"
        )
        groups = results.costs(view, result)
        compared = [group for group in groups if group.within_class is not None]
        if not compared:
            mean = scaled(average(cost, cost_of(one)[1]), form)
            st.caption(
                f"{mean} on average. The samples shown are not both clean and corrupted: there is nothing to compare."
            )
            return
        st.dataframe(
            pd.DataFrame([group_row(group, form) for group in groups]), hide_index=True, key="cost_groups"
        )
        st.markdown(escaped(cost_verdict(compared, unit)))


def extremes(view: View, one: GatesResult, cost: NDArray[np.float64], form: tuple[float, str]) -> None:
    """Pictures with the fewest and with the most MACs."""
    few, many = one.extremes(TILES)
    unit = unit_of(one)
    for column, places, name in zip(
        st.columns(2, gap="medium"), (few, many), ("Fewest", "Most"), strict=True
    ):
        with column:
            heading(f"{name} {unit}", "click a picture to open the sample", "MACs")
            numbers = [f"{cost[place] / form[0]:.4g} {form[1]}".strip() for place in places.tolist()]
            tiles(view, one.result.sample_id[places], f"cost_{name}", size=48, numbers=numbers)
    st.caption(LEGEND)


def by_hardness(
    view: View, result: ProbeResult, one: GatesResult, cost: NDArray[np.float64], form: tuple[float, str]
) -> None:
    """Scatter plot of the cost over a score, and the rank correlations of the cost with the usual scores."""
    then = results.scored(view, result)
    if then is None:
        st.caption(f"No epoch up to {result.epoch} is logged: there are no scores to compare with.")
        return
    known = scores.available(then)
    columns = results.hardness_columns(then)
    address = Address()
    chosen = score(address, SCORE, columns, scores.HARDNESS)
    address.write()
    heading(
        f"Do harder samples cost more ({unit_of(one)})?",
        f"scores up to epoch {then.epoch}; drag to select samples", *SCORE_TERMS[:6], "within classes",
    )  # fmt: skip
    st.session_state["filters_score"] = chosen
    st.selectbox(
        "Score", columns, key="filters_score", format_func=lambda name: known[name].title, width=320,
        help=f"{known[chosen].score.meaning}\n\n{definitions(*SCORE_TERMS)}",
        on_change=lambda: state.write_param(SCORE, st.session_state["filters_score"]),
    )  # fmt: skip
    left, right = st.columns(2, gap="medium")
    with left:
        scatter(view, then, one, cost, form, chosen)
    with right:
        shown = tuple(dict.fromkeys((chosen, *(name for name in SHOWN if name in columns))))
        correlated(view, result, shown)


def scatter(
    view: View, then: View, one: GatesResult, cost: NDArray[np.float64], form: tuple[float, str], chosen: str
) -> None:
    """Scatter plot of the cost over a score by cause, in which samples are selected."""
    measure = scores.available(then)[chosen]
    values = scores.values(then, chosen)[view.data.columns(one.result.sample_id)]
    drawn, cause = np.isfinite(values), one.samples.cause
    if not drawn.any():
        st.caption(f"No sample shown has a value of {escaped(measure.score.title)}.")
        return
    points = {
        name: (one.result.sample_id[group], values[group], cost[group] / form[0])
        for name in palette.CAUSE_COLOURS
        if (group := drawn & (cause == name)).any()
    }
    key = f"cost_scatter_{st.session_state.get('brush', 0)}"
    st.plotly_chart(
        explorer.scatter(points, measure.axis, titled(one, form), height=400), key=key, config=explorer.BRUSH,
        on_select=lambda: brushed(view, key, measure.score.title, titled(one, form)),
        selection_mode=("points", "box", "lasso"),
        alt=f"Scatter plot of {int(drawn.sum())} samples: {unit_of(one)} over {measure.score.title}",
    )  # fmt: skip
    if missing := int((~drawn).sum()):
        st.caption(f"Not drawn: {missing:,} without a value, or for which the event never happened.")


def correlated(view: View, result: ProbeResult, columns: Sequence[str]) -> None:
    """Table of the rank correlations, the chosen score first."""
    rows = results.correlations(view, result, tuple(columns))
    if not rows:
        st.caption("None of the samples shown has a score.")
        return
    first = rows[0]
    st.markdown(escaped(
        f"{first.title}, turned so that high is harder: rank correlation with the cost within classes "
        f"{with_interval(first.within_class, '{:+.2f}')}, over all {first.n:,} samples "
        f"{with_interval(first.plain, '{:+.2f}')}."
    ))  # fmt: skip
    st.dataframe(
        pd.DataFrame([correlation_row(row) for row in rows]),
        hide_index=True,
        key="cost_correlations",
        height=290,
    )
    st.caption(
        "Spearman's; every score is turned so that high is harder: above 0 harder samples cost more. Within classes: "
        "mean of the correlations in each class of the images. Brackets: 95 % intervals, none from too few samples."
    )
