"""Figures of the page Memorisation: memorisation scores over the epochs."""

from collections.abc import Mapping

import plotly.graph_objects as go
from numpy.typing import NDArray

from app.dashboard import palette
from app.dashboard.charts.layout import LEGEND, MARGIN, add_share, epoch_axis
from app.dashboard.group_curves import Band


def over_epochs(
    epochs: NDArray, bands: Mapping[str, tuple[str, Band]], title: str, cursor: int, height: int = 300
) -> go.Figure:
    """Memorisation scores over the epochs, each with its 95 % band.

    Args:
        epochs: [E].
        bands: name in the legend to cause (or ``all``) and values, which are in [-1, 1].
        title: of the y axis.
        cursor: epoch at which a line is drawn.
        height: in pixels.
    """
    figure = go.Figure()
    for name, (cause, band) in bands.items():
        look = cause if cause in palette.CAUSE_COLOURS else "unknown"
        colour, dash = palette.CAUSE_COLOURS[look], palette.CAUSE_DASHES[look]
        add_share(figure, epochs, name, band, colour, dash, number=".3f")
    figure.add_hline(y=0, line={"color": palette.SKIPPED, "width": 1.5, "dash": "dot"})
    figure.add_vline(x=cursor, line={"color": palette.SKIPPED, "width": 1})
    figure.update_layout(height=height, margin=MARGIN, legend=LEGEND, hovermode="x unified", showlegend=len(bands) > 1,
                         xaxis=epoch_axis(epochs))  # fmt: skip
    figure.update_yaxes(title={"text": title, "standoff": 12})
    return figure
