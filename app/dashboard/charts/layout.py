"""Parts that all figures have in common.

Streamlit sends a figure's typed arrays as they are and lists as text: all arrays are float32 or int32. Epochs in which
no sample was seen, and empty bins, are gaps (NaN), never 0.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from app.dashboard import palette
from app.dashboard.group_curves import Band, Share
from probes.stats.estimate import Estimate

MARGIN = {"l": 58, "r": 8, "t": 26, "b": 40}
"""Plotly's own margins take half of a small figure."""

LEGEND = {"orientation": "h", "yanchor": "bottom", "y": 1.0, "xanchor": "left", "x": 0, "font": {"size": 11}}

CONFIG = {"displaylogo": False, "modeBarButtonsToRemove": ["lasso2d", "autoScale2d"]}
"""Plotly's buttons, for ``st.plotly_chart(config=)``."""


def f4(values: NDArray) -> NDArray[np.float32]:
    """Values as float32, as they are sent to the browser."""
    return np.ascontiguousarray(values, np.float32)


def epoch_axis(epochs: NDArray) -> dict[str, Any]:
    """Axis of epochs with whole numbers; a single epoch needs a range, or Plotly shows fractions around it."""
    axis: dict[str, Any] = {"title": {"text": "epoch", "standoff": 4}}
    if len(epochs) <= 10:
        axis |= {"tickmode": "array", "tickvals": np.asarray(epochs, np.int32)}
    if len(epochs) == 1:
        axis["range"] = [float(epochs[0]) - 0.6, float(epochs[0]) + 0.6]
    return axis


def lines(epochs: NDArray) -> str:
    """Plotly's mode for a line; a single point is a marker."""
    return "lines" if len(epochs) > 1 else "markers"


def log_counts(counts: NDArray) -> NDArray[np.float32]:
    """Counts on the logarithmic colour scale of :func:`count_scale`; an empty cell is a gap."""
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


def ends(shares: Sequence[Estimate]) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Values, lower and upper ends of estimates [n]; NaN where undefined."""
    columns = zip(*((one.value, one.low, one.high) for one in shares), strict=True)
    value, low, high = (
        np.array([np.nan if number is None else number for number in column], np.float32)
        for column in columns
    )
    return value, low, high


def add_band(
    figure: go.Figure,
    x: NDArray,
    low: NDArray,
    high: NDArray,
    colour: str,
    name: str,
    group: str | None = None,
) -> None:
    """Draw the band between two curves.

    Args:
        figure: to draw into.
        x: [n].
        low: [n].
        high: [n].
        colour: of the band, ``#RRGGBB``.
        name: of the line that the band belongs to.
        group: of the legend; None for none.
    """
    for bound, fill in ((high, None), (low, "tonexty")):
        figure.add_scatter(
            x=x, y=f4(bound), mode="lines", line={"width": 0}, fill=fill,
            fillcolor=palette.translucent(colour, 0.18), legendgroup=group, showlegend=False, hoverinfo="skip",
            name=f"{name} band",
        )  # fmt: skip


def add_share(
    figure: go.Figure,
    epochs: NDArray,
    name: str,
    share: Share | Band,
    colour: str,
    dash: str,
    band: bool = True,
    number: str = ".1%",
) -> None:
    """Draw a share or another mean over the epochs, with its 95 % interval as a band or in the hover text only.

    Args:
        figure: to draw into.
        epochs: [E].
        name: in the legend.
        share: what is drawn.
        colour: of line and band.
        dash: of the line.
        band: whether the interval is drawn.
        number: format of a value in the hover text.
    """
    x = np.asarray(epochs, np.int32)
    if band:
        add_band(figure, x, share.low, share.high, colour, name, group=name)
    figure.add_scatter(
        x=x, y=f4(share.value), name=name, legendgroup=name, mode=lines(epochs),
        line={"color": colour, "width": 2, "dash": dash}, marker={"color": colour, "size": 9},
        customdata=np.stack([f4(share.low), f4(share.high)], axis=-1),
        hovertemplate=f"{name}: %{{y:{number}}} "
        f"[%{{customdata[0]:{number}}}, %{{customdata[1]:{number}}}]<extra></extra>",
    )  # fmt: skip


def share_layout(figure: go.Figure, epochs: NDArray, title: str, height: int) -> go.Figure:
    """The figure with the layout of shares over the epochs."""
    figure.update_layout(height=height, margin=MARGIN, legend=LEGEND, hovermode="x unified",
                         xaxis=epoch_axis(epochs))  # fmt: skip
    axis_title = {"text": title, "standoff": 12}
    figure.update_yaxes(range=[-0.02, 1.02], tickformat=".0%", title=axis_title)
    return figure
