"""Figures of the page Log health: the planned epochs and their state in the log."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from app.dashboard import palette
from app.dashboard.charts.layout import LEGEND, MARGIN, epoch_axis
from app.dashboard.sentences import html_escaped
from memgate.runs.health import SplitHealth

LOOKS = {
    "whole": ("whole", palette.CLEAN, "square"),
    "torn": ("damaged", palette.CORRUPTED, "x"),
    "missing": ("not logged", palette.SKIPPED, "circle-open"),
}
"""State of an epoch to word, colour and symbol."""


def strip(splits: Sequence[SplitHealth]) -> go.Figure:
    """Chart with a mark for each planned epoch of each split: whole, damaged, or not logged.

    Args:
        splits: at least one.
    """
    figure = go.Figure()
    for state, (word, colour, symbol) in LOOKS.items():
        places = [
            (int(epoch), row)
            for row, split in enumerate(splits)
            for epoch in split.epochs[split.state == state]
        ]
        x, y = (np.array(column, np.int32) for column in (zip(*places, strict=True) if places else ((), ())))
        size = float(np.clip(500 / len(splits[0].epochs), 4, 11))
        figure.add_scatter(
            x=x, y=y, name=word, mode="markers", showlegend=True,
            marker={"symbol": symbol, "color": colour, "size": size},
            hovertemplate=f"epoch %{{x}}: {word}<extra></extra>",
        )  # fmt: skip
    first, last = int(splits[0].epochs[0]), int(splits[0].epochs[-1])
    axis = {**epoch_axis(splits[0].epochs), "range": [first - 0.6, last + 0.6]}
    figure.update_layout(height=90 + 26 * len(splits), margin={**MARGIN, "l": 110}, legend=LEGEND,
                         xaxis=axis)  # fmt: skip
    figure.update_yaxes(
        tickmode="array", tickvals=np.arange(len(splits), dtype=np.int32),
        ticktext=[html_escaped(split.split) for split in splits],
        range=[len(splits) - 0.5, -0.5], showgrid=False, zeroline=False,
    )  # fmt: skip
    return figure
