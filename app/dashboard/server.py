"""The server's process: first the imports that every page needs, then Streamlit."""

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
"""What takes seconds to import: they pass before the browser is sent to the first page, not after."""


def preload() -> None:
    """Import what the pages need; Plotly's parts are loaded when a first figure is made."""
    for name in NEEDED:
        importlib.import_module(name)
    from app.dashboard.charts import overview

    overview.first_skips(np.array([1, 2]), {"clean": (np.array([1, 0], np.int32), 1)})


def main() -> None:
    """Serve, with the arguments of ``streamlit``."""
    from streamlit.web.cli import main as serve

    preload()
    serve()


if __name__ == "__main__":
    main()
