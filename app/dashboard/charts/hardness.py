"""Figures of the page Noise and hardness."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from app.dashboard import palette
from app.dashboard.charts.layout import LEGEND, MARGIN, ends, epoch_axis, f4, lines
from app.dashboard.group_curves import Cells
from app.dashboard.sentences import html_escaped
from probes.scores.over_epochs import EpochCurve
from probes.stats.estimate import Estimate

Curve = tuple[NDArray[np.float64], NDArray[np.float64]]


def roc(curves: Mapping[str, Curve], height: int = 320) -> go.Figure:
    """ROC curves: share of the corrupted samples that is flagged over the share of the clean samples.

    Args:
        curves: name to shares of the clean and of the corrupted; an empty curve is only a name in the legend.
        height: in pixels.
    """
    figure = go.Figure()
    diagonal = np.array([0, 1], np.float32)
    figure.add_scatter(x=diagonal, y=diagonal, mode="lines", showlegend=False, hoverinfo="skip",
                       line={"color": palette.SKIPPED, "width": 1.5, "dash": "dot"})  # fmt: skip
    return _curves(figure, curves, "linear", "clean flagged", "corrupted flagged", height)


def precision_recall(curves: Mapping[str, Curve], prevalence: float | None, height: int = 320) -> go.Figure:
    """Precision over recall as step curves: the area below is the average precision.

    Args:
        curves: name to recall and precision.
        prevalence: share of the corrupted, as a dotted line; None draws none.
        height: in pixels.
    """
    figure = go.Figure()
    if prevalence is not None:
        figure.add_hline(y=prevalence, line={"color": palette.SKIPPED, "width": 1.5, "dash": "dot"})
    figure = _curves(figure, curves, "vh", "recall: corrupted flagged", "precision", height)
    return figure.update_layout(showlegend=False)


def _curves(
    figure: go.Figure, curves: Mapping[str, Curve], shape: str, x_title: str, y_title: str, height: int
) -> go.Figure:
    for (title, (x, y)), (colour, dash) in zip(curves.items(), palette.SERIES, strict=False):
        name = html_escaped(title)
        figure.add_scatter(
            x=f4(x), y=f4(y), name=name, mode="lines",
            line={"color": colour, "dash": dash, "width": 2, "shape": shape},
            hovertemplate=f"{name}<br>{x_title} %{{x:.1%}}, {y_title} %{{y:.1%}}<extra></extra>",
        )  # fmt: skip
    figure.update_layout(height=height, margin={**MARGIN, "t": 52}, legend=LEGEND)
    figure.update_xaxes(range=[-0.01, 1.01], tickformat=".0%", title={"text": x_title, "standoff": 4})
    figure.update_yaxes(range=[-0.02, 1.02], tickformat=".0%", title={"text": y_title, "standoff": 12})
    return figure


def over_epochs(curves: Mapping[str, EpochCurve], cursor: int, height: int = 320) -> go.Figure:
    """AUROC of quantities over the epochs; a star where it is largest.

    Args:
        curves: name to curve.
        cursor: the epoch at which a line is drawn.
        height: in pixels.
    """
    figure = go.Figure()
    epochs = np.zeros(0, np.int32)
    for (title, curve), (colour, dash) in zip(curves.items(), palette.SERIES, strict=False):
        name = html_escaped(title)
        epochs = np.array(curve.epochs, np.int32)
        area = np.array(curve.auroc, np.float32)
        figure.add_scatter(
            x=epochs, y=area, name=name, mode=lines(epochs), line={"color": colour, "dash": dash, "width": 2},
            marker={"color": colour, "size": 9}, legendgroup=name,
            hovertemplate=name + ": %{y:.3f}<extra></extra>",
        )  # fmt: skip
        if curve.oracle_epoch is not None and curve.oracle.value is not None:
            figure.add_scatter(
                x=np.array([curve.oracle_epoch], np.int32), y=np.array([curve.oracle.value], np.float32),
                mode="markers", marker={"symbol": "star", "size": 11, "color": colour}, showlegend=False,
                legendgroup=name, hoverinfo="skip",
            )  # fmt: skip
    figure.add_hline(y=0.5, line={"color": palette.SKIPPED, "width": 1.5, "dash": "dot"})
    figure.add_vline(x=cursor, line={"color": palette.SKIPPED, "width": 1})
    figure.update_layout(height=height, margin=MARGIN, legend=LEGEND, hovermode="x unified",
                         xaxis=epoch_axis(epochs))  # fmt: skip
    figure.update_yaxes(title={"text": "AUROC", "standoff": 12})
    return figure


def data_map(grid: Cells, shown: str, height: int = 380) -> go.Figure:
    """Data map as a heatmap in which boxes can be drawn: x axis variability, y axis confidence.

    Args:
        grid: samples on the grid.
        shown: meaning of the colour: ``samples`` (logarithmic), or the name of the share or mean.
        height: in pixels.
    """
    counted = shown == "samples"
    with np.errstate(divide="ignore"):
        logarithm = np.where(grid.count > 0, np.log10(grid.count), np.nan)
    top = max(1, int(np.ceil(np.log10(max(grid.count.max(initial=1), 1)))))
    powers = np.arange(top + 1)
    ticks = {"tickvals": powers.astype(np.int32), "ticktext": [f"{10**power:,}" for power in powers]}
    # The curve ``identity`` has g = H, which is not within [0, 1].
    largest = np.log10(max(grid.count.max(initial=1), 10)) if counted else np.nanmax(grid.mean, initial=1)
    mean = np.where(np.isnan(grid.mean), "–", np.char.mod("%.2f", grid.mean))
    figure = go.Figure(
        go.Heatmap(
            x=f4((grid.x[:-1] + grid.x[1:]) / 2),
            y=f4((grid.y[:-1] + grid.y[1:]) / 2),
            z=f4(logarithm if counted else grid.mean),
            zmin=0,
            zmax=float(largest),
            customdata=grid.count.astype(np.int32),
            text=mean,
            colorscale=palette.DENSITY if counted else palette.SHARE,
            hoverongaps=False,
            hovertemplate="variability %{x:.3f}, confidence %{y:.2f}: %{customdata} samples"
            + ("" if counted else f", {shown} %{{text}}")
            + "<extra></extra>",
            colorbar={"title": {"text": shown, "side": "top"}, "thickness": 12, "len": 1, "xpad": 4}
            | (ticks if counted else {}),
        )
    )
    figure.update_layout(height=height, margin=MARGIN, dragmode="select")
    figure.update_xaxes(title={"text": "variability of p(given label)", "standoff": 12}, showgrid=False)
    figure.update_yaxes(title={"text": "confidence: mean p(given label)", "standoff": 12}, showgrid=False)
    return figure


def label_matrix(
    count: NDArray,
    share: NDArray,
    texts: Sequence[Sequence[str]],
    names: Sequence[str],
    shown: str,
    height: int = 400,
) -> go.Figure:
    """Heatmap of pairs of labels in which boxes can be drawn: colour is a share, text the number of samples.

    Args:
        count: samples [K, K], a row for each clean label.
        share: of them [K, K]; NaN where there are none.
        texts: hover text of each cell.
        names: of the classes.
        shown: name of the share.
        height: in pixels.
    """
    places = np.arange(len(names), dtype=np.int32)
    hover = [[html_escaped(text) for text in row] for row in texts]
    figure = go.Figure(
        go.Heatmap(
            x=places, y=places, z=f4(share), zmin=0, zmax=1, colorscale=palette.SHARE, xgap=1, ygap=1,
            text=np.where(count > 0, np.char.mod("%d", count), ""), texttemplate="%{text}", textfont={"size": 11},
            customdata=np.array(hover), hoverongaps=False, hovertemplate="%{customdata}<extra></extra>",
            colorbar={"title": {"text": html_escaped(shown), "side": "top"}, "thickness": 12, "len": 1, "xpad": 4,
                      "tickformat": ".0%"},
        )
    )  # fmt: skip
    figure.update_layout(height=height, margin={**MARGIN, "l": 90}, dragmode="select")
    common = {
        "tickmode": "array",
        "tickvals": places,
        "ticktext": [html_escaped(name) for name in names],
        "showgrid": False,
        "zeroline": False,
    }
    figure.update_xaxes(title={"text": "given label", "standoff": 4}, **common)
    figure.update_yaxes(title={"text": "clean label", "standoff": 8}, autorange="reversed", **common)
    return figure


def by_decile(
    by_group: Mapping[str, Sequence[Estimate]], title: str, percent: bool, height: int = 300
) -> go.Figure:
    """Estimate for each tenth of the samples, from the easiest to the hardest, with its 95 % interval.

    Args:
        by_group: ``clean`` and ``corrupted`` to ten estimates.
        title: of the axis.
        percent: whether it is a share.
        height: in pixels.
    """
    figure = go.Figure()
    for shift, (name, row) in zip((-0.08, 0.08), by_group.items(), strict=False):
        value, low, high = ends(row)
        figure.add_scatter(
            x=f4(np.arange(1, len(row) + 1) + shift), y=value, name=name, mode="lines+markers",
            line={"color": palette.CAUSE_COLOURS[name], "width": 2},
            marker={"symbol": "circle" if name == "clean" else "diamond", "size": 8},
            error_y={"type": "data", "symmetric": False, "array": f4(high - value), "arrayminus": f4(value - low)},
            customdata=np.stack([low, high, np.array([one.n for one in row], np.float32)], axis=-1),
            hovertemplate=f"{name}: %{{y:.3f}} [%{{customdata[0]:.3f}}, %{{customdata[1]:.3f}}], "
            "%{customdata[2]:.0f} samples<extra></extra>",
        )  # fmt: skip
    figure.update_layout(height=height, margin=MARGIN, legend=LEGEND)
    ticks = np.arange(1, 11, dtype=np.int32)
    figure.update_xaxes(tickmode="array", tickvals=ticks, range=[0.5, 10.5],
                        title={"text": "tenth of the samples, 10 is the hardest", "standoff": 4})  # fmt: skip
    # The curve ``identity`` has g = H, which is not within [0, 1].
    top = max([1.0, *(one.value for row in by_group.values() for one in row if one.value is not None)])
    figure.update_yaxes(range=[-0.03 * top, 1.03 * top], tickformat=".0%" if percent else ".1f",
                        title={"text": html_escaped(title), "standoff": 12})  # fmt: skip
    return figure
