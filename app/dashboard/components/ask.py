"""Messages for a probe that has no results up to the epoch shown, with the command that runs it."""

from collections.abc import Callable

import streamlit as st

from app.dashboard import sentences
from app.dashboard.results import probe_results
from app.dashboard.view.state import View
from memgate.runs.run import command

Show = Callable[[str], object]
"""Function that shows a sentence: ``st.caption`` or ``st.info``."""


def suggest_command(view: View, probe: str, reason: str, more: str = "", show: Show = st.caption) -> None:
    """Show why there is no result, and the command that computes it.

    Args:
        view: what the page shows.
        probe: its name after ``memgate probe``.
        reason: a sentence.
        more: further arguments of the command.
        show: how the sentence is shown.
    """
    reason = sentences.escaped(reason)
    if view.run.recorded:
        show(f"{reason} This run was trained by another program: memgate has no checkpoint to probe.")
        return
    show(f"{reason} Run this command, then reload the page:")
    st.code(command(f"probe {probe}", view.run.path) + more, language="bash")


def suggest_first_run(view: View, probe: str, missing: str, show: Show = st.caption) -> None:
    """Show that there is no result up to the epoch shown; where a later one exists, point to it instead of a command.

    Args:
        view: what the page shows.
        probe: its name after ``memgate probe``.
        missing: the sentence, without a full stop, such as ``No critical radius is stored``.
        show: how the sentence is shown.
    """
    if probe == probe_results.ROUTING and (never := probe_results.unskippable(view)):
        show(sentences.escaped(never))
        return
    reason = f"{missing} up to epoch {view.epoch}."
    epoch = probe_results.first_later_epoch(view, probe)
    if epoch is None:
        suggest_command(view, probe, reason, show=show)
    else:
        show(
            f"{sentences.escaped(reason)} There is a result of epoch {epoch}: set the epoch in the sidebar to it."
        )
