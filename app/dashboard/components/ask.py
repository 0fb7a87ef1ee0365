"""What a page says where a probe has found nothing up to the cursor, and the command that changes it."""

from collections.abc import Callable

import streamlit as st

from app.dashboard import sentences
from app.dashboard.results import probe_results
from app.dashboard.view.state import View
from memgate.runs.run import command

Say = Callable[[str], object]
"""How a sentence is shown: ``st.caption`` or ``st.info``."""


def suggest_command(view: View, probe: str, reason: str, more: str = "", say: Say = st.caption) -> None:
    """Why there is nothing, and the command that changes it.

    Args:
        view: what the page shows.
        probe: its name after ``memgate probe``.
        reason: a sentence.
        more: further arguments of the command.
        say: how it is shown.
    """
    reason = sentences.escaped(reason)
    if view.run.recorded:
        say(f"{reason} Another program trained this run: memgate has no network of it to ask.")
        return
    say(f"{reason} This command does it; reload the page after it:")
    st.code(command(f"probe {probe}", view.run.path) + more, language="bash")


def suggest_first_run(view: View, probe: str, what: str, say: Say = st.caption) -> None:
    """That there is nothing up to the cursor: after it there may be, and a command would only do that again.

    Args:
        view: what the page shows.
        probe: its name after ``memgate probe``.
        what: has not been done, without a full stop.
        say: how it is shown.
    """
    if probe == probe_results.ROUTING and (never := probe_results.unskippable(view)):
        say(sentences.escaped(never))
        return
    reason = f"{what} up to epoch {view.epoch}."
    epoch = probe_results.first_later_epoch(view, probe)
    if epoch is None:
        suggest_command(view, probe, reason, say=say)
    else:
        say(f"{sentences.escaped(reason)} A result of epoch {epoch} is there: move the epoch to it.")
