"""What all figures share.

Streamlit sends a figure's typed arrays as they are and lists as text: everything goes in as float32 or int32.
Epochs that nobody was seen in, and bins that hold nobody, are gaps (NaN), never 0.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

MARGIN = {"l": 58, "r": 8, "t": 26, "b": 40}
"""Plotly's own margins take half of a small figure."""

LEGEND = {"orientation": "h", "yanchor": "bottom", "y": 1.0, "xanchor": "left", "x": 0, "font": {"size": 11}}

CONFIG = {"displaylogo": False, "modeBarButtonsToRemove": ["lasso2d", "autoScale2d"]}
"""Plotly's buttons, for ``st.plotly_chart(config=)``."""


def f4(values: NDArray) -> NDArray[np.float32]:
    """Values as they are sent to the browser."""
    return np.ascontiguousarray(values, np.float32)


def epoch_axis(epochs: NDArray) -> dict[str, Any]:
    """Whole numbers on the axis; a single epoch gets a range of its own, or Plotly shows fractions around it."""
    axis: dict[str, Any] = {"title": {"text": "epoch", "standoff": 4}}
    if len(epochs) <= 10:
        axis |= {"tickmode": "array", "tickvals": np.asarray(epochs, np.int32)}
    if len(epochs) == 1:
        axis["range"] = [float(epochs[0]) - 0.6, float(epochs[0]) + 0.6]
    return axis


def lines(epochs: NDArray) -> str:
    """One point is no line: show it."""
    return "lines" if len(epochs) > 1 else "markers"
