"""Parts of a page, of which one is drawn; the URL names it, so that a link leads to the same part."""

from collections.abc import Mapping

import streamlit as st

from app.dashboard.view.state import write_param
from app.dashboard.view.url import Address

PARAM = "show"


def section(options: Mapping[str, str]) -> str:
    """Name of the part to draw: the URL's, else the last one, else the first.

    Args:
        options: name in the URL to its title.
    """
    address = Address()
    chosen = address.choice(PARAM, list(options), "part")
    address.write()
    st.session_state[PARAM] = chosen
    st.space("xsmall")  # the header of the page would cut off a widget without a label
    st.segmented_control(
        "Part of the page",
        list(options),
        key=PARAM,
        format_func=lambda name: options[name],
        required=True,
        label_visibility="collapsed",
        on_change=_chosen,
    )
    return chosen


def _chosen() -> None:
    write_param(PARAM, st.session_state[PARAM])
