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
    "map": "Map",
    "hardness": "Noise and hardness",
    "critical": "Critical samples",
    "filters": "Filters",
    "memorisation": "Memorisation",
    "compare": "Compare",
    "export": "Export",
    "health": "Log health",
}
# File in views/ to its title; the first opens by default. (A comment: Streamlit shows a text that stands by itself.)


def command_line() -> argparse.Namespace:
    """Folder of the runs and files to join, from the command line; nothing that a browser sends can change them."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--root", type=Path, default=Path("runs"))
    parser.add_argument("--join", action="append", default=[])
    return parser.parse_known_args(sys.argv[1:])[0]


# No icons for the app and its pages: Streamlit would fetch the browser tab's icon from Google.
st.set_page_config(page_title="memgate", layout="wide", initial_sidebar_state=240)
st.html(
    "<style>.stMainBlockContainer {padding: 3.5rem 1.5rem 2rem}\n"
    "[data-testid=stMetricLabel], [data-testid=stMetricLabel] * {white-space: normal !important}\n"
    "[data-testid=stMetricLabel] {min-height: 2.6rem}</style>"
)

pages = [st.Page(f"views/{name}.py", title=title, default=name == "runs") for name, title in PAGES.items()]
page = st.navigation(pages, position="top")
arguments = command_line()
state.open_root(arguments.root)
external.set_joins(arguments.join)
# The list of runs shows all of them: nothing there depends on the run picked in the sidebar.
if page is not pages[0]:
    sidebar()
page.run()
