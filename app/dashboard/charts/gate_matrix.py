"""Figures of every gate at every epoch, a row of which can be clicked: of all samples, or of one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from app.dashboard import palette
from app.dashboard.charts.layout import CONFIG, MARGIN, epoch_axis, f4
from app.dashboard.group_curves import GateMeans
from app.dashboard.sentences import html_escaped

Quantity = Literal["mean", "routed", "difference"]

TITLES: dict[Quantity, str] = {
    "mean": "mean g",
    "routed": "share routed",
    "difference": "mean g, corrupted minus clean",
}
"""Colour of the matrix to its title."""

CLICKED = {**CONFIG, "modeBarButtonsToRemove": ["select2d", *CONFIG["modeBarButtonsToRemove"]]}
"""Plotly's configuration: gates are clicked, not framed."""

LABEL, AXIS = 13, 54
"""Pixels that the name of a gate and the axis of epochs take."""


@dataclass(frozen=True)
class _Colours:
    title: str
    values: NDArray[np.float64]
    """[G, E]."""
    numbers: tuple[NDArray, ...]
    """Further numbers of the hover text, each [G, E]."""
    hover: str
    scale: Any
    low: float
    high: float
    ticks: str


def gate_matrix(
    epochs: NDArray, gates: Sequence[str], means: GateMeans, quantity: Quantity, chosen: int
) -> go.Figure:
    """Heatmap of gates over the epochs, the first gate at the top; y of a clicked point is the gate's place.

    Args:
        epochs: [E].
        gates: names of the G gates, in the order of the forward pass.
        means: of these gates and epochs.
        quantity: what is coloured.
        chosen: place of the gate that is framed.
    """
    return _matrix(epochs, gates, _colours(means, quantity), chosen)


def sample_matrix(epochs: NDArray, gates: Sequence[str], values: NDArray, chosen: int) -> go.Figure:
    """:func:`gate_matrix` of the gate values g of one sample.

    Args:
        epochs: [E].
        gates: names of the G gates, in the order of the forward pass.
        values: g [G, E]; NaN where the sample was not seen.
        chosen: place of the gate that is framed.
    """
    colours = _Colours("g", values, (), "g = %{customdata[0]:.3g}", palette.SHARE, 0, _top(values), "")
    return _matrix(epochs, gates, colours, chosen, 260)


def _matrix(
    epochs: NDArray, gates: Sequence[str], colours: _Colours, chosen: int, pixels: int = 440
) -> go.Figure:
    """The figure; many gates have ``pixels`` together."""
    count = len(gates)
    height = float(np.clip(round(pixels / count), 4, 28)) * count
    x, names = np.asarray(epochs, np.int32), np.array([html_escaped(gate.upper()) for gate in gates])
    title = {"text": colours.title, "side": "right"}
    figure = go.Figure(
        go.Heatmap(
            x=x, y=np.arange(count, dtype=np.int32), z=f4(colours.values), colorscale=colours.scale,
            zmin=colours.low, zmax=colours.high, hoverinfo="skip", xgap=0,
            colorbar={"title": title, "thickness": 12, "len": 1, "xpad": 4, "nticks": 5,
                      "tickformat": colours.ticks},
        )
    )  # fmt: skip
    _points(figure, x, names, colours)
    rows = shown_labels(count, chosen, height)
    labels = [f"<b>{names[row]}</b>" if row == chosen else str(names[row]) for row in rows]
    axis = {"tickmode": "array", "tickvals": np.array(rows, np.int32), "ticktext": labels, "showgrid": False,
            "zeroline": False, "range": [count - 0.5, -0.5], "fixedrange": True}  # fmt: skip
    figure.add_shape(
        type="rect", xref="paper", x0=0, x1=1, y0=chosen - 0.5, y1=chosen + 0.5,
        line={"color": palette.ROUTED, "width": 3},
    )  # fmt: skip
    across = {**epoch_axis(epochs), "showgrid": False}
    if len(epochs) > 1:  # otherwise Plotly leaves room for the points
        first, last = (
            float(end - near) / 2 for end, near in ((epochs[0], epochs[1]), (epochs[-1], epochs[-2]))
        )
        across["range"] = [float(epochs[0]) + first, float(epochs[-1]) + last]
    figure.update_layout(
        height=height + MARGIN["t"] + AXIS, margin={**MARGIN, "b": AXIS, "pad": 0}, xaxis=across,
        yaxis=axis, hovermode="closest", hoverdistance=-1, dragmode="zoom", showlegend=False,
        plot_bgcolor=palette.MISSING,
    )  # fmt: skip
    return figure


def shown_labels(count: int, chosen: int, height: float) -> list[int]:
    """Places of the gates whose names fit beside the matrix, evenly spaced, and always that of the chosen one.

    Args:
        count: number of gates.
        chosen: place of the chosen gate.
        height: of the matrix in pixels.
    """
    step = max(1, int(np.ceil(LABEL * count / height)))
    return sorted({row for row in range(0, count, step) if abs(row - chosen) >= step} | {chosen})


def _top(values: NDArray) -> float:
    """Upper end of the colours of gate values; 0 is the lower."""
    # Gates in units begin near 0, and the curve ``identity`` has g = H, which exceeds 1.
    return max(1e-6, float(values[~np.isnan(values)].max(initial=0)))


def _colours(means: GateMeans, quantity: Quantity) -> _Colours:
    title = TITLES[quantity]
    n, clean, corrupted = means.counts
    if quantity == "routed":
        hover = "share routed %{customdata[0]:.1%} of %{customdata[1]:,} samples"
        return _Colours(title, means.routed, (n,), hover, palette.SHARE, 0, 1, ".0%")
    if quantity == "mean":
        hover = "mean g %{customdata[0]:.3g} of %{customdata[1]:,} samples"
        return _Colours(title, means.value, (n,), hover, palette.SHARE, 0, _top(means.value), "")
    known = means.difference[~np.isnan(means.difference)]
    end = max(1e-6, float(np.abs(known).max(initial=0)))
    hover = ("corrupted minus clean %{customdata[0]:+.3g}<br>"
             "corrupted %{customdata[1]:.3g} (%{customdata[2]:,} samples), "
             "clean %{customdata[3]:.3g} (%{customdata[4]:,})")  # fmt: skip
    numbers = (means.corrupted, corrupted, means.clean, clean)
    return _Colours(title, means.difference, numbers, hover, palette.DIFFERENCE, -end, end, "+")


def _points(figure: go.Figure, x: NDArray, names: NDArray, colours: _Colours) -> None:
    """Add an invisible point for each cell: a heatmap has none that could be clicked."""
    count, epochs = colours.values.shape
    rows, columns = np.repeat(np.arange(count), epochs), np.tile(np.arange(epochs), count)
    numbers = np.stack([f4(one).ravel() for one in (colours.values, *colours.numbers)], axis=-1)
    known = ~np.isnan(colours.values.ravel())
    invisible = {"marker": {"opacity": 0}}
    for members, text in ((known, colours.hover), (~known, "no value")):
        if members.any():
            figure.add_scattergl(
                x=x[columns[members]], y=rows[members].astype(np.int32), text=names[rows[members]].tolist(),
                customdata=numbers[members], mode="markers", marker={"size": 8, "opacity": 0},
                selected=invisible, unselected=invisible,
                hovertemplate=f"%{{text}}, epoch %{{x}}<br>{text}<extra></extra>",
            )  # fmt: skip
