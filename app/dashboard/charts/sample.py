"""Figures of the page Sample: curves of one sample over the epochs."""

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from app.dashboard import palette
from app.dashboard.charts.layout import LEGEND, MARGIN, epoch_axis, f4, lines
from memgate.config.model import ROUTED_ABOVE


def gate_trajectory(
    epochs: NDArray,
    gate: NDArray,
    entropy: NDArray,
    routed: NDArray,
    known: NDArray,
    clean: Mapping[str, NDArray],
    colour: str,
    *,
    same: Mapping[str, NDArray] | None = None,
    cursor: int | None = None,
) -> go.Figure:
    """Curves of one sample's g and H over the epochs, and a strip with its route.

    Args:
        epochs: [E].
        gate: g [E], NaN where it is missing.
        entropy: H [E] in nats.
        routed: [E].
        known: [E], whether the route is known; an epoch without it has no cell in the strip.
        clean: quartiles [3, E] of the clean samples under ``gate`` and ``entropy``.
        colour: of the sample's state, clean or corrupted.
        same: quartiles [3, E] of the clean samples of its class, likewise; None for none.
        cursor: epoch to be marked; None for none.
    """
    figure = make_subplots(
        rows=3, cols=1, shared_xaxes=True, row_heights=[0.48, 0.36, 0.16], vertical_spacing=0.07
    )
    for row, (values, name) in enumerate(((gate, "gate"), (entropy, "entropy")), start=1):
        _band(figure, row, epochs, clean[name], showlegend=row == 1)
        _outline(figure, row, epochs, same, name, showlegend=row == 1)
        _line(figure, row, epochs, values, "this sample", colour, showlegend=row == 1)
    threshold = {"color": palette.SKIPPED, "width": 1.5, "dash": "dash"}
    figure.add_hline(y=ROUTED_ABOVE, row=1, col=1, line=threshold)  # pyright: ignore[reportArgumentType]
    # Two heights: among hundreds of epochs marks overlap, and the rare route must stay visible.
    size = float(np.clip(450 / len(epochs), 4, 9))
    for name, members, shade, symbol, height in (
        ("routed", known & routed, palette.ROUTED, "square", 0.5),
        ("skipped", known & ~routed, palette.SKIPPED, "x-thin", -0.5),
    ):
        figure.add_scatter(
            x=np.asarray(epochs[members], np.int32), y=np.full(int(members.sum()), height, np.float32), name=name,
            mode="markers", marker={"color": shade, "symbol": symbol, "size": size,
                                    "line": {"color": shade, "width": 2 if symbol == "x-thin" else 0}},
            hovertemplate=f"epoch %{{x}}: {name}<extra></extra>", row=3, col=1,
        )  # fmt: skip
    top = float(np.nanmax(gate)) if np.isfinite(gate).any() else 1.0
    figure.update_yaxes(title_text="g", range=[-0.02, max(1.02, top * 1.05)], row=1, col=1)
    figure.update_yaxes(title_text="H (nats)", rangemode="tozero", nticks=4, row=2, col=1)
    figure.update_yaxes(showticklabels=False, zeroline=False, range=[-1, 1], showgrid=False, row=3, col=1)
    return _stacked(figure, epochs, 3, 330, cursor)


