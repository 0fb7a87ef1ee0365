"""Sample: one picture, what was done to it, and what became of it over the epochs."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from app import histories, palette, queries, selection, state, thumbnails, words
from app.charts import sample as charts
from app.charts.layout import CONFIG
from app.state import View
from memgate.errors import MemgateError

# Pixels to which the side of one picture, and of two beside each other, is enlarged by a whole factor.
# (A comment: Streamlit may show a text that stands by itself in a page.)
ONE, TWO = 256, 176


@dataclass(frozen=True)
class Track:
    """One column of the log's matrices."""

    view: View
    position: int

    def __call__(self, name: str, gate: str | None = None) -> NDArray[Any]:
        """A quantity of this sample at every epoch: [E]."""
        return queries.matrix(self.view.at, self.view.split, name, gate)[:, self.position]


def focus(view: View, ids: NDArray[np.int64]) -> int | None:
    """The id to show, from the URL; without one the last shown, or the first of the selection."""
    text = st.query_params.get("id")
    if text is None:
        kept = st.session_state.get("kept_id")
        if kept is not None and view.data.position(kept) is not None:
            return kept
        return int(ids[0]) if len(ids) else None
    wanted = selection.parse_id(text)
    if wanted is None:
        state.problem(
            f"{text[:40]!r} is no sample id: give a whole number, such as ?id={ids[0] if len(ids) else 0}."
        )
    return wanted


def go(sample_id: int) -> None:
    """Show another sample."""
    st.query_params["id"] = str(sample_id)


def typed() -> None:
    """The number input has changed."""
    if st.session_state["id_input"] is not None:
        go(int(st.session_state["id_input"]))


def steps(view: View, ids: NDArray[np.int64], current: int | None) -> None:
    """Previous, next, and an id to type."""
    st.session_state["id_input"] = current
    before, after = selection.neighbours(ids, -1 if current is None else current)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.number_input(
            "Sample id",
            0,
            selection.LARGEST_ID - 1,
            step=1,
            value=None,
            key="id_input",
            on_change=typed,
            width=150,
        )
        for label, icon, target in (("Previous", "arrow_back", before), ("Next", "arrow_forward", after)):
            st.button(
                label,
                icon=f":material/{icon}:",
                disabled=target is None,
                on_click=go,
                args=(target,),
                key=f"go_{label}",
            )
        among = "the selection" if view.selected else f"{view.split}, as filtered"
        place = "" if current is None or current not in ids else f"{np.searchsorted(ids, current) + 1:,} of "
        st.caption(f"{place}{len(ids):,} in {among}", width="content")
        st.page_link(
            "views/overview.py",
            label="Overview",
            icon=":material/stacked_line_chart:",
            query_params=view.params,
        )


def pictures(view: View, sample_id: int) -> None:
    """As given and as it was."""
    try:
        both = queries.pictures(view.run, view.split).of(sample_id)
    except MemgateError as error:
        state.problem(error)
        return
    if both is None:
        state.problem(f"There is no picture with the id {sample_id} in the split {view.split}.")
        return
    given, clean = both
    if clean is None:
        shown = [(given, f"sample {sample_id} as given")]
    elif np.array_equal(given, clean):
        shown = [(given, f"sample {sample_id}, picture unchanged")]
    else:
        shown = [(given, f"sample {sample_id} as given"), (clean, "as it was")]
    side = ONE if len(shown) == 1 else TWO
    with st.container(horizontal=True):
        for picture, caption in shown:
            st.html(thumbnails.enlarged(picture, side, caption), width="content")


