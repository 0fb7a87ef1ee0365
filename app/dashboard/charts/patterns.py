"""Figures of the part Patterns of the page Filters: use of filters, and numbers beside their chance level."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from app.dashboard import palette
from app.dashboard.charts.layout import LEGEND, MARGIN, ends, f4
from app.dashboard.sentences import html_escaped
from probes.gates.usage import Histogram
from probes.stats.estimate import Estimate

STYLES = {
    "gates": (palette.CORRUPTED, "circle"),
    "features": (palette.CLEAN, "diamond"),
    "class alone": (palette.SKIPPED, "square"),
}
"""Vectors to colour and symbol."""


def on_counts(bins: Histogram, title: str, part: str = "filter", height: int = 290) -> go.Figure:
    """Bars: number of filters by the number of samples that turn them on (GaterNet's Fig. 3).

    Args:
        bins: of the filters that differ between samples.
        title: of the axis of samples.
        part: what a gate opens: ``filter`` or ``unit``.
        height: in pixels.
    """
    edges, counts = np.array(bins.edges), np.array(bins.counts)
    figure = go.Figure()
    figure.add_bar(
        x=f4((edges[1:] + edges[:-1]) / 2), y=counts.astype(np.int32), width=f4(np.diff(edges)),
        marker={"color": palette.CLEAN, "line": {"color": "white", "width": 0.5}},
        customdata=np.stack([f4(edges[:-1]), f4(edges[1:])], axis=-1),
        hovertemplate="on for %{customdata[0]:,.0f} to %{customdata[1]:,.0f} samples: %{y:,} "
                      f"{part}s<extra></extra>",
    )  # fmt: skip
    figure.update_layout(height=height, margin=MARGIN, bargap=0, showlegend=False)
    figure.update_xaxes(title={"text": title, "standoff": 4}, range=[edges[0], edges[-1]])
    figure.update_yaxes(title={"text": f"{part}s", "standoff": 12}, rangemode="tozero")
    return figure


def beside_chance(
    by_vectors: Mapping[str, Sequence[Estimate]],
    names: Sequence[str],
    chance: Sequence[float],
    title: str,
    form: str = ".1%",
    height: int = 290,
) -> go.Figure:
    """Numbers with their intervals, of patterns beside those of features, over a dash at the chance level.

    Args:
        by_vectors: a key of :data:`STYLES` to its numbers, one for each name; undefined ones are left out.
        names: of the places on the axis.
        chance: chance level at each.
        title: of the axis of numbers.
        form: Plotly's format of the numbers.
        height: in pixels.
    """
    figure, places = go.Figure(), np.arange(len(names), dtype=np.float32)
    figure.add_scatter(
        x=places, y=f4(np.array(chance)), mode="markers", name="chance",
        hovertemplate=f"chance %{{y:{form}}}<extra></extra>",
        marker={"symbol": "line-ew", "size": 34, "line": {"color": palette.SKIPPED, "width": 2}},
    )  # fmt: skip
    for number, (name, numbers) in enumerate(by_vectors.items()):
        value, low, high = ends(numbers)
        colour, symbol = STYLES[name]
        shift = 0.16 * (number - (len(by_vectors) - 1) / 2)
        figure.add_scatter(
            x=places + np.float32(shift), y=value, mode="markers", name=name,
            marker={"color": colour, "symbol": symbol, "size": 9},
            error_y={"type": "data", "symmetric": False, "array": high - value, "arrayminus": value - low},
            customdata=np.stack([low, high, f4(np.array([one.n for one in numbers]))], axis=-1),
            hovertemplate=f"{name}: %{{y:{form}}} [%{{customdata[0]:{form}}}, %{{customdata[1]:{form}}}], "
                          "%{customdata[2]:,.0f} samples<extra></extra>",
        )  # fmt: skip
    labels = [html_escaped(name) for name in names]
    figure.update_layout(height=height, margin={**MARGIN, "b": 64}, legend=LEGEND, showlegend=True)
    figure.update_xaxes(
        tickmode="array", tickvals=places, ticktext=labels, range=[-0.5, len(names) - 0.5], showgrid=False,
        tickangle=0 if len(names) < 5 else -30,
    )  # fmt: skip
    shares = "%" in form
    figure.update_yaxes(
        title={"text": title, "standoff": 12}, tickformat=".0%" if shares else form,
        rangemode="tozero" if shares else "normal",
    )  # fmt: skip
    return figure
