"""Sample: one picture, what was done to it, and its values over the epochs."""

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from app.dashboard import sentences
from app.dashboard.parts.sample import findings, memorised, other_runs, portrait, ranks, similar, track
from app.dashboard.view import selection, state
from app.dashboard.view.state import View
from memgate.errors import MemgateError


def focus(view: View, ids: NDArray[np.int64]) -> int | None:
    """The id to show, from the URL; without one the last shown, or the first of the selection."""
    text = st.query_params.get("id")
    if text is None:
        kept = st.session_state.get("kept_id")
        if kept is not None and view.data.position(kept) is not None:
            return kept
        return int(ids[0]) if len(ids) else None
    wanted = selection.parse_id(text)
    if wanted is None:
        state.problem(
            f"{text[:40]!r} is no sample id: give a whole number, such as ?id={ids[0] if len(ids) else 0}."
        )
    return wanted


def go(sample_id: int) -> None:
    """Show another sample."""
    st.query_params["id"] = str(sample_id)


def typed() -> None:
    """The number input has changed."""
    if st.session_state["id_input"] is not None:
        go(int(st.session_state["id_input"]))


def steps(view: View, ids: NDArray[np.int64], current: int | None) -> None:
    """Previous, next, and an id to type."""
    st.session_state["id_input"] = current
    before, after = selection.neighbours(ids, -1 if current is None else current)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.number_input(
            "Sample id",
            0,
            selection.LARGEST_ID - 1,
            step=1,
            value=None,
            key="id_input",
            on_change=typed,
            width=150,
        )
        for label, icon, target, keys in (
            ("Previous", "arrow_back", before, "Alt+P"),
            ("Next", "arrow_forward", after, "Alt+N"),
        ):
            st.button(
                label,
                icon=f":material/{icon}:",
                disabled=target is None,
                on_click=go,
                args=(target,),
                key=f"go_{label}",
                shortcut=keys,
            )
        among = "the selection" if view.selected else f"{sentences.escaped(view.split)}, as filtered"
        place = "" if current is None or current not in ids else f"{np.searchsorted(ids, current) + 1:,} of "
        st.caption(f"{place}{len(ids):,} in {among}", width="content")
        for name, label, icon in (
            ("gallery", "Gallery", "grid_view"),
            ("overview", "Overview", "stacked_line_chart"),
        ):
            st.page_link(f"views/{name}.py", label=label, icon=f":material/{icon}:", query_params=view.params)


def story(one: track.Track) -> None:
    """The sample, from what matters most to what it is compared with."""
    portrait.verdict(one)
    left, right = st.columns([2, 3], gap="medium")
    with left:
        portrait.pictures(one)
        portrait.facts(one)
    with right:
        if len(one.view.data.epochs):
            track.trajectories(one)
        else:
            st.info("No epoch of this split can be read yet.")
    if not len(one.view.data.epochs):
        return
    left, right = st.columns(2, gap="medium")
    with left:
        findings.probe_findings(one)
        ranks.events(one)
    with right:
        ranks.ranks(one)
    memorised.memorisation_of(one)
    other_runs.elsewhere(one)
    ranks.nearest_samples(one)
    similar.similar_pictures(one)


def page() -> None:
    """The whole page."""
    view = state.view()
    data = view.data
    ids = view.selected.ids if view.selected else data.ids(view.members)
    current = focus(view, ids)
    steps(view, ids, current)
    if current is None:
        return
    position = data.position(current)
    if position is None:
        known = f"ids {data.sample_id.min()} to {data.sample_id.max()}" if len(data.sample_id) else "none"
        state.problem(
            f"Sample {current} is not in this run: its {view.split} split has {len(data.sample_id):,} samples, "
            f"{known}."
        )
        return
    st.session_state["kept_id"] = current
    state.write_param("id", str(current))
    story(track.Track(view, position))


try:
    page()
except MemgateError as error:
    state.problem(error)
