"""Figures of the page Overview: heatmaps of g and H, shares and losses over the epochs."""

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from app.dashboard import palette
from app.dashboard.charts.layout import (
    LEGEND,
    MARGIN,
    add_band,
    add_share,
    count_scale,
    epoch_axis,
    f4,
    lines,
    log_counts,
    share_layout,
)
from app.dashboard.group_curves import Band, Share
from memgate.config.model import ROUTED_ABOVE


def evolution(
    epochs: NDArray, edges: NDArray, counts: NDArray, height: int = 290, quantity: str = "gate"
) -> go.Figure:
    """Heatmap of g (or H) over the epochs: colour is the number of samples, on a logarithmic scale.

    Args:
        epochs: [E].
        edges: [bins + 1] of g.
        counts: [bins, E].
        height: in pixels.
        quantity: ``gate``, in which boxes can be drawn, or ``entropy``.
    """
    letter, unit = ("g", "gate value g") if quantity == "gate" else ("H", "gate entropy H (nats)")
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
            hovertemplate=f"epoch %{{x}}, {letter} near %{{y:.2f}}: %{{customdata}} samples<extra></extra>",
            colorbar=bar,
        )
    )
    if quantity == "gate":
        figure.add_hline(y=ROUTED_ABOVE, line={"color": palette.CORRUPTED, "width": 2, "dash": "dash"})
        figure.update_layout(dragmode="select")
    figure.update_layout(height=height, margin=MARGIN, xaxis=epoch_axis(epochs))
    figure.update_xaxes(showgrid=False)
    title = {"text": unit, "standoff": 16}
    figure.update_yaxes(range=[edges[0], edges[-1]], title=title, showgrid=False)
    return figure


def shares(epochs: NDArray, by_cause: Mapping[str, Share], rate: float, height: int = 290) -> go.Figure:
    """Share routed through the block by cause, each with its Wilson band, and the share corrupted as a dotted line.

    Args:
        epochs: [E].
        by_cause: cause to share.
        rate: share of the samples that is corrupted; 0 draws no line.
        height: in pixels.
    """
    figure = go.Figure()
    for cause, share in by_cause.items():
        add_share(figure, epochs, cause, share, palette.CAUSE_COLOURS[cause], palette.CAUSE_DASHES[cause])
    if rate > 0:
        figure.add_hline(y=rate, line={"color": palette.SKIPPED, "width": 1.5, "dash": "dot"},
                         annotation={"text": f"share corrupted {rate:.1%}", "font": {"size": 11}},
                         annotation_position="bottom right")  # fmt: skip
    return share_layout(figure, epochs, "share routed", height)


def accuracies(epochs: NDArray, curves: Mapping[str, tuple[str, str, Share]], height: int = 300) -> go.Figure:
    """Accuracies over the epochs.

    Args:
        epochs: [E].
        curves: name to (colour, dash, share).
        height: in pixels.
    """
    figure = go.Figure()
    for name, (colour, dash, share) in curves.items():
        add_share(figure, epochs, name, share, colour, dash, band=False)
    return share_layout(figure, epochs, "accuracy", height)


def means(
    epochs: NDArray, bands: Mapping[tuple[str, str], Band], quantity: str = "loss", height: int = 300
) -> go.Figure:
    """Mean loss (or MACs) of groups over the epochs, each with its 95 % band.

    Args:
        epochs: [E].
        bands: (``clean`` or ``corrupted``, ``routed``, ``skipped`` or empty) to its means.
        quantity: ``loss`` or ``macs``.
        height: in pixels.
    """
    title, form = ("mean MACs", "%{y:.4s}") if quantity == "macs" else ("mean loss (nats)", "%{y:.3f} nats")
    figure = go.Figure()
    for (state, route), band in bands.items():
        colour, dash = palette.CAUSE_COLOURS[state], "dash" if route == "skipped" else "solid"
        name = f"{state}, {route} ({band.n:,})" if route else f"{state} ({band.n:,})"
        add_band(figure, np.asarray(epochs, np.int32), band.low, band.high, colour, name)
        figure.add_scatter(
            x=np.asarray(epochs, np.int32), y=f4(band.value), name=name, mode=lines(epochs),
            line={"color": colour, "width": 2, "dash": dash}, marker={"color": colour, "size": 9},
            hovertemplate=f"{name}: {form}<extra></extra>",
        )  # fmt: skip
    figure.update_layout(height=height, margin=MARGIN, legend=LEGEND, hovermode="x unified",
                         xaxis=epoch_axis(epochs))  # fmt: skip
    # The part of the MACs that every sample needs is no reason to press the groups together.
    mode, ticks = ("normal", "~s") if quantity == "macs" else ("tozero", None)
    figure.update_yaxes(rangemode=mode, tickformat=ticks, title={"text": title, "standoff": 12})
    return figure


def first_skips(
    epochs: NDArray, groups: Mapping[str, tuple[NDArray[np.int32], int]], height: int = 300
) -> go.Figure:
    """Share of each group that has been skipped at least once, over the epochs.

    Args:
        epochs: [E].
        groups: ``clean`` or ``corrupted`` to the counts [E] of first skips, and the number never skipped.
        height: in pixels.
    """
    figure = go.Figure()
    for state, (counts, never) in groups.items():
        n = int(counts.sum()) + never
        figure.add_scatter(
            x=np.asarray(epochs, np.int32), y=f4(np.cumsum(counts) / max(n, 1)), mode=lines(epochs),
            name=f"{state} ({never:,} of {n:,} never)",
            line={"color": palette.CAUSE_COLOURS[state], "width": 2, "shape": "hv",
                  "dash": "solid" if state == "clean" else "dash"},
            marker={"color": palette.CAUSE_COLOURS[state], "size": 9},
            hovertemplate=state + ": %{y:.1%} skipped at least once<extra></extra>",
        )  # fmt: skip
    return share_layout(figure, epochs, "share skipped so far", height)
