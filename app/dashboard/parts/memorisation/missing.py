"""What to type where a run is in no group of subset runs, or where nothing was estimated from its group."""

import shlex

import streamlit as st

from app.dashboard.results import memorisation
from app.dashboard.sentences import escaped
from app.dashboard.view.state import View
from memgate.runs.run import command


def missing(view: View) -> None:
    """Say why there are no estimates, and show the commands that make them."""
    group = memorisation.group_file(view)
    if group is not None:
        st.info(
            escaped(f"Nothing was estimated yet from the group of {view.run.name}.")
            + " Run this command, then reload the page:"
        )
        st.code(command("probe memorisation", group), language="bash")
        return
    st.info(
        escaped(
            f"{view.run.name} is in no group of models that were trained on random subsets, and a single run does not "
            "show what is memorised: how much more probable a sample's label is for a network that was trained on it."
        )
        + " Train a group and estimate, then open one of its runs:"
    )
    folder = view.run.path.parent
    out = "" if str(folder) == "runs" else f" --out {shlex.quote(str(folder))}"
    st.code(
        f"memgate subsets quickstart --models 64 --name memory{out}\nmemgate probe memorisation memory{out}",
        language="bash",
    )
