"""Figures of the page Critical samples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from app.dashboard import palette
from app.dashboard.charts.layout import LEGEND, MARGIN, add_band, ends, epoch_axis, f4
from app.dashboard.sentences import html_escaped
from probes.stats.estimate import Estimate

STYLES = {
    "all": (palette.SKIPPED, "solid", "circle"),
    "unknown": (palette.CAUSE_COLOURS["unknown"], "solid", "circle"),
    "clean": (palette.CLEAN, "solid", "circle"),
    "corrupted": (palette.CORRUPTED, "solid", "diamond"),
    "routed": (palette.ROUTED, "dash", "square"),
    "skipped": (palette.SKIPPED, "dot", "x"),
}
"""Group to colour, dash and symbol."""


HOVER = ": %{y:.1%} [%{customdata[0]:.1%}, %{customdata[1]:.1%}], %{customdata[2]:.0f} samples<extra></extra>"


@dataclass(frozen=True)
class Line:
    """Shares of one group along an axis."""

    x: Sequence[float]
    shares: Sequence[Estimate]


def ratios(by_group: Mapping[str, Line], over: str, marked: float, height: int = 290) -> go.Figure:
    """Critical sample ratio of groups with Wilson bands, over the epochs or over the radius.

    Args:
        by_group: a key of :data:`STYLES` to its line.
        over: ``epoch`` or ``radius``.
        marked: place of a vertical line: the epoch or radius that the other figures show.
        height: in pixels.
    """
    figure = go.Figure()
    for name, line in by_group.items():
        colour, dash, symbol = STYLES[name]
        x = f4(np.array(line.x))
        value, low, high = ends(line.shares)
        add_band(figure, x, low, high, colour, name, group=name)
        figure.add_scatter(
            x=x, y=value, name=name, legendgroup=name, mode="lines+markers",
            line={"color": colour, "dash": dash, "width": 2}, marker={"symbol": symbol, "size": 7, "color": colour},
            customdata=np.stack([low, high, f4(np.array([one.n for one in line.shares]))], axis=-1),
            hovertemplate=name + HOVER,
        )  # fmt: skip
    places = np.unique(np.concatenate([np.array(line.x) for line in by_group.values()] or [np.zeros(0)]))
    if over == "epoch":
        axis = epoch_axis(places) | {"tickmode": "array", "tickvals": places.astype(np.int32)}
    else:
        axis: dict[str, Any] = {"title": {"text": "radius in grey levels", "standoff": 4}, "type": "log"}
        axis |= {"tickmode": "array", "tickvals": f4(places), "ticktext": [f"{place:g}" for place in places]}
    figure.add_vline(x=marked, line={"color": palette.SKIPPED, "width": 1})
    figure.update_layout(height=height, margin=MARGIN, legend=LEGEND, hovermode="x unified", xaxis=axis)
    title = {"text": "share critical", "standoff": 12}
    figure.update_yaxes(range=[-0.02, 1.02], tickformat=".0%", title=title)
    return figure


def radii(by_group: Mapping[str, NDArray], marked: float, height: int = 270, bins: int = 40) -> go.Figure:
    """Histogram of the critical radius of each group; samples without one (inf) are in no bin.

    Args:
        by_group: ``clean`` and ``corrupted`` to radii in grey levels.
        marked: the radius at which a line is drawn.
        height: in pixels.
        bins: number of bins.
    """
    finite = [values[np.isfinite(values)] for values in by_group.values()]
    together = np.concatenate(finite) if finite else np.zeros(0)
    top = max(float(np.percentile(together, 99)) if len(together) else 0.0, 1.2 * marked, 1e-3)
    edges = np.linspace(0, top, bins + 1)
    figure = go.Figure()
    for name, values in by_group.items():
        counts = np.histogram(values, edges)[0]
        figure.add_scatter(
            x=f4(edges), y=f4(np.append(counts, counts[-1]) / max(1, len(values))), name=name, mode="lines",
            line={"shape": "hv", "color": STYLES[name][0], "dash": "solid" if name == "clean" else "dash", "width": 2},
            fill="tozeroy", fillcolor=palette.translucent(STYLES[name][0], 0.15),
            hovertemplate=name + ", radius from %{x:.2f}: %{y:.1%}<extra></extra>",
        )  # fmt: skip
    figure.add_vline(x=marked, line={"color": palette.SKIPPED, "width": 1})
    figure.update_layout(height=height, margin=MARGIN, legend=LEGEND)
    figure.update_xaxes(title={"text": "critical radius in grey levels", "standoff": 4})
    figure.update_yaxes(
        title={"text": "share of the group", "standoff": 12}, tickformat=".0%", rangemode="tozero"
    )
    return figure


def radius_and_gate(
    radius: NDArray, gate: NDArray, groups: Mapping[str, NDArray[np.bool_]], ids: NDArray, height: int = 270
) -> go.Figure:
    """Critical radius over g, a point for each sample.

    Args:
        radius: grey levels [n].
        gate: g at the checkpoint [n].
        groups: ``clean``, ``corrupted`` or ``unknown`` to its members [n].
        ids: [n].
        height: in pixels.
    """
    figure = go.Figure()
    known = np.isfinite(radius) & ~np.isnan(gate)
    for name, members in groups.items():
        colour, _, symbol = STYLES[name]
        members = members & known
        figure.add_scattergl(
            x=f4(gate[members]), y=f4(radius[members]), name=name, mode="markers",
            customdata=ids[members].astype(np.float64),
            marker={"color": colour, "symbol": symbol, "size": 5, "opacity": 0.6},
            hovertemplate="sample %{customdata}: g %{x:.2f}, radius %{y:.2f}<extra></extra>",
        )  # fmt: skip
    figure.update_layout(height=height, margin=MARGIN, legend=LEGEND)
    figure.update_xaxes(title={"text": "gate value g at the checkpoint", "standoff": 4})
    figure.update_yaxes(title={"text": "critical radius", "standoff": 12}, rangemode="tozero")
    return figure


def routes(
    by_group: Mapping[str, Sequence[Estimate]], names: Sequence[str], title: str, height: int = 300
) -> go.Figure:
    """Share along each route for each group, with its 95 % interval.

    Args:
        by_group: a key of :data:`STYLES` to a share for each route.
        names: of the routes.
        title: of the axis.
        height: in pixels.
    """
    figure = go.Figure()
    offsets = np.linspace(-0.15, 0.15, max(2, len(by_group)))
    for shift, (name, row) in zip(offsets, by_group.items(), strict=False):
        colour, _, symbol = STYLES[name]
        value, low, high = ends(row)
        figure.add_scatter(
            x=f4(np.arange(len(names)) + shift), y=value, name=name, mode="markers",
            marker={"color": colour, "symbol": symbol, "size": 10},
            error_y={"type": "data", "symmetric": False, "array": f4(high - value), "arrayminus": f4(value - low)},
            customdata=np.stack([low, high, f4(np.array([one.n for one in row]))], axis=-1),
            hovertemplate=name + HOVER,
        )  # fmt: skip
    figure.update_layout(height=height, margin=MARGIN, legend=LEGEND)
    ticks = [html_escaped(name) for name in names]
    figure.update_xaxes(tickmode="array", tickvals=np.arange(len(names), dtype=np.int32), ticktext=ticks,
                        range=[-0.5, len(names) - 0.5])  # fmt: skip
    figure.update_yaxes(range=[-0.03, 1.03], tickformat=".0%", title={"text": title, "standoff": 12})
    return figure
