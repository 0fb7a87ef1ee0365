"""What a box, a lasso or a click in a scatter plot of samples does."""

from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from app.dashboard.view import selection, state
from app.dashboard.view.state import View

MANY = 5000
"""With more selected points than this, the chart is drawn anew: Streamlit sends them back with every later change of
the page."""


Points = tuple[NDArray[np.integer], NDArray[np.floating], NDArray[np.floating]]
"""Sample ids, x and y, each [n]."""


def brushed(view: View, key: str, across: str, up: str) -> None:
    """Select the points in a box or lasso, or note the one clicked; an empty event changes nothing.

    Args:
        view: run and split.
        key: of the chart, whose points have sample ids as customdata.
        across: name of the x axis in the description of the selection.
        up: name of the y axis.
    """
    event = st.session_state[key]
    ids = selection.picked_ids(event)
    gesture = selection.gesture(event, st.session_state.get(f"outline_{key}", ""))
    if not gesture:
        return
    st.session_state[f"outline_{key}"] = selection.outline(event)
    if gesture == "click":
        st.session_state["clicked"] = ids[0]
        return
    state.select_places(view, view.data.places(ids), described(event, across, up))
    if len(ids) > MANY:
        state.redraw()


def outlined(view: View, event: Any, across: str, up: str, points: Points) -> None:
    """Select the points inside boxes and lassos that were drawn as shapes; the chart is drawn anew, without them.

    Args:
        view: run and split.
        event: what was drawn, in the form of a selection.
        across: see :func:`brushed`.
        up: likewise.
        points: all of them, whether the chart shows them or not.
    """
    ids = within(event, points)
    if len(ids):
        state.select(view, ids, described(event, across, up))
    state.redraw()


def described(event: Any, across: str, up: str) -> str:
    """How the samples of a selection event were chosen, in words; several gestures at once count as a lasso."""
    boxes = selection.boxes_of(event)
    if not boxes or selection.lassos_of(event):
        return f"lasso over {across} and {up}"
    return " or ".join(
        f"{across} in [{box.left:.3g}, {box.right:.3g}] and {up} in [{box.low:.3g}, {box.high:.3g}]"
        for box in boxes
    )


def within(event: Any, points: Points) -> NDArray[np.integer]:
    """Ids of the points inside what was drawn on a chart, whether the chart shows them or not."""
    ids, x, y = points
    boxes, lassos = selection.boxes_of(event), selection.lassos_of(event)
    return ids[selection.points_in_boxes(boxes, x, y) | selection.points_in_lassos(lassos, x, y)]


def open_clicked(view: View) -> None:
    """Open the page of the sample that was clicked in a scatter plot, if one was."""
    if "clicked" in st.session_state:
        state.open_sample(view, st.session_state.pop("clicked"))
