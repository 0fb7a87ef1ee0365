"""Figures of the page Overview: the gate's evolution, and shares over the epochs."""

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from app import palette
from app.charts.layout import MARGIN, add_share, count_scale, epoch_axis, f4, log_counts, share_layout
from app.curves import Share
from memgate.logformat import ROUTED_ABOVE


def evolution(epochs: NDArray, edges: NDArray, counts: NDArray, height: int = 330) -> go.Figure:
    """Heatmap of g over the epochs, to be brushed: colour is the number of samples, on a logarithmic scale.

    Args:
        epochs: [E].
        edges: [bins + 1] of g.
        counts: [bins, E].
        height: in pixels.
    """
    top, bar = count_scale(int(counts.max(initial=1)))
    figure = go.Figure(
        go.Heatmap(
            x=np.asarray(epochs, np.int32),
            y=f4((edges[:-1] + edges[1:]) / 2),
            z=log_counts(counts),
            customdata=np.asarray(counts, np.int32),
            zmin=0,
            zmax=top,
            colorscale=palette.DENSITY,
            hoverongaps=False,
            hovertemplate="epoch %{x}, g near %{y:.2f}: %{customdata} samples<extra></extra>",
            colorbar=bar,
        )
    )
    figure.add_hline(y=ROUTED_ABOVE, line={"color": palette.CORRUPTED, "width": 2, "dash": "dash"})
    figure.update_layout(height=height, margin=MARGIN, dragmode="select", xaxis=epoch_axis(epochs))
    figure.update_xaxes(showgrid=False)
    title = {"text": "gate value g", "standoff": 16}
    figure.update_yaxes(range=[edges[0], edges[-1]], title=title, showgrid=False)
    return figure


def shares(epochs: NDArray, found: Mapping[str, Share], rate: float, height: int = 330) -> go.Figure:
    """Share routed to the block by cause, each with its Wilson band, and the share corrupted as a dotted line.

    Args:
        epochs: [E].
        found: cause to share.
        rate: share of the samples that is corrupted; 0 draws no line.
        height: in pixels.
    """
    figure = go.Figure()
    for cause, share in found.items():
        add_share(figure, epochs, cause, share, palette.CAUSE_COLOURS[cause], palette.CAUSE_DASHES[cause])
    if rate > 0:
        figure.add_hline(y=rate, line={"color": palette.SKIPPED, "width": 1.5, "dash": "dot"},
                         annotation={"text": f"share corrupted {rate:.1%}", "font": {"size": 11}},
                         annotation_position="bottom right")  # fmt: skip
    return share_layout(figure, epochs, "share routed", height)


def accuracies(epochs: NDArray, found: Mapping[str, tuple[str, str, Share]], height: int = 300) -> go.Figure:
    """Accuracies over the epochs.

    Args:
        epochs: [E].
        found: name to (colour, dash, share).
        height: in pixels.
    """
    figure = go.Figure()
    for name, (colour, dash, share) in found.items():
        add_share(figure, epochs, name, share, colour, dash, band=False)
    return share_layout(figure, epochs, "accuracy", height)
