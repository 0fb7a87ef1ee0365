"""The parts of a page, of which one is drawn: the URL names it, so a link leads to what was seen."""

from collections.abc import Mapping

import streamlit as st

from app.state import problem

PARAM = "show"


def section(options: Mapping[str, str]) -> str:
    """The part to draw: the URL's, else the first.

    Args:
        options: name in the URL to its title.
    """
    first = next(iter(options))
    asked = st.query_params.get(PARAM, first)
    if asked not in options:
        problem(f"There is no part {asked[:40]!r} of this page: there is {', '.join(options)}.")
        asked = first
    st.session_state[PARAM] = asked
    st.space("xsmall")  # the page's head would cut a widget without a label
    st.segmented_control(
        "Part of the page",
        list(options),
        key=PARAM,
        format_func=lambda name: options[name],
        required=True,
        label_visibility="collapsed",
        on_change=_chosen,
    )
    return asked


def _chosen() -> None:
    st.query_params[PARAM] = st.session_state[PARAM]
