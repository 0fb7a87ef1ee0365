"""Headings of charts and tables, with a help mark that defines the terms they use."""

import streamlit as st

from app.dashboard.glossary import definitions
from app.dashboard.sentences import escaped


def heading(title: str, note: str = "", *terms: str) -> None:
    """Show a bold title, a note after it, and a help mark.

    Args:
        title: plain text, such as the name of a gate.
        note: how to read or use what follows, plain text; nothing by default.
        terms: keys of :data:`app.dashboard.glossary.TERMS` that the help mark defines; none, no mark.
    """
    text = f"**{escaped(title)}**" + (f" · {escaped(note)}" if note else "")
    st.markdown(text, help=definitions(*terms) or None)
