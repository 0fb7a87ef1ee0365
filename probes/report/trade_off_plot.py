"""Plot of test accuracy against mean MACs, as in Figure 3 of the batch-shaping paper."""

from collections.abc import Sequence

import plotly.graph_objects as go

from probes.report.curves import OURS, THEIRS
from probes.report.several_runs import Spread
from probes.report.trade_off import Published, TradeOff, TradeOffs, millions

CAPTION = "Error bars: sample standard deviation over seeds; none of a single run."


def figure(trade_offs: TradeOffs, title: str, published: Sequence[Published] = ()) -> go.Figure:
    """Plot of the points, with one curve for each family by rising MACs, and the documents' numbers in grey.

    Families of the same network have the same colour.
    """
    plot = go.Figure()
    families: dict[str, list[TradeOff]] = {}
    for point in trade_offs.points:
        families.setdefault(point.family, []).append(point)
    networks = list(dict.fromkeys(_network(family) for family in families))
    of_network = dict.fromkeys(networks, 0)
    for number, (family, points) in enumerate(families.items()):
        network = _network(family)
        dash, of_network[network] = of_network[network], of_network[network] + 1
        macs, accuracies = [millions(point.macs) for point in points], [point.accuracy for point in points]
        plot.add_scatter(
            x=[spread.mean for spread in macs],
            y=[spread.mean for spread in accuracies],
            error_x=_bars(macs),
            error_y=_bars(accuracies),
            name=family,
            mode="lines+markers" if len(points) > 1 else "markers",
            line={
                "color": OURS[networks.index(network) % len(OURS)],
                "dash": _DASHES[dash % len(_DASHES)],
            },
            marker={"size": 9, "symbol": _SYMBOLS[number % len(_SYMBOLS)]},
            customdata=[[point.setting or "-", len(point.runs)] for point in points],
            hovertemplate="%{customdata[0]} (n = %{customdata[1]})<br>%{y:.2%} at %{x:.2f} million MACs"
            f"<extra>{family}</extra>",
        )
    for row in published:
        plot.add_scatter(
            x=[row.macs / 1e6],
            y=[row.accuracy],
            name=f"published: {row.name}",
            mode="markers",
            marker={"size": 11, "symbol": "x", "color": THEIRS[-1]},
            hovertemplate=f"%{{y:.2%}} at %{{x:.2f}} million MACs<extra>published: {row.name}</extra>",
        )
    plot.update_layout(
        title={"text": title, "subtitle": {"text": CAPTION}},
        template="simple_white",
        xaxis={"title": "mean MACs of a test image (millions)", "rangemode": "normal"},
        yaxis={"title": "test accuracy", "tickformat": ".1%"},
        legend={"orientation": "h", "yanchor": "top", "y": -0.2, "x": 0},
        showlegend=True,
        margin={"t": 90},
    )
    return plot


_DASHES = ("solid", "dash", "dot", "dashdot")
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "triangle-down", "cross", "star")


def _network(family: str) -> str:
    """The network in a family's name, without its losses."""
    return family.partition(",")[0]


def _bars(spreads: Sequence[Spread]) -> dict[str, object]:
    """Error bars of one standard deviation to each side; none of a point without one."""
    return {
        "type": "data",
        "array": [spread.sd for spread in spreads],
        "visible": any(spread.sd for spread in spreads),
    }
