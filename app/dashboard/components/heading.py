"""Headings of charts and tables, with a help mark that defines the terms they use."""

import streamlit as st

from app.dashboard.glossary import definitions


def heading(title: str, note: str = "", *terms: str) -> None:
    """Show a bold title, a note after it, and a help mark.

    Args:
        title: Markdown; class names and other text of the user are escaped by the caller.
        note: how to read or use what follows; nothing by default.
        terms: keys of :data:`app.dashboard.glossary.TERMS` that the help mark defines; none, no mark.
    """
    st.markdown(f"**{title}**" + (f" · {note}" if note else ""), help=definitions(*terms) or None)
