"""Arrays in, Plotly figures and pictures out. No Streamlit.

Streamlit sends a figure's typed arrays as they are and lists as text: everything goes in as float32 or int32.
Epochs that nobody was seen in, and bins that hold nobody, are gaps (NaN), never 0.
"""

import base64
import html
import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from PIL import Image
from plotly.subplots import make_subplots

from app import palette
from app.curves import Share
from memgate.logformat import ROUTED_ABOVE

MARGIN = {"l": 58, "r": 8, "t": 26, "b": 40}
"""Plotly's own margins take half of a small figure."""

LEGEND = {"orientation": "h", "yanchor": "bottom", "y": 1.0, "xanchor": "left", "x": 0, "font": {"size": 11}}


def _f4(values: NDArray) -> NDArray[np.float32]:
    return np.ascontiguousarray(values, np.float32)


def _epoch_axis(epochs: NDArray) -> dict[str, Any]:
    """Whole numbers on the axis; a single epoch gets a range of its own, or Plotly shows fractions around it."""
    axis: dict[str, Any] = {"title": {"text": "epoch", "standoff": 4}}
    if len(epochs) <= 10:
        axis |= {"tickmode": "array", "tickvals": np.asarray(epochs, np.int32)}
    if len(epochs) == 1:
        axis["range"] = [float(epochs[0]) - 0.6, float(epochs[0]) + 0.6]
    return axis


def _lines(epochs: NDArray) -> str:
    """One point is no line: show it."""
    return "lines" if len(epochs) > 1 else "markers"


def evolution(epochs: NDArray, edges: NDArray, counts: NDArray, height: int = 330) -> go.Figure:
    """Heatmap of g over the epochs, to be brushed: colour is the number of samples, on a logarithmic scale.

    Args:
        epochs: [E].
        edges: [bins + 1] of g.
        counts: [bins, E].
        height: in pixels.
    """
    with np.errstate(divide="ignore"):
        density = np.where(counts > 0, np.log10(counts), np.nan)
    top = max(1, int(np.ceil(np.log10(max(counts.max(initial=1), 1)))))
    ticks = np.arange(top + 1)
    figure = go.Figure(
        go.Heatmap(
            x=np.asarray(epochs, np.int32),
            y=_f4((edges[:-1] + edges[1:]) / 2),
            z=_f4(density),
            customdata=np.asarray(counts, np.int32),
            zmin=0,
            zmax=float(np.log10(max(counts.max(initial=1), 10))),
            colorscale=palette.DENSITY,
            hoverongaps=False,
            hovertemplate="epoch %{x}, g near %{y:.2f}: %{customdata} samples<extra></extra>",
            colorbar={
                "title": {"text": "samples", "side": "top"},
                "tickvals": ticks.astype(np.int32),
                "ticktext": [f"{10**power:,}" for power in ticks],
                "thickness": 12,
                "len": 1,
                "xpad": 4,
            },
        )
    )
    figure.add_hline(y=ROUTED_ABOVE, line={"color": palette.CORRUPTED, "width": 2, "dash": "dash"})
    figure.update_layout(height=height, margin=MARGIN, dragmode="select", xaxis=_epoch_axis(epochs))
    figure.update_xaxes(showgrid=False)
    title = {"text": "gate value g", "standoff": 16}
    figure.update_yaxes(range=[edges[0], edges[-1]], title=title, showgrid=False)
    return figure