def fit_trajectory(
    epochs: NDArray,
    loss: NDArray,
    p_given: NDArray,
    clean: Mapping[str, NDArray],
    colour: str,
    height: int = 240,
    *,
    macs: NDArray | None = None,
    same: Mapping[str, NDArray] | None = None,
    cursor: int | None = None,
) -> go.Figure:
    """Curves of one sample's loss, p(given) and MACs over the epochs, with the quartiles of the clean samples.

    Args:
        epochs: [E].
        loss: [E] in nats, NaN where it is missing.
        p_given: [E].
        clean: quartiles [3, E] of the clean samples under ``loss``, ``p_given`` and ``macs``.
        colour: of the sample's state, clean or corrupted.
        height: in pixels, without the MACs.
        macs: [E]; None where every sample needs the same number.
        same: quartiles [3, E] of the clean samples of its class, likewise; None for none.
        cursor: epoch to be marked; None for none.
    """
    curves = {"p_given": p_given, "loss": loss} | ({} if macs is None else {"macs": macs})
    rows = len(curves)
    figure = make_subplots(rows=rows, cols=1, shared_xaxes=True, vertical_spacing=0.06)
    for row, (name, values) in enumerate(curves.items(), start=1):
        _band(figure, row, epochs, clean[name], showlegend=row == 1)
        _outline(figure, row, epochs, same, name, showlegend=row == 1)
        form = ".4s" if name == "macs" else ".3f"
        _line(figure, row, epochs, values, "this sample", colour, showlegend=row == 1, form=form)
    figure.update_yaxes(title_text="p(given)", range=[-0.02, 1.02], row=1, col=1)
    figure.update_yaxes(title_text="loss", rangemode="tozero", nticks=4, row=2, col=1)
    if macs is not None:
        figure.update_yaxes(title_text="MACs", tickformat="~s", nticks=4, row=3, col=1)
    return _stacked(figure, epochs, rows, height * rows // 2, cursor)


def _line(
    figure: go.Figure,
    row: int,
    epochs: NDArray,
    values: NDArray,
    name: str,
    colour: str,
    showlegend: bool,
    form: str = ".3f",
) -> None:
    # Markers as well: an epoch between two gaps would be a line of no length.
    figure.add_scatter(
        x=np.asarray(epochs, np.int32), y=f4(values), name=name, mode="lines+markers", showlegend=showlegend,
        line={"color": colour, "width": 2}, marker={"size": 4}, connectgaps=False, row=row, col=1,
        hovertemplate=f"epoch %{{x}}: %{{y:{form}}}<extra></extra>",
    )  # fmt: skip


def _band(figure: go.Figure, row: int, epochs: NDArray, quartiles: NDArray, showlegend: bool) -> None:
    """Draw median and quartiles of the clean samples."""
    low, median, high = quartiles
    common = {"x": np.asarray(epochs, np.int32), "hoverinfo": "skip", "row": row, "col": 1}
    for values, fill in ((high, None), (low, "tonexty")):
        figure.add_scatter(y=f4(values), mode="lines", line={"width": 0}, showlegend=False, fill=fill,
                           fillcolor=palette.translucent(palette.CLEAN, 0.15), **common)  # fmt: skip
    figure.add_scatter(y=f4(median), name="clean (median, middle half)", mode=lines(epochs),
                       line={"color": palette.CLEAN, "width": 1.5, "dash": "dash"},
                       showlegend=showlegend, **common)  # fmt: skip


def _outline(
    figure: go.Figure,
    row: int,
    epochs: NDArray,
    same: Mapping[str, NDArray] | None,
    name: str,
    showlegend: bool,
) -> None:
    """Draw quartiles of the sample's class as three dotted lines, to distinguish them from the filled band."""
    if same is None:
        return
    for place, values in enumerate(same[name]):
        figure.add_scatter(
            x=np.asarray(epochs, np.int32), y=f4(values), mode=lines(epochs), hoverinfo="skip", row=row, col=1,
            name="clean, its class", showlegend=showlegend and place == 1,
            line={"color": palette.CAUSE_COLOURS["image"], "width": 2 if place == 1 else 1, "dash": "dot"},
        )  # fmt: skip


def _stacked(figure: go.Figure, epochs: NDArray, rows: int, height: int, cursor: int | None) -> go.Figure:
    if cursor is not None and len(epochs) > 1:
        for row in range(1, rows + 1):
            figure.add_vline(x=cursor, line={"color": palette.SKIPPED, "width": 1.5}, row=row, col=1)  # pyright: ignore[reportArgumentType]
    legend = {**LEGEND, "y": 1.02}
    figure.update_layout(height=height, margin=MARGIN, legend=legend, hovermode="x")
    last = epoch_axis(epochs)
    figure.update_xaxes(**{key: value for key, value in last.items() if key != "title"})
    figure.update_xaxes(title=last["title"], row=rows, col=1)
    figure.update_yaxes(title_standoff=16)
    return figure
