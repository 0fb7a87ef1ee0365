"""Figures of the page Explorer: every sample as a point, and the histogram of one score."""

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from app.dashboard import palette
from app.dashboard.charts.layout import CONFIG, LEGEND, MARGIN, f4
from app.dashboard.sentences import html_escaped

BRUSH = {**CONFIG, "modeBarButtonsToRemove": ["autoScale2d"], "displayModeBar": True}
"""Plotly's configuration: the buttons for box, lasso and pan are always shown, since they select samples."""

POINTS = tuple[NDArray[np.integer], NDArray[np.float64], NDArray[np.float64]]
"""Sample ids, x and y, each [n]."""

BINS = 60


def scatter(
    points: Mapping[str, POINTS], x: str, y: str, log_x: bool = False, height: int = 430
) -> go.Figure:
    """Scatter plot of samples to select, or in the mode "pan" to click; the sample id is customdata.

    Args:
        points: cause to ids and finite x and y; later causes lie above earlier ones.
        x: title of the axis.
        y: likewise.
        log_x: a logarithmic scale; all x are above 0.
        height: in pixels.
    """
    figure = go.Figure()
    for cause, (ids, across, up) in points.items():
        figure.add_scattergl(
            x=f4(across), y=f4(up), customdata=np.asarray(ids, np.int32), mode="markers",
            name=f"{cause} ({len(ids):,})",
            marker={"color": palette.CAUSE_COLOURS[cause], "symbol": palette.CAUSE_SYMBOLS[cause],
                    "size": 5 if len(ids) < 5000 else 4, "opacity": 0.6},
            hovertemplate=f"sample %{{customdata}}, {cause}<br>%{{x:.4g}}, %{{y:.4g}}<extra></extra>",
        )  # fmt: skip
    # Below the chart, since the buttons are above it. Not to be clicked: the filter hides samples everywhere.
    legend = {**LEGEND, "itemsizing": "constant", "itemclick": False, "itemdoubleclick": False,
              "yanchor": "top", "y": -50 / height}  # fmt: skip
    figure.update_layout(height=height, margin={**MARGIN, "t": 30, "b": 66}, dragmode="select", legend=legend,
                         hovermode="closest", showlegend=True)  # fmt: skip
    figure.update_xaxes(
        title={"text": html_escaped(x), "standoff": 4}, type="log" if log_x else "linear", zeroline=False
    )
    figure.update_yaxes(title={"text": html_escaped(y), "standoff": 14}, zeroline=False)
    return figure


def bins(values: NDArray[np.float64], log: bool = False) -> NDArray[np.float64]:
    """Edges of about :data:`BINS` bins over finite numbers; whole numbers lie in the middle of equal bins.

    Args:
        values: [n], at least one; above 0 for ``log``.
        log: bins of equal ratio.
    """
    low, high = float(values.min()), float(values.max())
    if (values == np.round(values)).all():
        step = -(-(high - low + 1) // BINS)
        return np.arange(low - 0.5, high + step, step)
    if low == high:
        return np.array([low - abs(low) / 100, high + abs(high) / 100])
    return np.geomspace(low, high, BINS + 1) if log else np.linspace(low, high, BINS + 1)


def histogram(
    edges: NDArray[np.float64],
    counts: Mapping[str, tuple[str, str, NDArray[np.integer]]],
    x: str,
    log_x: bool = False,
    height: int = 200,
) -> go.Figure:
    """Histogram of each group as step curves, in which a range of x can be selected.

    Args:
        edges: [bins + 1].
        counts: group to (colour, dash, counts [bins]).
        x: title of the axis.
        log_x: a logarithmic scale.
        height: in pixels.
    """
    figure = go.Figure()
    for group, (colour, dash, count) in counts.items():
        steps = np.concatenate([[0], np.repeat(count, 2), [0]])
        figure.add_scatter(
            x=f4(np.repeat(edges, 2)), y=np.asarray(steps, np.int32), mode="lines", name=group,
            line={"color": colour, "width": 2, "dash": dash}, fill="tozeroy",
            fillcolor=palette.translucent(colour, 0.15),
            hovertemplate=f"{group}: %{{y:,}} samples near %{{x:.3g}}<extra></extra>",
        )  # fmt: skip
    figure.update_layout(height=height, margin=MARGIN, legend=LEGEND, dragmode="select", showlegend=True,
                         selectdirection="h")  # fmt: skip
    figure.update_xaxes(
        title={"text": html_escaped(x), "standoff": 4}, type="log" if log_x else "linear", zeroline=False
    )
    figure.update_yaxes(title={"text": "samples", "standoff": 8}, rangemode="tozero", fixedrange=True)
    return figure
