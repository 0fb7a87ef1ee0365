"""Figures of the page Overview: the gate's evolution, and shares over the epochs."""

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from app import palette
from app.charts.layout import LEGEND, MARGIN, epoch_axis, f4, lines
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
    with np.errstate(divide="ignore"):
        density = np.where(counts > 0, np.log10(counts), np.nan)
    top = max(1, int(np.ceil(np.log10(max(counts.max(initial=1), 1)))))
    ticks = np.arange(top + 1)
    figure = go.Figure(
        go.Heatmap(
            x=np.asarray(epochs, np.int32),
            y=f4((edges[:-1] + edges[1:]) / 2),
            z=f4(density),
            customdata=np.asarray(counts, np.int32),
            zmin=0,
            zmax=float(np.log10(max(counts.max(initial=1), 10))),
            colorscale=palette.DENSITY,
            hoverongaps=False,
            hovertemplate="epoch %{x}, g near %{y:.2f}: %{customdata} samples<extra></extra>",
            colorbar={
                "title": {"text": "samples", "side": "top"},
                "tickvals": ticks.astype(np.int32),
                "ticktext": [f"{10**power:,}" for power in ticks],
                "thickness": 12,
                "len": 1,
                "xpad": 4,
            },
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
        colour, name = palette.CAUSE_COLOURS[cause], cause
        for bound, fill in ((share.high, None), (share.low, "tonexty")):
            figure.add_scatter(
                x=np.asarray(epochs, np.int32), y=f4(bound), mode="lines", line={"width": 0},
                fill=fill, fillcolor=palette.translucent(colour, 0.18), legendgroup=cause,
                showlegend=False, hoverinfo="skip", name=f"{cause} band",
            )  # fmt: skip
        figure.add_scatter(
            x=np.asarray(epochs, np.int32), y=f4(share.value), name=name, legendgroup=cause,
            mode=lines(epochs), line={"color": colour, "width": 2, "dash": palette.CAUSE_DASHES[cause]},
            marker={"color": colour, "size": 9},
            customdata=np.stack([f4(share.low), f4(share.high)], axis=-1),
            hovertemplate=name + ": %{y:.1%} [%{customdata[0]:.1%}, %{customdata[1]:.1%}]<extra></extra>",
        )  # fmt: skip
    if rate > 0:
        figure.add_hline(y=rate, line={"color": palette.SKIPPED, "width": 1.5, "dash": "dot"},
                         annotation={"text": f"share corrupted {rate:.1%}", "font": {"size": 11}},
                         annotation_position="bottom right")  # fmt: skip
    return _share_layout(figure, epochs, "share routed", height)


def accuracies(epochs: NDArray, found: Mapping[str, tuple[str, str, Share]], height: int = 300) -> go.Figure:
    """Accuracies over the epochs.

    Args:
        epochs: [E].
        found: name to (colour, dash, share).
        height: in pixels.
    """
    figure = go.Figure()
    for name, (colour, dash, share) in found.items():
        figure.add_scatter(
            x=np.asarray(epochs, np.int32), y=f4(share.value), name=name, mode=lines(epochs),
            line={"color": colour, "width": 2, "dash": dash}, marker={"color": colour, "size": 9},
            customdata=np.stack([f4(share.low), f4(share.high)], axis=-1),
            hovertemplate=name + ": %{y:.1%} [%{customdata[0]:.1%}, %{customdata[1]:.1%}]<extra></extra>",
        )  # fmt: skip
    return _share_layout(figure, epochs, "accuracy", height)


def _share_layout(figure: go.Figure, epochs: NDArray, title: str, height: int) -> go.Figure:
    figure.update_layout(height=height, margin=MARGIN, legend=LEGEND, hovermode="x unified",
                         xaxis=epoch_axis(epochs))  # fmt: skip
    axis_title = {"text": title, "standoff": 12}
    figure.update_yaxes(range=[-0.02, 1.02], tickformat=".0%", title=axis_title)
    return figure
