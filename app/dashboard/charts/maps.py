"""Figure of the page Map: every sample as a point, coloured by a group or by a score."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.colors import qualitative, sample_colorscale

from app.dashboard import palette
from app.dashboard.charts.layout import CONFIG, LEGEND, f4
from app.dashboard.sentences import html_escaped

HEIGHT = 560

FEW_CLASSES = 10
"""Up to this number classes have the colours of plotly's T10, up to 24 those of Dark24; more share a rainbow."""

LEGEND_ENTRIES = 24
"""With more groups than this there is no legend: the name is in the hover text."""


FEW_RINGS = 400
"""Up to this number of selected points have a ring; with more of them the others are pale instead, so that the colours
can be seen."""

DRAWING = {**CONFIG, "displayModeBar": True, "modeBarButtonsToAdd": ["drawclosedpath", "drawrect"]}
"""Plotly's configuration. An outline is drawn as a shape: at a selection of Plotly's the browser compares every point
with it and draws all of them again at each move of the mouse, and then sends back all points that are selected."""

PALE = {"selected": {"marker": {"opacity": 0.8}}, "unselected": {"marker": {"opacity": 0.1}}}
"""Plotly's look of points where some are selected."""


@dataclass(frozen=True, eq=False)
class Points:
    """Some of the samples on a map."""

    ids: NDArray[np.integer]
    """Sample ids [n]."""
    x: NDArray[np.floating]
    y: NDArray[np.floating]

    def of(self, mask: NDArray[np.bool_]) -> "Points":
        """The points of a mask, bool [n]."""
        return Points(self.ids[mask], self.x[mask], self.y[mask])

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Look:
    """How the points of a group are drawn."""

    colour: str
    symbol: str = "circle"


@dataclass(frozen=True, eq=False)
class Group:
    """A group of samples."""

    points: Points
    """Those that are drawn."""
    look: Look
    count: int
    """Samples on the map, drawn or not."""


def class_colours(count: int) -> list[str]:
    """A colour for each of ``count`` classes."""
    if count <= FEW_CLASSES:
        return list(qualitative.T10[:count])
    if count <= len(qualitative.Dark24):
        return list(qualitative.Dark24[:count])
    return [str(colour) for colour in sample_colorscale("Turbo", list(np.linspace(0, 1, count)))]


def grouped(groups: Mapping[str, Group], selected: NDArray[np.integer]) -> go.Figure:
    """Map coloured by group; the sample id is customdata.

    Args:
        groups: by name; later groups lie above earlier ones.
        selected: ids of points that stand out.
    """
    figure, size = go.Figure(), _size(sum(len(group.points) for group in groups.values()))
    for name, group in groups.items():
        title = html_escaped(name)
        marker = {"color": group.look.colour, "symbol": group.look.symbol, "size": size, "opacity": 0.7}
        _add(figure, group.points, f"{title} ({group.count:,})", marker, f"%{{customdata}}, {title}")
    figure.update_layout(showlegend=len(groups) <= LEGEND_ENTRIES)
    return _finished(figure, [group.points for group in groups.values()], selected)


def scored(
    points: Points, values: NDArray[np.floating], title: str, selected: NDArray[np.integer]
) -> go.Figure:
    """Map coloured by a number; samples without one are grey crosses below the others.

    Args:
        points: [n].
        values: of each [n]; not finite where there is none. Beyond the 1st and 99th percentile colours do not change.
        title: of the colour bar.
        selected: ids of points that stand out.
    """
    figure, size, known = go.Figure(), _size(len(points)), np.isfinite(values)
    parts = []
    if not known.all():
        marker = {"color": palette.MISSING, "symbol": "x", "size": size}
        parts.append(points.of(~known))
        _add(figure, parts[-1], f"no value ({len(parts[-1]):,})", marker, "%{customdata}, no value")
    if known.any():
        low, high = np.percentile(values[known], [1, 99])
        marker = {
            "color": f4(values[known]), "colorscale": palette.DENSITY, "cmin": float(low), "cmax": float(high),
            "size": size, "opacity": 0.8, "showscale": True,
            "colorbar": {"title": {"text": html_escaped(title), "side": "right"}, "thickness": 12, "xpad": 4},
        }  # fmt: skip
        shown = f"%{{customdata}}, {html_escaped(title)} %{{marker.color:.4g}}"
        parts.append(points.of(known))
        _add(figure, parts[-1], f"with a value ({len(parts[-1]):,})", marker, shown)
    figure.update_layout(showlegend=not known.all())
    return _finished(figure, parts, selected)


def _size(count: int) -> int:
    return 6 if count < 2000 else 4 if count < 10000 else 3


def _add(figure: go.Figure, points: Points, name: str, marker: Mapping[str, Any], hover: str) -> None:
    ids = np.asarray(points.ids, np.uint16 if points.ids.max(initial=0) < 2**16 else np.int32)
    figure.add_scattergl(
        x=f4(points.x), y=f4(points.y), customdata=ids, mode="markers", name=name, marker=marker,
        hovertemplate=f"sample {hover}<extra></extra>",
    )  # fmt: skip


def _finished(figure: go.Figure, parts: Sequence[Points], selected: NDArray[np.integer]) -> go.Figure:
    """The figure with what stands out, and without ticks: the numbers of a map mean nothing.

    Args:
        figure: with a trace for each of ``parts``.
        parts: its points.
        selected: ids of points that stand out.
    """
    members = [np.isin(points.ids, selected) for points in parts]
    count = sum(int(mask.sum()) for mask in members)
    if count > FEW_RINGS:
        traces: Any = figure.data
        for trace, mask in zip(traces, members, strict=True):
            trace.update(selectedpoints=np.flatnonzero(mask).tolist(), **PALE)
    elif count:
        ring = {"color": "rgba(0,0,0,0)", "size": 10, "line": {"color": "#000000", "width": 1.5}}
        ringed = [points.of(mask) for points, mask in zip(parts, members, strict=True)]
        figure.add_scattergl(
            x=f4(np.concatenate([points.x for points in ringed])),
            y=f4(np.concatenate([points.y for points in ringed])),
            mode="markers", name=f"selected ({count:,})", marker={**ring, "symbol": "circle"}, hoverinfo="skip",
        )  # fmt: skip
    figure.update_layout(
        height=HEIGHT, margin={"l": 8, "r": 8, "t": 30, "b": 8}, dragmode="drawclosedpath", hovermode="closest",
        legend={**LEGEND, "itemsizing": "constant", "itemclick": False, "itemdoubleclick": False, "yanchor": "top",
                "y": -0.01},
        newshape={"line": {"color": "#808080", "width": 2, "dash": "dot"}},
    )  # fmt: skip
    axis = {"showticklabels": False, "showgrid": False, "zeroline": False, "title": {"text": ""}}
    figure.update_xaxes(**axis)
    figure.update_yaxes(**axis, scaleanchor="x")  # a distance looks the same in every direction
    return figure
