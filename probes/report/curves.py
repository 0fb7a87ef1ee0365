"""Test accuracy over the epochs: our runs and the curves of the authors of the entropy gate."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from memgate.errors import MemgateError
from memgate.papers.author_curves import AuthorRun
from memgate.papers.rows import PaperRow
from memgate.papers.settings import FINAL_VALIDATED
from memgate.runs.run import Run
from noise.files.atomic import atomic_write

THEIRS, OURS = (
    ("#9aa0a6", "#bdc1c6", "#80868b"),
    ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"),
)


@dataclass(frozen=True, eq=False)
class Line:
    """Test accuracy of one run over E epochs."""

    name: str
    epoch: NDArray[np.int64]
    """[E], counted from 1."""
    planned: int
    """Epochs of the configuration; the learning rates fall at shares of it."""
    accuracy: NDArray[np.float64]
    """[E] on the test set, as a share."""


def line_of_run(run: Run) -> Line:
    """The curve of a run's finished epochs, which may be an imported one; E is 0 without a test split."""
    rows = run.metrics()
    epoch = np.array([row["epoch"] for row in rows], np.int64)
    accuracy = np.array([row.get("test_accuracy", np.nan) for row in rows], np.float64)
    known = ~np.isnan(accuracy)
    return Line(run.name, epoch[known], run.outline.epochs, accuracy[known])


def authors_lines(rows: Iterable[PaperRow], curves: Mapping[str, AuthorRun]) -> list[Line]:
    """The authors' curves for the settings of these rows.

    They are of runs on 45,000 training and 5,000 validation images, 333 epochs, one gate step per trunk step.

    Raises:
        MemgateError: there is no such curve.
    """
    wanted = {_key_of_row(row) for row in rows if row.model == "entropy-classifier-b3"}
    lines = [
        Line(f"authors: {curve.name}", curve.epoch, FINAL_VALIDATED.epochs, curve.accuracy["test"])
        for curve in curves.values()
        if _key_of_curve(curve) in wanted
    ]
    if not lines:
        raise MemgateError(
            "The authors published no curve of these rows: there are curves of the entropy gate over B3, such as of "
            "paper-1-scratch-0.01-constant."
        )
    return lines


def _key_of_row(row: PaperRow) -> tuple[object, ...]:
    return row.dataset, row.backbone, row.init, row.gate_lr, row.gate_lr_schedule


def _key_of_curve(curve: AuthorRun) -> tuple[object, ...] | None:
    setting = curve.settings
    other = (setting.gate_iters, setting.drops, setting.lr, setting.lr_decay, setting.val_fraction)
    if other != (1, (47_000, 70_000), 0.1, 0.1, 0.1):
        return None
    backbone = f"resnet{setting.depth}"
    return setting.dataset, backbone, setting.init, setting.gate_lr, setting.gate_lr_schedule


def figure(theirs: Sequence[Line], ours: Sequence[Line], title: str) -> go.Figure:
    """Plot of our curves with theirs, over the share of the planned epochs."""
    plot = go.Figure()
    for lines, colours, width in ((theirs, THEIRS, 3), (ours, OURS, 2)):
        for number, line in enumerate(lines):
            plot.add_scatter(
                x=line.epoch / line.planned,
                y=line.accuracy,
                name=line.name,
                mode="lines+markers" if len(line.epoch) < 20 else "lines",
                line={"color": colours[number % len(colours)], "width": width},
                cliponaxis=False,  # the last epoch lies on the frame
                customdata=line.epoch,
                hovertemplate=f"epoch %{{customdata}} of {line.planned}: %{{y:.2%}}<extra>{line.name}</extra>",
            )
    plot.update_layout(
        title=title,
        template="simple_white",
        xaxis={"title": "share of the planned epochs", "range": [0, 1], "tickformat": ".0%"},
        yaxis={"title": "test accuracy", "tickformat": ".0%"},
        legend={"orientation": "h", "yanchor": "top", "y": -0.2, "x": 0},
    )
    return plot


def write_html(plot: go.Figure, path: Path) -> Path:
    """Write a plot as one HTML page that needs no network, and return its path.

    Raises:
        MemgateError: the file cannot be written.
    """
    page = plot.to_html(include_plotlyjs=True).encode()
    try:
        atomic_write(path, lambda stream: stream.write(page))
    except OSError as error:
        raise MemgateError(
            f"{path} cannot be written ({error}): choose another --out, or free some space."
        ) from error
    return path
