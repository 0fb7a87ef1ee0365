"""The server's process: imports the modules that every page needs, then runs Streamlit."""

import importlib

import numpy as np

NEEDED = (
    "pandas",
    "plotly.subplots",
    "scipy.stats",
    "memgate.runs.pictures",
    "probes.export.export",
    "probes.report.report",
)
"""Modules that take seconds to import: imported before the browser opens the first page, not after."""


def preload() -> None:
    """Import the modules of :data:`NEEDED`, and make a figure: Plotly loads its parts with the first one."""
    for name in NEEDED:
        importlib.import_module(name)
    from app.dashboard.charts import overview

    overview.first_skips(np.array([1, 2]), {"clean": (np.array([1, 0], np.int32), 1)})


def main() -> None:
    """Run the server with the arguments of ``streamlit``."""
    from streamlit.web.cli import main as serve

    preload()
    serve()


if __name__ == "__main__":
    main()