def shares(epochs: NDArray, found: Mapping[str, Share], rate: float, height: int = 330) -> go.Figure:
    """Share routed to the block by cause, each with its Wilson band, and the share corrupted as a dotted line.

    Args:
        epochs: [E].
        found: cause to share.
        rate: share of the samples that is corrupted; 0 draws no line.
        height: in pixels.
    """
    figure = go.Figure()
    for cause, share in found.items():
        colour, name = palette.CAUSE_COLOURS[cause], cause
        for bound, fill in ((share.high, None), (share.low, "tonexty")):
            figure.add_scatter(
                x=np.asarray(epochs, np.int32), y=_f4(bound), mode="lines", line={"width": 0},
                fill=fill, fillcolor=palette.translucent(colour, 0.18), legendgroup=cause,
                showlegend=False, hoverinfo="skip", name=f"{cause} band",
            )  # fmt: skip
        figure.add_scatter(
            x=np.asarray(epochs, np.int32), y=_f4(share.value), name=name, legendgroup=cause,
            mode=_lines(epochs), line={"color": colour, "width": 2, "dash": palette.CAUSE_DASHES[cause]},
            marker={"color": colour, "size": 9},
            customdata=np.stack([_f4(share.low), _f4(share.high)], axis=-1),
            hovertemplate=name + ": %{y:.1%} [%{customdata[0]:.1%}, %{customdata[1]:.1%}]<extra></extra>",
        )  # fmt: skip
    if rate > 0:
        figure.add_hline(y=rate, line={"color": palette.SKIPPED, "width": 1.5, "dash": "dot"},
                         annotation={"text": f"share corrupted {rate:.1%}", "font": {"size": 11}},
                         annotation_position="bottom right")  # fmt: skip
    return _share_layout(figure, epochs, "share routed", height)


def accuracies(epochs: NDArray, found: Mapping[str, tuple[str, str, Share]], height: int = 300) -> go.Figure:
    """Accuracies over the epochs.

    Args:
        epochs: [E].
        found: name to (colour, dash, share).
        height: in pixels.
    """
    figure = go.Figure()
    for name, (colour, dash, share) in found.items():
        figure.add_scatter(
            x=np.asarray(epochs, np.int32), y=_f4(share.value), name=name, mode=_lines(epochs),
            line={"color": colour, "width": 2, "dash": dash}, marker={"color": colour, "size": 9},
            customdata=np.stack([_f4(share.low), _f4(share.high)], axis=-1),
            hovertemplate=name + ": %{y:.1%} [%{customdata[0]:.1%}, %{customdata[1]:.1%}]<extra></extra>",
        )  # fmt: skip
    return _share_layout(figure, epochs, "accuracy", height)


def _share_layout(figure: go.Figure, epochs: NDArray, title: str, height: int) -> go.Figure:
    figure.update_layout(height=height, margin=MARGIN, legend=LEGEND, hovermode="x unified",
                         xaxis=_epoch_axis(epochs))  # fmt: skip
    axis_title = {"text": title, "standoff": 12}
    figure.update_yaxes(range=[-0.02, 1.02], tickformat=".0%", title=axis_title)
    return figure


def gate_trajectory(
    epochs: NDArray,
    gate: NDArray,
    entropy: NDArray,
    routed: NDArray,
    seen: NDArray,
    clean: Mapping[str, NDArray],
    colour: str,
) -> go.Figure:
    """One sample's g and H over the epochs with its route as a strip.

    Args:
        epochs: [E].
        gate: g [E], NaN where it was not seen.
        entropy: H [E] in nats.
        routed: [E].
        seen: [E]; an epoch that did not see the sample has no cell in the strip.
        clean: quartiles [3, E] of the clean samples under ``gate`` and ``entropy``.
        colour: of the sample's state, clean or corrupted.
    """
    figure = make_subplots(
        rows=3, cols=1, shared_xaxes=True, row_heights=[0.48, 0.36, 0.16], vertical_spacing=0.07
    )
    for row, (values, name) in enumerate(((gate, "gate"), (entropy, "entropy")), start=1):
        _band(figure, row, epochs, clean[name], showlegend=row == 1)
        _line(figure, row, epochs, values, "this sample", colour, showlegend=row == 1)
    threshold = {"color": palette.SKIPPED, "width": 1.5, "dash": "dash"}
    figure.add_hline(y=ROUTED_ABOVE, row=1, col=1, line=threshold)  # pyright: ignore[reportArgumentType]
    # Two heights: among hundreds of epochs a mark lies under its neighbours, and the rare route must show.
    size = float(np.clip(450 / len(epochs), 4, 9))
    for name, members, shade, symbol, height in (
        ("routed", seen & routed, palette.ROUTED, "square", 0.5),
        ("skipped", seen & ~routed, palette.SKIPPED, "x-thin", -0.5),
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
    return _stacked(figure, epochs, 3, 330)


def fit_trajectory(
    epochs: NDArray,
    loss: NDArray,
    p_given: NDArray,
    clean: Mapping[str, NDArray],
    colour: str,
    height: int = 240,
) -> go.Figure:
    """One sample's loss and probability of its given label over the epochs, with the clean samples' quartiles.

    Args:
        epochs: [E].
        loss: [E] in nats, NaN where it was not seen.
        p_given: [E].
        clean: quartiles [3, E] of the clean samples under ``loss`` and ``p_given``.
        colour: of the sample's state, clean or corrupted.
        height: in pixels.
    """
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.06)
    for row, (values, name) in enumerate(((p_given, "p_given"), (loss, "loss")), start=1):
        _band(figure, row, epochs, clean[name], showlegend=row == 1)
        _line(figure, row, epochs, values, "this sample", colour, showlegend=row == 1)
    figure.update_yaxes(title_text="p(given)", range=[-0.02, 1.02], row=1, col=1)
    figure.update_yaxes(title_text="loss", rangemode="tozero", nticks=4, row=2, col=1)
    return _stacked(figure, epochs, 2, height)


