"""Explorer: every sample as a point of two scores; what a gate does with the corrupted; and a closer look at some."""

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from app.dashboard import group_curves, palette, sentences
from app.dashboard.charts import explorer as charts
from app.dashboard.charts.layout import CONFIG
from app.dashboard.components.panel import panel
from app.dashboard.parts.explorer.axes import controls, named
from app.dashboard.parts.explorer.contrasts import selection_contrasts
from app.dashboard.parts.explorer.crosstable import crosstable
from app.dashboard.results import scores
from app.dashboard.results.scores import RunScore
from app.dashboard.view import selection, state
from app.dashboard.view.state import View
from memgate.errors import MemgateError

# Streamlit sends a chart's points back with every later change of the page, until the chart is drawn anew.
MANY = 5000


def cohorts(cause: NDArray[np.str_]) -> dict[str, NDArray[np.bool_]]:
    """Cause to who has it, [N], the clean ones first: they are drawn below the others."""
    found = group_curves.cohorts(cause)
    return {name: who for name, who in found.items() if name != "corrupted" or len(found) <= 2}


def brushed(view: View, key: str, x: RunScore, y: RunScore) -> None:
    """Points were brushed, or one was clicked. An empty event leaves the selection."""
    event = st.session_state[key]
    ids = selection.picked_ids(event)
    gesture = selection.gesture(event, st.session_state.get(f"outline_{key}", ""))
    if not gesture:
        return
    st.session_state[f"outline_{key}"] = selection.outline(event)
    if gesture == "click":
        st.session_state["clicked"] = ids[0]
        return
    across, up = named(view, x), named(view, y)
    how = f"lasso over {across} and {up}"
    if gesture == "box":
        how = " or ".join(
            f"{across} in [{box.left:.3g}, {box.right:.3g}] and {up} in [{box.low:.3g}, {box.high:.3g}]"
            for box in selection.boxes_of(event)
        )
    state.select_places(view, view.data.places(ids), how)
    if len(ids) > MANY:
        st.session_state["brush"] = st.session_state.get("brush", 0) + 1


def scatter(view: View, x: RunScore, y: RunScore, log: bool) -> None:
    """The points that have both scores."""
    st.markdown("**Every sample** · drag to select; with the chart's Pan button, click a point to open it")
    across, up = scores.values(view, x.column), scores.values(view, y.column)
    drawn = view.members & np.isfinite(across) & np.isfinite(up)
    if not drawn.any():
        st.info("No sample that passes the filter has both scores.")
        return
    groups = {name: members & drawn for name, members in cohorts(view.data.cause).items()}
    points = {
        name: (view.data.sample_id[who], across[who], up[who]) for name, who in groups.items() if who.any()
    }
    key = f"scatter_{st.session_state.get('brush', 0)}"
    st.plotly_chart(
        charts.scatter(points, x.axis, y.axis, log),
        key=key,
        on_select=lambda: brushed(view, key, x, y),
        selection_mode=("points", "box", "lasso"),
        config=charts.BRUSH,
        alt=f"Scatter plot of {int(drawn.sum())} samples: {named(view, x)} across, {named(view, y)} up, by cause",
    )


def missing(view: View, x: RunScore, y: RunScore) -> None:
    """Who is not in the scatter plot, and why; those that never did what a score times can be selected."""
    buttons, told = [], []
    for measure in {one.column: one for one in (x, y)}.values():
        absent = view.members & np.isnan(scores.values(view, measure.column))
        never = absent & np.isinf(scores.hardness(view, measure.column))
        if never.any():
            what = f"never {measure.score.never}"
            told.append(f"{int(never.sum()):,} were {what}: harder than all others")
            buttons.append((what, never))
        if (absent & ~never).any():
            told.append(f"{int((absent & ~never).sum()):,} have no {named(view, measure)}")
    if not told:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"Not drawn: {'; '.join(told)}.", width="content")
        for what, who in buttons:
            st.button(
                f"Select the {what}",
                key=f"select_{what}",
                on_click=state.select_places,
                args=(view, who, what),
            )


def groups_of(view: View) -> dict[str, tuple[str, str, NDArray[np.bool_]]]:
    """What the histogram tells apart: group to (colour, dash, members [N])."""
    if view.gate:
        routed, seen = view.at_cursor("routed", view.gate), view.at_cursor("seen")
        return {
            "routed": (palette.ROUTED, "solid", routed & seen),
            "skipped": (palette.SKIPPED, "dash", ~routed & seen),
        }
    clean = ~view.data.corrupted
    return {
        "corrupted": (palette.CORRUPTED, "solid", ~clean),
        "clean": (palette.CLEAN, "dash", clean),
    }


def histogram(view: View, x: RunScore, log: bool) -> None:
    """How the score across lies in the two groups."""
    values = scores.values(view, x.column)
    there = view.members & np.isfinite(values)
    if not there.any():
        return
    edges = charts.bins(values[there], log)
    counts = {
        name: (colour, dash, np.histogram(values[there & who], edges)[0])
        for name, (colour, dash, who) in groups_of(view).items()
        if (there & who).any()
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
    """Select who passes the filter and has its score across in one of the spans; no span changes nothing."""
    if not spans:
        return
    values = scores.values(view, x.column)
    inside = np.any([(values >= low) & (values <= high) for low, high in spans], axis=0)
    how = " or ".join(f"{named(view, x)} in [{low:.3g}, {high:.3g}]" for low, high in spans)
    state.select_places(view, inside & view.members, how)


def by_numbers(view: View, x: RunScore, y: RunScore) -> None:
    """The brush for the keyboard."""
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
            inside = view.members.copy()
            for measure, (low, high) in zip((x, y), ends, strict=True):
                values = scores.values(view, measure.column)
                inside &= (values >= low) & (values <= high)
            how = [
                f"{named(view, one)} in [{low:.3g}, {high:.3g}]"
                for one, (low, high) in zip((x, y), ends, strict=True)
            ]
            state.select_places(view, inside, " and ".join(how))
            state.rerun()


def page() -> None:
    """The whole page."""
    view = state.view()
    if view.epoch is None:
        st.info("No epoch of this split can be read yet.")
        return
    if "clicked" in st.session_state:
        state.open_sample(view, st.session_state.pop("clicked"))
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
            st.info("The log has no gate, so there is no routing to show.")
        histogram(view, x, log)
    panel(view, "drag in one of the charts, or click a count.")
    selection_contrasts(view)


try:
    page()
except MemgateError as error:
    state.problem(error)
