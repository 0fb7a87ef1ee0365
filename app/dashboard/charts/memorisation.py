"""Figures of the page Memorisation: memorisation scores over the epochs."""

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from app.dashboard import palette
from app.dashboard.charts.layout import LEGEND, MARGIN, add_band, epoch_axis, f4, lines
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
    figure, x = go.Figure(), np.asarray(epochs, np.int32)
    for name, (cause, band) in bands.items():
        look = cause if cause in palette.CAUSE_COLOURS else "unknown"
        colour, dash = palette.CAUSE_COLOURS[look], palette.CAUSE_DASHES[look]
        add_band(figure, x, band.low, band.high, colour, name, group=name)
        figure.add_scatter(
            x=x, y=f4(band.value), name=name, legendgroup=name, mode=lines(epochs),
            line={"color": colour, "width": 2, "dash": dash}, marker={"color": colour, "size": 9},
            customdata=np.stack([f4(band.low), f4(band.high)], axis=-1),
            hovertemplate=name + ": %{y:.3f} [%{customdata[0]:.3f}, %{customdata[1]:.3f}]<extra></extra>",
        )  # fmt: skip
    figure.add_hline(y=0, line={"color": palette.SKIPPED, "width": 1.5, "dash": "dot"})
    figure.add_vline(x=cursor, line={"color": palette.SKIPPED, "width": 1})
    figure.update_layout(height=height, margin=MARGIN, legend=LEGEND, hovermode="x unified", showlegend=len(bands) > 1,
                         xaxis=epoch_axis(epochs))  # fmt: skip
    figure.update_yaxes(title={"text": title, "standoff": 12})
    return figure
