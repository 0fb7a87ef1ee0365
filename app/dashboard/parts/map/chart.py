"""The map itself: the points that are drawn, and what a lasso, a box or a click in it does."""

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from app.dashboard import sentences
from app.dashboard.charts import maps
from app.dashboard.charts.maps import Group, Points
from app.dashboard.components.chart_events import chart_events
from app.dashboard.parts.brush import outlined
from app.dashboard.parts.map.colours import GROUPS, groups
from app.dashboard.results import scores
from app.dashboard.results.maps import draw_ranks
from app.dashboard.view.state import View
from probes.embedding.config import METHODS
from probes.result import ProbeResult

DRAWN = 20000
"""Points that are drawn, at most, besides those that are selected."""

CHART, GESTURES = "map_scatter", "map_gestures"
"""Keys of the chart (its beginning) and of what listens to it."""


def chart(view: View, result: ProbeResult, colour: str) -> None:
    """Show a map of the samples that pass the filter, and say what is not drawn.

    Args:
        view: its filter and selection count.
        result: a stored map.
        colour: see :func:`app.dashboard.parts.map.colours.colour`.
    """
    place = view.data.columns(result.sample_id)
    passes = view.members[place]
    x, y = result.values["position"]
    every, place = Points(result.sample_id[passes], x[passes], y[passes]), place[passes]
    if len(every) == 0:
        st.info("No sample on this map passes the filter.")
        return
    selected = np.zeros(0, np.int64) if view.selected is None else view.selected.ids
    picked = np.isin(every.ids, selected)
    shown = drawn(draw_ranks(view)[place], picked)
    if colour in GROUPS:
        members = {name: (mask[place], look) for name, (mask, look) in groups(view, colour).items()}
        parts = {
            name: Group(every.of(mask & shown), look, int(mask.sum()))
            for name, (mask, look) in members.items()
            if (mask & shown).any()
        }
        figure, title = maps.grouped(parts, selected), GROUPS[colour]
    else:
        measure = scores.available(view)[colour]
        values, title = scores.values(view, colour)[place[shown]], measure.axis
        figure = maps.scored(every.of(shown), values, title, selected)
    source, method = result.config["source"], METHODS[result.config["method"]]
    st.plotly_chart(
        figure,
        key=f"{CHART}_{st.session_state.get('brush', 0)}",
        config=maps.DRAWING,
        alt=f"Map of {shown.sum():,} samples by {method} of their {source}, coloured by {title}",
    )
    chart_events(
        CHART,
        GESTURES,
        clicked=_clicked,
        outlined=lambda: outlined(
            view,
            {"selection": st.session_state[GESTURES]["outlined"]},
            f"the {method} map of {source}, first axis",
            "second axis",
            (every.ids, every.x, every.y),
        ),
    )
    st.caption(sentences.escaped(explained(view, len(every), picked, shown)))


def _clicked() -> None:
    st.session_state["clicked"] = st.session_state[GESTURES]["clicked"]


def drawn(ranks: NDArray[np.integer], selected: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which of n points are drawn [n]: those of the lowest ranks, and all selected ones, unless these are more.

    Args:
        ranks: of each point [n], each once.
        selected: points that are selected [n].
    """
    if len(ranks) <= DRAWN:
        return np.ones(len(ranks), bool)
    mask = ranks < np.partition(ranks, DRAWN)[DRAWN]
    return mask | selected if selected.sum() <= DRAWN else mask


def explained(view: View, mapped: int, selected: NDArray[np.bool_], shown: NDArray[np.bool_]) -> str:
    """Which samples are not drawn, and how the selected ones look, in sentences.

    Args:
        view: whose filter they pass.
        mapped: samples on the map that pass it.
        selected: which of these are selected [mapped].
        shown: which of these are drawn [mapped].
    """
    passing, text = int(view.members.sum()), f"{mapped:,} samples on the map."
    if mapped < passing:
        text = f"{mapped:,} of the {passing:,} samples that pass the filter are on the map: the others have no place."
    if not shown.all():
        more = " and all selected ones" if selected.any() and shown[selected].all() else ""
        text += f" {DRAWN:,} of them, drawn at random,{more} are shown; a lasso or a box selects all that lie in it."
    if (count := int((selected & shown).sum())) > maps.FEW_RINGS:
        text += f" Pale: all but the {count:,} points that are selected."
    return text
