"""Figures of the page Compare: several runs on shared axes and one colour scale."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from app.dashboard import palette
from app.dashboard.charts.layout import (
    MARGIN,
    add_share,
    count_scale,
    epoch_axis,
    f4,
    lines,
    log_counts,
    share_layout,
)
from app.dashboard.group_curves import Share
from app.dashboard.sentences import html_escaped
from memgate.config.model import ROUTED_ABOVE
from probes.report.curves import Line

DASHES = ("solid", "dash", "dot", "dashdot")
"""Pattern of the line for each run; its colour is that of clean or corrupted."""

DENSITY_BINS = 40


def evolutions(
    runs: Sequence[tuple[str, NDArray, NDArray, NDArray]], gates: Sequence[str], height: int = 270
) -> go.Figure:
    """Heatmaps of g over the epochs side by side: the same colour is the same number of samples everywhere.

    Args:
        runs: for each run its title, epochs [E], edges of the bins [bins + 1], counts [bins, E].
        gates: name of each run's gate.
        height: in pixels.
    """
    titles = [html_escaped(title) for title, *_ in runs]
    figure = make_subplots(rows=1, cols=len(runs), shared_yaxes=True, horizontal_spacing=0.015,
                           subplot_titles=titles)  # fmt: skip
    for column, ((_, epochs, edges, counts), gate) in enumerate(zip(runs, gates, strict=True), start=1):
        name = html_escaped(gate.upper())
        figure.add_trace(
            _heatmap(
                epochs, (edges[:-1] + edges[1:]) / 2, counts,
                f"epoch %{{x}}, g of {name} near %{{y:.2f}}: %{{customdata}} samples<extra></extra>",
            ),
            row=1, col=column,
        )  # fmt: skip
        figure.update_xaxes(showgrid=False, row=1, col=column)
    longest = max((epochs for _, epochs, *_ in runs), key=len)
    first, last = (side([one[end] for _, one, *_ in runs]) for side, end in ((min, 0), (max, -1)))
    axis = epoch_axis(longest) | ({"range": [float(first) - 0.6, float(last) + 0.6]})
    figure.update_layout({f"xaxis{column or ''}": axis for column in ("", *range(2, len(runs) + 1))})
    threshold: Any = {"color": palette.CORRUPTED, "width": 2, "dash": "dash"}
    figure.add_hline(y=ROUTED_ABOVE, line=threshold)
    top = max(float(edges[-1]) for *_, edges, _ in runs)
    figure.update_yaxes(range=[0, top], showgrid=False)
    figure.update_yaxes(title={"text": "gate value g", "standoff": 12}, row=1, col=1)
    figure.update_annotations(font={"size": 12})
    figure.update_layout(height=height, margin=MARGIN, coloraxis=_scale([counts for *_, counts in runs]))
    return figure


def density(gate: NDArray, names: tuple[str, str], height: int = 300) -> go.Figure:
    """Heatmap of the number of samples by g in two runs.

    Args:
        gate: [2, n], NaN left out.
        names: of the two runs.
        height: in pixels.
    """
    x, y = gate[:, ~np.isnan(gate).any(axis=0)]
    top = max(1.0, float(x.max(initial=0)), float(y.max(initial=0)))
    counts, edges, _ = np.histogram2d(x, y, bins=DENSITY_BINS, range=[[0, top], [0, top]])
    middle = (edges[:-1] + edges[1:]) / 2
    hover = "g %{x:.2f} and %{y:.2f}: %{customdata} samples<extra></extra>"
    figure = go.Figure(_heatmap(middle, middle, counts.T, hover))
    threshold = {"color": palette.CORRUPTED, "width": 2, "dash": "dash"}
    figure.add_hline(y=ROUTED_ABOVE, line=threshold)
    figure.add_vline(x=ROUTED_ABOVE, line=threshold)
    titles = [html_escaped(name) for name in names]
    figure.update_xaxes(range=[0, top], title={"text": f"g of {titles[0]}", "standoff": 4}, showgrid=False)
    figure.update_yaxes(range=[0, top], title={"text": f"g of {titles[1]}", "standoff": 12}, showgrid=False)
    figure.update_layout(height=height, margin=MARGIN, coloraxis=_scale([counts]))
    return figure


def shares(
    runs: Sequence[tuple[str, NDArray, Mapping[str, Share]]],
    height: int = 300,
) -> go.Figure:
    """Share routed over the epochs of several runs, clean and corrupted, each with its Wilson band.

    Args:
        runs: for each run its letter, epochs [E], and state (clean, corrupted) to share.
        height: in pixels.
    """
    figure = go.Figure()
    for (letter, epochs, groups), dash in zip(runs, DASHES, strict=False):
        for name, share in groups.items():
            add_share(figure, epochs, f"{letter} {name}", share, palette.CAUSE_COLOURS[name], dash)
    longest = max((epochs for _, epochs, _ in runs), key=len)
    return share_layout(figure, longest, "share routed", height)


def accuracies(curves: Sequence[Line], height: int = 300) -> go.Figure:
    """Test accuracy over the epochs of several runs, imported curves among them.

    Args:
        curves: a curve of each run, at least one.
        height: in pixels.
    """
    figure = go.Figure()
    # The first two colours stand for clean and corrupted in another figure of this page.
    for line, (colour, dash) in zip(curves, palette.SERIES[2:], strict=False):
        figure.add_scatter(
            x=np.asarray(line.epoch, np.int32), y=f4(line.accuracy), name=html_escaped(line.name),
            mode=lines(line.epoch), line={"color": colour, "width": 2, "dash": dash},
            marker={"color": colour, "size": 9}, hovertemplate="%{y:.2%}",
        )  # fmt: skip
    longest = max((line.epoch for line in curves), key=len)
    return share_layout(figure, longest, "test accuracy", height)


def _heatmap(x: NDArray, y: NDArray, counts: NDArray, hover: str) -> go.Heatmap:
    """Heatmap of counts on the figure's logarithmic scale, without empty cells."""
    along = np.asarray(x, np.int32) if np.issubdtype(np.asarray(x).dtype, np.integer) else f4(x)
    return go.Heatmap(
        x=along, y=f4(y), z=log_counts(counts), customdata=np.asarray(counts, np.int32), coloraxis="coloraxis",
        hoverongaps=False, hovertemplate=hover,
    )  # fmt: skip


def _scale(counts: Sequence[NDArray]) -> dict[str, Any]:
    """One logarithmic colour scale for all counts."""
    top, bar = count_scale(max(int(one.max(initial=1)) for one in counts))
    return {"colorscale": palette.DENSITY, "cmin": 0, "cmax": top, "colorbar": bar}
