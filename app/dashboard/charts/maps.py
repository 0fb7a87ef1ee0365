"""Figure of the page Map: every sample as a point, coloured by a group or by a score."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.colors import qualitative, sample_colorscale

from app.dashboard import palette
from app.dashboard.charts.layout import LEGEND, f4
from app.dashboard.sentences import html_escaped

HEIGHT = 560

FEW_CLASSES = 10
"""Up to this number classes have the colours of plotly's T10, up to 24 those of Dark24; more share a rainbow."""

LEGEND_ENTRIES = 24
"""With more groups than this there is no legend: the name is in the hover text."""


FEW_RINGS = 400
"""With more selected points than this the rings are thin, so that the colours can be seen."""


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


def class_colours(count: int) -> list[str]:
    """A colour for each of ``count`` classes."""
    if count <= FEW_CLASSES:
        return list(qualitative.T10[:count])
    if count <= len(qualitative.Dark24):
        return list(qualitative.Dark24[:count])
    return [str(colour) for colour in sample_colorscale("Turbo", list(np.linspace(0, 1, count)))]


def grouped(groups: Mapping[str, tuple[Points, Look]], selected: Points) -> go.Figure:
    """Map coloured by group; the sample id is customdata.

    Args:
        groups: name to its points and their look; later groups lie above earlier ones.
        selected: points that get a ring.
    """
    figure, size = go.Figure(), _size(sum(len(points) for points, _ in groups.values()))
    for name, (points, look) in groups.items():
        title = html_escaped(name)
        marker = {"color": look.colour, "symbol": look.symbol, "size": size, "opacity": 0.7}
        _add(figure, points, f"{title} ({len(points):,})", marker, f"%{{customdata}}, {title}")
    figure.update_layout(showlegend=len(groups) <= LEGEND_ENTRIES)
    return _finished(figure, selected)


def scored(points: Points, values: NDArray[np.floating], title: str, selected: Points) -> go.Figure:
    """Map coloured by a number; samples without one are grey crosses below the others.

    Args:
        points: [n].
        values: of each [n]; not finite where there is none. Beyond the 1st and 99th percentile colours do not change.
        title: of the colour bar.
        selected: points that get a ring.
    """
    figure, size, known = go.Figure(), _size(len(points)), np.isfinite(values)
    if not known.all():
        marker = {"color": palette.MISSING, "symbol": "x", "size": size}
        _add(
            figure,
            points.of(~known),
            f"no value ({int((~known).sum()):,})",
            marker,
            "%{customdata}, no value",
        )
    if known.any():
        low, high = np.percentile(values[known], [1, 99])
        marker = {
            "color": f4(values[known]), "colorscale": palette.DENSITY, "cmin": float(low), "cmax": float(high),
            "size": size, "opacity": 0.8, "showscale": True,
            "colorbar": {"title": {"text": html_escaped(title), "side": "right"}, "thickness": 12, "xpad": 4},
        }  # fmt: skip
        shown = f"%{{customdata}}, {html_escaped(title)} %{{marker.color:.4g}}"
        _add(figure, points.of(known), f"with a value ({int(known.sum()):,})", marker, shown)
    figure.update_layout(showlegend=not known.all())
    return _finished(figure, selected)


def _size(count: int) -> int:
    return 6 if count < 2000 else 4 if count < 10000 else 3


def _add(figure: go.Figure, points: Points, name: str, marker: Mapping[str, Any], hover: str) -> None:
    figure.add_scattergl(
        x=f4(points.x), y=f4(points.y), customdata=np.asarray(points.ids, np.int32), mode="markers", name=name,
        marker=marker, hovertemplate=f"sample {hover}<extra></extra>",
    )  # fmt: skip


def _finished(figure: go.Figure, selected: Points) -> go.Figure:
    """The figure with rings around the selected points, and without ticks: the numbers of a map mean nothing."""
    if len(selected):
        size, width = (10, 1.5) if len(selected) <= FEW_RINGS else (6, 0.5)
        ring = {"color": "rgba(0,0,0,0)", "size": size, "line": {"color": "#000000", "width": width}}
        figure.add_scattergl(
            x=f4(selected.x), y=f4(selected.y), mode="markers", name=f"selected ({len(selected):,})",
            marker={**ring, "symbol": "circle"}, hoverinfo="skip",
        )  # fmt: skip
    figure.update_layout(
        height=HEIGHT, margin={"l": 8, "r": 8, "t": 30, "b": 8}, dragmode="lasso", hovermode="closest",
        legend={**LEGEND, "itemsizing": "constant", "itemclick": False, "itemdoubleclick": False, "yanchor": "top",
                "y": -0.01},
    )  # fmt: skip
    axis = {"showticklabels": False, "showgrid": False, "zeroline": False, "title": {"text": ""}}
    figure.update_xaxes(**axis)
    figure.update_yaxes(**axis, scaleanchor="x")  # a distance looks the same in every direction
    return figure
