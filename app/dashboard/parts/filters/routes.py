"""Forced routes: what samples lose where another pattern of filters is open than their own."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from app.dashboard.charts import critical as charts
from app.dashboard.charts.layout import CONFIG
from app.dashboard.components.ask import suggest_command
from app.dashboard.components.heading import heading
from app.dashboard.glossary import definitions
from app.dashboard.results import filters as results
from app.dashboard.sentences import escaped
from app.dashboard.view.state import View
from probes.gates.config import RARE_CLOSED
from probes.gates.cost import cost_of, unit_of
from probes.gates.donors import NONE
from probes.gates.stored import GatesResult
from probes.gates.table import contrast_rows, cost_form, route_rows, route_verdict
from probes.result import ProbeResult
from probes.stats.estimate import Estimate, share

TERMS = (
    "learned",
    "all open",
    "same class",
    "other class",
    "rare closed",
    "fitted",
    "p(given)",
    "margin",
    "logits",
)
"""Terms of the table, in the order in which they are defined."""


def routes(view: View, result: ProbeResult, one: GatesResult) -> None:
    """Everything about forced routes.

    Args:
        view: what is shown.
        result: of the probe.
        one: the same for the samples that pass the filter.
    """
    if not one.has_macs:
        st.info("No routes are forced: the gates mix branch and shortcut, and have nothing to open or close.")
        return
    if len(one.routes) == 1:
        more = f" --splits {view.split} --checkpoints {result.epoch}"
        suggest_command(view, "gates", "This result is without forced routes.", more, show=st.info)
        return
    losses, names = results.losses(view, result), one.routes
    none_rare = RARE_CLOSED in names and bool((one.row("macs", RARE_CLOSED) == one.row("macs")).all())
    if none_rare:
        names = [name for name in names if name != RARE_CLOSED]
        losses = tuple(loss for loss in losses if loss.part != RARE_CLOSED)
    left, right = st.columns([2, 3], gap="medium")
    with left:
        fits(view, result, one, names)
    with right:
        heading("Do corrupted samples lose more than clean ones?", "", "fitted", *TERMS[1:5])
        contrasted = [
            loss for loss in losses if loss.group == "corrupted" and loss.fit_over_clean is not None
        ]
        if contrasted:
            st.markdown(escaped(route_verdict(contrasted)))
            rows = contrast_rows(contrasted, {(loss.whole, loss.part, loss.group): loss for loss in losses})
            st.dataframe(pd.DataFrame(rows), hide_index=True, key="route_contrasts")
        else:
            st.caption("The samples shown are not both clean and corrupted: there is nothing to compare.")
        if missing := int((one.result.values["donor"] == NONE).sum()):
            st.caption(
                f"In {missing:,} cases there was no other sample to take a pattern from; they are left out."
            )
        if none_rare:
            st.caption(f"No rare {one.part} is open for any sample shown: the route rare closed is left out.")
        with st.popover("What these words mean"):
            st.markdown(definitions(*TERMS))
    heading(
        "What each group loses",
        "lost: learned minus the route, in percentage points (margin: logits)",
        *TERMS,
        "interval",
    )
    rows = route_rows(losses, cost_form(unit_of(one), cost_of(one)[1][1]))
    st.dataframe(
        pd.DataFrame(rows), hide_index=True, key="route_losses", height=min(38 + 35 * len(rows), 560)
    )
    st.caption(
        "Paired by sample. other class - same class: both patterns are another sample's, so that what is left is the "
        "class. over clean: what corrupted samples lose beyond the clean ones, of all and of those that fit along the "
        "first route. Brackets: 95 % intervals (Bonett "
        "and Price's for paired differences, Newcombe's for differences of groups, Student's for margins)."
    )


def fits(view: View, result: ProbeResult, one: GatesResult, names: Sequence[str]) -> None:
    """Chart of the share that fits its given label along routes, for clean and for corrupted samples."""
    groups = results.members(view, result)
    shown = [name for name in ("clean", "corrupted") if name in groups] or ["all"]
    shares = {name: [fit(one, route, groups[name]) for route in names] for name in shown}
    heading("Fit of the given label along each route", f"epoch {result.epoch}, {len(one.result.sample_id):,} samples",
            "fitted", *TERMS[:5])  # fmt: skip
    st.plotly_chart(charts.routes(shares, names, "fits its given label"), key="gate_routes", config=CONFIG,
                    alt="Share that fits its given label along each route, clean and corrupted")  # fmt: skip


def fit(one: GatesResult, route: str, members: NDArray[np.bool_]) -> Estimate:
    """Share of a group that fits its given label along a route; samples without the route are left out."""
    answered = members & ~np.isnan(one.row("p_given", route))
    return share((one.row("prediction", route) == one.samples.given_label)[answered])
