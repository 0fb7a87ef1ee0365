"""Explorer: scatter plot of two scores, routes by corruption, and how the selection differs from the other samples."""

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from app.dashboard import group_curves, palette, sentences
from app.dashboard.charts import explorer as charts
from app.dashboard.charts.layout import CONFIG
from app.dashboard.components.heading import heading
from app.dashboard.components.panel import panel
from app.dashboard.parts.brush import brushed, open_clicked
from app.dashboard.parts.explorer.axes import controls, named
from app.dashboard.parts.explorer.contrasts import selection_contrasts
from app.dashboard.parts.explorer.crosstable import crosstable
from app.dashboard.results import scores
from app.dashboard.results.scores import RunScore
from app.dashboard.view import selection, state
from app.dashboard.view.state import View
from memgate.errors import MemgateError


def cohorts(cause: NDArray[np.str_]) -> dict[str, NDArray[np.bool_]]:
    """Cause to its members [N]; clean samples first, since they are drawn below the others."""
    groups = group_curves.cohorts(cause)
    return {name: members for name, members in groups.items() if name != "corrupted" or len(groups) <= 2}


def scatter(view: View, x: RunScore, y: RunScore, log: bool) -> None:
    """Scatter plot of the samples that have both scores."""
    heading(
        "Samples by two scores",
        "drag to select; to open a sample, press the chart's Pan button and click a point",
        "cause",
    )
    across, up = scores.values(view, x.column), scores.values(view, y.column)
    drawn = view.members & np.isfinite(across) & np.isfinite(up)
    if not drawn.any():
        st.info("No sample that passes the filter has both scores.")
        return
    groups = {name: members & drawn for name, members in cohorts(view.data.cause).items()}
    points = {
        name: (view.data.sample_id[group], across[group], up[group])
        for name, group in groups.items()
        if group.any()
    }
    key = f"scatter_{st.session_state.get('brush', 0)}"
    st.plotly_chart(
        charts.scatter(points, x.axis, y.axis, log),
        key=key,
        on_select=lambda: brushed(view, key, named(view, x), named(view, y)),
        selection_mode=("points", "box", "lasso"),
        config=charts.BRUSH,
        alt=f"Scatter plot of {int(drawn.sum())} samples: x axis {named(view, x)}, y axis {named(view, y)}, by cause",
    )


def missing(view: View, x: RunScore, y: RunScore) -> None:
    """Say which samples the scatter plot leaves out; buttons select those that were never learned or skipped."""
    buttons, reasons = [], []
    for measure in {one.column: one for one in (x, y)}.values():
        absent = view.members & np.isnan(scores.values(view, measure.column))
        never = absent & np.isinf(scores.hardness(view, measure.column))
        if never.any():
            what = f"never {measure.score.never}"
            reasons.append(f"{int(never.sum()):,} were {what}: harder than all others")
            buttons.append((what, never))
        if (absent & ~never).any():
            reasons.append(f"{int((absent & ~never).sum()):,} have no value of {named(view, measure)}")
    if not reasons:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"Not drawn: {'; '.join(reasons)}.", width="content")
        for what, members in buttons:
            st.button(
                f"Select the samples {what}",
                key=f"select_{what}",
                on_click=state.select_places,
                args=(view, members, what),
            )


def groups_of(view: View) -> dict[str, tuple[str, str, NDArray[np.bool_]]]:
    """Groups of the histogram: name to (colour, dash, members [N])."""
    if view.gate:
        routed, known = view.at_cursor("routed", view.gate), view.known_at_cursor("routed", view.gate)
        return {
            "routed": (palette.ROUTED, "solid", routed & known),
            "skipped": (palette.SKIPPED, "dash", ~routed & known),
        }
    if not view.data.samples.truth_known:
        return {"all samples": (palette.CAUSE_COLOURS["unknown"], "solid", np.ones(len(view.data), bool))}
    return {
        "corrupted": (palette.CORRUPTED, "solid", view.data.corrupted),
        "clean": (palette.CLEAN, "dash", view.data.clean),
    }


def histogram(view: View, x: RunScore, log: bool) -> None:
    """Histogram of the x score of the two groups."""
    values = scores.values(view, x.column)
    there = view.members & np.isfinite(values)
    if not there.any():
        return
    edges = charts.bins(values[there], log)
    counts = {
        name: (colour, dash, np.histogram(values[there & group], edges)[0])
        for name, (colour, dash, group) in groups_of(view).items()
        if (there & group).any()
    }
    st.markdown(
        f"**Histogram of {sentences.escaped(named(view, x))}** by {'route' if view.gate else 'corruption'}"
    )
    key = f"histogram_{st.session_state.get('brush', 0)}"

    def chosen() -> None:
        boxes = selection.boxes_of(st.session_state[key])
        select_spans(view, x, [(box.left, box.right) for box in boxes])

    st.plotly_chart(
        charts.histogram(edges, counts, x.axis, log),
        key=key,
        on_select=chosen,
        selection_mode="box",
        config={**CONFIG, "displayModeBar": False},
        alt=f"Histogram of {named(view, x)} of {' and '.join(counts)} samples",
    )


def select_spans(view: View, x: RunScore, spans: list[tuple[float, float]]) -> None:
    """Select the samples that pass the filter and have their x score in a span; without a span nothing changes."""
    if not spans:
        return
    values = scores.values(view, x.column)
    members = np.any([(values >= low) & (values <= high) for low, high in spans], axis=0)
    how = " or ".join(f"{named(view, x)} in [{low:.3g}, {high:.3g}]" for low, high in spans)
    state.select_places(view, members & view.members, how)


def by_numbers(view: View, x: RunScore, y: RunScore) -> None:
    """A form that selects as a box does, for the keyboard."""
    with st.popover("Select by numbers"), st.form("by_numbers", border=False):
        ends = []
        for measure, param in ((x, "x"), (y, "y")):
            values = scores.values(view, measure.column)
            finite = values[np.isfinite(values)]
            low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 0.0)
            name = sentences.escaped(named(view, measure))
            ends.append(
                (
                    st.number_input(
                        f"{name} from", value=low, format="%.4g", key=f"{param}_low_{measure.column}"
                    ),
                    st.number_input(
                        f"{name} to", value=high, format="%.4g", key=f"{param}_high_{measure.column}"
                    ),
                )
            )
        if st.form_submit_button("Select"):
            members = view.members.copy()
            for measure, (low, high) in zip((x, y), ends, strict=True):
                values = scores.values(view, measure.column)
                members &= (values >= low) & (values <= high)
            how = [
                f"{named(view, one)} in [{low:.3g}, {high:.3g}]"
                for one, (low, high) in zip((x, y), ends, strict=True)
            ]
            state.select_places(view, members, " and ".join(how))
            state.rerun()


def page() -> None:
    """The whole page."""
    view = state.view()
    if view.epoch is None:
        st.info("No epoch of this split has been logged yet.")
        return
    open_clicked(view)
    for sentence in scores.stored_notes(view):
        state.problem(sentence)
    x, y, log = controls(view, scores.available(view))
    left, right = st.columns([3, 2], gap="medium")
    with left:
        scatter(view, x, y, log)
        missing(view, x, y)
        by_numbers(view, x, y)
    with right:
        if view.gate:
            crosstable(view, view.gate)
        else:
            st.info("The network of this run has no gate: there is no routing to show.")
        histogram(view, x, log)
    panel(view, "drag in one of the charts, or click a count.")
    selection_contrasts(view)


try:
    page()
except MemgateError as error:
    state.problem(error)