def facts(view: View, track: Track) -> None:
    """Labels, prediction and the verdict."""
    data, at = view.data, track.position
    seen = track("seen")
    last = np.flatnonzero(seen)[-1:]
    given, clean = int(data.given_label[at]), int(data.clean_label[at])
    names = {"Given label": given, "Clean label": clean}
    if len(last):
        names[f"Predicted at epoch {view.data.epochs[last[0]]}"] = int(track("pred")[last[0]])
        if view.gate:
            names[f"Predicted by {view.gate.upper()}'s gate"] = int(track("gate_pred", view.gate)[last[0]])
    values = {name: words.class_name(label, view.log.class_names) for name, label in names.items()}
    try:
        kinds = queries.operation_kinds(view.run)
        label_kind, image_kind = kinds[data.label_op[at]], kinds[data.image_op[at]]
        if data.cause[at] == "open":
            image_kind += f", {queries.image_source(view.run, view.split, int(data.sample_id[at]))}"
    except (MemgateError, IndexError) as error:
        state.problem(error if isinstance(error, MemgateError) else "The manifest is not this log's.")
        label_kind, image_kind = ("unknown" if op[at] else "none" for op in (data.label_op, data.image_op))
    done = words.happened(
        str(data.cause[at]), values["Given label"], values["Clean label"], label_kind, image_kind
    )
    fit = words.fitted(
        str(data.cause[at]),
        track("correct_given")[seen],
        track("correct_clean")[seen],
        view.data.epochs[seen],
    )
    routes = [words.routing(gate, track("routed", gate)[seen]) for gate in view.log.gates]
    st.markdown("  \n".join(words.plain(sentence) for sentence in (done, fit, *routes) if sentence))
    # A table shows text as it is: class names are the user's.
    table = pd.DataFrame({"what": list(values), "class": list(values.values())})
    st.dataframe(table, hide_index=True, column_config={"what": "", "class": "class"}, key="facts")


def trajectories(view: View, track: Track) -> None:
    """Its way over the epochs, beside the clean samples'."""
    epochs = view.data.epochs
    colour = palette.CLEAN if view.data.cause[track.position] == "clean" else palette.CORRUPTED

    def clean(*names: str, gate: str | None = None) -> dict[str, NDArray]:
        return {name: histories.clean_quartiles(view.at, view.split, name, gate) for name in names}

    if view.gate:
        st.markdown(f"**Gate value g, gate entropy H and route of {view.gate.upper()}**")
        figure = charts.gate_trajectory(
            epochs, track("gate", view.gate), track("entropy", view.gate), track("routed", view.gate),
            track("seen"), clean("gate", "entropy", gate=view.gate), colour,
        )  # fmt: skip
        st.plotly_chart(
            figure,
            key="trajectory",
            config=CONFIG,
            alt="g, H and route of the sample over the epochs",
        )
    else:
        st.caption("The log has no gate: there is no g and no route.")
    st.markdown("**Probability of the given label, and loss in nats**")
    figure = charts.fit_trajectory(epochs, track("loss"), track("p_given"), clean("loss", "p_given"), colour)
    st.plotly_chart(
        figure,
        key="fit",
        config=CONFIG,
        alt="Loss and probability of the given label over the epochs",
    )


def page() -> None:
    """The whole page."""
    view = state.view()
    data = view.data
    ids = view.selected.ids if view.selected else data.ids(view.members)
    current = focus(view, ids)
    steps(view, ids, current)
    if current is None:
        return
    position = data.position(current)
    if position is None:
        known = f"ids {data.sample_id.min()} to {data.sample_id.max()}" if len(data.sample_id) else "none"
        state.problem(
            f"Sample {current} is not in this run: its {view.split} split has {len(data.sample_id):,} samples, "
            f"{known}."
        )
        return
    st.session_state["kept_id"] = current
    state.write_param("id", str(current))
    track = Track(view, position)
    left, right = st.columns([2, 3], gap="medium")
    with left:
        pictures(view, current)
        facts(view, track)
    with right:
        if len(data.epochs):
            trajectories(view, track)
        else:
            st.info("No epoch of this split can be read yet.")


try:
    page()
except MemgateError as error:
    state.problem(error)
