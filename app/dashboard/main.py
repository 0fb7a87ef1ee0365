"""Entry of the dashboard: ``memgate dashboard [DIR]``, or ``streamlit run app/dashboard/main.py -- --root DIR``."""

import argparse
import sys
from pathlib import Path

import streamlit as st

from app.dashboard.results import external
from app.dashboard.view import state
from app.dashboard.view.sidebar import sidebar

PAGES = {
    "runs": "Runs",
    "overview": "Overview",
    "explorer": "Explorer",
    "gallery": "Gallery",
    "sample": "Sample",
    "hardness": "Noise and hardness",
    "critical": "Critical samples",
    "compare": "Compare",
    "export": "Export",
    "health": "Log health",
}
# File in views/ to its title; the first is what opens. (A comment: Streamlit shows a text that stands by itself.)


def asked() -> argparse.Namespace:
    """The folder of the runs and what to join, from the command line; nothing a browser sends can change it."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--root", type=Path, default=Path("runs"))
    parser.add_argument("--join", action="append", default=[])
    return parser.parse_known_args(sys.argv[1:])[0]


# No icons for the app and its pages: Streamlit would fetch the browser tab's icon from Google.
st.set_page_config(page_title="memgate", layout="wide", initial_sidebar_state=240)
st.html("<style>.stMainBlockContainer {padding: 3.5rem 1.5rem 2rem}</style>")

pages = [st.Page(f"views/{name}.py", title=title, default=name == "runs") for name, title in PAGES.items()]
page = st.navigation(pages, position="top")
arguments = asked()
state.open_root(arguments.root)
external.set_joins(arguments.join)
# The list of runs shows all of them: nothing there depends on the one that the sidebar has picked.
if page is not pages[0]:
    sidebar()
page.run()
