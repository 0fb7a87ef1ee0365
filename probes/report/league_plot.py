"""Plot of the league of proxies: correlations by group with their intervals, and over the epochs."""

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from probes.report.curves import OURS
from probes.report.league import LeagueReport
from probes.report.tables import title_of
from probes.scores.league import WITHIN

GROUPS = ("all", "clean", "corrupted", WITHIN)
"""Groups that are drawn, as far as there are any."""

CURVES = 6
"""Scores whose curves over the epochs are drawn: those that are best at the last epoch."""


def figure(report: LeagueReport) -> go.Figure:
    """Correlation of each score with the first target, the best on top; below it the curves of the best scores."""
    target, what = next(iter(report.targets.items()))
    curves = [curve for curve in report.over_epochs if curve.target == target]
    rows = 2 if curves else 1
    plot = make_subplots(rows=rows, cols=1, vertical_spacing=0.12)
    order = [title_of(row.score, row.gate) for row in report.of(target)]
    for number, group in enumerate(GROUPS):
        standings = [row for row in report.of(target, group) if row.rho.value is not None]
        if not standings:
            continue
        values = [row.rho.value or 0.0 for row in standings]
        ends = [(row.rho.low, row.rho.high) for row in standings]
        plot.add_scatter(
            x=values,
            y=[title_of(row.score, row.gate) for row in standings],
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [0 if high is None else high - x for (_, high), x in zip(ends, values, strict=True)],
                "arrayminus": [
                    0 if low is None else x - low for (low, _), x in zip(ends, values, strict=True)
                ],
                "thickness": 1,
            },
            name=group,
            mode="markers",
            marker={"color": OURS[number], "size": 7},
            hovertemplate=f"%{{y}}: %{{x:.3f}}<extra>{group}</extra>",
            row=1,
            col=1,
        )
    best = sorted(curves, key=lambda curve: -(curve.last.value or -2))[:CURVES]
    for number, curve in enumerate(best):
        plot.add_scatter(
            x=curve.epochs,
            y=curve.rho,
            name=title_of(curve.score, curve.gate),
            mode="lines+markers",
            line={"color": OURS[number % len(OURS)]},
            row=2,
            col=1,
        )
    plot.update_yaxes(categoryorder="array", categoryarray=order[::-1], row=1, col=1)
    plot.update_xaxes(title="Spearman's rho, 95 % interval over samples", range=[-1, 1], row=1, col=1)
    if curves:
        plot.update_xaxes(title="epoch", row=2, col=1)
        plot.update_yaxes(title="Spearman's rho of the score up to it", row=2, col=1)
    plot.update_layout(
        title=f"{report.group}: scores against {what}",
        template="simple_white",
        height=320 * rows + 16 * len(order),
        showlegend=True,
    )
    return plot
