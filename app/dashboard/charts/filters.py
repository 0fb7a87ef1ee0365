"""Figures of the page Filters: how the filters of gates are used. A filter is clicked by its place."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from app.dashboard import palette
from app.dashboard.charts.gate_matrix import shown_labels
from app.dashboard.charts.layout import LEGEND, MARGIN, f4
from app.dashboard.sentences import html_escaped
from probes.gates.contrasts import FilterContrasts
from probes.gates.filters import CATEGORIES, Category
from probes.stats.intervals import wilson

COLOURS: Mapping[Category, str] = {
    "always on": "#009E73",
    "conditional": "#E69F00",
    "always off": palette.SKIPPED,
}
"""Colour of each category of filters."""

MANY_CLASSES = 20
"""With more classes than this the classes of a filter are sorted by its frequency."""

BARS = 300
"""Up to this number of filters each has its interval in the figure of contrasts; of more in the hover text only."""

OPAQUE: dict[str, Any] = {"marker": {"opacity": 1}}
INVISIBLE: dict[str, Any] = {"marker": {"opacity": 0}}


def categories(
    gates: Sequence[str], counts: NDArray[np.integer], chosen: int, part: str = "filter", height: int = 300
) -> go.Figure:
    """Stacked bars: share of each gate's filters in each category (the batch-shaping paper's Fig. 5).

    Args:
        gates: names of the G gates in the order of the forward pass; x of a clicked bar is the gate's place.
        counts: filters of each gate in each category [G, 3], in the order of CATEGORIES.
        chosen: place of the gate that is framed.
        part: what a gate opens: ``filter`` or ``unit``.
        height: in pixels.
    """
    figure = go.Figure()
    x, sizes = np.arange(len(gates), dtype=np.int32), counts.sum(axis=1)
    names = [html_escaped(gate.upper()) for gate in gates]
    for row in (2, 1, 0):
        name = CATEGORIES[row]
        figure.add_bar(
            x=x, y=f4(counts[:, row] / sizes), name=name, text=names, textposition="none",
            marker={"color": COLOURS[name]}, selected=OPAQUE, unselected=OPAQUE,
            customdata=np.stack([counts[:, row], sizes], axis=-1).astype(np.int32),
            hovertemplate=f"%{{text}}: %{{customdata[0]}} of %{{customdata[1]}} {part}s {name} (%{{y:.1%}})"
                          "<extra></extra>",
        )  # fmt: skip
    figure.add_shape(type="rect", yref="paper", y0=0, y1=1, x0=chosen - 0.5, x1=chosen + 0.5,
                     line={"color": palette.ROUTED, "width": 3})  # fmt: skip
    figure.update_layout(height=height, margin={**MARGIN, "b": 70}, legend=LEGEND, barmode="stack", bargap=0.08,
                         clickmode="event+select", dragmode=False)  # fmt: skip
    rows = shown_labels(len(gates), chosen, 480)
    ticks = [f"<b>{names[row]}</b>" if row == chosen else names[row] for row in rows]
    figure.update_xaxes(
        title={"text": "gate, from input to output", "standoff": 4}, tickmode="array",
        tickvals=np.array(rows, np.int32), ticktext=ticks, range=[-0.5, len(gates) - 0.5], fixedrange=True,
    )  # fmt: skip
    figure.update_yaxes(title={"text": f"share of the gate's {part}s", "standoff": 12}, tickformat=".0%",
                        range=[0, 1.005], fixedrange=True)  # fmt: skip
    return figure


def frequencies(
    labels: Sequence[str],
    opened: NDArray[np.integer],
    samples: NDArray[np.integer],
    classes: Sequence[str],
    chosen: int,
    what: str = "filter",
) -> go.Figure:
    """Execution frequency of filters: bars over all samples, beside them a heatmap filter x class (Fig. 6).

    Args:
        labels: name of each of F filters, the most often open first; y of a click is the filter's row.
        opened: samples of each class for which each filter is open [F, K].
        samples: samples of each class [K].
        classes: names of the K classes.
        chosen: row of the filter that is framed.
        what: a row stands for, in the axis title.
    """
    count = len(labels)
    height = max(float(np.clip(round(400 / count), 4, 26)) * count, 60)
    figure: Any = make_subplots(1, 2, shared_yaxes=True, horizontal_spacing=0.015, column_widths=[0.24, 0.76])
    y, on, n = np.arange(count, dtype=np.int32), opened.sum(axis=1), int(samples.sum())
    names = np.array([html_escaped(label) for label in labels])
    low, high = wilson(on, n)
    figure.add_bar(
        x=f4(on / n), y=y, orientation="h", marker={"color": palette.CLEAN}, text=names.tolist(), textposition="none",
        customdata=np.stack([f4(low), f4(high), f4(on)], axis=-1), selected=OPAQUE, unselected=OPAQUE, width=0.9,
        hovertemplate=f"{what} %{{text}}: open for %{{x:.1%}} [%{{customdata[0]:.1%}}, %{{customdata[1]:.1%}}], "
                      f"%{{customdata[2]:,}} of {n:,} samples<extra></extra>", row=1, col=1,
    )  # fmt: skip
    shares = opened / np.where(samples == 0, np.nan, samples)
    figure.add_trace(
        go.Heatmap(
            x=np.arange(len(classes), dtype=np.int32), y=y, z=f4(shares), zmin=0, zmax=1, colorscale=palette.SHARE,
            hoverinfo="skip", colorbar={"title": {"text": "share open", "side": "right"}, "thickness": 12, "len": 1,
                                        "xpad": 4, "tickformat": ".0%", "nticks": 5},
        ), row=1, col=2,
    )  # fmt: skip
    _points(figure, names, opened, samples, [html_escaped(name) for name in classes], what)
    figure.add_shape(type="rect", xref="paper", x0=0, x1=1, yref="y", y0=chosen - 0.5, y1=chosen + 0.5,
                     line={"color": palette.ROUTED, "width": 2})  # fmt: skip
    rows = shown_labels(count, chosen, height)
    ticks = [f"<b>{names[row]}</b>" if row == chosen else str(names[row]) for row in rows]
    figure.update_layout(height=height + 92, margin={**MARGIN, "t": 8, "b": 84}, showlegend=False,
                         clickmode="event+select", dragmode=False, hovermode="closest")  # fmt: skip
    figure.update_yaxes(range=[count - 0.5, -0.5], fixedrange=True, showgrid=False, zeroline=False)
    figure.update_yaxes(tickmode="array", tickvals=np.array(rows, np.int32), ticktext=ticks,
                        title={"text": f"{what}, by frequency", "standoff": 12}, row=1, col=1)  # fmt: skip
    figure.update_xaxes(fixedrange=True, showgrid=False)
    figure.update_xaxes(
        range=[0, 1], tickformat=".0%", nticks=3, title={"text": "all samples", "standoff": 4}, row=1, col=1
    )
    shown = shown_labels(len(classes), 0, 330)
    figure.update_xaxes(
        range=[-0.5, len(classes) - 0.5], title={"text": "class", "standoff": 4}, **class_ticks(shown, classes),
        row=1, col=2,
    )  # fmt: skip
    return figure


def _points(
    figure: Any, names: NDArray, opened: NDArray, samples: NDArray, classes: Sequence[str], what: str
) -> None:
    """Add an invisible point for each cell that has samples: a heatmap has none that could be clicked."""
    rows, columns = np.indices(opened.shape).reshape(2, -1)
    there = samples[columns] > 0
    rows, columns = rows[there], columns[there]
    if len(rows) == 0:
        return
    on, n = opened[rows, columns], samples[columns]
    low, high = wilson(on, n)
    figure.add_scattergl(
        x=columns.astype(np.int32), y=rows.astype(np.int32), mode="markers", marker={"size": 7, "opacity": 0},
        selected=INVISIBLE, unselected=INVISIBLE,
        text=[f"{what} {names[row]}, class {classes[column]}" for row, column in zip(rows, columns, strict=True)],
        customdata=np.stack([f4(one) for one in (on / n, low, high, on, n)], axis=-1),
        hovertemplate="%{text}: open for %{customdata[0]:.1%} [%{customdata[1]:.1%}, %{customdata[2]:.1%}], "
                      "%{customdata[3]:,} of %{customdata[4]:,} samples<extra></extra>", row=1, col=2,
    )  # fmt: skip


def class_ticks(shown: Sequence[int], classes: Sequence[str]) -> dict[str, Any]:
    """Ticks of an axis of classes, slanted where a name is long."""
    names = [short(classes[place]) for place in shown]
    slanted = max(map(len, names), default=0) > 3
    return {"tickmode": "array", "tickvals": np.array(shown, np.int32), "ticktext": names,
            "tickangle": -45 if slanted else 0}  # fmt: skip


def short(name: str, most: int = 14) -> str:
    """A name for an axis, shortened."""
    return html_escaped(name if len(name) <= most else name[: most - 1] + "…")


def by_class(
    opened: NDArray[np.integer], samples: NDArray[np.integer], classes: Sequence[str], height: int = 290
) -> go.Figure:
    """Share of each class's samples for which one filter is open, with Wilson's intervals (Fig. 7).

    Args:
        opened: samples of each class for which it is open [K].
        samples: samples of each class [K]; classes without samples are left out.
        classes: names of the K classes.
        height: in pixels.
    """
    there = np.flatnonzero(samples)
    share = opened[there] / samples[there]
    if len(there) > MANY_CLASSES:
        there = there[np.argsort(-share, kind="stable")]
        share = opened[there] / samples[there]
    names = [classes[place] for place in there.tolist()]
    low, high = wilson(opened[there], samples[there])
    figure = go.Figure()
    figure.add_hline(
        y=float(opened.sum() / samples.sum()), line={"color": palette.SKIPPED, "width": 1.5, "dash": "dot"},
        annotation_text="all samples", annotation_position="top right",
    )  # fmt: skip
    figure.add_scatter(
        x=np.arange(len(there), dtype=np.int32), y=f4(share), mode="markers",
        marker={"color": palette.CLEAN, "size": 8}, text=[html_escaped(name) for name in names],
        error_y={"type": "data", "symmetric": False, "array": f4(high - share), "arrayminus": f4(share - low)},
        customdata=np.stack([f4(one) for one in (low, high, opened[there], samples[there])], axis=-1),
        hovertemplate="%{text}: open for %{y:.1%} [%{customdata[0]:.1%}, %{customdata[1]:.1%}], %{customdata[2]:,} of "
                      "%{customdata[3]:,} samples<extra></extra>",
    )  # fmt: skip
    shown = shown_labels(len(there), 0, 330)
    figure.update_layout(height=height, margin={**MARGIN, "b": 84}, showlegend=False)
    figure.update_xaxes(
        range=[-0.6, len(there) - 0.4], **class_ticks(shown, names),
        title={"text": "class" + (", most often open first" if len(there) > MANY_CLASSES else ""), "standoff": 4},
    )  # fmt: skip
    figure.update_yaxes(range=[-0.02, 1.02], tickformat=".0%", title={"text": "share open", "standoff": 12})
    return figure


def contrasts(
    one: FilterContrasts,
    gates: Mapping[str, int],
    labels: Sequence[str],
    chosen: int,
    part: str = "filter",
    height: int = 330,
) -> go.Figure:
    """Difference of the shares open, selected minus rest, of every filter over depth.

    Args:
        one: of F filters, in the order of the forward pass; x of a clicked point is the filter's place.
        gates: gate to its number of filters.
        labels: name of each filter [F].
        chosen: place of the filter with a line.
        part: what a gate opens: ``filter`` or ``unit``.
        height: in pixels.
    """
    figure = go.Figure()
    texts = np.array([html_escaped(label) for label in labels])
    for name, members, colour, symbol in (
        ("no clear difference", ~one.resolved, palette.SKIPPED, "circle-open"),
        ("interval excludes 0", one.resolved, palette.CORRUPTED, "circle"),
    ):
        places = np.flatnonzero(members)
        if len(places) == 0:
            continue
        value, low, high = (column[places] for column in (one.difference, one.low, one.high))
        numbers = one.selected[places], one.rest[places], low, high
        error = {"type": "data", "symmetric": False, "array": f4(high - value), "arrayminus": f4(value - low),
                 "thickness": 1, "width": 0}  # fmt: skip
        figure.add_scattergl(
            x=places.astype(np.int32), y=f4(value), mode="markers", name=f"{name} ({len(places):,})",
            text=texts[places].tolist(), marker={"color": colour, "size": 6, "symbol": symbol},
            error_y=error if len(labels) <= BARS else None, selected=OPAQUE, unselected=OPAQUE,
            customdata=np.stack([f4(column) for column in numbers], axis=-1),
            hovertemplate=part + " %{text}: %{customdata[0]:.1%} of the selected, %{customdata[1]:.1%} of the rest, "
                          "difference %{y:+.1%} [%{customdata[2]:+.1%}, %{customdata[3]:+.1%}]<extra></extra>",
        )  # fmt: skip
    ends = np.cumsum(list(gates.values()))
    for end in ends[:-1]:
        figure.add_vline(x=float(end) - 0.5, line={"color": palette.MISSING, "width": 1})
    figure.add_vline(x=chosen, line={"color": palette.ROUTED, "width": 2})
    middles = ends - np.array(list(gates.values())) / 2 - 0.5
    shown = shown_labels(len(gates), 0, 400)
    names = [html_escaped(gate.upper()) for gate in gates]
    figure.update_layout(height=height, margin={**MARGIN, "b": 70}, legend=LEGEND, showlegend=True,
                         clickmode="event+select", dragmode=False, hovermode="closest")  # fmt: skip
    figure.update_xaxes(
        tickmode="array", tickvals=f4(middles[shown]), ticktext=[names[place] for place in shown], showgrid=False,
        range=[-1, len(labels)], title={"text": f"{part}, from input to output", "standoff": 4},
    )  # fmt: skip
    figure.update_yaxes(
        tickformat="+.0%", zeroline=True, title={"text": "share open, selected minus rest", "standoff": 12}
    )
    return figure


def costs(
    by_group: Mapping[str, NDArray], divisor: float, title: str, height: int = 290, bins: int = 40
) -> go.Figure:
    """Histogram of what samples cost, by group, as step curves.

    Args:
        by_group: cause to the costs of its samples.
        divisor: of the costs.
        title: of the axis, with the unit.
        height: in pixels.
        bins: number of bins.
    """
    together = np.concatenate(list(by_group.values())) / divisor
    low, high = float(together.min()), float(together.max())
    whole = bool((together == np.round(together)).all()) and high - low < bins
    edges = (
        np.arange(low - 0.5, high + 1)
        if whole
        else np.linspace(low, high if high > low else low + 1, bins + 1)
    )
    figure = go.Figure()
    for name, values in by_group.items():
        counts = np.histogram(values / divisor, edges)[0]
        share = counts / max(1, len(values))
        figure.add_scatter(
            x=f4(np.repeat(edges, 2)), y=f4(np.concatenate([[0], np.repeat(share, 2), [0]])), mode="lines",
            name=f"{name} ({len(values):,})", line={"color": palette.CAUSE_COLOURS[name], "width": 2,
                                                    "dash": palette.CAUSE_DASHES[name]},
            fill="tozeroy", fillcolor=palette.translucent(palette.CAUSE_COLOURS[name], 0.1),
            hovertemplate=f"{name}, near %{{x:.4g}}: %{{y:.1%}} of the group<extra></extra>",
        )  # fmt: skip
    figure.update_layout(height=height, margin={**MARGIN, "t": 46}, legend=LEGEND, showlegend=True)
    figure.update_xaxes(title={"text": title, "standoff": 4})
    figure.update_yaxes(
        title={"text": "share of the group", "standoff": 12}, tickformat=".0%", rangemode="tozero"
    )
    return figure
