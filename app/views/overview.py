"""Overview: who is routed through the block over the epochs, and a brush to choose samples by it."""

import numpy as np
import streamlit as st

from app import curves, histories, palette, queries, selection, state
from app.charts import overview as charts
from app.charts.layout import CONFIG
from app.curves import Share
from app.headline import headline, shown
from app.panel import panel
from app.state import View
from memgate.errors import MemgateError


def metrics(view: View) -> None:
    """Six numbers: those that ``memgate report`` prints of the cursor's epoch."""
    found = headline(view)
    name = view.gate.upper() if view.gate else ""
    cells = [
        ("Test accuracy", found.test_accuracy, True, "Share of the test images predicted right."),
        ("Corrupted, fitted", found.corrupted_fitted, True,
         "Share of the corrupted training samples predicted as their given label: memorised."),
        (f"{name}: corrupted", found.routed_corrupted, True,
         "Share of the corrupted training samples routed through the block (g > 0.5)."),
        (f"{name}: clean", found.routed_clean, True, "Share of the clean training samples routed through the block."),
        ("AUROC mean g", found.gate, False,
         "How well the mean gate value tells corrupted from clean; 0.5 is chance."),
        ("AUROC mean loss", found.loss, False, "How well the mean loss tells corrupted from clean."),
    ]  # fmt: skip
    if not view.gate:
        cells = [cells[0], cells[1], cells[5]]
    for column, (label, number, percent, meaning) in zip(
        st.columns(len(cells), gap="small"), cells, strict=True
    ):
        value, interval = shown(number, percent)
        column.metric(label, value, interval, delta_color="off", delta_arrow="off", help=meaning)
    st.caption(
        f"Training samples (and test accuracy) at epoch {view.epoch} of {view.run.outline.epochs}, "
        f"{queries.status(view.run).shown}, log mode {view.log.mode}; small: 95 % interval"
    )


def choose(view: View, boxes: list[selection.Box], mode: selection.Mode) -> None:
    """Make the brushed samples the selection."""
    if view.gate is None or not boxes:
        return
    gate = queries.matrix(view.at, view.split, "gate", view.gate)
    members = selection.inside(boxes, view.data.epochs, gate, mode) & view.members
    st.session_state["boxes"] = boxes
    state.select_places(view, members, selection.describe(boxes, view.data.epochs, mode))


def brushed(view: View, key: str) -> None:
    """A box was drawn. An empty event leaves the selection: Streamlit sends one when a figure is drawn anew."""
    choose(view, selection.boxes_of(st.session_state[key]), st.session_state.get("mode", "any"))


def heatmap(view: View, gate: str) -> None:
    """The brushable evolution of g."""
    st.markdown(f"**Gate value of {gate.upper()} over the epochs** · drag a box to select samples")
    edges, counts = histories.evolution(view)
    key = f"evolution_{st.session_state.get('brush', 0)}"
    st.plotly_chart(
        charts.evolution(view.data.epochs, edges, counts),
        key=key,
        on_select=lambda: brushed(view, key),
        selection_mode="box",
        config=CONFIG,
        alt=f"Heatmap: number of samples by epoch and value of the gate {gate}, dashed line at 0.5",
    )


def by_numbers(view: View) -> None:
    """The brush for the keyboard."""
    first, last = int(view.data.epochs[0]), int(view.data.epochs[-1])
    with st.popover("Select by numbers"), st.form("by_numbers", border=False):
        low = st.number_input("g from", value=0.5, step=0.05, key="box_low")
        high = st.number_input("g to", value=1.0, step=0.05, key="box_high")
        start = st.number_input("Epoch from", first, last, first, key="box_first")
        end = st.number_input("Epoch to", first, last, last, key="box_last")
        if st.form_submit_button("Select"):
            box = selection.Box(min(start, end), max(start, end), min(low, high), max(low, high))
            choose(view, [box], st.session_state.get("mode", "any"))
            st.rerun()


def shares(view: View, gate: str) -> None:
    """Share routed by cause."""
    st.markdown(f"**Share routed through {gate.upper()}** · 95 % band")
    routed = queries.matrix(view.at, view.split, "routed", gate)
    seen = queries.matrix(view.at, view.split, "seen")
    found = {name: curves.share(routed, seen, who) for name, who in curves.cohorts(view.data.cause).items()}
    rate = float((view.data.cause != "clean").mean())
    figure = charts.shares(view.data.epochs, found, rate)
    st.plotly_chart(
        figure, key="shares", config=CONFIG, alt=f"Share routed through {gate} over the epochs, by cause"
    )


def accuracies(view: View) -> None:
    """What is fitted: given labels, clean labels, and the test set."""
    st.markdown("**Accuracy over the epochs** · against the given and the clean label")
    seen, given, clean = (
        queries.matrix(view.at, view.split, name) for name in ("seen", "correct_given", "correct_clean")
    )
    cause = view.data.cause
    every = np.ones(len(cause), bool)
    relabelled = view.data.given_label != view.data.clean_label
    found: dict[str, tuple[str, str, Share]] = {}
    words_given = "given label" if relabelled.any() else "label"
    found[f"{view.split}: {words_given}"] = (palette.CLEAN, "solid", curves.share(given, seen, every))
    if relabelled.any():
        found[f"{view.split}: clean label"] = (palette.CLEAN, "dash", curves.share(clean, seen, every))
        found["label corrupted: given label (memorised)"] = (
            palette.CORRUPTED, "solid", curves.share(given, seen, relabelled))  # fmt: skip
        found["label corrupted: clean label"] = (
            palette.CORRUPTED,
            "dash",
            curves.share(clean, seen, relabelled),
        )
    image = cause == "image"
    if image.any():
        found["image corrupted: label"] = (
            palette.CAUSE_COLOURS["image"], "dot", curves.share(given, seen, image))  # fmt: skip
    if view.split != "test" and "test" in view.log.splits:
        test = queries.split_data(view.at, "test")
        if np.array_equal(test.epochs, view.data.epochs):
            seen, given = (queries.matrix(view.at, "test", name) for name in ("seen", "correct_given"))
            everyone = np.ones(len(test.sample_id), bool)
            found["test"] = (palette.ROUTED, "longdash", curves.share(given, seen, everyone))
    st.plotly_chart(
        charts.accuracies(view.data.epochs, found),
        key="accuracies",
        config=CONFIG,
        alt="Accuracies over the epochs",
    )


def page() -> None:
    """The whole page."""
    view = state.view()
    if view.epoch is None:
        st.info("No epoch of this split can be read yet.")
        return
    metrics(view)
    if view.gate:
        left, right = st.columns([3, 2], gap="medium")
        with left:
            heatmap(view, view.gate)
        with right:
            shares(view, view.gate)
        with st.container(horizontal=True, vertical_alignment="center"):
            st.radio(
                "A sample is selected when it is inside the box at",
                ["any", "every"],
                key="mode",
                horizontal=True,
                format_func=lambda mode: f"{mode} epoch",
                on_change=lambda: choose(view, st.session_state.get("boxes", []), st.session_state["mode"]),
            )
            by_numbers(view)
        panel(view, "drag a box on the heatmap, or select by numbers.")
    else:
        st.info("The log has no gate, so there is no routing to show.")
    accuracies(view)


try:
    page()
except MemgateError as error:
    state.problem(error)
