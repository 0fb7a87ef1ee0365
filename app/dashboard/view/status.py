"""The lower part of the sidebar: how many samples match and are selected, cohorts, and new epochs of the log."""

import streamlit as st

from app.dashboard import logs, run_folders, sentences
from app.dashboard.view import selection
from app.dashboard.view.selection import Selection
from app.dashboard.view.state import View, clear_selection, keep, problem
from memgate.errors import MemgateError
from probes.samples.cohorts import Cohort, cohort_names, load_cohort, save_cohort

POLL_SECONDS = 5


def show_status(shown: View) -> None:
    """Show the numbers of samples that match and are selected, cohorts, and the state of the log."""
    st.caption(f"{int(shown.members.sum()):,} of {len(shown.data):,} samples match the filter")
    chosen = shown.selected
    if chosen:
        name = f"cohort {chosen.cohort}: " if chosen.cohort else ""
        st.caption(f"{len(chosen.ids):,} selected: {sentences.escaped(name + chosen.how)}")
        st.button("Clear selection", key="clear_selection", on_click=clear_selection)
    _cohorts(shown)
    st.caption(f"{len(shown.data.epochs)} of {len(shown.log.planned)} logged epochs shown")
    try:
        running = run_folders.status(shown.run).state == "running"
    except MemgateError as error:
        problem(error)
        running = False
    # Polling opens the log for a millisecond, without its lock: it cannot disturb the training.
    st.fragment(_refresh, run_every=POLL_SECONDS if running else None)(shown)
    if shown.data.torn:
        torn = ", ".join(map(str, shown.data.torn[:10]))
        st.warning(f"Damaged in the log and left out: epoch {torn}.", icon=":material/warning:")


def _cohorts(shown: View) -> None:
    """Widgets that save the selection under a name, or load a saved one."""
    names = cohort_names(shown.run)
    chosen = shown.selected
    if not names and not chosen:
        return
    with st.popover("Cohorts", icon=":material/bookmark:"):
        if chosen and chosen.cohort is None:
            with st.form("save_cohort", border=False):
                name = st.text_input("Save the selection as", key="cohort_name", max_chars=64)
                if st.form_submit_button("Save") and name:
                    save_selection(shown, chosen, name)
        for name in names:
            st.button(sentences.escaped(name), key=f"cohort_{name}", on_click=_load, args=(shown, name))


def save_selection(shown: View, chosen: Selection, name: str) -> None:
    """Save the selection as a cohort of the run and draw the page again, or show what is wrong with its name."""
    try:
        saved = Cohort(name, shown.split, tuple(chosen.ids.tolist()), chosen.how)
        save_cohort(shown.run, saved)
    except MemgateError as error:
        problem(error)
        return
    keep(selection.from_cohort(shown.run.name, saved))
    st.rerun()


def _load(shown: View, name: str) -> None:
    """Select a saved cohort, and switch to its split."""
    try:
        cohort = load_cohort(shown.run, name)
    except MemgateError as error:
        problem(error)
        return
    st.session_state["pick_split"] = cohort.split
    if cohort.split != shown.split:
        st.session_state["picked"] = "split"
    st.session_state["chosen"] = name


def _refresh(shown: View) -> None:
    """A button to refresh where the log has more epochs than the page shows."""
    try:
        now = logs.stamp(shown.run)
        if now == shown.at:
            return
        new = logs.epoch_count(shown.run, shown.split) - len(shown.data.epochs)
    except MemgateError as error:
        problem(error)
        return
    if new == 0 and now.inode == shown.at.inode:
        return
    text = f"{new} new epoch{'' if new == 1 else 's'}: refresh" if new > 0 else "The log has changed: refresh"
    if st.button(text, key="refresh", icon=":material/refresh:", type="primary"):
        st.session_state["stamps"][str(shown.run.path)] = now
        st.rerun(scope="app")
