"""The map itself: the points that are drawn, and what a lasso, a box or a click in it does."""

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from app.dashboard import sentences
from app.dashboard.charts import explorer, maps
from app.dashboard.charts.maps import Points
from app.dashboard.parts.brush import brushed
from app.dashboard.parts.map.colours import GROUPS, groups
from app.dashboard.results import scores
from app.dashboard.view.state import View
from probes.embedding.config import METHODS
from probes.result import ProbeResult

DRAWN = 20000
"""Points that are drawn, at most."""


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
    every = Points(result.sample_id[passes], x[passes], y[passes])
    if len(every) == 0:
        st.info("No sample on this map passes the filter.")
        return
    shown = drawn(every.ids)
    points, places = every.of(shown), place[passes][shown]
    selected = np.zeros(0, np.int64) if view.selected is None else view.selected.ids
    ringed = every.of(shown & np.isin(every.ids, selected))
    if colour in GROUPS:
        members = groups(view, colour)
        inside = {
            name: (points.of(mask[places]), look)
            for name, (mask, look) in members.items()
            if mask[places].any()
        }
        figure, title = maps.grouped(inside, ringed), GROUPS[colour]
    else:
        measure = scores.available(view)[colour]
        values, title = scores.values(view, colour)[places], measure.axis
        figure = maps.scored(points, values, title, ringed)
    source, method = result.config["source"], METHODS[result.config["method"]]
    key = f"map_scatter_{st.session_state.get('brush', 0)}"
    everything = None if len(points) == len(every) else (every.ids, every.x, every.y)
    st.plotly_chart(
        figure,
        key=key,
        on_select=lambda: brushed(
            view, key, f"the {method} map of {source}, first axis", "second axis", everything
        ),
        selection_mode=("points", "box", "lasso"),
        config=explorer.BRUSH,
        alt=f"Map of {len(points):,} samples by {method} of their {source}, coloured by {title}",
    )
    st.caption(sentences.escaped(left_out(view, len(every), len(points))))


def drawn(ids: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Which of n points are drawn [n]: all up to :data:`DRAWN`, else so many that are drawn once and for all."""
    mask = np.ones(len(ids), bool)
    if len(ids) > DRAWN:
        mask[np.random.default_rng(0).permutation(len(ids))[DRAWN:]] = False
    return mask


def left_out(view: View, mapped: int, shown: int) -> str:
    """Which samples are not drawn, in sentences."""
    passing, text = int(view.members.sum()), f"{mapped:,} samples on the map."
    if mapped < passing:
        text = f"{mapped:,} of the {passing:,} samples that pass the filter are on the map: the others have no place."
    if shown < mapped:
        text += (
            f" {shown:,} of them, drawn at random, are shown; a lasso or a box selects all that lie in it."
        )
    return text