def _line(
    figure: go.Figure, row: int, epochs: NDArray, values: NDArray, name: str, colour: str, showlegend: bool
) -> None:
    # Markers as well: an epoch between two gaps would be a line of no length.
    figure.add_scatter(
        x=np.asarray(epochs, np.int32), y=_f4(values), name=name, mode="lines+markers", showlegend=showlegend,
        line={"color": colour, "width": 2}, marker={"size": 4}, connectgaps=False, row=row, col=1,
        hovertemplate="epoch %{x}: %{y:.3f}<extra></extra>",
    )  # fmt: skip


def _band(figure: go.Figure, row: int, epochs: NDArray, quartiles: NDArray, showlegend: bool) -> None:
    """Median and the middle half of the clean samples."""
    low, median, high = quartiles
    common = {"x": np.asarray(epochs, np.int32), "hoverinfo": "skip", "row": row, "col": 1}
    for values, fill in ((high, None), (low, "tonexty")):
        figure.add_scatter(y=_f4(values), mode="lines", line={"width": 0}, showlegend=False, fill=fill,
                           fillcolor=palette.translucent(palette.CLEAN, 0.15), **common)  # fmt: skip
    figure.add_scatter(y=_f4(median), name="clean samples (median, middle half)", mode=_lines(epochs),
                       line={"color": palette.CLEAN, "width": 1.5, "dash": "dash"},
                       showlegend=showlegend, **common)  # fmt: skip


def _stacked(figure: go.Figure, epochs: NDArray, rows: int, height: int) -> go.Figure:
    legend = {**LEGEND, "y": 1.02}
    figure.update_layout(height=height, margin=MARGIN, legend=legend, hovermode="x")
    last = _epoch_axis(epochs)
    figure.update_xaxes(**{key: value for key, value in last.items() if key != "title"})
    figure.update_xaxes(title=last["title"], row=rows, col=1)
    figure.update_yaxes(title_standoff=16)
    return figure


def picture(pixels: NDArray[np.uint8], side: int, caption: str) -> str:
    """A small picture uint8 [H, W, 3] as HTML, enlarged without a blur to about ``side`` pixels.

    It carries its own bytes: a picture that Streamlit serves is a lossy JPEG, and is gone (404) when the page
    is drawn again before the browser has asked for it.
    """
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    source = f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"
    height, width = (max(1, side // max(pixels.shape[:2])) * length for length in pixels.shape[:2])
    text = html.escape(caption)
    return (
        f'<figure style="margin:0"><img src="{source}" alt="{text}" width="{width}" height="{height}" '
        f'style="image-rendering:pixelated;border-radius:6px">'
        f'<figcaption style="opacity:.7;font-size:.875rem;text-align:center">{text}</figcaption></figure>'
    )
