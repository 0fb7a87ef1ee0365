"""What all figures share.

Streamlit sends a figure's typed arrays as they are and lists as text: everything goes in as float32 or int32.
Epochs that nobody was seen in, and bins that hold nobody, are gaps (NaN), never 0.
"""

from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from app.dashboard import palette
from app.dashboard.group_curves import Share

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


def log_counts(counts: NDArray) -> NDArray[np.float32]:
    """Counts on the logarithmic colour scale of :func:`count_scale`; a cell that holds nobody is a gap."""
    with np.errstate(divide="ignore"):
        return f4(np.where(counts > 0, np.log10(counts), np.nan))


def count_scale(most: int) -> tuple[float, dict[str, Any]]:
    """Upper end of the logarithmic colour scale of counts up to ``most``, and its colour bar; the lower end is 0."""
    top = max(1, int(np.ceil(np.log10(max(most, 1)))))
    ticks = np.arange(top + 1)
    bar = {
        "title": {"text": "samples", "side": "top"},
        "tickvals": ticks.astype(np.int32),
        "ticktext": [f"{10**power:,}" for power in ticks],
        "thickness": 12,
        "len": 1,
        "xpad": 4,
    }
    return float(np.log10(max(most, 10))), bar


def add_share(
    figure: go.Figure, epochs: NDArray, name: str, share: Share, colour: str, dash: str, band: bool = True
) -> None:
    """Draw a share over the epochs, with its 95 % interval as a band or in the hover text only.

    Args:
        figure: to draw into.
        epochs: [E].
        name: in the legend.
        share: what is drawn.
        colour: of line and band.
        dash: of the line.
        band: whether the interval is drawn.
    """
    x = np.asarray(epochs, np.int32)
    for bound, fill in ((share.high, None), (share.low, "tonexty")) if band else ():
        figure.add_scatter(
            x=x, y=f4(bound), mode="lines", line={"width": 0},
            fill=fill, fillcolor=palette.translucent(colour, 0.18), legendgroup=name,
            showlegend=False, hoverinfo="skip", name=f"{name} band",
        )  # fmt: skip
    figure.add_scatter(
        x=x, y=f4(share.value), name=name, legendgroup=name, mode=lines(epochs),
        line={"color": colour, "width": 2, "dash": dash}, marker={"color": colour, "size": 9},
        customdata=np.stack([f4(share.low), f4(share.high)], axis=-1),
        hovertemplate=name + ": %{y:.1%} [%{customdata[0]:.1%}, %{customdata[1]:.1%}]<extra></extra>",
    )  # fmt: skip


def share_layout(figure: go.Figure, epochs: NDArray, title: str, height: int) -> go.Figure:
    """Finish a figure of shares over the epochs."""
    figure.update_layout(height=height, margin=MARGIN, legend=LEGEND, hovermode="x unified",
                         xaxis=epoch_axis(epochs))  # fmt: skip
    axis_title = {"text": title, "standoff": 12}
    figure.update_yaxes(range=[-0.02, 1.02], tickformat=".0%", title=axis_title)
    return figure
